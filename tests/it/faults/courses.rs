//! Whatever goes wrong between the operator and its API server, for a minute around an edge: the replicas take
//! the same course as if nothing had, no number in between, and none again after it is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, CustomResourceExt};
use serde_json::{Value, json};
use tidetable::api::ScalePolicy;
use tidetable::clock::Clock;
use tidetable::operator::OperatorOptions;
use tidetable::sandbox::{Sandbox, SandboxOptions};

use crate::cluster::stage::until;
use crate::support::operator::{Started, admitted, at, definitions, deployment, options, policy, run};
use crate::support::proxy::{Proxy, Trouble};
use crate::support::source::Source;

/// Real time; the machine may be busy, and a watch that found nobody waits for up to half a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// A minute of this clock passes in two seconds.
const SPEED: f64 = 30.0;

/// What the operator's calls may take, ten seconds of this clock.
const CALL: Duration = Duration::from_millis(330);

/// What the course is without any trouble.
const FIRST: [&[i32]; 2] = [&[12], &[6]];
const BOTH: [&[i32]; 2] = [&[12, 5], &[6, 4]];

type Course = Arc<Mutex<Vec<i32>>>;

/// Two policies, one of them with a metric, under a clock that runs. Edges are at 07:00 and 07:10.
struct Voyage {
    sandbox: Sandbox,
    clock: Clock,
    proxy: Proxy,
    source: Source,
    operator: Started,
    /// The replicas of `web` and of `api`, each whenever they change.
    courses: [Course; 2],
}

fn web() -> Value {
    policy(&json!({"minReplicas": 2, "schedule": {"entries": [
        {"name": "day", "cron": "0 7 * * *", "replicas": 12},
        {"name": "later", "cron": "10 7 * * *", "replicas": 5},
    ]}}))
}

fn api() -> Value {
    let mut object = policy(&json!({
        "metrics": [{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}],
        "schedule": {"entries": [{"name": "opening", "cron": "0 7 * * *", "for": "10m", "replicas": 6}]},
    }));
    object["metadata"]["name"] = json!("api");
    object["spec"]["scaleTargetRef"]["name"] = json!("api");
    object
}

impl Voyage {
    /// Sets out at 06:59; the operator goes through the proxy, with `client` or else as an administrator.
    async fn begin(client: impl FnOnce(&Sandbox, &Proxy) -> Client) -> Self {
        let clock = Clock::scaled(at("2026-11-23T06:59:00Z"), SPEED);
        let sandbox = Sandbox::start(SandboxOptions::new(clock.clone())).await.expect("a sandbox");
        let objects = [deployment("web", 5), deployment("api", 4), web(), api()];
        for object in definitions().into_iter().chain(objects) {
            sandbox.create(object).expect("a valid object");
        }
        let source = Source::start().await;
        source.set("qps", Some(40.0));
        let proxy = Proxy::before(admitted(&sandbox)).await;
        let courses = [("web", 5), ("api", 4)].map(|(name, replicas)| followed(&sandbox, name, replicas));
        let options = options(client(&sandbox, &proxy), &clock, &source.config());
        let operator = run(OperatorOptions { kube_timeout: CALL, ..options });
        clock.start();
        Self { sandbox, clock, proxy, source, operator, courses }
    }

    async fn at(&self, time: &str) {
        self.clock.sleep_until(at(&format!("2026-11-23T{time}Z"))).await;
    }

    /// Waits until the replicas have taken this course; another one is a failure at once.
    async fn sails(&self, expected: [&[i32]; 2]) {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let courses = self.courses.each_ref().map(|course| course.lock().expect("no panic").clone());
                let on_course = |(course, expected): (&Vec<i32>, &&[i32])| expected.starts_with(course);
                assert!(
                    courses.iter().zip(&expected).all(on_course),
                    "{courses:?} on the way to {expected:?}"
                );
                if courses.iter().zip(&expected).all(|(course, expected)| course == expected) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(waited.await.is_ok(), "{:?} is never {expected:?}", self.courses);
    }

    /// From the first edge to the second, a moment later, and home.
    async fn ends(self) {
        self.sails(FIRST).await;
        let ahead = at("2026-11-23T07:09:50Z").duration_since(self.clock.now()).as_secs();
        self.clock.step(ahead);
        self.sails(BOTH).await;
        self.clock.sleep(Duration::from_secs(40)).await;
        self.sails(BOTH).await;
        let (operator, mut evaluations, shutdown) = self.operator;
        shutdown.cancel();
        while evaluations.recv().await.is_some() {}
        operator.await.expect("no panic").expect("no error");
        self.sandbox.shutdown().await;
    }
}

/// Notes the replicas of a deployment whenever they change.
fn followed(sandbox: &Sandbox, name: &'static str, replicas: i32) -> Course {
    let course = Course::default();
    let (noted, mut last) = (Arc::clone(&course), replicas);
    let api = Api::<Deployment>::default_namespaced(sandbox.client().expect("a client"));
    tokio::spawn(async move {
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut objects = watcher(api, only).default_backoff().applied_objects().boxed();
        while let Ok(Some(object)) = objects.try_next().await {
            let now = object.spec.and_then(|spec| spec.replicas).expect("replicas");
            if now != last {
                noted.lock().expect("no panic").push(now);
                last = now;
            }
        }
    });
    course
}

