//! What chooses the replicas in a simulation: a policy, as the operator would follow it, or a rival.
//!
//! A chooser sees what an autoscaler sees, an [`Observation`], and nothing else, unless it was given more when
//! it was made. The loop is generic over it, so that a policy is played as fast as without the trait.

mod either;
mod scheduled;

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

pub(super) use self::either::Either;
pub(super) use self::scheduled::Scheduled;
use super::Quantities;
use super::monitor::Quantity;
use crate::decision::{
    Decision, DesiredReason, History, MissingCause, Mode, Observation, Policy, Quiet, Reading, Readings,
    Replicas, Rest, Samples, decide,
};

/// Chooses how many replicas a workload should have.
pub trait Chooser {
    /// How many readings an observation should have.
    fn metrics(&self) -> usize;

    /// What these readings are, and those of guards; `None` when each is the traffic, and there are no guards.
    fn quantities(&self) -> Option<&Quantities> {
        None
    }

    /// The next instant at which it wants to be asked besides the scenario's ticks, if there is one.
    fn due(&self) -> Option<Due>;

    /// Chooses. It is asked in order of time, at every tick and whenever it is due, and may be asked twice
    /// for the same instant.
    fn choose(&mut self, observation: &Observation) -> Choice;

    /// Why the last choice is what it is, as a sentence.
    fn explain(&self) -> String;

    /// What the one reading is that [`Chooser::rest`] needs, if there is no more to be read.
    fn single(&self) -> Option<Quantity> {
        None
    }

    /// What all evaluations have in common from `at` on, for as long as nothing moves a workload of `replicas`, all of
    /// whose pods have a place. It says what [`Chooser::choose`] would, at a fraction of the work.
    fn rest(&mut self, at: Timestamp, replicas: Replicas) -> Option<Rest<'_>> {
        let _ = (at, replicas);
        None
    }
}

/// An instant at which a chooser wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Whether the metrics are read then.
    pub reads_metrics: bool,
}

/// What was chosen, and what it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The replicas that should be.
    pub desired: Replicas,
    /// Whether that is written.
    pub writes: bool,
    /// The least replicas that the clock or the chooser's own bounds ask for.
    pub floor: Replicas,
    /// The most replicas that it may choose.
    pub ceiling: Replicas,
    /// What the load asks for before damping.
    pub recommendation: Option<Replicas>,
    /// What the load asks for after damping.
    pub level: Option<Replicas>,
    /// What determined `desired`.
    pub reason: DesiredReason,
}

impl Choice {
    /// What a decision of ours chooses under a policy of this mode.
    #[must_use]
    pub fn of(decision: &Decision, mode: Mode) -> Self {
        Self {
            desired: decision.desired,
            writes: mode == Mode::Active,
            floor: decision.baseline.floor,
            ceiling: decision.baseline.ceiling,
            recommendation: decision.load.as_ref().and_then(|load| load.recommendation),
            level: decision.level(),
            reason: decision.reason,
        }
    }

    /// What an evaluation at which nothing moves chooses.
    #[inline]
    pub(super) fn quiet(quiet: Quiet) -> Self {
        Self {
            desired: quiet.desired,
            writes: true,
            floor: quiet.floor,
            ceiling: quiet.ceiling,
            recommendation: Some(quiet.recommendation),
            level: Some(quiet.level),
            reason: quiet.reason,
        }
    }
}

/// A policy, followed as the operator follows it.
#[derive(Debug)]
pub struct Follower<'a> {
    policy: &'a Policy,
    quantities: Quantities,
    history: History,
    last: Option<Decision>,
    /// Whether the last decision read the metrics.
    reads: bool,
    /// The last decision that did, while that is not the last one.
    last_read: Option<Decision>,
    restarts: Option<Restarts>,
    /// Whether each decision can be asked for, so that none passes quietly.
    keeps: bool,
}

/// The restarts of an operator, and what Prometheus knows of its metrics.
#[derive(Debug)]
struct Restarts {
    to_come: VecDeque<Timestamp>,
    past: VecDeque<(Timestamp, Readings)>,
    /// Until when there is a past to ask for after the last restart.
    rebuilding: Option<Timestamp>,
}

impl<'a> Follower<'a> {
    /// Starts without any history; its metrics and guards are these quantities.
    #[must_use]
    pub fn new(policy: &'a Policy, quantities: Quantities) -> Self {
        let history = History::default();
        let (last, last_read, restarts) = (None, None, None);
        Self { policy, quantities, history, last, reads: false, last_read, restarts, keeps: false }
    }

    /// Keeps every decision until the next one, for [`Follower::into_last`].
    #[must_use]
    pub fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// Has the operator restarted at these instants, which are in order.
    #[must_use]
    pub fn restarting(mut self, at: &[Timestamp]) -> Self {
        let restarts =
            || Restarts { to_come: at.iter().copied().collect(), past: VecDeque::new(), rebuilding: None };
        self.restarts = (!at.is_empty()).then(restarts);
        self
    }

