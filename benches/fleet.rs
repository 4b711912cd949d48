//! Fleets, on the real clock: very many policies with one common edge, and very many that have nothing to do. The
//! operator is a process of its own; the API server is the sandbox in this one, or the cluster that `KUBECONFIG`
//! names (with the CRDs applied; objects are made in the namespace `tidetable-bench`, which is deleted afterwards).
//!
//! One line `name value unit` each on stdout. A write is timed when a watch shows it. Beside the operator stands the
//! limit: a client that sends the same patches at the edge and decides nothing.
//!
//! `FLEET_EDGES` (1,1000,5000), `FLEET_HANDOVER` (1000) and `FLEET_IDLE` (10000) are how many policies; nothing is none.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "fleet/cluster.rs"]
mod cluster;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "fleet/process.rs"]
mod process;
#[path = "fleet/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;

use self::cluster::{Cluster, at_once};
use self::process::Operator;
use self::source::Source;

/// How many distinct queries idle policies ask.
const QUERIES: usize = 100;

/// How often it is looked whether all is calm.
const CALM_ROUNDS: usize = 6;

/// How long idle policies are watched.
const IDLE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs benches as tests, without the flag: a few policies are enough then.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let counts = |name: &str, usual: &str, few: &str| -> Vec<usize> {
        let text = if is_bench { std::env::var(name).unwrap_or(usual.to_owned()) } else { few.to_owned() };
        let counts = text.split(',').map(str::trim).filter(|count| !count.is_empty());
        counts.map(|count| count.parse().expect("a number of policies")).collect()
    };
    for count in counts("FLEET_EDGES", "1,1000,5000", "20") {
        common_edge(count).await;
    }
    for count in counts("FLEET_HANDOVER", "1000", "20") {
        hand_over(count).await;
    }
    let watched = if is_bench { IDLE } else { Duration::from_secs(2) };
    for count in counts("FLEET_IDLE", "10000", "20") {
        idle(count, watched).await;
    }
}

