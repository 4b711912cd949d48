//! The operator against the sandbox's API, on a virtual clock: no step waits for real time.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, CustomResourceExt};
use serde_json::{Value, json};
use tidetable::api::{ScalePolicy, ScalePolicyStatus};
use tidetable::clock::Clock;
use tidetable::operator::{Occasion, Outcome};
use tidetable::sandbox::{Sandbox, SandboxOptions};

use crate::support::operator::{Stage, at, day_and_night, deployment, policy, policy_for, scaled, sighting};

#[tokio::test]
async fn a_scheduled_change_is_written_at_its_instant_down_to_zero_and_back() {
    // 06:59:50 in Berlin, and not on the grid of ticks.
    let mut stage =
        Stage::with("2026-11-23T05:59:50Z", &[deployment("web", 3), policy(&day_and_night())], "{}").await;
    let first = stage.next().await;
    assert_eq!((first.occasion, first.outcome), (Occasion::First, scaled(3, 0)));
    assert_eq!(stage.replicas("web").await, 0);

    let edge = at("2026-11-23T06:00:00Z");
    stage.clock.advance_to(edge);
    let evaluation = stage.next().await;
    assert_eq!(
        (evaluation.occasion, evaluation.at, evaluation.outcome),
        (Occasion::Edge, edge, scaled(0, 12))
    );
    assert_eq!(stage.replicas("web").await, 12);
    let tick = stage.next().await;
    assert_eq!((tick.occasion, tick.at, tick.outcome), (Occasion::Tick, edge, Outcome::Unchanged));

    // A quarter of a minute after the first one.
    stage.clock.advance_to(at("2026-11-23T06:00:05Z"));
    stage.until_status("web", |status| status.current_replicas == Some(12)).await;
    let status = stage.status("web").await;
    assert_eq!((status.current_replicas, status.desired_replicas), (Some(12), Some(12)));
    assert_eq!(status.last_scale_time, Some(edge));
    assert_eq!(status.next_change.expect("a next change").summary, "20:00 → 0");
    let events = stage.events().await;
    assert_eq!(events.len(), 2, "{events:?}");
    let up = "Deployment/web from 0 to 12: schedule entry day asks for 12";
    assert!(events.contains(&("ScaledUp".to_owned(), up.to_owned())), "{events:?}");
    stage.stop().await;
}

#[tokio::test]
async fn an_idle_policy_reads_nothing_and_writes_nothing() {
    let mut stage =
        Stage::with("2026-11-23T12:00:00Z", &[deployment("web", 12), policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.occasion, Occasion::First);
    assert_eq!(stage.next().await.occasion, Occasion::Tick, "12:00:00 is a tick");
    let web =
        Api::<Deployment>::namespaced(stage.client.clone(), "default").get("web").await.expect("it is there");
    sighting("web", web.metadata.resource_version).await;
    let before = stage.sandbox.requests();
    for second in [15, 30, 45, 60] {
        let tick = at("2026-11-23T12:00:00Z") + jiff::SignedDuration::from_secs(second);
        stage.clock.advance_to(tick);
        let evaluation = stage.next().await;
        assert_eq!((evaluation.at, evaluation.outcome), (tick, Outcome::Unchanged));
    }
    assert_eq!(stage.asked_since(&before), []);
    stage.stop().await;
}

#[tokio::test]
async fn missed_ticks_are_skipped_and_a_foreign_write_is_put_right_at_the_next_one() {
    let mut stage =
        Stage::with("2026-11-23T12:00:00Z", &[deployment("web", 12), policy(&day_and_night())], "{}").await;
    stage.next().await;
    stage.next().await;
    stage.scale_by_hand("web", 5).await;
    stage.clock.advance_to(at("2026-11-23T12:10:07Z"));
    let evaluation = stage.next().await;
    assert_eq!(evaluation.at, at("2026-11-23T12:10:00Z"), "the last tick and none before it");
    assert_eq!(evaluation.outcome, scaled(5, 12));
    stage.stop().await;
}

#[tokio::test]
async fn a_changed_spec_counts_at_once_and_pause_and_dry_run_write_nothing() {
    let mut stage =
        Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 3), policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    for (spec, outcome, replicas) in [
        (json!({"mode": "DryRun", "minReplicas": 14}), Outcome::DryRun, 12),
        (json!({"mode": "Paused"}), Outcome::Paused, 12),
        (json!({"mode": "Active"}), scaled(12, 14), 14),
    ] {
        let patch = Patch::Merge(json!({"spec": spec}));
        stage.policies().patch("web", &PatchParams::default(), &patch).await.expect("patched");
        let evaluation = stage.next().await;
        assert_eq!((evaluation.occasion, evaluation.outcome), (Occasion::First, outcome), "{spec}");
        assert_eq!(stage.replicas("web").await, replicas, "{spec}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn an_invalid_spec_is_reported_with_its_fields_and_leaves_the_workload_alone() {
    let wrong = json!({"schedule": {"entries": [{"name": "day", "cron": "61 7 * * *", "replicas": 12}]}});
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 3), policy(&wrong)], "{}").await;
    let message = stage.condition("Ready", "InvalidSpec").await;
    assert!(message.starts_with("spec.schedule.entries[0].cron: "), "{message}");
    let right = json!({"schedule": {"entries": [{"name": "day", "cron": "0 7 * * *", "replicas": 12}]}});
    let patch = Patch::Merge(json!({"spec": right}));
    stage.policies().patch("web", &PatchParams::default(), &patch).await.expect("patched");
    assert_eq!(stage.next().await.outcome, scaled(3, 12), "the first evaluation is of the valid spec");
    stage.until_told().await;
    let ready = stage.status("web").await.conditions.into_iter().find(|c| c.r#type == "Ready");
    assert_eq!(ready.expect("Ready").reason, "AsPlanned");
    assert_eq!(stage.events().await.iter().filter(|(reason, _)| reason == "InvalidSpec").count(), 1);
    stage.stop().await;
}

