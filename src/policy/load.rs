//! Metrics, guards, fallback and capacity.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::api::{
    FallbackPolicy, GuardEffect, GuardSpec, MetricSpec, MetricTarget, PrometheusQuery, ScalePolicySpec,
};
use crate::decision::{
    CapacityRule, Effect, FallbackLevel, FallbackRule, Freshness, Guard, Metric, Milli, QueryRef, Replicas,
    Target,
};

use super::{Mistakes, Path, duration, parse_duration, parse_quantity, replicas, unique_names};

/// How long an outage of all metrics is a mere gap, unless the policy says otherwise.
const FALLBACK_AFTER: &str = "3m";

/// How old the newest sample may be where its age is asked, unless the policy says otherwise.
const MAX_AGE: &str = "2m";

/// For how long pods must have been unschedulable, unless the policy says otherwise.
const HOLD_AFTER: &str = "2m";

pub(super) fn metrics(specs: &[MetricSpec], path: &Path, mistakes: &mut Mistakes) -> SmallVec<[Metric; 4]> {
    unique_names(specs.iter().map(|metric| metric.name.as_str()), path, mistakes);
    let metric = |(index, spec): (usize, &MetricSpec)| {
        let path = path.index(index);
        let query = query(&spec.prometheus, &path.field("prometheus"), mistakes);
        let target = target(&spec.target, &path.field("target"), mistakes)?;
        Some(Metric { name: spec.name.as_str().into(), query, target })
    };
    specs.iter().enumerate().filter_map(metric).collect()
}

pub(super) fn guards(specs: &[GuardSpec], path: &Path, mistakes: &mut Mistakes) -> SmallVec<[Guard; 2]> {
    unique_names(specs.iter().map(|guard| guard.name.as_str()), path, mistakes);
    let guard = |(index, spec): (usize, &GuardSpec)| {
        let path = path.index(index);
        let query = query(&spec.prometheus, &path.field("prometheus"), mistakes);
        let above = match parse_quantity(&spec.above.to_string()) {
            Ok(above) => above,
            Err(error) => {
                mistakes.add(&path.field("above"), error.to_string());
                Milli::default()
            }
        };
        let after = spec.r#for.as_deref().unwrap_or("0s");
        let after = duration(after, &path.field("for"), mistakes);
        let effect = match spec.effect {
            GuardEffect::HoldScaleUp => Effect::HoldUp,
            GuardEffect::HoldScaleDown => Effect::HoldDown,
            GuardEffect::Hold => Effect::Hold,
        };
        Guard { name: spec.name.as_str().into(), query, above, after, effect }
    };
    specs.iter().enumerate().map(guard).collect()
}

fn query(spec: &PrometheusQuery, path: &Path, mistakes: &mut Mistakes) -> QueryRef {
    if spec.query.trim().is_empty() {
        mistakes.add(&path.field("query"), "must be a PromQL expression");
    }
    let max_age = spec.max_age.as_deref().unwrap_or(MAX_AGE);
    if parse_duration(max_age).is_ok_and(|age| age.is_zero()) {
        mistakes.add(&path.field("maxAge"), format!("{max_age:?} must be longer than nothing"));
    }
    let max_age = duration(max_age, &path.field("maxAge"), mistakes);
    let freshness = match spec.freshness.as_deref().map(str::trim) {
        None if spec.max_age.is_some() => {
            let problem = "needs freshness: an instant query does not say how old its samples are";
            mistakes.add(&path.field("maxAge"), problem);
            None
        }
        None => None,
        Some("") => {
            mistakes.add(&path.field("freshness"), "must be a PromQL expression");
            None
        }
        Some(expression) => Some(Freshness { expression: expression.into(), max_age }),
    };
    let expression = Arc::from(spec.query.trim());
    QueryRef { source: spec.source.as_str().into(), expression, freshness }
}

fn target(spec: &MetricTarget, path: &Path, mistakes: &mut Mistakes) -> Option<Target> {
    let (field, quantity, target): (_, _, fn(_) -> _) = match (&spec.average_value, &spec.value) {
        (Some(average), None) => ("averageValue", average, Target::AverageValue),
        (None, Some(value)) => ("value", value, Target::Value),
        (None, None) | (Some(_), Some(_)) => {
            mistakes.add(path, "exactly one of averageValue and value is needed");
            return None;
        }
    };
    let path = path.field(field);
    match parse_quantity(&quantity.to_string()) {
        Ok(milli) if milli.get() > 0 => Some(target(milli)),
        Ok(_) => {
            mistakes.add(&path, format!("{quantity} must be at least 1m, a thousandth"));
            None
        }
        Err(error) => {
            mistakes.add(&path, error.to_string());
            None
        }
    }
}

pub(super) fn fallback(
    spec: &ScalePolicySpec,
    max: Replicas,
    path: &Path,
    mistakes: &mut Mistakes,
) -> FallbackRule {
    let spec = spec.fallback.clone().unwrap_or_default();
    if spec.replicas.is_some() != (spec.policy == Some(FallbackPolicy::Replicas)) {
        mistakes.add(path, "replicas is needed with policy Replicas, and only then");
    }
    let stand_in = spec.replicas.map(|count| replicas(count, &path.field("replicas"), mistakes));
    if let Some(count) = stand_in.filter(|count| *count > max) {
        let problem = format!("{count} is more than spec.maxReplicas, which is {max}");
        mistakes.add(&path.field("replicas"), problem);
    }
    let level = match (spec.policy.unwrap_or_default(), stand_in) {
        (FallbackPolicy::Baseline, _) => FallbackLevel::Baseline,
        (FallbackPolicy::Replicas, Some(count)) => FallbackLevel::Replicas(count),
        (FallbackPolicy::Replicas, None) | (FallbackPolicy::Hold, _) => FallbackLevel::Hold,
    };
    let after = spec.after.as_deref().unwrap_or(FALLBACK_AFTER);
    FallbackRule { after: duration(after, &path.field("after"), mistakes), level }
}

pub(super) fn capacity(spec: &ScalePolicySpec, path: &Path, mistakes: &mut Mistakes) -> CapacityRule {
    let hold_after = spec.capacity.as_ref().and_then(|spec| spec.hold_after.as_deref()).unwrap_or(HOLD_AFTER);
    CapacityRule { hold_after: duration(hold_after, &path.field("holdAfter"), mistakes) }
}

/// A half-life, which is longer than nothing.
pub(super) fn half_life(text: &str, path: &Path, mistakes: &mut Mistakes) -> Option<Duration> {
    let length = duration(text, path, mistakes);
    if length.is_zero() && parse_duration(text).is_ok() {
        mistakes.add(path, format!("{text:?} must be longer than nothing; leave smoothing out for none"));
    }
    Some(length).filter(|length| !length.is_zero())
}
