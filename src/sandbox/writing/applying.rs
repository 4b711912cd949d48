//! Server-side apply.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::admission::{self, typing_of};
use super::super::custom::Part;
use super::super::error::ApiError;
use super::super::faces;
use super::super::json::{self, Parsed, object_at, text_at};
use super::super::managers;
use super::super::reading::namespace;
use super::super::resources::ScalePaths;
use super::super::server::{Answer, Call, Server};
use super::options::write_of;
use super::{retry, shown};

/// Makes or changes an object so that it has what a configuration says.
pub(super) fn apply(server: &Server, call: &Call) -> Result<Answer, ApiError> {
    let parameters = &call.parameters;
    let mut write = write_of(call, true)?;
    write.manager.applies = true;
    let resource = &call.resource;
    let Parsed { value: mut config, duplicates } = json::parse_yaml(&call.body)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))?;
    let scaled = write.part == Part::Scale;
    let version = if scaled { "autoscaling/v1".to_owned() } else { resource.api_version() };
    let found = text_at(&config, "/apiVersion");
    if found != version {
        return Err(ApiError::bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {found}, expected: {version}"
        )));
    }
    if !config["metadata"]["managedFields"].is_null() {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let name = &call.attributes.name;
    let found = text_at(&config, "/metadata/name");
    if !found.is_empty() && found != name {
        return Err(ApiError::bad_request(format!(
            "metadata.name: Invalid value: \"{found}\": must match the name on the URL ({name})"
        )));
    }
    if let Some(paths) = resource.scale.as_ref().filter(|_| write.part == Part::Scale) {
        config = scale_config(paths, &config, &resource.api_version(), &resource.kind);
    }
    admission::check_identity(resource, &mut config, namespace(call).unwrap_or_default())?;
    object_at(&mut config, "metadata").insert("name".to_owned(), json!(name));
    let config = admission::confine_config(resource, config, write.part)?;
    let now = server.objects.store.now();
    let force = parameters.is_set("force");
    let merged =
        |live: &Value| managers::apply(live, &config, &write.manager, force, &now, typing_of(resource));
    let place = namespace(call).unwrap_or_default();
    if server.objects.store.get(&resource.storage, place, name).is_none() {
        if write.part != Part::Main {
            return Err(ApiError::not_found(resource, name));
        }
        let live = json!({"apiVersion": config["apiVersion"], "kind": config["kind"], "metadata": {}});
        let body = Parsed { value: merged(&live)?, duplicates };
        let written = server.objects.create(resource, place, body, &write)?;
        return Ok(shown(server, call, StatusCode::CREATED, &written));
    }
    retry(server, call, |present| {
        let value = merged(&faces::from_stored(resource, present))?;
        let wanted = Parsed { value, duplicates: duplicates.clone() };
        server.objects.update(resource, present, wanted, &write)
    })
}

/// A configuration of a scale as one of the object that has it.
fn scale_config(paths: &ScalePaths, config: &Value, api_version: &str, kind: &str) -> Value {
    let mut nested = config["spec"]["replicas"].clone();
    for field in paths.spec_replicas.rsplit('/').filter(|field| !field.is_empty()) {
        nested = json!({field: nested});
    }
    nested["apiVersion"] = json!(api_version);
    nested["kind"] = json!(kind);
    nested["metadata"] = json!({});
    nested
}
