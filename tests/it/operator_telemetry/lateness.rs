//! How late edges are written, as the operator's metrics tell it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use tidetable::operator::{LeaseOptions, Occasion, OperatorOptions, Outcome};

use super::*;
use crate::cluster::stage::HOME;
use crate::support::faults::{self, Fault};
use crate::support::operator::{Stage, at, options, run, scaled};
use crate::support::{free_port, metrics};

/// The first edge. It is no tick.
const EDGE: &str = "2026-11-23T06:00:07Z";

const ORIGIN: &str = "2026-11-23T05:59:50Z";

/// Nothing, 12 from [`EDGE`] on, and 14 twenty seconds later.
fn two_edges() -> Value {
    json!({"minReplicas": 0, "schedule": {"entries": [
        {"name": "opening", "at": "2026-11-23T06:00:07", "for": "1h", "replicas": 12},
        {"name": "crowd", "at": "2026-11-23T06:00:27", "for": "1h", "replicas": 14},
    ]}})
}

fn one_edge() -> Value {
    let mut spec = two_edges();
    spec["schedule"]["entries"].as_array_mut().expect("entries").pop();
    spec
}

/// An operator whose metrics are served, and what becomes of its writes.
struct Watched {
    stage: Stage,
    listen: SocketAddr,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Watched {
    async fn with(origin: &str, replicas: i32, spec: &Value) -> Self {
        let mut stage = Stage::with(origin, &[], "{}").await;
        stage.end_operator().await;
        for object in [deployment("web", replicas), policy(spec)] {
            stage.sandbox.create(object).expect("a valid object");
        }
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut watched = Self { stage, listen, fault: Arc::default() };
        watched.start(None).await;
        watched
    }

    async fn start(&mut self, lease: Option<LeaseOptions>) {
        let client = faults::between(self.stage.own.clone(), Arc::clone(&self.fault)).await;
        let options = options(client, &self.stage.clock, "{}");
        let options = OperatorOptions { listen: Some(self.listen), lease, ..options };
        (self.stage.operator, self.stage.evaluations, self.stage.shutdown) = run(options);
        self.stage.next().await;
    }

    /// Sets the clock to so many seconds after the edge, and gives the next evaluation.
    async fn evaluated_at(&mut self, second: i64) -> (Occasion, Outcome) {
        self.stage.clock.advance_to(at(EDGE) + SignedDuration::from_secs(second));
        let evaluation = self.stage.next().await;
        (evaluation.occasion, evaluation.outcome)
    }

    /// How many edges were counted, and how late they were in all.
    async fn lateness(&self) -> (f64, f64) {
        let text = metrics(self.listen.port()).await.expect("metrics");
        let of = |end| sample(&text, &format!("tidetable_edge_to_write_seconds_{end}")).expect("a sample");
        (of("count"), of("sum"))
    }
}

#[tokio::test]
async fn an_edge_that_comes_late_is_counted_with_all_of_its_lateness() {
    for (spec, second, to, late) in
        [(one_edge(), 4, 12, 4.0), (one_edge(), 23, 12, 23.0), (two_edges(), 23, 14, 3.0)]
    {
        let mut watched = Watched::with(ORIGIN, 0, &spec).await;
        assert_eq!(watched.evaluated_at(second).await, (Occasion::Edge, scaled(0, to)));
        assert_eq!(watched.lateness().await, (1.0, late), "of {to}, {second} s after the first");
        watched.stage.stop().await;
    }
}

#[tokio::test]
async fn an_edge_counts_until_its_number_is_in_place_whatever_it_is_then_written_for() {
    let refused = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
    for (spec, fault, second, outcome, late) in [
        (one_edge(), Fault::Overload(22), 23, scaled(0, 12), 23.0),
        (two_edges(), Fault::Overload(22), 23, scaled(0, 14), 3.0),
        // Carried out, and nobody knows it until it is found.
        (one_edge(), refused, 1, Outcome::Unchanged, 1.0),
        (one_edge(), Fault::Cut, 1, Outcome::Unchanged, 1.0),
    ] {
        let mut watched = Watched::with(ORIGIN, 0, &spec).await;
        assert_eq!(watched.evaluated_at(-7).await, (Occasion::Tick, Outcome::Unchanged));
        *watched.fault.lock().expect("no panic") = Some(fault);
        let (occasion, failure) = watched.evaluated_at(0).await;
        assert!(occasion == Occasion::Edge && matches!(failure, Outcome::Failed { .. }), "{failure:?}");
        assert_eq!(watched.lateness().await, (0.0, 0.0), "{fault:?}");
        assert_eq!(watched.evaluated_at(second).await.1, outcome, "{fault:?}");
        assert_eq!(watched.lateness().await, (1.0, late), "{fault:?}");
        watched.stage.stop().await;
    }
}

#[tokio::test]
async fn an_edge_that_came_while_nobody_led_is_counted_by_whoever_leads_next() -> Checked {
    let mut watched = Watched::with(ORIGIN, 0, &one_edge()).await;
    watched.stage.end_operator().await;
    let (namespace, name, identity) = (HOME.to_owned(), "tidetable".to_owned(), "one".to_owned());
    let lease = LeaseOptions { namespace, name, shard: None, identity, duration: LeaseOptions::DURATION };
    watched.start(Some(lease)).await;
    let leases = Api::<Lease>::namespaced(watched.stage.client.clone(), HOME);
    let theirs = json!({"spec": {"holderIdentity": "somebody who dies"}});
    leases.patch("tidetable", &PatchParams::default(), &Patch::Merge(theirs)).await?;
    let mut led = None;
    for second in -16..60 {
        watched.stage.clock.advance_to(at(EDGE) + SignedDuration::from_secs(second));
        tokio::time::sleep(Duration::from_millis(20)).await;
        led = watched.stage.evaluations.try_recv().ok();
        if led.is_some() {
            break;
        }
    }
    let led = led.ok_or("it never leads again")?;
    assert_eq!((led.occasion, led.outcome), (Occasion::First, scaled(0, 12)));
    let late = led.at.duration_since(at(EDGE)).as_secs_f64();
    assert!(late > 0.0, "{late}");
    // The clock may have gone on while it was written.
    let most = watched.stage.clock.now().duration_since(at(EDGE)).as_secs_f64();
    let (count, sum) = watched.lateness().await;
    assert!((late..=most).contains(&sum), "{sum}: {late} to {most}");
    assert_eq!((count, sum), (1.0, sum));
    watched.stage.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_edge_that_writes_nothing_is_not_counted_with_what_is_written_later() {
    for (mode, outcome) in [("Active", Outcome::Unchanged), ("DryRun", Outcome::DryRun)] {
        let mut spec = one_edge();
        spec["mode"] = json!(mode);
        let mut watched = Watched::with(ORIGIN, 12, &spec).await;
        watched.stage.scale_by_hand("web", 12).await;
        while watched.evaluated_at(0).await != (Occasion::Edge, outcome) {}
        watched.stage.scale_by_hand("web", 5).await;
        watched.stage.patch_policy(&json!({"spec": {"mode": "Active"}})).await;
        while watched.evaluated_at(8).await.1 != scaled(5, 12) {}
        assert_eq!(watched.lateness().await, (0.0, 0.0), "{mode}");
        watched.stage.stop().await;
    }
}

#[tokio::test]
async fn an_edge_of_before_the_operator_is_not_counted() {
    let mut watched = Watched::with(ORIGIN, 0, &one_edge()).await;
    watched.stage.until_status("web", |status| status.next_change.is_some()).await;
    watched.stage.end_operator().await;
    watched.stage.clock.advance_to(at(EDGE) + SignedDuration::from_secs(1));
    watched.start(None).await;
    assert_eq!(watched.stage.replicas("web").await, 12);
    assert_eq!(watched.lateness().await, (0.0, 0.0));
    watched.stage.stop().await;
}
