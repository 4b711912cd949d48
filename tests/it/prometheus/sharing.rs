//! How many requests a source gets.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidetable::decision::{Decision, Milli, MissingCause, QueryRef};
use tidetable::operator::config::SourceConfig;
use tidetable::operator::{Occasion, Sources};

use crate::support::operator::{Stage, at, deployment, policy};
use crate::support::source::Source;

const START: &str = "2026-11-23T12:00:00Z";

const POLICIES: usize = 50;

/// Policies for as many workloads, all of which ask the same three queries.
fn crowd() -> Vec<Value> {
    let metrics: Vec<Value> = ["a", "b", "c"]
        .iter()
        .map(|query| json!({"name": query, "prometheus": {"query": query}, "target": {"averageValue": "10"}}))
        .collect();
    let named = |index: usize| {
        let name = format!("web-{index}");
        let mut policy = policy(&json!({"metrics": metrics}));
        policy["metadata"]["name"] = json!(name);
        policy["spec"]["scaleTargetRef"]["name"] = json!(name);
        [deployment(&name, 4), policy]
    };
    (0..POLICIES).flat_map(named).collect()
}

/// Waits until all policies have evaluated a tick, and gives one decision.
async fn all_at(stage: &mut Stage, tick: Timestamp) -> Decision {
    let mut last = None;
    for _ in 0..POLICIES {
        last = loop {
            let evaluation = stage.next().await;
            if evaluation.occasion == Occasion::Tick && evaluation.at == tick {
                break evaluation.decision;
            }
        };
    }
    last.expect("a decision")
}

fn by_query(source: &Source, tick: Timestamp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for asked in source.asked() {
        assert_eq!(asked.time, format!("{}.000", tick.as_second()));
        *counts.entry(asked.query).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(query, count)| (query.to_owned(), count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_queries_of_fifty_policies_are_one_request_a_tick() {
    let source = Source::start().await;
    for query in ["a", "b", "c"] {
        source.set(query, Some(40.0));
    }
    let mut stage = Stage::with(START, &crowd(), &source.config()).await;
    let mut now = at(START);
    for _ in 0..3 {
        all_at(&mut stage, now).await;
        assert_eq!(by_query(&source, now), counts([("a", 1), ("b", 1), ("c", 1)]), "{now}");
        now += SignedDuration::from_secs(15);
        stage.clock.advance_to(now);
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_source_costs_one_attempt_a_tick_and_a_living_one_is_asked_at_once() {
    let source = Source::start().await;
    source.away(true);
    let mut stage = Stage::with(START, &crowd(), &source.config()).await;
    let mut now = at(START);
    all_at(&mut stage, now).await;
    let first = source.turned_away();
    assert!((1..=3).contains(&first), "three queries, which may have begun together: {first}");
    for _ in 0..3 {
        now += SignedDuration::from_secs(15);
        stage.clock.advance_to(now);
        all_at(&mut stage, now).await;
        assert_eq!(source.turned_away(), 1, "{now}");
    }
    let status = stage.status("web-7").await;
    let problems: Vec<_> =
        status.decision.expect("a decision").metrics.into_iter().map(|metric| metric.problem).collect();
    let problem = "Unreachable: the connection to the source broke".to_owned();
    assert_eq!(problems, [Some(problem.clone()), Some(problem.clone()), Some(problem)]);
    source.away(false);
    now += SignedDuration::from_secs(15);
    stage.clock.advance_to(now);
    all_at(&mut stage, now).await;
    assert_eq!(by_query(&source, now), counts([("1", 1), ("a", 1), ("b", 1), ("c", 1)]), "with a probe");
    now += SignedDuration::from_secs(15);
    stage.clock.advance_to(now);
    all_at(&mut stage, now).await;
    assert_eq!(by_query(&source, now), counts([("a", 1), ("b", 1), ("c", 1)]), "without");
    assert_eq!(source.turned_away(), 0);
    stage.stop().await;
}

fn query(expression: &str) -> QueryRef {
    QueryRef { source: "default".into(), expression: expression.into(), freshness: None }
}

#[tokio::test]
async fn a_namespace_that_is_not_allowed_asks_nothing() {
    let source = Source::start().await;
    source.set("a", Some(4.0));
    let config = SourceConfig {
        namespaces: Some(["shop".to_owned()].into()),
        ..SourceConfig::new("default", source.url())
    };
    let sources = Sources::new(&[config]).expect("sources");
    let problem = sources.read("bank", &query("a"), at(START)).await.expect_err("not allowed");
    assert_eq!(problem.cause, MissingCause::NotAllowed);
    assert_eq!(problem.message, "policies in the namespace \"bank\" may not use the source \"default\"");
    assert_eq!(source.asked(), []);
    assert_eq!(sources.read("shop", &query("a"), at(START)).await, Ok(Milli::new(4000)));
}

#[tokio::test]
async fn a_policy_whose_namespace_may_not_use_a_source_says_so_and_scales_by_nothing_of_it() {
    let source = Source::start().await;
    source.set("qps", Some(100.0));
    let config = format!("sources: [{{url: '{}', namespaces: [shop]}}]", source.url());
    let metric = json!({"metrics": [{"name": "qps", "prometheus": {"query": "qps"},
        "target": {"averageValue": "10"}}]});
    let mut stage = Stage::with(START, &[deployment("web", 4), policy(&metric)], &config).await;
    while stage.next().await.occasion != Occasion::Tick {}
    stage.until_told().await;
    let metrics = stage.status("web").await.decision.expect("a decision").metrics;
    let problem = metrics[0].problem.as_deref().expect("a problem");
    assert_eq!(
        problem,
        "NotAllowed: policies in the namespace \"default\" may not use the source \"default\""
    );
    assert_eq!(stage.replicas("web").await, 4);
    assert_eq!(source.asked(), []);
    stage.stop().await;
}

#[tokio::test]
async fn late_comers_get_the_answer_of_their_own_instant_without_a_request() {
    let source = Source::start().await;
    let sources = Sources::new(&[SourceConfig::new("default", source.url())]).expect("sources");
    let (first, second) = (at(START), at(START) + SignedDuration::from_secs(15));
    source.set("a", Some(1.0));
    assert_eq!(sources.read("x", &query("a"), first).await, Ok(Milli::new(1000)));
    source.set("a", Some(2.0));
    assert_eq!(sources.read("x", &query("a"), second).await, Ok(Milli::new(2000)));
    assert_eq!(sources.read("y", &query("a"), first).await, Ok(Milli::new(1000)), "as punctual ones saw it");
    assert_eq!(source.asked().len(), 2);
}
