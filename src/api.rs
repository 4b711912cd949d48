//! The `ScalePolicy` and `ScaleCalendar` custom resources as Rust types, with the rules that the API server itself enforces.
//! No logic lives here: [`crate::policy`] turns a spec into something that can decide.
//!
//! Every string, list and map has a bound: a real API server estimates the cost of each CEL rule from
//! those bounds and refuses a CRD whose rules could become too expensive.

#![expect(unreachable_pub, reason = "the KubeSchema derive makes a hidden twin of each struct")]

mod calendar;
mod quantity;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::calendar::{CalendarDate, ScaleCalendar, ScaleCalendarSpec};
pub use self::quantity::Quantity;
pub use self::status::{
    Condition, ConditionStatus, DecisionStatus, GuardStatus, LoadStatus, MetricStatus, NextChange,
    ScaleEvent, ScalePolicyStatus,
};

/// The API group of everything that tidetable defines.
pub const GROUP: &str = "tidetable.dev";

/// How many replicas a workload has at which hour, what one replica can carry, and how calmly to move
/// between the two.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tidetable.dev",
    version = "v1alpha1",
    kind = "ScalePolicy",
    plural = "scalepolicies",
    shortname = "sp",
    category = "all",
    namespaced,
    status = "ScalePolicyStatus",
    derive = "PartialEq",
    doc = "A schedule, a load target and damping for the replicas of one workload.",
    printcolumn(name = "TARGET", type_ = "string", json_path = ".status.target"),
    printcolumn(name = "MODE", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "BASELINE", type_ = "integer", json_path = ".status.baselineReplicas"),
    printcolumn(name = "LOAD", type_ = "integer", json_path = ".status.load.level"),
    printcolumn(name = "DESIRED", type_ = "integer", json_path = ".status.desiredReplicas"),
    printcolumn(name = "CURRENT", type_ = "integer", json_path = ".status.currentReplicas"),
    printcolumn(name = "NEXT", type_ = "string", json_path = ".status.nextChange.summary"),
    printcolumn(name = "REASON", type_ = "string", json_path = ".status.decision.reason"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not be more than maxReplicas").field_path(".minReplicas"),
    validation = Rule::new("has(self.schedule) || has(self.metrics)")
        .message("a policy needs a schedule, metrics, or both"),
    validation = Rule::new(
        "!has(self.schedule) || self.schedule.entries.all(e, !has(e.replicas) || e.replicas <= self.maxReplicas)"
    ).message("an entry's replicas must not be more than spec.maxReplicas").field_path(".schedule"),
    validation = Rule::new(
        "!has(self.fallback) || !has(self.fallback.replicas) || self.fallback.replicas <= self.maxReplicas"
    ).message("fallback.replicas must not be more than spec.maxReplicas").field_path(".fallback")
)]
pub struct ScalePolicySpec {
    /// The workload whose replicas this policy sets: any object of the same namespace that has a scale
    /// subresource.
    pub scale_target_ref: ScaleTargetRef,

    /// The least replicas at any time. 0 is legal. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100_000))]
    pub min_replicas: i32,

    /// The most replicas at any time.
    #[schemars(range(min = 0, max = 100_000))]
    pub max_replicas: i32,

    /// Active applies decisions, DryRun makes and reports them without scaling, Paused does nothing.
    /// Default Active.
    #[serde(default)]
    pub mode: Mode,

    /// The baseline: how many replicas the clock asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,

    /// What Prometheus is asked about the load. With several metrics the highest recommendation counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Option<Vec<MetricSpec>>,

    /// How calmly the load's recommendation is followed. It never slows the schedule. The defaults are
    /// those of a HorizontalPodAutoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damping: Option<DampingSpec>,

    /// Conditions under which the load may not move the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub guards: Option<Vec<GuardSpec>>,

    /// What stands in for the load when no metric can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,

    /// What happens while the cluster has no room for the workload's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacitySpec>,
}

fn one() -> i32 {
    1
}

/// Names the scaled object, as in autoscaling/v2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleTargetRef {
    /// Group and version of the target, such as `apps/v1`.
    #[schemars(length(min = 1, max = 317))]
    pub api_version: String,
    /// Kind of the target, such as `Deployment`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the target, in the policy's own namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The annotation that pins a workload for a while. This version refuses a policy that bears it.
