//! Targets of kinds that the operator has never heard of: whatever has a scale subresource is found and followed.

use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tidetable::operator::{Occasion, Outcome};

use crate::support::operator::{Stage, at, day_and_night, policy, scaled, sighting};

/// The kind of Argo Rollouts as far as it matters here, with a scale subresource or without.
fn rollout_kind(has_scale: bool) -> Value {
    let scale = json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector"});
    let subresources = if has_scale { json!({"status": {}, "scale": scale}) } else { json!({"status": {}}) };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.argoproj.io"},
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {"plural": "rollouts", "singular": "rollout", "kind": "Rollout", "listKind": "RolloutList"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": subresources,
                "schema": {"openAPIV3Schema":
                    {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// The role and binding that the comment in `deploy/base/rbac.yaml` tells people to make for such a kind.
fn rights() -> [Value; 2] {
    let lines = include_str!("../../deploy/base/rbac.yaml").lines();
    let advice = lines.filter_map(|line| line.strip_prefix("#   ")).collect::<Vec<_>>().join("\n");
    let rules: Value = serde_saphyr::from_str(&advice).expect("rules");
    let group = "rbac.authorization.k8s.io";
    [
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "rollouts"},
            "rules": rules,
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "rollouts"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "rollouts"},
            "subjects": [{"kind": "ServiceAccount", "name": "tidetable", "namespace": "tidetable-system"}],
        }),
    ]
}

fn rollout(replicas: i32) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "strategy": {"canary": {"steps": [{"setWeight": 20}]}}},
        "status": {"replicas": replicas, "selector": "app=web", "HPAReplicas": replicas},
    })
}

fn rollout_policy() -> Value {
    let mut object = policy(&day_and_night());
    object["spec"]["scaleTargetRef"] =
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"});
    object
}

async fn get(stage: &Stage) -> DynamicObject {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout"));
    let api = Api::<DynamicObject>::namespaced_with(stage.client.clone(), "default", &kind);
    api.get("web").await.expect("the rollout")
}

#[tokio::test]
async fn a_kind_from_a_crd_is_scaled_at_its_edges_and_costs_nothing_in_between() {
    let [role, binding] = rights();
    let objects = [role, binding, rollout_kind(true), rollout(0), rollout_policy()];
    let mut stage = Stage::with("2026-11-23T05:59:46Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    stage.clock.advance_to(at("2026-11-23T06:00:00Z"));
    assert_eq!(stage.next().await.outcome, scaled(0, 12));
    assert_eq!(stage.next().await.occasion, Occasion::Tick);
    let written = get(&stage).await;
    assert_eq!(written.data["spec"]["replicas"], 12);
    assert_eq!(written.data["spec"]["strategy"]["canary"]["steps"][0]["setWeight"], 20, "the rest stays");

    sighting("web", written.metadata.resource_version).await;
    // The status of the edge is owed, since the first one was written less than a quarter of a minute before.
    stage.clock.advance_to(at("2026-11-23T06:00:15Z"));
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    stage.until_status("web", |status| status.current_replicas == Some(12)).await;
    let before = stage.sandbox.requests();
    for seconds in [30, 45, 60] {
        stage.clock.advance_to(at("2026-11-23T06:00:00Z") + SignedDuration::from_secs(seconds));
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    }
    let since = stage.sandbox.requests().into_iter();
    let since =
        since.filter(|(request, count)| request.verb != "watch" && before.get(request) != Some(count));
    assert_eq!(since.collect::<Vec<_>>(), []);
    stage.stop().await;
}

/// Goes from tick to tick until the rollout has 12 replicas.
async fn until_scaled(stage: &mut Stage, now: &mut Timestamp) {
    while get(stage).await.data["spec"]["replicas"] != 12 {
        *now += SignedDuration::from_secs(15);
        assert!(*now < at("2026-11-23T13:00:00Z"), "it is never scaled");
        stage.clock.advance_to(*now);
        while stage.next().await.at < *now {}
    }
}

#[tokio::test]
async fn a_kind_that_is_installed_later_is_found_without_a_restart() {
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[rollout_policy()], "{}").await;
    let missing = Outcome::Failed { category: "not-found" };
    assert_eq!(stage.next().await.outcome, missing);
    let said = stage.condition("AbleToScale", "TargetNotFound").await;
    assert!(said.contains("does not know Rollout in argoproj.io/v1alpha1"), "{said}");
    for object in [rollout_kind(true), rollout(3)] {
        stage.sandbox.create(object).expect("a valid object");
    }
    // It is known now, and the policy says that the operator may not scale it, until somebody grants that.
    let mut now = at("2026-11-23T12:00:00Z");
    stage.condition_at_ticks("AbleToScale", "Forbidden", &mut now).await;
    let said = stage.condition("AbleToScale", "Forbidden").await;
    assert!(said.contains("rollouts/scale"), "{said}");
    for object in rights() {
        stage.sandbox.create(object).expect("a valid object");
    }
    until_scaled(&mut stage, &mut now).await;
    stage.condition_at_ticks("AbleToScale", "AsPlanned", &mut now).await;
    stage.stop().await;
}

#[tokio::test]
async fn a_kind_without_a_scale_subresource_is_said_to_have_none() {
    let [role, binding] = rights();
    let objects = [role, binding, rollout_kind(false), rollout(3), rollout_policy()];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Failed { category: "not-found" });
    stage.condition("AbleToScale", "TargetNotFound").await;
    assert_eq!(get(&stage).await.data["spec"]["replicas"], 3);
    stage.stop().await;
}
