//! What chooses the replicas in a simulation: a policy, as the operator would follow it, or a rival.
//!
//! A chooser sees what an autoscaler sees, an [`Observation`], and nothing else, unless it was given more when
//! it was made. The loop is generic over it, so that a policy is played as fast as without the trait.

use jiff::Timestamp;

use super::Quantities;
use crate::decision::{
    Decision, DesiredReason, History, Mode, Observation, Policy, Replicas, Samples, decide,
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
}

/// A policy, followed as the operator follows it.
#[derive(Debug)]
pub struct Follower<'a> {
    policy: &'a Policy,
    quantities: Quantities,
    history: History,
    last: Option<Decision>,
    last_read: Option<Decision>,
}

impl<'a> Follower<'a> {
    /// Starts without any history; its metrics and guards are these quantities.
    #[must_use]
    pub fn new(policy: &'a Policy, quantities: Quantities) -> Self {
        Self { policy, quantities, history: History::default(), last: None, last_read: None }
    }

    /// The last decision, and the last one that read the metrics.
    #[must_use]
    pub fn into_last(self) -> Option<(Decision, Option<Decision>)> {
        Some((self.last?, self.last_read))
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
        edge.map(|at| Due { at, reads_metrics: false })
    }

    fn choose(&mut self, observation: &Observation) -> Choice {
        let decision = decide(self.policy, &self.history, observation);
        let choice = Choice::of(&decision, self.policy.mode);
        if self.policy.mode != Mode::Paused {
            self.history.record(self.policy, &decision);
        }
        if observation.samples != Samples::NotDue {
            self.last_read = Some(decision.clone());
        }
        self.last = Some(decision);
        choice
    }

    fn explain(&self) -> String {
        self.last.as_ref().map(|decision| decision.explain(self.policy).to_string()).unwrap_or_default()
    }
}
