//! The replicas of several runs in one panel.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::super::axis::Period;
use super::super::svg::path::{Frame, Steps};
use super::super::svg::{SIDES, STYLE, grid, path, text};
use super::super::text::{escape, zone_name};
use super::{axis, per_replica};
use crate::simulation::Run;

/// What the lines look like, beside what all pictures have.
const OWN_STYLE: &str = include_str!("style.css");

/// The picture's width in its own units.
const WIDTH: f64 = 960.0;

/// The panel's height.
const PANEL: f64 = 300.0;

/// The height of a line of the legend.
const LINE: f64 = 18.0;

/// How many series have a colour of their own; the next ones begin again.
const COLOURS: usize = 8;

/// The class of a run's line, by its place among the runs.
fn series_class(index: usize) -> String {
    format!("tt-run tt-run-{}", index % COLOURS)
}

/// The replicas of all runs over what the demand would have needed, as an SVG document.
#[must_use]
pub fn picture(runs: &[Run], zone: &TimeZone) -> String {
    let mut svg = String::new();
    let Some(first) = runs.first() else { return svg };
    let entries = legend(runs);
    let lines = entries.last().map_or(0.0, |(_, _, (_, y))| *y) + LINE;
    let (top, bottom) = (22.0 + lines, 22.0 + lines + PANEL);
    let height = bottom + 50.0;
    let period = Period::of(first);
    let ticks = period.ticks(zone, 13);
    let frame = Frame { period, axis: axis(runs, 5), sides: SIDES, panel: (top, bottom) };
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let title = format!("Replicas of {}", names.join(", "));
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" class=\"tt tt-compared\" \
         role=\"img\" aria-label=\"{0}\">\n<title>{0}</title>\n<style>\n{STYLE}{OWN_STYLE}</style>\n\
         <rect class=\"tt-back\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>",
        escape(&title)
    );
    text(&mut svg, "tt-unit", (20.0, 24.0), "start", "replicas");
    for (class, name, (x, y)) in &entries {
        let y = y + 24.0;
        let d = if class == "tt-needed" {
            format!("M{x} {}h22v9h-22Z", y - 8.5)
        } else {
            format!("M{x} {}h22", y - 4.0)
        };
        path(&mut svg, class, &d);
        text(&mut svg, "tt-label", (x + 28.0, y), "start", name);
    }
    grid(&mut svg, &frame, &ticks);
    let needs = per_replica(first);
    path(&mut svg, "tt-needed", &Steps::of(&frame, first, |row| Some(row.qps / needs)).area());
    for (index, run) in runs.iter().enumerate().rev() {
        let replicas = Steps::of(&frame, run, |row| Some(f64::from(row.replicas)));
        path(&mut svg, &format!("{} tt-series-{index}", series_class(index)), &replicas.line());
    }
    for tick in &ticks {
        let x = SIDES.0 + tick.place * (SIDES.1 - SIDES.0);
        let class = if tick.midnight { "tt-label tt-day" } else { "tt-label" };
        text(&mut svg, class, (x, bottom + 18.0), "middle", &tick.label);
    }
    text(&mut svg, "tt-label", (SIDES.1, bottom + 38.0), "end", &zone_name(first.from, zone));
    svg.push_str("</svg>\n");
    svg
}

/// The classes, names and places of the legend's entries, in lines of the picture's width.
fn legend(runs: &[Run]) -> Vec<(String, String, (f64, f64))> {
    let own = [("tt-needed".to_owned(), "what the demand needs".to_owned())];
    let all = runs.iter().enumerate().map(|(index, run)| (series_class(index), run.name.clone()));
    let (mut x, mut y) = (SIDES.0 + 60.0, 0.0);
    let mut entries = Vec::new();
    for (class, name) in own.into_iter().chain(all) {
        // A generous estimate of the text's width.
        let width = 46.0 + 6.6 * f64::from(u16::try_from(name.chars().count()).unwrap_or(u16::MAX));
        if x + width > SIDES.1 && x > SIDES.0 + 60.0 {
            (x, y) = (SIDES.0 + 60.0, y + LINE);
        }
        entries.push((class, name, (x, y)));
        x += width;
    }
    entries
}
