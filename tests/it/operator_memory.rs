//! What the operator remembers of a load, and what must not get into that memory: lost answers, modes that
//! only try, restarts, policies that nobody can read.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use kube::CustomResourceExt;
use serde_json::{Value, json};
use tidetable::api::{Mode, ScalePolicy, ScalePolicyStatus};
use tidetable::operator::{Occasion, OperatorOptions, Outcome};

use crate::support::faults::Fault;
use crate::support::operator::{Stage, at, day_and_night, deployment, options, policy, run, scaled};

/// A load that nobody answers for: its level stays where it starts.
fn metrics() -> Value {
    json!([{"name": "qps", "prometheus": {"query": "q"}, "target": {"averageValue": "10"}}])
}

fn with_metrics(mut spec: Value) -> Value {
    spec["metrics"] = metrics();
    spec
}

async fn level(stage: &Stage) -> Option<i32> {
    stage.status("web").await.load.and_then(|load| load.level)
}

#[tokio::test]
async fn a_schedule_whose_write_got_no_answer_is_not_taken_for_the_load() {
    for (fault, category) in [
        (None, None),
        (Some(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)), Some("refused")),
        (Some(Fault::Status(StatusCode::GATEWAY_TIMEOUT)), Some("refused")),
        (Some(Fault::Cut), Some("transport")),
        (Some(Fault::Silence), Some("timeout")),
    ] {
        let outcome = |from, to| category.map_or(scaled(from, to), |category| Outcome::Failed { category });
        let objects = [deployment("web", 4), policy(&with_metrics(day_and_night()))];

        // The load's level is known before.
        let next = Arc::new(Mutex::new(None));
        let mut stage = Stage::with_fault("2026-11-23T05:59:50Z", &objects, Arc::clone(&next)).await;
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
        *next.lock().expect("not poisoned") = fault;
        stage.clock.advance_to(at("2026-11-23T06:00:00Z"));
        assert_eq!(stage.next().await.outcome, outcome(4, 12), "{fault:?}");
        let tick = stage.next().await;
        assert_eq!((tick.occasion, tick.outcome), (Occasion::Tick, Outcome::Unchanged), "{fault:?}");
        assert_eq!((level(&stage).await, stage.replicas("web").await), (Some(4), 12), "{fault:?}");
        stage.stop().await;

        // It is the very first write.
        let next = Arc::new(Mutex::new(fault));
        let mut stage = Stage::with_fault("2026-11-23T12:00:01Z", &objects, next).await;
        assert_eq!(stage.next().await.outcome, outcome(4, 12), "{fault:?}");
        stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
        while stage.next().await.occasion != Occasion::Tick {}
        assert_eq!((level(&stage).await, stage.replicas("web").await), (Some(4), 12), "{fault:?}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn who_sets_back_the_replicas_from_before_a_write_raises_the_load() {
    let objects = [deployment("web", 2), policy(&with_metrics(day_and_night()))];
    let mut stage = Stage::with("2026-11-23T18:59:46Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(2, 12));
    // The edge is late, so that no tick follows at once.
    stage.end_operator().await;
    stage.clock.advance_to(at("2026-11-23T19:00:01Z"));
    stage.start_operator();
    assert_eq!(stage.next().await.outcome, scaled(12, 2), "the load is still at 2");
    stage.scale_by_hand("web", 12).await;
    stage.clock.advance_to(at("2026-11-23T19:00:15Z"));
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    // A quarter of a minute after the restart.
    stage.clock.advance_to(at("2026-11-23T19:00:16Z"));
    stage.until_status("web", |status| status.load.as_ref().and_then(|load| load.level) == Some(12)).await;
    stage.stop().await;
}

/// What happens between a trial and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    Pause,
    InvalidSpec,
    Restart,
    RestartWhilePaused,
}

#[tokio::test]
async fn whoever_switches_from_trying_to_acting_starts_from_the_real_replicas() {
    for between in [
        Between::Nothing,
        Between::Pause,
        Between::InvalidSpec,
        Between::Restart,
        Between::RestartWhilePaused,
    ] {
        let trying = policy(&json!({"mode": "DryRun", "metrics": metrics()}));
        let mut stage = Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 4), trying], "{}").await;
        assert_eq!(stage.next().await.outcome, Outcome::DryRun);
        let load = stage.status("web").await.load.expect("a load");
        assert_eq!((load.level, load.mode), (Some(4), Some(Mode::DryRun)));
        stage.scale_by_hand("web", 2).await;
        if matches!(between, Between::Pause | Between::RestartWhilePaused) {
            stage.patch_policy(&json!({"spec": {"mode": "Paused"}})).await;
            assert_eq!(stage.next().await.outcome, Outcome::Paused);
        }
        if between == Between::InvalidSpec {
            let wrong = json!({"entries": [{"name": "day", "cron": "61 7 * * *", "replicas": 12}]});
            stage.patch_policy(&json!({"spec": {"schedule": wrong}})).await;
            stage.condition_in_time("Ready", "InvalidSpec").await;
        }
        if matches!(between, Between::Restart | Between::RestartWhilePaused) {
            stage.end_operator().await;
        }
        stage.patch_policy(&json!({"spec": {"mode": "Active", "schedule": null}})).await;
        if matches!(between, Between::Restart | Between::RestartWhilePaused) {
            stage.start_operator();
        }
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged, "{between:?}");
        stage.until_told().await;
        let load = stage.status("web").await.load.expect("a load");
        assert_eq!((load.level, load.mode), (Some(2), Some(Mode::Active)), "{between:?}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn a_restart_goes_on_from_a_level_that_was_real() {
    let acting = policy(&json!({"metrics": metrics()}));
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 4), acting], "{}").await;
    stage.next().await;
    stage.end_operator().await;
    stage.scale_by_hand("web", 2).await;
    stage.start_operator();
    assert_eq!(stage.next().await.outcome, scaled(2, 4));
    stage.stop().await;
}

