//! Tokens of service accounts, as `TokenRequest` hands them out, and the question what a user may do.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::access::{self, Attributes, Owner, User};
use super::error::{ApiError, FieldError};
use super::json::{object_at, text_at};
use super::rbac;
use super::reading::find;
use super::server::{Answer, Call, Server};
use super::store::Store;
use super::writing::body_of;

/// How long a token is good for unless the request says otherwise, in seconds.
const USUAL_LIFE: i64 = 3600;

/// The shortest and the longest life of a token, in seconds.
const SHORTEST_LIFE: i64 = 600;
const LONGEST_LIFE: i64 = 1 << 32;

/// Who tokens are for unless the request says otherwise.
const AUDIENCE: &str = "https://kubernetes.default.svc";

/// Gives a token to a service account.
pub(crate) fn request(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let mut object = body_of(call)?.value;
    let account = find(server, call)?;
    let life = object["spec"]["expirationSeconds"].as_i64().unwrap_or(USUAL_LIFE);
    let bound = match life {
        ..SHORTEST_LIFE => Some("may not specify a duration less than 10 minutes"),
        SHORTEST_LIFE..=LONGEST_LIFE => None,
        _ => Some("may not specify a duration larger than 2^32 seconds"),
    };
    if let Some(bound) = bound {
        let error = FieldError::invalid("spec.expirationSeconds", &json!(life), bound);
        return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", &[error]));
    }
    let now = server.clock.now();
    let expires = now.saturating_add(SignedDuration::from_secs(life)).unwrap_or(Timestamp::MAX);
    let (namespace, name) = (text_at(&account, "/metadata/namespace"), text_at(&account, "/metadata/name"));
    let audiences = object["spec"]["audiences"].as_array().cloned().unwrap_or_default();
    let token = server.access.add(Owner {
        user: User::named(&access::account_name(namespace, name)),
        uid: text_at(&account, "/metadata/uid").to_owned(),
        expires,
        for_us: audiences.is_empty() || audiences.contains(&json!(AUDIENCE)),
    });
    let spec = object_at(&mut object, "spec");
    spec.insert("expirationSeconds".to_owned(), json!(life));
    spec.entry("boundObjectRef").or_insert(Value::Null);
    let audiences = spec.entry("audiences").or_insert(Value::Null);
    if audiences.as_array().is_none_or(Vec::is_empty) {
        *audiences = json!([AUDIENCE]);
    }
    let shown = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    object["apiVersion"] = json!("authentication.k8s.io/v1");
    object["kind"] = json!("TokenRequest");
    object["metadata"] = json!({"name": name, "namespace": namespace, "creationTimestamp": shown(now)});
    object["status"] = json!({"token": token, "expirationTimestamp": shown(expires)});
    Ok(Answer::Object(StatusCode::CREATED, object, Vec::new()))
}

/// Whether the service account that a token is for is still there.
pub(crate) fn is_alive(store: &Store, owner: &Owner) -> bool {
    let Some((namespace, name)) = access::service_account(&owner.user.name) else { return true };
    let account = store.get("serviceaccounts", namespace, name);
    owner.uid.is_empty() || account.is_some_and(|account| text_at(&account, "/metadata/uid") == owner.uid)
}

