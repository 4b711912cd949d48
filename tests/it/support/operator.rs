//! A sandbox with an operator at work in it, on a virtual clock, and objects to put there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client, CustomResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidetable::api::{ScaleCalendar, ScalePolicy, ScalePolicyStatus};
use tidetable::clock::Clock;
use tidetable::decision::Replicas;
use tidetable::operator::config::Config;
use tidetable::operator::{
    Evaluation, Occasion, Operator, OperatorError, OperatorOptions, Outcome, Setting, Sighted, Sources,
};
use tidetable::sandbox::stage::admit_operator;
use tidetable::sandbox::{RequestSeen, Sandbox, SandboxOptions};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::faults::{self, Fault};

const PATIENCE: Duration = Duration::from_secs(60);

/// The deadline of a call that is not answered.
pub(crate) const SHORT: Duration = Duration::from_secs(3);

/// A sandbox with an operator at work in it.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    /// The administrator's.
    pub(crate) client: Client,
    /// The operator's, which may do what `deploy/` grants.
    pub(crate) own: Client,
    pub(crate) clock: Clock,
    pub(crate) evaluations: UnboundedReceiver<Evaluation>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) operator: JoinHandle<Result<(), OperatorError>>,
}

thread_local! {
    /// Names and resource versions of workloads that an operator of this test has seen.
    static SIGHTED: RefCell<BTreeSet<(String, String)>> = RefCell::default();
}

/// Notes what an operator sees. Each test has a thread of its own.
pub(crate) fn sighted() -> Sighted {
    Arc::new(|_, name, version| {
        SIGHTED.with_borrow_mut(|seen| seen.insert((name.to_owned(), version.to_owned())));
    })
}

