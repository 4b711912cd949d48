//! The conditions of a policy and the closed lists of their reasons.
//!
//! Messages are stable: they never quote a load, so a wobbling metric never changes a condition.

use std::borrow::Cow;

use jiff::Timestamp;

use super::cluster::CallError;
use super::text::shorten;
use crate::api::{Condition, ConditionStatus};
use crate::decision::{
    Decision, DesiredReason, LoadDecision, LoadLimit, LoadState, Mode, Policy, Room, closed_list,
};

closed_list! {
    /// One aspect of a policy's state.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Aspect {
        /// The policy is understood and does its work.
        Ready,
        /// The workload can be read and scaled.
        AbleToScale,
        /// The load is followed.
        ScalingActive,
        /// A limit keeps the workload from what the load asks for.
        ScalingLimited,
        /// Pods of the workload can't be scheduled, so the load may not raise it.
        CapacityLimited,
    }
}

closed_list! {
    /// Why a condition is what it is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Reason {
        /// All is as the policy says.
        AsPlanned,
        /// The spec has mistakes.
        InvalidSpec,
        /// The policy bears an annotation that can't be read.
        InvalidAnnotation,
        /// A calendar that the policy names is not there, or has mistakes.
        CalendarMissing,
        /// The workload or its kind does not exist, or has no scale subresource.
        TargetNotFound,
        /// The operator lacks the permission.
        Forbidden,
        /// The API server refused.
        Refused,
        /// The API server did not answer.
        Unavailable,
        /// Others wrote the replicas each time before the operator could.
        Overtaken,
        /// Somebody else scales the same workload and has precedence.
        Conflict,
        /// Somebody keeps changing the replicas back.
        Contested,
        /// The mode is `Paused`.
        Paused,
        /// The mode is `DryRun`.
        DryRun,
        /// The policy has no metrics.
        NoMetrics,
        /// The metrics are followed.
        MetricsRead,
        /// No metric could be read.
        MetricsMissing,
        /// Some metrics could not be read.
        MetricsPartial,
        /// Metrics are back, but not for long enough.
        MetricsRecovering,
        /// Metrics were not read yet.
        NotReadYet,
        /// Nothing limits.
        NotLimited,
        /// `maxReplicas` of the policy.
        MaxReplicas,
        /// An active guard.
        Guard,
        /// Pods of the workload can't be scheduled.
        Capacity,
        /// The cluster has room for the workload's pods.
        EnoughRoom,
        /// `capacity.holdAfter` is 0s.
        Disabled,
        /// It is not known whether pods can be scheduled.
        PodsUnknown,
        /// A ceiling of the schedule.
        Ceiling,
        /// A rate policy upward.
        ScaleUpRate,
        /// A rate policy downward.
        ScaleDownRate,
    }
}

/// What there is to say about one aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) status: ConditionStatus,
    pub(super) reason: Reason,
    /// Most say one of few things, which are not kept anew for each policy.
    pub(super) message: Cow<'static, str>,
}

impl Finding {
    pub(super) fn new(
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, reason, message: message.into() }
    }
}

/// What a failed call says about the workload.
pub(super) fn call_failed(error: &CallError) -> Finding {
    let reason = match error {
        CallError::NotFound(_) => Reason::TargetNotFound,
        CallError::Forbidden(_) => Reason::Forbidden,
        CallError::Unprocessable(_) | CallError::Refused { .. } => Reason::Refused,
        CallError::Timeout(_) | CallError::Transport(_) | CallError::NotLeading | CallError::Stopping => {
            Reason::Unavailable
        }
    };
    Finding::new(ConditionStatus::False, reason, error.to_string())
}

/// Whether the load is followed; `None` when this evaluation did not ask.
pub(super) fn scaling_active(mode: Mode, able: &Finding, decision: Option<&Decision>) -> Option<Finding> {
    use ConditionStatus::{False, True};
    match mode {
        Mode::Paused => return Some(Finding::new(False, Reason::Paused, "the mode is Paused")),
        Mode::DryRun => {
            return Some(Finding::new(False, Reason::DryRun, "the mode is DryRun: nothing is scaled"));
        }
        Mode::Active if able.reason == Reason::Conflict => return Some(able.clone()),
        Mode::Active => {}
    }
    let Some(load) = &decision?.load else {
        return Some(Finding::new(True, Reason::NoMetrics, "the schedule alone counts"));
    };
    Some(match load.state {
        LoadState::NotDue | LoadState::OutOfBounds => return None,
        LoadState::Followed => Finding::new(True, Reason::MetricsRead, "the metrics are followed"),
        LoadState::Partial => {
            Finding::new(True, Reason::MetricsPartial, "some metrics are missing: nothing is lowered")
        }
        LoadState::Missing => {
            Finding::new(False, Reason::MetricsMissing, "no metric can be read: the load's level is held")
        }
        LoadState::Recovering => Finding::new(
            False,
            Reason::MetricsRecovering,
            "the metrics are back: the load's level is held until they were read twice in a row",
        ),
    })
}

