//! The `ScalePolicy` and `ScaleCalendar` custom resources as Rust types, with the rules that the API server
//! itself enforces. No logic lives here: [`crate::policy`] turns a spec into something that can decide.
//!
//! Every string, list and map has a bound: a real API server estimates the cost of each CEL rule from
//! those bounds and refuses a CRD whose rules could become too expensive.

#![expect(unreachable_pub, reason = "the KubeSchema derive makes a hidden twin of each struct")]

mod calendar;
mod load;
mod quantity;
mod schedule;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::calendar::{CalendarDate, ScaleCalendar, ScaleCalendarSpec};
pub use self::load::{
    CapacitySpec, DampingSpec, FallbackPolicy, FallbackSpec, GuardEffect, GuardSpec, MetricSpec,
    MetricTarget, PrometheusQuery, RatePolicySpec, RatePolicyType, ScalingRules, SelectPolicy, SmoothingSpec,
};
pub use self::quantity::Quantity;
pub use self::schedule::{EntrySpec, ScheduleSpec};
pub use self::status::{
    Condition, ConditionStatus, DecisionStatus, GuardStatus, LevelChange, LoadStatus, MetricStatus,
    NextChange, OutageStatus, ScaleEvent, ScalePolicyStatus,
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
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        priority = 1
    ),
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
    ).message("fallback.replicas must not be more than spec.maxReplicas").field_path(".fallback"),
    validation = Rule::new("self.scaleTargetRef.kind != 'HorizontalPodAutoscaler' || !has(self.metrics)")
        .message("a HorizontalPodAutoscaler has metrics of its own: the policy must have none").field_path(".metrics"),
    validation = Rule::new(
        "self.scaleTargetRef.kind != 'HorizontalPodAutoscaler' || self.scaleTargetRef.apiVersion == 'autoscaling/v2'"
    ).message("a HorizontalPodAutoscaler must be named with apiVersion autoscaling/v2").field_path(".scaleTargetRef"),
    validation = Rule::new("self.scaleTargetRef.kind != 'HorizontalPodAutoscaler' || self.maxReplicas >= 1")
        .message("a HorizontalPodAutoscaler needs maxReplicas of at least 1").field_path(".maxReplicas")
)]
pub struct ScalePolicySpec {
    /// The workload whose replicas this policy sets: any object of the same namespace that has a scale
    /// subresource. Of a HorizontalPodAutoscaler (autoscaling/v2) the schedule sets `minReplicas`, and its
    /// ceilings `maxReplicas`.
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

    /// Which of many policies with the same edge are written first: those with the higher number. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1_000_000, max = 1_000_000))]
    pub priority: Option<i32>,

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

/// A version, or a group as RFC 1123 has subdomains and a version.
pub(crate) const API_VERSION: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[a-z]([-a-z0-9]*[a-z0-9])?$";

/// A kind, as the API server takes it from a definition.
pub(crate) const KIND: &str = "^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$";

/// The name of an object, as RFC 1123 has subdomains.
pub(crate) const NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Names the scaled object, as in autoscaling/v2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleTargetRef {
    /// Group and version of the target, such as `apps/v1`.
    #[schemars(length(min = 1, max = 317), regex(pattern = API_VERSION))]
    pub api_version: String,
    /// Kind of the target, such as `Deployment`.
    #[schemars(length(min = 1, max = 63), regex(pattern = KIND))]
    pub kind: String,
    /// Name of the target, in the policy's own namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub name: String,
}

/// The kind of target of which the bounds are set and not the replicas.
pub const AUTOSCALER_KIND: &str = "HorizontalPodAutoscaler";

/// The version in which such a target is named.
pub const AUTOSCALER_API_VERSION: &str = "autoscaling/v2";

impl ScaleTargetRef {
    /// Whether it is a `HorizontalPodAutoscaler`, of which the bounds are set and not the replicas.
    #[must_use]
    pub fn is_autoscaler(&self) -> bool {
        is_autoscaler_kind(&self.api_version, &self.kind)
    }
}

/// Whether a kind is that of a `HorizontalPodAutoscaler`.
pub(crate) fn is_autoscaler_kind(api_version: &str, kind: &str) -> bool {
    kind == AUTOSCALER_KIND && api_version == AUTOSCALER_API_VERSION
}

/// The annotation that pins a workload for a while.
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
