//! The status of a policy: built from a decision, and written only when a person would care.

mod memory;

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::Value;

pub(super) use self::memory::memory;
use super::conditions::{self, Aspect, Finding, Reason};
use super::reconcile::Problems;
use super::text::shorten;
use crate::api::{
    Condition, ConditionStatus, DecisionStatus, GuardStatus, MetricStatus, NextChange, ScalePolicyStatus,
    ScaleTargetRef,
};
use crate::decision::{
    Baseline, Cause, Decision, EntryId, GuardState, Memory, Mode, Policy, Reading, Replicas, Samples,
    Transition,
};

/// What an evaluation has to report.
pub(super) struct Report<'a> {
    /// The instant of the evaluation.
    pub(super) at: Timestamp,
    /// The workload.
    pub(super) target: &'a ScaleTargetRef,
    /// The generation of the spec.
    pub(super) generation: Option<i64>,
    /// The policy that was evaluated.
    pub(super) policy: &'a Policy,
    /// The mode that its spec has.
    pub(super) mode: Mode,
    /// The replicas that the workload has after the evaluation.
    pub(super) current: Option<Replicas>,
    /// What was decided, and what the load remembers after it.
    pub(super) decision: Option<(&'a Decision, Memory)>,
    /// What went wrong with each query.
    pub(super) problems: Problems<'a>,
    /// Whether the evaluation was to read metrics.
    pub(super) samples: &'a Samples,
    /// Whether the replicas were changed.
    pub(super) scaled: bool,
    /// Until when the workload is left as it is at most, for want of metrics, although more is desired.
    pub(super) waits: Option<Timestamp>,
    /// Whether the workload could be read and scaled.
    pub(super) able: Finding,
    /// Why it can't be said whether the workload's pods can be scheduled.
    pub(super) pods_unknown: Option<&'a str>,
    /// Why the policy is not quite in force although it is followed.
    pub(super) complaint: Option<&'a Finding>,
}

/// `Deployment/web`.
pub(super) fn target_name(target: &ScaleTargetRef) -> String {
    format!("{}/{}", target.kind, target.name)
}

/// The status after an evaluation.
pub(super) fn after_evaluation(previous: &ScalePolicyStatus, report: &Report<'_>) -> ScalePolicyStatus {
    let mut status = previous.clone();
    status.observed_generation = report.generation;
    status.target = Some(target_name(report.target));
    if let Some(current) = report.current {
        status.current_replicas = Some(current.get());
    }
    if report.mode == Mode::Paused {
        nothing_is_decided(&mut status);
    }
    if let Some((decision, memory)) = &report.decision {
        let baseline = &decision.baseline;
        status.desired_replicas = Some(decision.desired.get());
        status.baseline_replicas = Some(baseline.floor.get());
        status.load = memory::load_status(memory);
        status.next_change =
            baseline.next.map(|next| next_change(report.policy, baseline, next, decision.at));
        status.decision = Some(decision_status(previous, report, decision));
    }
    if report.policy.metrics.is_empty() {
        status.load = None;
    }
    if report.scaled {
        status.last_scale_time = Some(whole_second(report.at));
    }
    let mut set = |aspect, finding| {
        conditions::set(&mut status.conditions, aspect, &finding, report.at, report.generation);
    };
    set(Aspect::Ready, ready(report));
    set(Aspect::AbleToScale, report.able.clone());
    let decision = report.decision.as_ref().map(|(decision, _)| *decision);
    let active = conditions::scaling_active(report.mode, &report.able, decision)
        .or_else(|| not_asked(previous, report.policy));
    if let Some(active) = active {
        set(Aspect::ScalingActive, active);
    }
    if let Some(decision) = decision {
        set(Aspect::ScalingLimited, conditions::scaling_limited(decision));
        let capacity = conditions::capacity_limited(report.policy, decision, report.pods_unknown);
        set(Aspect::CapacityLimited, capacity);
    }
    status
}

/// Whether the policy does its work. A workload that can't be scaled is worse than a calendar that is
/// missing or an annotation that can't be read.
fn ready(report: &Report<'_>) -> Finding {
    match (report.able.status, report.complaint) {
        (ConditionStatus::True, Some(complaint)) => complaint.clone(),
        (ConditionStatus::True, None) if report.mode == Mode::Paused => report.able.clone(),
        (ConditionStatus::True, None) => {
            Finding::new(ConditionStatus::True, Reason::AsPlanned, "the policy is in force")
        }
        (ConditionStatus::False | ConditionStatus::Unknown, _) => report.able.clone(),
    }
}

