//! Which node each pod is on, for whoever shows a plant. The plant itself only counts places, as if pods were always
//! packed.
//!
//! A pod goes to the oldest node with room, so that the youngest nodes are the first to be empty. When a node is given
//! back while pods are on it, they move to the room that the others have: the plant's count says that there is enough.

use std::collections::BTreeMap;

use super::Plant;

/// The nodes of a plant and who is on them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The numbers of the nodes, oldest first, and how many pods each has.
    nodes: Vec<(u64, usize)>,
    /// How many nodes there ever were.
    born: u64,
    /// By the number of a pod.
    by_pod: BTreeMap<u64, Place>,
}

/// The place of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the node.
    pub node: u64,
    /// How often the pod had to leave a node that was given back.
    pub moves: u64,
}

impl Places {
    /// Follows the plant to where it is now.
    pub fn follow(&mut self, plant: &Plant) {
        let room = plant.nodes.as_ref().map_or(usize::MAX, super::Nodes::pods_per_node);
        let wanted = plant.nodes.as_ref().map_or(1, super::Nodes::count);
        while self.nodes.len() < wanted {
            self.nodes.push((self.born, 0));
            self.born += 1;
        }
        let held = held(plant);
        self.by_pod.retain(|pod, _| held.binary_search(pod).is_ok());
        self.count();
        while self.nodes.len() > wanted {
            // The emptiest, of several the youngest.
            let emptiest = self.nodes.iter().enumerate().rev().min_by_key(|(_, (_, pods))| *pods);
            let Some(emptiest) = emptiest.map(|(index, _)| index) else { break };
            self.nodes.remove(emptiest);
        }
        for pod in held {
            let stays = |place: &Place| self.nodes.iter().any(|(node, _)| *node == place.node);
            let before = self.by_pod.get(&pod).copied();
            if before.as_ref().is_some_and(stays) {
                continue;
            }
            let free = self.nodes.iter().position(|(_, pods)| *pods < room);
            // There is room for all by the plant's count.
            let Some(index) = free.or(self.nodes.len().checked_sub(1)) else { continue };
            let (node, pods) = &mut self.nodes[index];
            *pods += 1;
            let moves = before.map_or(0, |before| before.moves + 1);
            self.by_pod.insert(pod, Place { node: *node, moves });
        }
    }

    /// The place of a pod.
    #[must_use]
    pub fn of(&self, pod: u64) -> Option<Place> {
        self.by_pod.get(&pod).copied()
    }

    /// The numbers of the nodes, oldest first.
    pub fn nodes(&self) -> impl Iterator<Item = u64> {
        self.nodes.iter().map(|(node, _)| *node)
    }

    fn count(&mut self) {
        for (node, pods) in &mut self.nodes {
            *pods = self.by_pod.values().filter(|place| place.node == *node).count();
        }
    }
}

/// The pods that have a place, in order.
fn held(plant: &Plant) -> Vec<u64> {
    let ending = plant.ending.iter().map(|ending| ending.pod.id);
    let placed = plant.workloads.iter().flat_map(|workload| &workload.pods[..workload.placed()]);
    let mut held: Vec<u64> = placed.map(|pod| pod.id).chain(ending).collect();
    held.sort_unstable();
    held
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{ClusterSpec, NodesSpec, PodsSpec, WorkloadId};
    use super::*;
    use crate::decision::Replicas;
    use crate::simulation::tests::at;

    fn plant() -> (Plant, WorkloadId) {
        let seconds = Duration::from_secs;
        let nodes = NodesSpec {
            pods_per_node: 2,
            count: 1,
            max: 4,
            provisioning: seconds(60),
            unneeded: seconds(60),
        };
        let cluster = ClusterSpec { nodes: Some(nodes), quota: None };
        let mut plant = Plant::new(&cluster, at("2026-11-23T00:00:00Z"));
        let id = plant.add(PodsSpec::default(), Replicas::new(6));
        (plant, id)
    }

    fn on(places: &Places, pods: &[u64]) -> Vec<Option<(u64, u64)>> {
        pods.iter().map(|pod| places.of(*pod).map(|place| (place.node, place.moves))).collect()
    }

    #[test]
    fn pods_fill_the_oldest_nodes_and_a_node_that_comes_back_is_another() {
        let (mut plant, id) = plant();
        let mut places = Places::default();
        places.follow(&plant);
        let full = [(0, 0), (0, 0), (1, 0), (1, 0), (2, 0), (2, 0)].map(Some);
        assert_eq!(on(&places, &[0, 1, 2, 3, 4, 5]), full);
        plant.scale(id, Replicas::new(3));
        plant.advance(at("2026-11-23T00:01:00Z"));
        places.follow(&plant);
        assert_eq!(places.nodes().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(on(&places, &[2, 3]), [Some((1, 0)), None]);
        plant.scale(id, Replicas::new(5));
        places.follow(&plant);
        // One finds room, and one waits.
        assert_eq!(on(&places, &[6, 7]), [Some((1, 0)), None]);
        plant.advance(at("2026-11-23T00:02:00Z"));
        places.follow(&plant);
        assert_eq!(on(&places, &[7]), [Some((3, 0))]);
    }

    #[test]
    fn pods_move_off_a_node_that_is_given_back() {
        let (mut plant, id) = plant();
        let mut places = Places::default();
        places.follow(&plant);
        for pod in [0, 2, 4] {
            plant.evict(id, pod, false);
        }
        plant.advance(at("2026-11-23T00:01:00Z"));
        places.follow(&plant);
        assert_eq!(places.nodes().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(on(&places, &[1, 3, 5]), [Some((0, 0)), Some((1, 0)), Some((0, 1))]);
    }
}
