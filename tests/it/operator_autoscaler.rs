//! A HorizontalPodAutoscaler as target: it keeps its metrics and gets its bounds from the clock.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tidetable::decision::Replicas;
use tidetable::operator::{Occasion, Outcome, Setting};

use crate::support::operator::{Stage, at, deployment, policy, sighting};

fn bounds(min: i32, max: i32) -> Setting {
    Setting::Bounds { min: Replicas::new(min), max: Replicas::new(max) }
}

fn bounded(from: Setting, to: Setting) -> Outcome {
    Outcome::Scaled { from, to }
}

fn autoscaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "front", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 9,
        },
    })
}

/// By day at least 6; by night at least 2 and at most 4.
fn opening_hours() -> Value {
    policy(&json!({
        "scaleTargetRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "front"},
        "schedule": {"timeZone": "UTC", "entries": [
            {"name": "day", "cron": "0 7 * * *", "until": "20:00", "replicas": 6},
            {"name": "night", "cron": "0 20 * * *", "until": "07:00", "replicas": 2, "maxReplicas": 4},
        ]},
    }))
}

fn api(stage: &Stage) -> Api<HorizontalPodAutoscaler> {
    Api::namespaced(stage.client.clone(), "default")
}

async fn patch(stage: &Stage, spec: &Value) {
    let params = PatchParams { field_manager: Some("robot".to_owned()), ..PatchParams::default() };
    let patched = api(stage).patch("front", &params, &Patch::Merge(json!({"spec": spec}))).await;
    sighting("front", patched.expect("patched").metadata.resource_version).await;
}

#[tokio::test]
async fn the_schedule_sets_both_bounds_of_an_autoscaler_and_leaves_its_workload_alone() {
    let objects = [deployment("web", 3), autoscaler(), opening_hours()];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, bounded(bounds(1, 9), bounds(6, 20)));
    let evening = at("2026-11-23T20:00:00Z");
    stage.clock.advance_to(evening);
    let edge = stage.next().await;
    assert_eq!((edge.at, edge.occasion), (evening, Occasion::Edge));
    assert_eq!(edge.outcome, bounded(bounds(6, 20), bounds(2, 4)));
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged, "the tick of the same instant");

    patch(&stage, &json!({"maxReplicas": 30})).await;
    stage.clock.advance_to(at("2026-11-23T20:00:15Z"));
    assert_eq!(stage.next().await.outcome, bounded(bounds(2, 30), bounds(2, 4)), "the ceiling counts, too");
    stage.condition("AbleToScale", "AsPlanned").await;

    let spec = api(&stage).get("front").await.expect("it").spec.expect("a spec");
    assert_eq!((spec.min_replicas, spec.max_replicas), (Some(2), 4));
    assert_eq!(stage.replicas("web").await, 3, "that is the autoscaler's");
    let status = stage.status("web").await;
    assert_eq!(status.target.as_deref(), Some("HorizontalPodAutoscaler/front"));
    assert_eq!((status.current_replicas, status.desired_replicas), (Some(2), Some(2)));
    let events = stage.events().await;
    let notes: Vec<(&str, &str)> = events
        .iter()
        .map(|(reason, note)| (reason.as_str(), note.split(": ").next().expect("a part")))
        .collect();
    let from_to = |from: Setting, to: Setting| format!("HorizontalPodAutoscaler/front from {from} to {to}");
    for (reason, from, to) in [
        ("ScaledUp", bounds(1, 9), bounds(6, 20)),
        ("ScaledDown", bounds(6, 20), bounds(2, 4)),
        ("ScaledDown", bounds(2, 30), bounds(2, 4)),
    ] {
        assert!(notes.contains(&(reason, &from_to(from, to))), "{notes:?}");
    }
    assert!(events.iter().any(|(_, note)| note.ends_with("was set by robot)")), "{events:?}");
    stage.stop().await;
}

/// How often an autoscaler was read.
fn reads(stage: &Stage) -> u64 {
    stage.asked(|seen| {
        seen.verb == "get" && seen.resource == "horizontalpodautoscalers" && seen.user.contains("tidetable")
    })
}

#[tokio::test]
async fn an_autoscaler_is_not_read_because_its_controller_writes_its_status() {
    let objects = [deployment("web", 3), autoscaler(), opening_hours()];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, bounded(bounds(1, 9), bounds(6, 20)));
    let written = api(&stage).get("front").await.expect("it").metadata.resource_version;
    sighting("front", written).await;
    let before = reads(&stage);
    let mut now = at("2026-11-23T12:00:00Z");
    for replicas in 3..8 {
        let status = json!({"status": {"currentReplicas": replicas, "desiredReplicas": replicas}});
        let written = api(&stage).patch_status("front", &PatchParams::default(), &Patch::Merge(status)).await;
        sighting("front", written.expect("written").metadata.resource_version).await;
        now += jiff::SignedDuration::from_secs(15);
        stage.clock.advance_to(now);
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    }
    assert_eq!(reads(&stage), before);
    patch(&stage, &json!({"minReplicas": 3})).await;
    now += jiff::SignedDuration::from_secs(15);
    stage.clock.advance_to(now);
    assert_eq!(stage.next().await.outcome, bounded(bounds(3, 20), bounds(6, 20)));
    stage.stop().await;
}

#[tokio::test]
async fn an_override_pins_an_autoscaler() {
    let objects = [deployment("web", 3), autoscaler(), opening_hours()];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, bounded(bounds(1, 9), bounds(6, 20)));
    let until = json!({"tidetable.dev/override": "8 until 2026-11-23T13:00:00Z"});
    stage.patch_policy(&json!({"metadata": {"annotations": until}})).await;
    assert_eq!(stage.next().await.outcome, bounded(bounds(6, 20), bounds(8, 8)));
    stage.clock.advance_to(at("2026-11-23T13:00:00Z"));
    assert_eq!(stage.next().await.outcome, bounded(bounds(8, 8), bounds(6, 20)));
    stage.stop().await;
}

#[tokio::test]
async fn of_an_autoscaler_that_insists_the_ceiling_is_contested_like_replicas() {
    let objects = [deployment("web", 3), autoscaler(), opening_hours()];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, bounded(bounds(1, 9), bounds(6, 20)));
    let mut now = at("2026-11-23T12:00:00Z");
    for max in [30, 31, 30] {
        patch(&stage, &json!({"maxReplicas": max})).await;
        now += jiff::SignedDuration::from_secs(15);
        stage.clock.advance_to(now);
        let expected = if now < at("2026-11-23T12:00:45Z") {
            bounded(bounds(6, max), bounds(6, 20))
        } else {
            Outcome::Contested
        };
        assert_eq!(stage.next().await.outcome, expected, "at {now}");
    }
    let message = stage.condition("AbleToScale", "Contested").await;
    assert!(message.starts_with("robot keeps changing"), "{message}");
    stage.stop().await;
}