#[tokio::test]
async fn a_missing_target_is_scaled_as_soon_as_it_appears() {
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Failed { category: "not-found" });
    let able = stage.status("web").await.conditions.into_iter().find(|c| c.r#type == "AbleToScale");
    assert_eq!(able.expect("AbleToScale").reason, "TargetNotFound");
    let api = Api::<Deployment>::namespaced(stage.client.clone(), "default");
    let web: Deployment = serde_json::from_value(deployment("web", 1)).expect("a deployment");
    api.create(&PostParams::default(), &web).await.expect("created");
    let evaluation = stage.next().await;
    assert_eq!((evaluation.occasion, evaluation.outcome), (Occasion::Retry, scaled(1, 12)));
    stage.stop().await;
}

#[tokio::test]
async fn a_dead_source_holds_the_load_and_never_the_schedule() {
    let spec = json!({
        "schedule": day_and_night()["schedule"],
        "metrics": [{"name": "qps", "prometheus": {"query": "q"}, "target": {"averageValue": "10"}}],
    });
    // A port that accepts connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let config = format!("sources: [{{url: '{url}', timeout: 60s}}]");
    let mut stage =
        Stage::with("2026-11-23T05:59:45Z", &[deployment("web", 4), policy(&spec)], &config).await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged, "the first evaluation asks nobody");
    // The tick of 05:59:45 now waits for its answer, and the edge comes all the same.
    let edge = at("2026-11-23T06:00:00Z");
    stage.clock.advance_to(edge);
    let evaluation = stage.next().await;
    assert_eq!(
        (evaluation.occasion, evaluation.at, evaluation.outcome),
        (Occasion::Edge, edge, scaled(4, 12))
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_deleted_policy_is_forgotten_and_its_workload_stays() {
    forgets(&json!([])).await;
}

#[tokio::test]
async fn a_deleted_policy_that_somebody_keeps_from_going_counts_no_more() {
    forgets(&json!(["example.com/audit"])).await;
}

async fn forgets(finalizers: &Value) {
    let mut held = policy(&day_and_night());
    held["metadata"]["finalizers"] = finalizers.clone();
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 12), held], "{}").await;
    stage.next().await;
    stage.policies().delete("web", &kube::api::DeleteParams::default()).await.expect("deleted");
    // Who has seen this one has seen the deletion before it.
    for object in [deployment("api", 12), policy_for("api")] {
        stage.sandbox.create(object).expect("a valid object");
    }
    let mut others = vec![stage.next().await];
    for edge in ["2026-11-23T20:00:00Z", "2026-11-24T07:00:00Z"] {
        stage.clock.advance_to(at(edge));
        while others.last().is_none_or(|last| last.at < at(edge)) {
            others.push(stage.next().await);
        }
    }
    assert!(others.iter().all(|evaluation| evaluation.name == "api"), "{others:?}");
    assert_eq!((stage.replicas("api").await, stage.replicas("web").await), (12, 12));
    stage.stop().await;
}

