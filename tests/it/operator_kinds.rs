//! Targets of kinds that the operator has never heard of: whatever has a scale subresource is found and followed.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, CustomResourceExt};
use serde_json::{Value, json};
use tidetable::api::ScalePolicy;
use tidetable::operator::{Occasion, Outcome};
use tidetable::sandbox::RequestSeen;

use crate::support::operator::{Stage, at, day_and_night, deployment, policy, policy_for, scaled, sighting};
use crate::support::source::Source;

mod silent;

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

fn rollouts(stage: &Stage) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout"));
    Api::namespaced_with(stage.client.clone(), "default", &kind)
}

async fn get(stage: &Stage) -> DynamicObject {
    rollouts(stage).get("web").await.expect("the rollout")
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
    assert_eq!(stage.asked_since(&before), []);
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
    assert_eq!(stage.next().await.outcome, MISSING);
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

/// What comes of the evaluation of something that can't be scaled.
const MISSING: Outcome = Outcome::Failed { category: "not-found" };

/// A rollout whose kind has no scale subresource, after its first evaluation.
async fn without_scale() -> Stage {
    let [role, binding] = rights();
    let objects = [role, binding, rollout_kind(false), rollout(3), rollout_policy()];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, MISSING);
    stage
}

#[tokio::test]
async fn a_kind_without_a_scale_subresource_is_said_to_have_none() {
    let stage = without_scale().await;
    stage.condition("AbleToScale", "TargetNotFound").await;
    assert_eq!(get(&stage).await.data["spec"]["replicas"], 3);
    stage.stop().await;
}

#[tokio::test]
async fn a_kind_from_a_crd_is_not_read_again_while_its_status_alone_moves() {
    let source = Source::start().await;
    source.set("qps", Some(10.0));
    let mut policy = rollout_policy();
    let metric = json!({"name": "qps", "prometheus": {"query": "qps"}, "target": {"value": "10"}});
    policy["spec"] = json!({"scaleTargetRef": policy["spec"]["scaleTargetRef"], "minReplicas": 4,
        "maxReplicas": 80, "metrics": [metric]});
    let [role, binding] = rights();
    let objects = [role, binding, rollout_kind(true), rollout(4), policy];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, &source.config()).await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let (mut now, mut before) = (at("2026-11-23T12:00:00Z"), None);
    for (ready, qps, expected) in [
        (3, 10.0, Outcome::Unchanged),
        (2, 10.0, Outcome::Unchanged),
        // Four that are ready have half as much again as they should.
        (4, 15.0, scaled(4, 6)),
    ] {
        source.set("qps", Some(qps));
        let status = json!({"status": {"readyReplicas": ready, "replicas": ready, "selector": "app=web"}});
        let status = Patch::Merge(status);
        let written = rollouts(&stage).patch_status("web", &PatchParams::default(), &status).await;
        sighting("web", written.expect("written").metadata.resource_version).await;
        now += SignedDuration::from_secs(15);
        stage.clock.advance_to(now);
        assert_eq!(stage.next().await.outcome, expected);
        assert_eq!(*before.get_or_insert(stage.reads("argoproj.io")), stage.reads("argoproj.io"), "{ready}");
    }
    // Before the next look the status moves, and again: it is known that the spec is the one that was written.
    for ready in [5, 6] {
        let status = Patch::Merge(json!({"status": {"readyReplicas": ready}}));
        let written = rollouts(&stage).patch_status("web", &PatchParams::default(), &status).await;
        sighting("web", written.expect("written").metadata.resource_version).await;
    }
    source.set("qps", Some(10.0));
    now += SignedDuration::from_secs(15);
    stage.clock.advance_to(now);
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    assert_eq!(before, Some(stage.reads("argoproj.io")));
    // Somebody else sets the replicas: that is read, and put right.
    let spec = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let written = rollouts(&stage).patch("web", &PatchParams::default(), &spec).await;
    sighting("web", written.expect("written").metadata.resource_version).await;
    stage.clock.advance_to(now + SignedDuration::from_secs(15));
    assert_eq!(stage.next().await.outcome, scaled(3, 6));
    stage.stop().await;
}

