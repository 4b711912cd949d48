//! What happens to an object between its arrival and the store: fields checked, defaults filled in,
//! metadata judged. The same for requests over HTTP and for callers in the process.

use serde_json::{Value, json};

use super::builtin;
use super::custom::{Candidate, Part};
use super::definition;
use super::error::{ApiError, FieldError};
use super::json::{fields, object_at, text_at};
use super::metadata;
use super::resources::ResourceType;
use super::schema::child_schema;
use super::shape;
use super::typing::Typing;
use super::upstream;

/// What to do about fields that a kind doesn't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Drop them.
    Ignore,
    /// Drop them and say so in a warning.
    Warn,
    /// Refuse the object.
    Strict,
}

/// How objects of a resource merge.
pub(crate) fn typing_of(resource: &ResourceType) -> Typing<'_> {
    match &resource.custom {
        Some(custom) => Typing::Schema(&custom.schema, true),
        None => Typing::Published(upstream::of(resource)),
    }
}

/// Drops or refuses unknown fields, refuses values of the wrong type in built-in kinds, and fills in
/// defaults. Returns the warnings. `patched` tells whether the object is the result of a patch, whose
/// mistakes are worded otherwise.
pub(crate) fn shape_object(
    resource: &ResourceType,
    object: &mut Value,
    duplicates: &[String],
    strictness: Strictness,
    patched: bool,
) -> Result<Vec<String>, ApiError> {
    let refuse = |message: &str| {
        if patched {
            let name = text_at(object, "/metadata/name");
            let error = FieldError::invalid_unshown("patch", message);
            ApiError::invalid(&resource.group, &resource.kind, name, &[error])
        } else {
            let kind = &resource.kind;
            let version = &resource.version;
            ApiError::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: {message}"
            ))
        }
    };
    let unknown = match &resource.custom {
        Some(custom) => {
            if let Some(message) = metadata::misfit(&object["metadata"]) {
                return Err(refuse(&message));
            }
            let mut copy = object.clone();
            let unknown = shape::prune(&custom.schema, &mut copy);
            shape::fill_defaults(&custom.schema, &mut copy);
            shape::drop_nulls(&custom.schema, &mut copy);
            (copy, unknown)
        }
        None => builtin::prune(resource, object).map_err(|message| refuse(&message))?,
    };
    let (shaped, unknown) = unknown;
    let mut complaints: Vec<String> =
        duplicates.iter().map(|field| format!("duplicate field \"{field}\"")).collect();
    complaints.extend(unknown.iter().map(|field| format!("unknown field \"{field}\"")));
    match strictness {
        Strictness::Strict if !complaints.is_empty() => {
            return Err(refuse(&format!("strict decoding error: {}", complaints.join(", "))));
        }
        Strictness::Ignore => complaints.clear(),
        Strictness::Warn | Strictness::Strict => {}
    }
    *object = shaped;
    if resource.custom.is_none() {
        builtin::drop_empty(resource, object);
        builtin::fill_defaults(resource, object);
    }
    Ok(complaints)
}

/// Checks that the body speaks of the resource and the namespace of the path, and completes it.
pub(crate) fn check_identity(
    resource: &ResourceType,
    object: &mut Value,
    namespace: &str,
) -> Result<(), ApiError> {
    let api_version = text_at(object, "/apiVersion");
    let kind = text_at(object, "/kind");
    if api_version.is_empty() && kind.is_empty() {
        // The path says it too.
    } else if api_version != resource.api_version() {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            resource.api_version()
        )));
    } else if kind != resource.kind && resource.custom.is_none() {
        return Err(ApiError::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {}: no kind \"{kind}\" is registered",
            resource.version, resource.kind
        )));
    }
    if kind.is_empty() {
        object["apiVersion"] = json!(resource.api_version());
        object["kind"] = json!(resource.kind);
    }
    let metadata = object_at(object, "metadata");
    let found = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if !found.is_empty() && found != namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if resource.namespaced {
        metadata.insert("namespace".to_owned(), json!(namespace));
    } else {
        metadata.remove("namespace");
    }
    Ok(())
}

