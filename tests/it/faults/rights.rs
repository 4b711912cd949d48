//! What the operator may watch is withdrawn while it runs: it goes on by other means or says that it can't, and is as
//! calm as before once it may again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tidetable::clock::Clock;
use tidetable::operator::OperatorOptions;
use tidetable::sandbox::{Sandbox, SandboxOptions};

use crate::support::operator::{
    SHORT, Stage, admitted, at, day_and_night, definitions, deployment, options, policy, run,
};
use crate::support::proxy::{Proxy, Trouble};
use crate::support::source::Source;

/// The distance between two ticks.
const TICK: SignedDuration = SignedDuration::from_secs(15);

/// Real time: the longest wait for what a watch has to find out.
const PATIENCE: Duration = Duration::from_secs(60);

/// An operator on a virtual clock that reaches its API server through a proxy.
struct Journey {
    stage: Stage,
    proxy: Proxy,
    now: Timestamp,
}

impl Journey {
    async fn begin(origin: &str, objects: &[Value], config: &str, trouble: Trouble) -> Self {
        let clock = Clock::stopped_at(at(origin));
        let sandbox = Sandbox::start(SandboxOptions::new(clock.clone())).await.expect("a sandbox");
        for object in definitions().iter().chain(objects) {
            sandbox.create(object.clone()).expect("a valid object");
        }
        let (client, own) = (sandbox.client().expect("a client"), admitted(&sandbox));
        let proxy = Proxy::before(own.clone()).await;
        proxy.trouble.send_replace(trouble);
        let (operator, evaluations, shutdown) =
            run(OperatorOptions { kube_timeout: SHORT, ..options(proxy.client(), &clock, config) });
        let stage = Stage { sandbox, client, own, clock, evaluations, shutdown, operator };
        Self { stage, proxy, now: at(origin) }
    }

    /// A workload at noon, and its replicas as the schedule has them.
    async fn by_day() -> Self {
        let objects = [deployment("web", 5), policy(&day_and_night())];
        let mut journey = Journey::begin("2026-11-23T12:00:00Z", &objects, "{}", Trouble::Nothing).await;
        journey.ticks_until(async |journey| journey.stage.replicas("web").await == 12).await;
        journey
    }

    /// Gives the rule for a resource other verbs, and cuts all watches so that they have to be asked for again.
    async fn allow(&self, resource: &str, verbs: &[&str]) {
        self.stage.allow(resource, verbs).await;
        self.proxy.trouble.send_replace(Trouble::Nothing);
    }

    /// Scales the deployment `web` as a person would.
    async fn scale_by_hand(&self, replicas: i32) {
        let api = Api::<Deployment>::default_namespaced(self.stage.client.clone());
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        api.patch_scale("web", &PatchParams::default(), &patch).await.expect("scaled by hand");
    }

    /// How often the operator has read a workload.
    fn reads(&self) -> u64 {
        self.stage.asked(|request| request.verb == "get" && request.subresource == "scale")
    }

    async fn tick(&mut self) {
        let now = self.stage.clock.now();
        let into = SignedDuration::from_secs(now.as_second().rem_euclid(TICK.as_secs()));
        self.now = now + TICK - into;
        self.stage.clock.advance_to(self.now);
        while self.stage.next().await.at < self.now {}
    }

    /// Goes from tick to tick until this is so after one of them.
    async fn ticks_until(&mut self, mut is_so: impl AsyncFnMut(&Self) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !is_so(self).await {
                // What a watch has to find out takes real time.
                tokio::time::sleep(Duration::from_millis(50)).await;
                self.tick().await;
            }
        });
        waited.await.expect("it is so in time");
    }

    /// Goes from tick to tick until one of them reads no workload.
    async fn ticks_until_calm(&mut self) {
        let mut before = None;
        self.ticks_until(async |journey| before.replace(journey.reads()) == Some(journey.reads())).await;
    }
}

