//! What the texts of a plant and of a cluster mean.

use std::time::Duration;

use super::super::measurement::Measurement;
use super::super::plant::{ClusterSpec, NodesSpec, PlantSpec, PodsSpec};
use super::super::scores::Price;
use super::super::service::{DownstreamSpec, MOST_RETRIES, QueueSpec, ServiceSpec};
use super::reader::Reader;
use super::spec::{ClusterText, DownstreamText, NodesText, PlantText, PriceText, QueueText};
use crate::decision::Replicas;

/// As many pods, or nodes, as there may be.
const MOST: u32 = 100_000;

impl Reader {
    /// The plant at the path `base`, in a scenario of this seed.
    pub(super) fn plant(&mut self, base: &str, text: &PlantText, seed: u64) -> PlantSpec {
        let path = |field: &str| format!("{base}.{field}");
        let capacity_per_replica = self.positive(&path("capacityPerReplica"), text.capacity_per_replica);
        if !(0..=100_000).contains(&text.initial_replicas) {
            self.add(&path("initialReplicas"), format!("must be between 0 and {MOST}"));
        }
        let default = |text: &Option<String>, default: &str| text.as_deref().unwrap_or(default).to_owned();
        PlantSpec {
            pods: self.pods(base, text, seed),
            capacity_per_replica,
            initial_replicas: Replicas::new(text.initial_replicas),
            measurement: Measurement {
                window: self.span(&path("queryWindow"), &default(&text.query_window, "1m")),
                scrape_interval: self.span(&path("scrapeInterval"), &default(&text.scrape_interval, "15s")),
                phase: self.duration(&path("scrapePhase"), &default(&text.scrape_phase, "0s")),
                delay: self.duration(&path("evaluationDelay"), &default(&text.evaluation_delay, "0s")),
                range: text.range_selector,
            },
            service: self.service(base, text),
        }
    }

    fn pods(&mut self, base: &str, text: &PlantText, seed: u64) -> PodsSpec {
        let startup = self.duration(&format!("{base}.startup"), &text.startup);
        let path = format!("{base}.startupP95");
        let startup_p95 = text.startup_p95.as_deref().map(|p95| self.span(&path, p95));
        if startup_p95.is_some_and(|p95| p95 < startup || startup.is_zero()) {
            let problem = "must not be shorter than startup, which is the median and longer than nothing";
            self.add(&path, problem);
        }
        let termination = text.termination.as_deref().unwrap_or("0s");
        let termination = self.duration(&format!("{base}.termination"), termination);
        PodsSpec { startup, startup_p95, termination, seed }
    }

    fn service(&mut self, base: &str, text: &PlantText) -> Option<ServiceSpec> {
        let latency = text.latency.as_deref().unwrap_or("0s");
        let latency = self.duration(&format!("{base}.latency"), latency).as_secs_f64();
        let queue = text.queue.as_ref().map(|queue| self.queue(&format!("{base}.queue"), queue));
        let path = format!("{base}.downstream");
        let downstream = text.downstream.as_ref().map(|tier| self.downstream(&path, tier));
        let concurrency = text.concurrency.map(|most| self.positive(&format!("{base}.concurrency"), most));
        if queue.is_none() && downstream.is_none() && text.latency.is_none() && concurrency.is_none() {
            return None;
        }
        Some(ServiceSpec { latency, queue: queue.unwrap_or_default(), downstream, concurrency })
    }

    fn queue(&mut self, base: &str, text: &QueueText) -> QueueSpec {
        let timeout = self.duration(&format!("{base}.timeout"), &text.timeout).as_secs_f64();
        let retries = usize::from(text.retries);
        if retries > MOST_RETRIES {
            self.add(&format!("{base}.retries"), format!("must be between 0 and {MOST_RETRIES}"));
        }
        let late_after = text.late_after.as_deref().map(|late| self.span(&format!("{base}.lateAfter"), late));
        let backoff = text.backoff.as_deref().unwrap_or("0s");
        QueueSpec {
            timeout,
            retries: retries.min(MOST_RETRIES),
            backoff: self.duration(&format!("{base}.backoff"), backoff).as_secs_f64(),
            late_after: late_after.map_or(timeout / 2.0, |late| late.as_secs_f64()),
        }
    }

    fn downstream(&mut self, base: &str, text: &DownstreamText) -> DownstreamSpec {
        let path = |field: &str| format!("{base}.{field}");
        DownstreamSpec {
            capacity: self.positive(&path("capacity"), text.capacity),
            connections_per_replica: self
                .positive(&path("connectionsPerReplica"), text.connections_per_replica),
            contention: self.rate(&path("contention"), text.contention),
            latency: self.span(&path("latency"), &text.latency).as_secs_f64(),
        }
    }

    fn positive(&mut self, path: &str, number: f64) -> f64 {
        if !(number.is_finite() && number > 0.0) {
            self.add(path, "must be a finite number above 0");
        }
        number
    }

    /// How many requests each request of the tier before makes.
    pub(super) fn calls(&mut self, path: &str, calls: Option<f64>) -> f64 {
        self.positive(path, calls.unwrap_or(1.0))
    }

    pub(super) fn price(&mut self, price: PriceText) -> Price {
        Price {
            replica_hour: self.rate("price.replicaHour", price.replica_hour),
            node_hour: self.rate("price.nodeHour", price.node_hour),
        }
    }

    /// The cluster, which has room for what is there at the start.
    pub(super) fn cluster(&mut self, text: Option<&ClusterText>, initial: i64) -> ClusterSpec {
        let Some(ClusterText { nodes, quota }) = text else { return ClusterSpec::default() };
        let nodes = nodes.as_ref().map(|nodes| self.nodes(nodes));
        if let Some(quota) = quota
            && initial > i64::from(*quota)
        {
            self.add("cluster.quota", format!("the initial replicas are more, {initial}"));
        }
        if let Some(nodes) = &nodes {
            let places = i64::from(nodes.max) * i64::from(nodes.pods_per_node);
            if initial > places {
                let problem = format!("they have {places} places, and there are {initial} initial replicas");
                self.add("cluster.nodes", problem);
            }
        }
        ClusterSpec { nodes, quota: *quota }
    }

    fn nodes(&mut self, text: &NodesText) -> NodesSpec {
        let NodesText { pods_per_node, count, max, provisioning, unneeded } = text;
        if !(1..=MOST).contains(pods_per_node) {
            self.add("cluster.nodes.podsPerNode", format!("must be between 1 and {MOST}"));
        }
        let max = max.unwrap_or(*count);
        if *count > max || max > MOST {
            self.add("cluster.nodes.max", format!("must be between count, {count}, and {MOST}"));
        }
        let mut span = |field: &str, text: &Option<String>, default: &str| -> Duration {
            self.span(&format!("cluster.nodes.{field}"), text.as_deref().unwrap_or(default))
        };
        let provisioning = span("provisioning", provisioning, "3m");
        let unneeded = span("unneeded", unneeded, "10m");
        NodesSpec { pods_per_node: *pods_per_node, count: *count, max, provisioning, unneeded }
    }
}
