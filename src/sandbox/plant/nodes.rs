//! The nodes of a plant as objects. They come when they take pods and are removed when they are given back; where the
//! plant has no bound, there is one that has room for everybody.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::store::Store;
use super::super::upstream;

const NODES: &str = "nodes";
const LEASES: &str = "leases.coordination.k8s.io";

/// The namespace in which nodes say that they are alive.
const NODE_LEASES: &str = "kube-node-lease";

/// How many pods a node without a bound is said to have room for.
const BOUNDLESS: u32 = 1_000_000;

/// The name of the node with this number.
pub(super) fn name(node: u64) -> String {
    format!("node-{}", node + 1)
}

/// Shows these nodes, and no others that it has shown before.
pub(super) fn show(store: &Store, shown: &mut BTreeSet<u64>, present: &BTreeSet<u64>, room: Option<u32>) {
    for node in shown.difference(present) {
        // Somebody else may have removed it, which is as good.
        let _ = store.delete(NODES, "", &name(*node));
        let _ = store.delete(LEASES, NODE_LEASES, &name(*node));
    }
    for node in present {
        if store.get(NODES, "", &name(*node)).is_none() {
            // Nobody else was faster, or it is there.
            if let Ok(made) = store.create(NODES, object(*node, room.unwrap_or(BOUNDLESS), &store.now())) {
                let _ = store.create(LEASES, lease(&made));
            }
        }
    }
    shown.clone_from(present);
}

/// The address of a node.
pub(super) fn address(node: u64) -> String {
    format!("10.0.{}.{}", node / 250 % 250, node % 250 + 1)
}

/// The address of a pod.
pub(super) fn pod_address(node: u64, pod: u64) -> String {
    format!("10.{}.{}.{}", 64 + node % 128, pod / 250 % 250, pod % 250 + 1)
}

/// By its Lease a node says that it is alive. Here it says so once.
fn lease(node: &Value) -> Value {
    let metadata = &node["metadata"];
    let seconds = metadata["creationTimestamp"].as_str().unwrap_or_default().trim_end_matches('Z');
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": metadata["name"],
            "namespace": NODE_LEASES,
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]},
            ],
        },
        "spec": {
            "holderIdentity": metadata["name"],
            "leaseDurationSeconds": 40,
            "renewTime": format!("{seconds}.000000Z"),
        },
    })
}

fn object(node: u64, room: u32, now: &str) -> Value {
    let name = name(node);
    let resources = json!({
        "cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": room.to_string(),
    });
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now, "reason": reason, "message": message});
    let fine = |kind: &str, reason: &str, message: &str| condition(kind, "False", reason, message);
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
            },
        },
        "spec": {"providerID": format!("sandbox://{name}")},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [
                fine("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                fine("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                fine("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "addresses": [
                {"type": "InternalIP", "address": address(node)},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": name, "systemUUID": name, "bootID": name, "kernelVersion": "sandbox",
                "osImage": "tidetable sandbox", "containerRuntimeVersion": "sandbox://1", "kubeletVersion": upstream::VERSION,
                "operatingSystem": "linux", "architecture": "amd64",
            },
        },
    })
}