/// The part of an applied configuration that a request may speak of.
///
/// # Errors
/// 500, as a real server has it, for fields that the kind doesn't have.
pub(crate) fn confine_config(
    resource: &ResourceType,
    mut config: Value,
    part: Part,
) -> Result<Value, ApiError> {
    let unknown = if let Some(custom) = &resource.custom {
        shape::prune(&custom.schema, &mut config)
    } else {
        let (pruned, unknown) = builtin::prune(resource, &config).map_err(|message| {
            ApiError::bad_request(format!("failed to create typed patch object: {message}"))
        })?;
        config = pruned;
        unknown
    };
    if let Some(field) = unknown.first() {
        let wrong = format!(".{field}: field not declared in schema");
        return Err(ApiError::untyped_patch(resource, &config, &wrong));
    }
    if let Some(custom) = &resource.custom
        && let Some(wrong) = untyped(&custom.schema, &config, "")
    {
        return Err(ApiError::untyped_patch(resource, &config, &wrong));
    }
    let map = fields(&mut config);
    match part {
        Part::Status => {
            map.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
        }
        Part::Main | Part::Scale | Part::Finalize => {
            if resource.status {
                map.remove("status");
            }
        }
    }
    Ok(config)
}

/// The first field of a configuration that has another type than its schema says, in the words of
/// structured-merge-diff (`typed/validate.go`).
fn untyped(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let found = match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    if matches!(schema["type"].as_str(), Some("integer" | "number")) && !value.is_number() {
        return Some(format!("{path}: expected numeric (int or float), got {found}"));
    }
    match value {
        Value::Object(map) => {
            let own = map.iter().filter(|(name, _)| !path.is_empty() || *name != "metadata");
            let mut own = own.map(|(name, child)| (child_schema(schema, name), name, child));
            own.find_map(|(inner, name, child)| untyped(inner, child, &format!("{path}.{name}")))
        }
        Value::Array(items) if schema["x-kubernetes-list-type"] == "map" => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().map(Vec::as_slice).unwrap_or_default();
            let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
            let inner = &schema["items"];
            for (index, item) in items.iter().enumerate() {
                let lacks =
                    |key: &&&str| item[**key].is_null() && inner["properties"][**key]["default"].is_null();
                if let Some(key) = keys.iter().find(lacks) {
                    return Some(format!(
                        "{path}: element {index}: associative list with keys has an element that omits key field \
                         {key:?} (and doesn't have default value)"
                    ));
                }
                let same = |other: &Value| keys.iter().all(|key| other[*key] == item[*key]);
                if items[..index].iter().any(same) {
                    let shown: Vec<String> = keys.iter().map(|key| format!("{key}={}", item[*key])).collect();
                    return Some(format!("{path}: duplicate entries for key [{}]", shown.join(",")));
                }
                let wrong = untyped(inner, item, &format!("{path}[{index}]"));
                if wrong.is_some() {
                    return wrong;
                }
            }
            None
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

/// What is wrong with an object that is about to be stored.
pub(crate) fn judge(
    resource: &ResourceType,
    object: &Value,
    old: Option<&Value>,
    part: Part,
) -> Result<(), ApiError> {
    let kind = text_at(object, "/kind");
    let mut errors = match old {
        Some(old) => metadata::judge_update(object, old),
        None => metadata::judge_new(resource, object),
    };
    let errors = match &resource.custom {
        Some(custom) => custom.judge(Candidate { resource, object, old, part }, errors),
        None if resource.storage == "customresourcedefinitions.apiextensions.k8s.io" => {
            errors.extend(definition::judge(object, old));
            errors
        }
        None => {
            errors.extend(builtin::judge(resource, object, old));
            errors
        }
    };
    if errors.is_empty() {
        return Ok(());
    }
    let group = if resource.storage == "events" { "" } else { &resource.group };
    Err(ApiError::invalid(group, kind, text_at(object, "/metadata/name"), &errors))
}

/// Keeps what only the server sets in metadata as it was in `old`.
pub(crate) fn keep_system_fields(object: &mut Value, old: &Value) {
    let kept = &old["metadata"];
    let metadata = object_at(object, "metadata");
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
        "selfLink",
        "resourceVersion",
    ] {
        match kept.get(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    drop_empty(object);
}

/// Leaves out empty labels, annotations and the like, as the server's own types do.
pub(crate) fn drop_empty(object: &mut Value) {
    object_at(object, "metadata").retain(|_, value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    });
}

/// Whether anything but metadata and status differs.
pub(crate) fn specification_differs(resource: &ResourceType, old: &Value, new: &Value) -> bool {
    let specification = |object: &Value| {
        let mut copy = object.clone();
        let map = fields(&mut copy);
        map.remove("metadata");
        if resource.status || resource.custom.is_none() {
            map.remove("status");
        }
        copy
    };
    specification(old) != specification(new)
}
