//! The baseline in force at an instant: steps, windows, floors and ceilings.
//!
//! Level, not edge: [`Schedule::baseline`] is a function of the instant alone, so starting, restarting or
//! sleeping through an edge changes nothing. Windows are closed at their start and open at their end.

mod clocks;
mod cron;
mod dates;
mod ramp;
mod sweep;
mod timeline;
mod trigger;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use self::cron::{Cron, CronFields};
pub use self::dates::{Dates, Days};
pub use self::timeline::{Bounds, Timeline};
pub use self::trigger::{Extent, Trigger};
use super::{Cause, Replicas};

/// How far ahead the next change is looked for, in hours, one after the other until there is one. The last
/// is 41 years: every day that a cron expression can name comes within 40.
const HORIZONS: [i64; 6] = [36, 9 * 24, 70 * 24, 400 * 24, 8 * 366 * 24, 41 * 366 * 24];

/// How many edges that change nothing are looked at in search of one that does. A schedule whose next
/// change lies further away is looked up again when the search has got there.
const MOST_EDGES: i64 = 10_000;

/// The entries of a policy and the bounds around them.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    entries: Vec<Entry>,
    min: Replicas,
    max: Replicas,
    /// How widely the edges of policies with this schedule are spread.
    spread: Duration,
    /// By how much those of this one come later.
    shift: SignedDuration,
    fingerprint: u64,
}

/// One step or window.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name in the policy.
    pub name: Arc<str>,
    /// When it fires.
    pub trigger: Trigger,
    /// How long it holds.
    pub extent: Extent,
    /// The zone on whose wall clock trigger, extent and days are read.
    pub zone: TimeZone,
    /// The local dates on which it may fire.
    pub days: Days,
    /// The floor that it brings.
    pub replicas: Option<Replicas>,
    /// The ceiling that it brings.
    pub max_replicas: Option<Replicas>,
    /// How long before its start the floor begins to climb; whole seconds.
    pub ramp_up: Duration,
    /// How long after its end the floor goes on descending; whole seconds.
    pub ramp_down: Duration,
}

/// Position of an entry in its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub usize);

/// What the schedule asks for at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// The least replicas.
    pub floor: Replicas,
    /// The most replicas that the load may ask for. Where it is below the floor, the floor wins.
    pub ceiling: Replicas,
    /// Where the floor comes from.
    pub floor_cause: Cause,
    /// Where the ceiling comes from.
    pub ceiling_cause: Cause,
    /// An entry pins the workload to `floor`, whatever else is asked.
    pub pinned: bool,
    /// The next change of floor, ceiling or their causes; `None` when there is none, or none that is near.
    pub next: Option<Transition>,
    /// Until when (exclusively) this holds for certain; `None` is for ever.
    until: Option<Timestamp>,
}

/// A change of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// The floor from then on.
    pub floor: Replicas,
    /// The ceiling from then on.
    pub ceiling: Replicas,
    /// The entry that brings it, by starting or by ending.
    pub entry: EntryId,
}

/// A start or an end of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: Timestamp,
    /// Which entry.
    pub entry: EntryId,
    /// Which of the two.
    pub kind: EdgeKind,
}

/// Whether an entry starts or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// It comes into force.
    Start,
    /// It ends: a window whose time is over.
    End,
}

impl Baseline {
    /// Until when (exclusively) nothing about this changes for certain; `None` is for ever.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether this still holds at `at`, which is not before the instant it was made for.
    pub(super) fn holds_until(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }

    fn moved(self, shift: SignedDuration) -> Self {
        let next = self.next.map(|next| Transition { at: moved(next.at, shift), ..next });
        Self { next, until: self.until.map(|until| moved(until, shift)), ..self }
    }

    fn new(bounds: Bounds, next: Option<Transition>, until: Option<Timestamp>) -> Self {
        let Bounds { floor, ceiling, floor_cause, ceiling_cause, pinned } = bounds;
        Self { floor, ceiling, floor_cause, ceiling_cause, pinned, next, until }
    }
}

