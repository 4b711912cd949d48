//! Defaults and rules of `HorizontalPodAutoscaler`s (Kubernetes, `pkg/apis/autoscaling/v2/defaults.go` and
//! `pkg/apis/autoscaling/validation/validation.go`).

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::json::{object_at, text_at};
use super::defaults;

/// Fills in defaults.
pub(super) fn fill_defaults(object: &mut Value) {
    let spec = object_at(object, "spec");
    defaults(spec, json!({"minReplicas": 1}));
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let cpu = json!({"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
        spec.insert("metrics".to_owned(), json!([cpu]));
    }
    let Some(behavior) = spec.get_mut("behavior").filter(|behavior| behavior.is_object()) else { return };
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    let up = object_at(behavior, "scaleUp");
    defaults(
        up,
        json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent.clone()]}),
    );
    defaults(object_at(behavior, "scaleDown"), json!({"selectPolicy": "Max", "policies": [percent]}));
}

/// What is wrong with one.
pub(super) fn judge(object: &Value, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    let least = spec["minReplicas"].as_i64();
    let most = spec["maxReplicas"].as_i64().unwrap_or_default();
    let mut refuse = |field: &str, value: &Value, detail: &str| {
        errors.push(FieldError::invalid(format!("spec.{field}"), value, detail));
    };
    if least.is_some_and(|least| least < 1) {
        refuse("minReplicas", &spec["minReplicas"], "must be greater than or equal to 1");
    }
    if most < 1 {
        refuse("maxReplicas", &json!(most), "must be greater than 0");
    }
    if least.is_some_and(|least| most < least) {
        refuse("maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`");
    }
    for field in ["kind", "name"] {
        if text_at(&spec["scaleTargetRef"], &format!("/{field}")).is_empty() {
            errors.push(FieldError::required(format!("spec.scaleTargetRef.{field}"), ""));
        }
    }
    for (index, metric) in spec["metrics"].as_array().into_iter().flatten().enumerate() {
        judge_metric(metric, &format!("spec.metrics[{index}]"), errors);
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        if rules.is_object() {
            judge_rules(rules, &format!("spec.behavior.{direction}"), errors);
        }
    }
}

fn judge_metric(metric: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let kinds = [
        ("ContainerResource", "containerResource"),
        ("External", "external"),
        ("Object", "object"),
        ("Pods", "pods"),
        ("Resource", "resource"),
    ];
    let kind = text_at(metric, "/type");
    if kind.is_empty() {
        return errors
            .push(FieldError::required(format!("{path}.type"), "must specify a metric source type"));
    }
    let Some((_, field)) = kinds.iter().find(|(name, _)| *name == kind) else {
        let known = kinds.map(|(name, _)| json!(name));
        return errors.push(FieldError::unsupported(format!("{path}.type"), &metric["type"], &known));
    };
    let source = &metric[*field];
    let path = format!("{path}.{field}");
    if !source.is_object() {
        let detail = "must populate information for the given metric source";
        return errors.push(FieldError::required(path, detail));
    }
    let target = &source["target"];
    if *field == "resource" && text_at(source, "/name").is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), "must specify a resource name"));
    }
    if matches!(*field, "pods" | "object" | "external") && text_at(source, "/metric/name").is_empty() {
        errors.push(FieldError::required(format!("{path}.metric.name"), "must specify a metric name"));
    }
    let known = ["Utilization", "Value", "AverageValue"];
    match text_at(target, "/type") {
        "" => {
            errors.push(FieldError::required(
                format!("{path}.target.type"),
                "must specify a metric target type",
            ));
        }
        found if !known.contains(&found) => {
            let detail = "must be either Utilization, Value, or AverageValue";
            errors.push(FieldError::invalid(format!("{path}.target.type"), &target["type"], detail));
        }
        _ => {}
    }
    if target["averageUtilization"].as_i64().is_some_and(|percent| percent < 1) {
        let at = format!("{path}.target.averageUtilization");
        errors.push(FieldError::invalid(at, &target["averageUtilization"], "must be greater than 0"));
    }
    if *field == "resource" {
        match (target["averageUtilization"].is_null(), target["averageValue"].is_null()) {
            (true, true) => errors.push(FieldError::required(
                format!("{path}.target.averageUtilization"),
                "must set either a target raw value or a target utilization",
            )),
            (false, false) => errors.push(FieldError::forbidden(
                format!("{path}.target.averageValue"),
                "may not set both a target raw value and a target utilization",
            )),
            (true, false) | (false, true) => {}
        }
    }
}

fn judge_rules(rules: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let window = &rules["stabilizationWindowSeconds"];
    match window.as_i64() {
        Some(..0) => {
            let at = format!("{path}.stabilizationWindowSeconds");
            errors.push(FieldError::invalid(at, window, "must be greater than or equal to zero"));
        }
        Some(3601..) => {
            let at = format!("{path}.stabilizationWindowSeconds");
            errors.push(FieldError::invalid(at, window, "must be less than or equal to 3600"));
        }
        Some(_) | None => {}
    }
    let select = ["Disabled", "Max", "Min"];
    if !select.contains(&text_at(rules, "/selectPolicy")) {
        let at = format!("{path}.selectPolicy");
        errors.push(FieldError::unsupported(at, &rules["selectPolicy"], &select.map(Value::from)));
    }
    let policies = rules["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
    if policies.is_empty() {
        errors.push(FieldError::required(format!("{path}.policies"), "must specify at least one Policy"));
    }
    for (index, policy) in policies.iter().enumerate() {
        let at = |field: &str| format!("{path}.policies[{index}].{field}");
        let kinds = ["Percent", "Pods"];
        if !kinds.contains(&text_at(policy, "/type")) {
            errors.push(FieldError::unsupported(at("type"), &policy["type"], &kinds.map(Value::from)));
        }
        for field in ["value", "periodSeconds"] {
            let number = policy[field].as_i64().unwrap_or_default();
            if number <= 0 {
                errors.push(FieldError::invalid(at(field), &json!(number), "must be greater than zero"));
            } else if field == "periodSeconds" && number > 1800 {
                let detail = "must be less than or equal to 1800";
                errors.push(FieldError::invalid(at(field), &json!(number), detail));
            }
        }
    }
}
