//! Floor and ceiling of a preview as a picture for its page.

use std::fmt::Write;

use super::path::{Frame, Steps};
use super::{SIDES, SIZE, STYLE, grid, legend, path, text};
use crate::report::preview::Preview;
use crate::report::text::{escape, zone_name};

/// Where the panel begins and ends from top to bottom, and how high the picture is.
const PANEL: (f64, f64) = (44.0, 260.0);
const HEIGHT: f64 = 310.0;

/// The picture, without a name on it.
pub(in super::super) fn draw(preview: &Preview<'_>) -> String {
    let (period, zone) = (preview.period(), &preview.zone);
    let ticks = period.ticks(zone, 13);
    let frame = Frame { period, axis: preview.axis(), sides: SIDES, panel: PANEL };
    let width = SIZE.0;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" class=\"tt\" role=\"img\" \
         aria-labelledby=\"tt-title tt-desc\">\n<title id=\"tt-title\">{}</title>\n\
         <desc id=\"tt-desc\">Floor and ceiling of the schedule, {}.</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"tt-back\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"8\"/>",
        escape(&preview.name),
        escape(&period.words(zone)),
    );
    let ceiling = Steps::along(&frame, preview.steps().map(|(at, _, ceiling)| (at, preview.shown(ceiling))));
    let floor = preview.steps().map(|(at, floor, _)| (at, Some(f64::from(floor.get()))));
    let floor = Steps::along(&frame, floor);
    let ceiling = ceiling.line();
    let mut meanings = vec![("tt-floor", "floor")];
    if !ceiling.is_empty() {
        meanings.push(("tt-capacity", "ceiling, where below maxReplicas"));
    }
    legend(&mut svg, PANEL.0 - 18.0, "replicas", &meanings);
    grid(&mut svg, &frame, &ticks);
    path(&mut svg, "tt-floor", &floor.area());
    path(&mut svg, "tt-capacity", &ceiling);
    for tick in &ticks {
        let x = SIDES.0 + tick.place * (SIDES.1 - SIDES.0);
        let class = if tick.midnight { "tt-label tt-day" } else { "tt-label" };
        text(&mut svg, class, (x, PANEL.1 + 18.0), "middle", &tick.label);
    }
    text(&mut svg, "tt-label", (SIDES.1, PANEL.1 + 38.0), "end", &zone_name(preview.from, zone));
    svg.push_str("</svg>\n");
    svg
}
