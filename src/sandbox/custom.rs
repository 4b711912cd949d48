//! Custom resource definitions: what one of them makes the server serve, and how its objects are judged.

mod rules;
mod served;

use serde_json::{Value, json};

use super::error::FieldError;
use super::json::{child_path, text_at};
use super::resources::ResourceType;
use super::schema::{Checker, child_schema, repeated_items};
use super::{metadata, names};

pub(crate) use self::served::{complete_definition, established, is_established, renew_status, resources_of};

use self::rules::Rules;

/// The schema of one version of a custom resource, with its rules compiled.
#[derive(Debug)]
pub struct CustomSchema {
    /// The `openAPIV3Schema`.
    pub schema: Value,
    /// The `additionalPrinterColumns`.
    pub columns: Vec<Value>,
    /// The fields of `selectableFields`, such as `spec.color`.
    pub(crate) selectable: Vec<String>,
    /// What whoever uses this version is warned of.
    pub(crate) deprecation: Option<String>,
    rules: Option<Rules>,
}

/// Which part of a custom resource a request may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything except the status.
    Main,
    /// The status alone.
    Status,
    /// The number of replicas alone.
    Scale,
    /// The finalizers of a namespace alone.
    Finalize,
}

/// An object that a request wants to store.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// What it is on.
    pub(crate) resource: &'a ResourceType,
    /// The object.
    pub(crate) object: &'a Value,
    /// What is stored.
    pub(crate) old: Option<&'a Value>,
    /// What the request may change.
    pub(crate) part: Part,
}

impl CustomSchema {
    fn new(schema: &Value, columns: Vec<Value>) -> Self {
        let rules = Rules::of(schema);
        Self { schema: schema.clone(), columns, selectable: Vec::new(), deprecation: None, rules }
    }

    /// What is wrong with an object, given the complaints about its metadata.
    pub(crate) fn judge(
        &self,
        candidate: Candidate<'_>,
        metadata_errors: Vec<FieldError>,
    ) -> Vec<FieldError> {
        let Candidate { resource, object, old, .. } = candidate;
        let kind = text_at(object, "/kind");
        let mut errors = if kind == resource.kind {
            self.judge_fields(candidate, metadata_errors)
        } else {
            let detail = format!("must be {}", resource.kind);
            vec![FieldError::invalid("kind", &json!(kind), &detail)]
        };
        judge_embedded(&self.schema, object, "", &mut errors);
        repeated_items(&self.schema, object, "", &mut errors);
        if let Some(rules) = &self.rules {
            if errors.iter().any(FieldError::blocks_rules) {
                let unchecked = "some validation rules were not checked because the object was invalid; correct \
                                 the existing errors to complete validation";
                errors.push(FieldError::invalid("<nil>", &Value::Null, unchecked));
            } else {
                errors.extend(rules.broken(&self.schema, object, old));
            }
        }
        errors
    }

    fn judge_fields(&self, candidate: Candidate<'_>, metadata_errors: Vec<FieldError>) -> Vec<FieldError> {
        let Candidate { resource, object, old, part } = candidate;
        let base = if part == Part::Status { "status" } else { "" };
        let mut checker = Checker::new(metadata_errors, base);
        match part {
            Part::Main | Part::Scale | Part::Finalize => checker.check(&self.schema, object, old, ""),
            Part::Status => {
                if let Some(status) = object.get("status") {
                    let before = old.and_then(|old| old.get("status"));
                    checker.check(&self.schema["properties"]["status"], status, before, "");
                }
            }
        }
        let mut errors = checker.errors;
        if let Some(scale) = &resource.scale {
            if part != Part::Status {
                errors.extend(count_error(object, &scale.spec_replicas));
            }
            errors.extend(count_error(object, &scale.status_replicas));
        }
        errors
    }
}

/// Objects inside an object need a type, and their metadata is held to the same rules.
fn judge_embedded(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            if schema["x-kubernetes-embedded-resource"] == true {
                judge_type(value, path, errors);
                if value["metadata"].is_object() {
                    metadata::judge_embedded(&value["metadata"], &child_path(path, "metadata"), errors);
                }
            }
            for (name, child) in map {
                judge_embedded(child_schema(schema, name), child, &child_path(path, name), errors);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                judge_embedded(&schema["items"], item, &format!("{path}[{index}]"), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn judge_type(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        let at = child_path(path, name);
        match &object[name] {
            Value::Null => errors.push(FieldError::required(at, "must not be empty")),
            Value::String(text) if text.is_empty() => {
                errors.push(FieldError::invalid(at, &json!(""), "must not be empty"));
            }
            Value::String(text) if name == "kind" => {
                let wrong = names::letter_label(&text.to_lowercase()).join(",");
                if !wrong.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {wrong}");
                    errors.push(FieldError::invalid(at, &object[name], &detail));
                }
            }
            Value::String(text) if text.matches('/').count() > 1 => {
                let detail = format!("unexpected GroupVersion string: {text}");
                errors.push(FieldError::invalid(at, &object[name], &detail));
            }
            Value::String(_) => {}
            other => errors.push(FieldError::invalid(at, other, "must be a string")),
        }
    }
}

fn count_error(object: &Value, pointer: &str) -> Option<FieldError> {
    let value = object.pointer(pointer)?;
    let field = pointer.replace('/', ".");
    match value.as_i64() {
        None => {
            let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let detail =
                format!("{field} accessor error: {shown} is of the type {}, expected int64", type_of(value));
            Some(FieldError::invalid(field, &json!(0), &detail))
        }
        Some(count) if count < 0 => {
            Some(FieldError::invalid(field, value, "should be a non-negative integer"))
        }
        Some(_) => None,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The value at a path such as `spec.entries[1].name`; null when there is none.
fn value_at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let pointer = path
        .replace('[', ".")
        .replace(']', "")
        .split('.')
        .fold(String::new(), |at, part| if part.is_empty() { at } else { format!("{at}/{part}") });
    object.pointer(&pointer).unwrap_or(&Value::Null)
}
