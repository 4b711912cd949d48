//! Workloads as they behave in a simulation and behind the sandbox: pods that want a place, take time to start and
//! to end, and carry so much each.
//!
//! ```text
//! served(t) = min(demand(t), ready(t) × capacity per replica)       requests beyond that are dropped
//! ```
//! What several workloads share, nodes and a quota, is handed out in the order in which pods were asked for. Time
//! goes on from one event to the next: a pod that is ready or gone, a node that has come or is given back.

mod eviction;
mod nodes;
mod places;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::nodes::Nodes;
pub use self::nodes::NodesSpec;
pub use self::places::{Place, Places};
use super::measurement::Measurement;
use super::service::ServiceSpec;
use super::synthetic::normal;
use crate::decision::Replicas;

/// What a workload is like.
#[derive(Clone, Debug, PartialEq)]
pub struct PlantSpec {
    /// How long pods take to start and to end.
    pub pods: PodsSpec,
    /// What one ready replica can carry, in requests per second.
    pub capacity_per_replica: f64,
    /// The replicas at the start, all of them ready.
    pub initial_replicas: Replicas,
    /// How the traffic is measured.
    pub measurement: Measurement,
    /// How requests are served. Without it, those that find no capacity are dropped at once, and nothing takes
    /// any time.
    pub service: Option<ServiceSpec>,
}

/// How long the pods of a workload take to start and to end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PodsSpec {
    /// From the instant at which a pod has a place until it is ready. With `startup_p95`, the median.
    pub startup: Duration,
    /// 95 of 100 pods are ready after this; start-up times are then distributed log-normally.
    pub startup_p95: Option<Duration>,
    /// From a pod's removal until it is gone. It takes no requests any more, and keeps its place.
    pub termination: Duration,
    /// What start-up times are drawn from.
    pub seed: u64,
}

/// What the pods of all workloads share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The nodes; without them there is a place for every pod.
    pub nodes: Option<NodesSpec>,
    /// The most pods that there may be, those that are ending included.
    pub quota: Option<u32>,
}

impl ClusterSpec {
    /// Whether there may be too few places for pods.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.nodes.is_some() || self.quota.is_some()
    }
}

/// Workloads, and the nodes that they are on.
#[derive(Clone, Debug)]
pub struct Plant {
    workloads: Vec<Workload>,
    nodes: Option<Nodes>,
    quota: Option<usize>,
    /// Pods that were removed and still keep a place: until when, whose, and whether it is on a node.
    ending: Vec<Ending>,
    born: u64,
    now: Timestamp,
    next: Option<Timestamp>,
}

/// The place of a workload in its plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadId(usize);

/// The first workload.
pub const FIRST: WorkloadId = WorkloadId(0);

#[derive(Clone, Debug)]
struct Workload {
    spec: PodsSpec,
    wanted: usize,
    /// Oldest first. Those without a place are the youngest.
    pods: Vec<Pod>,
    /// So many of them, from the oldest on, are ready.
    settled: usize,
    ready: usize,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    until: Timestamp,
    workload: usize,
    pod: Pod,
}

/// One pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pod {
    /// A number that no other pod of the plant has.
    pub id: u64,
    /// When it was created.
    pub created: Timestamp,
    /// When it got its place, if it has one.
    pub placed: Option<Timestamp>,
    /// When it is ready, if it has a place.
    pub ready_at: Option<Timestamp>,
}

impl Pod {
    /// Whether it is ready at an instant.
    #[must_use]
    pub fn is_ready(&self, at: Timestamp) -> bool {
        self.ready_at.is_some_and(|ready| ready <= at)
    }

    fn start(&mut self, at: Timestamp, spec: &PodsSpec) {
        self.placed = Some(at);
        self.ready_at = Some(at.saturating_add(spec.startup_of(self.id)).unwrap_or(Timestamp::MAX));
    }
}

impl PodsSpec {
    /// How long the pod with this number takes to start: `median × (p95 / median) ^ (z / 1.645)`, with `z` nearly
    /// normal.
    fn startup_of(&self, pod: u64) -> SignedDuration {
        /// The 95th percentile of the normal distribution.
        const Z95: f64 = 1.644_853_626_951_472_2;
        let median = super::signed(self.startup);
        let Some(p95) = self.startup_p95 else { return median };
        let (median, p95) = (self.startup.as_secs_f64().max(0.001), p95.as_secs_f64());
        let seconds = median * libm::pow(p95 / median, normal(self.seed, pod) / Z95);
        // Milliseconds are as much as anybody measures, and a year is as long as anybody waits.
        SignedDuration::from_secs_f64((seconds.min(31_536_000.0) * 1000.0).round() / 1000.0)
    }
}

