//! Several workloads, one behind the other, on a plant that is small enough to be worked out by hand.

use super::super::service::{QueueSpec, ServiceSpec};
use super::*;

const FIXED: &str = "
minReplicas: 2
maxReplicas: 2
metrics: [{name: qps, prometheus: {query: q}, target: {averageValue: 100}}]
";

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6 * b.abs().max(1.0)
}

/// `front` requests per second for two fixed replicas of 100, which call a tier of two of `capacity` so often.
fn two(front: f64, calls: f64, capacity: f64) -> Scenario {
    let mut first = scenario(FIXED, Traffic::constant(front), 1);
    let mut second = Scenario { name: "behind".to_owned(), ..scenario(FIXED, first.traffic.times(calls), 1) };
    first.plant.service = Some(ServiceSpec::default());
    second.plant.service = Some(ServiceSpec { latency: 0.2, ..ServiceSpec::default() });
    second.plant.capacity_per_replica = capacity;
    first.behind.push(Tier { calls, scenario: second });
    first
}

#[test]
fn what_a_tier_loses_is_lost_for_those_who_called_it() {
    // Of 150 requests, half call the tier behind, and it carries 50 of these 75: a third of them are lost, so a
    // sixth of all. Of 200 calls of 100 requests it loses a half, so three quarters of them lose one.
    for (front, calls, lost_behind, lost) in
        [(150.0, 0.5, 100.0 / 3.0, 100.0 / 6.0), (100.0, 2.0, 75.0, 93.75), (40.0, 1.0, 0.0, 0.0)]
    {
        let run = run(&two(front, calls, 25.0));
        let behind = &run.behind[0];
        assert!(near(behind.scores.requests, front * calls * 3600.0), "{front}: {:?}", behind.scores);
        assert!(near(behind.scores.dropped_percent, lost_behind), "{front}: {:?}", behind.scores);
        assert!(near(run.scores.dropped_percent, lost), "{front}: {:?}", run.scores);
    }
}

#[test]
fn what_the_front_turns_away_does_not_reach_the_tier_behind() {
    let run = run(&two(500.0, 1.0, 100.0));
    assert!(near(run.scores.dropped_percent, 60.0), "{:?}", run.scores);
    assert!(near(run.behind[0].scores.requests, 200.0 * 3600.0));
    assert!(near(run.behind[0].scores.dropped_percent, 0.0));
}

#[test]
fn requests_in_flight_that_wait_for_the_tier_behind_bound_the_front() {
    // Two replicas with 5 in flight each, for 2 × 0.2 s a request: 25 a second (Little's law), and not 200.
    let mut scenario = two(100.0, 2.0, 1000.0);
    scenario.plant.service = Some(ServiceSpec { concurrency: Some(5.0), ..ServiceSpec::default() });
    let run = run(&scenario);
    let last = run.rows.last().expect("rows");
    assert!(near(last.capacity, 25.0) && near(last.dropped / last.requests, 0.75), "{last:?}");
    assert!(near(run.behind[0].rows[100].qps, 50.0));
}

#[test]
fn a_queue_before_the_tier_behind_makes_the_front_slow_and_late() {
    let mut scenario = two(100.0, 1.0, 25.0);
    let queue = QueueSpec { timeout: 3.0, late_after: 1.0, ..QueueSpec::default() };
    scenario.behind[0].scenario.plant.service = Some(ServiceSpec { queue, ..ServiceSpec::default() });
    scenario.plant.service = Some(ServiceSpec {
        latency: 0.5,
        queue: QueueSpec { late_after: 2.0, ..QueueSpec::default() },
        ..ServiceSpec::default()
    });
    let run = run(&scenario);
    let standing = run.rows[200].service.expect("a service");
    // 50 a second leave a queue that is full at 3 s; the front adds its own half.
    assert!(near(standing.latency, 3.5) && near(standing.downstream, 1.0), "{standing:?}");
    // Those who are not lost are late.
    let row = &run.rows[200];
    assert!(near(row.late / row.requests, 0.5) && near(row.dropped / row.requests, 0.5), "{row:?}");
}

#[test]
fn every_tier_follows_its_own_policy_and_a_rival_takes_the_place_of_the_first() {
    let mut scenario = two(1000.0, 1.0, 100.0);
    for tier in [LOAD, FIXED] {
        scenario.policy = super::scenario(tier, Traffic::constant(0.0), 1).policy;
        scenario.behind[0].scenario.policy = super::scenario(LOAD, Traffic::constant(0.0), 1).policy;
        let run = run(&scenario);
        let replicas = |run: &Run| run.rows.last().map(|row| row.replicas);
        let (first, second) = if tier == LOAD { (10, 10) } else { (2, 2) };
        assert_eq!((replicas(&run), replicas(&run.behind[0])), (Some(first), Some(second)));
    }
    let fixed = rivals::Rival::read("static:4").expect("a rival").play(&scenario).expect("it can play");
    assert_eq!(fixed.behind[0].rows.last().map(|row| row.replicas), Some(4), "what four let through");
}