#[tokio::test]
async fn who_scales_up_while_no_operator_is_there_raises_the_load() {
    let acting = policy(&json!({"metrics": metrics()}));
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 4), acting], "{}").await;
    stage.next().await;
    stage.end_operator().await;
    stage.scale_by_hand("web", 20).await;
    stage.start_operator();
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged, "it comes down by damping");
    stage.clock.advance_to(at("2026-11-23T12:00:16Z"));
    stage.until_status("web", |status| status.load.as_ref().and_then(|load| load.level) == Some(20)).await;
    let load = stage.status("web").await.load.expect("a load");
    assert!(load.scale_up_events.is_empty(), "rate policies count what the load does: {load:?}");
    stage.stop().await;
}

/// What is written, and not told of by who wrote it, which is then not there until `back`; and the replicas and the load's
/// level that the next one finds right.
#[tokio::test]
async fn what_the_schedule_or_an_override_had_written_before_a_restart_is_not_taken_for_the_load() {
    let until = "2026-11-23T06:01:00Z";
    let overridden =
        json!({"metadata": {"annotations": {"tidetable.dev/override": format!("20 until {until}")}}});
    let mut spread = day_and_night();
    spread["schedule"]["spread"] = json!("4m");
    let (whole, spread) = (with_metrics(day_and_night()), with_metrics(spread));
    for (spec, patch, written, back, expected) in [
        (&whole, None, "2026-11-23T06:00:00Z", "2026-11-23T06:00:07Z", (12, 4)),
        (&whole, None, "2026-11-23T06:00:00Z", "2026-11-23T20:00:07Z", (4, 4)),
        (&whole, Some(&overridden), "2026-11-23T05:59:52Z", "2026-11-23T05:59:57Z", (20, 4)),
        (&whole, Some(&overridden), "2026-11-23T05:59:52Z", "2026-11-23T06:01:07Z", (20, 20)),
        (&spread, None, "2026-11-23T06:02:00Z", "2026-11-23T06:02:07Z", (12, 4)),
    ] {
        let mut stage =
            Stage::with("2026-11-23T05:57:50Z", &[deployment("web", 4), policy(spec)], "{}").await;
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
        let before = stage.status("web").await;
        stage.clock.advance_to(at(written));
        if let Some(patch) = patch {
            stage.patch_policy(patch).await;
        }
        while !matches!(stage.next().await.outcome, Outcome::Scaled { .. }) {}
        stage.end_operator().await;
        stage.set_status("web", &before).await;

        stage.clock.advance_to(at(back));
        stage.start_operator();
        stage.next().await;
        stage.clock.advance_to(at(back) + jiff::SignedDuration::from_secs(16));
        let current = Some(expected.0);
        stage.until_status("web", |status| status.current_replicas == current).await;
        assert_eq!(
            (stage.replicas("web").await, level(&stage).await),
            (expected.0, Some(expected.1)),
            "{back}"
        );
        stage.stop().await;
    }
}

