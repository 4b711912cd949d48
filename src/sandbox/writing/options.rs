//! How a request wants something to be written or deleted.

use serde_json::{Value, json};

use super::super::admission::Strictness;
use super::super::custom::Part;
use super::super::deletion::Deletion;
use super::super::dependents::Dependents;
use super::super::error::{ApiError, FieldError};
use super::super::json::{go_kind, parse, parse_yaml};
use super::super::managers::Manager;
use super::super::objects::Write;
use super::super::protobuf;
use super::super::request::content_type;
use super::super::server::Call;
use super::APPLY;
use super::bodies::parsed_body;

/// Which part of an object a request may change.
pub(super) fn part_of(call: &Call) -> Part {
    match call.attributes.subresource.as_str() {
        "status" => Part::Status,
        "scale" => Part::Scale,
        "finalize" => Part::Finalize,
        _ => Part::Main,
    }
}

/// How a request writes.
pub(super) fn write_of(call: &Call, patched: bool) -> Result<Write, ApiError> {
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

/// The body of a deletion. A real server says what is wrong with it as it is.
fn deletion_options(call: &Call) -> Result<Value, ApiError> {
    if content_type(&call.headers) == protobuf::MEDIA_TYPE {
        return Ok(parsed_body(call)?.value);
    }
    let yaml = content_type(&call.headers) == "application/yaml";
    let parsed = if yaml { parse_yaml(&call.body) } else { parse(&call.body) };
    let options = parsed.map_err(|error| {
        ApiError::odd_options(format!("couldn't get version/kind; json parse error: {error}"))
    })?;
    let options = options.value;
    for (field, wanted, fits) in [
        ("gracePeriodSeconds", "int64", Value::is_i64 as fn(&Value) -> bool),
        ("orphanDependents", "bool", Value::is_boolean),
        ("propagationPolicy", "v1.DeletionPropagation", Value::is_string),
        ("preconditions", "v1.Preconditions", Value::is_object),
        ("dryRun", "[]string", Value::is_array),
    ] {
        let found = match &options[field] {
            Value::Null => continue,
            value if fits(value) => continue,
            Value::Number(number) if wanted == "int64" => format!("number {number}"),
            other => go_kind(other).to_owned(),
        };
        return Err(ApiError::odd_options(format!(
            "json: cannot unmarshal {found} into Go struct field DeleteOptions.{field} of type {wanted}"
        )));
    }
    Ok(options)
}

/// How a request deletes.
pub(super) fn deletion_of(call: &Call) -> Result<Deletion, ApiError> {
    let options = if call.body.is_empty() { json!({}) } else { deletion_options(call)? };
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
