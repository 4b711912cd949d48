//! Rules of labels and of what selects by them (apimachinery, `pkg/apis/meta/v1/validation`).

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::names;
use super::values::judge_name;

/// What is wrong with labels, which stand at `path`.
pub(super) fn judge(labels: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        judge_name(path, &json!(key), &names::qualified(key), errors);
        judge_name(path, &json!(value), &names::label_value(value), errors);
    }
}

/// What is wrong with a selector, which stands at `path`.
pub(super) fn judge_selector(selector: &Value, path: &str, errors: &mut Vec<FieldError>) {
    judge(&selector["matchLabels"], &format!("{path}.matchLabels"), errors);
    for (index, term) in selector["matchExpressions"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = term["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        let operator = term["operator"].as_str().unwrap_or_default();
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{path}.values"), detail));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => {
                let at = format!("{path}.operator");
                errors.push(FieldError::invalid(at, &json!(operator), "not a valid selector operator"));
            }
        }
        let key = term["key"].as_str().unwrap_or_default();
        judge_name(&format!("{path}.key"), &json!(key), &names::qualified(key), errors);
        for (index, value) in values.iter().enumerate() {
            let wrong = names::label_value(value.as_str().unwrap_or_default());
            judge_name(&format!("{path}.values[{index}]"), value, &wrong, errors);
        }
    }
}
