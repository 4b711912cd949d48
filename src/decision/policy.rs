//! A policy in which nothing is a string any more that means something, and no default is left to fill
//! in. [`crate::policy`] makes it from a spec.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::{Guard, Milli, Replicas, Rules, Schedule};

/// A validated `ScalePolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The least replicas at any time.
    pub min: Replicas,
    /// The most replicas at any time.
    pub max: Replicas,
    /// Whether decisions are applied.
    pub mode: Mode,
    /// Whose writes go first at an edge that many policies share: those of the higher number.
    pub priority: i32,
    /// The baseline; empty when the policy has no schedule.
    pub schedule: Schedule,
    /// Calendars that the schedule names and that are not there: it runs as if they had no dates.
    pub missing_calendars: Vec<Arc<str>>,
    /// What the load is read from; empty when the policy has no metrics.
    pub metrics: SmallVec<[Metric; 4]>,
    /// How calmly the load is followed.
    pub damping: DampingPolicy,
    /// What keeps the load from moving the workload.
    pub guards: SmallVec<[Guard; 2]>,
    /// What stands in for the load.
    pub fallback: FallbackRule,
    /// What happens while the cluster has no room.
    pub capacity: CapacityRule,
}

/// Whether decisions are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    Active,
    /// They are only reported; the history goes on as if they had been applied.
    DryRun,
    /// Nothing is decided or written.
    Paused,
}

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name in the policy.
    pub name: Arc<str>,
    /// What is asked, and of whom.
    pub query: QueryRef,
    /// The setpoint.
    pub target: Target,
}

/// An instant query to a named source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryRef {
    /// Name of the source in the operator's configuration.
    pub source: Arc<str>,
    /// The PromQL expression.
    pub expression: Arc<str>,
    /// How the age of the answer is known, and how old it may be.
    pub freshness: Option<Freshness>,
}

/// A limit on the age of a metric's newest sample.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Freshness {
    /// A PromQL expression that gives the newest sample's Unix time in seconds.
    pub expression: Arc<str>,
    /// An older sample counts as missing.
    pub max_age: Duration,
}

/// The setpoint of a metric. Always above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// What one replica should carry.
    AverageValue(Milli),
    /// What the metric should be as a whole.
    Value(Milli),
}

/// Damping of the load's level.
#[derive(Clone, Debug, PartialEq)]
pub struct DampingPolicy {
    /// Upward.
    pub up: Rules,
    /// Downward.
    pub down: Rules,
    /// Exponential smoothing of each metric; `None` for none, never zero.
    pub half_life: Option<Duration>,
}

/// What happens when no metric can be read. For a while the level is held; after that `level` says, and it
/// takes two good answers in a row to follow the metrics again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallbackRule {
    /// How long an outage is a mere gap.
    pub after: Duration,
    /// What stands in for the load's level after that.
    pub level: FallbackLevel,
}

/// What stands in for the load's level in a long outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackLevel {
    /// The last level.
    Hold,
    /// The schedule's floor: the load is given up.
    Baseline,
    /// That many.
    Replicas(Replicas),
}

/// What happens while pods of the workload can't be scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityRule {
    /// For how long until the load may not raise the workload; zero is for ever.
    pub hold_after: Duration,
}

/// A person's number in the place of every decision, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// The number. More than `maxReplicas` counts as `maxReplicas`, unless it is forced.
    pub replicas: Replicas,
    /// It ends at this instant.
    pub until: Timestamp,
    /// It may be over `maxReplicas`.
    pub force: bool,
}