/// Answers a question: what a user may do, who asks, or whose a token is.
pub(crate) fn review(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let mut object = body_of(call)?.value;
    let kind = call.resource.kind.as_str();
    let found = text_at(&object, "/kind");
    if !found.is_empty() && found != kind {
        let version = &call.resource.version;
        return Err(ApiError::bad_request(format!(
            "{found} in version {version:?} cannot be handled as a {kind}: converting ({found}) to ({kind}): unknown \
             conversion"
        )));
    }
    object["apiVersion"] = json!(call.resource.api_version());
    object["kind"] = json!(kind);
    object_at(&mut object, "metadata");
    let store = &server.objects.store;
    object["status"] = match kind {
        "SelfSubjectRulesReview" => {
            let namespace = text_at(&object, "/spec/namespace").to_owned();
            if namespace.is_empty() {
                return Err(ApiError::bad_request("no namespace on request"));
            }
            // A real server answers with the rules alone and does not repeat the question.
            object["spec"] = json!({});
            rbac::rules_for(store, &call.user, &namespace)
        }
        "SelfSubjectReview" => json!({"userInfo": shown(&call.user, "")}),
        "TokenReview" => token_status(server, call, &object)?,
        "SelfSubjectAccessReview" => {
            judge_attributes(call, &object, Vec::new())?;
            access_status(store, &call.user, &object["spec"])
        }
        _ => {
            let groups: Vec<String> = rbac::texts(&object["spec"], "groups").map(ToOwned::to_owned).collect();
            let name = text_at(&object, "/spec/user").to_owned();
            let mut errors = Vec::new();
            if name.is_empty() && groups.is_empty() {
                let detail = "at least one of user or group must be specified";
                errors.push(FieldError::invalid("spec.user", &json!(""), detail));
            }
            judge_attributes(call, &object, errors)?;
            let place = &call.attributes.namespace;
            let asked = text_at(&object, "/spec/resourceAttributes/namespace");
            if kind == "LocalSubjectAccessReview" && asked != place {
                let message = format!("spec.resourceAttributes.namespace must match namespace: {place}");
                return Err(ApiError::bad_request(message));
            }
            access_status(store, &User { name, groups }, &object["spec"])
        }
    };
    Ok(Answer::Object(StatusCode::CREATED, object, Vec::new()))
}

fn access_status(store: &Store, user: &User, spec: &Value) -> Value {
    let verdict = rbac::judge(store, user, &asked(spec));
    let mut status = json!({"allowed": verdict.allowed});
    if !verdict.reason.is_empty() {
        status["reason"] = json!(verdict.reason);
    }
    status
}

/// A question about permission is about a resource or about a path.
fn judge_attributes(call: &Call, object: &Value, mut errors: Vec<FieldError>) -> Result<(), ApiError> {
    let (resource, path) = (&object["spec"]["resourceAttributes"], &object["spec"]["nonResourceAttributes"]);
    match (resource.is_object(), path.is_object()) {
        (true, true) => {
            let detail = "cannot be specified in combination with resourceAttributes";
            errors.push(FieldError::invalid("spec.nonResourceAttributes", path, detail));
        }
        (false, false) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(FieldError::invalid("spec.resourceAttributes", &Value::Null, detail));
        }
        (true, false) | (false, true) => {}
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(&call.resource.group, &call.resource.kind, "", &errors))
}

fn token_status(server: &Server, call: &Call, object: &Value) -> Result<Value, ApiError> {
    let token = text_at(object, "/spec/token");
    if token.is_empty() {
        let message = "token is required for TokenReview in authentication";
        return Err(ApiError::bad_request(message));
    }
    let wanted: Vec<&str> = rbac::texts(&object["spec"], "audiences").collect();
    let owner = server.access.owner(token, server.clock.now());
    let owner = owner.filter(|owner| is_alive(&server.objects.store, owner) && owner.for_us);
    tracing::trace!(user = call.user.name, known = owner.is_some(), "token review");
    Ok(match owner {
        Some(owner) if wanted.is_empty() || wanted.contains(&AUDIENCE) => json!({
            "authenticated": true,
            "user": shown(&owner.user, &owner.uid),
            "audiences": [AUDIENCE],
        }),
        Some(_) => {
            json!({"user": {}, "error": format!("token audiences [{AUDIENCE:?}] is invalid for the target audiences {wanted:?}")})
        }
        None => json!({"user": {}, "error": "[invalid bearer token, token lookup failed]"}),
    })
}

fn shown(user: &User, uid: &str) -> Value {
    let mut shown = json!({"username": user.name, "groups": user.groups});
    if !uid.is_empty() {
        shown["uid"] = json!(uid);
    }
    shown
}

fn asked(spec: &Value) -> Attributes {
    let path = spec.get("nonResourceAttributes").filter(|path| !path.is_null());
    let place = if path.is_some() { "nonResourceAttributes" } else { "resourceAttributes" };
    let text = |key: &str| spec[place][key].as_str().unwrap_or_default().to_owned();
    Attributes {
        verb: text("verb"),
        group: text("group"),
        version: text("version"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
        name: text("name"),
        path: text("path"),
    }
}
