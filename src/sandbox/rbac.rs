//! Who may do what, by the roles and bindings that the sandbox keeps.
//!
//! The operator's deployment grants it the least that it needs; only an API server that refuses the rest
//! shows that this least is enough. The administrator may do everything, and everyone with a token may
//! ask what there is to ask for.

use http::HeaderMap;
use serde_json::{Value, json};

use super::access::{self, Attributes, User};
use super::error::ApiError;
use super::json::text_at;
use super::selectors::selector_text;
use super::store::Store;
use crate::labels::LabelSelector;

pub(crate) const ROLES: &str = "roles.rbac.authorization.k8s.io";
pub(crate) const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
pub(crate) const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
pub(crate) const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// Paths that everyone with a token may read, as the role `system:discovery` has them.
const DISCOVERY: &[&str] = &["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];

/// Paths that even those without a token may read, as the role `system:public-info-viewer` has them.
const PUBLIC: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];

/// The questions about themselves that all with a token may ask, as the role `system:basic-user` has them.
const REVIEWS: &[&str] = &["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
const REVIEW_GROUP: &str = "authorization.k8s.io";

/// Whether a user may do something, and why.
pub(crate) struct Verdict {
    /// Whether it is allowed.
    pub(crate) allowed: bool,
    /// Which binding allows it, or which roles are bound and don't exist; empty without any.
    pub(crate) reason: String,
}

/// A rule that somebody has.
pub(crate) struct Held {
    /// The rule.
    pub(crate) rule: Value,
    /// Which binding gives it, as messages say it.
    source: String,
}

/// Refuses what a user may not do.
///
/// # Errors
/// 403, worded as a real server words it.
pub(crate) fn authorize(store: &Store, user: &User, attributes: &Attributes) -> Result<(), ApiError> {
    let Verdict { allowed, reason } = judge(store, user, attributes);
    if allowed { Ok(()) } else { Err(refusal(&user.name, attributes, &reason)) }
}

/// Whether `user` may do what `attributes` say.
pub(crate) fn judge(store: &Store, user: &User, attributes: &Attributes) -> Verdict {
    if is_master(user) || always_allowed(user, attributes) {
        return Verdict { allowed: true, reason: String::new() };
    }
    // A path outside of all resources is in no namespace, so only cluster-wide bindings reach it.
    let (rules, problem) = rules_of(store, user, &attributes.namespace);
    if let Some(held) = rules.iter().find(|held| covers(&held.rule, attributes)) {
        return Verdict { allowed: true, reason: format!("RBAC: allowed by {}", held.source) };
    }
    let reason = if problem.is_empty() { problem } else { format!("RBAC: {problem}") };
    Verdict { allowed: false, reason }
}

/// Whether a user may do everything.
pub(crate) fn is_master(user: &User) -> bool {
    user.groups.iter().any(|group| group == MASTERS)
}

/// The user that a request acts as: the one who asks, or another whom its headers name (`kubectl --as`).
///
/// # Errors
/// 403 for somebody who may not act as others.
pub(crate) fn impersonated(store: &Store, user: User, headers: &HeaderMap) -> Result<User, ApiError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = header("impersonate-user");
    let groups = headers.get_all("impersonate-group").iter().filter_map(|value| value.to_str().ok());
    let mut groups: Vec<String> = groups.map(ToOwned::to_owned).collect();
    if name.is_empty() {
        if groups.is_empty() {
            return Ok(user);
        }
        return Err(ApiError::internal(&format!("requested {groups:?} without impersonating a user")));
    }
    let ask = |resource: &str, namespace: &str, name: &str| {
        let text = ToOwned::to_owned;
        let (verb, resource) = (text("impersonate"), text(resource));
        let (namespace, name) = (text(namespace), text(name));
        authorize(store, &user, &Attributes { verb, resource, namespace, name, ..Attributes::default() })
    };
    match access::service_account(name) {
        Some((namespace, name)) => ask("serviceaccounts", namespace, name)?,
        None => ask("users", "", name)?,
    }
    for group in &groups {
        ask("groups", "", group)?;
    }
    let mut acting = User::named(name);
    // The administrator's name makes nobody one.
    acting.groups.retain(|group| group != MASTERS);
    if !groups.is_empty() {
        if acting.is_known() {
            groups.push("system:authenticated".to_owned());
        }
        acting.groups = groups;
    }
    Ok(acting)
}

