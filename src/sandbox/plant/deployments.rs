//! Deployments: which `ReplicaSet`s they have, how large each is next, and what their status says.

mod progress;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::rollout::{Count, Limits};
use super::{Controllers, DEPLOYMENTS, SETS, Set, events};

pub(super) use progress::deadline;

use progress::status;

/// The label that tells the pods of one template from those of another.
const HASH: &str = "pod-template-hash";

const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a Deployment that its sets don't get.
const OWN: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED,
    MOST,
];

/// A Deployment and its sets, oldest first.
#[derive(Debug)]
pub(super) struct Rollout {
    pub(super) deployment: Arc<Value>,
    pub(super) sets: Vec<Set>,
}

impl Rollout {
    /// The set that has the Deployment's present template.
    pub(super) fn new_set(&self) -> Option<usize> {
        let template = &self.deployment["spec"]["template"];
        self.sets.iter().position(|set| template_of(&set.object) == *template)
    }

    fn name(&self) -> &str {
        self.deployment["metadata"]["name"].as_str().unwrap_or_default()
    }

    fn revision(&self) -> i64 {
        self.sets.iter().map(|set| number(&set.object, REVISION)).max().unwrap_or_default()
    }
}

impl Controllers {
    /// Takes one step of a rollout. Gives whether it changed anything.
    pub(super) fn roll(&mut self, rollout: &Rollout) -> bool {
        let deployment = &rollout.deployment;
        if deployment["metadata"]["deletionTimestamp"].is_string() {
            return false;
        }
        let limits = Limits::of(&deployment["spec"]);
        let paused = deployment["spec"]["paused"] == true;
        let new = rollout.new_set();
        if let Some(sizes) = scaled(rollout, new, limits) {
            return self.resize(rollout, &sizes, limits);
        }
        if paused {
            return false;
        }
        let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";
        let total: i64 = rollout.sets.iter().map(|set| set.count.replicas).sum();
        let Some(new) = new else {
            if recreate && rollout.sets.iter().any(|set| set.count.replicas > 0 || set.present > 0) {
                return self.resize(rollout, &vec![0; rollout.sets.len()], limits);
            }
            let size = if recreate { limits.wanted } else { limits.new_set(0, total) };
            return self.create_set(rollout, size, limits);
        };
        if self.raise_revision(rollout, new) {
            return true;
        }
        let mut sizes: Vec<i64> = rollout.sets.iter().map(|set| set.count.replicas).collect();
        let size = limits.new_set(sizes[new], total);
        if recreate {
            sizes.fill(0);
            let gone = rollout.sets.iter().enumerate().all(|(index, set)| index == new || set.present == 0);
            sizes[new] = if gone { limits.wanted } else { rollout.sets[new].count.replicas };
        } else if size != sizes[new] {
            sizes[new] = size;
        } else {
            let old: Vec<Count> = rollout.sets.iter().map(|set| set.count).collect();
            let old: Vec<Count> = [&old[..new], &old[new + 1..]].concat();
            let mut old = limits.old_sets(&old, rollout.sets[new].count).into_iter();
            for (index, size) in sizes.iter_mut().enumerate().filter(|(index, _)| *index != new) {
                *size = old.next().unwrap_or(rollout.sets[index].count.replicas);
            }
        }
        self.resize(rollout, &sizes, limits)
    }

