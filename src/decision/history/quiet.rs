//! Evaluations at which nothing moves, which are nearly all: what [`crate::decision::decide`] and [`History::record`]
//! make of them, for those who play millions and want to know the outcome alone.
//!
//! It is the same arithmetic and no second opinion: whatever needs more than a look is left to `decide`, and a property
//! test holds the two together, in what they say and in what they remember.

use jiff::Timestamp;

use super::History;
use crate::decision::damping::bound;
use crate::decision::load::deadband;
use crate::decision::{
    Baseline, DesiredReason, Milli, Mode, Policy, Replicas, Room, Target, combine, recommend,
};

/// The outcome of an evaluation at which nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The replicas that should be, which are those that are.
    pub desired: Replicas,
    /// What determined them.
    pub reason: DesiredReason,
    /// The schedule's floor.
    pub floor: Replicas,
    /// The schedule's ceiling.
    pub ceiling: Replicas,
    /// What the load asks for before damping.
    pub recommendation: Replicas,
    /// The load's level.
    pub level: Replicas,
}

impl Policy {
    /// Whether an evaluation may pass with a look: it has one metric, an average that nothing smooths, and no guards.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.mode == Mode::Active
            && matches!(self.metrics.as_slice(), [metric] if matches!(metric.target, Target::AverageValue(_)))
            && self.guards.is_empty()
            && self.damping.half_life.is_none()
    }
}

impl History {
    /// The outcome for a workload of `replicas` whose one metric is `load`, which is remembered; nobody overrides the
    /// policy, and no pod is unschedulable. `None`, and nothing is remembered, unless all of it stays as it is and
    /// [`Policy::may_pass`].
    #[must_use]
    pub fn pass(&mut self, policy: &Policy, at: Timestamp, replicas: Replicas, load: Milli) -> Option<Quiet> {
        let [metric] = policy.metrics.as_slice() else { return None };
        let level = self.level?;
        if !policy.may_pass() || !self.is_at_rest(replicas) || level < policy.min || level > policy.max {
            return None;
        }
        let baseline = self.known_baseline(policy, at)?;
        let (desired, reason) = combine(baseline, Some(level));
        let Baseline { floor, ceiling, .. } = *baseline;
        // The replicas are ready or not: an average does not ask.
        let asked = recommend(metric.target, load, level, replicas, &policy.damping)?;
        let raw = deadband(&policy.damping, level, asked);
        let lowest = self.lowest.extreme(at, policy.damping.up.stabilization);
        let highest = self.highest.extreme(at, policy.damping.down.stabilization);
        if desired != replicas || bound(level, raw, lowest, highest).0 != level {
            return None;
        }
        self.remember(policy, at, raw);
        self.look(at);
        Some(Quiet { desired, reason, floor, ceiling, recommendation: raw, level })
    }

    /// Whether the workload is as we left it, and nothing is under way.
    fn is_at_rest(&self, replicas: Replicas) -> bool {
        self.ours.as_slice() == [replicas]
            && self.overridden.is_none()
            && self.outage.is_none()
            && self.room == Room::Enough
            && self.smoothed.is_empty()
            && self.guards.is_empty()
            && !self.shadow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::tests::{METRIC, at, n, policy};
    use crate::decision::{Observation, Reading, decide};

    #[test]
    fn a_load_that_asks_for_the_same_passes_and_another_one_does_not() {
        let policy = policy(METRIC);
        let now = at("2026-11-23T12:00:00Z");
        let mut history = History::default();
        let load = |replicas: i64| Milli::new(replicas * 100_000);
        assert_eq!(history.pass(&policy, now, n(5), load(5)), None, "nothing is known yet");
        let observation = Observation::new(now, n(5)).with_readings([Reading::Value(load(5))]);
        let decision = decide(&policy, &history, &observation);
        history.record(&policy, &decision);
        let later = at("2026-11-23T12:00:15Z");
        let quiet = history.pass(&policy, later, n(5), load(5)).map(|quiet| (quiet.desired, quiet.level));
        assert_eq!(quiet, Some((n(5), n(5))));
        for (replicas, load) in [(6, load(5)), (5, load(50))] {
            assert_eq!(history.clone().pass(&policy, later, n(replicas), load), None, "{replicas} {load}");
        }
    }
}
