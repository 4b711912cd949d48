//! Get, list and watch.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};

use super::error::ApiError;
use super::json::text_at;
use super::listing::{ListOptions, Place};
use super::present::Presenter;
use super::scale;
use super::selectors::Selector;
use super::server::{Answer, Call, Server};
use super::store::StoreError;
use super::table::Include;
use super::watch::{Scope, Terms, stream};

/// How long a request waits for a version that has not come yet.
const FRESHNESS: Duration = Duration::from_secs(3);

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
    let options = ListOptions::of(&call.parameters, false)?;
    let selector = selector(call)?;
    let (objects, version, after) = state_of(server, call, &options)?;
    let after = after.map(|place| (place.namespace, place.name));
    let mut chosen: Vec<Arc<Value>> = objects
        .into_iter()
        .filter(|object| selector.matches(object))
        .filter(|object| after.as_ref().is_none_or(|after| position(object) > *after))
        .collect();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let Some(limit) = options.limit.filter(|limit| chosen.len() > *limit) {
        let remaining = chosen.len() - limit;
        chosen.truncate(limit);
        if let Some(last) = chosen.last() {
            let (namespace, name) = position(last);
            metadata["continue"] = json!(Place { version, namespace, name }.token());
        }
        if selector.is_empty() {
            metadata["remainingItemCount"] = json!(remaining);
        }
    }
    Ok(Answer::ok(presenter(server, call).list(&chosen, metadata)))
}

/// The objects that a list is made from, their version, and the last one that was shown: the present ones,
/// or those of the version that a further page or an exact list wants.
fn state_of(server: &Server, call: &Call, options: &ListOptions) -> Result<Listed, ApiError> {
    let store = &server.objects.store;
    let (storage, namespace) = (&call.resource.storage, namespace(call));
    let past = |version| store.list_at(storage, namespace, version);
    if !options.continued.is_empty() {
        let place = Place::of(&options.continued)?;
        if !matches!(options.version.as_str(), "" | "0") {
            let message = "specifying resource version is not allowed when using continue";
            return Err(ApiError::bad_request(message));
        }
        let objects = past(place.version).map_err(|_| ApiError::expired_continue())?;
        return Ok((objects, place.version, Some(place)));
    }
    let wanted = options.list_version()?;
    let (objects, version) = store.list(storage, namespace);
    if options.exact && wanted > 0 {
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

/// Waits until the server is as new as a request wants its answer to be.
///
/// # Errors
/// 504 when it isn't after a while.
pub(crate) async fn await_version(server: &Server, call: &Call) -> Result<(), ApiError> {
    let wanted = match call.attributes.verb.as_str() {
        "get" => call.parameters.number("resourceVersion").unwrap_or_default(),
        "list" => ListOptions::of(&call.parameters, false)?.list_version()?,
        "watch" => {
            let options = ListOptions::of(&call.parameters, true)?;
            let version = options.watch_version(&call.resource.group, &call.resource.plural)?;
            // Any other watch just shows nothing until then.
            if options.initial_events { version } else { 0 }
        }
        _ => 0,
    };
    let store = &server.objects.store;
    if wanted <= store.version() || tokio::time::timeout(FRESHNESS, store.reached(wanted)).await.is_ok() {
        return Ok(());
    }
    Err(ApiError::version_of_the_future(wanted, store.version()))
}

/// Changes as they happen.
pub(crate) fn watch(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let options = ListOptions::of(&call.parameters, true)?;
    let version = options.watch_version(&call.resource.group, &call.resource.plural)?;
    let terms = Terms {
        version: (version > 0 && !options.initial_events).then_some(version),
        bookmarks: options.bookmarks,
        initial_bookmark: options.initial_events,
        timeout: options.timeout_seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
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
        form: call.wanted.form,
        include: Include::of(call.parameters.text("includeObject")),
        clock: server.clock.clone(),
    }
}

type Position = (String, String);

/// The objects of a list, their version, and the last one that an earlier page has shown.
type Listed = (Vec<Arc<Value>>, u64, Option<Place>);

fn position(object: &Value) -> Position {
    let text = |pointer| text_at(object, pointer).to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}
