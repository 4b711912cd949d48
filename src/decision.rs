//! What a workload's replicas should be, as a pure function.
//!
//! [`decide`] takes a validated [`Policy`], what was decided before ([`History`]) and what is seen now
//! ([`Observation`]) and gives a [`Decision`], which carries every intermediate value and a reason.
//! There is no I/O in here, no clock, no error and no panic: time is an argument, and missing data is a
//! value. The operator and the simulator call the same function; neither knows of the other.
//!
//! ```text
//! desired = max(floor, min(ceiling, load level))        floor, ceiling: the schedule at this instant
//! ```
//!
//! The load level is the damper's own output and is kept in the history: the schedule never passes
//! through the damper, and the damper never hears of the schedule.
//!
//! ```
//! use tidetable::decision::{decide, History, Observation, Replicas};
//! use tidetable::policy;
//!
//! let spec = serde_saphyr::from_str("
//! scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
//! maxReplicas: 20
//! schedule:
//!   timeZone: Europe/Berlin
//!   entries:
//!   - {name: day,   cron: '0 7 * * *',  replicas: 12}
//!   - {name: night, cron: '0 20 * * *', replicas: 3}
//! ").unwrap();
//! let policy = policy::validate(&spec).unwrap();
//! let at = "2026-11-23T06:00:00Z".parse().unwrap(); // 07:00 in Berlin
//! let decision = decide(&policy, &History::default(), &Observation::new(at, Replicas::new(3)));
//! assert_eq!(decision.desired, Replicas::new(12));
//! assert_eq!(decision.baseline.next.unwrap().at, "2026-11-23T19:00:00Z".parse().unwrap());
//! ```

mod closed;
mod damping;
mod explain;
mod guard;
mod history;
mod load;
mod policy;
mod reason;
mod schedule;
mod smoothing;
mod units;

use jiff::Timestamp;
use smallvec::SmallVec;

pub(crate) use self::closed::closed_list;
pub use self::damping::{
    Direction, RateEvent, RateEvents, RateLimited, RatePolicy, RateUnit, Rules, Select, limit_rate, stabilize,
};
pub use self::explain::Explanation;
pub use self::guard::{Effect, Guard, GuardState, Room};
pub use self::history::{History, Memory, Outage, Quiet, Rest, Trace};
pub use self::load::{LoadDecision, LoadState, MetricDecision, Raised, Steps, recommend};
pub use self::policy::{
    CapacityRule, DampingPolicy, FallbackLevel, FallbackRule, Freshness, Metric, Mode, Override, Policy,
    QueryRef, Target,
};
pub use self::reason::{Cause, DesiredReason, LoadLimit, MissingCause};
pub use self::schedule::{
    Baseline, Bounds, Cron, CronFields, Dates, Days, Edge, EdgeKind, Entry, EntryId, Extent, Schedule,
    Timeline, Transition, Trigger,
};
pub use self::units::{Milli, NotALoad, Replicas};

/// What is seen of the workload and of its load at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The instant of the evaluation.
    pub at: Timestamp,
    /// `spec.replicas` of the workload: the only *present* there is. Never `status.replicas`, which a
    /// rollout's surge inflates.
    pub replicas: Replicas,
    /// Ready replicas, at most `replicas`.
    pub ready: Replicas,
    /// What the metrics said.
    pub samples: Samples,
    /// What the guards' queries said.
    pub guards: Samples,
    /// Since when pods of the workload have been unschedulable; `None` when none is.
    pub unschedulable_since: Option<Timestamp>,
    /// A person's number in the place of the decision, also when it has expired.
    pub overridden: Option<Override>,
}

/// One reading for each metric, or guard, of the policy, in its order.
pub type Readings = SmallVec<[Reading; 4]>;

/// Whether the metrics were read at this evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// They were not due: the evaluation is for an edge of the schedule, and the load's level stays.
    NotDue,
    /// They were, with these results. A reading that is absent at the end counts as missing.
    Read(Readings),
}

/// What came of one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A finite number that is not negative.
    Value(Milli),
    /// No usable number. An outage is never zero.
    Missing(MissingCause),
}

impl Observation {
    /// Sees a workload of `replicas`, all of them ready, without metrics.
    #[must_use]
    pub fn new(at: Timestamp, replicas: Replicas) -> Self {
        Self {
            at,
            replicas,
            ready: replicas,
            samples: Samples::NotDue,
            guards: Samples::NotDue,
            unschedulable_since: None,
            overridden: None,
        }
    }