impl Plant {
    /// A plant without workloads.
    #[must_use]
    pub fn new(cluster: &ClusterSpec, at: Timestamp) -> Self {
        Self {
            workloads: Vec::new(),
            nodes: cluster.nodes.map(Nodes::new),
            quota: cluster.quota.map(|quota| usize::try_from(quota).unwrap_or(usize::MAX)),
            ending: Vec::new(),
            born: 0,
            now: at,
            next: None,
        }
    }

    /// Adds a workload whose first replicas are ready now, whatever nodes and quota there are.
    pub fn add(&mut self, spec: PodsSpec, initial: Replicas) -> WorkloadId {
        let id = WorkloadId(self.workloads.len());
        let at = self.now;
        let born = self.born;
        let wanted = length(initial);
        let pod = |id| Pod { id, created: at, placed: Some(at), ready_at: Some(at) };
        let pods: Vec<Pod> = (born..).take(wanted).map(pod).collect();
        self.born += u64::try_from(wanted).unwrap_or(u64::MAX);
        self.workloads.push(Workload { spec, wanted, settled: pods.len(), ready: pods.len(), pods });
        if let Some(nodes) = &mut self.nodes {
            let placed = self.workloads.iter().map(Workload::placed).sum::<usize>();
            nodes.start_with(placed);
        }
        id
    }

    /// Asks for so many replicas from now on. Of those that go, the ones without a place are first, then those that
    /// are not ready, then the youngest, as a `ReplicaSet` has it.
    pub fn scale(&mut self, id: WorkloadId, replicas: Replicas) {
        let Some(workload) = self.workloads.get_mut(id.0) else { return };
        workload.wanted = length(replicas);
        let until = self.now.saturating_add(super::signed(workload.spec.termination));
        let until = until.unwrap_or(Timestamp::MAX);
        while workload.pods.len() > workload.wanted {
            let pod = workload.pods.remove(workload.first_to_go(self.now));
            if pod.placed.is_some() && until > self.now {
                self.ending.push(Ending { until, workload: id.0, pod });
            }
        }
        self.turn(self.now);
    }

    /// Goes on to `at`.
    #[inline]
    pub fn advance(&mut self, at: Timestamp) {
        while let Some(next) = self.next.filter(|next| *next <= at) {
            self.turn(next);
        }
        self.now = self.now.max(at);
    }

    /// When something changes by itself for the next time.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// How many replicas were asked for.
    #[must_use]
    pub fn wanted(&self, id: WorkloadId) -> Replicas {
        replicas(self.workloads.get(id.0).map_or(0, |workload| workload.wanted))
    }

    /// How many pods are ready.
    #[must_use]
    pub fn ready(&self, id: WorkloadId) -> Replicas {
        replicas(self.workloads.get(id.0).map_or(0, |workload| workload.ready))
    }

    /// How many pods of those that were asked for have no place.
    #[must_use]
    pub fn without_place(&self, id: WorkloadId) -> Replicas {
        replicas(self.workloads.get(id.0).map_or(0, |workload| workload.wanted - workload.placed()))
    }

    /// Since when pods of a workload have wanted a node, as the scheduler tells: the longest, in whole seconds.
    #[must_use]
    pub fn unschedulable_since(&self, id: WorkloadId) -> Option<Timestamp> {
        let workload = self.workloads.get(id.0)?;
        let first = workload.pods.get(workload.placed())?;
        Timestamp::from_second(first.created.as_second()).ok()
    }

    /// The pods of a workload, oldest first; those that the quota does not admit are not among them.
    #[must_use]
    pub fn pods(&self, id: WorkloadId) -> &[Pod] {
        self.workloads.get(id.0).map_or(&[], |workload| &workload.pods)
    }

    /// The pods of a workload that are ending, and until when.
    pub fn ending(&self, id: WorkloadId) -> impl Iterator<Item = (&Pod, Timestamp)> {
        let own = self.ending.iter().filter(move |ending| ending.workload == id.0);
        own.map(|ending| (&ending.pod, ending.until))
    }

