//! The upstream HorizontalPodAutoscaler's unit tests and recorded outputs.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidetable::api::{Quantity, RatePolicySpec, RatePolicyType, ScalingRules, SelectPolicy};
use tidetable::decision::{
    CapacityRule, DampingPolicy, Direction, FallbackLevel, FallbackRule, History, LoadLimit, Memory, Metric,
    Milli, MissingCause, Mode, Observation, Policy, QueryRef, RateEvent, RateEvents, Reading, Replicas,
    Rules, Schedule, Target, decide, limit_rate, recommend, stabilize,
};
use tidetable::policy::hpa_rules;

use crate::Verdict;

const OLD_RULE: &str = "behavior: null is the HPA's old rule; tidetable has no such mode";
const OTHER_METRIC: &str = "a pods or resource metric; tidetable reads external ones";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::MAX)
}

pub(crate) fn int(value: &Value) -> Option<i64> {
    value.as_i64()
}

pub(crate) fn replicas(value: &Value) -> Replicas {
    Replicas::saturating_from(i128::from(int(value).unwrap_or_default()))
}

pub(crate) fn ago(value: &Value) -> Timestamp {
    now() - SignedDuration::from_secs_f64(value["age_s"].as_f64().unwrap_or_default())
}

pub(crate) fn rules(direction: Direction, row: &Value, tolerance: &Value) -> Rules {
    let small = |value: &Value| int(value).and_then(|number| i32::try_from(number).ok());
    let policies = row["policies"].as_array().map(|policies| {
        let policy = |policy: &Value| RatePolicySpec {
            r#type: if policy["type"] == "Pods" { RatePolicyType::Pods } else { RatePolicyType::Percent },
            value: small(&policy["value"]).unwrap_or_default(),
            period_seconds: small(&policy["period_s"]).unwrap_or_default(),
        };
        policies.iter().map(policy).collect()
    });
    let select_policy = match row["select"].as_str() {
        Some("Min") => Some(SelectPolicy::Min),
        Some("Disabled") => Some(SelectPolicy::Disabled),
        Some("Max") => Some(SelectPolicy::Max),
        Some(_) | None => None,
    };
    let spec = ScalingRules {
        deadband_replicas: None,
        stabilization_window_seconds: small(&row["stabilization_s"]),
        select_policy,
        policies,
        tolerance: tolerance.as_f64().map(|tolerance| Quantity::Text(tolerance.to_string())),
    };
    hpa_rules(direction, &spec)
}

fn both_rules(row: &Value) -> (Rules, Rules) {
    let side = |direction, key| rules(direction, &row[key], &Value::Null);
    (side(Direction::Up, "scale_up"), side(Direction::Down, "scale_down"))
}

fn events(row: &Value) -> RateEvents {
    let side = |key: &str| {
        let events = row[key].as_array().into_iter().flatten();
        let mut events: Vec<_> = events
            .map(|event| RateEvent {
                at: ago(event),
                replicas: int(&event["replica_change"]).unwrap_or_default(),
            })
            .collect();
        events.sort_by_key(|event| event.at);
        events.into()
    };
    RateEvents { up: side("scale_up_events"), down: side("scale_down_events") }
}

pub(crate) fn behavior_limit(row: &Value) -> Verdict {
    let direction = if row["direction"] == "up" { Direction::Up } else { Direction::Down };
    let rules = rules(direction, &row["rules"], &Value::Null);
    let limit = rules.rate_limit(direction, now(), replicas(&row["current_replicas"]), &events(row));
    Verdict::equal(&limit, &replicas(&row["expected"]["limit"]))
}

pub(crate) fn behavior_rate(row: &Value) -> Verdict {
    let expected = &row["expected"];
    let reason = expected["limited_reason"].as_str().or(expected["reason"].as_str()).unwrap_or_default();
    let (up, down) = both_rules(row);
    let limited = limit_rate(
        (&up, &down),
        now(),
        replicas(&row["current_replicas"]),
        replicas(&row["desired_in"]),
        (replicas(&row["min_replicas"]), replicas(&row["max_replicas"])),
        &events(row),
    );
    let name = match limited.limit {
        Some(LoadLimit::ScaleUpRate) => "ScaleUpLimit",
        Some(LoadLimit::ScaleDownRate) => "ScaleDownLimit",
        Some(LoadLimit::MaxReplicas) => "TooManyReplicas",
        Some(LoadLimit::MinReplicas) => "TooFewReplicas",
        Some(
            LoadLimit::StabilizationUp
            | LoadLimit::StabilizationDown
            | LoadLimit::Guard
            | LoadLimit::Capacity,
        )
        | None => "DesiredWithinRange",
    };
    Verdict::equal(&(limited.level, name), &(replicas(&expected["replicas"]), reason))
}

