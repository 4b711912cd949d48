//! Get, list and watch.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};

use super::error::ApiError;
use super::json::text_at;
use super::present::Presenter;
use super::request::Form;
use super::scale;
use super::selectors::Selector;
use super::server::{Answer, Call, Server};
use super::store::StoreError;
use super::table::Include;
use super::watch::{Scope, Terms, stream};

/// One object, or a subresource of it.
pub(crate) fn get(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let object = find(server, call)?;
    if call.attributes.subresource == "scale"
        && let Some(paths) = &call.resource.scale
    {
        return Ok(Answer::ok(scale::of(&call.resource, paths, &object)?));
    }
    Ok(Answer::ok(presenter(server, call).object(&object)))
}

/// Many objects.
pub(crate) fn list(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let selector = selector(call)?;
    let (objects, version, after) = state_of(server, call)?;
    let mut chosen: Vec<Arc<Value>> = objects
        .into_iter()
        .filter(|object| selector.matches(object))
        .filter(|object| after.as_ref().is_none_or(|after| position(object) > *after))
        .collect();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    let limit = call.parameters.number("limit").and_then(|limit| usize::try_from(limit).ok());
    if let Some(limit) = limit.filter(|limit| *limit > 0 && chosen.len() > *limit) {
        let remaining = chosen.len() - limit;
        chosen.truncate(limit);
        if let Some(last) = chosen.last() {
            let (namespace, name) = position(last);
            metadata["continue"] = json!(format!("{version}.{namespace}.{name}"));
        }
        if selector.is_empty() {
            metadata["remainingItemCount"] = json!(remaining);
        }
    }
    Ok(Answer::ok(presenter(server, call).list(&chosen, metadata)))
}

/// The objects that a list is made from, their version, and the last one that was shown: the present ones,
/// or those of the version that a further page or an exact list wants.
fn state_of(server: &Server, call: &Call) -> Result<Listed, ApiError> {
    let store = &server.objects.store;
    let (storage, namespace) = (&call.resource.storage, namespace(call));
    let past = |version| store.list_at(storage, namespace, version);
    let token = call.parameters.text("continue");
    if !token.is_empty() {
        let (version, after) = read_token(token)?;
        let objects = past(version).map_err(|_| ApiError::expired_continue())?;
        return Ok((objects, version, after));
    }
    let text = call.parameters.text("resourceVersion");
    let wanted: u64 = if text.is_empty() {
        0
    } else {
        text.parse().map_err(|_| {
            ApiError::bad_request(format!("resourceVersion: Invalid value: \"{text}\": must be a number"))
        })?
    };
    let (objects, version) = store.list(storage, namespace);
    if wanted > version {
        return Err(ApiError::version_of_the_future(wanted, version));
    }
    if call.parameters.text("resourceVersionMatch") == "Exact" && wanted > 0 {
        let expired = |error| match error {
            StoreError::Forgotten { requested, oldest } => ApiError::expired(requested, oldest),
            other @ (StoreError::NotFound(_) | StoreError::Exists(_) | StoreError::Conflict(_)) => {
                ApiError::internal(&other.to_string())
            }
        };
        return Ok((past(wanted).map_err(expired)?, wanted, None));
    }
    Ok((objects, version, None))
}

/// Changes as they happen.
pub(crate) fn watch(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let parameters = &call.parameters;
    let initial = parameters.is_set("sendInitialEvents");
    let version = match parameters.text("resourceVersion") {
        "" | "0" => None,
        _ if initial => None,
        text => Some(text.parse().map_err(|_| {
            ApiError::bad_request(format!("resourceVersion: Invalid value: \"{text}\": must be a number"))
        })?),
    };
    let terms = Terms {
        version,
        bookmarks: parameters.is_set("allowWatchBookmarks"),
        initial_bookmark: initial,
        timeout: parameters.number("timeoutSeconds").map(Duration::from_secs),
    };
    let scope = Scope {
        storage: call.resource.storage.clone(),
        namespace: namespace(call).map(ToOwned::to_owned),
        selector: selector(call)?,
        presenter: presenter(server, call),
    };
    let stream = stream(&server.objects.store, scope, &terms, server.stop.clone());
    Ok(Answer::Stream(Body::from_stream(stream)))
}

/// The object that a request names.
pub(crate) fn find(server: &Server, call: &Call) -> Result<Arc<Value>, ApiError> {
    let name = &call.attributes.name;
    let namespace = namespace(call).unwrap_or_default();
    server
        .objects
        .store
        .get(&call.resource.storage, namespace, name)
        .ok_or_else(|| ApiError::not_found(&call.resource, name))
}

/// The namespace of a request on a resource that has namespaces.
pub(crate) fn namespace(call: &Call) -> Option<&str> {
    let namespace = call.attributes.namespace.as_str();
    (call.resource.namespaced && !namespace.is_empty()).then_some(namespace)
}

/// What a request selects.
pub(crate) fn selector(call: &Call) -> Result<Selector, ApiError> {
    let parameters = &call.parameters;
    Selector::parse(parameters.text("labelSelector"), parameters.text("fieldSelector"), &call.resource)
}

/// How a request wants objects to be shown.
pub(crate) fn presenter(server: &Server, call: &Call) -> Presenter {
    Presenter {
        resource: Arc::clone(&call.resource),
        form: Form::of(&call.headers),
        include: Include::of(call.parameters.text("includeObject")),
        clock: server.clock.clone(),
    }
}

type Position = (String, String);

/// The objects of a list, their version, and the last one that an earlier page has shown.
type Listed = (Vec<Arc<Value>>, u64, Option<Position>);

fn position(object: &Value) -> Position {
    let text = |pointer| text_at(object, pointer).to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}

/// A token holds the list's version and the last object shown: `version.namespace.name`.
fn read_token(token: &str) -> Result<(u64, Option<Position>), ApiError> {
    let mut parts = token.splitn(3, '.');
    let version = parts.next().and_then(|version| version.parse().ok());
    match (version, parts.next(), parts.next()) {
        (Some(version), Some(namespace), Some(name)) => {
            Ok((version, Some((namespace.to_owned(), name.to_owned()))))
        }
        _ => Err(ApiError::bad_request("continue key is not valid")),
    }
}