pub const OVERRIDE_ANNOTATION: &str = "tidetable.dev/override";

/// Whether decisions are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Decide and scale.
    #[default]
    Active,
    /// Decide and report; write nothing but status.
    DryRun,
    /// Write nothing; keep everything as it is.
    Paused,
}

/// The baseline as a list of steps and windows, all read on a wall clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleSpec {
    /// IANA time zone in which the entries are read, such as `Europe/Berlin`. An entry may name its own.
    /// Default UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,

    /// Local dates (`YYYY-MM-DD`) on which no entry fires, and names of `ScaleCalendar`s that have such
    /// dates. An entry with `onDates` of its own fires on them all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 366), inner(length(max = 63), regex(pattern = DATE_OR_CALENDAR)))]
    pub except_dates: Option<Vec<String>>,

    /// Steps (no `for`, no `until`) hold until the next step; windows hold for a while. Where several
    /// are in force, the highest `replicas` and the lowest `maxReplicas` count. At least one, at most 64.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub entries: Vec<EntrySpec>,
}

/// A date, or the name of a calendar.
const DATE_OR_CALENDAR: &str = "^([0-9]{4}-[0-9]{2}-[0-9]{2}|[a-z]([-a-z0-9]*[a-z0-9])?)$";

fn utc() -> String {
    "UTC".to_owned()
}

/// One step, window or single date of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.cron) != has(self.at)")
        .message("exactly one of cron and at is needed"),
    validation = Rule::new("!has(self.__for__) || !has(self.until)")
        .message("for and until exclude each other"),
    validation = Rule::new("!has(self.at) || has(self.__for__) || has(self.until)")
        .message("at needs for or until"),
    validation = Rule::new("has(self.replicas) || has(self.maxReplicas)")
        .message("an entry needs replicas, maxReplicas, or both"),
    validation = Rule::new("has(self.replicas) || has(self.__for__) || has(self.until)")
        .message("a step (an entry without for or until) needs replicas"),
    validation = Rule::new("!has(self.replicas) || !has(self.maxReplicas) || self.replicas <= self.maxReplicas")
        .message("replicas must not be more than the entry's own maxReplicas"),
    validation = Rule::new("!has(self.rampDown) || has(self.__for__) || has(self.until)")
        .message("rampDown needs for or until: a step has no end of its own"),
    validation = Rule::new("(!has(self.rampUp) && !has(self.rampDown)) || has(self.replicas)")
        .message("a ramp needs replicas")
)]
pub struct EntrySpec {
    /// Name of the entry, unique in the schedule; status and events use it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,

    /// When the entry fires: five cron fields (minute, hour, day of month, month, day of week) or a
    /// macro such as `@daily`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub cron: Option<String>,

    /// The one local date and time at which the entry fires, such as `2026-11-27T00:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 19),
        regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$")
    )]
    pub at: Option<String>,

    /// The local dates (`YYYY-MM-DD`) on which the entry may fire, and names of `ScaleCalendar`s that have
    /// such dates. Default: all but the schedule's `exceptDates`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 366), inner(length(max = 63), regex(pattern = DATE_OR_CALENDAR)))]
    pub on_dates: Option<Vec<String>>,

    /// IANA time zone of this entry. Default: the schedule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,

    /// How long the entry holds, in elapsed time, such as `2h` or `1h30m`: this makes it a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub r#for: Option<String>,

    /// The local time of day (`HH:MM`) at which the entry ends, the next one after its start: this makes
    /// it a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub until: Option<String>,

    /// The baseline while the entry is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: Option<i32>,

    /// A ceiling while the entry is in force. Together with the same `replicas` it pins the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_replicas: Option<i32>,

    /// Climb to `replicas` over this long before the entry starts, arriving at its start; whole seconds, at
    /// most a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub ramp_up: Option<String>,

    /// Descend from `replicas` over this long after the entry ends; whole seconds, at most a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub ramp_down: Option<String>,
}

/// One question to Prometheus and what one replica can carry of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricSpec {
    /// Name of the metric, unique in the policy; status and events use it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Where the number comes from.
    pub prometheus: PrometheusQuery,
    /// The setpoint.
    pub target: MetricTarget,
}

