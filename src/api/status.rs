//! What the operator says about a policy: the columns of `kubectl get sp`, the conditions, and the short
//! form of the last decision.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mode;

/// The state of a policy as last seen by the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalePolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The scaled object as `Kind/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub target: Option<String>,
    /// `spec.replicas` of the scaled object as last observed or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<i32>,
    /// What the last decision asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// What the clock asks for: the floor of the last decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_replicas: Option<i32>,
    /// The load's own state, kept here so that a restart forgets nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadStatus>,
    /// The next change of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_change: Option<NextChange>,
    /// The last decision, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionStatus>,
    /// When the operator last changed the replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_scale_time: Option<Timestamp>,
    /// Ready, AbleToScale, ScalingActive, ScalingLimited, CapacityLimited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The load's level and what its rate policies remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadStatus {
    /// What the load asks for after damping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i32>,
    /// The mode under which the level came about. One that was only tried is not carried over into `Active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,
    /// Rises of the level that rate policies still count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub scale_up_events: Vec<ScaleEvent>,
    /// Falls of the level that rate policies still count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub scale_down_events: Vec<ScaleEvent>,
    /// How the level came about over the time that a restart looks back on. Together with what Prometheus
    /// remembers of the load this rebuilds the stabilization windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub levels: Vec<LevelChange>,
    /// The time without any usable metric that has not ended yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<OutageStatus>,
    /// When a step up was last tried while the cluster was full, or the hold began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub step_tried_at: Option<Timestamp>,
}

/// A time without any usable metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutageStatus {
    /// When it began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// How many times in a row the metrics have been read since; it takes two to end a long outage.
    pub good_answers: i32,
}

/// What the load's level was from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LevelChange {
    /// When it became so.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// The level after that.
    pub level: i32,
}

/// One change of the load's level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleEvent {
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// By how many replicas; always positive.
    pub replicas: i32,
}

/// The next change of floor or ceiling by the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextChange {
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// The floor from then on.
    pub floor: i32,
    /// The ceiling from then on.
    pub ceiling: i32,
    /// The entry that brings the change by starting or ending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub entry: Option<String>,
    /// The same in a few words, for `kubectl get`: `20:00 → 3`, in the entry's zone.
    #[schemars(length(max = 64))]
    pub summary: String,
}

/// Why the workload has the replicas that it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionStatus {
    /// When the decision was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What determined the desired replicas, from a closed list.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// The same as a sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The least that was allowed.
    pub floor: i32,
    /// The most that was allowed.
    pub ceiling: i32,
    /// The schedule entry behind the floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub floor_entry: Option<String>,
    /// The schedule entry behind the ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub ceiling_entry: Option<String>,
    /// What each metric asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub metrics: Vec<MetricStatus>,
    /// What became of each guard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub guards: Vec<GuardStatus>,
    /// What the load asked for before damping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<i32>,
    /// The recommendation after stabilization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilized: Option<i32>,
}

/// One metric in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricStatus {
    /// Name of the metric.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What was read, as a quantity; absent when nothing could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub value: Option<String>,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub problem: Option<String>,
}

/// One guard in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardStatus {
    /// Name of the guard.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Quiet, Pending (over its threshold, but not for long enough), Active, or Unread.
    #[schemars(length(max = 16))]
    pub state: String,
    /// Since when it has been over its threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub problem: Option<String>,
}

/// One aspect of the policy's state, as in `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[schemars(length(max = 316))]
    pub r#type: Cow<'static, str>,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, from a closed list, in CamelCase.
    #[schemars(length(max = 1024))]
    pub reason: Cow<'static, str>,
    /// The same as a sentence.
    #[schemars(length(max = 4096))]
    pub message: Cow<'static, str>,
    /// When `status` last changed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// The generation of the spec that the condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It can't be said.
    Unknown,
}
