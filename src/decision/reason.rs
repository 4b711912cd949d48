//! Why a decision is what it is: closed enums with the words that status, events, metrics and logs use.

use super::EntryId;
use super::closed::closed_list;

closed_list! {
    /// What determined the desired replicas.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum DesiredReason {
        /// The load's level, between floor and ceiling.
        Load,
        /// The schedule's floor.
        Baseline,
        /// `minReplicas`.
        MinReplicas,
        /// An entry's `maxReplicas`.
        Ceiling,
        /// The policy's `maxReplicas`.
        MaxReplicas,
        /// An entry whose `replicas` and `maxReplicas` are the same.
        Pinned,
        /// A person's override.
        Override,
    }
}

/// Where a floor or a ceiling comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// `minReplicas` or `maxReplicas` of the policy.
    Policy,
    /// An entry of the schedule.
    Entry(EntryId),
    /// The ramp of an entry that starts soon or has ended.
    Ramp(EntryId),
}

impl Cause {
    /// The entry, if it is one's doing.
    #[must_use]
    pub const fn entry(self) -> Option<EntryId> {
        match self {
            Self::Policy => None,
            Self::Entry(id) | Self::Ramp(id) => Some(id),
        }
    }
}

closed_list! {
    /// What kept the load's level from where the metrics wanted it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum LoadLimit {
        /// The lowest recommendation of the upward stabilization window.
        StabilizationUp,
        /// The highest recommendation of the downward stabilization window.
        StabilizationDown,
        /// The rate policies upward.
        ScaleUpRate,
        /// The rate policies downward.
        ScaleDownRate,
        /// `minReplicas`.
        MinReplicas,
        /// `maxReplicas`.
        MaxReplicas,
        /// An active guard.
        Guard,
        /// Pods that can't be scheduled.
        Capacity,
    }
}

closed_list! {
    /// Why a metric could not be used.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum MissingCause {
        /// The query had no result.
        NoSample,
        /// The query had several results where one is needed.
        SeveralSamples,
        /// The result was NaN, infinite or negative.
        Invalid,
        /// The source answered with an error or a warning.
        QueryFailed,
        /// The source could not be reached in time.
        Unreachable,
        /// No replica is ready, so a ratio says nothing.
        NoReadyReplicas,
        /// The newest sample is older than `maxAge`, or its age is not known.
        Stale,
        /// The policy's namespace may not use the source.
        NotAllowed,
    }
}