/// Waits until an operator has seen this version of a workload.
pub(crate) async fn sighting(name: &str, version: Option<String>) {
    let sought = (name.to_owned(), version.expect("a resource version"));
    let waited = tokio::time::timeout(PATIENCE, async {
        while !SIGHTED.with_borrow(|seen| seen.contains(&sought)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{sought:?} is never seen"));
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// A client for an operator that may do what `deploy/` grants it.
pub(crate) fn admitted(sandbox: &Sandbox) -> Client {
    let token = admit_operator(sandbox).expect("the rights of deploy/");
    sandbox.client_for(&token).expect("a client")
}

/// Writes a kubeconfig for a process that may do what `deploy/` grants.
pub(crate) fn admit_process(sandbox: &Sandbox, kubeconfig: &Path) {
    let token = admit_operator(sandbox).expect("the rights of deploy/");
    std::fs::write(kubeconfig, sandbox.kubeconfig_for("tidetable", &token)).expect("written");
}

/// A sandbox in real time, and a kubeconfig for such processes in a directory of its own.
pub(crate) async fn sandbox_for_processes() -> (Sandbox, TempDir, PathBuf) {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await.expect("a sandbox");
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    admit_process(&sandbox, &kubeconfig);
    (sandbox, directory, kubeconfig)
}

impl Stage {
    /// Starts with these objects; `config` is the operator's configuration file.
    pub(crate) async fn with(origin: &str, objects: &[Value], config: &str) -> Self {
        let crd = serde_json::to_value(ScalePolicy::crd()).expect("a CRD");
        Self::with_crd(origin, &crd, objects, config).await
    }

    pub(crate) async fn with_crd(origin: &str, crd: &Value, objects: &[Value], config: &str) -> Self {
        let clock = Clock::stopped_at(at(origin));
        let sandbox = Sandbox::start(SandboxOptions::new(clock.clone())).await.expect("a sandbox");
        let calendars = serde_json::to_value(ScaleCalendar::crd()).expect("a CRD");
        for object in [crd, &calendars].into_iter().chain(objects) {
            sandbox.create(object.clone()).expect("a valid object");
        }
        Self::of(sandbox, clock, config)
    }

    /// Starts an operator in a sandbox on this clock, with the rights of `deploy/`.
    pub(crate) fn of(sandbox: Sandbox, clock: Clock, config: &str) -> Self {
        let client = sandbox.client().expect("a client");
        let own = admitted(&sandbox);
        // Each sandbox counts its versions anew.
        SIGHTED.with_borrow_mut(BTreeSet::clear);
        let (operator, evaluations, shutdown) = start(own.clone(), &clock, config);
        Self { sandbox, client, own, clock, evaluations, shutdown, operator }
    }

    /// As [`Stage::with`], but with another interval between ticks, and without sources.
    pub(crate) async fn with_interval(origin: &str, objects: &[Value], interval: Duration) -> Self {
        Self::with_options(origin, objects, |options| OperatorOptions { interval, ..options }).await
    }

    /// As [`Stage::with`], without sources unless the options say so.
    pub(crate) async fn with_options(
        origin: &str,
        objects: &[Value],
        change: impl FnOnce(OperatorOptions) -> OperatorOptions,
    ) -> Self {
        let mut stage = Self::with(origin, &[], "{}").await;
        stage.end_operator().await;
        for object in objects {
            stage.sandbox.create(object.clone()).expect("a valid object");
        }
        let options = change(options(stage.own.clone(), &stage.clock, "{}"));
        (stage.operator, stage.evaluations, stage.shutdown) = run(options);
        stage
    }

    /// As [`Stage::with`], but answers to writes of the operator get lost as `fault` says.
    pub(crate) async fn with_fault(
        origin: &str,
        objects: &[Value],
        fault: Arc<Mutex<Option<Fault>>>,
    ) -> Self {
        let mut stage =
            Self::with_crd(origin, &serde_json::to_value(ScalePolicy::crd()).expect("a CRD"), &[], "{}")
                .await;
        stage.end_operator().await;
        for object in objects {
            stage.sandbox.create(object.clone()).expect("a valid object");
        }
        let client = faults::between(stage.own.clone(), fault).await;
        let options = OperatorOptions { kube_timeout: SHORT, ..options(client, &stage.clock, "{}") };
        (stage.operator, stage.evaluations, stage.shutdown) = run(options);
        stage
    }

    /// Stops the operator; what it reports until then is not read.
    pub(crate) async fn end_operator(&mut self) {
        self.shutdown.cancel();
        while self.evaluations.recv().await.is_some() {}
    }

    /// Starts an operator after [`Stage::end_operator`].
    pub(crate) fn start_operator(&mut self) {
        self.start_operator_with("{}");
    }

    /// The same with a configuration.
    pub(crate) fn start_operator_with(&mut self, config: &str) {
        (self.operator, self.evaluations, self.shutdown) = start(self.own.clone(), &self.clock, config);
    }

    /// The next evaluation.
    pub(crate) async fn next(&mut self) -> Evaluation {
        let next = tokio::time::timeout(PATIENCE, self.evaluations.recv()).await;
        next.expect("an evaluation in time").expect("an operator")
    }

    pub(crate) async fn replicas(&self, name: &str) -> i32 {
        let api = Api::<Deployment>::namespaced(self.client.clone(), "default");
        let deployment = api.get(name).await.expect("the deployment");
        deployment.spec.and_then(|spec| spec.replicas).expect("replicas")
    }

    /// Scales as a person would, and waits until the operator has seen it, if there is one.
    pub(crate) async fn scale_by_hand(&self, name: &str, replicas: i32) {
        self.scale_as("person", name, replicas).await;
    }

    /// Scales as a field manager, and waits until the operator has seen it, if there is one.
    pub(crate) async fn scale_as(&self, manager: &str, name: &str, replicas: i32) {
        let version = self.scale_unseen(manager, name, replicas).await;
        if !self.shutdown.is_cancelled() {
            sighting(name, version).await;
        }
    }

    /// Scales as a field manager, and gives the workload's version since.
    pub(crate) async fn scale_unseen(&self, manager: &str, name: &str, replicas: i32) -> Option<String> {
        let api = Api::<Deployment>::namespaced(self.client.clone(), "default");
        let by_hand = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let scale = api.patch_scale(name, &params, &by_hand).await.expect("scaled by hand");
        scale.metadata.resource_version
    }

    /// Gives the operator's rule for a resource other verbs.
    pub(crate) async fn allow(&self, resource: &str, verbs: &[&str]) {
        let roles = Api::<ClusterRole>::all(self.client.clone());
        let mut granted = roles.get("tidetable").await.expect("the role").rules.expect("rules");
        let named =
            granted.iter_mut().find(|rule| rule.resources.iter().flatten().any(|named| named == resource));
        named.expect("a rule").verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        let patch = Patch::Merge(json!({ "rules": granted }));
        roles.patch("tidetable", &PatchParams::default(), &patch).await.expect("patched");
    }

    /// How often there was such a request.
    pub(crate) fn asked(&self, is_such: impl Fn(&RequestSeen) -> bool) -> u64 {
        let asked = self.sandbox.requests().into_iter();
        asked.filter(|(request, _)| is_such(request)).map(|(_, count)| count).sum()
    }

    /// What was asked for more often than `before`. It is not said how often watches begin, nor when a kind is sought
    /// again that the cluster does not have.
    pub(crate) fn asked_since(&self, before: &BTreeMap<RequestSeen, u64>) -> Vec<(RequestSeen, u64)> {
        let is_news = |request: &RequestSeen, count: &u64| {
            request.verb != "watch" && request.group != "keda.sh" && before.get(request) != Some(count)
        };
        let asked = self.sandbox.requests().into_iter();
        asked.filter(|(request, count)| is_news(request, count)).collect()
    }

    /// How often an operator has read something of a group.
    pub(crate) fn reads(&self, group: &str) -> u64 {
        self.asked(|seen| seen.verb == "get" && seen.group == group && seen.user.contains("tidetable"))
    }

    /// Changes the policy `web`.
    pub(crate) async fn patch_policy(&self, patch: &Value) {
        // As plain JSON, since the policy may be one that can't be parsed.
        let resource = kube::core::ApiResource::erase::<ScalePolicy>(&());
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), "default", &resource);
        api.patch("web", &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
    }

    /// Waits until a condition of the policy `web` has this reason, and gives its message.
    pub(crate) async fn condition(&self, aspect: &str, reason: &str) -> String {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let conditions = self.conditions().await;
                let found = conditions.iter().find(|c| c["type"] == aspect && c["reason"] == reason);
                if let Some(found) = found {
                    return found["message"].as_str().expect("a message").to_owned();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{aspect} is never {reason}"))
    }

    /// Goes from tick to tick of 15 s until a condition of the policy `web` has this reason.
    pub(crate) async fn condition_at_ticks(&mut self, aspect: &str, reason: &str, now: &mut Timestamp) {
        for _ in 0..200 {
            *now += jiff::SignedDuration::from_secs(15);
            self.clock.advance_to(*now);
            while self.next().await.at < *now {}
            let conditions = self.status("web").await.conditions;
            if conditions.iter().any(|found| found.r#type == aspect && found.reason == reason) {
                return;
            }
            // What a watch has to see takes real time.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{aspect} is never {reason}");
    }

    /// Lets the time pass that lies between two statuses, until the tick in it is evaluated: what was owed is written by then.
    pub(crate) async fn until_told(&mut self) {
        self.let_gap_pass();
        while self.next().await.occasion != Occasion::Tick {}
    }

    fn let_gap_pass(&self) {
        self.clock.advance_to(self.clock.now() + jiff::SignedDuration::from_secs(15));
    }

    /// As [`Stage::condition`], and lets time pass: for a policy that is not evaluated. Ticks from before it was seen to be
    /// so are not read.
    pub(crate) async fn condition_in_time(&mut self, aspect: &str, reason: &str) -> String {
        for _ in 0..200 {
            let conditions = self.conditions().await;
            if let Some(found) = conditions.iter().find(|c| c["type"] == aspect && c["reason"] == reason) {
                while self.evaluations.try_recv().is_ok() {}
                return found["message"].as_str().expect("a message").to_owned();
            }
            self.let_gap_pass();
            // What a watch has to see takes real time.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{aspect} is never {reason}");
    }

    /// The conditions of the policy `web`, which may be one that can't be parsed.
    async fn conditions(&self) -> Vec<Value> {
        let resource = kube::core::ApiResource::erase::<ScalePolicy>(&());
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), "default", &resource);
        let policy = api.get("web").await.expect("the policy");
        policy.data["status"]["conditions"].as_array().cloned().unwrap_or_default()
    }

    /// A pod of the deployment `web` that the scheduler found no place for.
    pub(crate) async fn stuck_pod(&self, name: &str, since: &str) {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        });
        self.sandbox.create(pod).expect("a pod");
        let conditions = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "lastTransitionTime": since}]);
        let status = Patch::Merge(json!({"status": {"phase": "Pending", "conditions": conditions}}));
        let api = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(self.client.clone(), "default");
        api.patch_status(name, &PatchParams::default(), &status).await.expect("patched");
    }

    pub(crate) async fn delete_pod(&self, name: &str) {
        let api = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(self.client.clone(), "default");
        api.delete(name, &kube::api::DeleteParams::default()).await.expect("deleted");
    }

    pub(crate) fn policies(&self) -> Api<ScalePolicy> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Waits until the status of a policy is as `fits` wants it.
    pub(crate) async fn until_status(&self, name: &str, fits: impl Fn(&ScalePolicyStatus) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !fits(&self.status(name).await) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.expect("a status as it should be");
    }

    pub(crate) async fn status(&self, name: &str) -> ScalePolicyStatus {
        self.policies().get(name).await.expect("the policy").status.expect("a status")
    }

    /// Puts an earlier status in the place of a policy's, as if those since then had not been written.
    pub(crate) async fn set_status(&self, name: &str, status: &ScalePolicyStatus) {
        let patch = serde_json::from_value(json!([{"op": "replace", "path": "/status", "value": status}]));
        let patch = Patch::<ScalePolicy>::Json(patch.expect("a patch"));
        self.policies().patch_status(name, &PatchParams::default(), &patch).await.expect("a status");
    }

    pub(crate) async fn events(&self) -> Vec<(String, String)> {
        let api = Api::<Event>::namespaced(self.client.clone(), "default");
        let events = api.list(&kube::api::ListParams::default()).await.expect("events");
        let text = |event: Event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default());
        events.items.into_iter().map(text).collect()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let stopped = tokio::time::timeout(PATIENCE, self.operator).await.expect("a stop in time");
        stopped.expect("no panic").expect("no error");
        self.sandbox.shutdown().await;
    }
}

