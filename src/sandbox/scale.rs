//! The `/scale` subresource: a view of an object that has a number of replicas.
//!
//! A `Scale` leaves `spec.replicas` out when it is zero, as a real server does. Whoever compares and
//! sets the number by a JSON patch has to know that.

use serde_json::{Value, json};

use super::error::{ApiError, FieldError};
use super::json::text_at;
use super::resources::{ResourceType, ScalePaths};
use super::selectors::selector_text;

/// The scale of an object.
///
/// # Errors
/// 500 when a custom resource has no number of replicas.
pub(crate) fn of(resource: &ResourceType, paths: &ScalePaths, object: &Value) -> Result<Value, ApiError> {
    if object.pointer(&paths.spec_replicas).and_then(Value::as_i64).is_none() {
        let field = paths.spec_replicas.replace('/', ".");
        return Err(ApiError::internal(&format!("the spec replicas field \"{field}\" does not exist")));
    }
    Ok(patched(resource, paths, object))
}

/// The scale that a patch is applied to; here a missing number counts as zero.
pub(crate) fn patched(resource: &ResourceType, paths: &ScalePaths, object: &Value) -> Value {
    let replicas = object.pointer(&paths.spec_replicas).and_then(Value::as_i64).unwrap_or_default();
    let metadata = &object["metadata"];
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {},
        "status": {"replicas": object.pointer(&paths.status_replicas).and_then(Value::as_i64).unwrap_or_default()},
    });
    if replicas != 0 {
        scale["spec"]["replicas"] = json!(replicas);
    }
    let selector = paths.selector.as_ref().and_then(|pointer| object.pointer(pointer));
    let selector = match selector {
        Some(Value::String(text)) => text.clone(),
        Some(object) if resource.custom.is_none() => selector_text(object),
        _ => String::new(),
    };
    if !selector.is_empty() {
        scale["status"]["selector"] = json!(selector);
    }
    scale
}

/// The object with the number of replicas that `scale` wants.
///
/// # Errors
/// 400 and 422 when `scale` isn't a valid one, 409 when it is a stale one.
pub(crate) fn set(
    resource: &ResourceType,
    paths: &ScalePaths,
    object: &Value,
    scale: &Value,
) -> Result<Value, ApiError> {
    let name = text_at(object, "/metadata/name");
    if scale["kind"] != "Scale" {
        let kind = text_at(scale, "/kind");
        return Err(ApiError::bad_request(format!(
            "{kind} in version \"v1\" cannot be handled as a Scale: no kind \"{kind}\" is registered"
        )));
    }
    let wanted = &scale["spec"]["replicas"];
    let count = match wanted {
        Value::Null => Some(0),
        other => other.as_i64().filter(|count| i32::try_from(*count).is_ok()),
    };
    let Some(count) = count else {
        let detail = "json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32";
        let error = FieldError::invalid("patch", wanted, detail);
        return Err(ApiError::invalid("autoscaling", "Scale", name, &[error]));
    };
    if count < 0 && resource.custom.is_none() {
        let error = FieldError::invalid("spec.replicas", wanted, "must be greater than or equal to 0");
        return Err(ApiError::invalid("autoscaling", "Scale", name, &[error]));
    }
    let version = text_at(scale, "/metadata/resourceVersion");
    if !version.is_empty() && version != text_at(object, "/metadata/resourceVersion") {
        return Err(ApiError::conflict(resource, name));
    }
    let mut scaled = object.clone();
    if let Some(replicas) = scaled.pointer_mut(&paths.spec_replicas) {
        *replicas = json!(count);
    } else if let Some((parent, field)) = paths.spec_replicas.rsplit_once('/') {
        match scaled.pointer_mut(parent) {
            Some(parent) => parent[field] = json!(count),
            None => scaled[parent.trim_start_matches('/')] = json!({field: count}),
        }
    }
    Ok(scaled)
}