#[tokio::test]
async fn a_workload_that_a_policy_names_later_is_read_once_also_when_it_is_not_there() {
    let objects = [deployment("other", 12), deployment("web", 12), policy_for("other")];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let before = stage.reads("apps");
    for (name, outcome) in [("web", Outcome::Unchanged), ("gone", MISSING)] {
        stage.sandbox.create(policy_for(name)).expect("a policy");
        assert_eq!(stage.next().await.outcome, outcome);
    }
    let read = stage.reads("apps");
    assert_eq!(read - before, 3, "one of them, and of what is not there its scale and itself");
    for seconds in [15, 30, 45] {
        stage.clock.advance_to(at("2026-11-23T12:00:00Z") + SignedDuration::from_secs(seconds));
        for _ in 0..3 {
            stage.next().await;
        }
    }
    assert_eq!(stage.reads("apps"), read);
    stage.sandbox.create(deployment("gone", 3)).expect("a workload");
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    stage.stop().await;
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_asked_for_once_a_tick_however_many_name_it() {
    let many: Vec<Value> = (0..20)
        .map(|index| {
            let mut object = rollout_policy();
            object["metadata"]["name"] = json!(format!("web-{index}"));
            object
        })
        .collect();
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &many, "{}").await;
    let discoveries = |stage: &Stage| -> u64 {
        stage.asked(|seen| seen.verb == "get" && seen.resource.is_empty() && seen.user.contains("tidetable"))
    };
    for _ in &many {
        assert_eq!(stage.next().await.outcome, MISSING);
    }
    let first = discoveries(&stage);
    assert!((1..=2).contains(&first), "{first}");
    for seconds in [15, 30, 45] {
        stage.clock.advance_to(at("2026-11-23T12:00:00Z") + SignedDuration::from_secs(seconds));
        for _ in &many {
            assert_eq!(stage.next().await.outcome, MISSING);
        }
    }
    assert_eq!(discoveries(&stage) - first, 3, "one a tick");
    stage.stop().await;
}

#[tokio::test]
async fn what_has_no_scale_is_not_asked_for_one_at_each_tick() {
    let mut stage = without_scale().await;
    for (seconds, is_asked) in [(15, false), (30, true)] {
        let before = stage.reads("argoproj.io");
        let now = at("2026-11-23T12:00:00Z") + SignedDuration::from_secs(seconds);
        stage.clock.advance_to(now);
        let evaluation = stage.next().await;
        assert_eq!((evaluation.occasion, evaluation.at, evaluation.outcome), (Occasion::Tick, now, MISSING));
        assert_eq!(stage.reads("argoproj.io") > before, is_asked, "after {seconds} s");
    }
    stage.stop().await;
}

#[tokio::test]
async fn two_policies_on_one_workload_do_not_read_it_when_its_status_moves() {
    let mut trial = policy(&day_and_night());
    trial["metadata"]["name"] = json!("trial");
    trial["spec"]["mode"] = json!("DryRun");
    let objects = [deployment("web", 12), policy(&day_and_night()), trial];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    for _ in 0..2 {
        stage.next().await;
    }
    let before = stage.reads("apps");
    for round in 1..4 {
        let status = Patch::Merge(json!({"status": {"readyReplicas": round, "replicas": round}}));
        let api = Api::<Deployment>::default_namespaced(stage.client.clone());
        let written = api.patch_status("web", &PatchParams::default(), &status).await;
        sighting("web", written.expect("written").metadata.resource_version).await;
        stage.clock.advance_to(at("2026-11-23T12:00:00Z") + SignedDuration::from_secs(15 * i64::from(round)));
        for _ in 0..2 {
            stage.next().await;
        }
    }
    assert_eq!(stage.reads("apps"), before);
    stage.stop().await;
}

/// With the definition of policies that an earlier version came with.
#[tokio::test]
async fn a_target_that_would_be_another_path_is_refused_and_not_asked_for() {
    let mut crd = serde_json::to_value(ScalePolicy::crd()).expect("a CRD");
    let target =
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/scaleTargetRef/properties";
    for (field, text) in [
        ("apiVersion", "batch/v1/cronjobs"),
        ("apiVersion", "batch%2Fv1%2Fcronjobs"),
        ("apiVersion", "batch/v1/namespaces/default/cronjobs/../x"),
        ("kind", "Deployment/scale"),
        ("name", "web/scale?x="),
        ("name", "../cronjobs/web"),
    ] {
        let schema = crd.pointer_mut(target).expect("a schema")[field].as_object_mut().expect("an object");
        schema.remove("pattern");
        let mut odd = policy(&day_and_night());
        odd["spec"]["scaleTargetRef"][field] = json!(text);
        let stage = Stage::with_crd("2026-11-23T12:00:01Z", &crd, &[deployment("web", 3), odd], "{}").await;
        let message = stage.condition("Ready", "InvalidSpec").await;
        let place = format!("spec.scaleTargetRef.{field}: {text:?} must be ");
        assert!(message.starts_with(&place), "{message}");
        assert_eq!(stage.asked(|seen| seen.group == "batch" || seen.resource == "cronjobs"), 0, "{text}");
        let touched = |seen: &RequestSeen| seen.verb == "patch" && seen.resource == "deployments";
        assert_eq!((stage.asked(touched), stage.reads("apps")), (0, 0), "{text}");
        stage.stop().await;
    }
}
