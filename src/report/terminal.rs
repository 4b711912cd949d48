//! Runs in a terminal. Every series has its own shape, so that nothing depends on colour.
//!
//! Demand and the floor are filled areas, capacity and replicas are lines over them. Where demand is above
//! the capacity line, what lacks is crossed out.

use jiff::tz::TimeZone;

use self::canvas::{Canvas, Ink, Panel};
use super::axis::{Axis, Period, Tick};
use super::columns::{Column, columns, part};
use super::scores as lines;
use super::text::printable;
use crate::simulation::Run;

pub(super) mod canvas;
pub mod preview;

/// The least width of a chart; narrower ones are as wide as this.
pub(super) const NARROWEST: usize = 40;

/// Columns between two labels of the time axis.
pub(super) const BETWEEN_LABELS: i64 = 10;

/// A chart of about 22 lines: demand against capacity, and below it baseline, load level and replicas.
///
/// It is `width` columns wide, with times of `zone` on its axis. With `color`, it has ANSI escapes.
#[must_use]
pub fn chart(run: &Run, zone: &TimeZone, width: usize, color: bool) -> String {
    let period = Period::of(run);
    let width = width.max(NARROWEST);
    let highest = run.rows.iter().map(|row| row.qps.max(row.capacity)).fold(0.0, f64::max);
    let demand = Axis::covering(highest, 5, 0.001);
    let most = run.rows.iter().map(|row| row.replicas.max(row.floor).max(row.level.unwrap_or(0))).max();
    let replicas = Axis::covering(f64::from(most.unwrap_or(0)), 4, 1.0);
    let labels = demand.ticks().chain(replicas.ticks()).map(|(_, label)| label.chars().count());
    // Labels, a blank and the axis.
    let gutter = labels.max().unwrap_or(0) + 2;
    let columns = columns(run, width.saturating_sub(gutter).max(1));
    let ticks =
        period.ticks(zone, i64::try_from(width.saturating_sub(gutter).max(1)).unwrap_or(0) / BETWEEN_LABELS);
    let mut canvas = Canvas::new(width, color);
    canvas.text(&format!("{}, {}", printable(&run.name), period.words(zone)), Ink::Bold);
    canvas.legend(
        "requests/s",
        &[
            ("█", Ink::Demand, "demand"),
            ("━", Ink::Capacity, "capacity of ready replicas"),
            ("╳", Ink::Shortage, "demand without capacity"),
        ],
    );
    canvas.panel(&upper(demand, &columns), demand, gutter);
    canvas.axis(&ticks, gutter, false);
    canvas.legend(
        "replicas",
        &[
            ("░", Ink::Floor, "baseline"),
            ("•", Ink::Level, "load level, where it differs"),
            ("━", Ink::Replicas, "replicas"),
        ],
    );
    canvas.panel(&lower(replicas, &columns), replicas, gutter);
    canvas.axis(&ticks, gutter, true);
    canvas.finish()
}

/// All scores in a table: what they are called, their names in machine-readable output, value and unit.
#[must_use]
pub fn scores(run: &Run) -> String {
    let scores = lines::lines(&run.scores);
    let widest = |length: fn(&lines::Line) -> usize| scores.iter().map(length).max().unwrap_or(0);
    let title = widest(|line| line.title.len());
    let name = widest(|line| line.name.len());
    let value = widest(|line| line.value.len());
    let rows = scores.iter().map(|line| {
        format!("{:title$}  {:name$}  {:>value$} {}\n", line.title, line.name, line.value, line.unit)
    });
    rows.collect()
}

/// Demand as an area, capacity as a line, and crosses where the former is above the latter.
fn upper(axis: Axis, columns: &[Column]) -> Panel {
    let mut panel = Panel::new(axis, columns.len());
    for (x, column) in columns.iter().enumerate() {
        panel.bar(x, column.demand, Ink::Demand);
    }
    let capacity: Vec<f64> = columns.iter().map(|column| column.capacity).collect();
    panel.line(&capacity, Ink::Capacity);
    for (x, column) in columns.iter().enumerate() {
        if column.shortage.is_some() {
            let (low, high) = (panel.row(column.capacity), panel.row(column.demand));
            // What lacks less than a row is crossed out on the line itself.
            for y in (low + 1).min(high)..=high {
                panel.put(x, y, '╳', Ink::Shortage);
            }
        }
    }
    panel
}

/// The floor as an area, the load's level as dots, the replicas as a line over both.
fn lower(axis: Axis, columns: &[Column]) -> Panel {
    let mut panel = Panel::new(axis, columns.len());
    for (x, column) in columns.iter().enumerate() {
        for y in 0..panel.row(f64::from(column.floor)) {
            panel.put(x, y, '░', Ink::Floor);
        }
        if let Some(level) = column.level {
            let y = panel.row(f64::from(level));
            panel.put(x, y, '•', Ink::Level);
        }
    }
    let replicas: Vec<f64> = columns.iter().map(|column| f64::from(column.replicas)).collect();
    panel.line(&replicas, Ink::Replicas);
    panel
}

/// The column of a tick in a chart of `width` columns.
fn column_of(tick: &Tick, width: usize) -> usize {
    part(tick.place, width).min(width.saturating_sub(1))
}
