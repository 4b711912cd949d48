//! Watches that nobody ends, and from which nothing comes any more.

use std::time::Duration;

use kube::Client;
use serde_json::json;
use tidetable::operator::Outcome;

use crate::support::operator::{Stage, day_and_night, deployment, options, policy, run, scaled};
use crate::support::proxy::{Proxy, Trouble};

#[tokio::test]
async fn a_watch_whose_connection_is_dead_is_given_up_and_what_it_missed_is_learned() {
    let objects = [deployment("web", 3), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    stage.end_operator().await;
    let proxy = Proxy::before(stage.own.clone()).await;
    let mut config = proxy.config();
    // As in `tidetable run`, and sooner.
    config.read_timeout = Some(Duration::from_millis(500));
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
