//! Rules of workloads and the pods in them (Kubernetes, `pkg/apis/apps/validation` and
//! `pkg/apis/core/validation`), as far as the sandbox's users can break them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::json::text_at;
use super::super::names;

/// What is wrong with a Deployment or the like.
pub(super) fn judge(kind: &str, object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    judge_count(spec, "replicas", "spec", errors);
    let selector = &spec["selector"];
    let labels = &spec["template"]["metadata"]["labels"];
    let empty = selector.as_object().is_some_and(serde_json::Map::is_empty);
    if !selector.is_object() {
        errors.push(FieldError::required("spec.selector", ""));
    } else if empty {
        let detail = format!("empty selector is invalid for {}", kind.to_lowercase());
        errors.push(FieldError::invalid("spec.selector", selector, &detail));
    }
    if !empty && !selects(selector, labels) {
        let detail = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, detail));
    }
    let pod = &spec["template"]["spec"];
    judge_pod(pod, "spec.template.spec", errors);
    let restart = &pod["restartPolicy"];
    if matches!(restart.as_str(), Some("OnFailure" | "Never")) {
        let always = [json!("Always")];
        errors.push(FieldError::unsupported("spec.template.spec.restartPolicy", restart, &always));
    }
    if kind == "Deployment" {
        judge_rollout(spec, errors);
    }
    if old.is_some_and(|old| old["spec"]["selector"] != *selector) {
        errors.push(FieldError::invalid("spec.selector", selector, "field is immutable"));
    }
}

/// What is wrong with a pod's specification, which stands at `path`.
pub(super) fn judge_pod(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let path = format!("{path}.containers[{index}]");
        let name = text_at(container, "/name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else {
            let at = format!("{path}.name");
            let wrong = names::label(name);
            errors.extend(wrong.iter().map(|wrong| FieldError::invalid(&at, &container["name"], wrong)));
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(at, &container["name"]));
            }
        }
        judge_container(container, &path, errors);
    }
    let grace = &spec["terminationGracePeriodSeconds"];
    if grace.as_i64().is_some_and(|seconds| seconds < 0) {
        let at = format!("{path}.terminationGracePeriodSeconds");
        errors.push(FieldError::invalid(at, grace, "must be greater than or equal to 0"));
    }
    judge_choice(spec, "restartPolicy", &["Always", "OnFailure", "Never"], path, errors);
    judge_choice(
        spec,
        "dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        path,
        errors,
    );
}

fn judge_container(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if text_at(container, "/image").is_empty() {
        errors.push(FieldError::required(format!("{path}.image"), ""));
    }
    for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.ports[{index}]");
        match port["containerPort"].as_i64() {
            None | Some(0) => errors.push(FieldError::required(format!("{path}.containerPort"), "")),
            Some(1..=65_535) => {}
            Some(_) => {
                let detail = "must be between 1 and 65535, inclusive";
                errors.push(FieldError::invalid(
                    format!("{path}.containerPort"),
                    &port["containerPort"],
                    detail,
                ));
            }
        }
        judge_choice(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
    }
    for (index, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
        if text_at(variable, "/name").is_empty() {
            errors.push(FieldError::required(format!("{path}.env[{index}].name"), ""));
        }
    }
    judge_choice(container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], path, errors);
}

fn judge_rollout(spec: &Value, errors: &mut Vec<FieldError>) {
    let strategy = &spec["strategy"];
    match text_at(strategy, "/type") {
        "Recreate" if strategy["rollingUpdate"].is_object() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
        }
        "RollingUpdate" => {
            let none = |field: &str| {
                let value = &strategy["rollingUpdate"][field];
                *value == json!(0) || *value == json!("0%") || *value == json!("0")
            };
            if none("maxUnavailable") && none("maxSurge") {
                let detail = "may not be 0 when `maxSurge` is 0";
                let value = &strategy["rollingUpdate"]["maxUnavailable"];
                errors.push(FieldError::invalid("spec.strategy.rollingUpdate.maxUnavailable", value, detail));
            }
        }
        "Recreate" | "" => {}
        _ => {
            let known = ["Recreate", "RollingUpdate"].map(Value::from);
            errors.push(FieldError::unsupported("spec.strategy.type", &strategy["type"], &known));
        }
    }
    for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        judge_count(spec, field, "spec", errors);
    }
    let deadline = &spec["progressDeadlineSeconds"];
    let ready = spec["minReadySeconds"].as_i64().unwrap_or_default();
    if deadline.as_i64().is_some_and(|deadline| deadline <= ready) {
        let detail = "must be greater than minReadySeconds";
        errors.push(FieldError::invalid("spec.progressDeadlineSeconds", deadline, detail));
    }
}

fn judge_count(object: &Value, field: &str, path: &str, errors: &mut Vec<FieldError>) {
    if object[field].as_i64().is_some_and(|count| count < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(format!("{path}.{field}"), &object[field], detail));
    }
}

fn judge_choice(object: &Value, field: &str, known: &[&str], path: &str, errors: &mut Vec<FieldError>) {
    let found = object[field].as_str().unwrap_or_default();
    if !found.is_empty() && !known.contains(&found) {
        let known: Vec<Value> = known.iter().map(|name| json!(name)).collect();
        errors.push(FieldError::unsupported(format!("{path}.{field}"), &object[field], &known));
    }
}

/// Whether a selector object selects these labels; none selects nothing.
fn selects(selector: &Value, labels: &Value) -> bool {
    let mut wanted = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    selector.is_object()
        && wanted.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|expression| {
            let found = labels.get(text_at(expression, "/key"));
            let listed = expression["values"]
                .as_array()
                .is_some_and(|values| found.is_some_and(|found| values.contains(found)));
            match text_at(expression, "/operator") {
                "In" => listed,
                "NotIn" => !listed,
                "DoesNotExist" => found.is_none(),
                _ => found.is_some(),
            }
        })
}
