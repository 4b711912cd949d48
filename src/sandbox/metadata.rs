//! What metadata may hold, and what an update may do to it (apimachinery, `pkg/api/validation/objectmeta.go`).

use serde_json::{Value, json};

use super::error::FieldError;
use super::gotext;
use super::json::{go_kind, text_at};
use super::names;
use super::resources::ResourceType;

/// How long all annotations of an object may be.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Finalizers that need no domain.
const STANDARD_FINALIZERS: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];

/// What is wrong with the metadata of a new object. `generated` tells whether the server chose the name.
pub(crate) fn judge_new(resource: &ResourceType, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let rule = name_rule(resource);
    let prefix = text_at(object, "/metadata/generateName");
    if !prefix.is_empty() {
        // What ends with a dash ends with another character once the name is complete.
        let complete =
            prefix.strip_suffix('-').map_or_else(|| prefix.to_owned(), |start| format!("{start}a"));
        reject(&mut errors, "metadata.generateName", prefix, rule(&complete));
    }
    let name = text_at(object, "/metadata/name");
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        reject(&mut errors, "metadata.name", name, rule(name));
    }
    judge_common(&object["metadata"], "metadata", &mut errors);
    if resource.custom.is_none() {
        judge_finalizer_names(object, &mut errors);
    }
    errors
}

/// What is wrong with the metadata that is to take the place of `old`'s. A real server looks at it once for
/// all kinds and once more for the kind itself, and reports what it finds each time.
pub(crate) fn judge_update(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    judge_common(&object["metadata"], "metadata", &mut errors);
    for _ in 0..2 {
        judge_change(&object["metadata"], &old["metadata"], &mut errors);
    }
    errors
}

/// What is wrong with metadata inside an object.
pub(crate) fn judge_embedded(metadata: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = metadata["name"].as_str().unwrap_or_default();
    reject(errors, &format!("{path}.name"), name, names::path_segment(name));
    judge_common(metadata, path, errors);
}

/// What a client is warned of: finalizers of custom resources that could be anybody's.
pub(crate) fn warnings(resource: &ResourceType, object: &Value, old: Option<&Value>) -> Vec<String> {
    if resource.custom.is_none() {
        return Vec::new();
    }
    let former = old.and_then(|old| old["metadata"]["finalizers"].as_array());
    let mut found = Vec::new();
    for finalizer in object["metadata"]["finalizers"].as_array().into_iter().flatten() {
        let name = finalizer.as_str().unwrap_or_default();
        let known = former.is_some_and(|former| former.contains(finalizer));
        if !known && !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
            found.push(format!(
                "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name including a path (/) to \
                 avoid accidental conflicts with other finalizer writers"
            ));
        }
    }
    found
}

fn judge_change(metadata: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let list = |metadata: &Value| metadata["finalizers"].as_array().cloned().unwrap_or_default();
    if old["deletionTimestamp"].is_string() {
        let (now, before) = (list(metadata), list(old));
        let mut new: Vec<String> =
            now.iter().filter(|name| !before.contains(name)).map(Value::to_string).collect();
        new.sort();
        if !new.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                new.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &detail));
        }
    }
    for field in ["name", "namespace", "uid"] {
        let value = &metadata[field];
        if !value.is_null() && *value != old[field] {
            errors.push(FieldError::invalid(format!("metadata.{field}"), value, "field is immutable"));
        }
    }
    judge_labels(metadata, "metadata", errors);
    judge_annotations(metadata, "metadata", errors);
    judge_owners(metadata, "metadata", errors);
}

fn judge_common(metadata: &Value, path: &str, errors: &mut Vec<FieldError>) {
    judge_labels(metadata, path, errors);
    judge_annotations(metadata, path, errors);
    judge_owners(metadata, path, errors);
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        reject(errors, &format!("{path}.finalizers"), finalizer, names::qualified(finalizer));
    }
}

fn judge_labels(metadata: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{path}.labels");
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        reject(errors, &field, key, names::qualified(key));
        let value = value.as_str().unwrap_or_default();
        reject(errors, &field, value, names::label_value(value));
    }
}

fn judge_annotations(metadata: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{path}.annotations");
    let mut length = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        reject(errors, &field, key, names::qualified(&key.to_lowercase()));
        length += key.len() + value.as_str().unwrap_or_default().len();
    }
    if length > ANNOTATIONS_LIMIT {
        errors.push(FieldError::too_long(field, 256 * 1024));
    }
}

