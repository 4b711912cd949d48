//! What a run leaves: a row a tick, every change, and its scores.

use std::time::Duration;

use jiff::Timestamp;

use super::scores::Scores;
use super::service::Standing;
use crate::decision::DesiredReason;

/// What happened between one tick and the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The tick.
    pub at: Timestamp,
    /// Mean demand until the next tick, in requests per second.
    pub qps: f64,
    /// What the metric said at the tick; `None` when it was not read.
    pub measured: Option<f64>,
    /// The schedule's floor.
    pub floor: u32,
    /// The schedule's ceiling.
    pub ceiling: u32,
    /// What the load asks for before damping.
    pub recommendation: Option<u32>,
    /// The load's level.
    pub level: Option<u32>,
    /// What the decision asks for.
    pub desired: u32,
    /// `spec.replicas` after the decision.
    pub replicas: u32,
    /// Ready replicas at the tick.
    pub ready: u32,
    /// What the ready replicas can carry when all that they have is in use, in requests per second.
    pub capacity: f64,
    /// Requests that came until the next tick.
    pub requests: f64,
    /// Requests among them that were lost.
    pub dropped: f64,
    /// Requests that came again until the next tick.
    pub retried: f64,
    /// Requests that were served late until the next tick.
    pub late: f64,
    /// How the service stood at the tick, in a scenario that has one.
    pub service: Option<Standing>,
    /// How it stood with places for pods, in a scenario that has an end to them.
    pub places: Option<Places>,
    /// What determined `desired`.
    pub reason: DesiredReason,
}

/// Places for pods at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Replicas of this workload that have none.
    pub waiting: u32,
    /// The nodes that there are for all workloads, if there is an end to them.
    pub nodes: Option<u32>,
}

/// A change of the workload's replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Before.
    pub from: u32,
    /// After.
    pub to: u32,
    /// What determined it.
    pub reason: DesiredReason,
    /// The same as a sentence.
    pub message: String,
}

/// A simulated (or watched) stretch of time.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// The first instant.
    pub from: Timestamp,
    /// The time between rows.
    pub interval: Duration,
    /// One row a tick.
    pub rows: Vec<Row>,
    /// Every change of the replicas.
    pub changes: Vec<Change>,
    /// How good it was.
    pub scores: Scores,
    /// The policy as YAML.
    pub policy_text: String,
    /// The tiers behind, in the same order as in the scenario.
    pub behind: Vec<Run>,
}

impl Run {
    /// The run of the first tier and of those behind, in order.
    pub fn tiers(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.behind)
    }
}