/// Everything that a user may do in a namespace, as the status of a `SelfSubjectRulesReview` has it.
pub(crate) fn rules_for(store: &Store, user: &User, namespace: &str) -> Value {
    let mut rules = Vec::new();
    if is_master(user) {
        rules.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        rules.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    if user.is_known() {
        rules.push(json!({"verbs": ["create"], "apiGroups": [REVIEW_GROUP], "resources": REVIEWS}));
        rules.push(json!({"verbs": ["get"], "nonResourceURLs": DISCOVERY}));
    }
    rules.push(json!({"verbs": ["get"], "nonResourceURLs": PUBLIC}));
    let (bound, problem) = rules_of(store, user, namespace);
    let bound =
        bound.into_iter().map(|held| held.rule).filter(|rule| !is_master(user) || !rules.contains(rule));
    let bound: Vec<Value> = bound.collect();
    rules.extend(bound);
    let having = |list: &str, keys: &[&str]| -> Vec<Value> {
        let chosen = rules.iter().filter(|rule| texts(rule, list).next().is_some());
        chosen
            .map(|rule| {
                let fields = keys.iter().filter(|key| texts(rule, key).next().is_some());
                fields.map(|key| ((*key).to_owned(), rule[*key].clone())).collect()
            })
            .collect()
    };
    let mut status = json!({
        "resourceRules": having("resources", &["verbs", "apiGroups", "resources", "resourceNames"]),
        "nonResourceRules": having("nonResourceURLs", &["verbs", "nonResourceURLs"]),
        "incomplete": false,
    });
    if !problem.is_empty() {
        status["evaluationError"] = json!(problem);
    }
    status
}

/// The rules of the roles that are bound to a user, and which of those roles don't exist.
pub(crate) fn rules_of(store: &Store, user: &User, namespace: &str) -> (Vec<Held>, String) {
    let (mut rules, mut missing) = (Vec::new(), Vec::new());
    for binding in bindings(store, namespace) {
        let namespace = text_at(&binding, "/metadata/namespace");
        let mut subjects = binding["subjects"].as_array().into_iter().flatten();
        let Some(subject) = subjects.find(|subject| names(subject, user, namespace)) else { continue };
        let source = described(&binding, subject);
        match role_rules(store, &binding["roleRef"], namespace) {
            Ok(found) => {
                rules.extend(found.into_iter().map(|rule| Held { rule, source: source.clone() }));
            }
            Err(problem) => missing.push(problem),
        }
    }
    missing.dedup();
    let problem = match missing.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    (rules, problem)
}

/// The rules of the role that a binding in a namespace refers to.
///
/// # Errors
/// A message when there is no such role.
pub(crate) fn role_rules(store: &Store, reference: &Value, namespace: &str) -> Result<Vec<Value>, String> {
    let name = text_at(reference, "/name");
    let (storage, place, kind) = if text_at(reference, "/kind") == "Role" {
        (ROLES, namespace, "role")
    } else {
        (CLUSTER_ROLES, "", "clusterrole")
    };
    let role = store
        .get(storage, place, name)
        .ok_or_else(|| format!("{kind}.rbac.authorization.k8s.io \"{name}\" not found"))?;
    Ok(with_aggregated(store, &role))
}

/// The rules of a role, with those of the roles that it gathers by their labels. A real cluster has a
/// controller that writes them into it.
fn with_aggregated(store: &Store, role: &Value) -> Vec<Value> {
    let mut rules = role["rules"].as_array().cloned().unwrap_or_default();
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten();
    for selector in selectors {
        let Ok(selector) = LabelSelector::parse(&selector_text(selector)) else { continue };
        for other in store.list(CLUSTER_ROLES, None).0 {
            let labels = &other["metadata"]["labels"];
            if selector.matches(|key| labels.get(key).and_then(Value::as_str)) {
                rules.extend(other["rules"].as_array().into_iter().flatten().cloned());
            }
        }
    }
    rules
}

/// A binding, and whom of its subjects it is about, as the reason of a verdict says it.
fn described(binding: &Value, subject: &Value) -> String {
    let text = |value: &Value, pointer: &str| text_at(value, pointer).to_owned();
    let (name, namespace) = (text(binding, "/metadata/name"), text(binding, "/metadata/namespace"));
    let (kind, subject_name) = (text(subject, "/kind"), text(subject, "/name"));
    let role = format!("{} {:?}", text(&binding["roleRef"], "/kind"), text(&binding["roleRef"], "/name"));
    let subject = if kind == "ServiceAccount" {
        let own = text(subject, "/namespace");
        format!("{kind} {:?}", format!("{subject_name}/{}", if own.is_empty() { &namespace } else { &own }))
    } else {
        format!("{kind} {subject_name:?}")
    };
    if namespace.is_empty() {
        format!("ClusterRoleBinding {name:?} of {role} to {subject}")
    } else {
        format!("RoleBinding {:?} of {role} to {subject}", format!("{name}/{namespace}"))
    }
}

/// What every cluster's own roles allow.
fn always_allowed(user: &User, attributes: &Attributes) -> bool {
    let known = user.is_known();
    if attributes.resource.is_empty() {
        let among = |paths: &[&str]| paths.iter().any(|path| covers_path(path, &attributes.path));
        attributes.verb == "get" && (among(PUBLIC) || (known && among(DISCOVERY)))
    } else {
        let reviews = match attributes.group.as_str() {
            REVIEW_GROUP => REVIEWS,
            "authentication.k8s.io" => &["selfsubjectreviews"],
            _ => &[],
        };
        known && attributes.verb == "create" && reviews.contains(&attributes.resource.as_str())
    }
}

/// The bindings that count in a namespace, or cluster-wide.
fn bindings(store: &Store, namespace: &str) -> Vec<std::sync::Arc<Value>> {
    let (mut found, _) = store.list(CLUSTER_ROLE_BINDINGS, None);
    if !namespace.is_empty() {
        found.extend(store.list(ROLE_BINDINGS, Some(namespace)).0);
    }
    found
}

fn names(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = text_at(subject, "/name");
    match text_at(subject, "/kind") {
        "User" => name == user.name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let own = text_at(subject, "/namespace");
            let place = if own.is_empty() { namespace } else { own };
            access::service_account(&user.name) == Some((place, name))
        }
        _ => false,
    }
}