    /// The last decision.
    pub(super) fn last(&self) -> Option<&Decision> {
        self.last.as_ref()
    }

    /// The last decision, and the last one that read the metrics, of a follower that is [`Follower::keeping`] them.
    #[must_use]
    pub fn into_last(self) -> Option<(Decision, Option<Decision>)> {
        let last = self.last?;
        let last_read = if self.reads { Some(last.clone()) } else { self.last_read };
        Some((last, last_read))
    }
}

impl Restarts {
    /// Forgets what a restart at this instant forgets, and brings back what the metrics of the past tell, as
    /// soon as they can be read.
    fn prepare(&mut self, policy: &Policy, history: &mut History, observation: &Observation) {
        let at = observation.at;
        let span = SignedDuration::try_from(policy.memory_span()).unwrap_or(SignedDuration::MAX);
        while self.to_come.front().is_some_and(|restart| *restart <= at) {
            self.to_come.pop_front();
            let memory = history.memory();
            let is_known = memory.level.is_some() && !memory.trace.changes().is_empty();
            self.rebuilding = is_known.then(|| at.saturating_add(span).unwrap_or(Timestamp::MAX));
            *history = History::restore(memory, policy, at);
        }
        let Samples::Read(readings) = &observation.samples else { return };
        let is_answered =
            readings.iter().any(|reading| *reading != Reading::Missing(MissingCause::Unreachable));
        if is_answered && self.rebuilding.take().is_some_and(|until| at < until) {
            history.rebuild(policy, self.past.make_contiguous());
        }
        self.past.push_back((at, readings.clone()));
        let oldest = at.saturating_sub(span).unwrap_or(Timestamp::MIN);
        while self.past.front().is_some_and(|(then, _)| *then < oldest) {
            self.past.pop_front();
        }
    }
}

impl Chooser for Follower<'_> {
    fn metrics(&self) -> usize {
        self.policy.metrics.len()
    }

    fn quantities(&self) -> Option<&Quantities> {
        Some(&self.quantities)
    }

    fn due(&self) -> Option<Due> {
        let edge = self.last.as_ref().and_then(|decision| decision.baseline.until());
        let restart = self.restarts.as_ref().and_then(|restarts| restarts.to_come.front().copied());
        let first = edge.into_iter().chain(restart).min();
        first.map(|at| Due { at, reads_metrics: false })
    }

    fn choose(&mut self, observation: &Observation) -> Choice {
        if let Some(restarts) = &mut self.restarts {
            restarts.prepare(self.policy, &mut self.history, observation);
        }
        let decision = decide(self.policy, &self.history, observation);
        let choice = Choice::of(&decision, self.policy.mode);
        if self.policy.mode != Mode::Paused {
            self.history.record(self.policy, &decision);
        }
        let reads = matches!(observation.samples, Samples::Read(_));
        if self.reads && !reads {
            self.last_read = self.last.take();
        }
        self.reads = reads;
        self.last = Some(decision);
        choice
    }

    fn single(&self) -> Option<Quantity> {
        let may_pass = !self.keeps && self.restarts.is_none() && self.policy.may_pass();
        if may_pass { self.quantities.metrics.first().copied() } else { None }
    }

    #[inline]
    fn rest(&mut self, at: Timestamp, replicas: Replicas) -> Option<Rest<'_>> {
        self.history.rest(self.policy, at, replicas)
    }

    fn explain(&self) -> String {
        self.last.as_ref().map(|decision| decision.explain(self.policy).to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::decision::Milli;
    use crate::simulation::tests::{at, scenario};
    use crate::simulation::traffic::Traffic;

    #[test]
    fn a_restarted_follower_asks_for_its_past_until_prometheus_answers() {
        let load =
            "maxReplicas: 50\nmetrics: [{name: q, prometheus: {query: q}, target: {averageValue: 9}}]\n";
        let scenario = scenario(load, Traffic::constant(9.0), 1);
        let restart = at("2026-11-23T00:01:00Z");
        let quantities = scenario.quantities(&scenario.policy);
        let mut follower = Follower::new(&scenario.policy, quantities).restarting(&[restart]);
        let mut choose = |seconds: i64, reading: Option<Reading>| {
            let now = at("2026-11-23T00:00:00Z") + SignedDuration::from_secs(seconds);
            let observation = Observation::new(now, Replicas::new(5));
            let observation = match reading {
                Some(reading) => observation.with_readings([reading]),
                None => observation,
            };
            follower.choose(&observation);
            let due = follower.due().map(|due| due.at);
            (due, follower.restarts.as_ref().is_some_and(|restarts| restarts.rebuilding.is_some()))
        };
        let five = Reading::Value(Milli::from_f64(45.0).expect("a number"));
        assert_eq!(choose(0, Some(five)), (Some(restart), false));
        assert_eq!(choose(60, None), (None, true));
        assert_eq!(choose(75, Some(Reading::Missing(MissingCause::Unreachable))), (None, true));
        assert_eq!(choose(90, Some(five)), (None, false));
    }
}