    /// Gives every set its size, and notes for how many replicas in all that was meant.
    fn resize(&mut self, rollout: &Rollout, sizes: &[i64], limits: Limits) -> bool {
        let mut changed = false;
        for (set, size) in rollout.sets.iter().zip(sizes) {
            let (namespace, name) = set.place();
            let before = set.count.replicas;
            let annotations = [(DESIRED, limits.wanted), (MOST, limits.wanted + limits.surge)];
            let is_active = *size > 0 || before > 0;
            if *size == before
                && (!is_active || annotations.iter().all(|(key, value)| number(&set.object, key) == *value))
            {
                continue;
            }
            let updated = self.store().update(SETS, namespace, name, |object| {
                for (key, value) in annotations {
                    object["metadata"]["annotations"][key] = json!(value.to_string());
                }
                if *size != before {
                    object["spec"]["replicas"] = json!(size);
                    let generation = object["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
                    object["metadata"]["generation"] = json!(generation);
                }
            });
            changed |= updated.is_ok();
            if *size != before {
                let direction = if *size > before { "up" } else { "down" };
                let text = format!("Scaled {direction} replica set {name} from {before} to {size}");
                self.tell(events::DEPLOYMENTS, &rollout.deployment, "ScalingReplicaSet", &text);
            }
        }
        changed
    }

    fn create_set(&mut self, rollout: &Rollout, size: i64, limits: Limits) -> bool {
        let deployment = &rollout.deployment;
        let meta = &deployment["metadata"];
        let mut template = deployment["spec"]["template"].clone();
        let hash = hash(&template);
        let name = format!("{}-{hash}", rollout.name());
        template["metadata"]["labels"][HASH] = json!(hash);
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][HASH] = json!(hash);
        let mut annotations: Map<String, Value> =
            meta["annotations"].as_object().cloned().unwrap_or_default();
        annotations.retain(|key, _| !OWN.contains(&key.as_str()));
        for (key, value) in [
            (REVISION, rollout.revision() + 1),
            (DESIRED, limits.wanted),
            (MOST, limits.wanted + limits.surge),
        ] {
            annotations.insert(key.to_owned(), json!(value.to_string()));
        }
        let mut object = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name, "namespace": meta["namespace"], "generation": 1,
                "labels": template["metadata"]["labels"], "annotations": annotations,
                "ownerReferences": [owner(deployment)],
            },
            "spec": {"replicas": size, "selector": selector, "template": template},
            "status": {"replicas": 0},
        });
        if let Some(seconds) = deployment["spec"]["minReadySeconds"].as_i64().filter(|seconds| *seconds > 0) {
            object["spec"]["minReadySeconds"] = json!(seconds);
        }
        // Somebody else's set of this name keeps the rollout from going on, as it does in a real cluster.
        if self.store().create(SETS, object).is_err() {
            return false;
        }
        if size > 0 && !self.is_first {
            let text = format!("Scaled up replica set {name} from 0 to {size}");
            self.tell(events::DEPLOYMENTS, deployment, "ScalingReplicaSet", &text);
        }
        true
    }

    /// A set that is the new one once more, after a rollback, is the latest revision.
    fn raise_revision(&mut self, rollout: &Rollout, new: usize) -> bool {
        let others = rollout.sets.iter().enumerate().filter(|(index, _)| *index != new);
        let latest = others.map(|(_, set)| number(&set.object, REVISION)).max().unwrap_or_default();
        if number(&rollout.sets[new].object, REVISION) > latest {
            return false;
        }
        let (namespace, name) = rollout.sets[new].place();
        let raised = self.store().update(SETS, namespace, name, |object| {
            object["metadata"]["annotations"][REVISION] = json!((latest + 1).to_string());
        });
        raised.is_ok()
    }

    /// Removes old sets without pods beyond the history that the Deployment keeps.
    pub(super) fn forget_old_sets(&mut self, rollout: &Rollout) {
        let spec = &rollout.deployment["spec"];
        let kept = spec["revisionHistoryLimit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let new = rollout.new_set();
        let mut old: Vec<&Set> =
            rollout.sets.iter().enumerate().filter(|(i, _)| Some(*i) != new).map(|(_, s)| s).collect();
        old.retain(|set| set.count.replicas == 0 && set.present == 0);
        old.sort_by_key(|set| number(&set.object, REVISION));
        let beyond = old.len().saturating_sub(kept.unwrap_or(10));
        for set in &old[..beyond] {
            self.remove(SETS, &set.object, None);
        }
    }

    /// Writes what has become of a Deployment.
    pub(super) fn show_deployment(&mut self, rollout: &Rollout, now: Timestamp) {
        let meta = &rollout.deployment["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default();
        let status = status(rollout, now);
        let new = rollout.new_set();
        let revision = new.map(|new| rollout.sets[new].object["metadata"]["annotations"][REVISION].clone());
        // It may be gone meanwhile, which is as good.
        let _ = self.store().update(DEPLOYMENTS, text("namespace"), text("name"), |object| {
            object["status"] = status;
            if let Some(revision) = revision {
                object["metadata"]["annotations"][REVISION] = revision;
            }
        });
    }
}

/// The sizes of a Deployment's sets after somebody has scaled it, if somebody has.
fn scaled(rollout: &Rollout, new: Option<usize>, limits: Limits) -> Option<Vec<i64>> {
    let active: Vec<usize> =
        (0..rollout.sets.len()).filter(|at| rollout.sets[*at].count.replicas > 0).collect();
    let desired = |at: &usize| number(&rollout.sets[*at].object, DESIRED);
    let paused = rollout.deployment["spec"]["paused"] == true;
    let is_known = active.iter().all(|at| desired(at) == limits.wanted);
    if is_known && !(paused && active.is_empty()) {
        return None;
    }
    let mut sizes: Vec<i64> = rollout.sets.iter().map(|set| set.count.replicas).collect();
    if let [] | [_] = active.as_slice() {
        let only = active.first().copied().or(new)?;
        sizes[only] = limits.wanted;
        return Some(sizes);
    }
    let is_done = |at: usize| {
        let Count { replicas, available } = rollout.sets[at].count;
        desired(&at) == limits.wanted && replicas == limits.wanted && available == limits.wanted
    };
    if let Some(new) = new.filter(|new| is_done(*new)) {
        let size = sizes[new];
        sizes.fill(0);
        sizes[new] = size;
        return Some(sizes);
    }
    if rollout.deployment["spec"]["strategy"]["type"] != "Recreate" {
        let before =
            active.iter().map(|at| number(&rollout.sets[*at].object, MOST)).max().unwrap_or_default();
        let parts: Vec<i64> = active.iter().map(|at| sizes[*at]).collect();
        for (at, size) in active.iter().zip(limits.in_proportion(&parts, before)) {
            sizes[*at] = size;
        }
        return Some(sizes);
    }
    None
}

pub(super) fn owner(deployment: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"],
        "uid": deployment["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

/// The template of a set as its Deployment has it.
fn template_of(set: &Value) -> Value {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH);
    }
    template
}

fn number(object: &Value, annotation: &str) -> i64 {
    let text = object["metadata"]["annotations"][annotation].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// FNV-1a of a template, in the letters that such names are made of.
fn hash(template: &Value) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = template.to_string();
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut name = String::new();
    for _ in 0..10 {
        name.extend(usize::try_from(hash % 27).ok().map(|index| char::from(LETTERS[index])));
        hash /= 27;
    }
    name
}
