//! The operator between the sandbox's API and a real Prometheus server that holds a recorded hour.

mod failures;
mod history;
mod reload;
mod secrets;
mod sharing;

use jiff::{SignedDuration, Timestamp};
use tidetable::operator::config::SourceConfig;
use tidetable::simulation::scenario::{self, Overrides};
use tidetable::simulation::traffic::Traffic;

use crate::differential::{Played, play};
use crate::support::prometheus::Prometheus;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn source(url: &str) -> SourceConfig {
    SourceConfig::new("default", url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_follow_what_a_real_server_counted() {
    // 600 qps for half an hour, then 1500.
    let from = at("2026-11-23T12:00:00Z");
    let rise = at("2026-11-23T12:30:00Z");
    let qps = |now: Timestamp| if now < rise { 600.0 } else { 1500.0 };
    let end = from + SignedDuration::from_hours(1);
    let server = Prometheus::with_requests(from - SignedDuration::from_mins(10), end, qps);
    let scenario = scenario::parse(
        "hour.yaml".as_ref(),
        "
policy: policy.yaml
from: 2026-11-23T12:00:00Z
length: 1h
traffic: [{constant: 0}]
plant: {startup: 1s, capacityPerReplica: 100, initialReplicas: 6}
",
        &Overrides::default(),
        |_| {
            Ok("
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 50
  metrics:
  - name: qps
    prometheus: {query: 'sum(rate(http_requests_total{app=\"web\"}[1m]))'}
    target: {averageValue: 100}
"
            .to_owned())
        },
    );
    let mut scenario = scenario.expect("a good scenario");
    scenario.traffic = Traffic::constant(0.0);
    let Played { writes, replicas } = play(&scenario, Some(source(server.url()))).await;
    assert_eq!(replicas.first().map(|(_, count)| *count), Some(6));
    assert_eq!(replicas.last().map(|(_, count)| *count), Some(15));
    // The rate over a minute passes through everything between: up only, in no more than a minute or so.
    assert!(writes.iter().all(|(_, _, from, to)| from < to), "{writes:?}");
    let settled = writes.last().map(|(_, at, ..)| *at).expect("a write");
    assert!(settled > rise && settled <= rise + SignedDuration::from_secs(75), "{settled}");
}