fn judge_owners(metadata: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{path}.ownerReferences");
    let mut controller = String::new();
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        let text = |key: &str| owner[key].as_str().unwrap_or_default();
        let api_version = text("apiVersion");
        if api_version.rsplit('/').next().unwrap_or_default().is_empty() {
            let value = json!(api_version);
            errors.push(FieldError::invalid(
                format!("{field}.apiVersion"),
                &value,
                "version must not be empty",
            ));
        }
        for key in ["kind", "name", "uid"].into_iter().filter(|key| text(key).is_empty()) {
            errors.push(FieldError::invalid(format!("{field}.{key}"), &json!(""), "must not be empty"));
        }
        if owner["controller"] == true {
            let this = format!("{}/{}", text("kind"), text("name"));
            if controller.is_empty() {
                controller = this;
            } else {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for \
                     {controller} and {this}"
                );
                errors.push(FieldError::invalid(&field, &metadata["ownerReferences"], &detail));
            }
        }
    }
}

/// Finalizers of built-in kinds have to be somebody's.
fn judge_finalizer_names(object: &Value, errors: &mut Vec<FieldError>) {
    for (index, name) in object["metadata"]["finalizers"].as_array().into_iter().flatten().enumerate() {
        let text = name.as_str().unwrap_or_default();
        if !text.contains('/') && !STANDARD_FINALIZERS.contains(&text) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(format!("metadata.finalizers[{index}]"), name, detail));
        }
    }
}

fn reject(errors: &mut Vec<FieldError>, field: &str, value: &str, wrong: Vec<String>) {
    errors.extend(wrong.into_iter().map(|detail| FieldError::invalid(field, &json!(value), &detail)));
}

fn name_rule(resource: &ResourceType) -> fn(&str) -> Vec<String> {
    match resource.storage.as_str() {
        "namespaces" => names::label,
        "services" => names::letter_label,
        _ if resource.group == "rbac.authorization.k8s.io" => names::path_segment,
        _ => names::subdomain,
    }
}

/// What doesn't fit the type of metadata, in the words of Go's JSON decoder.
pub(crate) fn misfit(metadata: &Value) -> Option<String> {
    let kind = |value: &Value| if value.is_null() { "object" } else { go_kind(value) };
    let wrong = |value: &Value, field: &str, wanted: &str| {
        format!(
            "json: cannot unmarshal {} into Go struct field ObjectMeta.{field} of type {wanted}",
            kind(value)
        )
    };
    let whole = |found: String| format!("metadata: Invalid value: {}: {found}", gotext::shown(metadata));
    if !metadata.is_object() {
        return (!metadata.is_null()).then(|| {
            whole(format!("json: cannot unmarshal {} into Go value of type v1.ObjectMeta", kind(metadata)))
        });
    }
    for field in ["name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"] {
        let wanted = if field == "uid" { "types.UID" } else { "string" };
        let value = &metadata[field];
        if !value.is_null() && !value.is_string() {
            return Some(whole(wrong(value, field, wanted)));
        }
    }
    for field in ["labels", "annotations"] {
        let value = &metadata[field];
        if !value.is_null() && !value.is_object() {
            return Some(whole(wrong(value, field, "map[string]string")));
        }
        let odd =
            value.as_object().into_iter().flatten().find(|(_, value)| !value.is_string() && !value.is_null());
        if let Some((_, odd)) = odd {
            return Some(whole(wrong(odd, field, "string")));
        }
    }
    let finalizers = &metadata["finalizers"];
    if !finalizers.is_null() && !finalizers.is_array() {
        return Some(whole(wrong(finalizers, "finalizers", "[]string")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_about_metadata_are_worded_like_a_real_servers() {
        let cases = [
            (json!({"labels": {"a": "b"}, "annotations": {"A.b/C": "x y"}}), ""),
            (
                json!({"finalizers": ["a/b/c"]}),
                "metadata.finalizers: Invalid value: \"a/b/c\": a qualified name must",
            ),
            (
                json!({"labels": {"/a": "b"}}),
                "metadata.labels: Invalid value: \"/a\": prefix part must be non-empty",
            ),
            (
                json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x"}]}),
                "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
            ),
        ];
        for (metadata, wanted) in cases {
            let mut errors = Vec::new();
            judge_common(&metadata, "metadata", &mut errors);
            let found = errors.first().map(ToString::to_string).unwrap_or_default();
            assert!(
                found.starts_with(wanted) && found.is_empty() == wanted.is_empty(),
                "{metadata}: {found}"
            );
        }
        let wrong = misfit(&json!({"name": 5})).expect("no text");
        assert!(
            wrong.ends_with("cannot unmarshal number into Go struct field ObjectMeta.name of type string")
        );
    }

    #[test]
    fn what_is_being_deleted_takes_no_new_finalizers() {
        let old = json!({"metadata": {"name": "x", "deletionTimestamp": "t", "finalizers": ["a/b"]}});
        let new = json!({"metadata": {"name": "x", "finalizers": ["a/b", "c/d"]}});
        let errors = judge_update(&new, &old);
        assert_eq!(errors.len(), 2);
        assert!(errors[0].message.ends_with("found new finalizers []string{\"c/d\"}"), "{}", errors[0]);
        assert!(judge_update(&old, &old).is_empty());
    }
}
