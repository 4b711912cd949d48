//! `ReplicaSet`s and their pods: what the plant is told of them, and how what it makes of that is shown.

mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::deployments::Rollout;
use super::pods::{self, Stage};
use super::rollout::Count;
use super::{Controllers, DEPLOYMENTS, PODS, SETS, Set, events, whole_seconds};
use crate::decision::Replicas;
use crate::simulation::plant::{Pod, PodsSpec, WorkloadId};

pub(super) use shown::Shown;

impl Controllers {
    /// Takes note of pods that others have deleted: a set has another one in their place.
    pub(super) fn take_removals(&mut self) {
        let store = self.store();
        let alive: BTreeSet<WorkloadId> = store
            .list(SETS, None)
            .0
            .iter()
            .filter(|set| !set["metadata"]["deletionTimestamp"].is_string())
            .filter_map(|set| {
                self.workloads.get(set["metadata"]["uid"].as_str().unwrap_or_default()).copied()
            })
            .collect();
        for (id, shown) in &mut self.shown {
            if shown.stage == Stage::Ending {
                continue;
            }
            let present = store.get(PODS, &shown.namespace, &shown.name);
            if present.is_none_or(|pod| pod["metadata"]["deletionTimestamp"].is_string()) {
                self.plant.evict(shown.workload, *id, alive.contains(&shown.workload));
                shown.stage = Stage::Ending;
            }
        }
    }

