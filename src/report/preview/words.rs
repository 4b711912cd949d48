//! What a preview says in words, the same in a terminal and on a page.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use super::{Change, Event, Preview};
use crate::decision::{Cause, EdgeKind, Replicas};

impl Preview<'_> {
    /// What brings a change: `day starts`, `ramp of day`, `lunch ends and night starts`.
    pub(in super::super) fn why(&self, change: &Change) -> String {
        let parts: Vec<String> = change
            .parts
            .iter()
            .map(|part| {
                let name = self.entry(part.entry);
                let (said, kind) = match part.event {
                    Event::Starts => (format!("{name} starts"), EdgeKind::Start),
                    Event::Ends => (format!("{name} ends"), EdgeKind::End),
                    Event::Ramps => return format!("ramp of {name}"),
                };
                match self.moved.get(&(change.at, part.entry, kind)) {
                    Some(missing) => format!("{said} (moved: {missing} on this day)"),
                    None => said,
                }
            })
            .collect();
        join(&parts) + over(change.floor, change.ceiling)
    }

    /// What is in force at the first instant, and whose doing it is.
    pub(in super::super) fn why_at_first(&self) -> String {
        let (floor, ceiling) = (self.start.floor_cause, self.start.ceiling_cause);
        let name = |cause: Cause, limit: &str| match cause {
            Cause::Policy => limit.to_owned(),
            Cause::Entry(id) => self.entry(id).to_owned(),
            Cause::Ramp(id) => format!("the ramp of {}", self.entry(id)),
        };
        let said = match ceiling {
            Cause::Policy => format!("in force: {}", name(floor, "minReplicas")),
            Cause::Entry(_) | Cause::Ramp(_) if floor == ceiling => format!("in force: {}", name(floor, "")),
            Cause::Entry(_) | Cause::Ramp(_) => {
                format!("in force: {}, ceiling of {}", name(floor, "minReplicas"), name(ceiling, ""))
            }
        };
        said + over(self.start.floor, self.start.ceiling)
    }

    /// The names of the entries that bring a change, with commas between them.
    pub(in super::super) fn names(&self, change: &Change) -> String {
        let names: Vec<&str> = change.entries().map(|id| self.entry(id)).collect();
        names.join(", ")
    }

    /// The names of the entries in force at the first instant, with commas between them.
    pub(in super::super) fn names_at_first(&self) -> String {
        let names: Vec<&str> = self.in_force().into_iter().map(|id| self.entry(id)).collect();
        names.join(", ")
    }

    /// A local time of the zone shown: `Mon 2026-11-23 07:00:00+01:00`.
    pub(in super::super) fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S%:z").to_string()
    }
}

/// What is to be said where floor and ceiling contradict each other.
fn over(floor: Replicas, ceiling: Replicas) -> &'static str {
    if floor > ceiling { "; the floor is over the ceiling and wins" } else { "" }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// A time of day, with seconds only where they matter: `02:30`.
pub(super) fn clock(time: Time) -> String {
    time.strftime(if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}

/// Several times of day; many of them by their number, first and last.
pub(super) fn clocks(walls: &[DateTime]) -> String {
    const MOST: usize = 4;
    match walls {
        [first, .., last] if walls.len() > MOST => {
            format!("the {} times from {} to {}", walls.len(), clock(first.time()), clock(last.time()))
        }
        _ => join(&walls.iter().map(|wall| clock(wall.time())).collect::<Vec<_>>()),
    }
}

/// A local time, with its date where that is another one than `date`.
pub(super) fn local(at: Timestamp, zone: &TimeZone, date: jiff::civil::Date) -> String {
    let local = zone.to_datetime(at);
    if local.date() == date {
        clock(local.time())
    } else {
        format!("{} {}", local.date(), clock(local.time()))
    }
}

/// A shift of the clock: `+1h`, `-30m`.
pub(super) fn shift(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes, rest) = parts(seconds.unsigned_abs());
    let units = [(hours, 'h'), (minutes, 'm'), (rest, 's')].into_iter().filter(|(count, _)| *count > 0);
    units.fold(String::from(sign), |text, (count, unit)| format!("{text}{count}{unit}"))
}

/// A length of time: `25 h`, `2 h 30 min`.
pub(super) fn length(length: Duration) -> String {
    let (hours, minutes, seconds) = parts(length.as_secs());
    let units = [(hours, "h"), (minutes, "min"), (seconds, "s")].into_iter().filter(|(count, _)| *count > 0);
    units.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// A length of time, as one says it before `later`: `an hour`, `30 min`.
pub(super) fn spoken(seconds: u64) -> String {
    if seconds == 3600 { "an hour".to_owned() } else { length(Duration::from_secs(seconds)) }
}

fn parts(seconds: u64) -> (u64, u64, u64) {
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}