impl Schedule {
    /// A schedule of `entries` within `[min, max]`. Without entries the floor is always `min`.
    #[must_use]
    pub fn new(entries: Vec<Entry>, min: Replicas, max: Replicas) -> Self {
        let mut hasher = DefaultHasher::new();
        (min, max).hash(&mut hasher);
        for entry in &entries {
            (&entry.name, entry.trigger, entry.extent, entry.zone.iana_name(), &entry.days).hash(&mut hasher);
            (entry.replicas, entry.max_replicas, entry.ramp_up, entry.ramp_down).hash(&mut hasher);
        }
        let (spread, shift) = (Duration::ZERO, SignedDuration::ZERO);
        Self { entries, min, max, spread, shift, fingerprint: hasher.finish() }
    }

    /// Lets the edges of many policies with this schedule be spread over this long around their instant.
    #[must_use]
    pub fn with_spread(self, spread: Duration) -> Self {
        Self { spread, ..self }
    }

    /// How widely the edges of many policies with this schedule are spread around their instant.
    #[must_use]
    pub fn spread(&self) -> Duration {
        self.spread
    }

    /// Moves all edges of this schedule's baselines to the place within [`spread`](Self::spread) that belongs to
    /// `number`, which is best one of 64 random bits that stay the same: at most half of the spread earlier or
    /// later, in whole milliseconds. Timelines are not moved.
    pub fn spread_by(&mut self, number: u64) {
        let width = i128::try_from(self.spread.as_millis()).unwrap_or(i128::MAX >> 64);
        let place = (i128::from(number) * (width + 1)) >> 64;
        let shift = i64::try_from(place - width / 2).unwrap_or_default();
        self.shift = SignedDuration::from_millis(shift);
        let mut hasher = DefaultHasher::new();
        (self.fingerprint, shift).hash(&mut hasher);
        self.fingerprint = hasher.finish();
    }

    /// The entries, in the policy's order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry behind an id of this schedule.
    #[must_use]
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(id.0)
    }

    /// The same number for the same schedule, within one process.
    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The baseline in force at `at`, and the next change after it.
    #[must_use]
    pub fn baseline(&self, at: Timestamp) -> Baseline {
        if self.shift.is_zero() {
            return self.unmoved(at);
        }
        self.unmoved(moved(at, -self.shift)).moved(self.shift)
    }

    /// The last change of floor or ceiling at or before `at`; `known`, one of before, when none came after it.
    #[must_use]
    pub fn last_change(&self, known: Timestamp, at: Timestamp) -> Timestamp {
        if known == at {
            return known;
        }
        let [from, at] = [known, at].map(|instant| moved(instant, -self.shift));
        let timeline = self.timeline(from, moved(at, SignedDuration::from_nanos(1)));
        timeline.transitions_after(from).last().map_or(known, |last| moved(last.at, self.shift))
    }

    fn unmoved(&self, at: Timestamp) -> Baseline {
        let end = |hours| at.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX);
        let [mut searched, further @ ..] = HORIZONS;
        let mut timeline = self.timeline(at, end(searched));
        for hours in further {
            let edges = i64::try_from(timeline.looked_at()).unwrap_or(i64::MAX);
            let is_too_dense = edges.saturating_mul(hours / searched) > MOST_EDGES;
            if self.entries.is_empty() || is_too_dense || timeline.transitions_after(at).next().is_some() {
                break;
            }
            searched = hours;
            timeline = self.timeline(at, end(hours));
        }
        let (_, end) = timeline.range();
        let searched_all = self.entries.is_empty() || end == Timestamp::MAX;
        let until = timeline.next_change(at).or((!searched_all).then_some(end));
        Baseline::new(timeline.at(at), timeline.transitions_after(at).next(), until)
    }

    fn longest_ramp(&self) -> SignedDuration {
        let ramps = self.entries.iter().flat_map(|entry| [entry.ramp_up, entry.ramp_down]);
        ramps.max().and_then(|ramp| SignedDuration::try_from(ramp).ok()).unwrap_or_default()
    }
}

fn moved(at: Timestamp, shift: SignedDuration) -> Timestamp {
    let limit = if shift.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    at.checked_add(shift).unwrap_or(limit)
}

#[cfg(test)]
mod tests;
