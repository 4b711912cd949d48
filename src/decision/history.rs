//! What the decisions of the past leave for the next one. Bounded by the damping windows.

use jiff::Timestamp;

use super::damping::Window;
use super::{Baseline, Decision, LoadState, Policy, RateEvents, Replicas, Samples};

/// Everything that [`super::decide`] remembers of a workload. Starts empty; [`History::record`] adds to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub(super) level: Option<Replicas>,
    pub(super) lowest: Window,
    pub(super) highest: Window,
    pub(super) events: RateEvents,
    pub(super) outage: Option<Outage>,
    pub(super) last: Option<Last>,
    baseline: Option<(u64, Timestamp, Baseline)>,
}

/// A time without any usable metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) since: Timestamp,
    /// Good answers in a row since then.
    pub(super) good: u8,
}

/// The last evaluation, to tell a foreign write from our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) observed: Replicas,
    pub(super) desired: Replicas,
}

/// What survives a restart of the process: it rides in the policy's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The load's level.
    pub level: Option<Replicas>,
    /// The changes of the level that rate policies still count.
    pub events: RateEvents,
}

impl History {
    /// Goes on from what a process before this one left behind. The stabilization windows are seeded
    /// with the level at `now`: until the down-window has passed, the level may rise but not fall.
    #[must_use]
    pub fn restore(memory: Memory, policy: &Policy, now: Timestamp) -> Self {
        let mut history = Self { level: memory.level, events: memory.events, ..Self::default() };
        if let Some(level) = memory.level {
            history.remember(policy, now, level);
        }
        history
    }

    /// What should survive a restart.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory { level: self.level, events: self.events.clone() }
    }

    /// The load's level, once there is one.
    #[must_use]
    pub fn level(&self) -> Option<Replicas> {
        self.level
    }

    /// Remembers a decision that was taken under `policy`.
    pub fn record(&mut self, policy: &Policy, decision: &Decision) {
        self.last = Some(Last { observed: decision.observed, desired: decision.desired });
        self.baseline = Some((policy.schedule.fingerprint(), decision.at, decision.baseline));
        let Some(load) = &decision.load else { return };
        if self.level.is_none() {
            // As in the reference, the first evaluation counts the present as a recommendation.
            self.remember(policy, decision.at, load.before);
        }
        match load.state {
            // Nothing was read: an outage goes on.
            LoadState::NotDue | LoadState::OutOfBounds => {}
            LoadState::Missing => {
                let outage = self.outage.get_or_insert(Outage { since: decision.at, good: 0 });
                outage.good = 0;
            }
            LoadState::Recovering => {
                if let Some(outage) = &mut self.outage {
                    outage.good = outage.good.saturating_add(1);
                }
            }
            LoadState::Followed | LoadState::Partial => self.outage = None,
        }
        if let Some(remembered) = load.remembered {
            self.remember(policy, decision.at, remembered);
        }
        if load.level != load.before {
            let keep = policy.damping.up.longest_period().max(policy.damping.down.longest_period());
            self.events.record(decision.at, load.before, load.level, keep);
        }
        self.level = Some(load.level);
    }

    fn remember(&mut self, policy: &Policy, at: Timestamp, recommendation: Replicas) {
        let (up, down) = (&policy.damping.up, &policy.damping.down);
        self.lowest.push(at, recommendation, up.stabilization, |old, new| old >= new);
        self.highest.push(at, recommendation, down.stabilization, |old, new| old <= new);
    }

    /// The schedule at `at`: what the last decision found, while that is known to hold, else looked up.
    pub(super) fn baseline(&self, policy: &Policy, at: Timestamp) -> Baseline {
        match &self.baseline {
            Some((fingerprint, since, baseline))
                if *fingerprint == policy.schedule.fingerprint()
                    && *since <= at
                    && baseline.holds_until(at) =>
            {
                *baseline
            }
            Some(_) | None => policy.schedule.baseline(at),
        }
    }

    /// Whether somebody else has changed the replicas since the last evaluation.
    pub(super) fn is_foreign(&self, replicas: Replicas) -> bool {
        self.last.is_some_and(|last| replicas != last.desired && replicas != last.observed)
    }
}

impl Samples {
    pub(super) fn get(&self, index: usize) -> Option<super::Reading> {
        match self {
            Self::NotDue => None,
            Self::Read(readings) => readings.get(index).copied(),
        }
    }
}