/// The status of a policy that can't be followed. What was last decided stays.
pub(super) fn after_mistake(
    previous: &ScalePolicyStatus,
    generation: Option<i64>,
    at: Timestamp,
    mistake: &str,
) -> ScalePolicyStatus {
    let mut status = previous.clone();
    status.observed_generation = generation;
    // What the load's level was may be of use when the spec is right again.
    nothing_is_decided(&mut status);
    let consequence = "the spec has mistakes: the workload stays as it is";
    let mistake = Cow::Owned(mistake.to_owned());
    for (aspect, text) in [(Aspect::Ready, mistake), (Aspect::ScalingActive, consequence.into())] {
        let finding = Finding::new(ConditionStatus::False, Reason::InvalidSpec, text);
        conditions::set(&mut status.conditions, aspect, &finding, at, generation);
    }
    status
}

/// Takes out of a status what was decided: none of it is in force any more.
fn nothing_is_decided(status: &mut ScalePolicyStatus) {
    status.next_change = None;
    status.decision = None;
    status.baseline_replicas = None;
    status.desired_replicas = None;
}

/// Whether the status says already that this generation has mistakes.
pub(super) fn knows_mistake(status: &ScalePolicyStatus, generation: Option<i64>) -> bool {
    conditions::find(&status.conditions, Aspect::Ready).is_some_and(|ready| {
        ready.reason == Reason::InvalidSpec.as_str() && ready.observed_generation == generation
    })
}

/// The status of a policy that this version can't parse, as far as it can be understood: at least the
/// load's state should outlive the misunderstanding.
pub(super) fn understood(status: Value) -> ScalePolicyStatus {
    let load = status.get("load").cloned().and_then(|load| serde_json::from_value(load).ok());
    let target = status.get("target").and_then(Value::as_str).map(str::to_owned);
    serde_json::from_value(status).unwrap_or_else(|_| ScalePolicyStatus {
        target,
        load,
        ..ScalePolicyStatus::default()
    })
}

/// Whether a person would care about the difference. A wobbling metric, a later decision that says the
/// same and the wording of a sentence are none.
pub(super) fn meaningful_difference(old: &ScalePolicyStatus, new: &ScalePolicyStatus) -> bool {
    essence(old) != essence(new)
}

/// A status without what wobbles.
fn essence(status: &ScalePolicyStatus) -> ScalePolicyStatus {
    let mut status = status.clone();
    if let Some(decision) = &mut status.decision {
        decision.at = Timestamp::UNIX_EPOCH;
        decision.message.clear();
        decision.recommendation = None;
        decision.stabilized = None;
        for metric in &mut decision.metrics {
            metric.value = metric.value.take().map(|_| String::new());
            metric.problem = metric.problem.take().map(|_| String::new());
            metric.replicas = None;
        }
        for guard in &mut decision.guards {
            guard.problem = guard.problem.take().map(|_| String::new());
        }
    }
    if let Some(next) = &mut status.next_change {
        next.summary.clear();
    }
    for condition in &mut status.conditions {
        condition.last_transition_time = Timestamp::UNIX_EPOCH;
    }
    status
}

/// Metrics were not due: what was known of the load stays, as far as it was about metrics.
fn not_asked(previous: &ScalePolicyStatus, policy: &Policy) -> Option<Finding> {
    let known =
        [Reason::MetricsRead, Reason::MetricsMissing, Reason::MetricsPartial, Reason::MetricsRecovering];
    let is_known = |condition: &Condition| known.iter().any(|reason| condition.reason == reason.as_str());
    let kept = conditions::find(&previous.conditions, Aspect::ScalingActive).is_some_and(is_known);
    (!kept && !policy.metrics.is_empty())
        .then(|| Finding::new(ConditionStatus::Unknown, Reason::NotReadYet, "the metrics were not read yet"))
}