/// Who sets 4 replicas when the load's level is 9, before the next operator begins, and whether that one asks the metrics before
/// it sets them back; none answers.
#[tokio::test]
async fn fewer_replicas_than_were_told_of_are_left_until_the_metrics_are_asked_when_an_operator_wrote_them() {
    let overridden =
        json!({"metadata": {"annotations": {"tidetable.dev/override": "6 until 2026-11-23T18:00:00Z"}}});
    let raised = json!({"spec": {"minReplicas": 5}});
    for (manager, patch, may_read, first) in [
        ("tidetable", None, true, Outcome::Unchanged),
        ("kubectl", None, true, scaled(4, 9)),
        ("tidetable", None, false, scaled(4, 9)),
        ("tidetable", Some(&overridden), true, scaled(4, 6)),
        ("tidetable", Some(&raised), true, scaled(4, 9)),
    ] {
        let objects = [deployment("web", 9), policy(&json!({"metrics": metrics()}))];
        let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
        stage.next().await;
        stage.end_operator().await;
        stage.scale_as(manager, "web", 4).await;
        if let Some(patch) = patch {
            stage.patch_policy(patch).await;
        }
        if !may_read {
            stage.allow("deployments", &["list", "watch"]).await;
        }
        stage.clock.advance_to(at("2026-11-23T12:00:07Z"));
        stage.start_operator();
        assert_eq!(stage.next().await.outcome, first, "by {manager}, {patch:?}, {may_read}");
        stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
        let tick = if first == Outcome::Unchanged { scaled(4, 9) } else { Outcome::Unchanged };
        assert_eq!(stage.next().await.outcome, tick, "by {manager}, {patch:?}, {may_read}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn what_waits_for_the_metrics_says_so() {
    let objects = [deployment("web", 9), policy(&json!({"metrics": metrics()}))];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    stage.next().await;
    stage.end_operator().await;
    stage.scale_as("tidetable", "web", 4).await;
    stage.clock.advance_to(at("2026-11-23T12:00:07Z"));
    let slow = OperatorOptions {
        interval: std::time::Duration::from_secs(30),
        ..options(stage.own.clone(), &stage.clock, "{}")
    };
    (stage.operator, stage.evaluations, stage.shutdown) = run(slow);
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    // The status, a quarter of a minute after the start, and before the next tick.
    stage.clock.advance_to(at("2026-11-23T12:00:23Z"));
    stage.until_status("web", |status| status.current_replicas == Some(4)).await;
    let status = stage.status("web").await;
    assert_eq!((status.current_replicas, status.desired_replicas), (Some(4), Some(9)));
    let message = status.decision.expect("a decision").message;
    let waits = "waits until the metrics are read, and no longer than 2026-11-23T12:01:00Z, since";
    assert!(message.starts_with(waits), "{message}");
    stage.clock.advance_to(at("2026-11-23T12:00:30Z"));
    assert_eq!(stage.next().await.outcome, scaled(4, 9));
    stage.clock.advance_to(at("2026-11-23T12:00:45Z"));
    let waits = |status: &ScalePolicyStatus| {
        status.decision.as_ref().is_some_and(|decision| decision.message.contains("waits"))
    };
    stage.until_status("web", |status| !waits(status)).await;
    stage.stop().await;
}

#[tokio::test]
async fn a_raise_by_hand_below_the_level_says_nothing_of_the_load() {
    let mut spec = with_metrics(json!({"schedule": {"entries": [
        {"name": "cap", "cron": "0 12 * * *", "for": "1h", "maxReplicas": 5}]}}));
    spec["minReplicas"] = json!(2);
    let objects = [deployment("web", 9), policy(&spec)];
    let mut stage = Stage::with("2026-11-23T11:59:50Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    stage.clock.advance_to(at("2026-11-23T12:00:05Z"));
    assert_eq!(stage.next().await.outcome, scaled(9, 5));
    stage.until_status("web", |status| status.current_replicas == Some(5)).await;
    stage.end_operator().await;
    stage.scale_by_hand("web", 7).await;
    stage.clock.advance_to(at("2026-11-23T12:00:25Z"));
    stage.start_operator();
    assert_eq!(stage.next().await.outcome, scaled(7, 5));
    stage.clock.advance_to(at("2026-11-23T13:00:00Z"));
    while stage.next().await.outcome != scaled(5, 9) {}
    assert_eq!(level(&stage).await, Some(9));
    stage.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_not_understood_for_a_while_keeps_its_load() {
    let mut crd = serde_json::to_value(ScalePolicy::crd()).expect("a CRD");
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    crd.pointer_mut(spec).expect("a schema")["horoscope"] = json!({"type": "string"});
    for restarts in [false, true] {
        let objects = [deployment("web", 4), policy(&json!({"metrics": metrics()}))];
        let mut stage = Stage::with_crd("2026-11-23T12:00:01Z", &crd, &objects, "{}").await;
        stage.next().await;
        if restarts {
            stage.end_operator().await;
        }
        stage.patch_policy(&json!({"spec": {"horoscope": "x"}})).await;
        if restarts {
            stage.start_operator();
        }
        let message = stage.condition_in_time("Ready", "InvalidSpec").await;
        assert!(message.contains("horoscope"), "{message}");
        if restarts {
            stage.end_operator().await;
        }
        stage.scale_by_hand("web", 2).await;
        stage.patch_policy(&json!({"spec": {"horoscope": null}})).await;
        assert_eq!(level(&stage).await, Some(4), "restarts: {restarts}");
        if restarts {
            stage.start_operator();
        }
        assert_eq!(stage.next().await.outcome, scaled(2, 4), "restarts: {restarts}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn a_policy_that_loses_its_metrics_forgets_its_load() {
    let objects = [deployment("web", 4), policy(&with_metrics(day_and_night()))];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(4, 12));
    assert_eq!(level(&stage).await, Some(4));
    for mode in ["Active", "Paused"] {
        stage.patch_policy(&json!({"spec": {"metrics": null, "mode": mode}})).await;
        stage.next().await;
        stage.until_told().await;
        assert_eq!(stage.status("web").await.load, None, "{mode}");
        stage.patch_policy(&json!({"spec": {"metrics": metrics(), "mode": "Active"}})).await;
        stage.next().await;
        stage.until_told().await;
        assert_eq!(level(&stage).await, Some(12), "it starts from what is there");
    }
    stage.stop().await;
}
