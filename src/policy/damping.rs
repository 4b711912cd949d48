//! Damping with autoscaling/v2's defaults filled in.

use std::time::Duration;

use crate::api::{DampingSpec, Quantity, RatePolicyType, ScalingRules, SelectPolicy};
use crate::decision::{DampingPolicy, Direction, RatePolicy, RateUnit, Replicas, Rules, Select};

use super::load::half_life;
use super::{Mistakes, Path, parse_quantity, replicas};

/// The HPA's tolerance.
const TOLERANCE: f64 = 0.1;

pub(super) fn damping(spec: Option<&DampingSpec>, path: &Path, mistakes: &mut Mistakes) -> DampingPolicy {
    let spec = spec.cloned().unwrap_or_default();
    let smoothing = path.field("smoothing").field("halfLife");
    let half_life = spec.smoothing.and_then(|spec| half_life(&spec.half_life, &smoothing, mistakes));
    let mut side = |direction, spec: Option<ScalingRules>, name| {
        let spec = spec.unwrap_or_default();
        check(&spec, &path.field(name), mistakes);
        rules(direction, &spec)
    };
    DampingPolicy {
        up: side(Direction::Up, spec.scale_up, "scaleUp"),
        down: side(Direction::Down, spec.scale_down, "scaleDown"),
        half_life,
    }
}

/// The rules of one direction with the defaults of a HorizontalPodAutoscaler: upward no stabilization and
/// the higher of 4 pods and 100 % per 15 s, downward 300 s of stabilization and 100 % per 15 s; a tolerance
/// of 0.1. A tolerance that can't be read counts as that.
#[must_use]
pub fn rules(direction: Direction, spec: &ScalingRules) -> Rules {
    let (stabilization, policies) = match direction {
        Direction::Up => (0, [(RateUnit::Pods, 4), (RateUnit::Percent, 100)].as_slice()),
        Direction::Down => (300, [(RateUnit::Percent, 100)].as_slice()),
    };
    let default = |&(unit, value)| RatePolicy { unit, value, period: Duration::from_secs(15) };
    Rules {
        stabilization: seconds(spec.stabilization_window_seconds.unwrap_or(stabilization)),
        select: match spec.select_policy.unwrap_or_default() {
            SelectPolicy::Max => Select::Max,
            SelectPolicy::Min => Select::Min,
            SelectPolicy::Disabled => Select::Disabled,
        },
        policies: spec.policies.as_ref().map_or_else(
            || policies.iter().map(default).collect(),
            |policies| {
                let policy = |policy: &crate::api::RatePolicySpec| RatePolicy {
                    unit: match policy.r#type {
                        RatePolicyType::Pods => RateUnit::Pods,
                        RatePolicyType::Percent => RateUnit::Percent,
                    },
                    value: policy.value,
                    period: seconds(policy.period_seconds),
                };
                policies.iter().map(policy).collect()
            },
        ),
        tolerance: spec.tolerance.as_ref().and_then(ratio).unwrap_or(TOLERANCE),
        deadband: Replicas::new(spec.deadband_replicas.unwrap_or(0)),
    }
}

fn check(spec: &ScalingRules, path: &Path, mistakes: &mut Mistakes) {
    if let Some(window) = spec.stabilization_window_seconds
        && !(0..=3600).contains(&window)
    {
        let problem = format!("{window} must be between 0 and 3600");
        mistakes.add(&path.field("stabilizationWindowSeconds"), problem);
    }
    if let Some(tolerance) = &spec.tolerance
        && ratio(tolerance).is_none()
    {
        let problem = format!("{tolerance} must be a quantity from 0 to 1, such as \"0.1\"");
        mistakes.add(&path.field("tolerance"), problem);
    }
    if let Some(deadband) = spec.deadband_replicas {
        replicas(deadband, &path.field("deadbandReplicas"), mistakes);
    }
    let policies = spec.policies.as_deref();
    if policies.is_some_and(<[_]>::is_empty) {
        mistakes.add(&path.field("policies"), "must not be empty; leave it out for the default");
    }
    for (index, policy) in policies.unwrap_or_default().iter().enumerate() {
        let path = path.field("policies").index(index);
        if !(1..=1_000_000).contains(&policy.value) {
            mistakes.add(&path.field("value"), format!("{} must be between 1 and 1000000", policy.value));
        }
        if !(1..=1800).contains(&policy.period_seconds) {
            let problem = format!("{} must be between 1 and 1800", policy.period_seconds);
            mistakes.add(&path.field("periodSeconds"), problem);
        }
    }
}

/// A tolerance as a ratio from 0 to 1.
fn ratio(quantity: &Quantity) -> Option<f64> {
    let ratio = parse_quantity(&quantity.to_string()).ok()?.as_f64() / 1000.0;
    (0.0..=1.0).contains(&ratio).then_some(ratio)
}

fn seconds(count: i32) -> Duration {
    Duration::from_secs(u64::from(count.max(0).unsigned_abs()))
}
