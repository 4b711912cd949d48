//! Rows of text in columns.

/// Rows in columns: the first to the left, the others to the right.
#[must_use]
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| length(row, column)).max().unwrap_or(0)).collect();
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
        if column == 0 { format!("{cell:width$}") } else { format!("  {cell:>width$}") }
    };
    let line = |row: &Vec<String>| -> String {
        let cells: String = row.iter().zip(&widths).enumerate().map(cell).collect();
        format!("{}\n", cells.trim_end())
    };
    rows.iter().map(line).collect()
}
