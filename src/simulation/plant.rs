//! The scaled workload as it behaves in a simulation and behind the sandbox: pods that take time to start
//! and carry so much each, and a metric that sees the traffic late.
//!
//! ```text
//! served(t) = min(demand(t), ready(t) × capacity per replica)       requests beyond that are dropped
//! ```

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::service::{Served, ServiceSpec};
use super::traffic::Traffic;
use crate::decision::Replicas;

/// What the plant is like.
#[derive(Clone, Debug, PartialEq)]
pub struct PlantSpec {
    /// From a pod's creation until it is ready.
    pub startup: Duration,
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

/// How Prometheus sees the traffic: as `rate(…[window])` over what it has scraped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// The range of the `rate()`.
    pub window: Duration,
    /// The time between scrapes, which happen at its multiples since the Unix epoch.
    pub scrape_interval: Duration,
    /// From a scrape until queries see it.
    pub delay: Duration,
}

impl Measurement {
    /// What a query says at `at`, in requests per second: the mean over the window that ended with the
    /// last scrape that it sees. It depends on the demand alone, not on what was served of it.
    #[must_use]
    pub fn rate(&self, traffic: &Traffic, at: Timestamp) -> f64 {
        if let Some((from, scraped)) = self.window_millis(at) {
            return traffic.mean_between(from, scraped);
        }
        let window = SignedDuration::try_from(self.window).unwrap_or(SignedDuration::MAX);
        let scraped = self.seen(at);
        traffic.mean(scraped.saturating_sub(window).unwrap_or(Timestamp::MIN), scraped)
    }

    /// The window of a query at `at` in milliseconds since the Unix epoch, if all is in whole ones after it, as nearly
    /// always: without calendars' arithmetic.
    #[inline]
    pub(super) fn window_millis(&self, at: Timestamp) -> Option<(i64, i64)> {
        let (window, delay) = (whole_millis(self.window)?, whole_millis(self.delay)?);
        let seen = at.as_millisecond() - delay;
        let scraped = seen - seen.rem_euclid(self.scrape_millis());
        (scraped >= window).then_some((scraped - window, scraped))
    }

    /// The last scrape that a query at `at` sees.
    pub(super) fn seen(&self, at: Timestamp) -> Timestamp {
        let delay = SignedDuration::try_from(self.delay).unwrap_or(SignedDuration::MAX);
        self.last_scrape(at.saturating_sub(delay).unwrap_or(Timestamp::MIN))
    }

    /// The last scrape at or before `at`.
    pub(super) fn last_scrape(&self, at: Timestamp) -> Timestamp {
        let late = at.as_millisecond().rem_euclid(self.scrape_millis());
        at.saturating_sub(SignedDuration::from_millis(late)).unwrap_or(at)
    }

    /// The time between scrapes, at least a millisecond.
    pub(super) fn scrape_every(&self) -> SignedDuration {
        SignedDuration::from_millis(self.scrape_millis())
    }

    fn scrape_millis(&self) -> i64 {
        i64::try_from(self.scrape_interval.as_millis()).unwrap_or(i64::MAX).max(1)
    }
}

/// The pods of a workload.
#[derive(Clone, Debug)]
pub struct Plant {
    startup: SignedDuration,
    capacity_per_replica: f64,
    /// Oldest first. Since every pod takes equally long to start, they are in order of readiness too.
    pods: Vec<Pod>,
    born: u64,
}

/// One pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pod {
    /// A number that no other pod of the plant has.
    pub id: u64,
    /// When it was created.
    pub created: Timestamp,
    /// When it is ready.
    pub ready_at: Timestamp,
}

impl Plant {
    /// A plant whose first replicas are ready at `at`.
    #[must_use]
    pub fn new(spec: &PlantSpec, at: Timestamp) -> Self {
        let startup = SignedDuration::try_from(spec.startup).unwrap_or(SignedDuration::MAX);
        let mut plant =
            Self { startup, capacity_per_replica: spec.capacity_per_replica, pods: Vec::new(), born: 0 };
        plant.grow(at, at, spec.initial_replicas);
        plant
    }

    /// Creates or removes pods at `at` until there are `replicas`. The youngest go first, which are those
    /// that are not ready yet.
    pub fn scale(&mut self, at: Timestamp, replicas: Replicas) {
        self.pods.truncate(length(replicas));
        let ready_at = at.saturating_add(self.startup).unwrap_or(Timestamp::MAX);
        self.grow(at, ready_at, replicas);
    }

    fn grow(&mut self, created: Timestamp, ready_at: Timestamp, replicas: Replicas) {
        while self.pods.len() < length(replicas) {
            self.pods.push(Pod { id: self.born, created, ready_at });
            self.born += 1;
        }
    }

    /// The pods, oldest first.
    #[must_use]
    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// How many pods there are.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        Replicas::saturating_from(self.pods.len().try_into().unwrap_or(i128::MAX))
    }

    /// How many pods are ready at `at`.
    #[must_use]
    pub fn ready(&self, at: Timestamp) -> Replicas {
        Replicas::saturating_from(self.ready_count(at).try_into().unwrap_or(i128::MAX))
    }

    /// When the next pod becomes ready after `at`.
    #[must_use]
    pub fn next_ready(&self, at: Timestamp) -> Option<Timestamp> {
        self.pods.get(self.ready_count(at)).map(|pod| pod.ready_at)
    }

    /// Serves the traffic of `[from, to)`, during which nobody scales.
    #[must_use]
    pub fn serve(&self, traffic: &Traffic, from: Timestamp, to: Timestamp) -> Served {
        let mut total = Served::default();
        let mut at = from;
        while at < to {
            let next = self.next_ready(at).map_or(to, |ready| ready.min(to));
            let seconds = next.duration_since(at).as_secs_f64();
            let demand = traffic.mean(at, next);
            let ready = u32::try_from(self.ready_count(at)).unwrap_or(u32::MAX);
            let capacity = f64::from(ready) * self.capacity_per_replica;
            total.requests += demand * seconds;
            total.dropped += (demand - capacity).max(0.0) * seconds;
            at = next;
        }
        total
    }

    fn ready_count(&self, at: Timestamp) -> usize {
        match self.pods.last() {
            Some(youngest) if youngest.ready_at > at => self.pods.partition_point(|pod| pod.ready_at <= at),
            Some(_) | None => self.pods.len(),
        }
    }
}

/// A span in milliseconds, if it is whole ones and not longer than a year.
fn whole_millis(span: Duration) -> Option<i64> {
    let millis = i64::from(span.subsec_millis()) + i64::try_from(span.as_secs()).ok()?.checked_mul(1000)?;
    (span.subsec_nanos().is_multiple_of(1_000_000) && millis <= 366 * 86_400_000).then_some(millis)
}

fn length(replicas: Replicas) -> usize {
    usize::try_from(replicas.get()).unwrap_or(0)
}
