//! Demand as days on a local clock.

use jiff::civil::{Date, DateTime, time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use super::Settings;
use crate::simulation::traffic::Traffic;

/// A slot needs what its busiest third needs.
const PARTS: i64 = 3;

/// A whole local day.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Day {
    pub(super) date: Date,
    /// From 0 for Monday.
    pub(super) weekday: usize,
    /// How many replicas each slot needed, not rounded; NaN where a clock change has taken it out, or nobody
    /// recorded what it needed.
    pub(super) needs: Vec<f64>,
}

/// The number of a date's day of the week, from 0 for Monday.
pub(super) fn weekday(date: Date) -> usize {
    usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0)
}

/// The local days that lie in `[from, until)` as a whole.
pub(super) fn dates(from: Timestamp, until: Timestamp, zone: &TimeZone) -> Vec<Date> {
    let first = from.to_zoned(zone.clone()).date();
    first
        .series(1.day())
        .skip_while(|date| start(date.to_datetime(time(0, 0, 0, 0)), zone).is_none_or(|start| start < from))
        .take_while(|date| {
            let next = date.tomorrow().ok().and_then(|next| start(next.to_datetime(time(0, 0, 0, 0)), zone));
            next.is_some_and(|end| end <= until)
        })
        .collect()
}

/// When a local time comes; after a gap in the clock when it falls into one.
fn start(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(local).ok()
}

/// What each slot of each whole day needed.
pub(super) fn days(traffic: &Traffic, from: Timestamp, until: Timestamp, settings: &Settings) -> Vec<Day> {
    let dates = dates(from, until, &settings.zone);
    let gaps: Vec<(Timestamp, Timestamp)> = traffic.gap_spans().collect();
    let days = dates.into_iter().map(|date| day(traffic, &gaps, date, settings));
    // A day of which less than half is known is no day.
    let is_known = |day: &Day| 2 * day.needs.iter().filter(|need| need.is_nan()).count() < day.needs.len();
    days.filter(is_known).collect()
}

fn day(traffic: &Traffic, gaps: &[(Timestamp, Timestamp)], date: Date, settings: &Settings) -> Day {
    let midnight = date.to_datetime(time(0, 0, 0, 0));
    let slots = 1440 / settings.slot.max(1);
    let boundary = |slot: u16| {
        let after = Span::new().try_minutes(i64::from(slot) * i64::from(settings.slot)).ok()?;
        start(midnight.checked_add(after).ok()?, &settings.zone)
    };
    let need = |slot: u16| {
        let (Some(from), Some(until)) = (boundary(slot), boundary(slot + 1)) else { return f64::NAN };
        let next = gaps.partition_point(|(_, end)| *end <= from);
        let is_unknown = gaps.get(next).is_some_and(|(start, _)| *start < until);
        if until <= from || is_unknown {
            return f64::NAN;
        }
        let length = until.as_millisecond() - from.as_millisecond();
        let at = |part: i64| {
            Timestamp::from_millisecond(from.as_millisecond() + length * part / PARTS).unwrap_or(until)
        };
        let parts = (0..PARTS).map(|part| traffic.mean(at(part), at(part + 1)));
        parts.fold(0.0, f64::max) / settings.target
    };
    Day { date, weekday: weekday(date), needs: (0..slots).map(need).collect() }
}