    /// How many nodes are there, if there is an end to them.
    #[must_use]
    pub fn nodes(&self) -> Option<u32> {
        self.nodes.as_ref().map(Nodes::ready)
    }

    /// How many nodes are on their way.
    #[must_use]
    pub fn nodes_to_come(&self) -> usize {
        self.nodes.as_ref().map_or(0, Nodes::to_come)
    }

    /// Does all that is due at `at`.
    fn turn(&mut self, at: Timestamp) {
        self.now = at;
        self.ending.retain(|ending| ending.until > at);
        if let Some(nodes) = &mut self.nodes {
            nodes.arrive(at);
        }
        self.create(at);
        self.place(at);
        let mut next = self.ending.iter().map(|ending| ending.until).min();
        for workload in &mut self.workloads {
            next = next.into_iter().chain(workload.settle(at)).min();
        }
        if let Some(nodes) = &self.nodes {
            next = next.into_iter().chain(nodes.next()).min();
        }
        self.next = next;
    }

    /// Creates the pods that lack, as far as the quota goes.
    fn create(&mut self, at: Timestamp) {
        let there: usize = self.workloads.iter().map(|workload| workload.pods.len()).sum();
        let mut admitted =
            self.quota.map_or(usize::MAX, |quota| quota.saturating_sub(there + self.ending.len()));
        for workload in &mut self.workloads {
            while workload.pods.len() < workload.wanted && admitted > 0 {
                workload.pods.push(Pod { id: self.born, created: at, placed: None, ready_at: None });
                self.born += 1;
                admitted -= 1;
            }
        }
    }

    /// Gives places to those without one, and orders nodes for the rest.
    fn place(&mut self, at: Timestamp) {
        let Some(nodes) = &mut self.nodes else {
            for workload in &mut self.workloads {
                let placed = workload.placed();
                for pod in &mut workload.pods[placed..] {
                    pod.start(at, &workload.spec);
                }
            }
            return;
        };
        let mut waiting: VecDeque<(u64, usize)> = VecDeque::new();
        let mut held = self.ending.len();
        for (index, workload) in self.workloads.iter().enumerate() {
            let placed = workload.placed();
            held += placed;
            waiting.extend(workload.pods[placed..].iter().map(|pod| (pod.id, index)));
        }
        waiting.make_contiguous().sort_unstable();
        while held < nodes.places()
            && let Some((_, index)) = waiting.pop_front()
        {
            let workload = &mut self.workloads[index];
            let first = workload.placed();
            workload.pods[first].start(at, &workload.spec);
            held += 1;
        }
        nodes.adjust(at, held, waiting.len());
    }
}

impl Workload {
    fn placed(&self) -> usize {
        match self.pods.last() {
            Some(youngest) if youngest.placed.is_none() => {
                self.pods.partition_point(|pod| pod.placed.is_some())
            }
            Some(_) | None => self.pods.len(),
        }
    }

    /// The index of the pod that goes first, of at least one.
    fn first_to_go(&self, at: Timestamp) -> usize {
        let youngest = self.pods.len() - 1;
        if self.settled > youngest || !self.pods[youngest].is_ready(at) {
            return youngest;
        }
        let starting = self.pods[self.settled..].iter().rposition(|pod| !pod.is_ready(at));
        starting.map_or(youngest, |index| self.settled + index)
    }

    /// Counts who is ready at `at`, and says when the next one will be.
    fn settle(&mut self, at: Timestamp) -> Option<Timestamp> {
        self.settled = self.settled.min(self.pods.len());
        while self.pods.get(self.settled).is_some_and(|pod| pod.is_ready(at)) {
            self.settled += 1;
        }
        let rest = &self.pods[self.settled..];
        self.ready = self.settled + rest.iter().filter(|pod| pod.is_ready(at)).count();
        rest.iter().filter_map(|pod| pod.ready_at).filter(|ready| *ready > at).min()
    }
}

#[inline]
fn replicas(count: usize) -> Replicas {
    Replicas::new(i32::try_from(count).unwrap_or(i32::MAX))
}

fn length(replicas: Replicas) -> usize {
    usize::try_from(replicas.get()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
