//! Runs as a picture that needs nothing but itself: for a README, a page, a chat. It paints its own
//! background and follows the reader's preference for light or dark.

use std::fmt::Write;

use jiff::tz::TimeZone;

use self::detail::Layout;
use self::path::{Frame, Steps};
use super::axis::{Axis, Period, Tick};
use super::text::{escape, grouped};
use crate::simulation::{Row, Run};

pub(super) mod detail;
pub(super) mod path;
pub(super) mod preview;

/// The picture's width and height in its own units.
pub(super) const SIZE: (f64, f64) = (960.0, 560.0);

/// Where the panels begin and end from left to right.
pub(super) const SIDES: (f64, f64) = (64.0, 922.0);

/// Where the panels begin and end from top to bottom.
pub(super) const UPPER: (f64, f64) = (104.0, 300.0);
pub(super) const LOWER: (f64, f64) = (356.0, 510.0);

pub(super) const STYLE: &str = include_str!("svg/style.css");

/// The run as an SVG document: demand against capacity above, baseline, load level and replicas below, at
/// local times of `zone`.
#[must_use]
pub fn picture(run: &Run, zone: &TimeZone) -> String {
    if run.behind.is_empty() {
        return draw(run, zone, &Layout::PLAIN);
    }
    // One below the other.
    let (width, height) = SIZE;
    let tiers = f64::from(u16::try_from(run.behind.len() + 1).unwrap_or(u16::MAX));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" role=\"img\">\n",
        height * tiers
    );
    for (index, tier) in run.tiers().enumerate() {
        let y = height * f64::from(u16::try_from(index).unwrap_or(u16::MAX));
        let _ = writeln!(svg, "<svg y=\"{y}\" width=\"{width}\" height=\"{height}\">");
        svg += &draw(tier, zone, &Layout::PLAIN.numbered(index));
        svg += "</svg>\n";
    }
    svg + "</svg>\n"
}

/// The picture as `layout` says: by itself, or for a page that says name and summary itself and has room
/// for more.
pub(super) fn draw(run: &Run, zone: &TimeZone, layout: &Layout) -> String {
    let period = Period::of(run);
    let ticks = period.ticks(zone, 13);
    let (width, height) = layout.size;
    let top = layout.top;
    let id = layout.id();
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 {top} {width} {}\" class=\"tt\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-desc\">",
        height - top
    );
    let _ = writeln!(svg, "<title id=\"{id}-title\">{}</title>", escape(&run.name));
    let _ = writeln!(svg, "<desc id=\"{id}-desc\">{}</desc>", escape(&description(run, &period, zone)));
    let _ = writeln!(svg, "<style>\n{STYLE}{}</style>", layout.more_style(run));
    let _ = writeln!(
        svg,
        "<rect class=\"tt-back\" y=\"{top}\" width=\"{width}\" height=\"{}\" rx=\"8\"/>",
        height - top
    );
    if layout.is_headed() {
        text(&mut svg, "tt-head", (20.0, 32.0), "start", &run.name);
        text(&mut svg, "tt-sub", (20.0, 54.0), "start", &summary(run, &period, zone));
    }
    demand(&mut svg, run, period, &ticks, layout);
    replicas(&mut svg, run, period, &ticks, layout);
    detail::service(&mut svg, run, period, &ticks, layout);
    if layout.is_detailed {
        detail::changes(&mut svg, run, &lower(run, period, layout), zone);
    }
    let bottom = layout.bottom();
    for tick in &ticks {
        let x = SIDES.0 + tick.place * (SIDES.1 - SIDES.0);
        let class = if tick.midnight { "tt-label tt-day" } else { "tt-label" };
        text(&mut svg, class, (x, bottom + 18.0), "middle", &tick.label);
    }
    text(&mut svg, "tt-label", (SIDES.1, bottom + 38.0), "end", &super::text::zone_name(run.from, zone));
    svg.push_str("</svg>\n");
    svg
}

