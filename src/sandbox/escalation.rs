//! Nobody hands out more than they have: a role may hold what its author may do, and a binding may refer to
//! such a role, unless the author may `escalate` or `bind` (Kubernetes, `pkg/registry/rbac/validation` and the
//! storage of each kind in `pkg/registry/rbac`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::access::{Attributes, User};
use super::error::ApiError;
use super::json::{parse_yaml, text_at};
use super::rbac;
use super::server::Call;
use super::store::Store;

/// Refuses a role or a binding that gives what its author doesn't have.
///
/// # Errors
/// 403, with the permissions that the author lacks.
pub(crate) fn refuse(store: &Store, call: &Call) -> Result<(), ApiError> {
    let storage = call.resource.storage.as_str();
    let role = matches!(storage, rbac::ROLES | rbac::CLUSTER_ROLES);
    let binding = matches!(storage, rbac::ROLE_BINDINGS | rbac::CLUSTER_ROLE_BINDINGS);
    let writes = matches!(call.attributes.verb.as_str(), "create" | "update" | "patch");
    if !(role || binding) || !writes || rbac::is_master(&call.user) {
        return Ok(());
    }
    // What can't be read is refused for that elsewhere.
    let Ok(body) = parse_yaml(&call.body) else { return Ok(()) };
    let object = body.value;
    let namespace = call.attributes.namespace.as_str();
    let (verb, kind, name, rules) = if role {
        let name = text_at(&object, "/metadata/name").to_owned();
        let rules = object["rules"].as_array().cloned().unwrap_or_default();
        ("escalate", call.resource.plural.as_str(), name, rules)
    } else {
        let reference = &object["roleRef"];
        let plural = if text_at(reference, "/kind") == "Role" { "roles" } else { "clusterroles" };
        let rules = rbac::role_rules(store, reference, namespace).unwrap_or_default();
        ("bind", plural, text_at(reference, "/name").to_owned(), rules)
    };
    let asked = Attributes {
        verb: verb.to_owned(),
        group: call.resource.group.clone(),
        resource: kind.to_owned(),
        namespace: namespace.to_owned(),
        name,
        ..Attributes::default()
    };
    if rbac::judge(store, &call.user, &asked).allowed {
        return Ok(());
    }
    let lacking = lacking(store, &call.user, namespace, &rules);
    if lacking.is_empty() {
        return Ok(());
    }
    let User { name, groups } = &call.user;
    let groups: Vec<String> = groups.iter().map(|group| format!("{group:?}")).collect();
    let why = format!(
        "user {name:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        groups.join(" "),
        lacking.join("\n")
    );
    Err(ApiError::forbidden_object(&call.resource, text_at(&object, "/metadata/name"), &why))
}

/// What of `rules` a user doesn't have, one line for each resource.
fn lacking(store: &Store, user: &User, namespace: &str, rules: &[Value]) -> Vec<String> {
    let (held, _) = rbac::rules_of(store, user, namespace);
    let mut missing: BTreeMap<(String, String, String, String), Vec<String>> = BTreeMap::new();
    for single in rules.iter().flat_map(singles) {
        if !held.iter().any(|held| rbac::covers(&held.rule, &single)) {
            let Attributes { group, resource, subresource, name, path, verb, .. } = single;
            let resource =
                if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
            missing.entry((group, resource, name, path)).or_default().push(verb);
        }
    }
    let mut lines: Vec<String> = missing
        .into_iter()
        .map(|((group, resource, name, path), verbs)| {
            let verbs: Vec<String> = verbs.iter().map(|verb| format!("{verb:?}")).collect();
            let mut parts = if path.is_empty() {
                vec![format!("APIGroups:[{group:?}]"), format!("Resources:[{resource:?}]")]
            } else {
                vec![format!("NonResourceURLs:[{path:?}]")]
            };
            if !name.is_empty() {
                parts.push(format!("ResourceNames:[{name:?}]"));
            }
            parts.push(format!("Verbs:[{}]", verbs.join(" ")));
            format!("{{{}}}", parts.join(", "))
        })
        .collect();
    lines.sort();
    lines
}

/// A rule as questions that it answers, one for each verb, group, resource and name.
fn singles(rule: &Value) -> Vec<Attributes> {
    let mut all = Vec::new();
    for verb in rbac::texts(rule, "verbs") {
        for path in rbac::texts(rule, "nonResourceURLs") {
            let (verb, path) = (verb.to_owned(), path.to_owned());
            all.push(Attributes { verb, path, ..Attributes::default() });
        }
        for group in rbac::texts(rule, "apiGroups") {
            for resource in rbac::texts(rule, "resources") {
                let names: Vec<&str> = rbac::texts(rule, "resourceNames").collect();
                let names = if names.is_empty() { vec![""] } else { names };
                all.extend(names.into_iter().map(|name| {
                    let (verb, group, name) = (verb.to_owned(), group.to_owned(), name.to_owned());
                    Attributes { verb, group, name, ..Attributes::default() }.on(resource)
                }));
            }
        }
    }
    all
}
