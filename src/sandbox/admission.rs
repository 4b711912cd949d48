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
use super::shape;
use super::typing::{ListType, Scalar, Typing};
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
            ApiError::unfit(resource, message)
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
    } else if let Some(custom) = resource.custom.as_ref().map(|_| resource.api_version()) {
        if api_version != custom {
            return Err(another_version(api_version, &custom));
        }
    } else {
        // What one of the two lacks is taken from the path.
        let default = |text: &str, other: String| if text.is_empty() { other } else { text.to_owned() };
        let api_version = default(api_version, resource.api_version());
        check_type(resource, &api_version, &default(kind, resource.kind.clone()))?;
    }
    let metadata = &object["metadata"];
    if !metadata.is_object() && !metadata.is_null() && resource.custom.is_none() {
        // What follows looks into it.
        builtin::prune(resource, object).map_err(|wrong| ApiError::unfit(resource, &wrong))?;
    }
    if kind.is_empty() {
        object["kind"] = json!(resource.kind);
    }
    if text_at(object, "/apiVersion").is_empty() {
        object["apiVersion"] = json!(resource.api_version());
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

fn another_version(found: &str, wanted: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the API version in the data ({found}) does not match the expected API version ({wanted})"
    ))
}

/// A body of a built-in kind is first read as what it says it is, if there is such a kind, and then as what the path
/// says it should be.
fn check_type(resource: &ResourceType, api_version: &str, kind: &str) -> Result<(), ApiError> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let known = upstream::name_of(group, version, kind).is_some();
    if kind == resource.kind && (known || FORMER.contains(&api_version)) {
        let same = api_version == resource.api_version();
        return if same { Ok(()) } else { Err(another_version(api_version, &resource.api_version())) };
    }
    let why = if known {
        let place = match resource.group.as_str() {
            "" => "core",
            group => group.split('.').next().unwrap_or_default(),
        };
        format!("converting ({version}.{kind}) to ({place}.{}): unknown conversion", resource.kind)
    } else {
        format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \
             \"pkg/api/legacyscheme/scheme.go:30\""
        )
    };
    Err(ApiError::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {}: {why}",
        resource.kind
    )))
}

/// Versions that a real server still reads and serves no more.
const FORMER: &[&str] = &[
    "apps/v1beta1",
    "apps/v1beta2",
    "autoscaling/v2beta1",
    "autoscaling/v2beta2",
    "coordination.k8s.io/v1beta1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "rbac.authorization.k8s.io/v1beta1",
];

/// The part of an applied configuration that a request may speak of.
///
/// # Errors
/// 500, as a real server has it, for fields that the kind doesn't have.
pub(crate) fn confine_config(
    resource: &ResourceType,
    mut config: Value,
    part: Part,
) -> Result<Value, ApiError> {
    let unknown = match &resource.custom {
        Some(custom) => shape::prune(&custom.schema, &mut config),
        None => builtin::unknown(resource, &config),
    };
    let wrong = unknown.first().map(|field| format!(".{field}: field not declared in schema"));
    if let Some(wrong) = wrong.or_else(|| untyped(typing_of(resource), &config, "")) {
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
fn untyped(typing: Typing<'_>, value: &Value, path: &str) -> Option<String> {
    let found = match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    match typing.scalar() {
        Some(Scalar::Numeric) if !value.is_number() => {
            return Some(format!("{path}: expected numeric (int or float), got {found}"));
        }
        Some(Scalar::Text) if value.is_number() || value.is_boolean() => {
            return Some(format!("{path}: expected string, got &value.valueUnstructured{{Value:{value}}}"));
        }
        Some(Scalar::Boolean) if value.is_number() || value.is_string() => {
            let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            return Some(format!("{path}: expected boolean, got &{{{shown}}}"));
        }
        Some(Scalar::Numeric | Scalar::Text | Scalar::Boolean) | None => {}
    }
    match value {
        Value::Object(map) => {
            let mut own = map.iter().filter(|(name, _)| !path.is_empty() || *name != "metadata");
            own.find_map(|(name, child)| untyped(typing.child(name), child, &format!("{path}.{name}")))
        }
        Value::Array(items) => match typing.list() {
            ListType::Map(keys) => untyped_items(typing.items(), items, &keys, path),
            ListType::Atomic | ListType::Set => None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn untyped_items(typing: Typing<'_>, items: &[Value], keys: &[String], path: &str) -> Option<String> {
    for (index, item) in items.iter().enumerate() {
        if let Some(key) = keys.iter().find(|key| item[*key].is_null() && !typing.has_default(key)) {
            return Some(format!(
                "{path}: element {index}: associative list with keys has an element that omits key field {key:?} (and \
                 doesn't have default value)"
            ));
        }
        let same = |other: &Value| keys.iter().all(|key| other[key] == item[key]);
        if items[..index].iter().any(same) {
            let shown: Vec<String> = keys.iter().map(|key| format!("{key}={}", item[key])).collect();
            return Some(format!("{path}: duplicate entries for key [{}]", shown.join(",")));
        }
        let wrong = untyped(typing, item, &format!("{path}[{index}]"));
        if wrong.is_some() {
            return wrong;
        }
    }
    None
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
