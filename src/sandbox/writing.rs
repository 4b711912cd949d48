//! Create, update, patch and delete.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::admission::{self, Strictness, typing_of};
use super::custom::Part;
use super::deletion::Deletion;
use super::dependents::Dependents;
use super::error::{ApiError, FieldError, details_of};
use super::faces;
use super::json::{self, Parsed, object_at, text_at};
use super::managers::{self, Manager};
use super::metadata;
use super::objects::{Write, Written};
use super::protobuf::{self, ProtobufError};
use super::reading::{find, namespace, presenter, selector};
use super::request::content_type;
use super::resources::ScalePaths;
use super::server::{Answer, Call, Server};
use super::{patch as patches, scale};

/// How often a patch is tried again when someone else was faster.
const ATTEMPTS: usize = 10;

/// How much of a body that can't be read is shown.
const SUMMARY: usize = 30;

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

fn apply(server: &Server, call: &Call) -> Result<Answer, ApiError> {
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

/// The body of a request that is an object of the resource that the request is on.
pub(crate) fn body_of(call: &Call) -> Result<Parsed, ApiError> {
    let parsed = parsed_body(call)?;
    if call.resource.custom.is_some() && call.attributes.subresource != "scale" {
        let wrong = if text_at(&parsed.value, "/kind").is_empty() {
            Some(format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(&call.body)))
        } else {
            metadata::misfit(&parsed.value["metadata"])
        };
        if let Some(wrong) = wrong {
            let (kind, version) = (&call.resource.kind, &call.resource.version);
            let message = format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {wrong}");
            return Err(ApiError::bad_request(message));
        }
    }
    Ok(parsed)
}

fn parsed_body(call: &Call) -> Result<Parsed, ApiError> {
    let parsed = match content_type(&call.headers) {
        "application/json" | "" => json::parse(&call.body),
        "application/yaml" => json::parse_yaml(&call.body),
        protobuf::MEDIA_TYPE => return from_protobuf(&call.body),
        _ => {
            return Err(ApiError::unsupported_media_type(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
    };
    let kind = &call.resource.kind;
    let parsed = parsed.map_err(|error| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse \
             error: {error} ({})",
            summary(&call.body)
        ))
    })?;
    if !parsed.value.is_object() {
        let found = match &parsed.value {
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::Null | Value::Object(_) => "null",
        };
        let version = &call.resource.version;
        // What comes before the type is read is told apart from what comes after it.
        return Err(ApiError::bad_request(if found == "null" {
            format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: Object 'Kind' is missing in 'null'"
            )
        } else {
            format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse \
                 error: json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \
                 \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }} ({})",
                summary(&call.body)
            )
        }));
    }
    Ok(parsed)
}

/// The beginning of a body, as a message shows it: text that looks like JSON as it is, anything else in
/// hexadecimal digits.
fn summary(body: &[u8]) -> String {
    let start = body.get(..SUMMARY).unwrap_or(body);
    let more = if body.len() > start.len() { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(start)),
        Some(_) => {
            let digits: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}{more}", digits.concat())
        }
    }
}

fn from_protobuf(body: &[u8]) -> Result<Parsed, ApiError> {
    match protobuf::object(body) {
        Ok(value) => Ok(plain(value)),
        Err(ProtobufError::UnknownKind(_)) => {
            Err(ApiError::unsupported_media_type("application/json, application/yaml"))
        }
        Err(error) => Err(ApiError::bad_request(error.to_string())),
    }
}

fn plain(value: Value) -> Parsed {
    Parsed { value, duplicates: Vec::new() }
}

fn part_of(call: &Call) -> Part {
    match call.attributes.subresource.as_str() {
        "status" => Part::Status,
        "scale" => Part::Scale,
        "finalize" => Part::Finalize,
        _ => Part::Main,
    }
}

fn write_of(call: &Call, patched: bool) -> Result<Write, ApiError> {
    let parameters = &call.parameters;
    let agent = call.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
    let name = match (parameters.text("fieldManager"), agent.unwrap_or_default()) {
        ("", "") => "unknown",
        ("", agent) => agent.split('/').next().unwrap_or_default(),
        (manager, _) => manager,
    };
    let strictness = match parameters.text("fieldValidation") {
        "Strict" => Strictness::Strict,
        "Ignore" => Strictness::Ignore,
        _ => Strictness::Warn,
    };
    let options = match call.attributes.verb.as_str() {
        "create" => "CreateOptions",
        "update" => "UpdateOptions",
        _ => "PatchOptions",
    };
    let apply = patched && content_type(&call.headers) == APPLY;
    let errors = parameters.judge_options(patched, apply);
    if !errors.is_empty() {
        return Err(ApiError::invalid_options(options, &errors));
    }
    let manager = Manager {
        name: name.to_owned(),
        applies: false,
        api_version: call.resource.api_version(),
        subresource: call.attributes.subresource.clone(),
    };
    Ok(Write { manager, part: part_of(call), dry_run: parameters.dry_run(), strictness, patched })
}

fn deletion_of(call: &Call) -> Result<Deletion, ApiError> {
    let options = if call.body.is_empty() { json!({}) } else { parsed_body(call)?.value };
    let option = |pointer: &str| options.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let policy =
        option("/propagationPolicy").unwrap_or_else(|| call.parameters.text("propagationPolicy").to_owned());
    let mut errors = Vec::new();
    if !policy.is_empty() && !options["orphanDependents"].is_null() {
        let detail = "orphanDependents and deletionPropagation cannot be both set";
        errors.push(FieldError::invalid("propagationPolicy", &json!(policy), detail));
    }
    let policies = ["Foreground", "Background", "Orphan", "nil"];
    if !policy.is_empty() && !policies[..3].contains(&policy.as_str()) {
        errors.push(FieldError::unsupported("propagationPolicy", &json!(policy), &policies.map(Value::from)));
    }
    let dry_runs = options["dryRun"].as_array().cloned().unwrap_or_default();
    if dry_runs.iter().any(|dry_run| dry_run != "All") {
        errors.push(FieldError::unsupported("dryRun", &json!(dry_runs), &[json!("All")]));
    }
    errors.extend(call.parameters.judge_dry_run());
    if !errors.is_empty() {
        return Err(ApiError::invalid_options("DeleteOptions", &errors));
    }
    let dependents = match policy.as_str() {
        "Orphan" => Dependents::Orphan,
        "Foreground" => Dependents::Foreground,
        _ if options["orphanDependents"] == true => Dependents::Orphan,
        _ => Dependents::Background,
    };
    let dry_run = call.parameters.dry_run() || !dry_runs.is_empty();
    Ok(Deletion {
        uid: option("/preconditions/uid"),
        version: option("/preconditions/resourceVersion"),
        dependents,
        grace: options["gracePeriodSeconds"].as_u64().or(call.parameters.number("gracePeriodSeconds")),
        dry_run,
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
