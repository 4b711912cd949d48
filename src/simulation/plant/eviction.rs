//! Pods that somebody else removes: a person, a node's drain.

use jiff::Timestamp;

use super::{Ending, Plant, WorkloadId};

impl Plant {
    /// Removes a certain pod, in whose place there is another one at once if it `is_replaced`. Gives whether there was
    /// such a pod.
    pub fn evict(&mut self, id: WorkloadId, pod: u64, is_replaced: bool) -> bool {
        let now = self.now;
        let Some(workload) = self.workloads.get_mut(id.0) else { return false };
        let Some(index) = workload.pods.iter().position(|candidate| candidate.id == pod) else {
            return false;
        };
        let pod = workload.pods.remove(index);
        // Those that were counted as settled are the oldest.
        workload.settled = workload.settled.min(index);
        if !is_replaced {
            workload.wanted = workload.wanted.saturating_sub(1);
        }
        let until = now.saturating_add(crate::simulation::signed(workload.spec.termination));
        let until = until.unwrap_or(Timestamp::MAX);
        if pod.placed.is_some() && until > now {
            self.ending.push(Ending { until, workload: id.0, pod });
        }
        self.turn(now);
        true
    }

    /// How many pods there may be.
    #[must_use]
    pub fn quota(&self) -> Option<usize> {
        self.quota
    }

    /// How many pods there are, those that are ending included.
    #[must_use]
    pub fn held(&self) -> usize {
        self.ending.len() + self.workloads.iter().map(|workload| workload.pods.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{ClusterSpec, PodsSpec};
    use super::*;
    use crate::decision::Replicas;
    use crate::simulation::tests::at;

    #[test]
    fn a_pod_that_is_removed_takes_its_time_to_end_and_its_successor_to_start() {
        let seconds = Duration::from_secs;
        let pods = PodsSpec { startup: seconds(30), termination: seconds(10), ..PodsSpec::default() };
        let mut plant = Plant::new(&ClusterSpec::default(), at("2026-11-23T00:00:00Z"));
        let id = plant.add(pods, Replicas::new(3));
        assert!(plant.evict(id, 1, true));
        assert!(!plant.evict(id, 1, true), "it is gone");
        let ids = |plant: &Plant| plant.pods(id).iter().map(|pod| pod.id).collect::<Vec<_>>();
        assert_eq!((ids(&plant), plant.ready(id).get(), plant.held()), (vec![0, 2, 3], 2, 4));
        plant.advance(at("2026-11-23T00:00:30Z"));
        assert_eq!((plant.ready(id).get(), plant.held(), plant.next()), (3, 3, None));
        assert!(plant.evict(id, 0, false));
        assert_eq!((ids(&plant), plant.wanted(id).get()), (vec![2, 3], 2));
    }
}