pub(crate) fn covers(rule: &Value, attributes: &Attributes) -> bool {
    let holds = |list: &str, wanted: &str| texts(rule, list).any(|text| text == "*" || text == wanted);
    if !holds("verbs", &attributes.verb) {
        return false;
    }
    if attributes.resource.is_empty() {
        return texts(rule, "nonResourceURLs").any(|pattern| covers_path(pattern, &attributes.path));
    }
    let Attributes { group, resource, subresource, name, .. } = attributes;
    let resource_fits = texts(rule, "resources").any(|text| match text.split_once('/') {
        None => text == "*" || (text == resource && subresource.is_empty()),
        Some(("*", part)) => !subresource.is_empty() && part == subresource,
        Some((whole, part)) => whole == resource && !subresource.is_empty() && part == subresource,
    });
    let mut only = texts(rule, "resourceNames").peekable();
    let name_fits = only.peek().is_none() || only.any(|text| text == name);
    holds("apiGroups", group) && resource_fits && name_fits
}

fn covers_path(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.strip_suffix('*').is_some_and(|beginning| path.starts_with(beginning))
}

pub(crate) fn texts<'a>(rule: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    rule[list].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn refusal(user: &str, attributes: &Attributes, problem: &str) -> ApiError {
    let Attributes { verb, group, resource, subresource, namespace, name, path, .. } = attributes;
    let because = if problem.is_empty() { String::new() } else { format!(": {problem}") };
    if resource.is_empty() {
        let message = format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"{because}");
        return ApiError::forbidden(message, json!({}));
    }
    let qualified = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
    let subject = if name.is_empty() { qualified } else { format!("{qualified} \"{name}\"") };
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let full = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
    let message = format!(
        "{subject} is forbidden: User \"{user}\" cannot {verb} resource \"{full}\" in API group \"{group}\" \
         {place}{because}"
    );
    let mut details = json!({"kind": resource});
    for (key, value) in [("group", group), ("name", name)] {
        if !value.is_empty() {
            details[key] = json!(value);
        }
    }
    ApiError::forbidden(message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(verb: &str, group: &str, resource: &str, name: &str) -> Attributes {
        let (verb, group, name) = (verb.to_owned(), group.to_owned(), name.to_owned());
        Attributes { verb, group, name, ..Attributes::default() }.on(resource)
    }

    #[test]
    fn rules_cover_verbs_groups_resources_subresources_and_names() {
        let scale = asked("patch", "apps", "deployments/scale", "web");
        let plain = asked("patch", "apps", "deployments", "web");
        for (resources, names, of_scale, of_plain) in [
            (json!(["deployments"]), json!([]), false, true),
            (json!(["deployments/scale"]), json!([]), true, false),
            (json!(["*/scale"]), json!([]), true, false),
            (json!(["*"]), json!([]), true, true),
            (json!(["*"]), json!(["web"]), true, true),
            (json!(["*"]), json!(["db"]), false, false),
            (json!(["statefulsets/scale", "statefulsets"]), json!([]), false, false),
        ] {
            let rule = json!({
                "apiGroups": ["apps"], "resources": resources, "verbs": ["get", "patch"], "resourceNames": names});
            assert_eq!((covers(&rule, &scale), covers(&rule, &plain)), (of_scale, of_plain), "{rule}");
            assert!(!covers(&rule, &asked("update", "apps", "deployments", "web")), "{rule}");
            assert!(!covers(&rule, &asked("patch", "", "deployments", "web")), "{rule}");
        }
    }

    #[test]
    fn paths_are_covered_by_themselves_and_by_a_star_at_the_end() {
        let rule = json!({"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]});
        for (path, covered) in [("/metrics", true), ("/metrics/x", false), ("/logs/a", true), ("/", false)] {
            let attributes =
                Attributes { path: path.to_owned(), verb: "get".to_owned(), ..Attributes::default() };
            assert_eq!(covers(&rule, &attributes), covered, "{path}");
        }
    }
}
