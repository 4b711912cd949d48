//! The API server, and the objects in it.

use std::path::PathBuf;

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::{Api, Client, CustomResourceExt};
use serde_json::{Value, json};
use tidetable::api::{ScaleCalendar, ScalePolicy};
use tidetable::clock::Clock;
use tidetable::sandbox::stage::{HOME, admit_operator};
use tidetable::sandbox::{Sandbox, SandboxOptions};

pub(crate) const NAMESPACE: &str = "tidetable-bench";

/// How many requests are under way at a time, as in `tidetable run`.
pub(crate) fn at_once() -> usize {
    16
}

/// The name of a deployment and its policy.
pub(crate) fn name(i: usize) -> String {
    format!("web-{i}")
}

pub(crate) struct Cluster {
    /// With the rights that `deploy/` gives an operator, in the sandbox.
    pub(crate) kubeconfig: PathBuf,
    /// Where an operator may have a Lease.
    pub(crate) home: &'static str,
    /// Who makes the objects, and looks.
    client: Client,
    /// With the rights of an operator.
    operators: Client,
    sandbox: Option<Sandbox>,
    _directory: tempfile::TempDir,
}

/// How many requests there were.
pub(crate) struct Requests {
    pub(crate) all: u64,
    pub(crate) writes: u64,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        tidetable::operator::install_crypto_provider();
        let directory = tempfile::tempdir().expect("a directory");
        let cluster = if let Some(kubeconfig) = std::env::var_os("KUBECONFIG") {
            let client = Client::try_default().await.expect("a cluster");
            let (kubeconfig, home, operators) = (kubeconfig.into(), NAMESPACE, client.clone());
            Self { kubeconfig, home, client, operators, sandbox: None, _directory: directory }
        } else {
            let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await.expect("a sandbox");
            for crd in [ScalePolicy::crd(), ScaleCalendar::crd()] {
                sandbox.create(serde_json::to_value(crd).expect("a CRD")).expect("a good CRD");
            }
            let token = admit_operator(&sandbox).expect("the rights of deploy/");
            let kubeconfig = directory.path().join("kubeconfig");
            std::fs::write(&kubeconfig, sandbox.kubeconfig_for("tidetable", &token)).expect("written");
            let client = sandbox.client().expect("a client");
            let operators = sandbox.client_for(&token).expect("a client");
            Self { kubeconfig, home: HOME, client, operators, sandbox: Some(sandbox), _directory: directory }
        };
        let namespace =
            serde_json::from_value(json!({"metadata": {"name": NAMESPACE}})).expect("a namespace");
        let namespaces = Api::<Namespace>::all(cluster.client.clone());
        namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace of its own");
        cluster
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The same for one who has the rights of an operator.
    pub(crate) fn operators_deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.operators.clone(), NAMESPACE)
    }

    /// Makes `count` deployments of one replica, and a policy for each with what `spec` says.
    pub(crate) async fn make(&self, count: usize, spec: impl Fn(usize) -> Value) {
        let objects = (0..count).map(|i| (deployment(&name(i)), policy(&name(i), &spec(i))));
        let policies = self.policies();
        let make = |(deployment, policy): (Deployment, DynamicObject)| {
            let (deployments, policies) = (self.deployments(), policies.clone());
            async move {
                deployments.create(&PostParams::default(), &deployment).await.expect("a deployment");
                policies.create(&PostParams::default(), &policy).await.expect("a policy");
            }
        };
        stream::iter(objects).map(make).buffer_unordered(at_once()).collect::<()>().await;
    }

    /// Deletes these policies and makes them again.
    pub(crate) async fn remake(&self, which: &[usize], spec: impl Fn(usize) -> Value) {
        let policies = self.policies();
        for i in which.iter().copied() {
            policies.delete(&name(i), &DeleteParams::default()).await.expect("deleted");
            policies.create(&PostParams::default(), &policy(&name(i), &spec(i))).await.expect("a policy");
        }
    }

    fn policies(&self) -> Api<DynamicObject> {
        let resource = kube::core::ApiResource::erase::<ScalePolicy>(&());
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }

    /// How often replicas were written; `None` in a cluster that does not say.
    pub(crate) fn scale_writes(&self) -> Option<u64> {
        let seen = self.sandbox.as_ref()?.requests();
        let writes =
            seen.iter().filter(|(request, _)| request.verb == "patch" && request.subresource == "scale");
        Some(writes.map(|(_, count)| count).sum())
    }

    /// What the operator has asked so far; `None` in a cluster that does not say.
    pub(crate) fn requests(&self) -> Option<Requests> {
        let seen = self.sandbox.as_ref()?.requests();
        let writes = ["create", "update", "patch", "delete"];
        let sum = |counts: bool| {
            let counted =
                seen.iter().filter(|(request, _)| counts || writes.contains(&request.verb.as_str()));
            counted.map(|(_, count)| count).sum()
        };
        Some(Requests { all: sum(true), writes: sum(false) })
    }

    pub(crate) async fn end(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.shutdown().await;
            return;
        }
        let namespaces = Api::<Namespace>::all(self.client.clone());
        namespaces.delete(NAMESPACE, &DeleteParams::default()).await.expect("deleted");
        while namespaces.get_opt(NAMESPACE).await.expect("an answer").is_some() {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
}

fn deployment(name: &str) -> Deployment {
    let labels = json!({"app": name});
    let deployment = json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "registry.invalid/app:1"}]},
            },
        },
    });
    serde_json::from_value(deployment).expect("a deployment")
}

fn policy(name: &str, spec: &Value) -> DynamicObject {
    let mut policy = json!({
        "apiVersion": "tidetable.dev/v1alpha1",
        "kind": "ScalePolicy",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": 10,
        },
    });
    for (key, value) in spec.as_object().expect("fields") {
        policy["spec"][key] = value.clone();
    }
    serde_json::from_value(policy).expect("a policy")
}
