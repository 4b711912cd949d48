//! What makes a custom resource definition invalid: its names, its versions, and a schema that isn't structural,
//! has defaults that don't fit it, or rules that can't be compiled or cost too much (apiextensions-apiserver,
//! `pkg/apis/apiextensions/validation/validation.go` and `pkg/apiserver/schema/validation.go`).

mod check;
mod cost;
mod rules;
mod structure;

use serde_json::{Value, json};

use super::error::FieldError;
use super::json::text_at;
use super::names;

/// What is wrong with a definition.
pub(crate) fn judge(definition: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &definition["spec"];
    let expected = format!("{}.{}", text_at(spec, "/names/plural"), text_at(spec, "/group"));
    if text_at(definition, "/metadata/name") != expected {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &definition["metadata"]["name"], detail));
    }
    judge_group(spec, &mut errors);
    judge_versions(spec, &mut errors);
    judge_names(&spec["names"], &mut errors);
    judge_conversion(spec, &mut errors);
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    // What all versions have in common is told once, without the version.
    let shared = |key: &str| versions.iter().all(|version| version[key] == versions[0][key]);
    let place = |key: &str, alone: &str, index: usize| {
        if shared(key) { format!("spec.{alone}") } else { format!("spec.versions[{index}].{key}") }
    };
    for (index, version) in versions.iter().enumerate() {
        if index > 0 && shared("schema") {
            break;
        }
        let path = format!("{}.openAPIV3Schema", place("schema", "validation", index));
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_object() {
            judge_schema(schema, &path, &mut errors);
        } else {
            let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
            errors.push(FieldError::required(path, "schemas are required"));
        }
    }
    for (index, version) in versions.iter().enumerate() {
        if index == 0 || !shared("subresources") {
            let path = place("subresources", "subresources", index);
            judge_scale(&version["subresources"]["scale"], &path, &mut errors);
        }
        if index == 0 || !shared("additionalPrinterColumns") {
            let path = place("additionalPrinterColumns", "additionalPrinterColumns", index);
            judge_columns(&version["additionalPrinterColumns"], &path, &mut errors);
        }
    }
    for (field, pointer) in [
        ("scope", "/scope"),
        ("names.kind", "/names/kind"),
        ("group", "/group"),
        ("names.plural", "/names/plural"),
    ] {
        let value = spec.pointer(pointer).unwrap_or(&Value::Null);
        if old.is_some_and(|old| old["spec"].pointer(pointer) != spec.pointer(pointer)) {
            errors.push(FieldError::invalid(format!("spec.{field}"), value, "field is immutable"));
        }
    }
    errors
}

fn judge_group(spec: &Value, errors: &mut Vec<FieldError>) {
    let group = text_at(spec, "/group");
    let wrong = names::subdomain(group);
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !wrong.is_empty() {
        errors.push(FieldError::invalid("spec.group", &json!(group), &wrong.join(",")));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid(
            "spec.group",
            &json!(group),
            "should be a domain with at least one dot",
        ));
    }
    match text_at(spec, "/scope") {
        "Namespaced" | "Cluster" => {}
        "" => errors.push(FieldError::required("spec.scope", "")),
        _ => {
            let supported = [json!("Cluster"), json!("Namespaced")];
            errors.push(FieldError::unsupported("spec.scope", &spec["scope"], &supported));
        }
    }
}

fn judge_versions(spec: &Value, errors: &mut Vec<FieldError>) {
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, version) in versions.iter().enumerate() {
        let wrong = names::letter_label(text_at(version, "/name"));
        if !wrong.is_empty() {
            let path = format!("spec.versions[{index}].name");
            errors.push(FieldError::invalid(path, &version["name"], &wrong.join(",")));
        }
    }
    let repeated =
        (1..versions.len()).any(|i| versions[..i].iter().any(|v| v["name"] == versions[i]["name"]));
    if repeated {
        errors.push(FieldError::invalid(
            "spec.versions",
            &spec["versions"],
            "must contain unique version names",
        ));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", &spec["versions"], detail));
    }
}

