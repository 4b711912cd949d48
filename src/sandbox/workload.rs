//! What moves behind the sandbox: the plant of the simulation with a workload for every Deployment, shown as Pods and as
//! the Deployment's status. Controller, scheduler and kubelet in one; there are no `ReplicaSets`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::store::{Store, StoreError};
use crate::decision::Replicas;
use crate::simulation::plant::{ClusterSpec, Plant, Pod, PodsSpec, WorkloadId};

const DEPLOYMENTS: &str = "deployments.apps";
const PODS: &str = "pods";

/// Runs the workloads of a store until told to stop. Pods take as long to start and to end as `pods` says of their
/// Deployment, by its namespace and name, and no time where it says nothing; they are on the nodes of `cluster`.
pub async fn run(
    store: Store,
    pods: BTreeMap<(String, String), PodsSpec>,
    cluster: ClusterSpec,
    stop: CancellationToken,
) {
    let plant = Plant::new(&cluster, store.clock().now());
    let mut workloads = Workloads { store, pods, plant, ids: BTreeMap::new(), is_first: true };
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
    /// By namespace and name of their Deployment.
    pods: BTreeMap<(String, String), PodsSpec>,
    plant: Plant,
    /// By namespace, name and UID: a Deployment that is made anew starts anew.
    ids: BTreeMap<(String, String, String), WorkloadId>,
    /// The Deployments of the first pass have been there for long: their pods are ready.
    is_first: bool,
}

impl Workloads {
    /// Brings every Deployment's pods and status up to `now`. Gives the next instant at which something happens to a
    /// pod.
    fn reconcile(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.plant.advance(now);
        let (deployments, _) = self.store.list(DEPLOYMENTS, None);
        let mut alive = BTreeMap::new();
        for deployment in &deployments {
            let meta = &deployment["metadata"];
            let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
            let key = (text("namespace"), text("name"), text("uid"));
            let pods = self.pods.get(&(key.0.clone(), key.1.clone())).copied().unwrap_or_default();
            let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
            let wanted = Replicas::saturating_from(wanted.into());
            match self.ids.remove(&key) {
                Some(id) => {
                    self.plant.scale(id, wanted);
                    alive.insert(key, id);
                }
                None if self.is_first => {
                    alive.insert(key, self.plant.add(pods, wanted));
                }
                None => {
                    let id = self.plant.add(pods, Replicas::ZERO);
                    self.plant.scale(id, wanted);
                    alive.insert(key, id);
                }
            }
        }
        self.is_first = false;
        for (key, id) in std::mem::replace(&mut self.ids, alive) {
            self.plant.scale(id, Replicas::ZERO);
            for name in self.pods_of(&key.0, &key.2) {
                // It may have been removed by others meanwhile, which is as good.
                let _ = self.store.delete(PODS, &key.0, &name);
            }
        }
        // Places that one left may have gone to another: all are shown when everything has settled.
        for deployment in &deployments {
            let meta = &deployment["metadata"];
            let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
            if let Some(id) = self.ids.get(&(text("namespace"), text("name"), text("uid"))) {
                self.show(deployment, *id, now);
            }
        }
        self.plant.next()
    }

    /// Names of the pods that belong to the Deployment with this UID.
    fn pods_of(&self, namespace: &str, uid: &str) -> Vec<String> {
        let (pods, _) = self.store.list(PODS, Some(namespace));
        let owned = pods.iter().filter(|pod| pod["metadata"]["ownerReferences"][0]["uid"] == uid);
        owned.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// Writes the plant's pods and the Deployment's status. What has not changed is not written.
    fn show(&self, deployment: &Value, id: WorkloadId, now: Timestamp) {
        let meta = &deployment["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default();
        let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
        let pod_name = |pod: &Pod| format!("{name}-{}", pod.id);
        let pods = self.plant.pods(id);
        let wanted: BTreeSet<String> = pods.iter().map(pod_name).collect();
        for present in self.pods_of(namespace, uid) {
            if !wanted.contains(&present) {
                let _ = self.store.delete(PODS, namespace, &present);
            }
        }
        for pod in pods {
            let status = pod_status(deployment, pod, self.plant.nodes(), now);
            if self.store.get(PODS, namespace, &pod_name(pod)).is_none() {
                let _ = self.store.create(PODS, new_pod(deployment, &pod_name(pod), &status));
            } else {
                let _ = self.store.update_status(PODS, namespace, &pod_name(pod), status);
            }
        }
        let status = deployment_status(deployment, &self.plant, id, now);
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

fn pod_status(deployment: &Value, pod: &Pod, nodes: Option<u32>, now: Timestamp) -> Value {
    let Some((placed, ready_at)) = pod.placed.zip(pod.ready_at) else {
        let nodes = nodes.unwrap_or_default();
        return json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": format!("0/{nodes} nodes are available: {nodes} Too many pods."),
            "lastTransitionTime": whole_seconds(pod.created),
        }]});
    };
    let ready = ready_at <= now;
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten();
    let state = if ready {
        json!({"running": {"startedAt": whole_seconds(ready_at)}})
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
    let since = if ready { ready_at } else { placed };
    let condition = |kind: &str, holds: bool, since: Timestamp| {
        let status = if holds { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": whole_seconds(since)})
    };
    json!({
        "phase": if ready { "Running" } else { "Pending" },
        "startTime": whole_seconds(placed),
        "containerStatuses": containers,
        "conditions": [
            condition("PodScheduled", true, placed),
            condition("Initialized", true, placed),
            condition("ContainersReady", ready, since),
            condition("Ready", ready, since),
        ],
    })
}

fn deployment_status(deployment: &Value, plant: &Plant, id: WorkloadId, now: Timestamp) -> Value {
    let replicas = i32::try_from(plant.pods(id).len()).unwrap_or(i32::MAX);
    let (wanted, ready) = (plant.wanted(id).get(), plant.ready(id).get());
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    for (key, count) in [
        ("replicas", replicas),
        ("updatedReplicas", replicas),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", wanted - ready),
    ] {
        if count > 0 {
            status[key] = count.into();
        }
    }
    let condition = |kind: &str, holds: bool, reason: &str, message: &str| {
        let word = if holds { "True" } else { "False" };
        let conditions = deployment["status"]["conditions"].as_array().into_iter().flatten();
        let before = conditions.into_iter().find(|before| before["type"] == kind && before["status"] == word);
        let since =
            before.map_or_else(|| whole_seconds(now).into(), |before| before["lastTransitionTime"].clone());
        json!({
            "type": kind, "status": word, "reason": reason, "message": message,
            "lastTransitionTime": since, "lastUpdateTime": since,
        })
    };
    let available = ready >= wanted - wanted / 4;
    let mut conditions = vec![if available {
        let message = "Deployment has minimum availability.";
        condition("Available", true, "MinimumReplicasAvailable", message)
    } else {
        let message = "Deployment does not have minimum availability.";
        condition("Available", false, "MinimumReplicasUnavailable", message)
    }];
    if replicas < wanted {
        let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
        let message = format!("pods \"{name}-{replicas}\" is forbidden: exceeded quota: pods");
        conditions.push(condition("ReplicaFailure", true, "FailedCreate", &message));
    }
    status["conditions"] = conditions.into();
    status
}

/// Kubernetes' times have no fractions of a second.
fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
