//! What was begun under a spec that counts no more when it could be written.

use kube::api::DeleteParams;
use serde_json::{Value, json};
use tidetable::operator::{Evaluation, Occasion, Outcome};

use crate::cluster::stage::{Checked, until};
use crate::support::operator::{Stage, at, deployment, policy, policy_for, scaled};
use crate::support::source::Source;

/// What somebody does to a policy.
#[derive(Debug)]
enum Deed {
    Change(Value),
    Delete,
}

/// A policy whose metric asks for 12 replicas where there are 5, and whose tick of 12:00:15 waits for it.
async fn waiting() -> Checked<(Stage, Source)> {
    let source = Source::start().await;
    source.set("qps", Some(120.0));
    let metrics = json!([{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}]);
    let objects = [deployment("web", 5), policy(&json!({"metrics": metrics}))];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, &source.config()).await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    source.hold(true);
    stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
    until("the metric to be asked for", async || !source.asked().is_empty()).await?;
    Ok((stage, source))
}

/// Waits until the operator has seen what became of the policy: whoever has seen the one that is made here has.
async fn watched(stage: &mut Stage) -> Checked {
    for object in [deployment("api", 12), policy_for("api")] {
        stage.sandbox.create(object)?;
    }
    while stage.next().await.name != "api" {}
    Ok(())
}

async fn next_of_web(stage: &mut Stage) -> Evaluation {
    loop {
        let next = stage.next().await;
        if next.name == "web" {
            return next;
        }
    }
}

#[tokio::test]
async fn a_tick_that_waited_for_its_metrics_writes_nothing_under_a_spec_that_counts_no_more() -> Checked {
    let overridden =
        json!({"metadata": {"annotations": {"tidetable.dev/override": "15 until 2026-11-23T18:00:00Z"}}});
    for (deed, outcome) in [
        (Deed::Change(json!({"spec": {"mode": "Paused"}})), Some(Outcome::Paused)),
        (Deed::Change(json!({"spec": {"mode": "DryRun"}})), Some(Outcome::DryRun)),
        (Deed::Change(overridden), Some(scaled(7, 15))),
        (Deed::Delete, None),
    ] {
        let (mut stage, source) = waiting().await?;
        match &deed {
            Deed::Change(patch) => stage.patch_policy(patch).await,
            Deed::Delete => drop(stage.policies().delete("web", &DeleteParams::default()).await?),
        }
        stage.scale_by_hand("web", 7).await;
        watched(&mut stage).await?;
        source.hold(false);
        if let Some(outcome) = outcome {
            let next = next_of_web(&mut stage).await;
            assert_eq!((next.occasion, next.outcome), (Occasion::First, outcome));
        }
        // What had begun is over by the next tick.
        stage.clock.advance_to(at("2026-11-23T12:00:30Z"));
        let is_over = |next: &Evaluation| next.name == "api" && next.at == at("2026-11-23T12:00:30Z");
        while !is_over(&stage.next().await) {}
        let to = if let Some(Outcome::Scaled { .. }) = outcome { 15 } else { 7 };
        assert_eq!(stage.replicas("web").await, to, "{deed:?}");
        stage.stop().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_tick_that_began_under_another_spec_is_evaluated_under_this_one() -> Checked {
    let (mut stage, source) = waiting().await?;
    stage.patch_policy(&json!({"spec": {"maxReplicas": 8}})).await;
    watched(&mut stage).await?;
    source.hold(false);
    for (occasion, outcome) in [(Occasion::First, Outcome::Unchanged), (Occasion::Tick, scaled(5, 8))] {
        let next = next_of_web(&mut stage).await;
        assert_eq!((next.occasion, next.outcome), (occasion, outcome));
        assert_eq!(next.at, at("2026-11-23T12:00:15Z"));
    }
    stage.stop().await;
    Ok(())
}
