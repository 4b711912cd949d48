//! Who asks, and what has been asked: tokens, the question of permission, and the log of requests.
//!
//! The log is what tests of the deployment's roles read: it names every verb on every resource that a
//! user has needed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::error::ApiError;

/// The user whom the sandbox's own token names.
pub const ADMIN: &str = "sandbox-admin";

const ANONYMOUS: &str = "system:anonymous";

/// How many different requests the log holds.
const LOGGED: usize = 10_000;

/// What a request asks for, as far as permission goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestSeen {
    /// Who asked.
    pub user: String,
    /// The program that asked, without its version.
    pub agent: String,
    /// The verb, such as `list`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, such as `deployments`; empty for paths that name none.
    pub resource: String,
    /// The subresource; empty for the resource itself.
    pub subresource: String,
    /// Whether the request names a namespace.
    pub namespaced: bool,
}

/// What a path asks for, before anyone knows whether it is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) verb: &'static str,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) path: String,
}

/// Tokens, and what their owners have asked for.
#[derive(Debug)]
pub(crate) struct Access {
    users: Mutex<BTreeMap<String, String>>,
    seen: Mutex<BTreeMap<RequestSeen, u64>>,
}

impl Access {
    /// Nobody has a token yet.
    pub(crate) fn new() -> Self {
        Self { users: Mutex::new(BTreeMap::new()), seen: Mutex::new(BTreeMap::new()) }
    }

    /// A new token for a user.
    pub(crate) fn add_token(&self, user: &str) -> String {
        let parts: Vec<String> =
            (0..4).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect();
        let token = parts.concat();
        lock(&self.users).insert(token.clone(), user.to_owned());
        token
    }

    /// The user whom an `Authorization` header names.
    pub(crate) fn authenticate(&self, header: Option<&str>) -> Result<String, ApiError> {
        let Some(header) = header else { return Ok(ANONYMOUS.to_owned()) };
        let token = match (header.strip_prefix("Bearer "), header.strip_prefix("Basic ")) {
            (Some(token), _) => token.to_owned(),
            (None, Some(encoded)) => basic_password(encoded).ok_or_else(ApiError::unauthorized)?,
            (None, None) => String::new(),
        };
        lock(&self.users).get(&token).cloned().ok_or_else(ApiError::unauthorized)
    }

    /// Whether `user` may do what `attributes` say. Everyone with a token may do everything.
    pub(crate) fn authorize(user: &str, attributes: &Attributes) -> Result<(), ApiError> {
        let open = matches!(attributes.path.as_str(), "/version" | "/healthz" | "/livez" | "/readyz");
        if user != ANONYMOUS || open {
            return Ok(());
        }
        let Attributes { verb, group, resource, subresource, namespace, name, path, .. } = attributes;
        if resource.is_empty() {
            let message = format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"");
            return Err(ApiError::forbidden(message, json!({})));
        }
        let qualified = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        let subject = if name.is_empty() { qualified } else { format!("{qualified} \"{name}\"") };
        let place = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let full =
            if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
        let message = format!(
            "{subject} is forbidden: User \"{user}\" cannot {verb} resource \"{full}\" in API group \"{group}\" \
             {place}"
        );
        let mut details = json!({"kind": resource});
        for (key, value) in [("group", group), ("name", name)] {
            if !value.is_empty() {
                details[key] = json!(value);
            }
        }
        Err(ApiError::forbidden(message, details))
    }

    /// Notes a request.
    pub(crate) fn note(&self, user: &str, agent: &str, attributes: &Attributes) {
        let request = RequestSeen {
            user: user.to_owned(),
            agent: agent.split(['/', ' ']).next().unwrap_or_default().to_owned(),
            verb: attributes.verb.to_owned(),
            group: attributes.group.clone(),
            resource: attributes.resource.clone(),
            subresource: attributes.subresource.clone(),
            namespaced: !attributes.namespace.is_empty(),
        };
        let mut seen = lock(&self.seen);
        if seen.len() < LOGGED || seen.contains_key(&request) {
            *seen.entry(request).or_default() += 1;
        }
    }

    /// What has been asked, and how often.
    pub(crate) fn seen(&self) -> BTreeMap<RequestSeen, u64> {
        lock(&self.seen).clone()
    }
}

/// The password in a basic `Authorization` header; see [`super::Sandbox::kubeconfig`] for who sends one.
fn basic_password(encoded: &str) -> Option<String> {
    let bytes: k8s_openapi::ByteString = serde_json::from_value(json!(encoded)).ok()?;
    let text = String::from_utf8(bytes.0).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