#[tokio::test]
async fn workloads_that_may_not_be_watched_any_more_are_read_at_each_tick_until_they_may() {
    let mut journey = Journey::by_day().await;
    journey.ticks_until_calm().await;

    journey.allow("deployments", &["get"]).await;
    journey.scale_by_hand(9).await;
    journey.ticks_until(async |journey| journey.stage.replicas("web").await == 12).await;
    for _ in 0..3 {
        let before = journey.reads();
        journey.tick().await;
        assert!(journey.reads() > before, "it may be otherwise than it was");
    }

    journey.allow("deployments", &["get", "list", "watch"]).await;
    journey.ticks_until_calm().await;
    journey.scale_by_hand(8).await;
    journey.ticks_until(async |journey| journey.stage.replicas("web").await == 12).await;
    journey.stage.stop().await;
}

#[tokio::test]
async fn workloads_that_may_be_listed_and_not_watched_are_put_right() {
    let mut journey = Journey::by_day().await;
    journey.allow("deployments", &["get", "list"]).await;
    for replicas in [9, 7] {
        journey.scale_by_hand(replicas).await;
        journey.ticks_until(async |journey| journey.stage.replicas("web").await == 12).await;
    }
    journey.stage.stop().await;
}

#[tokio::test]
async fn of_pods_that_may_not_be_watched_any_more_nothing_is_claimed_and_none_holds_the_load() {
    let source = Source::start().await;
    source.set("qps", Some(40.0));
    let load = policy(&json!({
        "metrics": [{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}],
    }));
    let objects = [deployment("web", 4), load];
    let mut journey =
        Journey::begin("2026-11-23T12:00:00Z", &objects, &source.config(), Trouble::Nothing).await;
    journey.stage.stuck_pod("stuck", "2026-11-23T11:50:00Z").await;
    let mut now = journey.stage.clock.now();
    journey.stage.condition_at_ticks("CapacityLimited", "Capacity", &mut now).await;
    source.set("qps", Some(90.0));
    journey.tick().await;
    assert_eq!(journey.stage.replicas("web").await, 4, "held");

    journey.allow("pods", &["get"]).await;
    now = journey.stage.clock.now();
    journey.stage.condition_at_ticks("CapacityLimited", "PodsUnknown", &mut now).await;
    let said = journey.stage.condition("CapacityLimited", "PodsUnknown").await;
    assert!(said.contains("pods is forbidden"), "{said}");
    journey.ticks_until(async |journey| journey.stage.replicas("web").await == 9).await;

    now = journey.stage.clock.now();
    journey.stage.delete_pod("stuck").await;
    journey.allow("pods", &["list", "watch"]).await;
    journey.stage.condition_at_ticks("CapacityLimited", "EnoughRoom", &mut now).await;
    journey.stage.stop().await;
}

#[tokio::test]
async fn policies_that_may_not_be_watched_any_more_keep_their_schedules() {
    let mut journey = Journey::by_day().await;
    journey.allow("scalepolicies", &["get"]).await;
    let refused = |journey: &Journey| {
        journey.stage.asked(|request| request.verb == "list" && request.resource == "scalepolicies")
    };
    let before = refused(&journey);
    journey.ticks_until(async |journey| refused(journey) > before).await;
    // The night begins at 20:00 in Berlin.
    journey.stage.clock.advance_to(at("2026-11-23T18:59:50Z"));
    journey.tick().await;
    journey.ticks_until(async |journey| journey.stage.replicas("web").await == 0).await;
    // A change of the policy counts once it may be seen.
    journey.stage.patch_policy(&json!({"spec": {"minReplicas": 3}})).await;
    journey.allow("scalepolicies", &["list", "watch"]).await;
    journey.ticks_until(async |journey| journey.stage.replicas("web").await == 3).await;
    journey.stage.stop().await;
}

#[tokio::test]
async fn a_list_of_others_who_scale_that_is_never_answered_stops_nothing() {
    let objects = [deployment("web", 5), policy(&day_and_night())];
    let mut journey = Journey::begin("2026-11-23T12:00:00Z", &objects, "{}", Trouble::UnansweredRivals).await;
    let first = journey.stage.next().await;
    assert_eq!((first.name.as_str(), journey.stage.replicas("web").await), ("web", 12));
    assert!(journey.proxy.struck() > 0);
    journey.tick().await;
    journey.stage.clock.advance_to(at("2026-11-23T19:00:00Z"));
    while journey.stage.next().await.at < at("2026-11-23T19:00:00Z") {}
    journey.ticks_until(async |journey| journey.stage.replicas("web").await == 0).await;
    journey.stage.stop().await;
}
