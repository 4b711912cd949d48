//! What the operator does when the API server fails it.

mod courses;
mod kills;
mod rights;
mod watches;

use std::sync::{Arc, Mutex};

use tidetable::operator::{Evaluation, Occasion, Outcome};

use crate::support::faults::Fault;
use crate::support::operator::{Stage, at, deployment, policy_for, scaled};

#[tokio::test]
async fn who_is_asked_to_wait_sends_nothing_until_then_and_nobody_else_waits() {
    let fault = Arc::new(Mutex::new(None));
    let objects = [deployment("web", 0), deployment("api", 0), policy_for("web"), policy_for("api")];
    let mut stage = Stage::with_fault("2026-11-23T05:59:46Z", &objects, Arc::clone(&fault)).await;
    for _ in 0..2 {
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    }
    *fault.lock().expect("not poisoned") = Some(Fault::Overload(20));
    stage.clock.advance_to(at("2026-11-23T06:00:00Z"));
    let mut edges: Vec<Evaluation> = Vec::new();
    while edges.len() < 2 {
        let evaluation = stage.next().await;
        if evaluation.occasion == Occasion::Edge {
            edges.push(evaluation);
        } else {
            assert_eq!((evaluation.occasion, evaluation.outcome), (Occasion::Tick, Outcome::Unchanged));
        }
    }
    let is_refused = |edge: &&Evaluation| edge.outcome == Outcome::Failed { category: "refused" };
    let refused = edges.iter().find(is_refused).expect("one was refused").name.clone();
    let other = edges.iter().find(|edge| edge.name != refused).expect("the other one");
    assert_eq!(other.outcome, scaled(0, 12), "at the edge");
    assert_eq!(stage.replicas(&refused).await, 0);

    // The tick within the wait is the other's alone.
    stage.clock.advance_to(at("2026-11-23T06:00:15Z"));
    loop {
        let tick = stage.next().await;
        assert_eq!((&tick.name, tick.occasion), (&other.name, Occasion::Tick));
        if tick.at == at("2026-11-23T06:00:15Z") {
            break;
        }
    }
    stage.clock.advance_to(at("2026-11-23T06:00:21Z"));
    let retry = stage.next().await;
    assert_eq!((&retry.name, retry.occasion, retry.outcome), (&refused, Occasion::Retry, scaled(0, 12)));
    assert_eq!(stage.replicas(&refused).await, 12);
    stage.stop().await;
}

#[tokio::test]
async fn who_was_forestalled_looks_again_at_once_and_overwrites_nothing_unseen() {
    let fault = Arc::new(Mutex::new(None));
    let objects = [deployment("web", 0), policy_for("web")];
    let mut stage = Stage::with_fault("2026-11-23T05:59:46Z", &objects, Arc::clone(&fault)).await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    *fault.lock().expect("not poisoned") = Some(Fault::Forestalled(7));
    stage.clock.advance_to(at("2026-11-23T06:00:00Z"));
    let edge = stage.next().await;
    assert_eq!((edge.occasion, edge.outcome), (Occasion::Edge, scaled(7, 12)), "in one evaluation");
    assert_eq!(stage.replicas("web").await, 12);
    let told = stage.events().await.into_iter().map(|(_, note)| note);
    let told: Vec<String> = told.filter(|note| note.contains("7 was set by person")).collect();
    assert_eq!(told.len(), 1, "{:?}", stage.events().await);
    stage.stop().await;
}