/// Whether a limit keeps the workload from what the load asks for.
pub(super) fn scaling_limited(decision: &Decision) -> Finding {
    let limited = |reason, message| Finding::new(ConditionStatus::True, reason, message);
    match decision.reason {
        DesiredReason::MaxReplicas => {
            return limited(Reason::MaxReplicas, "maxReplicas keeps the workload below the load's level");
        }
        DesiredReason::Ceiling => {
            return limited(Reason::Ceiling, "the schedule keeps the workload below the load's level");
        }
        DesiredReason::Load
        | DesiredReason::Baseline
        | DesiredReason::MinReplicas
        | DesiredReason::Pinned
        | DesiredReason::Override => {}
    }
    match decision.load.as_ref().and_then(|load| load.limit) {
        Some(LoadLimit::MaxReplicas) => {
            limited(Reason::MaxReplicas, "maxReplicas keeps the load's level from rising further")
        }
        Some(LoadLimit::ScaleUpRate) => {
            limited(Reason::ScaleUpRate, "the rate policies keep the load's level from rising faster")
        }
        Some(LoadLimit::Guard) => limited(Reason::Guard, "a guard keeps the load's level where it is"),
        Some(LoadLimit::Capacity) => {
            limited(Reason::Capacity, "pods that can't be scheduled keep the load's level from rising")
        }
        Some(LoadLimit::ScaleDownRate) => {
            limited(Reason::ScaleDownRate, "the rate policies keep the load's level from falling faster")
        }
        Some(LoadLimit::StabilizationUp | LoadLimit::StabilizationDown | LoadLimit::MinReplicas) | None => {
            Finding::new(ConditionStatus::False, Reason::NotLimited, "no limit is in the way")
        }
    }
}

/// Whether a full cluster limits the load; `unknown` says why that can't be said.
pub(super) fn capacity_limited(policy: &Policy, decision: &Decision, unknown: Option<&str>) -> Finding {
    let not_limited = |reason, message: &'static str| Finding::new(ConditionStatus::False, reason, message);
    match (&decision.load, unknown) {
        (None, _) => not_limited(Reason::NoMetrics, "only the load is limited by a full cluster"),
        (Some(_), _) if policy.capacity.hold_after.is_zero() => {
            not_limited(Reason::Disabled, "capacity.holdAfter is 0s")
        }
        (Some(_), Some(why)) => Finding::new(ConditionStatus::Unknown, Reason::PodsUnknown, why.to_owned()),
        (Some(LoadDecision { room: Room::Full { since, .. }, .. }), None) => {
            let message =
                format!("pods can't be scheduled since {since}: the load may not raise the workload");
            Finding::new(ConditionStatus::True, Reason::Capacity, message)
        }
        (Some(_), None) => not_limited(Reason::EnoughRoom, "no pod waits for room for long"),
    }
}

/// Puts a finding among the conditions; the transition time moves only with the status.
pub(super) fn set(
    conditions: &mut Vec<Condition>,
    aspect: Aspect,
    finding: &Finding,
    at: Timestamp,
    generation: Option<i64>,
) {
    let old = conditions.iter_mut().find(|condition| condition.r#type == aspect.as_str());
    let since = match &old {
        Some(old) if old.status == finding.status => old.last_transition_time,
        // As in all of Kubernetes, conditions know no fractions of a second.
        Some(_) | None => Timestamp::from_second(at.as_second()).unwrap_or(at),
    };
    let new = Condition {
        r#type: aspect.as_str().into(),
        status: finding.status,
        reason: finding.reason.as_str().into(),
        message: match &finding.message {
            Cow::Borrowed(message) => (*message).into(),
            Cow::Owned(message) => shorten(message, 4096).into(),
        },
        last_transition_time: since,
        observed_generation: generation,
    };
    if let Some(old) = old {
        *old = new;
    } else {
        // Room for one of each, and not for eight.
        conditions.reserve_exact(Aspect::ALL.len().saturating_sub(conditions.len()));
        conditions.push(new);
    }
}

/// The condition for an aspect.
pub(super) fn find(conditions: &[Condition], aspect: Aspect) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.r#type == aspect.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_when_the_status_flips() {
        let (first, second): (Timestamp, Timestamp) =
            ("2026-11-23T07:00:00Z".parse().expect("t"), "2026-11-23T08:00:00Z".parse().expect("t"));
        let mut conditions = Vec::new();
        for (status, reason, at, since) in [
            (ConditionStatus::True, Reason::MetricsRead, first, first),
            (ConditionStatus::True, Reason::MetricsPartial, second, first),
            (ConditionStatus::False, Reason::MetricsMissing, second, second),
        ] {
            set(&mut conditions, Aspect::ScalingActive, &Finding::new(status, reason, "m"), at, Some(1));
            let condition = find(&conditions, Aspect::ScalingActive).expect("a condition");
            assert_eq!((&*condition.reason, condition.last_transition_time), (reason.as_str(), since));
        }
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_failed_call_names_its_reason() {
        let timeout = CallError::Timeout(std::time::Duration::from_secs(1));
        for (error, reason) in [
            (CallError::NotFound("x".to_owned()), Reason::TargetNotFound),
            (CallError::Forbidden("x".to_owned()), Reason::Forbidden),
            (CallError::Refused { code: 429, message: "x".to_owned(), retry_after: None }, Reason::Refused),
            (timeout, Reason::Unavailable),
        ] {
            assert_eq!(call_failed(&error).reason, reason);
        }
    }
}
