//! `tidetable explain`: why a workload has the replicas that it has, from the policy's status.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use super::cluster::{Cluster, Place, policy_name};
use super::playing::Changes;
use super::{Failure, runtime};
use crate::api::{
    Condition, ConditionStatus, DecisionStatus, GuardStatus, MetricStatus, OVERRIDE_ANNOTATION, ScalePolicy,
    ScalePolicyStatus,
};
use crate::policy::parse_override;
use crate::zones;

mod simulated;

/// Arguments of `tidetable explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The ScalePolicy
    #[arg(value_name = "POLICY", required_unless_present = "simulate", conflicts_with = "simulate")]
    policy: Option<String>,
    /// Explain a decision of a simulated scenario, with each damper's input and output
    #[arg(long, value_name = "SCENARIO.yaml", requires = "at")]
    simulate: Option<PathBuf>,
    /// The instant whose decision is explained: RFC 3339, or a local date and time in the schedule's zone
    #[arg(long, value_name = "TIME", requires = "simulate", conflicts_with = "policy")]
    at: Option<String>,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    cluster: Place,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if let (Some(scenario), Some(at)) = (&args.simulate, &args.at) {
        let text = simulated::explanation(&args.changes.scenario(scenario)?, at)?;
        out.write_all(text.as_bytes())?;
        return Ok(());
    }
    if args.changes != Changes::default() {
        let problem =
            "--trace, --scale, --from, --to and the like are about a scenario: name one with --simulate";
        return Err(Failure::BadInput(problem.to_owned()));
    }
    let name = policy_name(args.policy.as_deref().unwrap_or_default())?;
    let (policy, now) = runtime()?.block_on(async {
        let cluster = Cluster::connect(&args.cluster).await?;
        let found = cluster.policies().get(name).await;
        let policy = found.map_err(|error| cluster.failed(name, error))?;
        Ok::<_, Failure>((policy, cluster.now().await))
    })?;
    out.write_all(explanation(&policy, now).as_bytes())?;
    Ok(())
}

/// What the status says, from the answer to its reasons: one topic a line, in the order of a decision.
fn explanation(policy: &ScalePolicy, now: Timestamp) -> String {
    let name = format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any());
    let none = ScalePolicyStatus::default();
    let status = policy.status.as_ref().unwrap_or(&none);
    let Some(decision) = &status.decision else {
        let what = if status.conditions.is_empty() {
            "nothing has been decided yet"
        } else {
            "no decision is in force"
        };
        let mut text = format!("{name}: {what}\n");
        conditions(&mut text, status, &["Ready", "AbleToScale"]);
        return text;
    };
    let when = Times(zone(policy));
    let count = |count: Option<i32>| count.map_or("?".to_owned(), |count| count.to_string());
    let target = status.target.as_deref().unwrap_or("its workload");
    let (current, desired) = (count(status.current_replicas), count(status.desired_replicas));
    let mut text = format!("{name}: {target} has {current} replicas and should have {desired}\n");
    line(&mut text, "because", &format!("{}: {}", decision.reason, decision.message));
    line(&mut text, "as of", &when.both(decision.at));
    line(&mut text, "schedule", &bounds(decision));
    for metric in &decision.metrics {
        line(&mut text, "metric", &metric_text(metric));
    }
    if status.load.is_some() {
        line(&mut text, "damping", &damping(status, decision));
    }
    for guard in &decision.guards {
        line(&mut text, "guard", &guard_text(guard, &when));
    }
    conditions(&mut text, status, &["ScalingLimited", "CapacityLimited"]);
    line(&mut text, "override", &override_text(policy, now, &when));
    let next = status.next_change.as_ref().map_or("the schedule stays as it is".to_owned(), |next| {
        let entry = next.entry.as_deref().map_or(String::new(), |entry| format!(" by entry {entry}"));
        format!("floor {}, ceiling {}{entry}, {}", next.floor, next.ceiling, when.both(next.at))
    });
    line(&mut text, "next", &next);
    conditions(&mut text, status, &["Ready", "AbleToScale", "ScalingActive"]);
    text
}

