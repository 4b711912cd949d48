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
use prometheus_client::registry::{Metric, Registry};

use super::Outcome;
use super::cluster::Failures;
use super::ledger::{Count, Ledger};
use super::prometheus::{Problem, Sources};
use crate::api::ConditionStatus;
use crate::decision::DesiredReason;
use crate::zones;

/// Seconds from an edge of a schedule to the API server's word that it is written.
const EDGE_TO_WRITE_BUCKETS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// A metric as documentation shows it: its name as Prometheus sees it, its labels, and what it says.
pub(super) type Told = (&'static str, &'static [&'static str], &'static str);

/// All of them.
pub(super) const TOLD: [Told; 16] = [
    RECONCILES,
    EVALUATIONS,
    WRITES,
    DECISIONS,
    EDGE_TO_WRITE,
    OLDEST,
    CONDITIONS,
    POLICIES,
    QUERY_DURATION,
    QUERY_FAILURES,
    API_FAILURES,
    LEADER,
    TZ_DATABASE,
    CONFIG_SUCCESSFUL,
    CONFIG_SUCCESS_TIME,
    BUILD,
];

const RECONCILES: Told = (
    "tidetable_reconciles_total",
    &[],
    "How often a policy was looked at, whether or not anything was due for it, and whoever leads",
);
const EVALUATIONS: Told =
    ("tidetable_evaluations_total", &["outcome"], "Evaluations of policies by their outcome");
const WRITES: Told =
    ("tidetable_scale_writes_total", &["direction"], "Changes of replicas that were written");
const DECISIONS: Told =
    ("tidetable_decisions_total", &["reason"], "Decisions by what determined the replicas");
const EDGE_TO_WRITE: Told = (
    "tidetable_edge_to_write_seconds",
    &[],
    "Time from an edge of a schedule until its number was written, whatever kept it (a histogram)",
);
const OLDEST: Told = (
    "tidetable_oldest_observation_age_seconds",
    &[],
    "Since when there is a policy of which not all is known: its workload, and its metrics and guards; or of which nothing is, \
     since this operator led and nobody seems to lead any more",
);
const CONDITIONS: Told = (
    "tidetable_policies_by_condition",
    &["type", "status"],
    "Policies that have a condition with this status",
);
const POLICIES: Told = ("tidetable_policies", &[], "Policies that the operator looks after");
const QUERY_DURATION: Told = (
    "tidetable_query_duration_seconds",
    &["source"],
    "Time from a query until its answer, or until it was given up (a histogram)",
);
const QUERY_FAILURES: Told =
    ("tidetable_query_failures_total", &["source", "cause"], "Queries that gave no usable number");
const API_FAILURES: Told = (
    "tidetable_api_failures_total",
    &["category"],
    "Calls to the Kubernetes API that failed, those for the Lease too, but not watches",
);
const LEADER: Told = ("tidetable_leader", &[], "Whether this operator is the one that writes");
const TZ_DATABASE: Told =
    ("tidetable_tz_database_info", &["version"], "The rules of time zones that schedules are read with");
const CONFIG_SUCCESSFUL: Told = (
    "tidetable_config_last_reload_successful",
    &[],
    "Whether the configuration is valid as its files are now; if not, an older one is in force",
);
const CONFIG_SUCCESS_TIME: Told = (
    "tidetable_config_last_reload_success_timestamp_seconds",
    &[],
    "When the configuration in force was read",
);
const BUILD: Told = ("tidetable_build_info", &["version"], "The version of the operator");

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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCondition {
    r#type: &'static str,
    status: &'static str,
}

/// What the operator counts.
pub(super) struct Metrics {
    registry: Registry,
    reconciles: Counter<u64, AtomicU64>,
    evaluations: Family<ByOutcome, Counter<u64, AtomicU64>>,
    writes: Family<ByDirection, Counter<u64, AtomicU64>>,
    decisions: Family<ByReason, Counter<u64, AtomicU64>>,
    query_failures: Family<ByFailure, Counter<u64, AtomicU64>>,
    edge_to_write: Histogram,
    policies: Gauge,
    conditions: Family<ByCondition, Gauge>,
    oldest: Gauge<f64, AtomicU64>,
    leader: Gauge,
    config_successful: Gauge,
    config_success_time: Gauge<f64, AtomicU64>,
    /// What is known of each policy.
    pub(super) ledger: Ledger,
}

impl Metrics {
    /// All at zero.
    pub(super) fn new(sources: &Sources, failures: &Failures) -> Self {
        let mut registry = Registry::default();
        let version = |version: &str| Info::new(vec![("version", version.to_owned())]);
        let edge_to_write = Histogram::new(EDGE_TO_WRITE_BUCKETS);
        register(&mut registry, EDGE_TO_WRITE, edge_to_write.clone());
        register(&mut registry, QUERY_DURATION, sources.durations());
        register(&mut registry, API_FAILURES, failures.counts());
        register(&mut registry, TZ_DATABASE, version(zones::current().version()));
        register(&mut registry, BUILD, version(env!("CARGO_PKG_VERSION")));
        Self {
            reconciles: registered(&mut registry, RECONCILES),
            evaluations: registered(&mut registry, EVALUATIONS),
            writes: registered(&mut registry, WRITES),
            decisions: registered(&mut registry, DECISIONS),
            query_failures: registered(&mut registry, QUERY_FAILURES),
            edge_to_write,
            policies: registered(&mut registry, POLICIES),
            conditions: registered(&mut registry, CONDITIONS),
            oldest: registered(&mut registry, OLDEST),
            leader: registered(&mut registry, LEADER),
            config_successful: registered(&mut registry, CONFIG_SUCCESSFUL),
            config_success_time: registered(&mut registry, CONFIG_SUCCESS_TIME),
            ledger: Ledger::default(),
            registry,
        }
    }

    /// The text that Prometheus reads.
    pub(super) fn encode(&self, now: Timestamp) -> String {
        for Count { aspect, status, policies } in self.ledger.counts() {
            let status = match status {
                ConditionStatus::True => "True",
                ConditionStatus::False => "False",
                ConditionStatus::Unknown => "Unknown",
            };
            let labels = ByCondition { r#type: aspect.as_str(), status };
            self.conditions.get_or_create(&labels).set(i64::try_from(policies).unwrap_or(i64::MAX));
        }
        self.oldest.set(self.ledger.oldest(now).as_secs_f64());
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Notes whether this operator writes.
    pub(super) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Counts a look at a policy.
    pub(super) fn reconciled(&self) {
        self.reconciles.inc();
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

/// Registers a metric of its default value under its name, and gives it.
fn registered<M: Metric + Clone + Default>(registry: &mut Registry, told: Told) -> M {
    let metric = M::default();
    register(registry, told, metric.clone());
    metric
}

/// Registers a metric under its name. The encoding adds the endings of counters and infos.
fn register(registry: &mut Registry, (name, _, help): Told, metric: impl Metric) {
    let name = name.strip_suffix("_total").or(name.strip_suffix("_info")).unwrap_or(name);
    registry.register(name, help, metric);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::cluster::CallError;
    use super::super::setting::Setting;
    use super::*;

    #[test]
    fn each_metric_is_told_of_under_the_name_that_prometheus_reads() {
        let failures = Failures::default();
        let metrics = Metrics::new(&Sources::default(), &failures);
        for error in [CallError::Timeout(Duration::ZERO), CallError::NotLeading, CallError::Stopping] {
            failures.count(&error);
        }
        metrics.evaluated(Outcome::Unchanged, Some(DesiredReason::Load));
        let four = Setting::Replicas(crate::decision::Replicas::new(4));
        metrics.evaluated(Outcome::Scaled { from: four, to: four }, None);
        let problem = Problem { cause: crate::decision::MissingCause::Stale, message: String::new() };
        metrics.query_failed(&Sources::default(), "gone", &problem);
        let text = metrics.encode(Timestamp::UNIX_EPOCH);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let names: BTreeSet<&str> = samples
            .filter_map(|line| line.split(['{', ' ']).next())
            .map(|name| {
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
            })
            .collect();
        let told: BTreeSet<&str> = TOLD.iter().map(|(name, ..)| *name).collect();
        let silent: Vec<&&str> = told.difference(&names).collect();
        assert_eq!(silent, [&QUERY_DURATION.0], "no source was asked");
        assert_eq!(names.difference(&told).count(), 0, "{names:?}");
        for (name, labels, _) in TOLD {
            let sample = text.lines().find(|line| line.starts_with(&format!("{name}{{")));
            let is_labelled = labels
                .iter()
                .all(|label| sample.is_none_or(|sample| sample.contains(&format!("{label}=\""))));
            assert!(is_labelled, "{sample:?} has not all of {labels:?}");
        }
        assert!(
            text.contains("tidetable_query_failures_total{source=\"unknown\",cause=\"Stale\"} 1"),
            "{text}"
        );
        let failed: Vec<&str> =
            text.lines().filter(|line| line.starts_with(&format!("{}{{", API_FAILURES.0))).collect();
        assert_eq!(failed, ["tidetable_api_failures_total{category=\"timeout\"} 1"], "what was sent");
    }
}