/// `count` policies that all go from 1 to 3 at one instant.
async fn common_edge(count: usize) {
    let cluster = Cluster::start().await;
    let edge = edge_of(&cluster, count).await;
    let operator = Operator::start(&cluster, None);
    operator.until_ready(count).await;
    assert!(Timestamp::now() < edge, "the fleet was not ready before its edge: this machine is too slow");
    let mut delays = watch(&cluster).await.seen_after(edge, count, 3).await;
    delays.sort_unstable();
    let percentile = |percent: usize| delays[(delays.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1e3;
    for (name, percent) in [("p50", 50), ("p99", 99), ("last", 100)] {
        println!("fleet_{count}_edge_to_write_{name} {:.0} ms", percentile(percent));
    }
    operator.stop().await;

    let watch = watch(&cluster).await;
    let start = Timestamp::now();
    let (bare, ()) = tokio::join!(watch.seen_after(start, count, 5), bare(&cluster, count, 5));
    let last = bare.iter().max().expect("some").as_secs_f64() * 1e3;
    println!("fleet_{count}_bare_client_last {last:.0} ms");
    println!("fleet_{count}_times_the_limit {:.2} ×", percentile(100) / last);
    cluster.end().await;
}

/// Makes `count` policies that go from 1 to 3 at the instant that this gives.
async fn edge_of(cluster: &Cluster, count: usize) -> Timestamp {
    let made = i64::try_from(count / 100).expect("a small count");
    // Late enough for all objects to be there, and read.
    let edge = Timestamp::from_second(Timestamp::now().as_second() + 10 + 2 * made).expect("soon");
    let at = edge.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let schedule = json!({"entries": [{"name": "open", "at": at, "for": "2h", "replicas": 3}]});
    cluster.make(count, |_| json!({"schedule": schedule})).await;
    edge
}

/// An operator that is told to stop while it writes an edge that `count` policies share, and another that waits.
async fn hand_over(count: usize) {
    let cluster = Cluster::start().await;
    let edge = edge_of(&cluster, count).await;
    let one = Operator::candidate(&cluster);
    one.until_ready(count).await;
    let two = Operator::candidate(&cluster);
    two.until_it_leads(false).await;
    let watch = watch(&cluster).await;
    let early = edge.duration_since(Timestamp::now());
    tokio::time::sleep(Duration::try_from(early).expect("the fleet was not ready before its edge")).await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let told = Timestamp::now();
        one.terminate().await;
        two.until_it_leads(true).await;
        Timestamp::now().duration_since(told)
    };
    let (delays, led) = tokio::join!(watch.seen_after(edge, count, 3), stop);
    println!("hand_over_{count}_until_the_other_leads {:.0} ms", led.as_secs_f64() * 1e3);
    let last = delays.iter().max().expect("some").as_secs_f64() * 1e3;
    println!("hand_over_{count}_edge_to_write_last {last:.0} ms");
    two.stop().await;
    one.stop().await;
    cluster.end().await;
}

/// The deployments, as they change.
struct Watch(BoxStream<'static, watcher::Result<watcher::Event<Deployment>>>);

/// Begins to watch, and has seen all that is there.
async fn watch(cluster: &Cluster) -> Watch {
    let mut events = watcher(cluster.deployments(), watcher::Config::default()).boxed();
    while !matches!(events.next().await, Some(Ok(watcher::Event::InitDone))) {}
    Watch(events)
}

impl Watch {
    /// How long after `start` each deployment is seen to have `replicas`.
    async fn seen_after(mut self, start: Timestamp, count: usize, replicas: i32) -> Vec<SignedDuration> {
        let mut seen: BTreeMap<String, SignedDuration> = BTreeMap::new();
        while seen.len() < count {
            let event = self.0.next().await.expect("an endless watch").expect("no failure");
            let watcher::Event::Apply(deployment) = event else { continue };
            if deployment.spec.as_ref().and_then(|spec| spec.replicas) == Some(replicas) {
                seen.entry(deployment.name_any()).or_insert_with(|| Timestamp::now().duration_since(start));
            }
        }
        seen.into_values().collect()
    }
}

/// Sends what the operator sends, as many at a time, without deciding anything. Two replicas more, as at the edge:
/// what workloads do then keeps the API server as busy.
async fn bare(cluster: &Cluster, count: usize, replicas: i32) {
    let api: Api<Deployment> = cluster.operators_deployments();
    let patch = |name: String| {
        let api = api.clone();
        async move {
            let body = json!([
                {"op": "test", "path": "/spec/replicas", "value": 3},
                {"op": "add", "path": "/spec/replicas", "value": replicas},
            ]);
            let body: json_patch::Patch = serde_json::from_value(body).expect("a patch");
            api.patch_scale(&name, &PatchParams::default(), &Patch::Json::<()>(body)).await.expect("patched");
        }
    };
    stream::iter((0..count).map(cluster::name)).map(patch).buffer_unordered(at_once()).collect::<()>().await;
}

/// `count` policies with a metric each, which asks for what is there.
async fn idle(count: usize, watched: Duration) {
    let cluster = Cluster::start().await;
    let source = Source::start(100.0).await;
    cluster
        .make(count, |i| {
            let query = format!("sum(rate(http_requests_total{{app=\"{}\"}}[2m]))", i % QUERIES);
            json!({"metrics": [{"name": "qps", "prometheus": {"query": query}, "target": {"averageValue": "100"}}]})
        })
        .await;
    let started = Timestamp::now();
    let operator = Operator::start(&cluster, Some(source.url()));
    operator.until_decided(count).await;
    let seconds = Timestamp::now().duration_since(started).as_secs_f64();
    println!("fleet_{count}_start_to_all_decided {seconds:.1} s");
    // What the first evaluations have left to write goes first: until nothing is written for a while, or for long.
    for _ in 0..CALM_ROUNDS {
        let before = cluster.requests().map(|asked| asked.writes);
        tokio::time::sleep(Duration::from_secs(20).min(watched)).await;
        if cluster.requests().map(|asked| asked.writes) == before {
            break;
        }
    }
    println!("fleet_{count}_start_to_calm {:.0} s", Timestamp::now().duration_since(started).as_secs_f64());
    let (cpu, asked, queries) = (operator.cpu(), cluster.requests(), source.requests());
    tokio::time::sleep(watched).await;
    let minutes = watched.as_secs_f64() / 60.0;
    println!(
        "fleet_{count}_idle_cpu {:.1} % of a core",
        (operator.cpu() - cpu) / watched.as_secs_f64() * 100.0
    );
    println!("fleet_{count}_idle_rss {:.0} MB", operator.resident() / 1e6);
    if let (Some(before), Some(after)) = (asked, cluster.requests()) {
        let per_minute =
            |all: u64, before: u64| f64::from(u32::try_from(all - before).unwrap_or(u32::MAX)) / minutes;
        println!("fleet_{count}_idle_api_requests {:.0} per minute", per_minute(after.all, before.all));
        println!("fleet_{count}_idle_api_writes {:.0} per minute", per_minute(after.writes, before.writes));
    }
    let ticks = watched.as_secs_f64() / 15.0;
    let asked = f64::from(u32::try_from(source.requests() - queries).unwrap_or(u32::MAX));
    println!("fleet_{count}_idle_prometheus_requests {:.0} per tick", asked / ticks);
    operator.stop().await;
    cluster.end().await;
}
