//! Cases that can be worked out by hand.

use super::*;
use crate::simulation::tests::at;

fn start() -> Timestamp {
    at("2026-11-23T00:00:00Z")
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const PODS: PodsSpec = PodsSpec { startup: seconds(30), startup_p95: None, termination: seconds(0), seed: 1 };

const NODES: NodesSpec =
    NodesSpec { pods_per_node: 4, count: 2, max: 4, provisioning: seconds(180), unneeded: seconds(600) };

fn plant(nodes: Option<NodesSpec>, quota: Option<u32>) -> Plant {
    Plant::new(&ClusterSpec { nodes, quota }, start())
}

/// What there is after so many seconds: ready, without a place, nodes.
fn standing(plant: &mut Plant, id: WorkloadId, seconds: i64) -> (i32, i32, Option<u32>) {
    plant.advance(after(seconds));
    (plant.ready(id).get(), plant.without_place(id).get(), plant.nodes())
}

fn scale(plant: &mut Plant, id: WorkloadId, seconds: i64, replicas: i32) {
    plant.advance(after(seconds));
    plant.scale(id, Replicas::new(replicas));
}

#[test]
fn pods_are_ready_after_their_start_up_and_the_youngest_go_first() {
    let mut plant = plant(None, None);
    let id = plant.add(PODS, Replicas::new(2));
    scale(&mut plant, id, 10, 5);
    assert_eq!(plant.next(), Some(after(40)));
    assert_eq!(standing(&mut plant, id, 39), (2, 0, None));
    scale(&mut plant, id, 39, 3);
    assert_eq!(standing(&mut plant, id, 40), (3, 0, None));
    let ids: Vec<u64> = plant.pods(id).iter().map(|pod| pod.id).collect();
    assert_eq!((ids, plant.next()), (vec![0, 1, 2], None));
}

#[test]
fn pods_wait_for_nodes_which_come_after_their_provisioning_and_no_more_than_there_may_be() {
    let mut plant = plant(Some(NODES), None);
    let id = plant.add(PODS, Replicas::new(6));
    // Two nodes have eight places; 18 pods want five nodes, and there may be four.
    scale(&mut plant, id, 0, 18);
    assert_eq!((standing(&mut plant, id, 0), plant.nodes_to_come()), ((6, 10, Some(2)), 2));
    assert_eq!(standing(&mut plant, id, 30), (8, 10, Some(2)));
    assert_eq!(standing(&mut plant, id, 180), (8, 2, Some(4)));
    assert_eq!(standing(&mut plant, id, 210), (16, 2, Some(4)));
    assert_eq!(plant.next(), None, "the last two wait for ever");
}

#[test]
fn a_node_that_nobody_needs_for_long_is_given_back() {
    let mut plant = plant(Some(NODES), None);
    let id = plant.add(PODS, Replicas::new(16));
    assert_eq!(plant.nodes(), Some(4));
    scale(&mut plant, id, 0, 12);
    scale(&mut plant, id, 300, 9);
    // One has not been needed since the start; 9 pods need three.
    assert_eq!(standing(&mut plant, id, 599).2, Some(4));
    assert_eq!(standing(&mut plant, id, 600).2, Some(3));
    scale(&mut plant, id, 700, 2);
    scale(&mut plant, id, 1000, 9);
    scale(&mut plant, id, 1100, 2);
    assert_eq!(standing(&mut plant, id, 1699).2, Some(3), "it was needed in between");
    assert_eq!(standing(&mut plant, id, 1700).2, Some(2), "and there are never fewer than two");
    assert_eq!(plant.next(), None);
}

#[test]
fn a_pod_that_ends_takes_no_requests_and_keeps_its_place() {
    let spec = PodsSpec { termination: seconds(60), ..PODS };
    let mut plant = plant(Some(NodesSpec { max: 2, ..NODES }), Some(9));
    let first = plant.add(spec, Replicas::new(8));
    let second = plant.add(PODS, Replicas::ZERO);
    scale(&mut plant, first, 10, 5);
    assert_eq!((plant.ready(first).get(), plant.ending(first).count()), (5, 3));
    // Five and three that end are eight: the quota leaves one, and the nodes none.
    scale(&mut plant, second, 10, 3);
    assert_eq!((plant.pods(second).len(), plant.without_place(second).get()), (1, 3));
    assert_eq!(standing(&mut plant, second, 69), (0, 3, Some(2)));
    assert_eq!(standing(&mut plant, second, 70), (0, 0, Some(2)));
    assert_eq!((plant.pods(second).len(), plant.ending(first).count()), (3, 0));
    assert_eq!(standing(&mut plant, second, 100), (3, 0, Some(2)));
}

#[test]
fn workloads_get_places_in_the_order_in_which_they_asked() {
    let mut plant = plant(Some(NodesSpec { max: 3, count: 1, ..NODES }), None);
    let (first, second) = (plant.add(PODS, Replicas::new(2)), plant.add(PODS, Replicas::ZERO));
    scale(&mut plant, second, 0, 4);
    scale(&mut plant, first, 5, 6);
    assert_eq!((plant.without_place(first).get(), plant.without_place(second).get()), (4, 2));
    plant.advance(after(180));
    assert_eq!((plant.without_place(first).get(), plant.without_place(second).get()), (2, 0));
    // The other node was ordered when the first workload asked.
    plant.advance(after(185));
    assert_eq!(plant.without_place(first).get(), 0);
}

#[test]
fn start_up_times_are_log_normal_around_their_median() {
    let spec = PodsSpec { startup: seconds(30), startup_p95: Some(seconds(90)), ..PODS };
    let mut plant = plant(None, None);
    let id = plant.add(spec, Replicas::ZERO);
    scale(&mut plant, id, 0, 10_000);
    let share = |plant: &mut Plant, seconds: i64| f64::from(standing(plant, id, seconds).0) / 10_000.0;
    // By their logarithms: a deviation of ln 3 / 1.645 = 0.668, so that 16 % take 15.4 s at most.
    for (seconds, expected) in [(15, 0.15), (30, 0.5), (58, 0.84), (90, 0.95)] {
        let share = share(&mut plant, seconds);
        assert!((share - expected).abs() < 0.015, "{seconds} s: {share}");
    }
    // Those that are not ready go first, whatever their age.
    let starting = 10_000 - plant.ready(id).get();
    plant.scale(id, Replicas::new(10_000 - starting));
    assert_eq!(plant.ready(id).get(), 10_000 - starting);
    assert!(plant.pods(id).windows(2).all(|pair| pair[0].id < pair[1].id));
}
