//! Tokens of service accounts, as `TokenRequest` hands them out, and the question what a user may do.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::access::Attributes;
use super::error::{ApiError, FieldError};
use super::json::{object_at, text_at};
use super::rbac;
use super::reading::find;
use super::server::{Answer, Call, Server};
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
    let token = server.access.add_account_token(namespace, name, expires);
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

/// Answers the question whether the user who asks may do something, or all that the user may do.
pub(crate) fn review(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let mut object = body_of(call)?.value;
    object_at(&mut object, "metadata");
    if call.resource.kind == "SelfSubjectRulesReview" {
        let namespace = text_at(&object, "/spec/namespace");
        if namespace.is_empty() {
            return Err(ApiError::bad_request("no namespace on request"));
        }
        let (resources, others) = rbac::rules(&server.objects.store, &call.user, namespace);
        object["status"] =
            json!({"resourceRules": resources, "nonResourceRules": others, "incomplete": false});
        return Ok(Answer::Object(StatusCode::CREATED, object, Vec::new()));
    }
    let asked = asked(&object["spec"]);
    let verdict = rbac::judge(&server.objects.store, &call.user, &asked);
    let mut status = json!({"allowed": verdict.allowed});
    if !verdict.problem.is_empty() {
        status["reason"] = json!(verdict.problem);
    }
    object["status"] = status;
    Ok(Answer::Object(StatusCode::CREATED, object, Vec::new()))
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
