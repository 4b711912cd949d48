//! `HorizontalPodAutoscaler`s have two faces: `autoscaling/v2`, which is stored, and `autoscaling/v1`. What the older one
//! has no fields for is in annotations, as a real server has it (`pkg/apis/autoscaling/v1/conversion.go`).

use serde_json::{Map, Value, json};

use super::json::{fields, object_at};
use super::resources::ResourceType;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// The utilization that an autoscaler without metrics aims at, in percent.
const DEFAULT_UTILIZATION: i64 = 80;

/// Fields of a target or of a current value in the newer version, and their names in the older one.
const TARGETS: [(&str, &str); 3] = [
    ("averageUtilization", "targetAverageUtilization"),
    ("averageValue", "targetAverageValue"),
    ("value", "targetValue"),
];
const CURRENTS: [(&str, &str); 3] = [
    ("averageUtilization", "currentAverageUtilization"),
    ("averageValue", "currentAverageValue"),
    ("value", "currentValue"),
];

/// Whether `resource` is the older version.
pub(crate) fn is_old_face(resource: &ResourceType) -> bool {
    resource.storage == "horizontalpodautoscalers.autoscaling" && resource.version == "v1"
}

/// From the older version to the newer one.
pub(crate) fn to_new(object: &mut Value) {
    let mut metrics = Vec::new();
    let spec = object_at(object, "spec");
    if let Some(percent) = spec.remove("targetCPUUtilizationPercentage").and_then(|percent| percent.as_i64())
    {
        metrics.push(utilization(percent));
    }
    let status = object.get_mut("status").and_then(Value::as_object_mut);
    let current = status.and_then(|status| status.remove("currentCPUUtilizationPercentage"));
    let mut annotations = Map::new();
    if let Some(found) = object["metadata"].get_mut("annotations") {
        annotations.append(fields(found));
    }
    let mut take = |name: &str| {
        annotations
            .remove(name)
            .and_then(|text| serde_json::from_str::<Value>(text.as_str().unwrap_or_default()).ok())
    };
    let list = |found: Option<Value>| found.and_then(|found| found.as_array().cloned()).unwrap_or_default();
    metrics.extend(list(take(METRICS)).iter().map(|metric| renewed(metric, "target", &TARGETS)));
    let behavior = take(BEHAVIOR);
    let conditions = take(CONDITIONS);
    let mut currents: Vec<Value> =
        list(take(CURRENT)).iter().map(|metric| renewed(metric, "current", &CURRENTS)).collect();
    let said = current.as_ref().and_then(Value::as_i64);
    let names_cpu = |metric: &Value| metric["resource"]["name"] == "cpu";
    if let Some(percent) = said.filter(|_| !currents.iter().any(names_cpu)) {
        let current = json!({"averageUtilization": percent, "averageValue": "0"});
        currents.insert(0, json!({"type": "Resource", "resource": {"name": "cpu", "current": current}}));
    }
    if metrics.is_empty() {
        metrics.push(utilization(DEFAULT_UTILIZATION));
    }
    let spec = object_at(object, "spec");
    spec.insert("metrics".to_owned(), json!(metrics));
    if let Some(behavior) = behavior {
        spec.insert("behavior".to_owned(), with_keys(&behavior, lowered));
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        if let Some(conditions) = conditions {
            status.insert("conditions".to_owned(), conditions);
        }
        if !currents.is_empty() {
            status.insert("currentMetrics".to_owned(), json!(currents));
        }
    }
    set_annotations(object, annotations);
    object["apiVersion"] = json!("autoscaling/v2");
}

/// From the newer version to the older one.
pub(crate) fn to_old(object: &mut Value) {
    let mut annotations = Map::new();
    if let Some(found) = object["metadata"].get_mut("annotations") {
        annotations.append(fields(found));
    }
    let mut keep = |name: &str, value: Value| {
        annotations.insert(name.to_owned(), json!(value.to_string()));
    };
    let spec = object_at(object, "spec");
    let list = |found: Option<Value>| found.and_then(|found| found.as_array().cloned()).unwrap_or_default();
    let mut metrics = list(spec.remove("metrics"));
    let is_cpu = |metric: &Value| {
        metric["resource"]["name"] == "cpu" && metric["resource"]["target"]["averageUtilization"].is_i64()
    };
    if let Some(at) = metrics.iter().position(is_cpu) {
        let percent = metrics.remove(at)["resource"]["target"]["averageUtilization"].clone();
        spec.insert("targetCPUUtilizationPercentage".to_owned(), percent);
    }
    if !metrics.is_empty() {
        let old: Vec<Value> = metrics.iter().map(|metric| aged(metric, "target", &TARGETS)).collect();
        keep(METRICS, json!(old));
    }
    if let Some(behavior) = spec.remove("behavior") {
        keep(BEHAVIOR, with_keys(&behavior, raised));
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        if let Some(conditions) = status.remove("conditions") {
            keep(CONDITIONS, conditions);
        }
        let currents = list(status.remove("currentMetrics"));
        let cpu = currents.iter().find(|metric| metric["resource"]["name"] == "cpu");
        let percent = cpu.map(|metric| metric["resource"]["current"]["averageUtilization"].clone());
        if let Some(percent) = percent.filter(Value::is_i64) {
            status.insert("currentCPUUtilizationPercentage".to_owned(), percent);
        }
        if !currents.is_empty() {
            let old: Vec<Value> = currents.iter().map(|metric| aged(metric, "current", &CURRENTS)).collect();
            keep(CURRENT, json!(old));
        }
    }
    set_annotations(object, annotations);
}

