//! Evaluations at which nothing moves, which are nearly all: what [`crate::decision::decide`] and [`History::record`]
//! make of them, for those who play millions and want to know the outcome alone.
//!
//! It is the same arithmetic and no second opinion: whatever needs more than a look is left to `decide`, and a property
//! test holds the two together, in what they say and in what they remember.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::History;
use crate::decision::load::deadband;
use crate::decision::smoothing::Smoothed;
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
    /// Whether an evaluation may pass with a look: it has one metric, an average, and no guards.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.mode == Mode::Active
            && matches!(self.metrics.as_slice(), [metric] if matches!(metric.target, Target::AverageValue(_)))
            && self.guards.is_empty()
    }
}

/// A workload at which nothing moves: what all evaluations have in common until something does, or the schedule changes.
#[derive(Debug)]
pub struct Rest<'a> {
    policy: &'a Policy,
    history: &'a mut History,
    average: Target,
    until: Option<Timestamp>,
    outcome: Quiet,
    /// What is left of a smoothed load's past after such a time.
    decay: Option<(SignedDuration, f64)>,
}

impl History {
    /// A workload of `replicas` that has been left as it is, from `at` on; nobody overrides the policy, and no pod is
    /// unschedulable. `None` unless [`Policy::may_pass`], and nothing is under way.
    #[must_use]
    #[inline]
    pub fn rest<'a>(&'a mut self, policy: &'a Policy, at: Timestamp, replicas: Replicas) -> Option<Rest<'a>> {
        let [metric] = policy.metrics.as_slice() else { return None };
        let level = self.level?;
        if !policy.may_pass()
            || !self.is_at_rest(policy, replicas)
            || level < policy.min
            || level > policy.max
        {
            return None;
        }
        let baseline = self.known_baseline(policy, at)?;
        let (desired, reason) = combine(baseline, Some(level));
        if desired != replicas {
            return None;
        }
        let Baseline { floor, ceiling, .. } = *baseline;
        let outcome = Quiet { desired, reason, floor, ceiling, recommendation: level, level };
        let (average, until) = (metric.target, baseline.until());
        Some(Rest { policy, history: self, average, until, outcome, decay: None })
    }

    /// Whether the workload is as we left it, and nothing is under way.
    fn is_at_rest(&self, policy: &Policy, replicas: Replicas) -> bool {
        self.ours.as_slice() == [replicas]
            && self.overridden.is_none()
            && self.outage.is_none()
            && self.room == Room::Enough
            && self.smoothed.len() == usize::from(policy.damping.half_life.is_some())
            && self.smoothed.iter().zip(&policy.metrics).all(|(known, metric)| known.metric == metric.name)
            && self.guards.is_empty()
            && !self.shadow
    }
}

impl Rest<'_> {
    /// Until when (exclusively) the schedule changes nothing; `None` is for ever.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The outcome of an evaluation at which the load asks for `recommendation`.
    #[must_use]
    #[inline]
    pub fn outcome(&self, recommendation: Replicas) -> Quiet {
        Quiet { recommendation, ..self.outcome }
    }

    /// What the one metric asks for at `at`, which is before [`Rest::until`] and not before the evaluation before; it
    /// is remembered. `None`, and nothing is remembered, when that moves the workload.
    #[must_use]
    #[inline]
    pub fn pass(&mut self, at: Timestamp, load: Milli) -> Option<Replicas> {
        let Quiet { desired, level, .. } = self.outcome;
        let damping = &self.policy.damping;
        let smoothed = match damping.half_life {
            Some(half_life) => Some(self.smoothed(at, load, half_life)?),
            None => None,
        };
        let load = smoothed.map_or(load, Smoothed::rounded_value);
        // The replicas are ready or not: an average does not ask.
        let asked = recommend(self.average, load, level, desired, damping)?;
        let raw = deadband(damping, level, asked);
        // What `bound` comes to: only one of the windows can hold a move back.
        let stays = match raw.cmp(&level) {
            Ordering::Equal => true,
            Ordering::Greater => {
                let lowest = self.history.lowest.extreme(at, damping.up.stabilization);
                lowest.is_some_and(|lowest| lowest <= level)
            }
            Ordering::Less => {
                let highest = self.history.highest.extreme(at, damping.down.stabilization);
                highest.is_some_and(|highest| highest >= level)
            }
        };
        if !stays {
            return None;
        }
        if let (Some(value), Some(known)) = (smoothed, self.history.smoothed.first_mut()) {
            (known.at, known.value) = (at, value);
        }
        self.history.remember(self.policy, at, raw);
        self.history.look(at);
        Some(raw)
    }

    /// The load, smoothed; `None` when nothing is known of it yet.
    #[inline]
    fn smoothed(&mut self, at: Timestamp, load: Milli, half_life: Duration) -> Option<f64> {
        let known = self.history.smoothed.first()?;
        let elapsed = at.duration_since(known.at);
        let decay = match self.decay {
            Some((then, decay)) if then == elapsed => decay,
            Some(_) | None => Smoothed::decay(elapsed, half_life),
        };
        self.decay = Some((elapsed, decay));
        Some(Smoothed::next(known.value, load, decay))
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
        assert!(history.rest(&policy, now, n(5)).is_none(), "nothing is known yet");
        let observation = Observation::new(now, n(5)).with_readings([Reading::Value(load(5))]);
        let decision = decide(&policy, &history, &observation);
        history.record(&policy, &decision);
        let later = at("2026-11-23T12:00:15Z");
        let mut rest = history.rest(&policy, later, n(5)).expect("it is as it was left");
        assert_eq!(rest.pass(later, load(5)), Some(n(5)));
        let quiet = rest.outcome(n(5));
        assert_eq!((quiet.desired, quiet.level), (n(5), n(5)));
        assert_eq!(rest.pass(later, load(50)), None, "more is asked for");
        assert!(history.rest(&policy, later, n(6)).is_none(), "somebody else has changed the replicas");
    }
}
