//! The load of a policy: metrics, damping, and what keeps them in check.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

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
