//! Rules of Events (Kubernetes, `pkg/apis/core/validation/events.go`): those of `events.k8s.io/v1` are stricter,
//! and may hardly change.

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::events::is_new_face;
use super::super::faces::to_stored;
use super::super::json::text_at;
use super::super::names;
use super::super::resources::ResourceType;

/// What may not change, by the older names, in the order in which a real server looks.
const FIXED: &[&str] = &[
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
];

/// What is wrong with an Event.
pub(super) fn judge(
    resource: &ResourceType,
    object: &Value,
    old: Option<&Value>,
    errors: &mut Vec<FieldError>,
) {
    let event = to_stored(resource, object.clone());
    judge_always(&event, errors);
    if !is_new_face(resource) {
        return;
    }
    let Some(old) = old else {
        judge_series(&event, errors);
        return judge_new(&event, errors);
    };
    let old = to_stored(resource, old.clone());
    if event["series"] != old["series"] {
        judge_series(&event, errors);
    }
    for field in FIXED.iter().filter(|field| !alike(&event[**field], &old[**field])) {
        let name = if *field == "reportingComponent" { "reportingController" } else { field };
        errors.push(FieldError::invalid(name, &event[*field], "field is immutable"));
    }
}

fn judge_always(event: &Value, errors: &mut Vec<FieldError>) {
    let namespace = text_at(event, "/metadata/namespace");
    let about = text_at(event, "/involvedObject/namespace");
    let timed = event["eventTime"].is_string();
    let fits = match (timed, about) {
        (false, "") => namespace == "default",
        (false, about) => about == namespace,
        (true, "") => matches!(namespace, "default" | "kube-system"),
        (true, _) => true,
    };
    if !fits {
        let detail = "does not match event.namespace";
        errors.push(FieldError::invalid("involvedObject.namespace", &json!(about), detail));
    }
    if !timed {
        return;
    }
    let controller = text_at(event, "/reportingComponent");
    if controller.is_empty() {
        errors.push(FieldError::required("reportingController", ""));
    }
    let wrong = names::qualified(controller);
    errors.extend(wrong.iter().map(|w| FieldError::invalid("reportingController", &json!(controller), w)));
    for (field, limit) in [("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)] {
        let text = text_at(event, &format!("/{field}"));
        if text.is_empty() && field != "message" {
            errors.push(FieldError::required(field, ""));
        }
        if text.len() > limit {
            let detail = format!("can have at most {limit} characters");
            errors.push(FieldError::invalid(field, &json!(""), &detail));
        }
    }
}

fn judge_series(event: &Value, errors: &mut Vec<FieldError>) {
    let series = &event["series"];
    if series.is_null() {
        return;
    }
    if series["count"].as_i64().unwrap_or_default() < 2 {
        errors.push(FieldError::invalid("series.count", &json!(""), "should be at least 2"));
    }
    if series["lastObservedTime"].is_null() {
        errors.push(FieldError::required("series.lastObservedTime", ""));
    }
}

fn judge_new(event: &Value, errors: &mut Vec<FieldError>) {
    if event["eventTime"].is_null() {
        errors.push(FieldError::required("eventTime", ""));
    }
    let kind = text_at(event, "/type");
    if !matches!(kind, "Normal" | "Warning") {
        let detail = format!("has invalid value: {kind}");
        errors.push(FieldError::invalid("type", &json!(""), &detail));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        let set = match &event[field] {
            Value::Null => false,
            Value::Number(number) => number.as_i64() != Some(0),
            Value::Object(source) => !source.is_empty(),
            Value::Bool(_) | Value::String(_) | Value::Array(_) => true,
        };
        if set {
            errors.push(FieldError::invalid(field, &json!(""), "needs to be unset"));
        }
    }
}

/// Whether two fields are the same to a server that leaves out what is empty.
fn alike(one: &Value, other: &Value) -> bool {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(_) | Value::Array(_) => false,
    };
    one == other || (empty(one) && empty(other))
}