    /// Tells the plant what the sets ask for, and gives the sets as they are now: those of Deployments, and others.
    pub(super) fn sets(&mut self, now: Timestamp) -> (Vec<Rollout>, Vec<Set>) {
        let store = self.store();
        let (deployments, _) = store.list(DEPLOYMENTS, None);
        let (sets, _) = store.list(SETS, None);
        let mut owned: BTreeMap<String, Vec<Arc<Value>>> = BTreeMap::new();
        let mut others = Vec::new();
        for set in sets {
            match controller(&set).or_else(|| self.adopted(&set, &deployments)) {
                Some(uid) => owned.entry(uid).or_default().push(set),
                None => others.push(set),
            }
        }
        let mut alive = BTreeSet::new();
        let mut rollouts = Vec::new();
        for deployment in deployments {
            let uid = deployment["metadata"]["uid"].as_str().unwrap_or_default();
            let mut sets = owned.remove(uid).unwrap_or_default();
            sets.sort_by_key(|set| {
                set["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned()
            });
            let sets: Vec<Arc<Value>> =
                sets.into_iter().inspect(|set| self.run_set(set, &mut alive)).collect();
            rollouts.push((deployment, sets));
        }
        // What belongs to a Deployment that is gone is on its way out.
        others.extend(owned.into_values().flatten());
        for set in &others {
            self.run_set(set, &mut alive);
        }
        self.end_sets(&alive);
        let rollouts = rollouts.into_iter().map(|(deployment, sets)| {
            let sets = sets.into_iter().map(|set| self.standing(set, now)).collect();
            Rollout { deployment, sets }
        });
        let rollouts = rollouts.collect();
        (rollouts, others.into_iter().map(|set| self.standing(set, now)).collect())
    }

    /// Gives a set that belongs to nobody to the Deployment that selects it.
    fn adopted(&self, set: &Value, deployments: &[Arc<Value>]) -> Option<String> {
        let labels = &set["metadata"]["labels"];
        let meta = &set["metadata"];
        let selects = |deployment: &&Arc<Value>| {
            let wanted = deployment["spec"]["selector"]["matchLabels"].as_object();
            deployment["metadata"]["namespace"] == meta["namespace"]
                && deployment["metadata"]["deletionTimestamp"].is_null()
                && wanted.is_some_and(|wanted| {
                    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key.as_str()] == *value)
                })
        };
        let deployment = deployments.iter().find(selects).filter(|_| meta["deletionTimestamp"].is_null())?;
        let (namespace, name) = (meta["namespace"].as_str()?, meta["name"].as_str()?);
        let owner = super::deployments::owner(deployment);
        self.store()
            .update(SETS, namespace, name, |set| set["metadata"]["ownerReferences"] = json!([owner]))
            .ok()?;
        deployment["metadata"]["uid"].as_str().map(str::to_owned)
    }

    fn run_set(&mut self, set: &Value, alive: &mut BTreeSet<String>) {
        let uid = set["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let wanted = Replicas::saturating_from(set["spec"]["replicas"].as_i64().unwrap_or(1).into());
        match self.workloads.get(&uid).copied() {
            Some(id) if set["metadata"]["deletionTimestamp"].is_string() => self.keep(id),
            Some(id) if self.plant.wanted(id) != wanted => self.plant.scale(id, wanted),
            Some(_) => {}
            None => {
                let pods = self.timing(set);
                let initial = if self.is_first { wanted } else { Replicas::ZERO };
                let id = self.plant.add(pods, initial);
                self.plant.scale(id, wanted);
                self.workloads.insert(uid.clone(), id);
            }
        }
        alive.insert(uid);
    }

    /// Sets that are gone have no new pods; those that they leave behind go on.
    fn end_sets(&mut self, alive: &BTreeSet<String>) {
        let gone: Vec<(String, WorkloadId)> = self
            .workloads
            .iter()
            .filter(|(uid, _)| !alive.contains(*uid))
            .map(|(uid, id)| (uid.clone(), *id))
            .collect();
        for (uid, id) in gone {
            self.keep(id);
            if self.plant.pods(id).is_empty() && self.plant.ending(id).next().is_none() {
                self.workloads.remove(&uid);
            }
        }
    }

    /// Leaves a workload as many pods as it has.
    fn keep(&mut self, id: WorkloadId) {
        let pods = i64::try_from(self.plant.pods(id).len()).unwrap_or(i64::MAX);
        let pods = Replicas::saturating_from(pods.into());
        if self.plant.wanted(id) != pods {
            self.plant.scale(id, pods);
        }
    }

    /// How long the pods of a set take. Nobody waits for them to end longer than their grace period.
    fn timing(&self, set: &Value) -> PodsSpec {
        let meta = &set["metadata"];
        let owner = meta["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|owner| owner["kind"] == "Deployment");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = owner.map(|owner| (text(&meta["namespace"]), text(&owner["name"])));
        let mut pods =
            key.and_then(|key| self.options.pods.get(&key)).copied().unwrap_or(self.options.others);
        let grace = set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
        pods.termination = pods.termination.min(grace.map_or(Duration::MAX, Duration::from_secs));
        pods
    }

    fn standing(&self, object: Arc<Value>, now: Timestamp) -> Set {
        let id = self.workloads.get(object["metadata"]["uid"].as_str().unwrap_or_default()).copied();
        let pods = id.map(|id| self.plant.pods(id)).unwrap_or_default();
        let least = SignedDuration::from_secs(object["spec"]["minReadySeconds"].as_i64().unwrap_or_default());
        let is_available = |pod: &&Pod| {
            let since = pod.ready_at.and_then(|ready| ready.checked_add(least).ok());
            since.is_some_and(|since| since <= now)
        };
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let failure = self.plant.quota().filter(|_| number(pods.len()) < replicas).map(|quota| {
            let used = self.plant.held();
            format!(
                "pods \"{name}-\" is forbidden: exceeded quota: pods, requested: pods=1, used: pods={used}, limited: \
                 pods={quota}"
            )
        });
        Set {
            count: Count { replicas, available: number(pods.iter().filter(is_available).count()) },
            pods: number(pods.len()),
            ready: number(pods.iter().filter(|pod| pod.is_ready(now)).count()),
            present: pods.len() + id.map_or(0, |id| self.plant.ending(id).count()),
            failure,
            object,
        }
    }

    /// When a pod of a set runs or is available for the next time.
    pub(super) fn next_of(&self, set: &Set, now: Timestamp) -> Option<Timestamp> {
        let id = self.workloads.get(set.object["metadata"]["uid"].as_str().unwrap_or_default())?;
        let least =
            SignedDuration::from_secs(set.object["spec"]["minReadySeconds"].as_i64().unwrap_or_default());
        let instants = self.plant.pods(*id).iter().flat_map(|pod| {
            let available = pod.ready_at.and_then(|ready| ready.checked_add(least).ok());
            [pods::started_at(pod), available].into_iter().flatten()
        });
        instants.filter(|at| *at > now).min()
    }

    /// Writes what has become of a set.
    pub(super) fn show_set(&mut self, set: &Set, now: Timestamp) {
        let object = &set.object;
        let mut status =
            json!({"replicas": set.pods, "observedGeneration": object["metadata"]["generation"]});
        for (key, count) in [
            ("fullyLabeledReplicas", set.pods),
            ("readyReplicas", set.ready),
            ("availableReplicas", set.count.available),
        ] {
            if count > 0 {
                status[key] = json!(count);
            }
        }
        if let Some(message) = &set.failure {
            let before = object["status"]["conditions"][0]["lastTransitionTime"].as_str();
            let since = before.map_or_else(|| whole_seconds(now), str::to_owned);
            status["conditions"] = json!([{
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
                "lastTransitionTime": since,
            }]);
            if before.is_none() {
                self.warn(events::SETS, object, "FailedCreate", &format!("Error creating: {message}"));
            }
        }
        let (namespace, name) = set.place();
        // It may be gone meanwhile, which is as good.
        let _ = self.store().update_status(SETS, namespace, name, status);
    }
}

/// The UID of the Deployment that a set belongs to.
fn controller(set: &Value) -> Option<String> {
    let owners = set["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    owner["uid"].as_str().map(str::to_owned)
}

/// The name of a pod: another one for each, and for each time that it had to move.
fn name_of(set: &str, pod: u64, moves: u64) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    /// The letters make so many names; stepping by a number that has no factor in common with it repeats none.
    const NAMES: u64 = 27 * 27 * 27 * 27 * 27;
    let mut rest = (pod + 1).wrapping_mul(8_675_309).wrapping_add(moves.wrapping_mul(104_729)) % NAMES;
    let mut name: String = set.chars().take(57).collect();
    name.push('-');
    for _ in 0..5 {
        name.extend(usize::try_from(rest % 27).ok().map(|index| char::from(LETTERS[index])));
        rest /= 27;
    }
    name
}