/// An instant query whose result is a scalar or exactly one sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.maxAge) || has(self.freshness)")
    .message("maxAge needs freshness: an instant query does not say how old its samples are"))]
pub struct PrometheusQuery {
    /// Name of a source in the operator's configuration file. Default `default`.
    #[serde(default = "default_source")]
    #[schemars(length(min = 1, max = 63))]
    pub source: String,
    /// The PromQL expression.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// A PromQL expression that gives the Unix time in seconds of the newest sample behind `query`; with
    /// it an answer older than `maxAge` counts as missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub freshness: Option<String>,
    /// How old the newest sample may be, such as `2m`. Needs `freshness`. Default 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub max_age: Option<String>,
}

fn default_source() -> String {
    "default".to_owned()
}

/// The setpoint of a metric; exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.averageValue) != has(self.value)")
    .message("exactly one of averageValue and value is needed"))]
pub struct MetricTarget {
    /// What one replica should carry: replicas = load / averageValue, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
    /// What the metric itself should be: replicas = ready replicas × load / value, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
}

/// autoscaling/v2's `behavior`, field for field, and `smoothing`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DampingSpec {
    /// Exponential smoothing of each metric before anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<SmoothingSpec>,
    /// Damping upward. Default: no stabilization; the higher of 4 pods and 100 % per 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,
    /// Damping downward. Default: 300 s of stabilization; 100 % per 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// First-order low-pass filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmoothingSpec {
    /// The time after which a step has gone half of its way, such as `30s`.
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub half_life: String,
}

/// Damping in one direction, as in autoscaling/v2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingRules {
    /// For how many seconds the recommendations of the past still count: upward the lowest, downward
    /// the highest of them. Default 0 up, 300 down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which of the policies counts: the one that allows the most (Max) or the least (Min) change, or
    /// none, which forbids this direction (Disabled). Default Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// Limits on the rate of change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub policies: Option<Vec<RatePolicySpec>>,
    /// How far from 1 the ratio of load to target may be in this direction without a change. Default 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Quantity>,
    /// How many replicas a recommendation may be from the load's level in this direction without a change.
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub deadband_replicas: Option<i32>,
}

/// Which rate policy counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    /// The policy that allows the most change.
    #[default]
    Max,
    /// The policy that allows the least change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// At most `value` pods or percent within any `periodSeconds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RatePolicySpec {
    /// What `value` counts.
    pub r#type: RatePolicyType,
    /// How many pods or how many percent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub value: i32,
    /// Length of the period, in seconds.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// The unit of a rate policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RatePolicyType {
    /// A number of pods.
    Pods,
    /// A percentage of the replicas at the start of the period.
    Percent,
}

/// A query that, over a threshold, keeps the load from moving the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuardSpec {
    /// Name of the guard, unique in the policy.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What is compared.
    pub prometheus: PrometheusQuery,
    /// The guard is active while the result is above this.
    pub above: Quantity,
    /// For how long the result must have been above. Default 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub r#for: Option<String>,
    /// Which direction is held.
    pub effect: GuardEffect,
}

/// The direction that an active guard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardEffect {
    /// The load's level may not rise.
    HoldScaleUp,
    /// The load's level may not fall.
    HoldScaleDown,
    /// The load's level stays.
    Hold,
}

/// What happens when no metric can be read for long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.replicas) == (has(self.policy) && self.policy == 'Replicas')")
    .message("replicas is needed with policy Replicas, and only then"))]
pub struct FallbackSpec {
    /// After how long without any metric, such as `3m`. Default 3m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub after: Option<String>,
    /// Hold keeps the load's level, Baseline gives the load up, Replicas stands in for it. Default Hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<FallbackPolicy>,
    /// The load's level with policy Replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: Option<i32>,
}

/// What stands in for the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FallbackPolicy {
    /// The last level.
    #[default]
    Hold,
    /// Nothing: the baseline alone counts.
    Baseline,
    /// A fixed number of replicas.
    Replicas,
}

/// Reaction to a full cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapacitySpec {
    /// For how long pods must have been unschedulable before the load may not raise the workload
    /// further; `0s` turns this off. Default 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub hold_after: Option<String>,
}