    /// Says how many replicas are ready; more than `replicas` count as `replicas`.
    #[must_use]
    pub fn with_ready(self, ready: Replicas) -> Self {
        Self { ready: ready.min(self.replicas), ..self }
    }

    /// Adds what the metrics said, one reading per metric of the policy and in its order.
    #[must_use]
    pub fn with_readings(self, readings: impl IntoIterator<Item = Reading>) -> Self {
        Self { samples: Samples::Read(readings.into_iter().collect()), ..self }
    }
}

/// What should be, and everything that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The instant it was made for.
    pub at: Timestamp,
    /// The replicas that were observed.
    pub observed: Replicas,
    /// The replicas that should be.
    pub desired: Replicas,
    /// What determined `desired`.
    pub reason: DesiredReason,
    /// The schedule at this instant.
    pub baseline: Baseline,
    /// The load's part; `None` in a policy without metrics.
    pub load: Option<LoadDecision>,
    /// A person's number that is in force.
    pub overridden: Option<Override>,
}

impl Decision {
    /// Whether the workload has to change.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.desired != self.observed
    }

    /// The most replicas that the workload may have: the schedule's ceiling, or a person's number.
    #[must_use]
    pub fn ceiling(&self) -> Replicas {
        if self.overridden.is_some() { self.desired } else { self.baseline.ceiling }
    }

    /// `minReplicas` and `maxReplicas` of an autoscaler between whose bounds the workload is to be. The API server refuses a
    /// `maxReplicas` of 0, and one below `minReplicas`.
    #[must_use]
    pub fn bounds(&self) -> (Replicas, Replicas) {
        (self.desired, self.ceiling().max(self.desired).max(Replicas::new(1)))
    }

    /// The next change of the schedule's floor or ceiling, and the entry that brings it.
    #[must_use]
    pub fn next_transition(&self) -> Option<Transition> {
        self.baseline.next
    }

    /// Until when (exclusively) the schedule and an override stay as they are; `None` is for ever.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        let expiry = self.overridden.map(|overridden| overridden.until);
        self.baseline.until().into_iter().chain(expiry).min()
    }

    /// The load's level after this decision.
    #[must_use]
    pub fn level(&self) -> Option<Replicas> {
        self.load.as_ref().map(|load| load.level)
    }
}

/// Decides. Pure and total: the same arguments give the same decision, and there is one for every input.
///
/// What was decided is remembered only when the caller says so with [`History::record`].
#[must_use]
pub fn decide(policy: &Policy, history: &History, observation: &Observation) -> Decision {
    let baseline = history.baseline(policy, observation.at);
    let overridden = observation.overridden.filter(|overridden| observation.at < overridden.until);
    let load = load::decide(policy, history, observation, baseline.floor);
    let (desired, reason) = match overridden {
        Some(Override { replicas, force: true, .. }) => (replicas, DesiredReason::Override),
        Some(Override { replicas, .. }) => (replicas.min(policy.max), DesiredReason::Override),
        None => combine(&baseline, load.as_ref().map(|load| load.level)),
    };
    Decision {
        at: observation.at,
        observed: observation.replicas,
        desired,
        reason,
        baseline,
        load,
        overridden,
    }
}

/// `max(floor, min(ceiling, level))`, and which of the three it was.
fn combine(baseline: &Baseline, level: Option<Replicas>) -> (Replicas, DesiredReason) {
    if baseline.pinned {
        return (baseline.floor, DesiredReason::Pinned);
    }
    let at_floor = match baseline.floor_cause {
        Cause::Entry(_) | Cause::Ramp(_) => DesiredReason::Baseline,
        Cause::Policy => DesiredReason::MinReplicas,
    };
    let at_ceiling = match baseline.ceiling_cause {
        Cause::Entry(_) | Cause::Ramp(_) => DesiredReason::Ceiling,
        Cause::Policy => DesiredReason::MaxReplicas,
    };
    match level {
        Some(level) if level > baseline.floor && level >= baseline.ceiling => {
            // The floor wins over a lower ceiling: availability over cost.
            if baseline.ceiling < baseline.floor {
                (baseline.floor, at_floor)
            } else if level == baseline.ceiling {
                (level, DesiredReason::Load)
            } else {
                (baseline.ceiling, at_ceiling)
            }
        }
        Some(level) if level > baseline.floor => (level, DesiredReason::Load),
        Some(_) | None => (baseline.floor, at_floor),
    }
}

#[cfg(test)]
mod tests;