/// The upper panel.
fn demand(svg: &mut String, run: &Run, period: Period, ticks: &[Tick], layout: &Layout) {
    let highest = run.rows.iter().map(|row| row.qps.max(row.capacity)).fold(0.0, f64::max);
    let frame = Frame { period, axis: Axis::covering(highest, 5, 0.001), sides: SIDES, panel: layout.upper };
    let gaps = detail::gaps(&frame, run);
    let gap = (!gaps.is_empty()).then_some(("tt-gap", "metrics not read"));
    let entries = [
        ("tt-demand", "demand"),
        ("tt-capacity", "capacity of ready replicas"),
        ("tt-short", "demand without capacity"),
    ];
    let entries: Vec<_> = entries.into_iter().chain(gap).collect();
    legend(svg, layout.upper.0 - 18.0, "requests/s", &entries);
    path(svg, "tt-gap", &gaps);
    grid(svg, &frame, ticks);
    let demand = Steps::of(&frame, run, |row| Some(row.qps));
    path(svg, "tt-demand-area", &demand.area());
    let (areas, marks) = path::shortage(&frame, run);
    path(svg, "tt-short", &areas);
    path(svg, "tt-demand", &demand.line());
    path(svg, "tt-capacity", &Steps::of(&frame, run, |row| Some(row.capacity)).line());
    path(svg, "tt-mark", &marks);
}

/// The place of the lower panel and its axis.
fn lower(run: &Run, period: Period, layout: &Layout) -> Frame {
    let most = |row: &Row| {
        let most = row.replicas.max(row.floor).max(row.level.unwrap_or(0));
        if layout.is_detailed {
            most.max(row.recommendation.unwrap_or(0).min(row.ceiling)).max(row.desired)
        } else {
            most
        }
    };
    let most = run.rows.iter().map(most).max().unwrap_or(0);
    Frame { period, axis: Axis::covering(f64::from(most), 4, 1.0), sides: SIDES, panel: layout.lower }
}

/// The lower panel.
fn replicas(svg: &mut String, run: &Run, period: Period, ticks: &[Tick], layout: &Layout) {
    let frame = lower(run, period, layout);
    let series = layout.series(run);
    let entries: Vec<_> = series.iter().map(|series| (series.class, series.meaning)).collect();
    legend(svg, layout.lower.0 - 18.0, "replicas", &entries);
    path(svg, "tt-gap", &detail::gaps(&frame, run));
    grid(svg, &frame, ticks);
    for series in series {
        let steps = Steps::of(&frame, run, |row| (series.value)(row).map(f64::from));
        path(svg, series.class, &if series.class == "tt-floor" { steps.area() } else { steps.line() });
    }
}

/// Grid lines and the labels of the vertical axis.
pub(super) fn grid(svg: &mut String, frame: &Frame, ticks: &[Tick]) {
    let (left, right) = frame.sides;
    for (value, label) in frame.axis.ticks() {
        let y = frame.y(value);
        let class = if value == 0.0 { "tt-axis" } else { "tt-grid" };
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{left} {y:.1}H{right}\"/>");
        text(svg, "tt-label", (left - 8.0, y + 4.0), "end", &label);
    }
    let (top, bottom) = frame.panel;
    for tick in ticks {
        let x = left + tick.place * (right - left);
        let class = if tick.midnight { "tt-grid tt-midnight" } else { "tt-grid" };
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{x:.1} {top}V{bottom}\"/>");
    }
}

/// The unit of a panel, and what its colours mean.
fn legend(svg: &mut String, y: f64, unit: &str, entries: &[(&str, &str)]) {
    text(svg, "tt-unit", (20.0, y), "start", unit);
    let mut x = SIDES.0 + 60.0;
    for (class, meaning) in entries {
        let d = match *class {
            "tt-short" | "tt-floor" | "tt-gap" | "tt-queue" => format!("M{x} {}h22v9h-22Z", y - 8.5),
            _ => format!("M{x} {}h22", y - 4.0),
        };
        path(svg, class, &d);
        text(svg, "tt-label", (x + 28.0, y), "start", meaning);
        // A generous estimate of the text's width.
        x += 28.0 + 6.6 * f64::from(u16::try_from(meaning.len()).unwrap_or(u16::MAX)) + 18.0;
    }
}

pub(super) fn path(svg: &mut String, class: &str, d: &str) {
    if !d.is_empty() {
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"{d}\"/>");
    }
}

pub(super) fn text(svg: &mut String, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escape(text)
    );
}

/// What matters most, on one line.
fn summary(run: &Run, period: &Period, zone: &TimeZone) -> String {
    format!(
        "{} · {} % of requests dropped · {} replica hours · {} changes",
        period.words(zone),
        grouped(run.scores.dropped_percent, 2),
        grouped(run.scores.elasticity.replica_hours, 1),
        run.scores.elasticity.scale_events
    )
}

/// What somebody who does not see the picture should know.
fn description(run: &Run, period: &Period, zone: &TimeZone) -> String {
    format!(
        "Demand against the capacity of ready replicas, and baseline, load level and replicas over the same \
         time. {}.",
        summary(run, period, zone)
    )
}
