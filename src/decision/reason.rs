//! Why a decision is what it is: closed enums with the words that status, events, metrics and logs use.

use super::EntryId;

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

impl DesiredReason {
    /// All of them, for documentation and metrics.
    pub const ALL: [Self; 7] = [
        Self::Load,
        Self::Baseline,
        Self::MinReplicas,
        Self::Ceiling,
        Self::MaxReplicas,
        Self::Pinned,
        Self::Override,
    ];

    /// The CamelCase word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "Load",
            Self::Baseline => "Baseline",
            Self::MinReplicas => "MinReplicas",
            Self::Ceiling => "Ceiling",
            Self::MaxReplicas => "MaxReplicas",
            Self::Pinned => "Pinned",
            Self::Override => "Override",
        }
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

impl LoadLimit {
    /// All of them, for documentation and metrics.
    pub const ALL: [Self; 8] = [
        Self::StabilizationUp,
        Self::StabilizationDown,
        Self::ScaleUpRate,
        Self::ScaleDownRate,
        Self::MinReplicas,
        Self::MaxReplicas,
        Self::Guard,
        Self::Capacity,
    ];

    /// The CamelCase word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StabilizationUp => "StabilizationUp",
            Self::StabilizationDown => "StabilizationDown",
            Self::ScaleUpRate => "ScaleUpRate",
            Self::ScaleDownRate => "ScaleDownRate",
            Self::MinReplicas => "MinReplicas",
            Self::MaxReplicas => "MaxReplicas",
            Self::Guard => "Guard",
            Self::Capacity => "Capacity",
        }
    }
}

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

impl MissingCause {
    /// All of them, for documentation and metrics.
    pub const ALL: [Self; 8] = [
        Self::NoSample,
        Self::SeveralSamples,
        Self::Invalid,
        Self::QueryFailed,
        Self::Unreachable,
        Self::NoReadyReplicas,
        Self::Stale,
        Self::NotAllowed,
    ];

    /// The CamelCase word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSample => "NoSample",
            Self::SeveralSamples => "SeveralSamples",
            Self::Invalid => "Invalid",
            Self::QueryFailed => "QueryFailed",
            Self::Unreachable => "Unreachable",
            Self::NoReadyReplicas => "NoReadyReplicas",
            Self::Stale => "Stale",
            Self::NotAllowed => "NotAllowed",
        }
    }
}
