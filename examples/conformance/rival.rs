//! The same upstream cases against the simulator's HorizontalPodAutoscaler, which also has the rule from before
//! `behavior` and forgets events as upstream does.

use std::path::Path;

use jiff::SignedDuration;
use serde_json::Value;
use tidetable::decision::{DampingPolicy, Direction, LoadLimit, Milli, MissingCause, Reading, Replicas};
use tidetable::simulation::rivals::hpa::{
    Hpa, HpaMetric, HpaSpec, Log, Pace, PodReadings, TOLERANCE, clamp_by_default, stabilize_by_default,
};

use crate::Verdict;
use crate::hpa::{ago, int, now, replicas, rules, sum, target, values};

fn spec(row: &Value, metrics: &[&Value], (up, down): (&Value, &Value), has_behavior: bool) -> HpaSpec {
    let metric = |metric: &&Value| {
        if metric["metric_source"] == "pods" {
            HpaMetric::Pods(Milli::new(int(&metric["target_milli"]).unwrap_or_default()))
        } else {
            HpaMetric::Whole(target(metric))
        }
    };
    let pace = if has_behavior {
        let up = rules(Direction::Up, up, &row["tolerance"]);
        Pace::Behavior(Box::new((up, rules(Direction::Down, down, &row["tolerance"]))))
    } else {
        Pace::Default { tolerance: row["tolerance"].as_f64().unwrap_or(TOLERANCE) }
    };
    HpaSpec {
        min: replicas(&row["min_replicas"]),
        max: replicas(&row["max_replicas"]),
        metrics: metrics.iter().map(metric).collect(),
        pace,
        scales_from_zero: row["scale_to_zero_gate"] == Value::Bool(true),
    }
}

pub(crate) fn golden_sim(row: &Value, traces: &Path) -> Verdict {
    let steps = int(&row["steps"]).unwrap_or_default();
    let period = int(&row["sync_period_s"]).unwrap_or(15);
    let values = match values(row, steps, period, traces) {
        Ok(values) => values,
        Err(problem) => return Verdict::Failed(problem),
    };
    let behavior = &row["behavior"];
    let sides = (&behavior["scale_up"], &behavior["scale_down"]);
    let mut hpa = Hpa::new(spec(row, &[&row["metric"]], sides, !behavior.is_null()));
    let delay = int(&row["pod_ready_delay_s"]).unwrap_or_default();
    let mut present = replicas(&row["initial_replicas"]);
    let mut pods: Vec<i64> = vec![i64::MIN / 2; usize::try_from(present.get()).unwrap_or_default()];
    let mut changes: Vec<(i64, i64)> = Vec::new();
    for (step, value) in (0..steps).zip(values) {
        let t = step * period;
        let ready = pods.iter().filter(|created| t - **created >= delay).count();
        let ready = Replicas::saturating_from(i128::try_from(ready).unwrap_or_default());
        let reading = value.map_or(Reading::Missing(MissingCause::NoSample), Reading::Value);
        let decision = hpa.sync(now() + SignedDuration::from_secs(t), present, ready, &[reading]);
        if step == 0 || decision.desired != present {
            changes.push((t, decision.desired.wide()));
        }
        present = decision.desired;
        pods.resize(usize::try_from(present.get()).unwrap_or_default(), t);
    }
    let expected = row["expected"]["replica_changes"].as_array().into_iter().flatten();
    let expected: Vec<_> = expected.filter_map(|pair| int(&pair[0]).zip(int(&pair[1]))).collect();
    match changes.iter().zip(&expected).find(|(got, expected)| got != expected) {
        Some((got, expected)) => {
            Verdict::Failed(format!("rival: expected (t, replicas) {expected:?}, got {got:?}"))
        }
        None => Verdict::equal(&changes.len(), &expected.len()),
    }
}

pub(crate) fn metric_replicas(row: &Value) -> Verdict {
    let values = row["values_milli"].as_array().into_iter().flatten().count();
    if row["pod_phase"].as_array().is_some_and(|pods| pods.len() != values) {
        return Verdict::NotRun("pods that run and have no metric, which the simulated HPA never sees");
    }
    let tolerant = |direction, key: &str| rules(direction, &Value::Null, &row[key]);
    let damping = DampingPolicy {
        half_life: None,
        up: tolerant(Direction::Up, "tolerance_up"),
        down: tolerant(Direction::Down, "tolerance_down"),
    };
    #[expect(clippy::cast_precision_loss, reason = "the reference divides loads of a few thousand")]
    let pods = PodReadings {
        sum: sum(&row["values_milli"]).get() as f64,
        read: u32::try_from(values).unwrap_or(u32::MAX),
        unready: 0,
    };
    let average = Milli::new(int(&row["target_milli"]).unwrap_or_default());
    let got = pods.ask(average, replicas(&row["current_replicas"]), &damping);
    Verdict::equal(&got, &Some(replicas(&row["expected"]["replicas"])))
}

