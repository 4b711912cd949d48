//! A preview in a terminal: a chart of floor and ceiling, a table of changes, and what clock changes do.

use std::fmt::Write;

use jiff::SignedDuration;

use super::canvas::{Canvas, Ink, Panel};
use super::{BETWEEN_LABELS, NARROWEST, part};
use crate::report::preview::Preview;
use crate::report::text::printable;

/// The chart, the changes and the clock changes; the chart is `width` columns wide. With `color`, it has
/// ANSI escapes.
#[must_use]
pub fn text(preview: &Preview<'_>, width: usize, color: bool) -> String {
    let mut text = chart(preview, width.max(NARROWEST), color);
    text.push('\n');
    text.push_str(&table(preview));
    text.push_str(&clock_changes(preview));
    text.push_str(&spread(preview));
    text
}

/// That edges come a little earlier or later, if they do.
fn spread(preview: &Preview<'_>) -> String {
    let spread = preview.schedule.spread();
    if spread.is_zero() {
        return String::new();
    }
    let half = SignedDuration::try_from(spread / 2).unwrap_or(SignedDuration::MAX);
    format!("\nschedule.spread: in the cluster each of these comes up to {half:#} earlier or later\n")
}

fn chart(preview: &Preview<'_>, width: usize, color: bool) -> String {
    let (period, axis) = (preview.period(), preview.axis());
    let labels = axis.ticks().map(|(_, label)| label.chars().count());
    // Labels, a blank and the axis.
    let gutter = labels.max().unwrap_or(0) + 2;
    let columns = columns(preview, width - gutter);
    let ticks = period.ticks(&preview.zone, i64::try_from(width - gutter).unwrap_or(0) / BETWEEN_LABELS);
    let mut canvas = Canvas::new(width, color);
    canvas.text(&format!("{}, {}", printable(&preview.name), period.words(&preview.zone)), Ink::Bold);
    let mut legend = vec![("░", Ink::Floor, "floor")];
    if columns.iter().any(|(_, ceiling)| ceiling.is_some()) {
        legend.push(("━", Ink::Capacity, "ceiling, where below maxReplicas"));
    }
    canvas.legend("replicas", &legend);
    let mut panel = Panel::new(axis, columns.len());
    for (x, (floor, ceiling)) in columns.into_iter().enumerate() {
        for y in 0..panel.row(floor) {
            panel.put(x, y, '░', Ink::Floor);
        }
        if let Some(ceiling) = ceiling {
            let y = panel.row(ceiling);
            panel.put(x, y, '━', Ink::Capacity);
        }
    }
    canvas.panel(&panel, axis, gutter);
    canvas.axis(&ticks, gutter, true);
    canvas.finish()
}

/// The highest floor and the lowest ceiling in each of `width` equal parts of the time: neither a short peak
/// nor a short limit is hidden.
fn columns(preview: &Preview<'_>, width: usize) -> Vec<(f64, Option<f64>)> {
    let period = preview.period();
    let mut columns = vec![(0.0_f64, None::<f64>); width];
    let mut steps = preview.steps().peekable();
    while let Some((at, floor, ceiling)) = steps.next() {
        let first = part(period.place(at), width).min(width.saturating_sub(1));
        // What ends on the border of a column is not in it.
        let end = steps.peek().map_or(width, |(next, ..)| width - part(1.0 - period.place(*next), width));
        let ceiling = preview.shown(ceiling);
        for (most, least) in columns.iter_mut().take(end).skip(first) {
            *most = most.max(f64::from(floor.get()));
            *least = match (*least, ceiling) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (one, other) => one.or(other),
            };
        }
    }
    columns
}

/// What is in force at first, and every change.
fn table(preview: &Preview<'_>) -> String {
    let start = &preview.start;
    let mut rows = vec![["LOCAL", "UTC", "FLOOR", "CEILING", "ENTRY", "WHY"].map(ToOwned::to_owned)];
    if !preview.begins_with_a_change() {
        rows.push([
            preview.local(preview.from),
            preview.from.to_string(),
            start.floor.to_string(),
            start.ceiling.to_string(),
            printable(&preview.names_at_first()),
            printable(&preview.why_at_first()),
        ]);
    }
    rows.extend(preview.changes.iter().map(|change| {
        [
            preview.local(change.at),
            change.at.to_string(),
            change.floor.to_string(),
            change.ceiling.to_string(),
            printable(&preview.names(change)),
            printable(&preview.why(change)),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [local, utc, floor, ceiling, entry] = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    for [a, b, c, d, e, f] in &rows {
        let line = format!("{a:local$}  {b:utc$}  {c:>floor$}  {d:>ceiling$}  {e:entry$}  {f}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if preview.changes.is_empty() {
        text.push_str("Nothing changes until the end.\n");
    }
    text
}

fn clock_changes(preview: &Preview<'_>) -> String {
    let mut text = String::new();
    for change in &preview.clock_changes {
        let (date, zone, at) = (change.date, &change.zone, change.at);
        let _ = writeln!(text, "\nClocks change on {date} in {zone}: {} at {at}", change.shift());
        for effect in &change.effects {
            let _ = writeln!(text, "  {}: {}", printable(preview.entry(effect.entry)), effect.words);
        }
    }
    text
}
