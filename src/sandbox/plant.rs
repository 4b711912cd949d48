//! What moves behind the sandbox: Deployments have `ReplicaSet`s, those have pods, and pods are on nodes. The controllers,
//! the scheduler, the kubelet and a cluster autoscaler, in one.
//!
//! Who has a place and when a pod is ready or gone is the plant of the simulation's, with a workload for every
//! `ReplicaSet`; here that is shown as objects, and rollouts are decided. Other kinds with pods are not run.
//!
//! One pass brings everything up to an instant, without waiting in between: whoever looks at an instant of a
//! virtual clock sees all of what happens at it.

mod deployments;
mod events;
mod nodes;
mod pods;
mod rollout;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::deployments::Rollout;
use self::events::Teller;
use self::rollout::Count;
use self::sets::Shown;
use super::deletion::Deletion;
use super::objects::Objects;
use super::store::{Store, Watch};
use crate::simulation::plant::{ClusterSpec, Places, Plant, PodsSpec, WorkloadId};

const DEPLOYMENTS: &str = "deployments.apps";
const SETS: &str = "replicasets.apps";
const PODS: &str = "pods";

/// How many steps rollouts may take at one instant; each waits for pods but for those that take no time.
const STEPS: usize = 1000;

/// What the plant behind a sandbox is like.
#[derive(Clone, Debug, Default)]
pub struct PlantOptions {
    /// How long the pods of certain Deployments take, by namespace and name.
    pub pods: BTreeMap<(String, String), PodsSpec>,
    /// How long all other pods take.
    pub others: PodsSpec,
    /// What all pods share.
    pub cluster: ClusterSpec,
}

/// Runs what is in a sandbox until told to stop. What is there now has been there for long.
pub(super) fn start(objects: Objects, options: PlantOptions, stop: CancellationToken) {
    let store = objects.store.clone();
    let watch = |resource| store.watch(resource, store.version());
    let watches = [DEPLOYMENTS, SETS, PODS].map(watch);
    let mut controllers = Controllers::new(objects, options);
    let wake = controllers.reconcile(store.clock().now());
    tokio::spawn(run(controllers, watches, wake, stop));
}

async fn run(
    mut controllers: Controllers,
    watches: [Watch; 3],
    mut wake: Option<Timestamp>,
    stop: CancellationToken,
) {
    let store = controllers.store();
    let [mut deployments, mut sets, mut pods] = watches;
    loop {
        let sleep = async {
            match wake {
                Some(at) => store.clock().sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep => {}
            // A watch that was too slow begins anew below.
            _ = deployments.next() => {}
            _ = sets.next() => {}
            _ = pods.next() => {}
        }
        // What else has come meanwhile is seen in the same pass.
        for (resource, watch) in [(DEPLOYMENTS, &mut deployments), (SETS, &mut sets), (PODS, &mut pods)] {
            loop {
                match watch.poll() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    // The pass looks at everything anyway.
                    Err(_) => *watch = store.watch(resource, store.version()),
                }
            }
        }
        wake = controllers.reconcile(store.clock().now());
    }
}

/// A `ReplicaSet` and how it fares.
#[derive(Clone, Debug)]
struct Set {
    object: Arc<Value>,
    /// What it was asked for, and what is available of it.
    count: Count,
    /// How many pods it has.
    pods: i64,
    /// How many of them are ready.
    ready: i64,
    /// How many pods there are, those that are ending included.
    present: usize,
    /// Why it has fewer pods than it was asked for.
    failure: Option<String>,
}

impl Set {
    /// Namespace and name.
    fn place(&self) -> (&str, &str) {
        let text = |key: &str| self.object["metadata"][key].as_str().unwrap_or_default();
        (text("namespace"), text("name"))
    }
}

#[derive(Debug)]
struct Controllers {
    objects: Objects,
    options: PlantOptions,
    plant: Plant,
    places: Places,
    /// By the UID of their `ReplicaSet`.
    workloads: BTreeMap<String, WorkloadId>,
    /// By the number of a pod in the plant.
    shown: BTreeMap<u64, Shown>,
    shown_nodes: BTreeSet<u64>,
    /// How many nodes were on their way when that was last told.
    ordered: usize,
    teller: Teller,
    /// What is there at the first pass has been there for long: its pods are ready.
    is_first: bool,
}

impl Controllers {
    fn new(objects: Objects, options: PlantOptions) -> Self {
        let plant = Plant::new(&options.cluster, objects.store.clock().now());
        let teller = Teller::new(objects.store.clone());
        Self {
            objects,
            options,
            plant,
            places: Places::default(),
            workloads: BTreeMap::new(),
            shown: BTreeMap::new(),
            shown_nodes: BTreeSet::new(),
            ordered: 0,
            teller,
            is_first: true,
        }
    }

    fn store(&self) -> Store {
        self.objects.store.clone()
    }

    /// Brings everything up to `now`. Gives the next instant at which something happens by itself.
    fn reconcile(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.plant.advance(now);
        self.take_removals();
        let (mut rollouts, mut others) = (Vec::new(), Vec::new());
        for _ in 0..STEPS {
            (rollouts, others) = self.sets(now);
            let mut changed = false;
            for rollout in &rollouts {
                changed |= self.roll(rollout);
            }
            if !changed {
                break;
            }
        }
        self.show_nodes();
        self.show_pods(&rollouts, &others, now);
        for set in rollouts.iter().flat_map(|rollout| &rollout.sets).chain(&others) {
            self.show_set(set, now);
        }
        for rollout in &rollouts {
            self.show_deployment(rollout, now);
            self.forget_old_sets(rollout);
        }
        self.teller.forget(now);
        self.is_first = false;
        self.next(&rollouts, &others, now)
    }

    fn next(&self, rollouts: &[Rollout], others: &[Set], now: Timestamp) -> Option<Timestamp> {
        let sets = rollouts.iter().flat_map(|rollout| &rollout.sets).chain(others);
        let by_pods = sets.filter_map(|set| self.next_of(set, now));
        let (deployments, _) = self.objects.store.list(DEPLOYMENTS, None);
        let deadlines: Vec<Timestamp> =
            deployments.iter().filter_map(|deployment| deployments::deadline(deployment)).collect();
        by_pods.chain(deadlines).filter(|at| *at > now).chain(self.plant.next()).min()
    }

    fn show_nodes(&mut self) {
        self.places.follow(&self.plant);
        let room = self.options.cluster.nodes.map(|nodes| nodes.pods_per_node);
        let present: BTreeSet<u64> = self.places.nodes().collect();
        nodes::show(&self.objects.store, &mut self.shown_nodes, &present, room);
    }

    /// Removes an object by the rules of the API.
    fn remove(&self, storage: &str, object: &Arc<Value>, grace: Option<u64>) {
        let resource =
            self.objects.registry.stored().into_iter().find(|resource| resource.storage == storage);
        if let Some(resource) = resource {
            // Somebody else may have changed or removed it: the next pass looks again.
            let _ = self.objects.delete(&resource, object, &Deletion { grace, ..Deletion::default() });
        }
    }

    fn tell(&mut self, by: &str, about: &Value, reason: &str, message: &str) {
        if !self.is_first {
            self.teller.normal(by, about, reason, message);
        }
    }

    fn warn(&mut self, by: &str, about: &Value, reason: &str, message: &str) {
        if !self.is_first {
            self.teller.warning(by, about, reason, message);
        }
    }
}

/// Kubernetes' times have no fractions of a second.
fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
