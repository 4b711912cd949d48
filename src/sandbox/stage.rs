//! A scenario set up in a sandbox: the CRDs, a Deployment, its policy and calendars, the pods behind it and a Prometheus
//! endpoint that knows its traffic. What is left to add is an operator.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{CustomResourceExt, ResourceExt};
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::faults::Faults;
use super::prometheus::{Measured, PrometheusEndpoint};
use super::{ApiError, Sandbox, SandboxError, SandboxOptions, namespace, workload};
use crate::api::{ScaleCalendar, ScalePolicy};
use crate::clock::Clock;
use crate::simulation::Scenario;

/// A sandbox in which a scenario can be played. Everything stops when this is dropped.
#[derive(Debug)]
pub struct Stage {
    /// The Kubernetes API.
    pub sandbox: Sandbox,
    /// The Prometheus endpoint.
    pub prometheus: PrometheusEndpoint,
    /// Namespace of the policy and of its target.
    pub namespace: String,
    /// Name of the Deployment.
    pub target: String,
    _workloads: DropGuard,
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
    /// The scenario has what only the simulator plays.
    #[error(
        "the sandbox has no queue, no downstream tier, no guard, no outage and no restart: play this scenario with `tidetable simulate`"
    )]
    Service,
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
        let policy = &scenario.resource;
        let target = &policy.spec.scale_target_ref;
        if (target.api_version.as_str(), target.kind.as_str()) != ("apps/v1", "Deployment") {
            return Err(StageError::Target(format!("{} ({})", target.kind, target.api_version)));
        }
        let is_disturbed = !scenario.outages.is_empty() || !scenario.restarts.is_empty();
        if scenario.plant.service.is_some() || !scenario.policy.guards.is_empty() || is_disturbed {
            return Err(StageError::Service);
        }
        let space = policy.namespace().unwrap_or_else(|| "default".to_owned());
        let sandbox =
            Sandbox::start(SandboxOptions { faults: faults.clone(), ..SandboxOptions::new(clock.clone()) })
                .await?;
        for crd in [ScalePolicy::crd(), ScaleCalendar::crd()] {
            sandbox.create(serde_json::to_value(crd)?)?;
        }
        for calendar in &scenario.calendars {
            sandbox.create(serde_json::to_value(calendar)?)?;
        }
        if space != "default" {
            sandbox.create(namespace(&space))?;
        }
        let replicas = scenario.plant.initial_replicas.get();
        sandbox.create(deployment(&space, &target.name, replicas))?;
        let mut policy = policy.clone();
        policy.metadata.namespace = Some(space.clone());
        sandbox.create(serde_json::to_value(&policy)?)?;
        let measured = Measured {
            traffic: Arc::new(scenario.traffic.clone()),
            measurement: scenario.plant.measurement,
            clock,
        };
        let prometheus =
            PrometheusEndpoint::start_with(measured, &faults).await.map_err(StageError::Prometheus)?;
        let stop = CancellationToken::new();
        tokio::spawn(workload::run(sandbox.store(), scenario.plant.pods, scenario.cluster, stop.clone()));
        let target = target.name.clone();
        Ok(Self { sandbox, prometheus, namespace: space, target, _workloads: stop.drop_guard() })
    }

    /// `spec.replicas` of the Deployment.
    #[must_use]
    pub fn replicas(&self) -> Option<i64> {
        let deployment = self.sandbox.store().get("deployments.apps", &self.namespace, &self.target)?;
        deployment["spec"]["replicas"].as_i64()
    }

    /// When the sandbox's clock stands.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.sandbox.store().clock().now()
    }
}

fn deployment(namespace: &str, name: &str, replicas: i32) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": "example.org/web:1"}]},
            },
        },
    })
}
