//! Cases with an answer in closed form.

use std::time::Duration;

use super::*;
use crate::simulation::traffic::Traffic;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn service(queue: QueueSpec) -> Service {
    Service::new(ServiceSpec { latency: 0.0, queue, downstream: None, concurrency: None }, 100.0, 0.0)
}

impl Service {
    /// Serves `traffic` alone, from one instant to another.
    fn serve(&mut self, traffic: &Traffic, from: Timestamp, to: Timestamp, ready: f64) -> Served {
        let mut total = Served::default();
        let mut at = from;
        while at < to {
            let next = (at + STEP).min(to);
            total += self.step(traffic.mean(at, next), (at, next), ready, |_| Behind::default());
            at = next;
        }
        total
    }
}

fn near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

#[test]
fn a_constant_rate_below_capacity_waits_for_nothing() {
    let mut service = service(QueueSpec { timeout: 5.0, late_after: 1.0, ..QueueSpec::default() });
    let served = service.serve(&Traffic::constant(250.0), at(0), at(60), 3.0);
    assert_eq!(served, Served { requests: 15_000.0, ..Served::default() });
    let Standing { queue, latency, utilization, .. } = service.standing;
    assert!(near(queue, 0.0, 1e-12) && near(latency, 0.0, 1e-12));
    assert!(near(utilization, 250.0 / 300.0, 1e-12), "{utilization}");
}

#[test]
fn a_step_above_capacity_fills_the_queue_in_a_straight_line_until_the_timeout_and_then_sheds_the_rest() {
    let mut service = service(QueueSpec { timeout: 2.0, late_after: 1.0, ..QueueSpec::default() });
    let traffic = Traffic::constant(400.0);
    // 400 come and 300 go: 100 more wait each second, so that after t seconds the wait is t/3.
    for second in 1..=6 {
        let served = service.serve(&traffic, at(second - 1), at(second), 3.0);
        let seconds = f64::from(i32::try_from(second).expect("small"));
        assert!(near(service.standing.queue, 100.0 * seconds, 1e-9), "{second} s");
        assert!(near(service.standing.latency, seconds / 3.0, 1e-9), "{second} s");
        assert!(near(served.dropped, 0.0, 1e-12), "{second} s");
        assert_eq!(served.late > 0.0, second > 3, "{second} s: late after a second");
    }
    // From then on 600 wait, which is 2 s, and 100 a second are given up.
    let served = service.serve(&traffic, at(6), at(16), 3.0);
    assert!(near(service.standing.queue, 600.0, 1e-9) && near(served.dropped, 1000.0, 1e-6), "{served:?}");
    // With two more replicas the queue is gone after 600 / (500 − 400) = 6 s.
    service.serve(&traffic, at(16), at(21), 5.0);
    assert!(near(service.standing.queue, 100.0, 1e-9));
    service.serve(&traffic, at(21), at(22), 5.0);
    assert!(near(service.standing.queue, 0.0, 1e-9));
}

#[test]
fn retries_settle_where_the_fixed_point_says() {
    for (retries, demand) in [(0, 400.0), (1, 400.0), (3, 400.0), (3, 320.0), (10, 1000.0)] {
        let queue = QueueSpec { timeout: 1.0, retries, backoff: 1.0, late_after: 0.0 };
        let mut service = service(queue);
        let traffic = Traffic::constant(demand);
        service.serve(&traffic, at(0), at(3000), 3.0);
        let before = service.totals.arrived;
        let served = service.serve(&traffic, at(3000), at(4000), 3.0);
        let arrivals = (service.totals.arrived - before) / 1000.0;
        let n = f64::from(u32::try_from(retries).expect("small")) + 1.0;
        let p = (1.0 - 300.0 / demand).powf(1.0 / n);
        let expected = demand * (1.0 - p.powf(n)) / (1.0 - p);
        assert!(
            near(arrivals, expected, 0.01 * expected),
            "{retries} retries at {demand}: {arrivals}, {expected}"
        );
        assert!(
            near(served.dropped / 1000.0, demand - 300.0, 0.5),
            "what can't be served is lost in the end"
        );
        assert!(near(served.requests + served.retried, arrivals * 1000.0, 1e-3));
    }
}

#[test]
fn retries_keep_a_workload_down_that_would_do_without_them() {
    // Ten seconds without replicas, at 90 % of what there is.
    let outage = |retries| {
        let mut service = service(QueueSpec { timeout: 1.0, retries, backoff: 0.0, late_after: 0.0 });
        let traffic = Traffic::constant(270.0);
        service.serve(&traffic, at(0), at(10), 0.0);
        (1..=120).find(|second| {
            service.serve(&traffic, at(9 + second), at(10 + second), 3.0);
            service.again.is_empty() && near(service.standing.queue, 0.0, 1e-9)
        })
    };
    assert_eq!(outage(0), Some(1), "who was sent away does not come again");
    // 2700 who come again, with room for 30 more a second; some of them give up before their turn comes.
    let seconds = outage(10).expect("in the end");
    assert!((20..90).contains(&seconds), "{seconds}");
}

#[test]
fn nothing_is_lost_in_the_books() {
    let queue = QueueSpec { timeout: 2.0, retries: 3, backoff: 0.5, late_after: 0.0 };
    let tier =
        DownstreamSpec { capacity: 500.0, latency: 0.02, connections_per_replica: 5.0, contention: 0.3 };
    let mut service = Service::new(
        ServiceSpec { latency: 0.01, queue, downstream: Some(tier), concurrency: None },
        100.0,
        0.0,
    );
    let traffic = Traffic::sampled(at(0), at(600), Duration::from_secs(7), |at| {
        300.0 + 250.0 * f64::from(i32::try_from(at.as_second() % 60).expect("small")) / 60.0
    });
    let served = service.serve(&traffic, at(0), at(600), 4.0);
    let coming: f64 = service.again.iter().flat_map(|(_, amounts)| amounts).sum();
    let left = service.queue.iter().sum::<f64>() + coming;
    assert!(near(served.requests, service.totals.served + served.dropped + left, 1e-6), "{served:?}");
    assert!(served.dropped > 0.0 && served.retried > 0.0);
}