fn decision_status(previous: &ScalePolicyStatus, report: &Report<'_>, decision: &Decision) -> DecisionStatus {
    let entry = |cause: Cause| cause.entry().and_then(|id| entry_name(report.policy, id));
    let baseline = &decision.baseline;
    let mut status = DecisionStatus {
        at: whole_second(decision.at),
        reason: decision.reason.as_str().to_owned(),
        message: message(report, decision),
        floor: baseline.floor.get(),
        ceiling: baseline.ceiling.get(),
        floor_entry: entry(baseline.floor_cause),
        ceiling_entry: entry(baseline.ceiling_cause),
        metrics: Vec::new(),
        guards: Vec::new(),
        recommendation: None,
        stabilized: None,
    };
    match (&decision.load, report.samples, &previous.decision) {
        (Some(load), Samples::Read(_), _) => {
            status.metrics = metric_statuses(report, load);
            status.guards = guard_statuses(report, load);
            status.recommendation = load.recommendation.map(Replicas::get);
            status.stabilized = Some(load.stabilized.get());
        }
        (Some(_), Samples::NotDue, Some(previous)) => {
            status.metrics.clone_from(&previous.metrics);
            status.guards.clone_from(&previous.guards);
            status.recommendation = previous.recommendation;
            status.stabilized = previous.stabilized;
        }
        (Some(_), Samples::NotDue, None) | (None, _, _) => {}
    }
    status
}

/// Why the replicas are what they are.
fn message(report: &Report<'_>, decision: &Decision) -> String {
    let why = decision.explain(report.policy);
    let message = match report.waits {
        Some(until) => format!(
            "waits until the metrics are read, and no longer than {}, since an operator that came to no status lowered the \
             replicas; then, if they say nothing else: {why}",
            whole_second(until)
        ),
        None => why.to_string(),
    };
    shorten(&message, 1024)
}

fn metric_statuses(report: &Report<'_>, load: &crate::decision::LoadDecision) -> Vec<MetricStatus> {
    let metrics = report.policy.metrics.iter().zip(&load.metrics).enumerate();
    let status = metrics.map(|(index, (metric, read))| {
        let said = report
            .problems
            .metrics
            .get(index)
            .and_then(Option::as_ref)
            .map(|problem| problem.message.as_str());
        let (value, problem) = match read.reading {
            Reading::Value(value) => (Some(value.to_string()), None),
            Reading::Missing(cause) => {
                let word = cause.as_str();
                (None, Some(said.map_or_else(|| word.to_owned(), |said| format!("{word}: {said}"))))
            }
        };
        MetricStatus {
            name: metric.name.to_string(),
            value,
            replicas: read.recommendation.map(Replicas::get),
            problem: problem.map(|problem| shorten(&problem, 512)),
        }
    });
    status.collect()
}

fn guard_statuses(report: &Report<'_>, load: &crate::decision::LoadDecision) -> Vec<GuardStatus> {
    let guards = report.policy.guards.iter().zip(&load.guards).enumerate();
    let status = guards.map(|(index, (guard, state))| {
        let problem = report.problems.guards.get(index).and_then(Option::as_ref);
        let (word, problem) = match state {
            GuardState::Quiet => ("Quiet", None),
            GuardState::Pending(_) => ("Pending", None),
            GuardState::Active(_) => ("Active", None),
            GuardState::Unread(cause) => {
                let cause = cause.as_str();
                let said =
                    problem.map_or_else(|| cause.to_owned(), |said| format!("{cause}: {}", said.message));
                ("Unread", Some(shorten(&said, 512)))
            }
        };
        GuardStatus {
            name: guard.name.to_string(),
            state: word.to_owned(),
            since: state.since().map(whole_second),
            problem,
        }
    });
    status.collect()
}

/// What people read needs no fractions of a second.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn entry_name(policy: &Policy, id: EntryId) -> Option<String> {
    policy.schedule.entry(id).map(|entry| entry.name.to_string())
}

fn next_change(policy: &Policy, now: &Baseline, next: Transition, at: Timestamp) -> NextChange {
    let zone = policy.schedule.entry(next.entry).map_or(TimeZone::UTC, |entry| entry.zone.clone());
    NextChange {
        at: next.at,
        floor: next.floor.get(),
        ceiling: next.ceiling.get(),
        entry: entry_name(policy, next.entry),
        summary: summary(now, next, at, &zone),
    }
}

/// `20:00 → 3` within a day, `Mon 07:00 → 12` within a week, `2026-12-24 07:00 → 12` after that; `≤ 6`
/// when only the ceiling changes.
fn summary(now: &Baseline, next: Transition, at: Timestamp, zone: &TimeZone) -> String {
    let ahead = next.at.duration_since(at);
    let format = if ahead < SignedDuration::from_hours(24) {
        "%H:%M"
    } else if ahead < SignedDuration::from_hours(7 * 24) {
        "%a %H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    let when = next.at.to_zoned(zone.clone()).strftime(format).to_string();
    if next.floor == now.floor && next.ceiling != now.ceiling {
        format!("{when} ≤ {}", next.ceiling)
    } else {
        format!("{when} → {}", next.floor)
    }
}

#[cfg(test)]
mod tests;
