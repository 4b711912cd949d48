//! What moves behind the sandbox: for every Deployment a plant of the simulation's, shown as Pods and as
//! the Deployment's status. Controller, scheduler and kubelet in one; there are no `ReplicaSets` and no
//! nodes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::store::{Store, StoreError};
use crate::decision::Replicas;
use crate::simulation::plant::{Plant, PlantSpec, Pod};

const DEPLOYMENTS: &str = "deployments.apps";
const PODS: &str = "pods";

/// Runs the workloads of a store until told to stop. Pods of every Deployment take as long to start as
/// `spec` says.
pub async fn run(store: Store, spec: PlantSpec, stop: CancellationToken) {
    let mut workloads = Workloads {
        spec: PlantSpec { initial_replicas: Replicas::ZERO, ..spec },
        store,
        plants: BTreeMap::new(),
    };
    let store = workloads.store.clone();
    let mut changes = store.watch(DEPLOYMENTS, store.version());
    loop {
        let wake = workloads.reconcile(store.clock().now());
        let sleep = async {
            match wake {
                Some(at) => store.clock().sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep => {}
            change = changes.next() => {
                if matches!(change, Err(StoreError::Forgotten { .. })) {
                    changes = store.watch(DEPLOYMENTS, store.version());
                }
                // What else has come meanwhile is seen in the same pass.
                while let Ok(Some(_)) = changes.poll() {}
            }
        }
    }
}

struct Workloads {
    store: Store,
    spec: PlantSpec,
    /// By namespace, name and UID: a Deployment that is made anew starts anew.
    plants: BTreeMap<(String, String, String), Plant>,
}

impl Workloads {
    /// Brings every Deployment's pods and status up to `now`. Gives the next instant at which a pod becomes
    /// ready.
    fn reconcile(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (deployments, _) = self.store.list(DEPLOYMENTS, None);
        let mut alive = BTreeSet::new();
        let mut wake: Option<Timestamp> = None;
        for deployment in &deployments {
            let meta = &deployment["metadata"];
            let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
            let key = (text("namespace"), text("name"), text("uid"));
            let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
            let plant = self.plants.entry(key.clone()).or_insert_with(|| Plant::new(&self.spec, now));
            plant.scale(now, Replicas::saturating_from(wanted.into()));
            let plant = plant.clone();
            self.show(deployment, &plant, now);
            wake = wake.into_iter().chain(plant.next_ready(now)).min();
            alive.insert(key);
        }
        let gone: Vec<_> = self.plants.keys().filter(|key| !alive.contains(*key)).cloned().collect();
        for key in gone {
            self.plants.remove(&key);
            for name in self.pods_of(&key.0, &key.2) {
                // It may have been removed by others meanwhile, which is as good.
                let _ = self.store.delete(PODS, &key.0, &name);
            }
        }
        wake
    }

    /// Names of the pods that belong to the Deployment with this UID.
    fn pods_of(&self, namespace: &str, uid: &str) -> Vec<String> {
        let (pods, _) = self.store.list(PODS, Some(namespace));
        let owned = pods.iter().filter(|pod| pod["metadata"]["ownerReferences"][0]["uid"] == uid);
        owned.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// Writes the plant's pods and the Deployment's status. What has not changed is not written.
    fn show(&self, deployment: &Value, plant: &Plant, now: Timestamp) {
        let meta = &deployment["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default();
        let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
        let pod_name = |pod: &Pod| format!("{name}-{}", pod.id);
        let wanted: BTreeSet<String> = plant.pods().iter().map(pod_name).collect();
        for present in self.pods_of(namespace, uid) {
            if !wanted.contains(&present) {
                let _ = self.store.delete(PODS, namespace, &present);
            }
        }
        for pod in plant.pods() {
            let status = pod_status(deployment, pod, now);
            if self.store.get(PODS, namespace, &pod_name(pod)).is_none() {
                let _ = self.store.create(PODS, new_pod(deployment, &pod_name(pod), &status));
            } else {
                let _ = self.store.update_status(PODS, namespace, &pod_name(pod), status);
            }
        }
        let status = deployment_status(deployment, plant, now);
        let _ = self.store.update_status(DEPLOYMENTS, namespace, name, status);
    }
}

fn new_pod(deployment: &Value, name: &str, status: &Value) -> Value {
    let meta = &deployment["metadata"];
    let template = &deployment["spec"]["template"];
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"],
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": template["spec"],
        "status": status,
    })
}

fn pod_status(deployment: &Value, pod: &Pod, now: Timestamp) -> Value {
    let ready = pod.ready_at <= now;
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten();
    let state = if ready {
        json!({"running": {"startedAt": whole_seconds(pod.ready_at)}})
    } else {
        json!({"waiting": {"reason": "ContainerCreating"}})
    };
    let containers: Vec<Value> = containers
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0,
                "ready": ready, "started": ready, "state": state,
            })
        })
        .collect();
    let since = if ready { pod.ready_at } else { pod.created };
    let condition = |kind: &str, holds: bool, since: Timestamp| {
        let status = if holds { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": whole_seconds(since)})
    };
    json!({
        "phase": if ready { "Running" } else { "Pending" },
        "startTime": whole_seconds(pod.created),
        "containerStatuses": containers,
        "conditions": [
            condition("PodScheduled", true, pod.created),
            condition("Initialized", true, pod.created),
            condition("ContainersReady", ready, since),
            condition("Ready", ready, since),
        ],
    })
}

fn deployment_status(deployment: &Value, plant: &Plant, now: Timestamp) -> Value {
    let (replicas, ready) = (plant.replicas().get(), plant.ready(now).get());
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    for (key, count) in [
        ("replicas", replicas),
        ("updatedReplicas", replicas),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", replicas - ready),
    ] {
        if count > 0 {
            status[key] = count.into();
        }
    }
    let available = ready >= replicas - replicas / 4;
    let word = if available { "True" } else { "False" };
    let before = deployment["status"]["conditions"][0].clone();
    let same = before["status"] == word;
    let since = if same { before["lastTransitionTime"].clone() } else { whole_seconds(now).into() };
    let (reason, message) = if available {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    status["conditions"] = json!([{
        "type": "Available", "status": word, "reason": reason, "message": message,
        "lastTransitionTime": since, "lastUpdateTime": since,
    }]);
    status
}

/// Kubernetes' times have no fractions of a second.
fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
