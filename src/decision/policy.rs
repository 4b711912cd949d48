//! A policy in which nothing is a string any more that means something, and no default is left to fill
//! in. [`crate::policy`] makes it from a spec.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{Milli, Replicas, Rules, Schedule};

/// A validated `ScalePolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The least replicas at any time.
    pub min: Replicas,
    /// The most replicas at any time.
    pub max: Replicas,
    /// Whether decisions are applied.
    pub mode: Mode,
    /// The baseline; empty when the policy has no schedule.
    pub schedule: Schedule,
    /// Calendars that the schedule names and that are not there: it runs as if they had no dates.
    pub missing_calendars: Vec<Arc<str>>,
    /// What the load is read from; empty when the policy has no metrics.
    pub metrics: SmallVec<[Metric; 2]>,
    /// How calmly the load is followed.
    pub damping: DampingPolicy,
    /// What stands in for the load.
    pub fallback: FallbackRule,
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
}

/// What happens when no metric can be read: the level is held. Longer than `after`, it takes two good
/// answers in a row to move again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallbackRule {
    /// How long an outage is a mere gap.
    pub after: Duration,
}
