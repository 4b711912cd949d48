//! The operator's own metrics. Every label comes from a closed list or from the configuration, so their
//! number does not grow with the policies.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::Outcome;
use super::prometheus::{Problem, Sources};
use crate::decision::DesiredReason;
use crate::zones;

/// Seconds from an edge of a schedule to the API server's word that it is written.
const EDGE_TO_WRITE_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDirection {
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFailure {
    source: String,
    cause: &'static str,
}

/// What the operator counts.
pub(super) struct Metrics {
    registry: Registry,
    evaluations: Family<ByOutcome, Counter<u64, AtomicU64>>,
    writes: Family<ByDirection, Counter<u64, AtomicU64>>,
    decisions: Family<ByReason, Counter<u64, AtomicU64>>,
    query_failures: Family<ByFailure, Counter<u64, AtomicU64>>,
    edge_to_write: Histogram,
    policies: Gauge,
    leader: Gauge,
    config_successful: Gauge,
    config_success_time: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// All at zero.
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("tidetable");
        let evaluations = Family::default();
        registry.register("evaluations", "Evaluations of policies by their outcome", evaluations.clone());
        let writes = Family::default();
        registry.register("scale_writes", "Changes of replicas that were written", writes.clone());
        let decisions = Family::default();
        registry.register("decisions", "Decisions by what determined the replicas", decisions.clone());
        let query_failures = Family::default();
        registry.register("query_failures", "Queries that gave no usable number", query_failures.clone());
        let edge_to_write = Histogram::new(EDGE_TO_WRITE_BUCKETS);
        registry.register(
            "edge_to_write_seconds",
            "Time from an edge of a schedule until the change was written",
            edge_to_write.clone(),
        );
        let rules = vec![("version", zones::current().version().to_owned())];
        registry.register(
            "tz_database",
            "The rules of time zones that schedules are read with",
            Info::new(rules),
        );
        let policies = Gauge::default();
        registry.register("policies", "Policies that the operator looks after", policies.clone());
        let leader = Gauge::default();
        registry.register("leader", "Whether this operator is the one that writes", leader.clone());
        let config_successful = Gauge::default();
        registry.register(
            "config_last_reload_successful",
            "Whether the configuration is valid as its files are now; if not, an older one is in force",
            config_successful.clone(),
        );
        let config_success_time = Gauge::default();
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read",
            config_success_time.clone(),
        );
        Self {
            registry,
            evaluations,
            writes,
            decisions,
            query_failures,
            edge_to_write,
            policies,
            leader,
            config_successful,
            config_success_time,
        }
    }

    /// The text that Prometheus reads.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Notes whether this operator writes.
    pub(super) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Counts an evaluation.
    pub(super) fn evaluated(&self, outcome: Outcome, reason: Option<DesiredReason>) {
        self.evaluations.get_or_create(&ByOutcome { outcome: outcome.as_str() }).inc();
        if let Some(reason) = reason {
            self.decisions.get_or_create(&ByReason { reason: reason.as_str() }).inc();
        }
        match outcome {
            Outcome::Scaled { from, to } => {
                let direction = if to > from { "up" } else { "down" };
                self.writes.get_or_create(&ByDirection { direction }).inc();
            }
            Outcome::Unchanged
            | Outcome::DryRun
            | Outcome::Paused
            | Outcome::Conflict
            | Outcome::Contested
            | Outcome::Failed { .. } => {}
        }
    }

    /// Counts a query without a usable answer. A name that no source has would be an unbounded label.
    pub(super) fn query_failed(&self, sources: &Sources, source: &str, problem: &Problem) {
        let source = if sources.contains(source) { source } else { "unknown" };
        let labels = ByFailure { source: source.to_owned(), cause: problem.cause.as_str() };
        self.query_failures.get_or_create(&labels).inc();
    }

    /// Measures how long after its edge a change was written.
    pub(super) fn edge_written(&self, edge: Timestamp, written: Timestamp) {
        let delay = written.duration_since(edge).max(SignedDuration::ZERO);
        self.edge_to_write.observe(Duration::try_from(delay).unwrap_or_default().as_secs_f64());
    }

    /// Says how many policies there are.
    pub(super) fn policies(&self, count: usize) {
        self.policies.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Notes that the configuration was read.
    pub(super) fn config_loaded(&self, at: Timestamp) {
        self.config_successful.set(1);
        self.config_success_time.set(at.as_duration().as_secs_f64());
    }

    /// Notes that the configuration is invalid as it is now.
    pub(super) fn config_refused(&self) {
        self.config_successful.set(0);
    }
}