fn judge_names(found: &Value, errors: &mut Vec<FieldError>) {
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    for key in ["plural", "singular", "kind", "listKind"].into_iter().filter(|key| text(key).is_empty()) {
        errors.push(FieldError::required(format!("spec.names.{key}"), ""));
    }
    let mut refuse = |path: String, value: &str, wrong: &str| {
        errors.push(FieldError::invalid(format!("spec.names.{path}"), &json!(value), wrong));
    };
    for key in ["plural", "singular", "kind", "listKind"].into_iter().filter(|key| !text(key).is_empty()) {
        let mixed = matches!(key, "kind" | "listKind");
        let wrong = names::letter_label(&if mixed { text(key).to_lowercase() } else { text(key).to_owned() });
        if !wrong.is_empty() {
            let start = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            refuse(key.to_owned(), text(key), &format!("{start}{}", wrong.join(",")));
        }
    }
    for list in ["shortNames", "categories"] {
        for (index, name) in found[list].as_array().into_iter().flatten().enumerate() {
            let name = name.as_str().unwrap_or_default();
            let wrong = names::letter_label(name);
            if !wrong.is_empty() {
                refuse(format!("{list}[{index}]"), name, &wrong.join(","));
            }
        }
    }
    if !text("kind").is_empty() && text("kind") == text("listKind") {
        refuse("listKind".to_owned(), text("listKind"), "kind and listKind may not be the same");
    }
}

fn judge_conversion(spec: &Value, errors: &mut Vec<FieldError>) {
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema \
                      instead";
        errors.push(FieldError::invalid("spec.preserveUnknownFields", &json!(true), detail));
    }
    let conversion = &spec["conversion"];
    match text_at(conversion, "/strategy") {
        "None" => {}
        "Webhook" => {
            let webhook = &conversion["webhook"];
            if webhook["clientConfig"].is_null() {
                let detail = "required when strategy is set to Webhook";
                errors.push(FieldError::required("spec.conversion.webhookClientConfig", detail));
            }
            if webhook["conversionReviewVersions"].as_array().is_none_or(Vec::is_empty) {
                errors.push(FieldError::required("spec.conversion.conversionReviewVersions", ""));
            }
        }
        "" => errors.push(FieldError::required("spec.conversion.strategy", "")),
        _ => {
            let known = ["None", "Webhook"].map(Value::from);
            errors.push(FieldError::unsupported("spec.conversion.strategy", &conversion["strategy"], &known));
        }
    }
}

fn judge_scale(scale: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if !scale.is_object() {
        return;
    }
    for (key, root, needed) in [
        ("specReplicasPath", ".spec", true),
        ("statusReplicasPath", ".status", true),
        ("labelSelectorPath", ".status", false),
    ] {
        let found = scale[key].as_str().unwrap_or_default();
        let at = format!("{path}.scale.{key}");
        let below = found.strip_prefix(root).is_some_and(|rest| rest.starts_with('.'));
        if found.is_empty() && needed {
            errors.push(FieldError::required(at, ""));
        } else if !found.is_empty() && !found.starts_with('.') {
            errors.push(FieldError::invalid(at, &scale[key], "must be a simple json path starting with ."));
        } else if !(found.is_empty() || below || (!needed && found.starts_with(".spec."))) {
            let either = if key == "labelSelectorPath" { ".status or .spec" } else { root };
            errors.push(FieldError::invalid(
                at,
                &scale[key],
                &format!("should be a json path under {either}"),
            ));
        }
    }
}

fn judge_columns(columns: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (index, column) in columns.as_array().into_iter().flatten().enumerate() {
        let at = |key: &str| format!("{path}[{index}].{key}");
        for key in ["name", "type"] {
            if text_at(column, &format!("/{key}")).is_empty() {
                errors.push(FieldError::required(at(key), ""));
            }
        }
        let known = ["integer", "number", "string", "boolean", "date"];
        let kind = text_at(column, "/type");
        if !kind.is_empty() && !known.contains(&kind) {
            let detail = format!("must be one of {}", known.join(","));
            errors.push(FieldError::invalid(at("type"), &column["type"], &detail));
        }
        if text_at(column, "/jsonPath").is_empty() {
            errors.push(FieldError::required(at("JSONPath"), ""));
        }
    }
}

fn judge_schema(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let before = errors.len();
    match schema["type"].as_str() {
        None | Some("") => {
            errors.push(FieldError::required(format!("{path}.type"), "must not be empty at the root"));
        }
        Some("object") => {}
        Some(_) => {
            let at = format!("{path}.type");
            errors.push(FieldError::invalid(at, &schema["type"], "must be object at the root"));
        }
    }
    structure::judge(schema, path, errors);
    structure::judge_metadata(schema, path, errors);
    if errors.len() > before {
        return;
    }
    let mut total = 0;
    rules::judge(schema, path, 1, &mut total, errors);
    if total > cost::DEFINITION_LIMIT {
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(FieldError::forbidden(path, &cost::refusal(what, total, cost::DEFINITION_LIMIT)));
    }
}

#[cfg(test)]
mod tests;
