//! What keeps the load from moving the level: guards, and a cluster without room.
//!
//! Both limit the level's movement alone. The schedule, `minReplicas` and a person's override go on.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use smallvec::SmallVec;

use super::{
    History, LoadLimit, Milli, MissingCause, Observation, Policy, QueryRef, Reading, Replicas, Samples,
};

/// How long a full cluster is left alone before the load may try one step more.
const STEP_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// A query that, over a threshold, keeps the load from moving the workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Its name in the policy.
    pub name: Arc<str>,
    /// What is asked, and of whom.
    pub query: QueryRef,
    /// It is over the threshold while the result is above this.
    pub above: Milli,
    /// For how long the result must have been above.
    pub after: Duration,
    /// Which direction it holds.
    pub effect: Effect,
}

/// The direction that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The level may not rise.
    HoldUp,
    /// The level may not fall.
    HoldDown,
    /// The level stays.
    Hold,
}

/// What became of one guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardState {
    /// Not over the threshold.
    Quiet,
    /// Over the threshold since then, but not for long enough.
    Pending(Timestamp),
    /// Over the threshold since then, and holding.
    Active(Timestamp),
    /// It could not be read, and so does nothing.
    Unread(MissingCause),
}

/// Whether the cluster has room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Nothing is known that would limit the load.
    #[default]
    Enough,
    /// Pods of the workload have been unschedulable since the instant: the load may not raise it further.
    Full {
        /// Since when.
        since: Timestamp,
        /// When the last step up was tried nevertheless, or the hold began.
        tried: Timestamp,
        /// It is time to try one step more.
        step: bool,
    },
}

/// Everything that holds the level at one instant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Holds {
    pub(super) guards: SmallVec<[GuardState; 2]>,
    pub(super) room: Room,
    up: Option<LoadLimit>,
    down: Option<LoadLimit>,
}

impl Holds {
    /// Looks at guards and capacity.
    pub(super) fn look(policy: &Policy, history: &History, observation: &Observation) -> Self {
        let guards: SmallVec<[GuardState; 2]> =
            (0..policy.guards.len()).map(|index| state(policy, history, observation, index)).collect();
        let held = |index: usize, effect| {
            matches!(guards[index], GuardState::Active(_))
                && (policy.guards[index].effect == effect || policy.guards[index].effect == Effect::Hold)
        };
        let guarded = |effect| (0..guards.len()).any(|index| held(index, effect)).then_some(LoadLimit::Guard);
        let room = room(policy, history, observation);
        let full = match room {
            Room::Full { step: false, .. } => Some(LoadLimit::Capacity),
            Room::Full { step: true, .. } | Room::Enough => None,
        };
        Self { up: guarded(Effect::HoldUp).or(full), down: guarded(Effect::HoldDown), guards, room }
    }

    /// What they leave of a move of the level.
    pub(super) fn limit(&self, before: Replicas, level: Replicas) -> (Replicas, Option<LoadLimit>) {
        match level.cmp(&before) {
            std::cmp::Ordering::Greater if self.up.is_some() => (before, self.up),
            std::cmp::Ordering::Less if self.down.is_some() => (before, self.down),
            std::cmp::Ordering::Greater | std::cmp::Ordering::Less | std::cmp::Ordering::Equal => {
                (level, None)
            }
        }
    }
}

/// What a guard does now. One that can't be read forgets since when it was over its threshold, as the `for`
/// of a Prometheus alert does.
fn state(policy: &Policy, history: &History, observation: &Observation, index: usize) -> GuardState {
    let guard = &policy.guards[index];
    let known = history.guard(&guard.name);
    let reading = match &observation.guards {
        Samples::NotDue => return known.unwrap_or(GuardState::Quiet).at(observation.at, guard.after),
        Samples::Read(readings) => readings.get(index).copied(),
    };
    match reading {
        Some(Reading::Value(value)) if value > guard.above => {
            let since = known.and_then(GuardState::since).unwrap_or(observation.at);
            GuardState::Pending(since).at(observation.at, guard.after)
        }
        Some(Reading::Value(_)) => GuardState::Quiet,
        Some(Reading::Missing(cause)) => GuardState::Unread(cause),
        None => GuardState::Unread(MissingCause::NoSample),
    }
}

impl GuardState {
    /// Since when the guard has been over its threshold.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::Pending(since) | Self::Active(since) => Some(since),
            Self::Quiet | Self::Unread(_) => None,
        }
    }

    /// The same guard at an instant: pending for long enough, it is active.
    fn at(self, now: Timestamp, after: Duration) -> Self {
        match self {
            Self::Pending(since) | Self::Active(since) => {
                let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
                if now.duration_since(since) >= after { Self::Active(since) } else { Self::Pending(since) }
            }
            Self::Quiet | Self::Unread(_) => self,
        }
    }
}

/// Whether the cluster is full, and whether one step more may be tried.
fn room(policy: &Policy, history: &History, observation: &Observation) -> Room {
    let now = observation.at;
    let hold_after = SignedDuration::try_from(policy.capacity.hold_after).unwrap_or(SignedDuration::MAX);
    let unschedulable = observation.unschedulable_since.filter(|_| !hold_after.is_zero());
    let Some(since) = unschedulable.filter(|since| now.duration_since(*since) >= hold_after) else {
        return Room::Enough;
    };
    match history.room {
        Room::Full { since: known, tried, .. } => {
            let step = now.duration_since(tried) >= STEP_EVERY;
            Room::Full { since: known.min(since), tried, step }
        }
        Room::Enough => Room::Full { since, tried: now, step: false },
    }
}