/// A topic and what there is to say about it.
fn line(text: &mut String, topic: &str, words: &str) {
    // A string takes everything.
    let _ = writeln!(text, "  {topic:<9} {words}");
}

/// Conditions that a person should know of. Those named `…Limited` are fine when they are false, and the
/// others when they are true.
fn conditions(text: &mut String, status: &ScalePolicyStatus, names: &[&str]) {
    let is_news = |condition: &Condition| {
        let fine = if condition.r#type.ends_with("Limited") {
            ConditionStatus::False
        } else {
            ConditionStatus::True
        };
        condition.status != fine && condition.reason != "NoMetrics"
    };
    for name in names {
        let found = status.conditions.iter().find(|condition| condition.r#type == *name);
        if let Some(condition) = found.filter(|condition| is_news(condition)) {
            let status = match condition.status {
                ConditionStatus::True => "True",
                ConditionStatus::False => "False",
                ConditionStatus::Unknown => "Unknown",
            };
            line(text, "note", &format!("{name}={status}, {}: {}", condition.reason, condition.message));
        }
    }
}

fn bounds(decision: &DecisionStatus) -> String {
    let by = |entry: &Option<String>, field: &str| {
        entry.as_ref().map_or(field.to_owned(), |entry| format!("entry {entry}"))
    };
    let floor = by(&decision.floor_entry, "minReplicas");
    let ceiling = by(&decision.ceiling_entry, "maxReplicas");
    format!("at least {} ({floor}), at most {} ({ceiling})", decision.floor, decision.ceiling)
}

fn metric_text(metric: &MetricStatus) -> String {
    let name = &metric.name;
    match (&metric.value, metric.replicas) {
        (Some(value), Some(replicas)) => format!("{name} is {value} and asks for {replicas}"),
        (Some(value), None) => format!("{name} is {value} and asks for nothing"),
        (None, _) => format!("{name} is missing: {}", metric.problem.as_deref().unwrap_or("not read")),
    }
}

/// The way of the load's level through the dampers, as far as the status tells it.
fn damping(status: &ScalePolicyStatus, decision: &DecisionStatus) -> String {
    let level = status.load.as_ref().and_then(|load| load.level);
    let mut steps = Vec::new();
    if let Some(asked) = decision.recommendation {
        steps.push(format!("{asked} before damping"));
        steps.extend(decision.stabilized.map(|count| format!("{count} after stabilization")));
    }
    steps.extend(
        level.map(|level| format!("{level} is the load's level, after rate policies, bounds and holds")),
    );
    steps.join(", ")
}

fn guard_text(guard: &GuardStatus, when: &Times) -> String {
    let since = guard.since.map_or(String::new(), |since| format!(" since {}", when.both(since)));
    let problem = guard.problem.as_ref().map_or(String::new(), |problem| format!(": {problem}"));
    format!("{} is {}{since}{problem}", guard.name, guard.state.to_lowercase())
}

fn override_text(policy: &ScalePolicy, now: Timestamp, when: &Times) -> String {
    let Some(text) = policy.annotations().get(OVERRIDE_ANNOTATION) else { return "none".to_owned() };
    match parse_override(text) {
        Err(error) => format!("none: {error}"),
        Ok(over) if over.until <= now => format!("none: the last one ended {}", when.both(over.until)),
        Ok(over) => {
            let bound = if over.force { "over maxReplicas if need be" } else { "bounded by maxReplicas" };
            format!("{} until {}, {bound}", over.replicas, when.both(over.until))
        }
    }
}

/// The zone of the schedule.
fn zone(policy: &ScalePolicy) -> TimeZone {
    let name = policy.spec.schedule.as_ref().map_or("UTC", |schedule| schedule.time_zone.as_str());
    zones::current().get(name).unwrap_or(TimeZone::UTC)
}

/// How instants are shown.
struct Times(TimeZone);

impl Times {
    fn both(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.0.clone()).strftime("%a %Y-%m-%d %H:%M:%S%:z").to_string();
        format!("{local} ({at})")
    }
}

#[cfg(test)]
mod tests;