pub(crate) type Started =
    (JoinHandle<Result<(), OperatorError>>, UnboundedReceiver<Evaluation>, CancellationToken);

pub(crate) fn start(client: Client, clock: &Clock, config: &str) -> Started {
    run(options(client, clock, config))
}

pub(crate) fn options(client: Client, clock: &Clock, config: &str) -> OperatorOptions {
    let config = Config::parse("config.yaml".as_ref(), config).expect("a configuration");
    OperatorOptions {
        clock: clock.clone(),
        sources: Sources::new(&config.sources).expect("sources"),
        kube_timeout: Duration::from_secs(30),
        sighted: Some(sighted()),
        ..OperatorOptions::new(client)
    }
}

pub(crate) fn run(options: OperatorOptions) -> Started {
    let (sender, evaluations) = unbounded_channel();
    let shutdown = CancellationToken::new();
    let operator = Operator::new(OperatorOptions { evaluations: Some(sender), ..options });
    (tokio::spawn(operator.run(shutdown.clone())), evaluations, shutdown)
}

pub(crate) fn deployment(name: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "app"}]},
            },
        },
    })
}

/// A policy `web` for a deployment of the same name.
pub(crate) fn policy(spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tidetable.dev/v1alpha1",
        "kind": "ScalePolicy",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 20,
        },
    });
    for (key, value) in spec.as_object().expect("a spec") {
        object["spec"][key] = value.clone();
    }
    object
}

