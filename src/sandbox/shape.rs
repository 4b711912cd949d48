//! What a schema does to an object before it is judged: unknown fields go, missing ones get defaults.

use serde_json::Value;

use super::json::child_path;
use super::schema::child_schema;

/// The fields of `metadata` that there are.
const METADATA: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Removes the fields of a custom resource that its schema doesn't know, and returns their paths.
pub(crate) fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Some(metadata) = object.get_mut("metadata") {
        prune_metadata(metadata, "metadata", &mut unknown);
    }
    let (mut fields, mut embedded) = (Vec::new(), Vec::new());
    prune_at(schema, object, "", true, &mut Unknown { fields: &mut fields, embedded: &mut embedded });
    fields.sort();
    unknown.extend(fields);
    unknown.extend(embedded);
    unknown
}

/// Where the fields stand that nobody knows: those of the schema, and those of metadata inside an object,
/// which a real server finds later.
struct Unknown<'a> {
    fields: &'a mut Vec<String>,
    embedded: &'a mut Vec<String>,
}

fn prune_metadata(metadata: &mut Value, path: &str, unknown: &mut Vec<String>) {
    let Some(metadata) = metadata.as_object_mut() else { return };
    metadata.retain(|name, _| {
        let known = METADATA.contains(&name.as_str());
        if !known {
            unknown.push(child_path(path, name));
        }
        known
    });
}

/// Removes the nulls of fields that may not be null and have no default. A real server takes them as absent.
pub(crate) fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let has_own = schema["properties"].is_object();
            let inner = |name: &str| {
                let own = schema["properties"].get(name);
                if has_own { own } else { Some(&schema["additionalProperties"]) }
                    .filter(|inner| inner.is_object())
            };
            map.retain(|name, child| {
                let nullable = inner(name).is_none_or(|inner| inner["nullable"] == true);
                nullable || !child.is_null()
            });
            for (name, child) in map {
                if let Some(inner) = inner(name) {
                    drop_nulls(inner, child);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_nulls(&schema["items"], item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fills in the defaults of `schema`.
pub(crate) fn fill_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, child) in schema["properties"].as_object().into_iter().flatten() {
                let Some(default) = child.get("default") else { continue };
                let missing = map.get(name).is_none_or(|v| v.is_null() && child["nullable"] != true);
                if missing {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in map {
                let own = schema["properties"].get(name);
                let inner = own.unwrap_or(&schema["additionalProperties"]);
                if own.is_none() {
                    fill_null(inner, child);
                }
                fill_defaults(inner, child);
            }
        }
        Value::Array(items) => {
            for item in items {
                fill_null(&schema["items"], item);
                fill_defaults(&schema["items"], item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fill_null(schema: &Value, value: &mut Value) {
    if let Some(default) = schema.get("default").filter(|_| value.is_null() && schema["nullable"] != true) {
        *value = default.clone();
    }
}

fn prune_at(schema: &Value, value: &mut Value, path: &str, root: bool, unknown: &mut Unknown<'_>) {
    match value {
        Value::Object(map) => {
            let keeps = schema["x-kubernetes-preserve-unknown-fields"] == true
                || schema["additionalProperties"] == true
                || schema["additionalProperties"].is_object();
            let embedded = root || schema["x-kubernetes-embedded-resource"] == true;
            let type_meta = |name: &str| embedded && matches!(name, "apiVersion" | "kind" | "metadata");
            map.retain(|name, _| {
                let known = keeps || schema["properties"].get(name).is_some() || type_meta(name);
                if !known {
                    unknown.fields.push(child_path(path, name));
                }
                known
            });
            if let Some(metadata) = map.get_mut("metadata").filter(|_| embedded && !root) {
                prune_metadata(metadata, &child_path(path, "metadata"), unknown.embedded);
            }
            for (name, child) in map.iter_mut().filter(|(name, _)| !type_meta(name)) {
                let inner = child_schema(schema, name);
                if inner.is_object() {
                    prune_at(inner, child, &child_path(path, name), false, unknown);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune_at(&schema["items"], item, &format!("{path}[{index}]"), false, unknown);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_go_and_missing_ones_get_defaults() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "min": {"type": "integer", "default": 1},
            "old": {"type": "string"},
            "maybe": {"type": "string", "nullable": true},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "entries": {"type": "array", "items": {"type": "object", "properties": {
                "n": {"type": "integer", "default": 2}}}},
        }}}});
        let mut object = json!({
            "apiVersion": "g/v1", "kind": "K", "metadata": {"name": "x", "nickname": "y"},
            "spec": {"min": null, "old": null, "maybe": null, "extra": 1, "free": {"a": 1}, "labels": {"a": "b"}, "entries": [{"m": 1}]},
        });
        assert_eq!(prune(&schema, &mut object), ["metadata.nickname", "spec.entries[0].m", "spec.extra"]);
        fill_defaults(&schema, &mut object);
        drop_nulls(&schema, &mut object);
        assert_eq!(
            object["spec"],
            json!({"min": 1, "maybe": null, "free": {"a": 1}, "labels": {"a": "b"}, "entries": [{"n": 2}]})
        );
    }
}
