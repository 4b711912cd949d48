//! The coming baseline of a policy: every change of floor and ceiling in a range of time, what brings it,
//! and what clock changes do to entries.
//!
//! A [`Preview`] is made from a policy alone. How it looks is elsewhere: [`json`] for programs,
//! [`terminal::preview`](super::terminal::preview) and [`html::preview`](super::html::preview) for people.

mod clocks;
pub mod json;
mod words;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use smallvec::SmallVec;

pub use self::clocks::{ClockChange, Effect};
use super::axis::{Axis, Period};
use crate::decision::{Bounds, Cause, EdgeKind, EntryId, Policy, Replicas, Schedule, Timeline, Transition};

/// The baseline of a policy over a range of time.
#[derive(Clone, Debug)]
pub struct Preview<'a> {
    /// The policy's name, with its namespace if it has one.
    pub name: String,
    /// The schedule that is looked ahead on.
    pub schedule: &'a Schedule,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// The first instant.
    pub from: Timestamp,
    /// The instant after the last.
    pub to: Timestamp,
    /// `spec.maxReplicas`, which is the ceiling where no entry has a lower one.
    pub max: Replicas,
    /// What is in force at the first instant.
    pub start: Bounds,
    /// The changes of floor or ceiling, in their order.
    pub changes: Vec<Change>,
    /// The clock changes that touch an entry, in their order.
    pub clock_changes: Vec<ClockChange>,
    /// Starts and ends whose time of day does not exist, with that time.
    moved: BTreeMap<(Timestamp, EntryId, EdgeKind), String>,
}

/// A change of floor or ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The floor from then on.
    pub floor: Replicas,
    /// The ceiling from then on. Where it is below the floor, the floor wins.
    pub ceiling: Replicas,
    /// What brings it, in the policy's order.
    pub parts: SmallVec<[Part; 2]>,
}

/// What an entry has to do with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The entry.
    pub entry: EntryId,
    /// What it does.
    pub event: Event,
}

/// What an entry does at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// It comes into force.
    Starts,
    /// It ends.
    Ends,
    /// Its ramp makes a step.
    Ramps,
}

impl<'a> Preview<'a> {
    /// The baseline of `policy`, which is called `name`, from `from` until `to`, in times of `zone`.
    #[must_use]
    pub fn new(name: String, policy: &'a Policy, zone: TimeZone, from: Timestamp, to: Timestamp) -> Self {
        let schedule = &policy.schedule;
        // A change at the very beginning is one from what was before.
        let earlier = from.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MIN);
        let timeline = schedule.timeline(earlier, to);
        let just_before = from.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN);
        let (clock_changes, moved) = clocks::clock_changes(schedule, &timeline, from, to);
        Self {
            name,
            schedule,
            zone,
            from,
            to,
            max: policy.max,
            start: timeline.at(from),
            changes: changes(&timeline, just_before),
            clock_changes,
            moved,
        }
    }

    /// The name of an entry.
    #[must_use]
    pub fn entry(&self, id: EntryId) -> &'a str {
        self.schedule.entry(id).map_or("", |entry| &entry.name)
    }

    /// The entries that floor and ceiling come from at the first instant, in the policy's order.
    #[must_use]
    pub fn in_force(&self) -> SmallVec<[EntryId; 2]> {
        let causes = [self.start.floor_cause, self.start.ceiling_cause];
        let mut entries: SmallVec<[EntryId; 2]> = causes.into_iter().filter_map(Cause::entry).collect();
        entries.sort_unstable();
        entries.dedup();
        entries
    }

    /// Whether the first instant is one at which something changes, so that this says what is in force then.
    pub(super) fn begins_with_a_change(&self) -> bool {
        self.changes.first().is_some_and(|change| change.at <= self.from)
    }

    /// Floor and ceiling with the instants from which they hold, from the first instant on.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Timestamp, Replicas, Replicas)> {
        let changes = self.changes.iter().map(|change| (change.at, change.floor, change.ceiling));
        std::iter::once((self.from, self.start.floor, self.start.ceiling)).chain(changes)
    }

    /// The ceiling as charts show it: not where it is merely `maxReplicas`, which may be far away.
    pub(super) fn shown(&self, ceiling: Replicas) -> Option<f64> {
        (ceiling < self.max).then(|| f64::from(ceiling.get()))
    }

    /// The vertical axis of a chart.
    pub(super) fn axis(&self) -> Axis {
        let values = self.steps().flat_map(|(_, floor, ceiling)| {
            [f64::from(floor.get()), self.shown(ceiling).unwrap_or_default()]
        });
        Axis::covering(values.fold(0.0, f64::max), 5, 1.0)
    }

    pub(super) fn period(&self) -> Period {
        Period { from: self.from, end: self.to }
    }
}

impl Change {
    /// The entries that bring it, in the policy's order.
    pub fn entries(&self) -> impl Iterator<Item = EntryId> {
        let mut previous = None;
        self.parts.iter().map(|part| part.entry).filter(move |entry| previous.replace(*entry) != Some(*entry))
    }
}

/// The changes after `after`.
fn changes(timeline: &Timeline, after: Timestamp) -> Vec<Change> {
    let change = |transition: Transition| {
        let Transition { at, floor, ceiling, .. } = transition;
        let edges = timeline.edges_at(at).iter();
        let mut parts: SmallVec<[Part; 2]> =
            edges.map(|edge| Part { entry: edge.entry, event: edge.kind.into() }).collect();
        let before = timeline.at(at.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(at));
        let ramp = ramp(&before, &timeline.at(at));
        parts.extend(ramp.map(|entry| Part { entry, event: Event::Ramps }));
        parts.sort_unstable();
        Change { at, floor, ceiling, parts }
    };
    timeline.transitions_after(after).map(change).collect()
}

/// The entry whose ramp brings a change of the floor: the one that leads a climb, or the one that led what
/// descends. Around a pin ramps count for nothing.
fn ramp(before: &Bounds, after: &Bounds) -> Option<EntryId> {
    let leader = match before.floor.cmp(&after.floor) {
        std::cmp::Ordering::Less => after.floor_cause,
        std::cmp::Ordering::Greater => before.floor_cause,
        std::cmp::Ordering::Equal => return None,
    };
    match leader {
        Cause::Ramp(entry) if !before.pinned && !after.pinned => Some(entry),
        Cause::Ramp(_) | Cause::Entry(_) | Cause::Policy => None,
    }
}

impl From<EdgeKind> for Event {
    fn from(kind: EdgeKind) -> Self {
        match kind {
            EdgeKind::Start => Self::Starts,
            EdgeKind::End => Self::Ends,
        }
    }
}

#[cfg(test)]
mod tests;
