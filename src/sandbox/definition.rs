//! What makes a custom resource definition invalid: its names, its versions, and a schema that isn't structural,
//! has defaults that don't fit it, or rules that can't be compiled or cost too much (apiextensions-apiserver,
//! `pkg/apis/apiextensions/validation/validation.go` and `pkg/apiserver/schema/validation.go`).

mod check;
mod cost;

use kube::core::cel::{CompilationError, compile_schema};
use serde_json::{Value, json};

use super::error::FieldError;
use super::json::text_at;
use super::names;
use super::schema::Checker;

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
    judge_structure(schema, path, errors);
    if errors.len() > before {
        return;
    }
    let mut total = 0;
    judge_rules(schema, path, 1, &mut total, errors);
    if total > cost::DEFINITION_LIMIT {
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(FieldError::forbidden(path, &cost::refusal(what, total, cost::DEFINITION_LIMIT)));
    }
}

/// A schema says of every field what it is.
fn judge_structure(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let set = |key: &str| !schema[key].is_null();
    for key in ["$ref", "definitions", "dependencies", "id", "patternProperties", "additionalItems"] {
        if set(key) {
            errors.push(FieldError::forbidden(format!("{path}.{key}"), &format!("{key} is not supported")));
        }
    }
    if schema["uniqueItems"] == true {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(format!("{path}.uniqueItems"), detail));
    }
    let properties = schema["properties"].as_object();
    if properties.is_some_and(|all| !all.is_empty()) && schema["additionalProperties"].is_object() {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), detail));
    }
    if schema["type"] == "array" && !schema["items"].is_object() {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    judge_list_type(schema, path, errors);
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let mut checker = Checker::default();
        checker.check(schema, default, None, "");
        let at = format!("{path}.default");
        errors.extend(checker.errors.into_iter().map(|mut error| {
            let inner = std::mem::take(&mut error.field);
            error.field = if inner == "<nil>" { at.clone() } else { format!("{at}.{inner}") };
            error
        }));
    }
    let typed = |child: &Value| {
        let free = child["x-kubernetes-preserve-unknown-fields"] == true;
        !text_at(child, "/type").is_empty() || child["x-kubernetes-int-or-string"] == true || free
    };
    let mut enter = |child: &Value, at: String, what: &str| {
        if !typed(child) {
            let detail = format!("must not be empty for specified {what}");
            errors.push(FieldError::required(format!("{at}.type"), &detail));
        }
        judge_structure(child, &at, errors);
    };
    for (name, child) in properties.into_iter().flatten() {
        enter(child, format!("{path}.properties[{name}]"), "object fields");
    }
    if schema["items"].is_object() {
        enter(&schema["items"], format!("{path}.items"), "array items");
    }
    if schema["additionalProperties"].is_object() {
        enter(&schema["additionalProperties"], format!("{path}.additionalProperties"), "object fields");
    }
}

fn judge_list_type(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let at = |key: &str| format!("{path}.x-kubernetes-{key}");
    let kind = schema["x-kubernetes-list-type"].as_str().unwrap_or_default();
    let keys = schema["x-kubernetes-list-map-keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    match kind {
        "" | "atomic" | "set" => {
            if !keys.is_empty() {
                let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
                errors.push(FieldError::invalid(at("list-type"), &schema["x-kubernetes-list-type"], detail));
            }
        }
        "map" => {
            if keys.is_empty() {
                let detail = "must not be empty if x-kubernetes-list-type is map";
                errors.push(FieldError::required(at("list-map-keys"), detail));
            }
            let items = &schema["items"];
            for (index, key) in keys.iter().enumerate() {
                let name = key.as_str().unwrap_or_default();
                let property = &items["properties"][name];
                if !property.is_object() {
                    let at = format!("{}[{index}]", at("list-map-keys"));
                    let detail = "entries must all be names of item properties";
                    errors.push(FieldError::invalid(at, key, detail));
                } else if property["default"].is_null()
                    && !items["required"].as_array().is_some_and(|required| required.contains(key))
                {
                    let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                         property";
                    errors.push(FieldError::required(
                        format!("{path}.items.properties[{name}].default"),
                        detail,
                    ));
                }
            }
        }
        _ => {
            let known = ["atomic", "map", "set"].map(Value::from);
            errors.push(FieldError::unsupported(at("list-type"), &schema["x-kubernetes-list-type"], &known));
        }
    }
}

fn judge_rules(schema: &Value, path: &str, times: u64, total: &mut u64, errors: &mut Vec<FieldError>) {
    let rules = schema["x-kubernetes-validations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let whole =
        (times == 1 && !path.contains(".properties[")) || schema["x-kubernetes-embedded-resource"] == true;
    let typed = if whole && !rules.is_empty() { cost::with_metadata(schema) } else { Value::Null };
    let own = json!({"x-kubernetes-validations": rules});
    let compiled = compile_schema(&own);
    for (index, (rule, result)) in rules.iter().zip(&compiled.validations).enumerate() {
        let at = |key: &str| format!("{path}.x-kubernetes-validations[{index}].{key}");
        if text_at(rule, "/rule").trim().is_empty() {
            errors.push(FieldError::required(at("rule"), "rule is not specified"));
            continue;
        }
        let failed = |key: &str, source: &dyn std::fmt::Display| {
            let message = format!("Invalid value: {}: compilation failed: {source}", cost::shown(rule));
            FieldError { reason: "FieldValueInvalid", field: at(key), message }
        };
        let compiled = match result {
            Ok(compiled) => compiled,
            Err(CompilationError::MessageExpressionParse { source, .. }) => {
                errors.push(failed("messageExpression", source));
                continue;
            }
            Err(CompilationError::Parse { source, .. }) => {
                errors.push(failed("rule", source));
                continue;
            }
            Err(other) => {
                errors.push(failed("rule", other));
                continue;
            }
        };
        let place = if typed.is_null() { schema } else { &typed };
        let before = errors.len();
        for (key, program, wanted) in [
            ("rule", Some(&compiled.program), check::Result::Bool),
            ("messageExpression", compiled.message_program.as_ref(), check::Result::Text),
        ] {
            let Some(program) = program else { continue };
            let optional = rule["optionalOldSelf"] == true;
            let source = text_at(rule, &format!("/{key}"));
            if let Some(wrong) = check::problems(source, program.expression(), place, optional, wanted) {
                let message = format!("Invalid value: {}: {wrong}", cost::shown(rule));
                errors.push(FieldError { reason: "FieldValueInvalid", field: at(key), message });
            }
        }
        if errors.len() > before {
            continue;
        }
        let parts = [
            ("rule", "estimated rule cost", Some(&compiled.program)),
            ("messageExpression", "estimated messageExpression cost", compiled.message_program.as_ref()),
        ];
        for (key, what, program) in parts {
            let Some(program) = program else { continue };
            let once = cost::of(program.expression(), place);
            let all = if key == "rule" { once.saturating_mul(times) } else { once };
            if all > cost::RULE_LIMIT {
                errors.push(FieldError::forbidden(at(key), &cost::refusal(what, all, cost::RULE_LIMIT)));
            }
            *total = if key == "rule" { total.saturating_add(all) } else { *total };
        }
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        judge_rules(child, &format!("{path}.properties[{name}]"), times, total, errors);
    }
    for key in ["items", "additionalProperties"].into_iter().filter(|key| schema[*key].is_object()) {
        let inner = cost::cardinality(times, schema);
        judge_rules(&schema[key], &format!("{path}.{key}"), inner, total, errors);
    }
}

#[cfg(test)]
mod tests;
