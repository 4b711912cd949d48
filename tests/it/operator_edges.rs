//! An edge that many policies share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use tidetable::operator::{Evaluation, Occasion, OperatorOptions, Outcome};

use crate::cluster::stage::until;
use crate::support::operator::{Stage, at, deployment, options, policy, run, scaled};
use crate::support::proxy::{Proxy, Trouble};

mod hindrances;

/// A deployment and its policy, which opens at 20:00.
fn shop(name: &str, changes: &Value) -> [Value; 2] {
    let mut shop = policy(&json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "schedule": {"entries": [{"name": "open", "cron": "0 20 * * *", "until": "22:00", "replicas": 3}]},
    }));
    shop["metadata"]["name"] = json!(name);
    // As an API server would: the same policy has the same UID for ever.
    for (pointer, value) in changes.as_object().expect("changes") {
        let (field, rest) = pointer.split_once('.').expect("a path");
        shop[field][rest] = value.clone();
    }
    [deployment(name, 1), shop]
}

/// Who is evaluated at the next edge of each, in order, and when.
async fn edges(stage: &mut Stage, count: usize) -> Vec<(String, Timestamp)> {
    let mut edges = Vec::new();
    while edges.len() < count {
        let evaluation = stage.next().await;
        if evaluation.occasion == Occasion::Edge {
            edges.push((evaluation.name, evaluation.at));
        }
    }
    edges
}

/// Shops of these names and priorities that are looked at, one at a time, through a proxy with this trouble, by an operator that
/// waits for an answer as long as it takes.
async fn shops(names: &[(&str, i32)], trouble: Trouble) -> (Stage, Proxy) {
    let mut stage = Stage::with("2026-11-23T19:59:50Z", &[], "{}").await;
    stage.end_operator().await;
    let objects = names.iter().flat_map(|(name, priority)| shop(name, &json!({"spec.priority": priority})));
    for object in objects {
        stage.sandbox.create(object).expect("a valid object");
    }
    let proxy = Proxy::before(stage.own.clone()).await;
    proxy.trouble.send_replace(trouble);
    (stage.operator, stage.evaluations, stage.shutdown) = run(OperatorOptions {
        concurrency: 1,
        kube_timeout: Duration::from_secs(3600),
        ..options(proxy.client(), &stage.clock, "{}")
    });
    for _ in names {
        assert_eq!(stage.next().await.occasion, Occasion::First);
    }
    (stage, proxy)
}

/// Two of them that both open at 20:00, and the first write, that of the more important one, gets no answer.
async fn one_hangs() -> (Stage, Proxy) {
    let (stage, proxy) = shops(&[("mail", 9), ("web", 0)], Trouble::HangingWrites("mail")).await;
    stage.clock.advance_to(at("2026-11-23T20:00:00Z"));
    until("the write that hangs", async || proxy.struck() > 0).await.expect("a write");
    (stage, proxy)
}

#[tokio::test]
async fn a_write_without_an_answer_keeps_nobody_else_waiting() {
    let (mut stage, proxy) = one_hangs().await;
    let evaluation = stage.next().await;
    assert_eq!((evaluation.name.as_str(), evaluation.outcome), ("web", scaled(1, 3)));
    proxy.trouble.send_replace(Trouble::Nothing);
    while stage.replicas("mail").await != 3 {
        assert!(stage.next().await.at < at("2026-11-23T20:01:00Z"), "it is lost");
    }
    stage.stop().await;
}

#[tokio::test]
async fn who_waited_until_the_schedule_has_gone_on_writes_what_counts_then() {
    let (mut stage, proxy) = one_hangs().await;
    stage.clock.advance_to(at("2026-11-23T22:00:05Z"));
    let evaluation = stage.next().await;
    assert_eq!((evaluation.name.as_str(), evaluation.outcome), ("web", Outcome::Unchanged));
    assert_eq!((evaluation.at, stage.replicas("web").await), (at("2026-11-23T22:00:05Z"), 1));
    proxy.trouble.send_replace(Trouble::Nothing);
    stage.stop().await;
}