/// A policy like [`policy`] for a workload of another name.
pub(crate) fn policy_for(name: &str) -> Value {
    let mut object = policy(&day_and_night());
    object["metadata"]["name"] = json!(name);
    object["spec"]["scaleTargetRef"]["name"] = json!(name);
    object
}

pub(crate) fn day_and_night() -> Value {
    json!({"minReplicas": 0, "schedule": {"timeZone": "Europe/Berlin", "entries": [
        {"name": "day", "cron": "0 7 * * *", "replicas": 12},
        {"name": "night", "cron": "0 20 * * *", "replicas": 0},
    ]}})
}

pub(crate) fn scaled(from: i32, to: i32) -> Outcome {
    let replicas = |count| Setting::Replicas(Replicas::new(count));
    Outcome::Scaled { from: replicas(from), to: replicas(to) }
}

/// KEDA's kind as far as it matters here.
pub(crate) fn scaled_object_kind() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "scaledobjects.keda.sh"},
        "spec": {
            "group": "keda.sh",
            "scope": "Namespaced",
            "names": {"plural": "scaledobjects", "singular": "scaledobject", "kind": "ScaledObject",
                "listKind": "ScaledObjectList"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// The CRDs.
pub(crate) fn definitions() -> [Value; 2] {
    [ScalePolicy::crd(), ScaleCalendar::crd()].map(|crd| serde_json::to_value(crd).expect("a CRD"))
}
