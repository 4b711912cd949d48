//! From an edge of a schedule to the write that it asks for, on the real clock: the operator against the
//! sandbox, both in this process. A write is timed when a watch shows it, so the figures hold the way back,
//! too. One line `name value unit` each on stdout.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp, ToSpan, tz};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, CustomResourceExt, ResourceExt};
use serde_json::{Value, json};
use tidetable::api::{ScaleCalendar, ScalePolicy};
use tidetable::clock::Clock;
use tidetable::operator::{Operator, OperatorOptions};
use tidetable::sandbox::stage::admit_operator;
use tidetable::sandbox::{Sandbox, SandboxOptions};
use tokio_util::sync::CancellationToken;

/// Policies whose edges come at the same instants.
const POLICIES: usize = 10;

/// Edges of each, a second apart.
const EDGES: usize = 20;

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs benches as tests, without the flag: a few edges are enough then.
    let edges = if std::env::args().any(|argument| argument == "--bench") { EDGES } else { 2 };
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await.expect("a sandbox");
    let client = sandbox.client().expect("a client");
    let first =
        (Timestamp::now() + SignedDuration::from_secs(4)).round(jiff::Unit::Second).expect("in range");
    let crds =
        [ScalePolicy::crd(), ScaleCalendar::crd()].map(|crd| serde_json::to_value(crd).expect("a CRD"));
    let scaled = (0..POLICIES).flat_map(|i| [deployment(&name(i)), policy(&name(i), first, edges)]);
    for object in crds.into_iter().chain(scaled) {
        sandbox.create(object).expect("a good object");
    }
    let shutdown = CancellationToken::new();
    let token = admit_operator(&sandbox).expect("the rights of deploy/");
    let own = sandbox.client_for(&token).expect("a client");
    let operator = Operator::new(OperatorOptions::new(own));
    let operator = tokio::spawn(operator.run(shutdown.clone()));
    let mut delays = delays(client, first, edges).await;
    shutdown.cancel();
    operator.await.expect("no panic").expect("a good end");
    sandbox.shutdown().await;

    delays.sort_unstable();
    let percentile = |percent: usize| delays[(delays.len() * percent).div_ceil(100) - 1].as_micros();
    for percent in [50, 99] {
        println!(
            "edge_to_write_p{percent} {}.{:03} ms",
            percentile(percent) / 1000,
            percentile(percent) % 1000
        );
    }
    println!("edge_to_write_edges {} edges", delays.len());
}

/// How long after each edge its write was seen.
async fn delays(client: Client, first: Timestamp, edges: usize) -> Vec<SignedDuration> {
    let mut events =
        pin!(watcher(Api::<Deployment>::namespaced(client, "default"), watcher::Config::default()));
    let mut seen: BTreeMap<String, (i32, usize)> = BTreeMap::new();
    let mut delays = Vec::new();
    while delays.len() < POLICIES * edges {
        let event = events.next().await.expect("an endless watch").expect("no failure");
        let (watcher::Event::Apply(deployment) | watcher::Event::InitApply(deployment)) = event else {
            continue;
        };
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).expect("replicas");
        let (last, count) = seen.entry(deployment.name_any()).or_insert((replicas, 0));
        if *last == replicas {
            continue;
        }
        let edge = first + SignedDuration::from_secs(i64::try_from(*count).expect("a small count"));
        delays.push(Timestamp::now().duration_since(edge));
        (*last, *count) = (replicas, *count + 1);
    }
    assert!(delays.iter().all(|delay| !delay.is_negative()), "nothing is written before its edge");
    delays
}

fn name(i: usize) -> String {
    format!("web-{i}")
}

fn deployment(name: &str) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "app"}]},
            },
        },
    })
}

/// A policy with `edges` edges, a second apart: windows of one second, every other second.
fn policy(name: &str, first: Timestamp, edges: usize) -> Value {
    let window = |i: usize| {
        let start = first + i64::try_from(2 * i).expect("a small count").seconds();
        let at = start.to_zoned(tz::TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        json!({"name": format!("window-{i}"), "at": at, "for": "1s", "replicas": 2 + i})
    };
    json!({
        "apiVersion": "tidetable.dev/v1alpha1",
        "kind": "ScalePolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": 50,
            "schedule": {"entries": (0..edges.div_ceil(2)).map(window).collect::<Vec<_>>()},
        },
    })
}