#[tokio::test]
async fn a_policy_of_a_later_version_is_reported_and_does_not_stop_the_others() {
    let mut crd = serde_json::to_value(ScalePolicy::crd()).expect("a CRD");
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    crd.pointer_mut(spec).expect("a schema")["horoscope"] = json!({"type": "string"});
    let mut later = policy(&json!({"horoscope": "x", "schedule": day_and_night()["schedule"]}));
    later["metadata"]["name"] = json!("later");
    let objects = [deployment("web", 3), later, policy(&day_and_night())];
    let mut stage = Stage::with_crd("2026-11-23T12:00:01Z", &crd, &objects, "{}").await;
    let evaluation = stage.next().await;
    assert_eq!((evaluation.name.as_str(), evaluation.outcome), ("web", scaled(3, 12)));
    let ready = loop {
        let api = Api::<kube::api::DynamicObject>::namespaced_with(
            stage.client.clone(),
            "default",
            &kube::core::ApiResource::erase::<ScalePolicy>(&()),
        );
        let ready = api.get("later").await.expect("the policy").data["status"]["conditions"][0].clone();
        if !ready.is_null() {
            break ready;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(ready["reason"], "InvalidSpec");
    assert!(ready["message"].as_str().expect("a message").contains("horoscope"), "{ready}");
    let other = Api::<ScalePolicy>::namespaced(stage.client.clone(), "default");
    other.delete("web", &kube::api::DeleteParams::default()).await.expect("deleted");
    // By this one it is seen that time goes by.
    for object in [deployment("api", 12), policy_for("api")] {
        stage.sandbox.create(object).expect("a valid object");
    }
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let before = stage.sandbox.requests();
    for second in [15, 30, 45] {
        let tick = at("2026-11-23T12:00:00Z") + jiff::SignedDuration::from_secs(second);
        stage.clock.advance_to(tick);
        let evaluation = stage.next().await;
        assert_eq!((evaluation.name.as_str(), evaluation.at), ("api", tick));
    }
    assert_eq!(stage.asked_since(&before), [], "what can't be evaluated costs nothing");
    stage.stop().await;
}

#[tokio::test]
async fn a_load_is_read_as_of_its_tick_and_a_ratio_multiplies_by_the_ready_replicas() {
    use axum::extract::Query;
    let answer = |Query(query): Query<std::collections::BTreeMap<String, String>>| async move {
        let value = if query["time"] == "1795435215.000" { query["query"].clone() } else { "NaN".to_owned() };
        axum::Json(json!({"status": "success", "data": {"resultType": "scalar", "result": [0, value]}}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let config = format!("sources: [{{url: 'http://{}'}}]", listener.local_addr().expect("an address"));
    let router = axum::Router::new().route("/api/v1/query", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let metric = |query: &str, target: Value| json!({"minReplicas": 1, "metrics": [{"name": "m", "prometheus": {"query": query}, "target": target}]});
    for (query, target, replicas) in [
        ("95", json!({"averageValue": "10"}), 8),
        // Twice the target with 3 of 4 ready: 6.
        ("2", json!({"value": "1"}), 6),
    ] {
        let objects = [deployment("web", 4), policy(&metric(query, target))];
        let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, &config).await;
        let with_status = Patch::Merge(json!({"status": {"replicas": 4, "readyReplicas": 3}}));
        let api = Api::<Deployment>::namespaced(stage.client.clone(), "default");
        api.patch_status("web", &PatchParams::default(), &with_status).await.expect("a status");
        assert_eq!(stage.next().await.occasion, Occasion::First);
        stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
        let tick = stage.next().await;
        assert_eq!((tick.occasion, tick.outcome), (Occasion::Tick, scaled(4, replicas)), "{query}");
        // A quarter of a minute after the first one.
        stage.clock.advance_to(at("2026-11-23T12:00:16Z"));
        stage.until_status("web", |status| status.current_replicas == Some(replicas)).await;
        let status = stage.status("web").await;
        let metric = status.decision.expect("a decision").metrics.remove(0);
        assert_eq!(metric.value.as_deref(), Some(query));
        assert_eq!(status.load.expect("a load").level, Some(replicas));
        stage.clock.advance_to(at("2026-11-23T12:00:30Z"));
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged, "NaN is missing and lowers nothing");
        stage.clock.advance_to(at("2026-11-23T12:00:31Z"));
        let has_problem = |status: &ScalePolicyStatus| {
            status.decision.as_ref().is_some_and(|decision| decision.metrics[0].problem.is_some())
        };
        stage.until_status("web", has_problem).await;
        let status = stage.status("web").await;
        let problem = status.decision.expect("a decision").metrics.remove(0).problem.expect("a problem");
        assert_eq!(problem, "Invalid: the value is not finite: NaN");
        stage.stop().await;
    }
}

#[tokio::test]
async fn an_operator_without_its_crd_stops_when_it_is_told_to() {
    let clock = Clock::stopped_at(at("2026-11-23T12:00:01Z"));
    let sandbox = Sandbox::start(SandboxOptions::new(clock.clone())).await.expect("a sandbox");
    let stage = Stage::of(sandbox, clock, "{}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.stop().await;
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let mut stage =
        Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 3), policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    stage.end_operator().await;
    let before = stage.policies().get("web").await.expect("the policy").metadata.resource_version;
    stage.start_operator();
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    let after = stage.policies().get("web").await.expect("the policy").metadata.resource_version;
    assert_eq!(before, after, "the status says the same, so it is not written");
    stage.stop().await;
}

#[tokio::test]
async fn an_operator_that_starts_before_many_workloads_reads_none_by_itself() {
    let objects: Vec<_> = (0..30)
        .flat_map(|i| {
            let name = format!("web-{i}");
            let mut policy = policy(&day_and_night());
            policy["metadata"]["name"] = json!(name);
            policy["spec"]["scaleTargetRef"]["name"] = json!(name);
            [deployment(&name, i % 3 * 12), policy]
        })
        .collect();
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    for _ in 0..30 {
        stage.next().await;
    }
    for i in 0..30 {
        assert_eq!(stage.replicas(&format!("web-{i}")).await, 12);
    }
    let requests = stage.sandbox.requests();
    let reads = requests.keys().filter(|request| request.verb == "get" && request.subresource == "scale");
    assert_eq!(reads.count(), 0);
    stage.stop().await;
}
