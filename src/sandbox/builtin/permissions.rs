//! Rules and defaults of roles and bindings (Kubernetes, `pkg/apis/rbac`).

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::json::{fields, object_at, text_at};
use super::super::names;
use super::values::{judge_choice, judge_name};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Fills in the group of what a binding names.
pub(super) fn fill_defaults(binding: &mut Value) {
    let unset = |value: &Value| text_at(value, "/apiGroup").is_empty();
    if unset(&binding["roleRef"]) {
        object_at(binding, "roleRef").insert("apiGroup".to_owned(), json!(GROUP));
    }
    for subject in binding.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if unset(subject) && matches!(text_at(subject, "/kind"), "User" | "Group") {
            fields(subject).insert("apiGroup".to_owned(), json!(GROUP));
        }
    }
}

/// What is wrong with a Role or a `ClusterRole`.
pub(super) fn judge_role(kind: &str, object: &Value, errors: &mut Vec<FieldError>) {
    for (index, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
        let path = format!("rules[{index}]");
        let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
        let mut need = |field: &str, detail: &str| {
            if empty(field) {
                errors.push(FieldError::required(format!("{path}.{field}"), detail));
            }
        };
        need("verbs", "verbs must contain at least one value");
        if empty("nonResourceURLs") {
            need("apiGroups", "resource rules must supply at least one api group");
            need("resources", "resource rules must supply at least one resource");
            continue;
        }
        let at = format!("{path}.nonResourceURLs");
        let urls = &rule["nonResourceURLs"];
        if kind == "Role" {
            errors.push(FieldError::invalid(&at, urls, "namespaced rules cannot apply to non-resource URLs"));
        }
        if !(empty("apiGroups") && empty("resources") && empty("resourceNames")) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(FieldError::invalid(&at, urls, detail));
        }
    }
}

/// What is wrong with a `RoleBinding` or a `ClusterRoleBinding`.
pub(super) fn judge_binding(kind: &str, object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let role = &object["roleRef"];
    let kinds: &[&str] = if kind == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    judge_choice(role, "roleRef", "apiGroup", &[GROUP], errors);
    judge_choice(role, "roleRef", "kind", kinds, errors);
    let name = text_at(role, "/name");
    if name.is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    judge_name("roleRef.name", &json!(name), &names::path_segment(name), errors);
    for (index, subject) in object["subjects"].as_array().into_iter().flatten().enumerate() {
        judge_subject(kind, subject, &format!("subjects[{index}]"), errors);
    }
    if old.is_some_and(|old| old["roleRef"] != *role) {
        let text = |key: &str| role[key].as_str().unwrap_or_default();
        let shown = json!({"APIGroup": text("apiGroup"), "Kind": text("kind"), "Name": name});
        errors.push(FieldError::invalid("roleRef", &shown, "cannot change roleRef"));
    }
}

fn judge_subject(kind: &str, subject: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = text_at(subject, "/name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    }
    match text_at(subject, "/kind") {
        "ServiceAccount" => {
            let wrong = if name.is_empty() { Vec::new() } else { names::subdomain(name) };
            judge_name(&format!("{path}.name"), &json!(name), &wrong, errors);
            judge_choice(subject, path, "apiGroup", &[""], errors);
            if kind == "ClusterRoleBinding" && text_at(subject, "/namespace").is_empty() {
                errors.push(FieldError::required(format!("{path}.namespace"), ""));
            }
        }
        "User" | "Group" => judge_choice(subject, path, "apiGroup", &[GROUP], errors),
        _ => judge_choice(subject, path, "kind", &["ServiceAccount", "User", "Group"], errors),
    }
}
