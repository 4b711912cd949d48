//! What a picture shows: the plain one, for a README or a chat, or the one of a page, which is larger and says
//! more.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::super::axis::{Axis, Period, Tick};
use super::super::text::{escape, second};
use super::path::{Frame, Steps};
use super::{LOWER, SIDES, SIZE, UPPER, grid, legend, path};
use crate::simulation::service::Standing;
use crate::simulation::{Row, Run};

const STYLE: &str = include_str!("detail.css");

/// What gaps look like, for pictures that have some.
const GAP_STYLE: &str = ".tt .tt-gap{fill:var(--quiet);fill-opacity:.22}\n";

/// The most changes that are marked: more of them would hide the lines, and each other.
pub(in super::super) const MOST_MARKS: usize = 300;

/// The height of what the panels are under: the name and the summary.
const HEAD: f64 = 60.0;

/// The height of a low panel.
const LOW: f64 = 90.0;

/// The height between two panels, which has the legend of the lower one.
const BETWEEN: f64 = 46.0;

/// The size of a picture and what is in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Layout {
    /// Which picture of its document it is, from 0.
    id: usize,
    /// Width and height in the picture's own units.
    pub(in super::super) size: (f64, f64),
    /// What is cut off at the top.
    pub(super) top: f64,
    /// Top and bottom of the panel of demand and capacity.
    pub(in super::super) upper: (f64, f64),
    /// Top and bottom of the panel of replicas.
    pub(in super::super) lower: (f64, f64),
    /// Top and bottom of the panels of waiting requests and of what is in use, for a run that has a queue.
    pub(in super::super) service: Option<((f64, f64), (f64, f64))>,
    /// Whether every number of a decision is drawn, and every change marked.
    pub(super) is_detailed: bool,
}

/// A line, or an area, of the panel of replicas.
pub(super) struct Series {
    pub(super) class: &'static str,
    pub(super) meaning: &'static str,
    pub(super) value: fn(&Row) -> Option<u32>,
}

impl Layout {
    /// By itself, with its name and a summary.
    pub(in super::super) const PLAIN: Self =
        Self { id: 0, size: SIZE, top: 0.0, upper: UPPER, lower: LOWER, service: None, is_detailed: false };

    /// Within a page, with room for what the run has.
    pub(in super::super) fn detailed(run: &Run) -> Self {
        let lower = (LOWER.0, LOWER.1 + 120.0);
        let queue = (lower.1 + BETWEEN, lower.1 + BETWEEN + LOW);
        let usage = (queue.1 + BETWEEN, queue.1 + BETWEEN + LOW);
        let service = run.rows.iter().any(|row| row.service.is_some()).then_some((queue, usage));
        let bottom = service.map_or(lower.1, |(_, usage)| usage.1);
        let size = (SIZE.0, SIZE.1 - LOWER.1 + bottom);
        Self { id: 0, size, top: HEAD, upper: UPPER, lower, service, is_detailed: true }
    }

    /// The same as another picture of its document.
    pub(in super::super) fn numbered(self, id: usize) -> Self {
        Self { id, ..self }
    }

    /// What the names of its elements begin with.
    pub(super) fn id(&self) -> String {
        if self.id == 0 { "tt".to_owned() } else { format!("tt{}", self.id) }
    }

    /// Where the lowest panel ends.
    pub(in super::super) fn bottom(&self) -> f64 {
        self.service.map_or(self.lower.1, |(_, usage)| usage.1)
    }

    pub(super) fn is_headed(&self) -> bool {
        self.top == 0.0
    }

    /// What the common style lacks for a picture of this run.
    pub(super) fn more_style(&self, run: &Run) -> String {
        let detailed = if self.is_detailed { STYLE } else { "" };
        let gaps = if has_gaps(run) { GAP_STYLE } else { "" };
        format!("{detailed}{gaps}")
    }

