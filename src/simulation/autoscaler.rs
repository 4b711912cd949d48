//! A `HorizontalPodAutoscaler` of `autoscaling/v2`, as it stands in a file.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2;
use serde_json::{Value, json};

use super::monitor::Quantity;
use super::rivals::hpa::{Hpa, HpaMetric, HpaSpec, Pace, TOLERANCE};
use super::rivals::periodic::Clocked;
use super::{Scenario, quantity};
use crate::api::{AUTOSCALER_API_VERSION, AUTOSCALER_KIND, ScalePolicySpec};
use crate::decision::{Replicas, Rules, Target};
use crate::manifest::{Document, Mistakes};
use crate::policy::{self, FieldError, MOST_REPLICAS, parse_quantity};

/// A `HorizontalPodAutoscaler`.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaler {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// What it is told.
    pub spec: HpaSpec,
    /// What its metrics are called, which is how a scenario says what they are.
    pub metrics: Vec<String>,
    /// As it is written, for reports.
    pub text: String,
}

impl Autoscaler {
    /// Whether a document is one.
    pub(super) fn is_in(document: &Document) -> bool {
        document.kind() == Some(AUTOSCALER_KIND)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn read(document: &Document, text: &str) -> Result<Self, Mistakes> {
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        Ok(document.examine(&open, |value: &Value| parse(value, text))?.1)
    }

    /// The metrics of pods that are something else than a share of it for each of them.
    pub(super) fn unshared<'a>(
        &'a self,
        quantities: &'a BTreeMap<String, Quantity>,
    ) -> impl Iterator<Item = &'a str> {
        let named = self.metrics.iter().zip(&self.spec.metrics);
        let is_unshared = |(name, metric): &(&String, &HpaMetric)| {
            let is_shared = matches!(quantity(quantities, name), Quantity::Qps | Quantity::QueueLength);
            matches!(metric, HpaMetric::Pods(_)) && !is_shared
        };
        named.filter(is_unshared).map(|(name, _)| name.as_str())
    }

    /// What its metrics are in a scenario.
    #[must_use]
    pub fn quantities(&self, scenario: &Scenario) -> Vec<Quantity> {
        self.metrics.iter().map(|name| quantity(&scenario.quantities, name)).collect()
    }

    /// As it acts in a scenario, by its own bounds.
    pub(super) fn acting(&self, scenario: &Scenario) -> Clocked<Hpa> {
        Clocked::new(Hpa::new(self.spec.clone()), scenario.from, self.quantities(scenario))
    }
}

/// What it says, or all that is wrong with it.
fn parse(document: &Value, text: &str) -> Result<Autoscaler, Vec<FieldError>> {
    let error = |path: &str, problem: &str| FieldError { path: path.to_owned(), problem: problem.to_owned() };
    if document["apiVersion"] != AUTOSCALER_API_VERSION {
        return Err(vec![error("apiVersion", &format!("must be {AUTOSCALER_API_VERSION}"))]);
    }
    let read: v2::HorizontalPodAutoscaler = serde_path_to_error::deserialize(document)
        .map_err(|wrong| vec![error(&wrong.path().to_string(), &wrong.inner().to_string())])?;
    let mut errors = Vec::new();
    let known = serde_json::to_value(&read).unwrap_or_default();
    unknown(document, &known, "", &mut errors);
    let spec = read.spec.unwrap_or_default();
    let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    if !(1..=MOST_REPLICAS).contains(&max) {
        errors.push(error("spec.maxReplicas", &format!("must be between 1 and {MOST_REPLICAS}")));
    } else if min < 0 || min > max {
        errors.push(error("spec.minReplicas", "must be from 0 to maxReplicas"));
    } else if min == 0 && metrics.iter().all(|metric| metric.external.is_none() && metric.object.is_none()) {
        errors.push(error("spec.minReplicas", "may be 0 only with an External or Object metric"));
    }
    let workload = &spec.scale_target_ref;
    if workload.kind.is_empty() || workload.name.is_empty() {
        errors.push(error("spec.scaleTargetRef", "must name the workload, by apiVersion, kind and name"));
    }
    if metrics.is_empty() {
        errors.push(error(
            "spec.metrics",
            "must name a metric; the default is the CPU, which nobody simulates",
        ));
    }
    let (mut read, mut names) = (smallvec::SmallVec::new(), Vec::new());
    for (index, metric) in metrics.iter().enumerate() {
        match target(metric) {
            Ok((name, metric)) => {
                read.push(metric);
                names.push(name);
            }
            Err(problem) => errors.push(error(&format!("spec.metrics[{index}]"), problem)),
        }
    }
    let pace = match document.pointer("/spec/behavior").filter(|behavior| !behavior.is_null()) {
        None => Pace::Default { tolerance: TOLERANCE },
        Some(behavior) => match rules(behavior) {
            Ok(rules) => Pace::Behavior(Box::new(rules)),
            Err(found) => {
                errors.extend(found);
                Pace::Default { tolerance: TOLERANCE }
            }
        },
    };
    let (min, max) = (Replicas::new(min), Replicas::new(max));
    let scales_from_zero = min == Replicas::ZERO;
    let spec = HpaSpec { min, max, metrics: read, pace, scales_from_zero };
    let metadata = |field: &str| document["metadata"][field].as_str().map(str::to_owned);
    let (name, namespace) = (metadata("name").unwrap_or_default(), metadata("namespace"));
    let autoscaler = Autoscaler { name, namespace, spec, metrics: names, text: text.to_owned() };
    if errors.is_empty() { Ok(autoscaler) } else { Err(errors) }
}

