//! A scenario as people write it: the fields and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::simulation::measurement::RangeSelector;
use crate::simulation::monitor::Quantity;

/// A scenario as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioSpec {
    /// A file with the `ScalePolicy`, next to the scenario.
    pub policy: PathBuf,
    /// A file with the `HorizontalPodAutoscaler` that the policy scales, next to the scenario.
    pub autoscaler: Option<PathBuf>,
    /// The first instant, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub from: String,
    /// How long it runs, such as `24h`.
    #[schemars(extend("format" = "duration"))]
    pub length: String,
    /// The time between ticks; default 15s.
    #[schemars(extend("format" = "duration"))]
    pub interval: Option<String>,
    /// What the noise is drawn from; the same seed gives the same traffic.
    #[serde(default)]
    pub seed: u64,
    /// Parts that add up. Without any, a recorded trace must be given.
    pub traffic: Option<Vec<Part>>,
    /// The workload.
    pub plant: PlantText,
    /// What the pods of all workloads share.
    pub cluster: Option<ClusterText>,
    /// Workloads behind, each called by the one before, with policies of their own.
    #[serde(default)]
    pub tiers: Vec<TierText>,
    /// What the policy's metrics and guards are, by their names; a metric that is not named is `qps`.
    #[serde(default)]
    pub metrics: BTreeMap<String, Quantity>,
    /// When Prometheus does not answer.
    #[serde(default)]
    pub outages: Vec<OutageText>,
    /// When the operator restarts, in RFC 3339.
    #[serde(default)]
    pub restarts: Vec<String>,
    /// What an hour costs, in any currency.
    pub price: Option<PriceText>,
    /// What the scores should be, by their names in JSON: comparisons such as `<= 2`.
    #[serde(default)]
    pub expect: BTreeMap<String, String>,
}

/// Prices as they are written.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceText {
    /// Of a replica; default 0.
    #[serde(default)]
    pub replica_hour: f64,
    /// Of a node; default 0.
    #[serde(default)]
    pub node_hour: f64,
}

/// A workload behind another one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TierText {
    /// What it is called in reports.
    pub name: String,
    /// A file with its `ScalePolicy`, next to the scenario.
    pub policy: PathBuf,
    /// A file with the `HorizontalPodAutoscaler` that the policy scales, next to the scenario.
    pub autoscaler: Option<PathBuf>,
    /// How many requests each request of the tier before makes to it, one after the other; default 1.
    pub calls: Option<f64>,
    /// The workload.
    pub plant: PlantText,
    /// What the policy's metrics and guards are, by their names; a metric that is not named is `qps`.
    #[serde(default)]
    pub metrics: BTreeMap<String, Quantity>,
    /// What its scores should be, by their names in JSON: comparisons such as `<= 2`.
    #[serde(default)]
    pub expect: BTreeMap<String, String>,
}

/// What pods share, as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterText {
    /// The nodes. Without them there is a place for every pod.
    pub nodes: Option<NodesText>,
    /// The most pods that a `ResourceQuota` admits.
    #[schemars(range(min = 0, max = 100_000))]
    pub quota: Option<u32>,
}

/// Nodes as they are written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodesText {
    /// How many pods a node has room for.
    #[schemars(range(min = 1, max = 100_000))]
    pub pods_per_node: u32,
    /// How many nodes there are at least.
    #[schemars(range(min = 0, max = 100_000))]
    pub count: u32,
    /// How many nodes there are at most; default `count`.
    #[schemars(range(min = 0, max = 100_000))]
    pub max: Option<u32>,
    /// From the order of a node until it takes pods; default 3m.
    #[schemars(extend("format" = "duration"))]
    pub provisioning: Option<String>,
    /// How long a node is not needed before it is given back; default 10m.
    #[schemars(extend("format" = "duration"))]
    pub unneeded: Option<String>,
}

/// A while in which Prometheus does not answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutageText {
    /// When it starts, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// How long it lasts.
    #[schemars(extend("format" = "duration"))]
    pub r#for: String,
}

/// A part of the traffic.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Part {
    /// The same demand at all times, in requests per second.
    Constant(f64),
    /// A daily cosine between `low` and `high` requests per second, highest at `peak`.
    Diurnal(Diurnal),
    /// A rise of `qps` from `at` for `for`, reached and left over `ramp`.
    Spike(Spike),
    /// `qps` more (or, when negative, less) from `at` on.
    Step(Step),
    /// `qps` more (or less), reached in a straight line over `for`, starting at `at`.
    Ramp(Ramp),
    /// What all parts are multiplied by on the days of the week.
    Weekly(Weekly),
    /// Random variation in proportion to everything else.
    Noise(Noise),
    /// A recorded trace, in a file beside the scenario: CSV of `timestamp,qps`, or what Prometheus answered to
    /// a range query.
    Trace(PathBuf),
}

