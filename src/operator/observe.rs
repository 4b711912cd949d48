//! What a policy needs to know of its workload: the present replicas and, where a metric is a ratio, how
//! many of them are ready.

use super::cluster::{CallError, Cluster};
use crate::api::ScaleTargetRef;
use crate::decision::{Policy, Replicas, Samples, Target};

/// The workload at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Workload {
    /// `spec.replicas`.
    pub(super) replicas: Replicas,
    /// Ready replicas; the same as `replicas` where nobody asks.
    pub(super) ready: Replicas,
    /// The workload's UID.
    pub(super) uid: Option<String>,
}

/// Reads the workload.
pub(super) async fn observe(
    cluster: &Cluster,
    namespace: &str,
    target: &ScaleTargetRef,
    policy: &Policy,
    samples: &Samples,
) -> Result<Workload, CallError> {
    let scale = cluster.scale(namespace, target).await?;
    let ready = if asks_for_ready(policy, samples) {
        cluster.ready(namespace, target).await?
    } else {
        scale.replicas
    };
    Ok(Workload { replicas: scale.replicas, ready, uid: scale.uid })
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