async fn survives(trouble: Trouble) {
    let voyage = Voyage::begin(|_, proxy| proxy.client()).await;
    voyage.at("06:59:30").await;
    voyage.proxy.trouble.send_replace(trouble);
    voyage.at("07:00:30").await;
    if trouble != Trouble::Nothing {
        until("the trouble to strike", async || voyage.proxy.struck() > 0).await.expect("a strike");
    }
    assert_eq!(voyage.proxy.struck() > 0, trouble != Trouble::Nothing);
    voyage.proxy.trouble.send_replace(Trouble::Nothing);
    voyage.ends().await;
}

#[tokio::test]
async fn a_calm_day() {
    survives(Trouble::Nothing).await;
}

#[tokio::test]
async fn the_api_server_is_gone() {
    survives(Trouble::Gone).await;
}

#[tokio::test]
async fn connections_are_half_open() {
    survives(Trouble::HalfOpen).await;
}

#[tokio::test]
async fn answers_are_slow() {
    survives(Trouble::Slow(CALL * 2 / 3)).await;
}

#[tokio::test]
async fn answers_take_longer_than_anyone_waits() {
    survives(Trouble::Slow(CALL * 2)).await;
}

#[tokio::test]
async fn watches_are_cut_every_few_seconds() {
    survives(Trouble::CutWatches(Duration::from_millis(150))).await;
}

#[tokio::test]
async fn what_watches_go_on_from_has_expired() {
    survives(Trouble::Expired).await;
}

#[tokio::test]
async fn writes_conflict() {
    survives(Trouble::RefusedWrites(StatusCode::CONFLICT)).await;
}

#[tokio::test]
async fn preconditions_of_writes_do_not_hold() {
    survives(Trouble::RefusedWrites(StatusCode::UNPROCESSABLE_ENTITY)).await;
}

#[tokio::test]
async fn writes_fail() {
    survives(Trouble::RefusedWrites(StatusCode::INTERNAL_SERVER_ERROR)).await;
}

#[tokio::test]
async fn there_are_too_many_requests() {
    survives(Trouble::Overload).await;
}

#[tokio::test]
async fn answers_to_writes_get_lost() {
    survives(Trouble::LostAnswers).await;
}

#[tokio::test]
async fn lists_have_an_object_that_nobody_can_read() {
    survives(Trouble::Garbage).await;
}

#[tokio::test]
async fn prometheus_is_gone() {
    let voyage = Voyage::begin(|_, proxy| proxy.client()).await;
    voyage.at("06:59:30").await;
    voyage.source.away(true);
    voyage.at("07:00:30").await;
    voyage.source.away(false);
    voyage.ends().await;
}

#[tokio::test]
async fn the_crd_is_deleted_and_made_again() {
    let voyage = Voyage::begin(|_, proxy| proxy.client()).await;
    let client = voyage.sandbox.client().expect("a client");
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    voyage.at("06:59:30").await;
    let crd = ScalePolicy::crd();
    let name = crd.metadata.name.clone().expect("a name");
    definitions.delete(&name, &DeleteParams::default()).await.expect("deleted");
    voyage.at("07:00:30").await;
    // Deletion takes its time.
    let created = async || definitions.create(&PostParams::default(), &crd).await.is_ok();
    until("the definition to be made again", created).await.expect("in time");
    for policy in [web(), api()] {
        let created = async || voyage.sandbox.create(policy.clone()).is_ok();
        until("its policies", created).await.expect("in time");
    }
    voyage.ends().await;
}

const RBAC: &str = "rbac.authorization.k8s.io";

#[tokio::test]
async fn what_the_operator_may_do_is_withdrawn_and_granted_again() {
    let user = "system:serviceaccount:default:operator";
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "operator"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "operator"},
        "subjects": [{"kind": "User", "apiGroup": RBAC, "name": user}],
    });
    let voyage = Voyage::begin(|sandbox, _| {
        let role = json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
            "metadata": {"name": "operator"},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
        for object in [role, binding.clone()] {
            sandbox.create(object).expect("a valid object");
        }
        sandbox.client_for(&sandbox.add_token(user)).expect("a client")
    })
    .await;
    let bindings = Api::<ClusterRoleBinding>::all(voyage.sandbox.client().expect("a client"));
    voyage.at("06:59:30").await;
    bindings.delete("operator", &DeleteParams::default()).await.expect("deleted");
    voyage.at("07:00:30").await;
    voyage.sandbox.create(binding.clone()).expect("a valid object");
    voyage.ends().await;
}

#[tokio::test]
async fn the_clock_is_stepped_by_an_hour_both_ways() {
    let voyage = Voyage::begin(|_, proxy| proxy.client()).await;
    voyage.at("06:59:20").await;
    voyage.clock.step(-3600);
    voyage.clock.sleep(Duration::from_secs(40)).await;
    voyage.sails([&[], &[]]).await;
    voyage.clock.step(3600);
    voyage.sails(FIRST).await;
    // An hour later both edges have been; and then they have not.
    voyage.clock.step(3600);
    voyage.sails(BOTH).await;
    voyage.clock.step(-3600);
    voyage.sails([&[12, 5, 12], &[6, 4, 6]]).await;
    let ahead = at("2026-11-23T07:09:50Z").duration_since(voyage.clock.now()).as_secs();
    voyage.clock.step(ahead);
    voyage.sails([&[12, 5, 12, 5], &[6, 4, 6, 4]]).await;
}
