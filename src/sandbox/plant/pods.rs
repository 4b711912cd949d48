//! What a pod looks like, from the first attempt to find a node for it until it is ready.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::nodes;
use super::whole_seconds;
use crate::simulation::plant::{Place, Pod};

/// How long containers are created at most, before they run and are not ready yet.
const CREATION: SignedDuration = SignedDuration::from_secs(1);

/// How far a pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No node has room for it, of so many.
    Waiting(u32),
    /// Its containers are being created.
    Creating,
    /// They run.
    Running,
    /// It is ready.
    Ready,
    /// It is ending.
    Ending,
}

/// When the containers of a pod run.
pub(super) fn started_at(pod: &Pod) -> Option<Timestamp> {
    let (placed, ready) = pod.placed.zip(pod.ready_at)?;
    let startup = ready.duration_since(placed);
    placed.checked_add(CREATION.min(startup / 2)).ok()
}

/// How far a pod has come by `now`, with so many nodes.
pub(super) fn stage(pod: &Pod, nodes: u32, now: Timestamp) -> Stage {
    match started_at(pod) {
        None => Stage::Waiting(nodes),
        Some(_) if pod.is_ready(now) => Stage::Ready,
        Some(started) if started <= now => Stage::Running,
        Some(_) => Stage::Creating,
    }
}

/// Why a pod finds no node.
pub(super) fn no_room(nodes: u32) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let all = format!("0/{nodes} nodes are available: {nodes}");
    format!("{all} Too many pods. preemption: {all} No preemption victims found for incoming pod.")
}

/// The pod of a `ReplicaSet`, without a status.
pub(super) fn object(set: &Value, name: &str, place: Option<Place>) -> Value {
    let meta = &set["metadata"];
    let template = &set["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": format!("{}-", meta["name"].as_str().unwrap_or_default()),
            "namespace": meta["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": meta["name"], "uid": meta["uid"],
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": template["spec"],
    });
    if template["metadata"]["annotations"].is_object() {
        pod["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
    }
    for (key, value) in [("enableServiceLinks", json!(true)), ("serviceAccountName", json!("default"))] {
        if pod["spec"][key].is_null() {
            pod["spec"][key] = value;
        }
    }
    if let Some(place) = place {
        pod["spec"]["nodeName"] = json!(nodes::name(place.node));
    }
    pod
}

/// The status of a pod with this `spec` that has come so far.
pub(super) fn status(spec: &Value, pod: &Pod, stage: Stage, place: Option<Place>) -> Value {
    let class = quality_of_service(spec);
    let (Some(placed), Some(started), Some(ready_at)) = (pod.placed, started_at(pod), pod.ready_at) else {
        let nodes = if let Stage::Waiting(nodes) = stage { nodes } else { 0 };
        return json!({"phase": "Pending", "qosClass": class, "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": no_room(nodes),
            "lastProbeTime": null, "lastTransitionTime": whole_seconds(pod.created),
        }]});
    };
    let ready = stage == Stage::Ready;
    let runs = ready || stage == Stage::Running;
    let containers: Vec<&Value> = spec["containers"].as_array().into_iter().flatten().collect();
    let names = containers.iter().filter_map(|container| container["name"].as_str());
    let unready = format!("containers with unready status: [{}]", names.collect::<Vec<_>>().join(" "));
    let condition = |kind: &str, holds: bool, since: Timestamp| {
        let word = if holds { "True" } else { "False" };
        let mut condition = json!({
            "type": kind, "status": word, "lastProbeTime": null, "lastTransitionTime": whole_seconds(since),
        });
        if !holds && kind != "PodReadyToStartContainers" {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!(unready);
        }
        condition
    };
    let since = if ready { ready_at } else { placed };
    let mut status = json!({
        "phase": if runs { "Running" } else { "Pending" },
        "qosClass": class,
        "startTime": whole_seconds(placed),
        "conditions": [
            condition("PodReadyToStartContainers", runs, if runs { started } else { placed }),
            condition("Initialized", true, placed),
            condition("Ready", ready, since),
            condition("ContainersReady", ready, since),
            condition("PodScheduled", true, placed),
        ],
        "containerStatuses": containers.iter().map(|container| json!({
            "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0,
            "ready": ready, "started": runs, "lastState": {},
            "state": if runs {
                json!({"running": {"startedAt": whole_seconds(started)}})
            } else {
                json!({"waiting": {"reason": "ContainerCreating"}})
            },
        })).collect::<Vec<_>>(),
    });
    if let Some(place) = place {
        let host = nodes::address(place.node);
        status["hostIP"] = json!(host);
        status["hostIPs"] = json!([{"ip": host}]);
        if runs {
            let own = nodes::pod_address(place.node, pod.id);
            status["podIP"] = json!(own);
            status["podIPs"] = json!([{"ip": own}]);
        }
    }
    status
}

fn quality_of_service(spec: &Value) -> &'static str {
    let containers = || spec["containers"].as_array().into_iter().flatten();
    let amounts = |container: &Value, kind: &str| {
        ["cpu", "memory"].map(|resource| container["resources"][kind][resource].clone())
    };
    let asks = |container: &Value| {
        ["requests", "limits"]
            .iter()
            .any(|kind| amounts(container, kind).iter().any(|amount| !amount.is_null()))
    };
    let is_fixed = |container: &Value| {
        let limits = amounts(container, "limits");
        let requests = amounts(container, "requests");
        limits.iter().all(|amount| !amount.is_null())
            && requests.iter().zip(&limits).all(|(request, limit)| request.is_null() || request == limit)
    };
    if containers().all(is_fixed) {
        "Guaranteed"
    } else if containers().any(asks) {
        "Burstable"
    } else {
        "BestEffort"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_waits_is_created_runs_and_is_ready() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).expect("an instant");
        let pod = Pod { id: 7, created: at(0), placed: Some(at(10)), ready_at: Some(at(40)) };
        let waiting = Pod { placed: None, ready_at: None, ..pod };
        let spec = json!({"containers": [{"name": "web", "image": "i"}]});
        assert_eq!(stage(&waiting, 3, at(5)), Stage::Waiting(3));
        assert_eq!(
            status(&spec, &waiting, Stage::Waiting(3), None)["conditions"][0]["message"],
            "0/3 nodes are available: 3 Too many pods. preemption: 0/3 nodes are available: 3 No preemption victims \
             found for incoming pod."
        );
        for (seconds, wanted, phase, ready) in [
            (10, Stage::Creating, "Pending", "False"),
            (11, Stage::Running, "Running", "False"),
            (39, Stage::Running, "Running", "False"),
            (40, Stage::Ready, "Running", "True"),
        ] {
            let stage = stage(&pod, 3, at(seconds));
            assert_eq!(stage, wanted);
            let status = status(&spec, &pod, stage, Some(Place { node: 0, moves: 0 }));
            assert_eq!(status["phase"], phase);
            assert_eq!(
                (&status["conditions"][2]["type"], &status["conditions"][2]["status"]),
                (&json!("Ready"), &json!(ready))
            );
        }
        // One that takes no time is ready at once.
        let quick = Pod { ready_at: pod.placed, ..pod };
        assert_eq!(stage(&quick, 3, at(10)), Stage::Ready);
    }

    #[test]
    fn requests_and_limits_make_the_class_of_a_pod() {
        for (resources, class) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "1"}}), "Burstable"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable"),
        ] {
            let spec = json!({"containers": [{"resources": resources}]});
            assert_eq!(quality_of_service(&spec), class, "{spec}");
        }
    }
}