#[tokio::test]
async fn of_those_that_have_to_queue_the_higher_priority_goes_first() {
    let priorities = [("a", -5), ("b", 0), ("c", 100), ("d", 7), ("e", 0), ("f", 100), ("g", -5)];
    let objects: Vec<Value> = priorities
        .iter()
        .flat_map(|(name, priority)| shop(name, &json!({"spec.priority": priority})))
        .collect();
    let one_at_a_time = |options| OperatorOptions { concurrency: 1, ..options };
    let mut stage = Stage::with_options("2026-11-23T19:59:50Z", &objects, one_at_a_time).await;
    for _ in 0..priorities.len() {
        assert_eq!(stage.next().await.occasion, Occasion::First);
    }
    let deployments = Api::<Deployment>::default_namespaced(stage.client.clone());
    let mut changes = watcher(deployments, watcher::Config::default()).applied_objects().boxed();
    for _ in &priorities {
        changes.next().await.expect("a deployment").expect("no error");
    }
    stage.clock.advance_to(at("2026-11-23T20:00:00Z"));
    let mut order = Vec::new();
    let mut scaled = BTreeSet::new();
    while order.len() < priorities.len() {
        let seen = tokio::time::timeout(Duration::from_secs(20), changes.next()).await;
        let seen = seen.expect("an edge in time").expect("a change").expect("no error");
        let (name, spec) = (seen.metadata.name.expect("a name"), seen.spec.expect("a spec"));
        if spec.replicas == Some(3) && scaled.insert(name.clone()) {
            order.extend(priorities.iter().find(|(known, _)| *known == name).map(|(_, priority)| *priority));
        }
    }
    // Who comes first finds nobody waiting. All others have to queue.
    assert!(order[1..].is_sorted_by(|a, b| a >= b), "{order:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_spread_gives_each_policy_an_instant_of_its_own_that_stays() {
    let names: Vec<String> = (0..8).map(|number| format!("shop-{number}")).collect();
    let schedule = json!({
        "spread": "60s",
        "entries": [{"name": "open", "cron": "0 20 * * *", "until": "22:00", "replicas": 3}],
    });
    let objects: Vec<Value> =
        names.iter().flat_map(|name| shop(name, &json!({"spec.schedule": schedule}))).collect();
    let slow = |options| OperatorOptions { interval: Duration::from_secs(3600), ..options };
    let mut stage = Stage::with_options("2026-11-23T19:50:00.5Z", &objects, slow).await;
    for _ in &names {
        assert_eq!(stage.next().await.occasion, Occasion::First);
    }
    let mut announced = BTreeMap::new();
    for name in &names {
        let next = stage.status(name).await.next_change.expect("a change");
        announced.insert(next.at, name.clone());
    }
    let edge = at("2026-11-23T20:00:00Z");
    let half = SignedDuration::from_secs(30);
    assert!(announced.keys().all(|at| (edge - half..=edge + half).contains(at)), "{announced:?}");
    assert!(announced.len() > 4, "{announced:?}");

    // One after the other, and the second half after a restart.
    let mut seen = BTreeMap::new();
    for (index, instant) in announced.keys().enumerate() {
        if index == announced.len() / 2 {
            stage.end_operator().await;
            stage.start_operator();
            for _ in &names {
                assert_eq!(stage.next().await.occasion, Occasion::First);
            }
        }
        stage.clock.advance_to(*instant);
        let (name, at) = edges(&mut stage, 1).await.remove(0);
        assert_eq!(at, *instant);
        assert_eq!(stage.replicas(&name).await, 3);
        seen.insert(at, name);
    }
    assert_eq!(seen, announced);
    stage.stop().await;
}

#[tokio::test]
async fn between_two_writes_of_a_status_lies_a_quarter_of_a_minute_and_the_last_is_never_forgotten() {
    let ramp = json!({"entries": [
        {"name": "open", "cron": "0 20 * * *", "until": "22:00", "replicas": 61, "rampUp": "60s"},
    ]});
    let objects = shop("web", &json!({"spec.schedule": ramp, "spec.maxReplicas": 61}));
    let slow = |options| OperatorOptions { interval: Duration::from_secs(3600), ..options };
    let mut stage = Stage::with_options("2026-11-23T19:58:50Z", &objects, slow).await;
    assert_eq!(stage.next().await.occasion, Occasion::First);
    let writes = |stage: &Stage, resource: &str, subresource: &str| -> u64 {
        stage.asked(|request| {
            request.verb == "patch" && request.resource == resource && request.subresource == subresource
        })
    };
    let scaled = writes(&stage, "deployments", "scale");
    let start = at("2026-11-23T19:59:00Z");
    let mut told = vec![at("2026-11-23T19:58:50Z")];
    for second in 1..=60 {
        let now = start + SignedDuration::from_secs(second);
        let before = writes(&stage, "scalepolicies", "status");
        stage.clock.advance_to(now);
        // An evaluation is told of when its status is written or owed; the ramp begins with an edge of its own.
        let is_step = |next: &Evaluation| next.occasion == Occasion::Edge && next.at == now;
        while !is_step(&stage.next().await) {}
        told.extend((before < writes(&stage, "scalepolicies", "status")).then_some(now));
    }
    let steps = writes(&stage, "deployments", "scale") - scaled;
    assert_eq!(steps, 60, "each step of the ramp is written at its instant");
    assert!(told.len() > 3, "{told:?}");
    let gap = |pair: &[Timestamp]| pair[1].duration_since(pair[0]) >= SignedDuration::from_secs(15);
    assert!(told.windows(2).all(gap), "{told:?}");
    stage.clock.advance_to(at("2026-11-23T20:00:15Z"));
    stage.until_status("web", |status| status.current_replicas == Some(61)).await;
    stage.stop().await;
}

#[tokio::test]
async fn policies_that_were_there_before_the_operator_get_one_status_with_their_first_tick() {
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[], "{}").await;
    stage.end_operator().await;
    let metrics = json!([{"name": "qps", "prometheus": {"query": "q"}, "target": {"averageValue": "10"}}]);
    for object in shop("web", &json!({"spec.metrics": metrics})) {
        stage.sandbox.create(object).expect("a valid object");
    }
    stage.clock.advance_to(at("2026-11-23T12:00:05Z"));
    stage.start_operator();
    assert_eq!(stage.next().await.occasion, Occasion::First);
    stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
    assert_eq!(stage.next().await.occasion, Occasion::Tick);
    stage.until_status("web", |status| !status.conditions.is_empty()).await;
    stage.clock.advance_to(at("2026-11-23T12:00:30Z"));
    assert_eq!(stage.next().await.occasion, Occasion::Tick);
    assert_eq!(stage.asked(|request| request.verb == "patch" && request.subresource == "status"), 1);
    stage.stop().await;
}
