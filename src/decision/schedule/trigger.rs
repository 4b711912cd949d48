//! When an entry fires, and until when a firing holds.

use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};

use super::clocks::Clocks;
use super::cron::first_instant;
use super::{Cron, Entry};

/// When an entry fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// At every match of a cron expression.
    Cron(Cron),
    /// Once, at a local date and time.
    At(DateTime),
}

/// How long an entry holds after it fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Until the next step fires.
    Step,
    /// For this much elapsed time: a window.
    For(Duration),
    /// Until the next local time of day like this after the start: a window.
    Until(Time),
}

/// One firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Firing {
    /// The instant.
    pub(super) at: Timestamp,
    /// The local date and time that the trigger names. It is not what clocks show at the instant when a
    /// clock change leaves it out.
    pub(super) wall: DateTime,
}

impl Entry {
    /// The last firing at or before `at`.
    pub(super) fn latest(&self, clocks: &Clocks<'_>, at: Timestamp) -> Option<Firing> {
        match &self.trigger {
            Trigger::Cron(cron) => cron.latest_on(&self.days, clocks, at),
            Trigger::At(wall) => self.once(clocks, *wall).filter(|firing| firing.at <= at),
        }
    }

    /// The first firing after `at`.
    pub(super) fn next(&self, clocks: &Clocks<'_>, at: Timestamp) -> Option<Firing> {
        match &self.trigger {
            Trigger::Cron(cron) => cron.next_on(&self.days, clocks, at),
            Trigger::At(wall) => self.once(clocks, *wall).filter(|firing| firing.at > at),
        }
    }

    fn once(&self, clocks: &Clocks<'_>, wall: DateTime) -> Option<Firing> {
        let (at, _) = first_instant(clocks, wall).filter(|_| self.days.allows(wall.date()))?;
        Some(Firing { at, wall })
    }

    /// When the firings up to `at` have all ended; `None` for steps and before any firing. A window that
    /// fires again while it is active goes on to the later end.
    #[must_use]
    pub fn end_of_firings(&self, at: Timestamp) -> Option<Timestamp> {
        self.end_of_firings_by(&Clocks::new(&self.zone), at)
    }

    /// The same by clocks of the entry's zone that one has already.
    pub(super) fn end_of_firings_by(&self, clocks: &Clocks<'_>, at: Timestamp) -> Option<Timestamp> {
        let end = self.end(clocks, self.latest(clocks, at)?)?;
        let Extent::Until(time) = self.extent else { return Some(end) };
        // Later firings end later, with one exception: a firing at the very time of day at which the entry
        // ends holds for a whole day, and so beyond the ends of those that follow it.
        let whole_day = match &self.trigger {
            Trigger::Cron(cron) => cron.only_at(time).and_then(|cron| cron.latest_on(&self.days, clocks, at)),
            Trigger::At(_) => None,
        };
        Some(whole_day.and_then(|firing| self.end(clocks, firing)).map_or(end, |other| end.max(other)))
    }

    /// The instant at which this firing ends, if nothing extends it.
    fn end(&self, clocks: &Clocks<'_>, firing: Firing) -> Option<Timestamp> {
        match self.extent {
            Extent::Step => None,
            Extent::For(length) => {
                let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
                Some(firing.at.saturating_add(length).unwrap_or(Timestamp::MAX))
            }
            Extent::Until(time) => Some(next_time(clocks, firing, time).unwrap_or(Timestamp::MAX)),
        }
    }
}

/// The next instant after a firing at which clocks show `time`.
///
/// Three corners. A time that a clock change leaves out is the end of the gap. A firing that was itself
/// moved by a gap ends where its own local time would have ended, which may be at once. A firing at
/// `time` holds until the same time of the next date, also when clocks show it again an hour later.
fn next_time(clocks: &Clocks<'_>, firing: Firing, time: Time) -> Option<Timestamp> {
    let today = firing.wall.date();
    let moved = clocks.wall(firing.at) != firing.wall;
    if moved || time == firing.wall.time() {
        let date = if time > firing.wall.time() { today } else { today.tomorrow().ok()? };
        return Some(first_instant(clocks, date.to_datetime(time))?.0);
    }
    let (first, _) = first_instant(clocks, today.to_datetime(time))?;
    if first > firing.at {
        return Some(first);
    }
    let again = second_instant(clocks, today.to_datetime(time)).filter(|again| *again > firing.at);
    match again {
        Some(again) => Some(again),
        None => Some(first_instant(clocks, today.tomorrow().ok()?.to_datetime(time))?.0),
    }
}

/// The second pass of a wall time in a repeated hour.
fn second_instant(clocks: &Clocks<'_>, wall: DateTime) -> Option<Timestamp> {
    match clocks.offset(wall) {
        AmbiguousOffset::Fold { after, .. } => after.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => None,
    }
}
