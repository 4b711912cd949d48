//! Who may do what, by the roles and bindings that the sandbox keeps.
//!
//! The operator's deployment grants it the least that it needs; only an API server that refuses the rest
//! shows that this least is enough. The administrator may do everything, and everyone with a token may
//! ask what there is to ask for.

use serde_json::{Value, json};

use super::access::{self, Attributes};
use super::error::ApiError;
use super::json::text_at;
use super::store::Store;

const ROLES: &str = "roles.rbac.authorization.k8s.io";
const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// Paths that everyone with a token may read, as the role `system:discovery` has them.
const DISCOVERY: &[&str] = &["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];

/// Paths that even those without a token may read, as the role `system:public-info-viewer` has them.
const PUBLIC: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];

/// Whether a user may do something, and what was wrong with the rules on the way.
pub(crate) struct Verdict {
    /// Whether it is allowed.
    pub(crate) allowed: bool,
    /// Roles that are bound and don't exist; empty without any.
    pub(crate) problem: String,
}

/// Refuses what a user may not do.
///
/// # Errors
/// 403, worded as a real server words it.
pub(crate) fn authorize(store: &Store, user: &str, attributes: &Attributes) -> Result<(), ApiError> {
    let Verdict { allowed, problem } = judge(store, user, attributes);
    if allowed { Ok(()) } else { Err(refusal(user, attributes, &problem)) }
}

/// Whether `user` may do what `attributes` say.
pub(crate) fn judge(store: &Store, user: &str, attributes: &Attributes) -> Verdict {
    let groups = access::groups(user);
    let allowed = |allowed| Verdict { allowed, problem: String::new() };
    if groups.iter().any(|group| group == MASTERS) || always_allowed(user, attributes) {
        return allowed(true);
    }
    let (roles, mut missing) = roles(store, user, &groups, &attributes.namespace);
    // A path outside of all resources is in no namespace, so only cluster-wide bindings reach it.
    let mut granted = roles.iter().flat_map(|role| role["rules"].as_array().into_iter().flatten());
    if granted.any(|rule| covers(rule, attributes)) {
        return allowed(true);
    }
    missing.dedup();
    let problem = match missing.as_slice() {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        several => format!("RBAC: [{}]", several.join(", ")),
    };
    Verdict { allowed: false, problem }
}

/// The rules that a user has in a namespace: those about resources, and those about other paths.
pub(crate) fn rules(store: &Store, user: &str, namespace: &str) -> (Vec<Value>, Vec<Value>) {
    let groups = access::groups(user);
    let mut all = vec![json!({"verbs": ["get"], "nonResourceURLs": PUBLIC})];
    if user != access::ANONYMOUS {
        all.push(json!({"verbs": ["get"], "nonResourceURLs": DISCOVERY}));
        let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
        all.push(json!({"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": reviews}));
    }
    if groups.iter().any(|group| group == MASTERS) {
        all.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        all.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    for role in roles(store, user, &groups, namespace).0 {
        all.extend(role["rules"].as_array().into_iter().flatten().cloned());
    }
    all.into_iter().partition(|rule| !rule["nonResourceURLs"].is_array())
}

/// What every cluster's own roles allow.
fn always_allowed(user: &str, attributes: &Attributes) -> bool {
    let known = user != access::ANONYMOUS;
    if attributes.resource.is_empty() {
        let among = |paths: &[&str]| paths.iter().any(|path| covers_path(path, &attributes.path));
        attributes.verb == "get" && (among(PUBLIC) || (known && among(DISCOVERY)))
    } else {
        let review = attributes.group == "authorization.k8s.io"
            && matches!(attributes.resource.as_str(), "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
            && attributes.verb == "create";
        known && review
    }
}

/// The roles that are bound to a user in a namespace, and those that are bound and don't exist.
fn roles(
    store: &Store,
    user: &str,
    groups: &[String],
    namespace: &str,
) -> (Vec<std::sync::Arc<Value>>, Vec<String>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for binding in bindings(store, namespace) {
        let namespace = text_at(&binding, "/metadata/namespace");
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        if !subjects.into_iter().any(|subject| names(subject, user, groups, namespace)) {
            continue;
        }
        let name = text_at(&binding, "/roleRef/name");
        let (storage, place, kind) = if text_at(&binding, "/roleRef/kind") == "Role" {
            (ROLES, namespace, "role")
        } else {
            (CLUSTER_ROLES, "", "clusterrole")
        };
        match store.get(storage, place, name) {
            Some(role) => found.push(role),
            None => missing.push(format!("{kind}.rbac.authorization.k8s.io \"{name}\" not found")),
        }
    }
    (found, missing)
}

/// The bindings that count in a namespace, or cluster-wide.
fn bindings(store: &Store, namespace: &str) -> Vec<std::sync::Arc<Value>> {
    let (mut found, _) = store.list(CLUSTER_ROLE_BINDINGS, None);
    if !namespace.is_empty() {
        found.extend(store.list(ROLE_BINDINGS, Some(namespace)).0);
    }
    found
}

fn names(subject: &Value, user: &str, groups: &[String], namespace: &str) -> bool {
    let name = text_at(subject, "/name");
    match text_at(subject, "/kind") {
        "User" => name == user,
        "Group" => groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let own = text_at(subject, "/namespace");
            let place = if own.is_empty() { namespace } else { own };
            access::service_account(user) == Some((place, name))
        }
        _ => false,
    }
}

fn covers(rule: &Value, attributes: &Attributes) -> bool {
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

fn texts<'a>(rule: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
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
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Attributes {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        }
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