fn set_annotations(object: &mut Value, annotations: Map<String, Value>) {
    let metadata = object_at(object, "metadata");
    if annotations.is_empty() {
        metadata.remove("annotations");
    } else {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
}

fn utilization(percent: i64) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": percent});
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

/// A metric of the newer version in the older one's words: `metric.name` is `metricName`, and what is in `part` (a
/// target or a current value) stands beside it.
fn aged(metric: &Value, part: &str, names: &[(&str, &str)]) -> Value {
    let mut old = json!({"type": metric["type"]});
    for (source, body) in metric.as_object().into_iter().flatten().filter(|(source, _)| *source != "type") {
        let mut to = Map::new();
        let is_object = source == "object";
        for (key, value) in body.as_object().into_iter().flatten() {
            match key.as_str() {
                "metric" => {
                    to.insert("metricName".to_owned(), value["name"].clone());
                    let selector = if source == "external" { "metricSelector" } else { "selector" };
                    if value["selector"].is_object() {
                        to.insert(selector.to_owned(), value["selector"].clone());
                    }
                }
                "describedObject" => {
                    to.insert("target".to_owned(), value.clone());
                }
                _ if key == part => {
                    for (new, old) in names {
                        // The older version has no target of an average for objects, but a value.
                        let name = if is_object && *new == "averageValue" { "averageValue" } else { old };
                        if !value[*new].is_null() {
                            to.insert(name.to_owned(), value[*new].clone());
                        }
                    }
                }
                _ => {
                    to.insert(key.clone(), value.clone());
                }
            }
        }
        old[source] = Value::Object(to);
    }
    old
}

/// The reverse of [`aged`].
fn renewed(metric: &Value, part: &str, names: &[(&str, &str)]) -> Value {
    let mut new = json!({"type": metric["type"]});
    for (source, body) in metric.as_object().into_iter().flatten().filter(|(source, _)| *source != "type") {
        let mut to = json!({});
        for (key, value) in body.as_object().into_iter().flatten() {
            let amount = names.iter().find(|(new, old)| key == old || key == new);
            match (key.as_str(), amount) {
                ("metricName", _) => to["metric"]["name"] = value.clone(),
                ("metricSelector" | "selector", _) => to["metric"]["selector"] = value.clone(),
                ("target", _) => to["describedObject"] = value.clone(),
                (_, Some((name, _))) => {
                    to[part][*name] = value.clone();
                    if part == "target" {
                        let kind = match *name {
                            "averageUtilization" => "Utilization",
                            "averageValue" => "AverageValue",
                            _ => "Value",
                        };
                        to[part]["type"] = json!(kind);
                    }
                }
                (_, None) => to[key] = value.clone(),
            }
        }
        new[source] = to;
    }
    new
}

/// A value with other names of its fields, all the way down.
fn with_keys(value: &Value, name: fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (name(key), with_keys(value, name))).collect(),
        Value::Array(items) => items.iter().map(|item| with_keys(item, name)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// A name as Go has it.
fn raised(name: &str) -> String {
    let mut rest = name.chars();
    rest.next().into_iter().map(|first| first.to_ascii_uppercase()).chain(rest).collect()
}

fn lowered(name: &str) -> String {
    let mut rest = name.chars();
    rest.next().into_iter().map(|first| first.to_ascii_lowercase()).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_older_version_has_no_fields_for_survives_a_round_through_it() {
        let new = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "annotations": {"a": "b"}},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 2, "maxReplicas": 9,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
                    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
                    {"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
                    {"type": "External", "external": {"metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
                        "target": {"type": "Value", "value": "30"}}},
                    {"type": "Object", "object": {"describedObject": {"kind": "Ingress", "name": "main"},
                        "metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "9"}}},
                ],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}},
            },
            "status": {"currentReplicas": 2, "desiredReplicas": 3, "conditions": [{"type": "AbleToScale", "status": "True"}]},
        });
        let mut object = new.clone();
        to_old(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 70);
        assert_eq!(object["spec"].as_object().map(Map::len), Some(4));
        let behavior = object["metadata"]["annotations"][BEHAVIOR].as_str().expect("an annotation");
        assert!(behavior.starts_with(r#"{"ScaleDown":{"Policies":[{"PeriodSeconds":15"#), "{behavior}");
        let metrics = object["metadata"]["annotations"][METRICS].as_str().expect("an annotation");
        assert!(
            metrics.contains(r#"{"pods":{"metricName":"qps","targetAverageValue":"5"},"type":"Pods"}"#),
            "{metrics}"
        );
        to_new(&mut object);
        assert_eq!(object, new);
    }

    #[test]
    fn an_autoscaler_without_metrics_aims_at_the_cpu() {
        let mut object = json!({"metadata": {"name": "web"}, "spec": {"maxReplicas": 9}});
        to_new(&mut object);
        assert_eq!(
            object["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"],
            DEFAULT_UTILIZATION
        );
        to_old(&mut object);
        assert_eq!(object["spec"], json!({"maxReplicas": 9, "targetCPUUtilizationPercentage": 80}));
    }
}