pub(crate) fn stabilize_behavior(row: &Value) -> Verdict {
    let mut with_windows = row.clone();
    for (key, seconds) in
        [("scale_up", "scale_up_stabilization_s"), ("scale_down", "scale_down_stabilization_s")]
    {
        if let Some(seconds) = row.get(seconds) {
            with_windows[key] = serde_json::json!({"stabilization_s": seconds});
        }
    }
    let (up, down) = both_rules(&with_windows);
    let past = row["recommendations"].as_array().into_iter().flatten();
    let past: Vec<_> = past.map(|past| (ago(past), replicas(&past["recommendation"]))).collect();
    let (level, wish) = (replicas(&row["current_replicas"]), replicas(&row["desired_in"]));
    let stabilized = stabilize((&up, &down), now(), level, wish, &past);
    Verdict::equal(&stabilized, &replicas(&row["expected"]["stabilized"]))
}

pub(crate) fn golden_oneshot(row: &Value) -> Verdict {
    match row["kind"].as_str() {
        Some("rate") => behavior_rate(row),
        Some("stabilize") => stabilize_behavior(row),
        Some(_) | None => Verdict::Failed(format!("unknown kind {}", row["kind"])),
    }
}

pub(crate) fn target(row: &Value) -> Target {
    let milli = Milli::new(int(&row["target_milli"]).unwrap_or_default());
    if row["target_type"] == "AverageValue" { Target::AverageValue(milli) } else { Target::Value(milli) }
}

pub(crate) fn sum(values: &Value) -> Milli {
    let values = values.as_array().into_iter().flatten().filter_map(int);
    Milli::new(values.fold(0, i64::saturating_add))
}

pub(crate) fn ready(row: &Value, present: Replicas) -> Replicas {
    match row["pods_ready"].as_array() {
        Some(pods) => {
            let ready = pods.iter().filter(|pod| **pod == Value::Bool(true)).count();
            Replicas::saturating_from(i128::try_from(ready).unwrap_or_default())
        }
        None => present,
    }
}

pub(crate) fn metric_replicas(row: &Value) -> Verdict {
    if !matches!(row["metric_source"].as_str(), Some("external" | "object")) {
        return Verdict::NotRun(OTHER_METRIC);
    }
    let damping = DampingPolicy {
        half_life: None,
        up: rules(Direction::Up, &Value::Null, &row["tolerance_up"]),
        down: rules(Direction::Down, &Value::Null, &row["tolerance_down"]),
    };
    let present = replicas(&row["current_replicas"]);
    let got = recommend(target(row), sum(&row["values_milli"]), present, ready(row, present), &damping);
    Verdict::equal(&got, &Some(replicas(&row["expected"]["replicas"])))
}

fn policy(row: &Value, metrics: &[&Value], (up, down): (&Value, &Value)) -> Policy {
    let (min, max) = (replicas(&row["min_replicas"]), replicas(&row["max_replicas"]));
    let metric = |metric: &&Value| Metric {
        name: "metric".into(),
        query: QueryRef { source: "default".into(), expression: "metric".into(), freshness: None },
        target: target(metric),
    };
    Policy {
        min,
        max,
        mode: Mode::Active,
        priority: 0,
        schedule: Schedule::new(Vec::new(), min, max),
        missing_calendars: Vec::new(),
        metrics: metrics.iter().map(metric).collect(),
        damping: DampingPolicy {
            half_life: None,
            up: rules(Direction::Up, up, &row["tolerance"]),
            down: rules(Direction::Down, down, &row["tolerance"]),
        },
        // The HPA knows no fallback: every outage is a gap.
        guards: smallvec::SmallVec::new(),
        fallback: FallbackRule { after: Duration::from_secs(10_000_000), level: FallbackLevel::Hold },
        capacity: CapacityRule { hold_after: Duration::ZERO },
    }
}

