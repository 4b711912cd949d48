//! Rules of workloads (Kubernetes, `pkg/apis/apps/validation`), as far as the sandbox's users can break them.

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::json::text_at;
use super::values::judge_count;
use super::{labels, pods, shares};

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
    labels::judge_selector(selector, "spec.selector", errors);
    labels::judge(labels, "spec.template.metadata.labels", errors);
    if !empty && !selects(selector, labels) {
        let detail = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, detail));
    }
    let pod = &spec["template"]["spec"];
    pods::judge(pod, "spec.template.spec", errors);
    let restart = &pod["restartPolicy"];
    if matches!(restart.as_str(), Some("OnFailure" | "Never")) {
        let always = [json!("Always")];
        errors.push(FieldError::unsupported("spec.template.spec.restartPolicy", restart, &always));
    }
    if kind == "Deployment" {
        judge_rollout(spec, errors);
    }
    if kind == "StatefulSet" {
        judge_frozen(spec, old, errors);
    } else if old.is_some_and(|old| old["spec"]["selector"] != *selector) {
        errors.push(FieldError::invalid("spec.selector", selector, "field is immutable"));
    }
}

fn judge_rollout(spec: &Value, errors: &mut Vec<FieldError>) {
    let strategy = &spec["strategy"];
    match text_at(strategy, "/type") {
        "Recreate" if strategy["rollingUpdate"].is_object() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
        }
        "RollingUpdate" => {
            for field in ["maxUnavailable", "maxSurge"] {
                let at = format!("spec.strategy.rollingUpdate.{field}");
                shares::judge(&strategy["rollingUpdate"][field], &at, errors);
            }
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

/// Most of a StatefulSet stays as it was made.
fn judge_frozen(spec: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let free = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let frozen = |spec: &Value| {
        let mut copy = spec.as_object().cloned().unwrap_or_default();
        copy.retain(|field, _| !free.contains(&field.as_str()));
        copy
    };
    if old.is_some_and(|old| frozen(&old["spec"]) != frozen(spec)) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                      'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                      'minReadySeconds' are forbidden";
        errors.push(FieldError::forbidden("spec", detail));
    }
}

/// What is wrong with a `PersistentVolumeClaim`.
pub(super) fn judge_claim(object: &Value, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        errors.push(FieldError::required("spec.accessModes", "at least 1 access mode is required"));
    }
    if spec["resources"]["requests"]["storage"].is_null() {
        errors.push(FieldError::required("spec.resources[storage]", ""));
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
