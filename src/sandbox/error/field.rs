//! What is wrong with one field of an object.

use serde_json::{Value, json};

use super::super::gotext::shown;

/// One complaint about one field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The reason, such as `FieldValueRequired`.
    pub reason: &'static str,
    /// The path of the field, such as `spec.entries[1].name`.
    pub field: String,
    /// What is wrong, such as `Required value`.
    pub message: String,
}

impl FieldError {
    /// The value of `field` is not acceptable; `value` is shown as JSON.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {}: {detail}", shown(value));
        Self { reason: "FieldValueInvalid", field: field.into(), message }
    }

    /// The value of `field` is not acceptable and too large to be shown.
    pub(crate) fn invalid_unshown(field: impl Into<String>, detail: &str) -> Self {
        let message = format!("Invalid value: {detail}");
        Self { reason: "FieldValueInvalid", field: field.into(), message }
    }

    /// The value of `field` has the wrong type.
    pub(crate) fn wrong_type(field: impl Into<String>, found: &str, detail: &str) -> Self {
        let message = format!("Invalid value: {found:?}: {detail}: {found:?}");
        Self { reason: "FieldValueTypeInvalid", field: field.into(), message }
    }

    /// `field` is missing; `detail` may be empty.
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = prefixed("Required value", detail);
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    /// `field` must not be set.
    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        let message = prefixed("Forbidden", detail);
        Self { reason: "FieldValueForbidden", field: field.into(), message }
    }

    /// `field` repeats a value that may be there once.
    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", shown(value));
        Self { reason: "FieldValueDuplicate", field: field.into(), message }
    }

    /// What `field` names isn't there.
    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Not found: {}", shown(value));
        Self { reason: "FieldValueNotFound", field: field.into(), message }
    }

    /// `field` is not one of the values in `supported`.
    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[Value]) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| shown(value), ToOwned::to_owned);
        let names: Vec<String> = supported.iter().map(|value| format!("{:?}", text(value))).collect();
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), names.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    /// The text in `field` is longer than `limit`.
    pub(crate) fn too_long(field: impl Into<String>, limit: u64) -> Self {
        let message = format!("Too long: may not be more than {limit} bytes");
        Self { reason: "FieldValueTooLong", field: field.into(), message }
    }

    /// The list or map in `field` has more than `limit` items.
    pub(crate) fn too_many(field: impl Into<String>, count: usize, limit: u64) -> Self {
        let message = format!("Too many: {count}: must have at most {limit} items");
        Self { reason: "FieldValueTooMany", field: field.into(), message }
    }

    /// Whether rules in CEL can't sensibly run on an object with this error.
    pub(crate) fn blocks_rules(&self) -> bool {
        !matches!(self.reason, "FieldValueInvalid" | "FieldValueDuplicate" | "FieldValueForbidden")
    }

    /// The complaint as one of the causes of a `Status`.
    pub(super) fn cause(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

fn prefixed(what: &str, detail: &str) -> String {
    if detail.is_empty() { what.to_owned() } else { format!("{what}: {detail}") }
}
