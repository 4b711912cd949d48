//! What a policy needs to know of its workload: the present replicas and, where a metric is a ratio, how
//! many of them are ready.

use jiff::Timestamp;

use super::cluster::{CallError, Cluster};
use super::pods::Unschedulable;
use crate::api::ScaleTargetRef;
use crate::decision::{Policy, Replicas, Samples, Target};
use crate::labels::LabelSelector;

/// The workload at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Workload {
    /// `spec.replicas`.
    pub(super) replicas: Replicas,
    /// Ready replicas; the same as `replicas` where nobody asks.
    pub(super) ready: Replicas,
    /// The workload's UID.
    pub(super) uid: Option<String>,
    /// Since when a pod of the workload has been unschedulable; or why that can't be said.
    pub(super) unschedulable_since: Result<Option<Timestamp>, String>,
}

/// Reads the workload.
pub(super) async fn observe(
    cluster: &Cluster,
    namespace: &str,
    target: &ScaleTargetRef,
    policy: &Policy,
    samples: &Samples,
    pods: &Unschedulable,
) -> Result<Workload, CallError> {
    let scale = cluster.scale(namespace, target).await?;
    let ready = if asks_for_ready(policy, samples) {
        cluster.ready(namespace, target).await?
    } else {
        scale.replicas
    };
    let unschedulable_since = if policy.metrics.is_empty() || policy.capacity.hold_after.is_zero() {
        Ok(None)
    } else {
        waiting(namespace, scale.selector.as_deref(), pods)
    };
    Ok(Workload { replicas: scale.replicas, ready, uid: scale.uid, unschedulable_since })
}

/// Since when a pod of a workload has been unschedulable. A scale subresource without a selector says nothing
/// of its pods.
fn waiting(
    namespace: &str,
    selector: Option<&str>,
    pods: &Unschedulable,
) -> Result<Option<Timestamp>, String> {
    let selector = selector.filter(|selector| !selector.trim().is_empty());
    let selector = selector.ok_or("the scale subresource does not say which pods are the workload's")?;
    let selector = LabelSelector::parse(selector)
        .map_err(|error| format!("the scale subresource's selector can't be read: {error}"))?;
    pods.since(namespace, &selector)
}

/// Only `target.value` multiplies by ready replicas, and only when metrics were read.
fn asks_for_ready(policy: &Policy, samples: &Samples) -> bool {
    let is_ratio = |target: Target| match target {
        Target::Value(_) => true,
        Target::AverageValue(_) => false,
    };
    match samples {
        Samples::NotDue => false,
        Samples::Read(_) => policy.metrics.iter().any(|metric| is_ratio(metric.target)),
    }
}
