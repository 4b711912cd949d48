//! How requests are served when they may wait, come again, or depend on a tier behind: a fluid model in steps of
//! at most a second. While nobody waits and the demand stays as it is, all steps are alike, and one may be longer.
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

/// The most times that a request comes again.
pub const MOST_RETRIES: usize = 10;

/// The longest step.
pub(super) const STEP: SignedDuration = SignedDuration::from_secs(1);

/// How requests are served, besides by how many replicas. By default without taking time, without a queue and with
/// nothing behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServiceSpec {
    /// What a request takes in the workload itself, in seconds.
    pub latency: f64,
    /// How long requests wait and what they do then.
    pub queue: QueueSpec,
    /// A tier that all replicas share.
    pub downstream: Option<DownstreamSpec>,
    /// How many requests a ready replica has in flight at most, if that bounds it.
    pub concurrency: Option<f64>,
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

impl std::ops::AddAssign for Served {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.retried += more.retried;
        self.dropped += more.dropped;
        self.late += more.late;
    }
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
    /// The share of the tier behind that is in use; 0 without one.
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

/// What the tiers behind make of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Behind {
    /// What they take for it, in seconds.
    pub(super) latency: f64,
    /// The share of requests that are lost there.
    pub(super) failing: f64,
    /// The share of what the first of them can carry that is in use.
    pub(super) utilization: f64,
}

impl Behind {
    /// The same for a caller whose requests each make so many calls, one after the other: one of them that is lost is
    /// enough.
    pub(super) fn called(self, calls: f64) -> Self {
        let failing =
            if calls <= 1.0 { calls * self.failing } else { 1.0 - libm::pow(1.0 - self.failing, calls) };
        Self { latency: self.latency * calls, failing, ..self }
    }
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
    /// How long a request occupied a replica in the last step, in seconds.
    held: f64,
    /// The share of those whose fate the last step decided that was lost.
    failing: f64,
    pub(super) standing: Standing,
    pub(super) totals: Totals,
}

impl Service {
    /// A service at rest, whose requests take so many seconds in the tiers behind.
    pub(super) fn new(spec: ServiceSpec, capacity_per_replica: f64, behind: f64) -> Self {
        let latency = spec.latency + spec.downstream.map_or(0.0, |tier| tier.latency) + behind;
        Self {
            spec,
            capacity_per_replica,
            queue: [0.0; MOST_RETRIES + 1],
            again: VecDeque::new(),
            held: latency,
            failing: 0.0,
            standing: Standing { latency, ..Standing::default() },
            totals: Totals::default(),
        }
    }

    /// What `ready` replicas carry when all that they have is in use, in requests per second. With a tier behind
    /// them, more replicas may carry less.
    pub(super) fn capacity(&self, ready: f64) -> f64 {
        let front = self.front(ready);
        self.spec.downstream.map_or(front, |tier| tier.serve(f64::INFINITY, ready).throughput.min(front))
    }

    /// What `ready` replicas carry by themselves. Where their requests in flight are bounded, that is as many as come
    /// to their end: Little's law, with what a request took in the step before.
    fn front(&self, ready: f64) -> f64 {
        let most = ready * self.capacity_per_replica;
        match self.spec.concurrency {
            Some(concurrency) if self.held > 0.0 => most.min(ready * concurrency / self.held),
            Some(_) | None => most,
        }
    }

    /// Whether `demand` requests per second are served as they come, however long that goes on: nobody waits, nobody comes
    /// again, and there is room for all.
    pub(super) fn is_calm(&self, demand: f64, ready: f64) -> bool {
        let is_empty = self.again.is_empty() && self.standing.queue <= 0.0;
        let front = self.front(ready);
        let throughput = |tier: &DownstreamSpec| tier.serve(demand.min(front), ready).throughput;
        // Where requests in flight are bounded, a step depends on how long those of the step before took.
        is_empty
            && self.spec.concurrency.is_none()
            && demand <= front
            && self.spec.downstream.as_ref().is_none_or(|tier| throughput(tier) >= demand)
    }

    /// Serves `demand` requests per second from `at` until `next` with `ready` replicas. That is at most [`STEP`] later,
    /// unless all is calm.
    /// `call` tells what becomes of so many requests per second in the tiers behind.
    pub(super) fn step(
        &mut self,
        demand: f64,
        (at, next): (Timestamp, Timestamp),
        ready: f64,
        call: impl FnOnce(f64) -> Behind,
    ) -> Served {
        let seconds = next.duration_since(at).as_secs_f64();
        let mut pool = self.queue;
        let before: f64 = pool.iter().sum();
        pool[0] += demand * seconds;
        let retried = self.take_those_that_come_again(next, &mut pool);
        let all: f64 = pool.iter().sum();
        let offered = all / seconds;
        let front = self.front(ready);
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
        let lost =
            self.send_again(pool.map(|amount| amount * share(timed_out)), next, timeout + backoff, retries);
        let behind = call(served / seconds);
        let wait = if flow.throughput > 0.0 { waiting / flow.throughput } else { 0.0 };
        self.held = self.spec.latency + flow.latency + behind.latency;
        let latency = self.spec.latency + wait + flow.latency + behind.latency;
        let utilization = if front > 0.0 { (served / seconds / front).min(1.0) } else { 0.0 };
        let downstream = self.spec.downstream.map_or(behind.utilization, |_| flow.utilization);
        self.standing = Standing { queue: waiting, latency, utilization, downstream };
        self.totals.arrived += all - before;
        self.totals.served += served;
        self.totals.seconds += served * latency;
        let failed = served * behind.failing;
        let late = if late_after > 0.0 && latency > late_after { served - failed } else { 0.0 };
        self.failing = if served + lost > 0.0 { (failed + lost) / (served + lost) } else { 0.0 };
        Served { requests: demand * seconds, retried, dropped: lost + failed, late }
    }

    /// What this tier and those behind it made of a request in the last step.
    pub(super) fn seen(&self) -> Behind {
        Behind {
            latency: self.standing.latency,
            failing: self.failing,
            utilization: self.standing.utilization,
        }
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
