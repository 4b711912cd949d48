//! What keeps a load from moving a workload, and what stands in for it, on the sandbox in virtual time.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tidetable::decision::DesiredReason;
use tidetable::operator::{Evaluation, Occasion, Outcome};

use crate::support::operator::{Stage, at, day_and_night, deployment, policy, scaled, sighting};
use crate::support::source::Source;

const START: &str = "2026-11-23T12:00:00Z";

/// One metric that asks for a tenth of its value, undamped.
fn load() -> Value {
    json!({
        "metrics": [{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}],
        "damping": {
            "scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]},
            "scaleDown": {"stabilizationWindowSeconds": 0},
        },
    })
}

fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

/// Brings the clock to the next tick of 15 s, and gives its evaluation.
async fn tick(stage: &mut Stage, now: &mut Timestamp) -> Evaluation {
    *now += SignedDuration::from_secs(15);
    stage.clock.advance_to(*now);
    loop {
        let evaluation = stage.next().await;
        if evaluation.occasion == Occasion::Tick && evaluation.at == *now {
            return evaluation;
        }
    }
}

async fn guard_state(stage: &Stage) -> (String, Option<Timestamp>, Option<String>) {
    let status = stage.status("web").await;
    let guards = status.decision.expect("a decision").guards;
    let [guard] = guards.as_slice() else { panic!("one guard: {guards:?}") };
    (guard.state.clone(), guard.since, guard.problem.clone())
}

#[tokio::test]
async fn a_guard_holds_the_workload_and_the_status_says_since_when_and_why_not() {
    let source = Source::start().await;
    source.set("qps", Some(40.0));
    source.set("db", Some(0.9));
    let guard = json!([{"name": "db", "prometheus": {"query": "db"}, "above": "0.85", "for": "30s",
        "effect": "HoldScaleUp"}]);
    let objects = [deployment("web", 4), policy(&with(load(), "guards", guard))];
    let mut stage = Stage::with(START, &objects, &source.config()).await;
    let mut now = at(START);
    while stage.next().await.occasion != Occasion::Tick {}
    let since = now;
    // What the first tick says is owed: the first status was written just now.
    tick(&mut stage, &mut now).await;
    assert_eq!(guard_state(&stage).await, ("Pending".to_owned(), Some(since), None));
    source.set("qps", Some(100.0));
    assert_eq!(tick(&mut stage, &mut now).await.outcome, Outcome::Unchanged, "held at 4");
    assert_eq!(guard_state(&stage).await, ("Active".to_owned(), Some(since), None));
    stage.condition("ScalingLimited", "Guard").await;
    source.set("db", None);
    assert_eq!(tick(&mut stage, &mut now).await.outcome, scaled(4, 10), "unread, it does nothing");
    let (unread, since, problem) = guard_state(&stage).await;
    assert_eq!((unread.as_str(), since), ("Unread", None));
    assert_eq!(problem.as_deref(), Some("NoSample: the query has no result"));
    source.set("db", Some(0.85));
    tick(&mut stage, &mut now).await;
    assert_eq!(guard_state(&stage).await, ("Quiet".to_owned(), None, None));
    stage.stop().await;
}

#[tokio::test]
async fn a_frozen_series_is_missing_and_the_fallback_stands_in() {
    let source = Source::start().await;
    let newest = at(START);
    source.set("qps", Some(40.0));
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century fit")]
    source.set("newest", Some(newest.as_second() as f64));
    let mut spec = with(load(), "fallback", json!({"after": "30s", "policy": "Replicas", "replicas": 7}));
    spec["metrics"][0]["prometheus"] = json!({"query": "qps", "freshness": "newest", "maxAge": "30s"});
    let mut stage = Stage::with(START, &[deployment("web", 4), policy(&spec)], &source.config()).await;
    let mut now = at(START);
    for expected in [4, 4, 4, 4, 7] {
        tick(&mut stage, &mut now).await;
        assert_eq!(stage.replicas("web").await, expected, "{now}");
    }
    stage.condition("ScalingActive", "MetricsMissing").await;
    let metrics = stage.status("web").await.decision.expect("a decision").metrics;
    let problem = metrics[0].problem.as_deref().expect("a problem");
    assert!(problem.starts_with("Stale: the newest sample is "), "{problem}");
    source.set("newest", None);
    tick(&mut stage, &mut now).await;
    assert_eq!(stage.replicas("web").await, 7, "of unknown age is stale too");
    stage.stop().await;
}

