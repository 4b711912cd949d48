//! What is told of an evaluation.

use std::sync::Arc;

use jiff::Timestamp;

use super::setting::Setting;
use crate::decision::{Decision, Policy};

/// One evaluation of one policy.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Namespace of the policy.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// The instant for which it was made.
    pub at: Timestamp,
    /// What it was made for.
    pub occasion: Occasion,
    /// What was decided; `None` when the workload could not be seen or the policy is paused.
    pub decision: Option<Decision>,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What an evaluation is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// The policy, this generation of it, or what its calendars say now, is seen for the first time. Metrics
    /// are not read.
    First,
    /// An edge of the schedule. Metrics are not read.
    Edge,
    /// A tick. Metrics are read.
    Tick,
    /// Another try after a failure of the API server. Metrics are not read.
    Retry,
}

impl Occasion {
    /// The word in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Edge => "edge",
            Self::Tick => "tick",
            Self::Retry => "retry",
        }
    }
}

/// What came of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target already had what it should have.
    Unchanged,
    /// The replicas were written.
    Scaled {
        /// Before.
        from: Setting,
        /// After.
        to: Setting,
    },
    /// The policy only tries: nothing was written.
    DryRun,
    /// The policy is paused: nothing was decided.
    Paused,
    /// Somebody else scales the same workload: nothing was decided.
    Conflict,
    /// Somebody keeps changing the replicas back: nothing was written.
    Contested,
    /// The workload could not be read or scaled.
    Failed {
        /// A word from a closed list.
        category: &'static str,
    },
}

impl Outcome {
    /// The word in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Scaled { .. } => "scaled",
            Self::DryRun => "dry-run",
            Self::Paused => "paused",
            Self::Conflict => "conflict",
            Self::Contested => "contested",
            Self::Failed { .. } => "failed",
        }
    }
}
