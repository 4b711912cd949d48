//! Others who scale the same workload: autoscalers, another policy, and somebody who changes the replicas back.

use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tidetable::operator::{Occasion, Outcome};

use crate::support::operator::{
    Stage, at, day_and_night, deployment, policy, scaled, scaled_object_kind, sighting,
};

fn autoscaler(name: &str) -> HorizontalPodAutoscaler {
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 9,
        },
    });
    serde_json::from_value(autoscaler).expect("an autoscaler")
}

#[tokio::test]
async fn a_workload_with_an_autoscaler_is_left_to_it_until_it_is_gone() {
    let hpa = serde_json::to_value(autoscaler("web-hpa")).expect("JSON");
    let objects = [deployment("web", 3), hpa, policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Conflict);
    let message = stage.condition("AbleToScale", "Conflict").await;
    let expected =
        "the HorizontalPodAutoscaler web-hpa scales the workload, too: nothing is written while it is there";
    assert_eq!(message, expected);
    // What it would do is decided all the same, and said.
    stage.condition("ScalingActive", "Conflict").await;
    stage.clock.advance_to(at("2026-11-23T19:00:00Z"));
    for occasion in [Occasion::Edge, Occasion::Tick] {
        let evaluation = stage.next().await;
        assert_eq!((evaluation.occasion, evaluation.outcome), (occasion, Outcome::Conflict));
        assert_eq!(evaluation.decision.expect("a decision").desired.get(), 0);
    }
    assert_eq!(stage.replicas("web").await, 3);
    stage
        .until_status("web", |status| {
            let next = status.next_change.as_ref().map(|next| next.at);
            let shown = (status.desired_replicas, status.current_replicas, next);
            shown == (Some(0), Some(3), Some(at("2026-11-24T06:00:00Z")))
        })
        .await;

    let api = Api::<HorizontalPodAutoscaler>::namespaced(stage.client.clone(), "default");
    api.delete("web-hpa", &DeleteParams::default()).await.expect("deleted");
    assert_eq!(stage.next().await.outcome, scaled(3, 0), "at once");
    // Two statuses are a quarter of a minute apart.
    stage.clock.advance_to(at("2026-11-23T19:00:16Z"));
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    stage.condition("AbleToScale", "AsPlanned").await;
    api.create(&PostParams::default(), &autoscaler("web-hpa-2")).await.expect("created");
    assert_eq!(stage.next().await.outcome, Outcome::Conflict);
    let events = stage.events().await;
    let conflicts: Vec<&str> =
        events.iter().filter(|(reason, _)| reason == "Conflict").map(|(_, note)| note.as_str()).collect();
    assert_eq!(conflicts.len(), 2, "{events:?}");
    assert_eq!(conflicts[0], expected);
    stage.stop().await;
}

#[tokio::test]
async fn a_rival_that_comes_and_goes_all_the_time_makes_25_events_and_one_more_in_five_minutes() {
    let objects = [deployment("web", 12), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let api = Api::<HorizontalPodAutoscaler>::namespaced(stage.client.clone(), "default");
    let mut now = at("2026-11-23T12:00:01Z");
    for (rounds, pause, events) in [(40, 1, 25), (1, 260, 25), (1, 1, 26), (3, 300, 29)] {
        for _ in 0..rounds {
            // Two events of one instant and reason would have the same name.
            now += SignedDuration::from_secs(pause);
            stage.clock.advance_to(now);
            api.create(&PostParams::default(), &autoscaler("web")).await.expect("created");
            while stage.next().await.outcome != Outcome::Conflict {}
            api.delete("web", &DeleteParams::default()).await.expect("deleted");
            while stage.next().await.outcome != Outcome::Unchanged {}
        }
        let seen = stage.events().await;
        assert!(seen.iter().all(|(reason, _)| reason == "Conflict"), "{seen:?}");
        assert_eq!(seen.len(), events, "{rounds} rounds at {now}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_dry_run_beside_an_autoscaler_goes_on_and_says_what_active_would_be() {
    let hpa = serde_json::to_value(autoscaler("web")).expect("JSON");
    let mut spec = day_and_night();
    spec["mode"] = json!("DryRun");
    let objects = [deployment("web", 3), hpa, policy(&spec)];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    let evaluation = stage.next().await;
    assert_eq!(evaluation.outcome, Outcome::DryRun);
    assert_eq!(evaluation.decision.expect("a decision").desired.get(), 12);
    let message = stage.condition("AbleToScale", "AsPlanned").await;
    assert!(message.ends_with("scales the workload, too: mode Active would be a conflict"), "{message}");
    stage.stop().await;
}

#[tokio::test]
async fn a_workload_of_keda_is_left_to_it() {
    let scaled_object = json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web-so", "namespace": "default"},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": []},
    });
    let objects = [scaled_object_kind(), deployment("web", 3), scaled_object, policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Conflict);
    let message = stage.condition("AbleToScale", "Conflict").await;
    assert!(message.starts_with("the ScaledObject web-so scales"), "{message}");
    stage.stop().await;
}

