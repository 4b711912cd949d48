//! Several runs of one scenario side by side: what each of them cost and left undone, and the replicas of all over
//! what the demand would have needed.

mod picture;

pub use self::picture::picture;

use jiff::tz::TimeZone;

use super::axis::{Axis, Period};
use super::columns::columns;
use super::scores::{Line, lines};
use super::terminal::canvas::{Canvas, Ink, Panel};
use super::terminal::{BETWEEN_LABELS, NARROWEST};
use super::text::printable;
use crate::simulation::Run;

/// The scores that a comparison shows, by name, with heads of two lines.
const COLUMNS: [(&str, &str, &str); 9] = [
    ("late_percent", "late", "% of requests"),
    ("dropped_percent", "dropped", "% of requests"),
    ("tau_u_percent", "too few", "% of time"),
    ("theta_u_percent", "missing", "% of demand"),
    ("theta_o_percent", "surplus", "% of demand"),
    ("replica_hours", "cost", "replica hours"),
    ("peak_replicas", "peak", "replicas"),
    ("scale_events", "changes", "of replicas"),
    ("reversals", "changes", "of direction"),
];

/// The heads of a comparison's columns: what is counted, and in what.
#[must_use]
pub fn heads() -> [(&'static str, &'static str); 9] {
    COLUMNS.map(|(_, head, unit)| (head, unit))
}

/// The values of a run in a comparison's columns.
#[must_use]
pub fn values(run: &Run) -> [String; 9] {
    let scores = lines(&run.scores);
    let value = |name| scores.iter().find(|line: &&Line| line.name == name).map(|line| line.value.clone());
    COLUMNS.map(|(name, _, _)| value(name).unwrap_or_default())
}

/// The table of scores, a run a line.
#[must_use]
pub fn table(runs: &[Run]) -> String {
    let names: Vec<String> = runs.iter().map(|run| printable(&run.name)).collect();
    let rows: Vec<[String; 9]> = runs.iter().map(values).collect();
    let length = |text: &str| text.chars().count();
    let first = names.iter().map(|name| length(name)).max().unwrap_or(0);
    let width = |column: usize| {
        let (head, unit) = heads()[column];
        let longest = rows.iter().map(|row| length(&row[column])).max().unwrap_or(0);
        longest.max(length(head)).max(length(unit))
    };
    let line = |name: &str, cells: [&str; 9]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| format!("  {cell:>0$}", width(column)));
        format!("{name:first$}{}\n", cells.collect::<String>())
    };
    let mut table = line("", heads().map(|(head, _)| head));
    table += &line("", heads().map(|(_, unit)| unit));
    for (name, row) in names.iter().zip(&rows) {
        table += &line(name, row.each_ref().map(String::as_str));
    }
    table
}

/// A small panel for each run, over the same time and to the same height: the replicas as a line over what
/// the demand would have needed, crossed out where that was more than what was ready.
#[must_use]
pub fn chart(runs: &[Run], zone: &TimeZone, width: usize, color: bool) -> String {
    let Some(first) = runs.first() else { return String::new() };
    let period = Period::of(first);
    let width = width.max(NARROWEST);
    let axis = axis(runs, 1);
    let labels = axis.ticks().map(|(_, label)| label.chars().count());
    let gutter = labels.max().unwrap_or(0) + 2;
    let ticks = period.ticks(zone, i64::try_from(width - gutter).unwrap_or(0) / BETWEEN_LABELS);
    let mut canvas = Canvas::new(width, color);
    canvas.legend(
        "replicas",
        &[
            ("█", Ink::Demand, "what the demand needs"),
            ("━", Ink::Replicas, "replicas"),
            ("╳", Ink::Shortage, "not enough are ready"),
        ],
    );
    for (index, run) in runs.iter().enumerate() {
        canvas.text(&printable(&run.name), Ink::Bold);
        let columns = columns(run, width - gutter);
        let mut panel = Panel::low(axis, columns.len());
        let per_replica = per_replica(run);
        for (x, column) in columns.iter().enumerate() {
            panel.bar(x, column.demand / per_replica, Ink::Demand);
        }
        let replicas: Vec<f64> = columns.iter().map(|column| f64::from(column.replicas)).collect();
        panel.line(&replicas, Ink::Replicas);
        for (x, column) in columns.iter().enumerate().filter(|(_, column)| column.shortage.is_some()) {
            panel.put(x, panel.row(column.demand / per_replica), '╳', Ink::Shortage);
        }
        canvas.panel(&panel, axis, gutter);
        canvas.axis(&ticks, gutter, index + 1 == runs.len());
    }
    canvas.finish()
}

/// An axis with room for every run's replicas and for what the demand needs.
fn axis(runs: &[Run], steps: u32) -> Axis {
    let highest = |run: &Run| {
        let per_replica = per_replica(run);
        let most = |row: &crate::simulation::Row| f64::from(row.replicas).max(row.qps / per_replica);
        run.rows.iter().map(most).fold(0.0, f64::max)
    };
    Axis::covering(runs.iter().map(highest).fold(0.0, f64::max), steps, 1.0)
}

/// What one replica carries at best, in requests per second: with a tier behind, more of them may carry less
/// each. Nothing is ready at no time: then it does not matter.
fn per_replica(run: &Run) -> f64 {
    let ready = run.rows.iter().filter(|row| row.ready > 0);
    let most = ready.map(|row| row.capacity / f64::from(row.ready)).fold(0.0, f64::max);
    if most > 0.0 { most } else { f64::INFINITY }
}