/// A daily cosine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Diurnal {
    /// Least demand, in requests per second.
    pub low: f64,
    /// Highest demand, in requests per second.
    pub high: f64,
    /// Local time of the highest demand, `HH:MM`.
    #[schemars(extend("format" = "time"))]
    pub peak: String,
    /// IANA zone of `peak`; default UTC.
    pub time_zone: Option<String>,
}

/// What days of the week are multiplied by.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Weekly {
    /// Monday; default 1, as of the other days.
    pub mon: Option<f64>,
    /// Tuesday.
    pub tue: Option<f64>,
    /// Wednesday.
    pub wed: Option<f64>,
    /// Thursday.
    pub thu: Option<f64>,
    /// Friday.
    pub fri: Option<f64>,
    /// Saturday.
    pub sat: Option<f64>,
    /// Sunday.
    pub sun: Option<f64>,
    /// IANA zone of the days; default UTC.
    pub time_zone: Option<String>,
}

/// A rise for a while.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spike {
    /// When it starts, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// How long it lasts, ramps included.
    #[schemars(extend("format" = "duration"))]
    pub r#for: String,
    /// How long it takes to get to its height and back; default 0s.
    #[schemars(extend("format" = "duration"))]
    pub ramp: Option<String>,
    /// Its height, in requests per second.
    pub qps: f64,
}

/// A lasting change at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// When, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// By how much, in requests per second.
    pub qps: f64,
}

/// A lasting change in a straight line.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ramp {
    /// When it starts, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// How long it takes.
    #[schemars(extend("format" = "duration"))]
    pub r#for: String,
    /// By how much in the end, in requests per second.
    pub qps: f64,
}

/// Random variation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation in proportion to the demand: 0.05 is five percent.
    pub relative: f64,
}

/// The workload as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlantText {
    /// From a pod's creation until it is ready, such as `30s`.
    #[schemars(extend("format" = "duration"))]
    pub startup: String,
    /// When given, start-up times are log-normal, with `startup` as the median: 95 of 100 pods are ready after this.
    #[schemars(extend("format" = "duration"))]
    pub startup_p95: Option<String>,
    /// From a pod's removal until it is gone, without taking requests; default 0s.
    #[schemars(extend("format" = "duration"))]
    pub termination: Option<String>,
    /// What one ready replica can carry, in requests per second.
    pub capacity_per_replica: f64,
    /// Replicas at the start.
    #[schemars(range(min = 0, max = 100_000))]
    pub initial_replicas: i32,
    /// The range of the query's `rate()`; default 1m.
    #[schemars(extend("format" = "duration"))]
    pub query_window: Option<String>,
    /// The time between scrapes; default 15s.
    #[schemars(extend("format" = "duration"))]
    pub scrape_interval: Option<String>,
    /// How long after the interval's multiples scrapes are; default 0s.
    #[schemars(extend("format" = "duration"))]
    pub scrape_phase: Option<String>,
    /// Whether a range has a sample that is as old as its start: `closed` as up to Prometheus 2, `leftOpen` as from 3
    /// on; default `closed`.
    #[serde(default)]
    pub range_selector: RangeSelector,
    /// How long ago it is what a query sees; default 0s.
    #[schemars(extend("format" = "duration"))]
    pub evaluation_delay: Option<String>,
    /// What a request takes in the workload itself; default 0s.
    #[schemars(extend("format" = "duration"))]
    pub latency: Option<String>,
    /// How many requests each ready replica has in flight at most, those that wait for tiers behind included; without
    /// it, `capacityPerReplica` alone bounds what it carries.
    pub concurrency: Option<f64>,
    /// A queue before the workload. Without it requests that find no capacity are lost at once.
    pub queue: Option<QueueText>,
    /// A tier behind the workload that all replicas share.
    pub downstream: Option<DownstreamText>,
}

/// A queue as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueText {
    /// How long a request waits before it is given up.
    #[schemars(extend("format" = "duration"))]
    pub timeout: String,
    /// How often it is sent again then, at most 10 times; default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10))]
    pub retries: u8,
    /// How long after that; default 0s.
    #[schemars(extend("format" = "duration"))]
    pub backoff: Option<String>,
    /// A request that took longer is late; default half of `timeout`.
    #[schemars(extend("format" = "duration"))]
    pub late_after: Option<String>,
}

/// A shared tier as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DownstreamText {
    /// The rate that it approaches when nothing gets in its way, in requests per second.
    pub capacity: f64,
    /// What a request takes when it is alone.
    #[schemars(extend("format" = "duration"))]
    pub latency: String,
    /// How many requests each ready replica may have in flight.
    pub connections_per_replica: f64,
    /// How much requests in flight hinder each other; default 0.
    #[serde(default)]
    pub contention: f64,
}