/// A `behavior`, judged as the damping of a policy, which is the same field for field.
fn rules(behavior: &Value) -> Result<(Rules, Rules), Vec<FieldError>> {
    let policy = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "any"},
        "maxReplicas": 1,
        "metrics": [{"name": "any", "prometheus": {"query": "any"}, "target": {"averageValue": "1"}}],
        "damping": behavior,
    });
    let wrong = |path: &str, problem: String| {
        let path = path.trim_start_matches("spec.").trim_start_matches("damping");
        FieldError { path: format!("spec.behavior{path}"), problem }
    };
    let spec: ScalePolicySpec = serde_path_to_error::deserialize(policy)
        .map_err(|error| vec![wrong(&error.path().to_string(), error.inner().to_string())])?;
    match policy::validate(&spec) {
        Ok(policy) => Ok((policy.damping.up, policy.damping.down)),
        Err(invalid) => {
            Err(invalid.errors.into_iter().map(|error| wrong(&error.path, error.problem)).collect())
        }
    }
}

/// A metric and what it is called, which is how a scenario says what it is.
fn target(metric: &v2::MetricSpec) -> Result<(String, HpaMetric), &'static str> {
    let (name, target) = match (metric.type_.as_str(), &metric.external, &metric.object, &metric.pods) {
        ("External", Some(external), None, None) => (&external.metric.name, &external.target),
        ("Object", None, Some(object), None) => (&object.metric.name, &object.target),
        ("Pods", None, None, Some(pods)) => (&pods.metric.name, &pods.target),
        _ => return Err("only External, Object and Pods metrics can be simulated"),
    };
    let read = |quantity: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| {
        let milli = parse_quantity(&quantity.0).ok().filter(|milli| milli.get() > 0);
        milli.ok_or("the target must be a quantity above 0")
    };
    let metric = match (&target.average_value, &target.value) {
        (Some(average), None) if metric.pods.is_some() => HpaMetric::Pods(read(average)?),
        (Some(average), None) => HpaMetric::Whole(Target::AverageValue(read(average)?)),
        (None, Some(value)) if metric.pods.is_none() => HpaMetric::Whole(Target::Value(read(value)?)),
        _ => return Err("needs a target with an averageValue, or, if it is no Pods metric, a value"),
    };
    let type_ = if target.average_value.is_some() { "AverageValue" } else { "Value" };
    if target.type_ != type_ {
        return Err("target.type must be AverageValue with an averageValue, and Value with a value");
    }
    Ok((name.clone(), metric))
}

/// Fields of `written` that nobody has read. The status is the cluster's.
fn unknown(written: &Value, read: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (name, value) in written.iter().filter(|(_, value)| !value.is_null()) {
                match read.get(name) {
                    Some(known) => unknown(value, known, &field(name), errors),
                    None if path.is_empty() && name == "status" => {}
                    None if value.as_object().is_some_and(serde_json::Map::is_empty) => {}
                    None => {
                        errors.push(FieldError { path: field(name), problem: "no such field".to_owned() });
                    }
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (index, (value, known)) in written.iter().zip(read).enumerate() {
                unknown(value, known, &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}
