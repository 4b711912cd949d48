//! The baseline in force at an instant: steps, windows, floors and ceilings.
//!
//! Level, not edge: [`Schedule::baseline`] is a function of the instant alone, so starting, restarting or
//! sleeping through an edge changes nothing. Windows are closed at their start and open at their end.

mod cron;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

pub use self::cron::{Cron, CronFields};
use super::{Cause, Replicas};

/// How many edges that change nothing are skipped in search of one that does. A schedule whose next
/// [`Baseline::next`] lies further away is looked up again when the search has got there.
const SEARCH_LIMIT: usize = 512;

/// The entries of a policy and the bounds around them.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    entries: Vec<Entry>,
    min: Replicas,
    max: Replicas,
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
    /// The floor that it brings.
    pub replicas: Option<Replicas>,
    /// The ceiling that it brings.
    pub max_replicas: Option<Replicas>,
}

/// When an entry fires.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// At every match of a cron expression in a time zone.
    Cron {
        /// The expression.
        cron: Cron,
        /// The zone on whose wall clock it is read.
        zone: TimeZone,
    },
}

/// How long an entry holds after it fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Until the next step fires.
    Step,
    /// For this much elapsed time: a window.
    For(Duration),
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

    /// The parts that a transition changes.
    fn essence(&self) -> (Replicas, Replicas, Cause, Cause, bool) {
        (self.floor, self.ceiling, self.floor_cause, self.ceiling_cause, self.pinned)
    }
}

impl Schedule {
    /// A schedule of `entries` within `[min, max]`. Without entries the floor is always `min`.
    #[must_use]
    pub fn new(entries: Vec<Entry>, min: Replicas, max: Replicas) -> Self {
        let mut hasher = DefaultHasher::new();
        (min, max).hash(&mut hasher);
        for entry in &entries {
            let Trigger::Cron { cron, zone } = &entry.trigger;
            (&entry.name, cron, zone.iana_name(), entry.extent).hash(&mut hasher);
            (entry.replicas, entry.max_replicas).hash(&mut hasher);
        }
        Self { entries, min, max, fingerprint: hasher.finish() }
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
        let mut now = self.in_force(at);
        let mut since = at;
        for _ in 0..SEARCH_LIMIT {
            let Some((edge, entry)) = self.next_edge(since) else {
                now.until = None;
                return now;
            };
            now.until = Some(edge);
            let then = self.in_force(edge);
            if then.essence() != now.essence() {
                let Baseline { floor, ceiling, .. } = then;
                now.next = Some(Transition { at: edge, floor, ceiling, entry });
                return now;
            }
            since = edge;
        }
        now
    }

    /// Floor and ceiling at an instant, without a look ahead.
    fn in_force(&self, at: Timestamp) -> Baseline {
        let mut baseline = Baseline {
            floor: self.min,
            ceiling: self.max,
            floor_cause: Cause::Policy,
            ceiling_cause: Cause::Policy,
            pinned: false,
            next: None,
            until: None,
        };
        let mut pin: Option<(Replicas, EntryId)> = None;
        for id in self.active(at) {
            let Some(entry) = self.entry(id) else { continue };
            if let Some(replicas) = entry.replicas
                && replicas > baseline.floor
            {
                (baseline.floor, baseline.floor_cause) = (replicas, Cause::Entry(id));
            }
            if let Some(max) = entry.max_replicas
                && max < baseline.ceiling
            {
                (baseline.ceiling, baseline.ceiling_cause) = (max, Cause::Entry(id));
            }
            if entry.replicas.is_some()
                && entry.replicas == entry.max_replicas
                && pin.is_none_or(|(highest, _)| entry.replicas > Some(highest))
            {
                pin = entry.replicas.map(|replicas| (replicas, id));
            }
        }
        if let Some((replicas, id)) = pin {
            (baseline.floor, baseline.ceiling) = (replicas, replicas);
            (baseline.floor_cause, baseline.ceiling_cause) = (Cause::Entry(id), Cause::Entry(id));
            baseline.pinned = true;
        }
        baseline
    }

    /// The step in force and the active windows.
    fn active(&self, at: Timestamp) -> impl Iterator<Item = EntryId> {
        let mut step: Option<(Timestamp, usize)> = None;
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.extent == Extent::Step
                && let Some(fired) = entry.trigger.latest(at)
                && step.is_none_or(|(latest, _)| fired >= latest)
            {
                step = Some((fired, index));
            }
        }
        let windows = self.entries.iter().enumerate().filter_map(move |(index, entry)| {
            let end = entry.window_end(at)?;
            (end > at).then_some(EntryId(index))
        });
        step.map(|(_, index)| EntryId(index)).into_iter().chain(windows)
    }

    /// The earliest start or end of an entry after `at`. Where several coincide, the last in the list.
    fn next_edge(&self, at: Timestamp) -> Option<(Timestamp, EntryId)> {
        let mut earliest: Option<(Timestamp, EntryId)> = None;
        for (index, entry) in self.entries.iter().enumerate() {
            let end = entry.window_end(at).filter(|end| *end > at);
            for edge in [entry.trigger.next(at), end].into_iter().flatten() {
                if earliest.is_none_or(|(first, _)| edge <= first) {
                    earliest = Some((edge, EntryId(index)));
                }
            }
        }
        earliest
    }
}

impl Entry {
    /// When the window that last began at or before `at` ends; `None` for steps and before any firing.
    fn window_end(&self, at: Timestamp) -> Option<Timestamp> {
        match self.extent {
            Extent::Step => None,
            Extent::For(length) => {
                let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
                let began = self.trigger.latest(at)?;
                Some(began.saturating_add(length).unwrap_or(Timestamp::MAX))
            }
        }
    }
}

impl Trigger {
    /// The last firing at or before `at`.
    #[must_use]
    pub fn latest(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, zone } => cron.latest(zone, at),
        }
    }

    /// The first firing after `at`.
    #[must_use]
    pub fn next(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, zone } => cron.next(zone, at),
        }
    }
}

#[cfg(test)]
mod tests;
