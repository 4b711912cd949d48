//! Create, update, patch and delete.

mod applying;
mod bodies;
mod options;

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::admission::{self, typing_of};
use super::custom::Part;
use super::error::{ApiError, FieldError, details_of};
use super::faces;
use super::json::{self, Parsed, object_at, text_at};
use super::objects::Written;
use super::reading::{find, namespace, presenter, selector};
use super::request::content_type;
use super::server::{Answer, Call, Server};
use super::{patch as patches, scale};

pub(crate) use self::bodies::body_of;

use self::applying::apply;
use self::options::{deletion_of, part_of, write_of};

/// How often a patch is tried again when someone else was faster.
const ATTEMPTS: usize = 10;

const APPLY: &str = "application/apply-patch+yaml";

/// Adds an object.
pub(crate) fn create(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let body = body_of(call)?;
    let write = write_of(call, false)?;
    let namespace = namespace(call).unwrap_or_default();
    let written = server.objects.create(&call.resource, namespace, body, &write)?;
    Ok(shown(server, call, StatusCode::CREATED, &written))
}

/// Replaces an object, its status or its scale.
pub(crate) fn update(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let mut body = body_of(call)?;
    let write = write_of(call, false)?;
    let resource = &call.resource;
    let name = &call.attributes.name;
    if write.part == Part::Scale
        && let Some(paths) = &resource.scale
    {
        check_name(&body.value, name)?;
        return retry(server, call, |present| {
            let value = scale::set(resource, paths, present, &body.value)?;
            server.objects.update(resource, present, plain(value), &write)
        });
    }
    admission::check_identity(resource, &mut body.value, namespace(call).unwrap_or_default())?;
    check_name(&body.value, name)?;
    let present = match find(server, call) {
        Err(_) if resource.made_by_update() && write.part == Part::Main => {
            let metadata = object_at(&mut body.value, "metadata");
            metadata.remove("resourceVersion");
            let written =
                server.objects.create(resource, namespace(call).unwrap_or_default(), body, &write)?;
            return Ok(shown(server, call, StatusCode::CREATED, &written));
        }
        found => found?,
    };
    if text_at(&body.value, "/metadata/resourceVersion").is_empty() && !resource.unconditional_update {
        let error =
            FieldError::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        return Err(ApiError::invalid(&resource.group, &resource.plural, name, &[error]));
    }
    let written = server.objects.update(resource, &present, body, &write)?;
    let written = written.ok_or_else(|| ApiError::conflict(resource, name))?;
    Ok(shown(server, call, StatusCode::OK, &written))
}

/// An update says whose it is.
fn check_name(body: &Value, name: &str) -> Result<(), ApiError> {
    match text_at(body, "/metadata/name") {
        found if found == name => Ok(()),
        "" => Err(ApiError::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        ))),
        found => Err(ApiError::bad_request(format!(
            "the name of the object ({found}) does not match the name on the URL ({name})"
        ))),
    }
}

/// Changes an object, its status or its scale.
pub(crate) fn patch(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let format = content_type(&call.headers);
    let custom = call.resource.custom.is_some();
    let accepted = match format {
        "application/json-patch+json" | "application/merge-patch+json" | APPLY => true,
        "application/strategic-merge-patch+json" => !custom,
        _ => false,
    };
    if !accepted {
        return Err(ApiError::unsupported_media_type(if custom {
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        } else {
            "application/json-patch+json, application/merge-patch+json, \
             application/strategic-merge-patch+json, application/apply-patch+yaml"
        }));
    }
    if format == APPLY {
        return apply(server, call);
    }
    let write = write_of(call, true)?;
    let change = json::parse(&call.body).map_err(|error| {
        let decoding =
            if format == "application/strategic-merge-patch+json" { "" } else { "error decoding patch: " };
        ApiError::bad_request(format!("{decoding}{error}"))
    })?;
    let resource = &call.resource;
    retry(server, call, |present| {
        let mut value = faces::from_stored(resource, present);
        let scaled = resource.scale.as_ref().filter(|_| write.part == Part::Scale);
        if let Some(paths) = scaled {
            value = scale::patched(resource, paths, present);
        }
        match format {
            "application/json-patch+json" => patches::json_patch(&mut value, change.value.clone())?,
            "application/merge-patch+json" => patches::merge_patch(&mut value, &change.value)?,
            _ => patches::strategic_merge(&mut value, &change.value, typing_of(resource))?,
        }
        if let Some(paths) = scaled {
            value = scale::set(resource, paths, present, &value)?;
        }
        // A patch can't turn an object into one of another version.
        value["apiVersion"] = json!(resource.api_version());
        if text_at(&value, "/metadata/name") != call.attributes.name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                text_at(&value, "/metadata/name"),
                call.attributes.name
            )));
        }
        let wanted = Parsed { value, duplicates: change.duplicates.clone() };
        server.objects.update(resource, present, wanted, &write)
    })
}

/// Deletes an object.
pub(crate) fn delete(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let deletion = deletion_of(call)?;
    let present = find(server, call)?;
    let (object, gone) = server.objects.delete(&call.resource, &present, &deletion)?;
    if !gone || call.resource.shown_when_deleted() {
        return Ok(Answer::ok(presenter(server, call).object(&object)));
    }
    let mut details = details_of(&call.resource, &call.attributes.name);
    details["uid"] = object["metadata"]["uid"].clone();
    Ok(Answer::ok(json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })))
}

/// Deletes what is selected.
pub(crate) fn delete_collection(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let deletion = deletion_of(call)?;
    let selector = selector(call)?;
    let (objects, version) = server.objects.store.list(&call.resource.storage, namespace(call));
    let mut deleted = Vec::new();
    for object in objects.iter().filter(|object| selector.matches(object)) {
        server.objects.delete(&call.resource, object, &deletion)?;
        deleted.push(Arc::clone(object));
    }
    let metadata = json!({"resourceVersion": version.to_string()});
    Ok(Answer::ok(presenter(server, call).list(&deleted, metadata)))
}

/// Reads the present object and changes it, again when someone else was faster.
fn retry(
    server: &Server,
    call: &Call,
    attempt: impl Fn(&Arc<Value>) -> Result<Option<Written>, ApiError>,
) -> Result<Answer, ApiError> {
    for _ in 0..ATTEMPTS {
        let present = find(server, call)?;
        if let Some(written) = attempt(&present)? {
            return match call.resource.scale.as_ref().filter(|_| part_of(call) == Part::Scale) {
                Some(paths) => Ok(Answer::ok(scale::of(&call.resource, paths, &written.object)?)),
                None => Ok(shown(server, call, StatusCode::OK, &written)),
            };
        }
    }
    Err(ApiError::conflict(&call.resource, &call.attributes.name))
}

fn shown(server: &Server, call: &Call, code: StatusCode, written: &Written) -> Answer {
    Answer::Object(code, presenter(server, call).object(&written.object), written.warnings.clone())
}

fn plain(value: Value) -> Parsed {
    Parsed { value, duplicates: Vec::new() }
}
