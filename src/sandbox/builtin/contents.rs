//! Rules of `ConfigMap`s and Secrets (Kubernetes, `pkg/apis/core/validation`).

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::json::text_at;
use super::super::names;
use super::values::judge_name;

/// How much there may be in one of them.
const LARGEST: usize = 1024 * 1024;

/// What is wrong with a `ConfigMap`.
pub(super) fn judge_map(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    judge_keys(object, "data", errors);
    for key in object["data"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        if !object["binaryData"][key].is_null() {
            let detail = "duplicate of key present in binaryData";
            errors.push(FieldError::invalid(format!("data[{key}]"), &json!(key), detail));
        }
    }
    judge_keys(object, "binaryData", errors);
    judge_size(object, errors);
    judge_change(object, old, &["data", "binaryData"], errors);
}

/// What is wrong with a Secret.
pub(super) fn judge_secret(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(old) = old
        && old["type"] != object["type"]
    {
        errors.push(FieldError::invalid("type", &object["type"], "field is immutable"));
    }
    judge_keys(object, "data", errors);
    judge_size(object, errors);
    let data = &object["data"];
    let mut need = |key: &str| {
        if data[key].is_null() {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    };
    match text_at(object, "/type") {
        "kubernetes.io/dockercfg" => need(".dockercfg"),
        "kubernetes.io/dockerconfigjson" => need(".dockerconfigjson"),
        "kubernetes.io/ssh-auth" => need("ssh-privatekey"),
        "kubernetes.io/tls" => {
            need("tls.crt");
            need("tls.key");
        }
        "kubernetes.io/basic-auth" if data["username"].is_null() && data["password"].is_null() => {
            need("username");
            need("password");
        }
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            if object["metadata"]["annotations"][name].as_str().unwrap_or_default().is_empty() {
                errors.push(FieldError::required(format!("metadata.annotations[{name}]"), ""));
            }
        }
        _ => {}
    }
    judge_change(object, old, &["data"], errors);
}

fn judge_keys(object: &Value, field: &str, errors: &mut Vec<FieldError>) {
    for key in object[field].as_object().into_iter().flat_map(serde_json::Map::keys) {
        judge_name(&format!("{field}[{key}]"), &json!(key), &names::config_key(key), errors);
    }
}

fn judge_size(object: &Value, errors: &mut Vec<FieldError>) {
    let length = |text: &Value| text.as_str().unwrap_or_default().len();
    let is_map = object["kind"] == "ConfigMap";
    let sum = |field: &str, encoded: bool| -> usize {
        let values = object[field].as_object().into_iter().flat_map(serde_json::Map::values);
        values.map(|value| if encoded { length(value) / 4 * 3 } else { length(value) }).sum()
    };
    if sum("data", !is_map) + sum("binaryData", true) > LARGEST {
        errors.push(FieldError::too_long(if is_map { "" } else { "data" }, 1024 * 1024));
    }
}

/// What is marked as immutable stays as it is.
fn judge_change(object: &Value, old: Option<&Value>, fields: &[&str], errors: &mut Vec<FieldError>) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    let detail = "field is immutable when `immutable` is set";
    if object["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", detail));
    }
    for field in fields.iter().filter(|field| object[**field] != old[**field]) {
        errors.push(FieldError::forbidden(*field, detail));
    }
}
