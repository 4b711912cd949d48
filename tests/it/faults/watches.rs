//! Watches that nobody ends, and from which nothing comes any more.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::DeleteParams;
use kube::{Api, Client};
use serde_json::json;
use tidetable::operator::{OperatorOptions, Outcome};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::stage::until;
use crate::support::operator::{SHORT, Stage, at, day_and_night, deployment, options, policy, run, scaled};
use crate::support::proxy::{Proxy, Trouble};
use crate::support::{free_port, metrics, sample};

#[tokio::test]
async fn a_watch_whose_connection_is_dead_is_given_up_and_what_it_missed_is_learned() {
    let objects = [deployment("web", 3), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    stage.end_operator().await;
    let proxy = Proxy::before(stage.own.clone()).await;
    let mut config = proxy.config();
    // As in `tidetable run`, and sooner.
    config.read_timeout = Some(SHORT);
    config.reset_reader_on_write = true;
    let client = Client::try_from(config).expect("a client");
    (stage.operator, stage.evaluations, stage.shutdown) = run(options(client, &stage.clock, "{}"));
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);

    proxy.trouble.send_replace(Trouble::HalfOpen);
    stage.patch_policy(&json!({"spec": {"minReplicas": 15}})).await;
    proxy.trouble.send_replace(Trouble::Nothing);
    // The clock stands still: nothing but a watch can tell.
    assert_eq!(stage.next().await.outcome, scaled(12, 15));
    stage.stop().await;
}

#[tokio::test]
async fn who_was_cut_off_writes_nothing_before_it_knows_what_became_of_the_policies() {
    for change in [
        Some(json!({"spec": {"mode": "Paused"}})),
        Some(
            json!({"spec": {"minReplicas": 7, "schedule": {"entries": [{"name": "all", "cron": "0 0 * * *", "replicas": 7}]}}}),
        ),
        None,
    ] {
        let objects = [deployment("web", 12), policy(&day_and_night())];
        let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
        stage.end_operator().await;
        let proxy = Proxy::before(stage.own.clone()).await;
        (stage.operator, stage.evaluations, stage.shutdown) =
            run(options(proxy.client(), &stage.clock, "{}"));
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
        proxy.trouble.send_replace(Trouble::Gone);
        // Watches find out, and wait ever longer.
        until("many tries", async || proxy.struck() > 12).await.expect("in time");
        let version = stage.scale_unseen("person", "web", 7).await;
        match &change {
            Some(change) => stage.patch_policy(change).await,
            None => drop(stage.policies().delete("web", &DeleteParams::default()).await.expect("deleted")),
        }
        let lists = lists_of_policies(&stage);
        // A tick that is due, and the connection is back.
        stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
        proxy.trouble.send_replace(Trouble::Nothing);
        if let Some(change) = &change {
            let expected =
                if change["spec"]["mode"] == "Paused" { Outcome::Paused } else { Outcome::Unchanged };
            assert_eq!(stage.next().await.outcome, expected, "{change}");
        } else {
            stage.clock.advance_to(at("2026-11-23T12:00:30Z"));
            until("the list", async || lists_of_policies(&stage) > lists).await.expect("in time");
        }
        let workload = Api::<Deployment>::default_namespaced(stage.client.clone()).get("web").await;
        assert_eq!(workload.expect("the workload").metadata.resource_version, version, "{change:?}");
        stage.stop().await;
    }
}

/// A policy whose window has begun, an operator behind a proxy that lets nothing through any more, and a query that it waits
/// for. When that is given up, the window is over, and nothing may be written yet.
/// Its metrics are served at this port.
async fn cut_off_at_an_edge(port: u16) -> (Stage, Proxy, TcpListener, TcpStream) {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let config = format!("sources: [{{url: 'http://{}'}}]", silent.local_addr().expect("an address"));
    let spec = json!({
        "minReplicas": 2,
        "schedule": {"entries": [{"name": "later", "cron": "1 12 * * *", "for": "1h", "replicas": 7}]},
        "metrics": [{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}],
    });
    let mut stage =
        Stage::with("2026-11-23T12:00:50Z", &[deployment("web", 2), policy(&spec)], &config).await;
    stage.end_operator().await;
    let proxy = Proxy::before(stage.own.clone()).await;
    let options = options(proxy.client(), &stage.clock, &config);
    let options = OperatorOptions { listen: Some(([127, 0, 0, 1], port).into()), ..options };
    (stage.operator, stage.evaluations, stage.shutdown) = run(options);
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    // An edge and a tick, whose query gets no answer.
    stage.clock.advance_to(at("2026-11-23T12:01:00Z"));
    let (query, _) = silent.accept().await.expect("a query");
    assert_eq!(stage.next().await.outcome, scaled(2, 7));
    proxy.trouble.send_replace(Trouble::Gone);
    let before = proxy.struck();
    until("many tries", async || proxy.struck() > before + 12).await.expect("in time");
    // Its end, an hour later, comes while that query is still waited for.
    stage.clock.advance_to(at("2026-11-23T13:01:00Z"));
    let before = proxy.struck();
    until("the policies to be asked for again", async || proxy.struck() > before + 1).await.expect("in time");
    (stage, proxy, silent, query)
}

#[tokio::test]
async fn an_edge_that_comes_while_a_query_hangs_and_nothing_may_be_written_is_written_when_it_may() {
    let (mut stage, proxy, ..) = cut_off_at_an_edge(free_port()).await;
    proxy.trouble.send_replace(Trouble::Nothing);
    while stage.next().await.outcome != scaled(7, 2) {}
    stage.stop().await;
}

#[tokio::test]
async fn a_policy_that_becomes_invalid_while_nothing_may_be_written_is_followed_again_when_it_is_mended() {
    let port = free_port();
    let (mut stage, proxy, ..) = cut_off_at_an_edge(port).await;
    let entries = |cron: &str| json!({"spec": {"schedule": {"entries": [{"name": "all", "cron": cron, "replicas": 9}]}}});
    stage.patch_policy(&entries("0 31 31 2 *")).await;
    proxy.trouble.send_replace(Trouble::Nothing);
    stage.condition("Ready", "InvalidSpec").await;
    let reconciles = async || sample(&metrics(port).await.expect("metrics"), "tidetable_reconciles_total");
    until("the operator to rest", async || {
        let count = reconciles().await;
        for _ in 0..10 {
            if reconciles().await != count {
                return false;
            }
        }
        count.is_some()
    })
    .await
    .expect("in time");
    stage.patch_policy(&entries("0 0 * * *")).await;
    while stage.next().await.outcome != scaled(7, 9) {}
    stage.stop().await;
}

fn lists_of_policies(stage: &Stage) -> u64 {
    stage.asked(|seen| {
        seen.verb == "list" && seen.resource == "scalepolicies" && seen.user.ends_with(":tidetable")
    })
}