    /// The series of the panel of replicas, in the order in which they are drawn.
    pub(super) fn series(&self, run: &Run) -> Vec<Series> {
        let series = |class, meaning, value| Series { class, meaning, value };
        let floor = series("tt-floor", "baseline", |row| Some(row.floor));
        let replicas: fn(&Row) -> Option<u32> = |row| Some(row.replicas);
        if !self.is_detailed {
            return vec![
                floor,
                series("tt-level", "load level, where it differs", |row| row.level),
                series("tt-replicas", "replicas", replicas),
            ];
        }
        let mut all = vec![
            floor,
            series("tt-asked", "load recommendation", |row| row.recommendation),
            series("tt-level", "load level, damped", |row| row.level),
            series("tt-ready", "ready", |row| Some(row.ready)),
            series("tt-desired", "desired", |row| Some(row.desired)),
        ];
        // Where everything that is decided is written, one line says it.
        if run.rows.iter().any(|row| row.desired != row.replicas) {
            all.push(series("tt-replicas", "replicas", replicas));
        }
        all
    }
}

/// The panels of a run with a queue: who waits, and how much of the workload and of the tier behind is in use.
pub(super) fn service(svg: &mut String, run: &Run, period: Period, ticks: &[Tick], layout: &Layout) {
    let Some((queue, usage)) = layout.service else { return };
    let steps =
        |frame: &Frame, value: fn(Standing) -> f64| Steps::of(frame, run, |row| row.service.map(value));
    let waiting = run.rows.iter().filter_map(|row| row.service).map(|service| service.queue);
    let frame = Frame {
        period,
        axis: Axis::covering(waiting.fold(0.0, f64::max), 3, 1.0),
        sides: SIDES,
        panel: queue,
    };
    legend(svg, queue.0 - 18.0, "requests", &[("tt-queue", "waiting")]);
    grid(svg, &frame, ticks);
    path(svg, "tt-queue", &steps(&frame, |service| service.queue).area());
    let frame = Frame { period, axis: Axis { step: 0.5, steps: 2 }, sides: SIDES, panel: usage };
    let has_tier = run.rows.iter().filter_map(|row| row.service).any(|service| service.downstream > 0.0);
    let tier = has_tier.then_some(("tt-downstream", "of the tier behind"));
    let entries: Vec<_> = [("tt-usage", "of the ready replicas")].into_iter().chain(tier).collect();
    legend(svg, usage.0 - 18.0, "in use", &entries);
    grid(svg, &frame, ticks);
    path(svg, "tt-usage", &steps(&frame, |service| service.utilization).line());
    if has_tier {
        path(svg, "tt-downstream", &steps(&frame, |service| service.downstream).line());
    }
}

/// Whether a run that reads metrics could not read them at some tick.
pub(super) fn has_gaps(run: &Run) -> bool {
    run.rows.iter().any(|row| row.measured.is_some()) && run.rows.iter().any(|row| row.measured.is_none())
}

/// The stretches in which no metric could be read, as areas over a panel's height.
pub(super) fn gaps(frame: &Frame, run: &Run) -> String {
    let mut d = String::new();
    if !has_gaps(run) {
        return d;
    }
    let (top, bottom) = frame.panel;
    let mut rows = run.rows.iter().peekable();
    while let Some(row) = rows.next() {
        if row.measured.is_some() {
            continue;
        }
        while rows.next_if(|next| next.measured.is_none()).is_some() {}
        let end = rows.peek().map_or(frame.sides.1, |next| frame.x(frame.period.place(next.at)));
        let start = frame.x(frame.period.place(row.at));
        // One tick of a month should still be seen.
        let end = end.max(start + 1.0);
        let _ = write!(d, "M{start:.1} {top:.1}V{bottom:.1}H{end:.1}V{top:.1}Z");
    }
    d
}

/// A mark for every change of the replicas, which tells its reason to whoever points at it. Where there are too
/// many, the page's script and its table still tell.
pub(super) fn changes(svg: &mut String, run: &Run, frame: &Frame, zone: &TimeZone) {
    if run.changes.len() > MOST_MARKS {
        return;
    }
    svg.push_str("<g class=\"tt-changes\">\n");
    for change in &run.changes {
        let x = frame.x(frame.period.place(change.at)).clamp(SIDES.0, SIDES.1);
        let y = frame.y(f64::from(change.to));
        let shape = if change.to > change.from { "l4 7h-8Z" } else { "l4 -7h-8Z" };
        let from = if change.to > change.from { y - 3.5 } else { y + 3.5 };
        let _ = writeln!(
            svg,
            "<path class=\"tt-change\" d=\"M{x:.1} {from:.1}{shape}\"><title>{}, {} → {}, {}: {}</title></path>",
            second(change.at, zone),
            change.from,
            change.to,
            change.reason.as_str(),
            escape(&change.message)
        );
    }
    svg.push_str("</g>\n");
}