#[tokio::test]
async fn an_override_holds_until_its_end_to_the_second_and_can_be_taken_back() {
    let annotation = |value: Value| json!({"metadata": {"annotations": {"tidetable.dev/override": value}}});
    let objects = [deployment("web", 12), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    stage.patch_policy(&annotation(json!("15 until 2026-11-23T12:34:56Z"))).await;
    let evaluation = stage.next().await;
    assert_eq!(evaluation.outcome, scaled(12, 15));
    assert_eq!(evaluation.decision.expect("a decision").reason, DesiredReason::Override);
    stage.clock.advance_to(at("2026-11-23T12:34:55Z"));
    let tick = stage.next().await;
    assert_eq!((tick.at, tick.outcome), (at("2026-11-23T12:34:45Z"), Outcome::Unchanged));
    stage.clock.advance_to(at("2026-11-23T12:34:56Z"));
    let evaluation = stage.next().await;
    assert_eq!((evaluation.at, evaluation.outcome), (at("2026-11-23T12:34:56Z"), scaled(15, 12)));

    stage.patch_policy(&annotation(json!("0 until 2026-11-23T18:00:00Z"))).await;
    assert_eq!(stage.next().await.outcome, scaled(12, 0));
    stage.patch_policy(&annotation(Value::Null)).await;
    assert_eq!(stage.next().await.outcome, scaled(0, 12));

    stage.patch_policy(&annotation(json!("many until tomorrow"))).await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged, "a typing error stops nothing");
    stage.until_told().await;
    let message = stage.condition("Ready", "InvalidAnnotation").await;
    assert!(message.contains("\"many until tomorrow\" is not an override: write a number"), "{message}");
    stage.patch_policy(&annotation(Value::Null)).await;
    assert_eq!(stage.next().await.occasion, Occasion::First);
    stage.until_told().await;
    stage.condition("Ready", "AsPlanned").await;
    let events = stage.events().await;
    assert_eq!(events.iter().filter(|(reason, _)| reason == "InvalidAnnotation").count(), 1, "{events:?}");
    stage.stop().await;
}

#[tokio::test]
async fn pods_without_a_place_keep_the_load_from_raising_the_workload_and_not_the_schedule() {
    let source = Source::start().await;
    source.set("qps", Some(40.0));
    let schedule = json!({"entries": [{"name": "soon", "cron": "2 12 * * *", "for": "1h", "replicas": 6}]});
    let objects = [deployment("web", 4), policy(&with(load(), "schedule", schedule))];
    let mut stage = Stage::with(START, &objects, &source.config()).await;
    let mut now = at(START);
    stage.condition("CapacityLimited", "EnoughRoom").await;
    stage.stuck_pod("stuck", "2026-11-23T11:58:30Z").await;
    // The watch needs a moment of real time to see it.
    stage.condition_at_ticks("CapacityLimited", "Capacity", &mut now).await;
    assert!(now >= at("2026-11-23T12:00:30Z"), "two minutes after it got stuck: {now}");
    source.set("qps", Some(90.0));
    assert_eq!(tick(&mut stage, &mut now).await.outcome, Outcome::Unchanged, "held at 4");
    while now < at("2026-11-23T12:02:00Z") {
        tick(&mut stage, &mut now).await;
    }
    assert_eq!(stage.replicas("web").await, 6, "the schedule is not held");
    stage.delete_pod("stuck").await;
    stage.condition_at_ticks("CapacityLimited", "EnoughRoom", &mut now).await;
    tick(&mut stage, &mut now).await;
    assert_eq!(stage.replicas("web").await, 9);
    stage.stop().await;
}

#[tokio::test]
async fn how_many_replicas_are_ready_is_known_without_asking_whenever_a_status_moves() {
    let source = Source::start().await;
    source.set("qps", Some(10.0));
    let mut spec = load();
    spec["metrics"][0]["target"] = json!({"value": "10"});
    spec["minReplicas"] = json!(4);
    let objects = [deployment("web", 4), policy(&spec)];
    let mut stage = Stage::with(START, &objects, &source.config()).await;
    let mut now = at(START);
    let api = Api::<Deployment>::default_namespaced(stage.client.clone());
    let mut before = None;
    for (ready, qps, expected) in [
        (3, 10.0, Outcome::Unchanged),
        (4, 10.0, Outcome::Unchanged),
        // Four that are ready have half as much again as they should.
        (4, 15.0, scaled(4, 6)),
    ] {
        source.set("qps", Some(qps));
        let status = json!({"status": {"readyReplicas": ready, "replicas": ready}});
        let written = api.patch_status("web", &PatchParams::default(), &Patch::Merge(status)).await;
        sighting("web", written.expect("written").metadata.resource_version).await;
        assert_eq!(tick(&mut stage, &mut now).await.outcome, expected);
        assert_eq!(*before.get_or_insert(stage.reads("apps")), stage.reads("apps"), "{ready} at {qps}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn an_edge_and_a_tick_of_the_same_instant_make_an_event_each() {
    let source = Source::start().await;
    source.set("qps", Some(40.0));
    let open = json!({"entries": [{"name": "open", "cron": "0 13 * * *", "for": "1h", "replicas": 7}]});
    let objects = [deployment("web", 4), policy(&with(load(), "schedule", open))];
    let mut stage = Stage::with("2026-11-23T12:59:50Z", &objects, &source.config()).await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    source.set("qps", Some(90.0));
    stage.clock.advance_to(at("2026-11-23T13:00:00Z"));
    for (occasion, outcome) in [(Occasion::Edge, scaled(4, 7)), (Occasion::Tick, scaled(7, 9))] {
        let evaluation = stage.next().await;
        assert_eq!((evaluation.occasion, evaluation.outcome), (occasion, outcome));
        assert_eq!(evaluation.at, at("2026-11-23T13:00:00Z"));
    }
    let events = stage.events().await;
    assert_eq!(events.iter().filter(|(reason, _)| reason == "ScaledUp").count(), 2, "{events:?}");
    stage.stop().await;
}