pub(crate) fn controller_metric(row: &Value) -> Verdict {
    let metrics: Vec<&Value> = row["metrics"].as_array().into_iter().flatten().collect();
    let known =
        |metric: &&Value| metric["metric_source"].is_string() && metric["metric_source"] != "resource";
    if !metrics.iter().all(known) || !row["cpu_target_percent"].is_null() {
        return Verdict::NotRun("a resource metric, which nobody simulates");
    }
    // These rows have no `behavior`, or the default one, which decides the same from a standing start.
    let has_behavior = !(row["scale_up"].is_null() && row["scale_down"].is_null());
    let mut hpa = Hpa::new(spec(row, &metrics, (&row["scale_up"], &row["scale_down"]), has_behavior));
    let present = replicas(&row["spec_replicas"]);
    if row["first_reconcile_seeds_recommendation"] != Value::Bool(true) {
        // A look whose recommendation has long left every window.
        let _ = hpa.sync(now() - SignedDuration::from_hours(2), present, present, &[]);
    }
    let reading = |metric: &&Value| {
        if metric["metric_source"] == "external" && row["external_metric_fails"] == Value::Bool(true) {
            Reading::Missing(MissingCause::QueryFailed)
        } else {
            Reading::Value(sum(&row["values_milli"]))
        }
    };
    let readings: Vec<Reading> = metrics.iter().map(reading).collect();
    // Pods that run count as ready for metrics other than the CPU.
    let ready = if metrics.iter().any(|metric| metric["metric_source"] == "pods") {
        present
    } else {
        crate::hpa::ready(row, present)
    };
    let decision = hpa.sync(now(), present, ready, &readings);
    Verdict::equal(&decision.desired, &replicas(&row["expected"]["replicas"]))
}

pub(crate) fn store_scale_events(row: &Value) -> Verdict {
    let past = row["prev_events"].as_array().into_iter().flatten();
    let past = past.map(|event| (ago(event), int(&event["replica_change"]).unwrap_or_default()));
    let mut log = Log::of(past.collect());
    if !row["rules"].is_null() {
        let change = int(&row["replica_change"]).unwrap_or_default();
        log.put_event(now(), change, &rules(Direction::Up, &row["rules"], &Value::Null));
    }
    let expected = row["expected"]["stored"].as_array().into_iter().flatten();
    let expected: Vec<i64> = expected.filter_map(|event| int(&event["replica_change"])).collect();
    let got: Vec<i64> = log.entries().iter().map(|(_, replicas)| *replicas).collect();
    Verdict::equal(&got, &expected)
}

pub(crate) fn stabilize_no_behavior(row: &Value) -> Verdict {
    let past = row["recommendations"].as_array().into_iter().flatten();
    let past: Vec<_> = past.map(|past| (ago(past), replicas(&past["recommendation"]))).collect();
    let got = stabilize_by_default(now(), replicas(&row["desired_in"]), &past);
    Verdict::equal(&got, &replicas(&row["expected"]["stabilized"]))
}

pub(crate) fn no_behavior_clamp(row: &Value) -> Verdict {
    let (got, limit) = clamp_by_default(
        replicas(&row["current_replicas"]),
        replicas(&row["desired_in"]),
        (replicas(&row["min_replicas"]), replicas(&row["max_replicas"])),
    );
    let reason = match limit {
        Some(LoadLimit::ScaleUpRate) => "ScaleUpLimit",
        Some(LoadLimit::MaxReplicas) => "TooManyReplicas",
        Some(LoadLimit::MinReplicas) => "TooFewReplicas",
        _ => "DesiredWithinRange",
    };
    let expected = &row["expected"];
    let expected_reason = expected["limited_reason"].as_str().unwrap_or_default();
    Verdict::equal(&(got, reason), &(replicas(&expected["replicas"]), expected_reason))
}
