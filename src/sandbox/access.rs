//! Who asks, and what has been asked: tokens and the log of requests.
//!
//! The log is what tests of the deployment's roles read: it names every verb on every resource that a
//! user has needed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use super::error::ApiError;

/// The user whom the sandbox's own token names. It may do everything.
pub const ADMIN: &str = "sandbox-admin";

/// The name of those who have no token.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// How the names of service accounts begin.
const ACCOUNT: &str = "system:serviceaccount:";

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
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) path: String,
}

impl Attributes {
    /// The same on a resource as rules name it, such as `deployments/scale`.
    pub(crate) fn on(self, resource: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Self { resource: resource.to_owned(), subresource: subresource.to_owned(), ..self }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The name.
    pub(crate) name: String,
    /// The groups that the user is in.
    pub(crate) groups: Vec<String>,
}

impl User {
    /// A user in the groups that the name says.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), groups: groups(name) }
    }

    /// Whether the user has shown who it is.
    pub(crate) fn is_known(&self) -> bool {
        self.name != ANONYMOUS
    }
}

/// Whose a token is.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// The user.
    pub(crate) user: User,
    /// The identity of the service account that the token is for; empty for other users.
    pub(crate) uid: String,
    /// From when on the token is worth nothing.
    pub(crate) expires: Timestamp,
    /// Whether the token is for this server, or for another audience alone.
    pub(crate) for_us: bool,
}

/// Tokens, and what their owners have asked for.
#[derive(Debug)]
pub(crate) struct Access {
    users: Mutex<BTreeMap<String, Owner>>,
    seen: Mutex<BTreeMap<RequestSeen, u64>>,
}

impl Access {
    /// Nobody has a token yet.
    pub(crate) fn new() -> Self {
        Self { users: Mutex::new(BTreeMap::new()), seen: Mutex::new(BTreeMap::new()) }
    }

    /// A new token for a user.
    pub(crate) fn add_token(&self, user: &str) -> String {
        let user = User::named(user);
        self.add(Owner { user, uid: String::new(), expires: Timestamp::MAX, for_us: true })
    }

    /// A new token for its owner.
    pub(crate) fn add(&self, owner: Owner) -> String {
        let parts: Vec<String> =
            (0..4).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect();
        let token = parts.concat();
        lock(&self.users).insert(token.clone(), owner);
        token
    }

    /// Whose an `Authorization` header is at this time; `None` without one.
    ///
    /// # Errors
    /// 401 for a token that is worth nothing.
    pub(crate) fn authenticate(
        &self,
        header: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Owner>, ApiError> {
        let Some(header) = header else { return Ok(None) };
        let token = match (header.strip_prefix("Bearer "), header.strip_prefix("Basic ")) {
            (Some(token), _) => token.to_owned(),
            (None, Some(encoded)) => basic_password(encoded).ok_or_else(ApiError::unauthorized)?,
            (None, None) => String::new(),
        };
        let owner = self.owner(&token, now).filter(|owner| owner.for_us);
        owner.map(Some).ok_or_else(ApiError::unauthorized)
    }

    /// Whose a token is at this time.
    pub(crate) fn owner(&self, token: &str, now: Timestamp) -> Option<Owner> {
        lock(&self.users).get(token).filter(|owner| now < owner.expires).cloned()
    }

    /// Notes a request.
    pub(crate) fn note(&self, user: &str, agent: &str, attributes: &Attributes) {
        let request = RequestSeen {
            user: user.to_owned(),
            agent: agent.split(['/', ' ']).next().unwrap_or_default().to_owned(),
            verb: attributes.verb.clone(),
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

/// The name that a service account has as a user.
pub(crate) fn account_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT}{namespace}:{name}")
}

/// Namespace and name of the service account that a user is.
pub(crate) fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix(ACCOUNT)?.split_once(':')
}

/// The groups that a user is in.
fn groups(user: &str) -> Vec<String> {
    let mut groups = match service_account(user) {
        Some((namespace, _)) => {
            vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
        }
        None if user == ADMIN => vec!["system:masters".to_owned()],
        None => Vec::new(),
    };
    let known = if user == ANONYMOUS { "system:unauthenticated" } else { "system:authenticated" };
    groups.push(known.to_owned());
    groups
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
