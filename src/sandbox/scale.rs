//! The `/scale` subresource: a view of an object that has a number of replicas.
//!
//! A `Scale` leaves `spec.replicas` out when it is zero, as a real server does. Whoever compares and
//! sets the number by a JSON patch has to know that.

use serde_json::{Value, json};

use super::error::{ApiError, FieldError};
use super::json::{fields, text_at};
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
    let mut place = &mut scaled;
    for field in paths.spec_replicas.split('/').filter(|field| !field.is_empty()) {
        place = fields(place).entry(field).or_insert(Value::Null);
    }
    *place = json!(count);
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::super::resources::Registry;
    use super::*;

    #[test]
    fn zero_replicas_are_left_out_and_can_be_set_again() {
        let deployments = Registry::built_in().find("apps", "v1", "deployments").expect("deployments");
        let paths = deployments.scale.clone().expect("a scale");
        let object = json!({
            "metadata": {"name": "web", "resourceVersion": "7"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"replicas": 2},
        });
        let mut scale = of(&deployments, &paths, &object).expect("a scale");
        assert_eq!(scale["spec"], json!({}));
        assert_eq!(scale["status"], json!({"replicas": 2, "selector": "app=web"}));
        scale["spec"]["replicas"] = json!(3);
        assert_eq!(set(&deployments, &paths, &object, &scale).expect("set")["spec"]["replicas"], 3);
        let cases = [(json!(-1), 422), (json!("3"), 422), (json!(1.5), 422), (json!(3_000_000_000_u64), 422)];
        for (replicas, code) in cases {
            scale["spec"]["replicas"] = replicas;
            assert_eq!(set(&deployments, &paths, &object, &scale).expect_err("refused").code, code);
        }
        scale["metadata"]["resourceVersion"] = json!("6");
        scale["spec"]["replicas"] = json!(3);
        assert_eq!(set(&deployments, &paths, &object, &scale).expect_err("stale").code, 409);
    }
}
