//! A scenario set up in a sandbox: the CRDs, a Deployment for each tier, its policy and calendars, the pods behind it and
//! a Prometheus endpoint. What is left to add is an operator, and a [`Course`](super::course::Course) that answers the endpoint.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::{CustomResourceExt, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::faults::Faults;
use super::prometheus::{PrometheusEndpoint, Question};
use super::{ApiError, PlantOptions, Sandbox, SandboxError, SandboxOptions, namespace};
use crate::api::{ScaleCalendar, ScalePolicy};
use crate::clock::Clock;
use crate::simulation::Scenario;

/// What `deploy/` grants the operator.
const RIGHTS: &str = include_str!("../../deploy/base/rbac.yaml");

/// The namespace that `deploy/` puts the operator in.
pub const HOME: &str = "tidetable-system";

/// Who the operator is there.
const ACCOUNT: &str = "system:serviceaccount:tidetable-system:tidetable";

/// A sandbox in which a scenario can be played. Everything stops when this is dropped.
#[derive(Debug)]
pub struct Stage {
    /// The Kubernetes API.
    pub sandbox: Sandbox,
    /// The token of the operator, which may do what `deploy/` grants it, and no more.
    token: String,
    /// The Prometheus endpoint.
    pub prometheus: PrometheusEndpoint,
    /// What it is asked: somebody has to answer.
    pub questions: UnboundedReceiver<Question>,
    /// Namespace of the first tier's policy and of its target.
    pub namespace: String,
    /// Name of the first tier's Deployment.
    pub target: String,
}

/// Why a scenario could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The API server did not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The Prometheus endpoint did not start.
    #[error("can't serve the Prometheus endpoint: {0}")]
    Prometheus(std::io::Error),
    /// An object was refused.
    #[error("the sandbox refused an object: {0}")]
    Refused(#[from] ApiError),
    /// An object could not be written as JSON.
    #[error("can't write an object as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// What `deploy/` grants could not be read.
    #[error("can't read deploy/base/rbac.yaml: {0}")]
    Rights(String),
    /// The policy scales something that a sandbox has no plant for.
    #[error("the sandbox can only run policies for a Deployment (apps/v1), not for {0}")]
    Target(String),
}

impl Stage {
    /// Starts a sandbox on `clock` and sets the scenario up in it, with the Deployment at its initial
    /// replicas.
    ///
    /// # Errors
    /// When a server can't be started or an object is refused.
    pub async fn set(scenario: &Scenario, clock: Clock) -> Result<Self, StageError> {
        Self::set_with(scenario, clock, Faults::default()).await
    }

    /// As [`Stage::set`], with faults in both servers.
    ///
    /// # Errors
    /// As for [`Stage::set`].
    pub async fn set_with(scenario: &Scenario, clock: Clock, faults: Faults) -> Result<Self, StageError> {
        for (_, tier) in scenario.tiers() {
            let target = &tier.resource.spec.scale_target_ref;
            if (target.api_version.as_str(), target.kind.as_str()) != ("apps/v1", "Deployment") {
                return Err(StageError::Target(format!("{} ({})", target.kind, target.api_version)));
            }
        }
        let sandbox =
            Sandbox::start(SandboxOptions { faults: faults.clone(), ..SandboxOptions::new(clock.clone()) })
                .await?;
        let token = admit_operator(&sandbox)?;
        for crd in [ScalePolicy::crd(), ScaleCalendar::crd()] {
            sandbox.create(serde_json::to_value(crd)?)?;
        }
        let spaces: BTreeSet<String> = scenario.tiers().map(|(_, tier)| space(tier)).collect();
        for space in spaces.iter().filter(|space| *space != "default") {
            sandbox.create(namespace(space))?;
        }
        let mut calendars = BTreeSet::new();
        for (_, tier) in scenario.tiers() {
            for calendar in tier.calendars.iter().filter(|calendar| calendars.insert(calendar.name_any())) {
                sandbox.create(serde_json::to_value(calendar)?)?;
            }
            let target = &tier.resource.spec.scale_target_ref;
            let replicas = tier.plant.initial_replicas.get();
            let grace = tier.plant.pods.termination.as_secs().saturating_add(1).max(30);
            sandbox.create(deployment(&space(tier), &target.name, replicas, grace))?;
            let mut policy = tier.resource.clone();
            policy.metadata.namespace = Some(space(tier));
            sandbox.create(serde_json::to_value(&policy)?)?;
        }
        let started = PrometheusEndpoint::start(clock, &faults).await;
        let (prometheus, questions) = started.map_err(StageError::Prometheus)?;
        let pods = scenario.tiers().map(|(_, tier)| {
            let target = &tier.resource.spec.scale_target_ref;
            ((space(tier), target.name.clone()), tier.plant.pods)
        });
        let pods = pods.collect();
        sandbox.run_workloads(PlantOptions { pods, cluster: scenario.cluster, ..PlantOptions::default() });
        let target = scenario.resource.spec.scale_target_ref.name.clone();
        let namespace = space(scenario);
        Ok(Self { sandbox, token, prometheus, questions, namespace, target })
    }

    /// A client for the operator.
    ///
    /// # Errors
    /// As for [`Sandbox::client`].
    pub fn operator_client(&self) -> Result<kube::Client, SandboxError> {
        self.sandbox.client_for(&self.token)
    }

    /// `spec.replicas` of a tier's Deployment.
    #[must_use]
    pub fn replicas(&self, tier: &Scenario) -> Option<i64> {
        let name = &tier.resource.spec.scale_target_ref.name;
        let deployment = self.sandbox.store().get("deployments.apps", &space(tier), name)?;
        deployment["spec"]["replicas"].as_i64()
    }

    /// When the sandbox's clock stands.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.sandbox.store().clock().now()
    }
}

/// Makes the operator's service account with the rights of `deploy/`, and a token that has these and no others.
///
/// # Errors
/// When an object is refused, which says that the sandbox has it already.
pub fn admit_operator(sandbox: &Sandbox) -> Result<String, StageError> {
    sandbox.create(namespace(HOME))?;
    for document in RIGHTS.split("\n---\n") {
        let object =
            serde_saphyr::from_str(document).map_err(|error| StageError::Rights(error.to_string()))?;
        sandbox.create(object)?;
    }
    Ok(sandbox.add_token(ACCOUNT))
}

/// The namespace of a tier.
fn space(tier: &Scenario) -> String {
    tier.resource.namespace().unwrap_or_else(|| "default".to_owned())
}

fn deployment(namespace: &str, name: &str, replicas: i32, grace: u64) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": grace,
                    "containers": [{"name": name, "image": "example.org/web:1"}],
                },
            },
        },
    })
}
