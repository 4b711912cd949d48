//! Rules of single values that many kinds have.

use serde_json::{Value, json};

use super::super::error::FieldError;

/// The numbers of ports.
pub(super) const PORTS: std::ops::RangeInclusive<i64> = 1..=65_535;

/// What is said of a number that is none of a port.
pub(super) const NO_PORT: &str = "must be between 1 and 65535, inclusive";

/// What is said of a number below zero.
pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";

/// What is wrong with a field of `object`, which stands at `path`, that is to be one of these.
pub(super) fn judge_choice(
    object: &Value,
    path: &str,
    field: &str,
    known: &[&str],
    errors: &mut Vec<FieldError>,
) {
    let found = object[field].as_str().unwrap_or_default();
    if !known.contains(&found) {
        let known: Vec<Value> = known.iter().map(|name| json!(name)).collect();
        errors.push(FieldError::unsupported(format!("{path}.{field}"), &json!(found), &known));
    }
}

/// The same of a field that may be empty.
pub(super) fn judge_given_choice(
    object: &Value,
    path: &str,
    field: &str,
    known: &[&str],
    errors: &mut Vec<FieldError>,
) {
    if object[field].as_str().is_some_and(|found| !found.is_empty()) {
        judge_choice(object, path, field, known, errors);
    }
}

/// What is wrong with a field of `object`, which stands at `path`, that is a number of something.
pub(super) fn judge_count(object: &Value, field: &str, path: &str, errors: &mut Vec<FieldError>) {
    if object[field].as_i64().is_some_and(|count| count < 0) {
        errors.push(FieldError::invalid(format!("{path}.{field}"), &object[field], NEGATIVE));
    }
}

/// Adds each of the things that are wrong with a name to the errors of the field that it stands in.
pub(super) fn judge_name(field: &str, name: &Value, wrong: &[String], errors: &mut Vec<FieldError>) {
    errors.extend(wrong.iter().map(|wrong| FieldError::invalid(field, name, wrong)));
}
