//! How requests are served when they may wait, come again, or depend on a tier behind: a fluid model in steps of
//! at most a second.
//!
//! In a step of length `h`, with `q` waiting, `a` arriving (fresh ones and those that come again) and `x` the rate at
//! which they can be served,
//!
//! ```text
//! served = min(q + a, x h)
//! q'     = min(q + a − served, x × timeout)            what is beyond that times out
//! wait   = q' / x
//! ```
//! since who comes last has to wait for all before him (Little's law). Whoever timed out comes again after `timeout +
//! backoff`, so many times at most, and is lost then. With a constant demand λ above x and n retries the arrivals
//! settle at λ (1 − pⁿ⁺¹) / (1 − p), where p = (1 − x/λ)^(1/(n+1)) is the share that times out.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

pub use super::downstream::DownstreamSpec;

use super::downstream::Flow;
use super::traffic::Traffic;

/// The most times that a request comes again.
pub const MOST_RETRIES: usize = 10;

/// The longest step.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// How requests are served, besides by how many replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceSpec {
    /// What a request takes in the workload itself, in seconds.
    pub latency: f64,
    /// How long requests wait and what they do then.
    pub queue: QueueSpec,
    /// A tier that all replicas share.
    pub downstream: Option<DownstreamSpec>,
}

/// A queue before the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueueSpec {
    /// How long a request waits before it is given up, in seconds; 0 is not at all.
    pub timeout: f64,
    /// How often it is sent again.
    pub retries: usize,
    /// How long after that, in seconds.
    pub backoff: f64,
    /// A request that took longer than this, in seconds, is late.
    pub late_after: f64,
}

/// What became of the requests of some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Served {
    /// Fresh requests.
    pub requests: f64,
    /// Those that came again.
    pub retried: f64,
    /// Requests that were lost for good.
    pub dropped: f64,
    /// Requests that were served, but late.
    pub late: f64,
}

/// How it stands at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Requests that wait.
    pub queue: f64,
    /// What a request takes, in seconds.
    pub latency: f64,
    /// The share of what the ready replicas can carry that is in use.
    pub utilization: f64,
    /// The share of the downstream tier that is in use; 0 without one.
    pub downstream: f64,
}

/// Totals since the start, as counters of a monitoring system have them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    /// All that arrived, fresh or not.
    pub(super) arrived: f64,
    /// All that were served.
    pub(super) served: f64,
    /// The sum of what those took, in seconds.
    pub(super) seconds: f64,
}

/// By how often they came before.
type Attempts = [f64; MOST_RETRIES + 1];

/// The service at work.
#[derive(Clone, Debug)]
pub(super) struct Service {
    spec: ServiceSpec,
    capacity_per_replica: f64,
    queue: Attempts,
    /// Who comes again when.
    again: VecDeque<(Timestamp, Attempts)>,
    pub(super) standing: Standing,
    pub(super) totals: Totals,
}

impl Service {
    pub(super) fn new(spec: ServiceSpec, capacity_per_replica: f64) -> Self {
        let latency = spec.latency + spec.downstream.map_or(0.0, |tier| tier.latency);
        let standing = Standing { latency, ..Standing::default() };
        let (queue, totals) = ([0.0; MOST_RETRIES + 1], Totals::default());
        Self { spec, capacity_per_replica, queue, again: VecDeque::new(), standing, totals }
    }

    /// What a request takes while next to nothing is asked, in seconds.
    pub(super) fn latency_at_rest(&self) -> f64 {
        self.spec.latency + self.spec.downstream.map_or(0.0, |tier| tier.latency)
    }

    /// What `ready` replicas carry when all that they have is in use, in requests per second. With a tier behind
    /// them, more replicas may carry less.
    pub(super) fn capacity(&self, ready: f64) -> f64 {
        let front = ready * self.capacity_per_replica;
        self.spec.downstream.map_or(front, |tier| tier.serve(f64::INFINITY, ready).throughput.min(front))
    }

    /// Serves what comes in `[from, to)` with `ready` replicas.
    pub(super) fn serve(&mut self, traffic: &Traffic, from: Timestamp, to: Timestamp, ready: f64) -> Served {
        let mut total = Served::default();
        let mut at = from;
        while at < to {
            let next = at.saturating_add(STEP).unwrap_or(to).min(to);
            let step = self.step(traffic.mean(at, next), at, next, ready);
            total.requests += step.requests;
            total.retried += step.retried;
            total.dropped += step.dropped;
            total.late += step.late;
            at = next;
        }
        total
    }

    fn step(&mut self, demand: f64, at: Timestamp, next: Timestamp, ready: f64) -> Served {
        let seconds = next.duration_since(at).as_secs_f64();
        let mut pool = self.queue;
        let before: f64 = pool.iter().sum();
        pool[0] += demand * seconds;
        let retried = self.take_those_that_come_again(next, &mut pool);
        let all: f64 = pool.iter().sum();
        let offered = all / seconds;
        let front = ready * self.capacity_per_replica;
        let flow = match &self.spec.downstream {
            Some(tier) => tier.serve(offered.min(front), ready),
            None => Flow { throughput: offered.min(front), latency: 0.0, utilization: 0.0 },
        };
        // Rounding must not leave a hair of a request behind.
        let keeps_up = flow.throughput >= offered * (1.0 - 1e-12);
        let served = if keeps_up { all } else { flow.throughput * seconds };
        let QueueSpec { timeout, retries, backoff, late_after } = self.spec.queue;
        let left = all - served;
        let waiting = left.min(flow.throughput * timeout);
        let timed_out = left - waiting;
        let share = |part: f64| if all > 0.0 { part / all } else { 0.0 };
        self.queue = pool.map(|amount| amount * share(waiting));
        let dropped =
            self.send_again(pool.map(|amount| amount * share(timed_out)), next, timeout + backoff, retries);
        let wait = if flow.throughput > 0.0 { waiting / flow.throughput } else { 0.0 };
        let latency = self.spec.latency + wait + flow.latency;
        let utilization = if front > 0.0 { (served / seconds / front).min(1.0) } else { 0.0 };
        self.standing = Standing { queue: waiting, latency, utilization, downstream: flow.utilization };
        self.totals.arrived += all - before;
        self.totals.served += served;
        self.totals.seconds += served * latency;
        let late = if late_after > 0.0 && latency > late_after { served } else { 0.0 };
        Served { requests: demand * seconds, retried, dropped, late }
    }

    /// Adds those to `pool` whose time has come before `next`, and says how many they are.
    fn take_those_that_come_again(&mut self, next: Timestamp, pool: &mut Attempts) -> f64 {
        let mut taken = 0.0;
        while self.again.front().is_some_and(|(due, _)| *due < next) {
            let Some((_, amounts)) = self.again.pop_front() else { break };
            for (into, amount) in pool.iter_mut().zip(amounts) {
                *into += amount;
                taken += amount;
            }
        }
        taken
    }

    /// Lets those that timed out come again, and says how many have done so too often already.
    fn send_again(&mut self, timed_out: Attempts, now: Timestamp, after: f64, retries: usize) -> f64 {
        let lost: f64 = timed_out[retries..].iter().sum();
        let mut again = [0.0; MOST_RETRIES + 1];
        again[1..=retries].copy_from_slice(&timed_out[..retries]);
        if again.iter().sum::<f64>() > 0.0 {
            let due = now.saturating_add(SignedDuration::from_secs_f64(after)).unwrap_or(Timestamp::MAX);
            self.again.push_back((due, again));
        }
        lost
    }
}

#[cfg(test)]
mod tests;
