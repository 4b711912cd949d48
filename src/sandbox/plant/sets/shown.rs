//! The pods of `ReplicaSet`s as objects: they come, change and go as the plant has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::deployments::Rollout;
use super::super::pods::{self, Stage};
use super::super::{Controllers, PODS, Set, events, nodes};
use super::name_of;
use crate::simulation::plant::{Pod, WorkloadId};

/// A pod as it was shown.
#[derive(Clone, Debug)]
pub(in super::super) struct Shown {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) workload: WorkloadId,
    pub(super) stage: Stage,
    moves: u64,
}

impl Controllers {
    /// Shows the pods of all sets as they are now. What has not changed is not written.
    pub(in super::super) fn show_pods(&mut self, rollouts: &[Rollout], others: &[Set], now: Timestamp) {
        let sets = rollouts.iter().flat_map(|rollout| &rollout.sets).chain(others);
        let sets: BTreeMap<WorkloadId, Arc<Value>> = sets
            .filter_map(|set| {
                let id = self.workloads.get(set.object["metadata"]["uid"].as_str()?)?;
                Some((*id, Arc::clone(&set.object)))
            })
            .collect();
        let ids: Vec<WorkloadId> = self.workloads.values().copied().collect();
        self.hide_pods(&sets, &ids);
        let ordered = self.plant.nodes_to_come();
        let orders = ordered > self.ordered;
        self.ordered = ordered;
        for id in ids {
            for pod in self.plant.pods(id).to_vec() {
                self.show_pod(sets.get(&id), id, &pod, now);
                if orders && pod.placed.is_none() {
                    self.tell_order(&pod);
                }
            }
        }
    }

    /// Removes the pods that are ending or gone.
    fn hide_pods(&mut self, sets: &BTreeMap<WorkloadId, Arc<Value>>, ids: &[WorkloadId]) {
        let alive: BTreeSet<u64> = ids.iter().flat_map(|id| self.plant.pods(*id)).map(|pod| pod.id).collect();
        let ending: BTreeSet<u64> =
            ids.iter().flat_map(|id| self.plant.ending(*id)).map(|(pod, _)| pod.id).collect();
        let store = self.store();
        for (id, shown) in self.shown.clone() {
            let moves = self.places.of(id).map_or(shown.moves, |place| place.moves);
            let is_ending = ending.contains(&id);
            if alive.contains(&id) && moves == shown.moves {
                continue;
            }
            if let Some(pod) = store.get(PODS, &shown.namespace, &shown.name) {
                if alive.contains(&id) {
                    let text = "deleting pod for node scale down";
                    self.tell(events::AUTOSCALER, &pod, "ScaleDown", text);
                    self.remove(PODS, &pod, Some(0));
                } else if !is_ending {
                    self.remove(PODS, &pod, Some(0));
                } else if !pod["metadata"]["deletionTimestamp"].is_string() {
                    self.remove(PODS, &pod, None);
                }
                if shown.stage != Stage::Ending
                    && !alive.contains(&id)
                    && let Some(set) = sets.get(&shown.workload)
                {
                    let text = format!("Deleted pod: {}", shown.name);
                    self.tell(events::SETS, set, "SuccessfulDelete", &text);
                }
                if is_ending && shown.stage != Stage::Ending {
                    self.tell_of_containers(&pod, "Killing", "Stopping container");
                }
            }
            match self.shown.get_mut(&id) {
                Some(shown) if is_ending => shown.stage = Stage::Ending,
                _ => {
                    self.shown.remove(&id);
                }
            }
        }
    }

    fn show_pod(&mut self, set: Option<&Arc<Value>>, workload: WorkloadId, pod: &Pod, now: Timestamp) {
        let nodes = self.plant.nodes().unwrap_or(1);
        let (stage, place) = (pods::stage(pod, nodes, now), self.places.of(pod.id));
        let before = self.shown.get(&pod.id).map(|shown| shown.stage);
        let store = self.store();
        let shown = match (self.shown.get(&pod.id), set) {
            (Some(shown), _) if shown.stage == stage => return,
            (Some(shown), _) => shown.clone(),
            (None, Some(set)) => {
                let moves = place.map_or(0, |place| place.moves);
                let text = |key: &str| set["metadata"][key].as_str().unwrap_or_default().to_owned();
                let name = name_of(&text("name"), pod.id, moves);
                let mut object = pods::object(set, &name, place);
                object["status"] = pods::status(&object["spec"], pod, stage, place);
                if store.create(PODS, object).is_err() {
                    return;
                }
                self.tell(events::SETS, set, "SuccessfulCreate", &format!("Created pod: {name}"));
                Shown { namespace: text("namespace"), name, workload, stage, moves }
            }
            // Nobody makes pods for a set that is gone.
            (None, None) => return,
        };
        let written = store.update(PODS, &shown.namespace, &shown.name, |object| {
            if let Some(place) = place {
                object["spec"]["nodeName"] = json!(nodes::name(place.node));
            }
            object["status"] = pods::status(&object["spec"], pod, stage, place);
        });
        if let Ok(object) = written {
            self.tell_of_pod(&object, before, stage);
        }
        self.shown.insert(pod.id, Shown { stage, ..shown });
    }

    fn tell_of_pod(&mut self, pod: &Value, before: Option<Stage>, stage: Stage) {
        let meta = &pod["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Stage::Waiting(nodes) = stage {
            self.warn(events::SCHEDULER, pod, "FailedScheduling", &pods::no_room(nodes));
            return;
        }
        if matches!(before, None | Some(Stage::Waiting(_))) {
            let (namespace, name) = (text(&meta["namespace"]), text(&meta["name"]));
            let node = text(&pod["spec"]["nodeName"]);
            let message = format!("Successfully assigned {namespace}/{name} to {node}");
            self.tell(events::SCHEDULER, pod, "Scheduled", &message);
        }
        if matches!(stage, Stage::Running | Stage::Ready)
            && !matches!(before, Some(Stage::Running | Stage::Ready))
        {
            self.tell_of_containers(pod, "Created", "Created container:");
            self.tell_of_containers(pod, "Started", "Started container");
        }
    }

    fn tell_of_containers(&mut self, pod: &Value, reason: &str, what: &str) {
        for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            self.tell(events::KUBELET, pod, reason, &format!("{what} {name}"));
        }
    }

    fn tell_order(&mut self, pod: &Pod) {
        let Some(nodes) = self.options.cluster.nodes else { return };
        let Some(shown) = self.shown.get(&pod.id) else { return };
        let Some(object) = self.store().get(PODS, &shown.namespace, &shown.name) else { return };
        let present = self.plant.nodes().unwrap_or_default();
        let coming = u32::try_from(self.ordered).unwrap_or(u32::MAX);
        let (all, most) = (present.saturating_add(coming), nodes.max.max(nodes.count));
        let text = format!("pod triggered scale-up: [{{sandbox {present}->{all} (max: {most})}}]");
        self.tell(events::AUTOSCALER, &object, "TriggeredScaleUp", &text);
    }
}
