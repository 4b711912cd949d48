//! Series as SVG paths. A value holds from its tick to the next one, so every series is one of steps.
//!
//! A year has two million ticks, and a screen has a few thousand pixels: of every bucket of time its least,
//! its greatest and its last value stay, in their order, so that extremes are never lost.

use std::fmt::Write;

use jiff::Timestamp;

use super::super::axis::{Axis, Period};
use super::super::columns::columns;
use crate::simulation::{Row, Run};

/// The most points of a series.
const MOST_POINTS: usize = 2000;

/// Where the values and instants of a panel are in the picture.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Frame {
    pub(in super::super) period: Period,
    pub(in super::super) axis: Axis,
    /// Left and right.
    pub(in super::super) sides: (f64, f64),
    /// Top and bottom.
    pub(in super::super) panel: (f64, f64),
}

impl Frame {
    pub(in super::super) fn x(&self, place: f64) -> f64 {
        self.sides.0 + place * (self.sides.1 - self.sides.0)
    }

    pub(in super::super) fn y(&self, value: f64) -> f64 {
        let (top, bottom) = self.panel;
        bottom - (value / self.axis.top()).clamp(0.0, 1.0) * (bottom - top)
    }
}

/// A series in the picture's coordinates.
#[derive(Clone, Debug)]
pub(in super::super) struct Steps {
    /// Stretches without gaps; each point holds until the next one.
    stretches: Vec<Vec<(f64, f64)>>,
    /// Where the stretches end.
    ends: Vec<f64>,
    bottom: f64,
}

impl Steps {
    /// The steps of what `value` says about each row; `None` is a gap.
    pub(in super::super) fn of(frame: &Frame, run: &Run, value: impl Fn(&Row) -> Option<f64>) -> Self {
        Self::along(frame, run.rows.iter().map(|row| (row.at, value(row))))
    }

    /// The steps of values that hold from an instant on; `None` is a gap.
    pub(super) fn along(frame: &Frame, values: impl Iterator<Item = (Timestamp, Option<f64>)>) -> Self {
        let mut steps = Self { stretches: Vec::new(), ends: Vec::new(), bottom: frame.panel.1 };
        let mut open = false;
        for (at, value) in values {
            let x = frame.x(frame.period.place(at));
            match value {
                Some(value) => {
                    if !open {
                        steps.stretches.push(Vec::new());
                        open = true;
                    }
                    let point = (x, frame.y(value));
                    if let Some(stretch) = steps.stretches.last_mut() {
                        stretch.push(point);
                    }
                }
                None if open => {
                    steps.ends.push(x);
                    open = false;
                }
                None => {}
            }
        }
        if open {
            steps.ends.push(frame.sides.1);
        }
        for stretch in &mut steps.stretches {
            without_repeats(stretch);
        }
        if steps.stretches.iter().map(Vec::len).sum::<usize>() > MOST_POINTS {
            for stretch in &mut steps.stretches {
                thin(stretch, frame.sides);
            }
        }
        steps
    }

    /// The series as a line.
    pub(in super::super) fn line(&self) -> String {
        let mut d = String::new();
        for (stretch, end) in self.stretches.iter().zip(&self.ends) {
            for (i, (x, y)) in stretch.iter().enumerate() {
                let _ = if i == 0 { write!(d, "M{x:.1} {y:.1}") } else { write!(d, "H{x:.1}V{y:.1}") };
            }
            let _ = write!(d, "H{end:.1}");
        }
        d
    }

    /// The area below the series.
    pub(in super::super) fn area(&self) -> String {
        let mut d = String::new();
        for (stretch, end) in self.stretches.iter().zip(&self.ends) {
            for (i, (x, y)) in stretch.iter().enumerate() {
                let command = if i == 0 { "M" } else { "H" };
                let from = if i == 0 { format!(" {:.1}", self.bottom) } else { String::new() };
                let _ = write!(d, "{command}{x:.1}{from}V{y:.1}");
            }
            let _ = write!(d, "H{end:.1}V{:.1}Z", self.bottom);
        }
        d
    }
}

/// The areas between capacity and demand wherever demand is higher, and marks below them on the time axis that
/// are wide enough to be seen.
pub(super) fn shortage(frame: &Frame, run: &Run) -> (String, String) {
    /// The least width and the height of a mark.
    const MARK: (f64, f64) = (4.0, 6.0);
    let columns = columns(run, (MOST_POINTS / 2).min(run.rows.len()));
    let width = (frame.sides.1 - frame.sides.0) / columns.iter().map(|_| 1.0).sum::<f64>().max(1.0);
    let (mut areas, mut marks) = (String::new(), String::new());
    let mut x = frame.sides.0;
    for column in &columns {
        if let Some((demand, capacity)) = column.shortage {
            let (high, low) = (frame.y(demand), frame.y(capacity));
            let right = (x + width.max(1.0)).min(frame.sides.1);
            let _ = write!(areas, "M{x:.1} {low:.1}V{high:.1}H{right:.1}V{low:.1}Z");
            let margin = ((MARK.0 - width) / 2.0).max(0.0);
            let (left, right) = (x - margin, x + width + margin);
            let bottom = frame.panel.1;
            let _ = write!(marks, "M{left:.1} {bottom:.1}V{:.1}H{right:.1}V{bottom:.1}Z", bottom - MARK.1);
        }
        x += width;
    }
    (areas, marks)
}

/// Only the points at which the value changes.
fn without_repeats(stretch: &mut Vec<(f64, f64)>) {
    stretch.dedup_by(|next, kept| (next.1 - kept.1).abs() < 1e-9);
}

/// At most about [`MOST_POINTS`] of the points of a series: the least, the greatest and the last of every
/// bucket. The last one holds on until the next bucket that has a point.
fn thin(stretch: &mut Vec<(f64, f64)>, (left, right): (f64, f64)) {
    let bucket = (right - left) / f64::from(u32::try_from(MOST_POINTS / 3).unwrap_or(1));
    let number = |x: f64| ((x - left) / bucket).floor();
    let mut thinned = Vec::with_capacity(MOST_POINTS);
    let mut rest = stretch.as_slice();
    while let Some(first) = rest.first() {
        let within = rest.iter().take_while(|point| number(point.0) <= number(first.0)).count().max(1);
        let (mut least, mut greatest) = (0, 0);
        for (i, point) in rest[..within].iter().enumerate() {
            if point.1 < rest[least].1 {
                least = i;
            }
            if point.1 > rest[greatest].1 {
                greatest = i;
            }
        }
        let mut kept = [least, greatest, within - 1];
        kept.sort_unstable();
        for (i, index) in kept.into_iter().enumerate() {
            if i == 0 || kept[i - 1] != index {
                thinned.push(rest[index]);
            }
        }
        rest = &rest[within..];
    }
    *stretch = thinned;
}