#[tokio::test]
async fn of_two_policies_the_older_acts_and_the_other_takes_over_when_it_is_gone() {
    let mut rival =
        policy(&json!({"schedule": {"entries": [{"name": "all", "cron": "0 0 * * *", "replicas": 7}]}}));
    rival["metadata"]["name"] = json!("young");
    let mut stage =
        Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 3), policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    stage.clock.advance_to(at("2026-11-23T12:00:10Z"));
    stage.sandbox.create(rival).expect("a valid policy");
    let evaluation = stage.next().await;
    assert_eq!((evaluation.name.as_str(), evaluation.outcome), ("young", Outcome::Conflict));
    let conditions = stage.status("young").await.conditions;
    let able = conditions.iter().find(|condition| condition.r#type == "AbleToScale").expect("AbleToScale");
    assert!(able.message.starts_with("the older ScalePolicy web scales"), "{}", able.message);
    stage.policies().delete("web", &DeleteParams::default()).await.expect("deleted");
    let evaluation = stage.next().await;
    assert_eq!((evaluation.name.as_str(), evaluation.outcome), ("young", scaled(12, 7)));
    stage.stop().await;
}

#[tokio::test]
async fn who_keeps_changing_the_replicas_back_is_named_and_raced_with_every_five_minutes_only() {
    let mut stage =
        Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 12), policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let mut now = at("2026-11-23T12:00:00Z");
    for (replicas, outcome) in [
        (Some(5), scaled(5, 12)),
        (None, Outcome::Unchanged),
        (Some(6), scaled(6, 12)),
        (Some(5), Outcome::Contested),
        (None, Outcome::Contested),
        (Some(4), Outcome::Contested),
    ] {
        if let Some(replicas) = replicas {
            stage.scale_as("robot", "web", replicas).await;
        }
        now += jiff::SignedDuration::from_secs(15);
        stage.clock.advance_to(now);
        assert_eq!(stage.next().await.outcome, outcome, "at {now}");
    }
    let message = stage.condition("AbleToScale", "Contested").await;
    assert_eq!(message, "robot keeps changing the replicas back: they are written every 5 minutes only");
    // The last write of the robot was at 12:01:30; until 12:06:30 nothing is written.
    stage.clock.advance_to(at("2026-11-23T12:06:15Z"));
    assert_eq!(stage.next().await.outcome, Outcome::Contested);
    stage.clock.advance_to(at("2026-11-23T12:06:30Z"));
    assert_eq!(stage.next().await.outcome, scaled(4, 12));
    stage.condition("AbleToScale", "AsPlanned").await;
    let events = stage.events().await;
    let notes = |reason: &str| -> Vec<&str> {
        events.iter().filter(|(found, _)| found == reason).map(|(_, note)| note.as_str()).collect()
    };
    let ups = notes("ScaledUp");
    assert!(ups[0].ends_with("(5 was set by robot)") && ups[1].ends_with("(6 was set by robot)"), "{ups:?}");
    assert_eq!(notes("Contested").len(), 1, "{events:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_policy_for_another_workload_has_no_part_in_the_contest_for_the_old_one() {
    let objects = [deployment("web", 12), deployment("api", 3), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let mut now = at("2026-11-23T12:00:00Z");
    let mut outcome = Outcome::Unchanged;
    for replicas in [5, 6, 5, 4] {
        stage.scale_as("robot", "web", replicas).await;
        now += jiff::SignedDuration::from_secs(15);
        stage.clock.advance_to(now);
        outcome = stage.next().await.outcome;
    }
    assert_eq!(outcome, Outcome::Contested);
    stage.patch_policy(&json!({"spec": {"scaleTargetRef": {"name": "api"}}})).await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    stage.until_told().await;
    stage.condition("AbleToScale", "AsPlanned").await;
    let events = stage.events().await;
    let of_api: Vec<_> = events.iter().filter(|(_, note)| note.contains("Deployment/api")).collect();
    assert!(of_api.len() == 1 && !of_api[0].1.contains("was set by"), "{events:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_workload_that_is_replaced_again_and_again_is_not_a_contest() {
    let objects = [deployment("web", 12), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let api = Api::<Deployment>::default_namespaced(stage.client.clone());
    for round in 1..=5 {
        api.delete("web", &DeleteParams::default()).await.expect("deleted");
        let again = stage.sandbox.create(deployment("web", 1)).expect("a deployment");
        let version = again["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        sighting("web", version).await;
        stage.clock.advance_to(at("2026-11-23T12:00:00Z") + SignedDuration::from_secs(15 * round));
        assert_eq!(stage.next().await.outcome, scaled(1, 12), "{round}");
    }
    stage.stop().await;
}
