//! Nodes: so many places each, more of them after a while, and given back when nobody has needed them for long.
//!
//! Pods are interchangeable and so are nodes, so it is enough to count: `⌈pods / pods per node⌉` of them are needed, as
//! if pods were always packed. A cluster autoscaler orders what lacks at once, up to its bound, and gives a node back
//! that was not needed for some time.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The nodes of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodesSpec {
    /// How many pods a node has room for.
    pub pods_per_node: u32,
    /// How many nodes there are at least.
    pub count: u32,
    /// How many nodes there are at most.
    pub max: u32,
    /// From the order of a node until it takes pods, longer than nothing.
    pub provisioning: Duration,
    /// How long a node is not needed before it is given back.
    pub unneeded: Duration,
}

/// The nodes at an instant.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    pods_per_node: usize,
    least: usize,
    most: usize,
    provisioning: SignedDuration,
    unneeded: SignedDuration,
    ready: usize,
    /// When those on their way are there, in order.
    coming: VecDeque<Timestamp>,
    /// Since when each of those that are not needed is not, longest first.
    spare: VecDeque<Timestamp>,
}

impl Nodes {
    pub(super) fn new(spec: NodesSpec) -> Self {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            pods_per_node: count(spec.pods_per_node).max(1),
            least: count(spec.count),
            most: count(spec.max.max(spec.count)),
            provisioning: crate::simulation::signed(spec.provisioning),
            unneeded: crate::simulation::signed(spec.unneeded),
            ready: count(spec.count),
            coming: VecDeque::new(),
            spare: VecDeque::new(),
        }
    }

    /// Has as many nodes as so many pods need, besides the least number.
    pub(super) fn start_with(&mut self, pods: usize) {
        self.ready = self.needed_for(pods).max(self.least);
    }

    pub(super) fn ready(&self) -> u32 {
        u32::try_from(self.ready).unwrap_or(u32::MAX)
    }

    pub(super) fn count(&self) -> usize {
        self.ready
    }

    pub(super) fn pods_per_node(&self) -> usize {
        self.pods_per_node
    }

    pub(super) fn to_come(&self) -> usize {
        self.coming.len()
    }

    /// How many pods have room.
    pub(super) fn places(&self) -> usize {
        self.ready.saturating_mul(self.pods_per_node)
    }

    /// Takes those that are there by `at`.
    pub(super) fn arrive(&mut self, at: Timestamp) {
        while self.coming.front().is_some_and(|arrival| *arrival <= at) {
            self.coming.pop_front();
            self.ready += 1;
        }
    }

    /// Orders nodes for those that wait, and gives back what was not needed for long.
    pub(super) fn adjust(&mut self, at: Timestamp, held: usize, waiting: usize) {
        let wanted = self.needed_for(held + waiting).min(self.most);
        let arrival = at.saturating_add(self.provisioning).unwrap_or(Timestamp::MAX);
        while self.ready + self.coming.len() < wanted {
            self.coming.push_back(arrival);
        }
        let spare = self.ready.saturating_sub(wanted.max(self.least));
        self.spare.truncate(spare);
        while self.spare.len() < spare {
            self.spare.push_back(at);
        }
        while self.given_back().is_some_and(|due| due <= at) {
            self.spare.pop_front();
            self.ready -= 1;
        }
    }

    /// When something changes by itself for the next time.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.coming.front().copied().into_iter().chain(self.given_back()).min()
    }

    fn given_back(&self) -> Option<Timestamp> {
        self.spare.front().map(|since| since.saturating_add(self.unneeded).unwrap_or(Timestamp::MAX))
    }

    fn needed_for(&self, pods: usize) -> usize {
        pods.div_ceil(self.pods_per_node)
    }
}
