//! Whether a schema is structural (apiextensions-apiserver, `pkg/apiserver/schema/validation.go`).

use serde_json::Value;

use super::super::error::FieldError;
use super::super::json::text_at;
use super::super::schema::Checker;

/// A schema says of every field what it is.
pub(super) fn judge(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    judge_type(schema, path, errors);
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
        judge(child, &at, errors);
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

fn judge_type(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text_at(schema, "/type");
    let known = ["array", "boolean", "integer", "number", "object", "string"];
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(format!("{path}.type"), detail));
    } else if !kind.is_empty() && !known.contains(&kind) {
        let known = known.map(Value::from);
        errors.push(FieldError::unsupported(format!("{path}.type"), &schema["type"], &known));
    }
    let pattern = text_at(schema, "/pattern");
    if let Err(error) = regex::Regex::new(pattern) {
        let detail = format!("must be a valid regular expression, but isn't: {}", regular(pattern, &error));
        errors.push(FieldError::invalid(format!("{path}.pattern"), &schema["pattern"], &detail));
    }
}

/// What Go says of a pattern that is none, for the usual mistakes.
fn regular(pattern: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    let said = if text.contains("unclosed group") {
        format!("missing closing ): `{pattern}`")
    } else if text.contains("unclosed character class") {
        let start = pattern.rfind('[').unwrap_or_default();
        format!("missing closing ]: `{}`", &pattern[start..])
    } else if text.contains("unopened group") {
        format!("unexpected ): `{pattern}`")
    } else if text.contains("repetition operator missing expression") {
        let operator = pattern.find(['*', '+', '?']).map_or("", |at| &pattern[at..=at]);
        format!("missing argument to repetition operator: `{operator}`")
    } else {
        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    };
    format!("error parsing regexp: {said}")
}

/// Of metadata a schema says no more than what names may be.
pub(super) fn judge_metadata(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let metadata = &schema["properties"]["metadata"];
    let Some(map) = metadata.as_object() else { return };
    let names = |(name, _): (&String, &Value)| matches!(name.as_str(), "name" | "generateName");
    let plain = map.keys().all(|key| matches!(key.as_str(), "type" | "properties" | "description"))
        && metadata["properties"].as_object().is_none_or(|properties| properties.iter().all(names));
    if !plain {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(format!("{path}.properties[metadata]"), detail));
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
