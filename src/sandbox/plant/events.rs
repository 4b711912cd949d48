//! Events of the controllers, the scheduler and the kubelet. They last for an hour, as in a real cluster.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::store::Store;

const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Who tells.
pub(super) const DEPLOYMENTS: &str = "deployment-controller";
/// Who tells.
pub(super) const SETS: &str = "replicaset-controller";
/// Who tells.
pub(super) const SCHEDULER: &str = "default-scheduler";
/// Who tells.
pub(super) const KUBELET: &str = "kubelet";
/// Who tells.
pub(super) const AUTOSCALER: &str = "cluster-autoscaler";

/// Tells what happens, and forgets it in time.
#[derive(Debug)]
pub(super) struct Teller {
    store: Store,
    /// What was told when, oldest first: namespace and name of the event.
    told: VecDeque<(Timestamp, String, String)>,
}

impl Teller {
    pub(super) fn new(store: Store) -> Self {
        Self { store, told: VecDeque::new() }
    }

    /// Tells something as it should be.
    pub(super) fn normal(&mut self, by: &str, about: &Value, reason: &str, message: &str) {
        self.tell("Normal", by, about, reason, message);
    }

    /// Tells something that somebody should look at.
    pub(super) fn warning(&mut self, by: &str, about: &Value, reason: &str, message: &str) {
        self.tell("Warning", by, about, reason, message);
    }

    /// Removes what is too old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((_, namespace, name)) =
            self.told.front().filter(|(told, ..)| now.duration_since(*told) >= LIFETIME)
        {
            // Somebody else may have removed it, which is as good.
            let _ = self.store.delete("events", namespace, name);
            self.told.pop_front();
        }
    }

    fn tell(&mut self, kind: &str, by: &str, about: &Value, reason: &str, message: &str) {
        let meta = &about["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
        let namespace = Some(text("namespace")).filter(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        let name = self.store.generate_name(&format!("{}.", text("name")));
        let now = self.store.now();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"], "kind": about["kind"], "name": meta["name"],
                "namespace": namespace, "uid": meta["uid"], "resourceVersion": meta["resourceVersion"],
            },
            "type": kind, "reason": reason, "message": message,
            "source": {"component": by}, "reportingComponent": by, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1, "eventTime": null,
        });
        if self.store.create("events", event).is_ok() {
            self.told.push_back((self.store.clock().now(), namespace, name));
        }
    }
}