pub(crate) fn controller_metric(row: &Value) -> Verdict {
    let metrics: Vec<&Value> = row["metrics"].as_array().into_iter().flatten().collect();
    let ours = |metric: &&Value| matches!(metric["metric_source"].as_str(), Some("external" | "object"));
    if !metrics.iter().all(ours) || !row["cpu_target_percent"].is_null() {
        return Verdict::NotRun(OTHER_METRIC);
    }
    let gate = row["scale_to_zero_gate"] == Value::Bool(true);
    if row["spec_replicas"] == 0 && !gate {
        return Verdict::NotRun("upstream is off at zero without its scale-to-zero gate; zero is legal here");
    }
    let policy = policy(row, &metrics, (&row["scale_up"], &row["scale_down"]));
    let present = replicas(&row["spec_replicas"]);
    let history = if row["first_reconcile_seeds_recommendation"] == Value::Bool(true) {
        History::default()
    } else {
        // A level whose recommendations have long left every window.
        let memory = Memory { level: Some(present), ..Memory::default() };
        History::restore(memory, &policy, now() - SignedDuration::from_hours(2))
    };
    let reading = |metric: &Value| {
        if metric["metric_source"] == "external" && row["external_metric_fails"] == Value::Bool(true) {
            Reading::Missing(MissingCause::QueryFailed)
        } else {
            Reading::Value(sum(&row["values_milli"]))
        }
    };
    let observation = Observation::new(now(), present)
        .with_ready(ready(row, present))
        .with_readings(metrics.iter().map(|metric| reading(metric)));
    let decision = decide(&policy, &history, &observation);
    Verdict::equal(&decision.desired, &replicas(&row["expected"]["replicas"]))
}

pub(crate) fn golden_sim(row: &Value, traces: &Path) -> Verdict {
    if row["behavior"].is_null() {
        return Verdict::NotRun(OLD_RULE);
    }
    if row.get("quirk").is_some_and(|quirk| !quirk.is_null()) {
        return Verdict::NotRun("depends on upstream losing events of the other direction; ours keeps them");
    }
    let steps = int(&row["steps"]).unwrap_or_default();
    let period = int(&row["sync_period_s"]).unwrap_or(15);
    let values = match values(row, steps, period, traces) {
        Ok(values) => values,
        Err(problem) => return Verdict::Failed(problem),
    };
    let behavior = &row["behavior"];
    let policy = policy(row, &[&row["metric"]], (&behavior["scale_up"], &behavior["scale_down"]));
    let delay = int(&row["pod_ready_delay_s"]).unwrap_or_default();
    let mut history = History::default();
    let mut present = replicas(&row["initial_replicas"]);
    // Creation times of the pods, oldest first; those there at the start are ready.
    let mut pods: Vec<i64> = vec![i64::MIN / 2; usize::try_from(present.get()).unwrap_or_default()];
    let mut changes: Vec<(i64, i64)> = Vec::new();
    for (step, value) in (0..steps).zip(values) {
        let t = step * period;
        let ready = pods.iter().filter(|created| t - **created >= delay).count();
        let reading = value.map_or(Reading::Missing(MissingCause::NoSample), Reading::Value);
        let observation = Observation::new(now() + SignedDuration::from_secs(t), present)
            .with_ready(Replicas::saturating_from(i128::try_from(ready).unwrap_or_default()))
            .with_readings([reading]);
        let decision = decide(&policy, &history, &observation);
        history.record(&policy, &decision);
        if step == 0 || decision.desired != present {
            changes.push((t, decision.desired.wide()));
        }
        present = decision.desired;
        pods.resize(usize::try_from(present.get()).unwrap_or_default(), t);
    }
    let expected = row["expected"]["replica_changes"].as_array().into_iter().flatten();
    let expected: Vec<_> = expected.filter_map(|pair| int(&pair[0]).zip(int(&pair[1]))).collect();
    match changes.iter().zip(&expected).find(|(got, expected)| got != expected) {
        Some((got, expected)) => Verdict::Failed(format!("expected (t, replicas) {expected:?}, got {got:?}")),
        None => Verdict::equal(&changes.len(), &expected.len()),
    }
}

/// One value per step in thousandths; `None` where the metric is unavailable.
pub(crate) fn values(
    row: &Value,
    steps: i64,
    period: i64,
    traces: &Path,
) -> Result<Vec<Option<Milli>>, String> {
    if let Some(values) = row["values_milli"].as_array() {
        return Ok(values.iter().map(|value| int(value).map(Milli::new)).collect());
    }
    let trace = &row["trace"];
    let file = traces.join(trace["file"].as_str().ok_or("neither values_milli nor trace")?);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let rows: Vec<(i64, f64)> = text
        .lines()
        .skip(1)
        .filter_map(|line| {
            let (at, qps) = line.split_once(',')?;
            Some((at.parse().ok()?, qps.parse().ok()?))
        })
        .collect();
    let start = int(&trace["start_unix"]).ok_or("no start_unix")?;
    let value = |step: i64| {
        let at = start + step * period;
        let held = rows.partition_point(|(from, _)| *from <= at);
        let (_, qps) = rows.get(held.checked_sub(1)?)?;
        Milli::from_f64(*qps).ok()
    };
    Ok((0..steps).map(value).collect())
}
