//! Numbers that may be shares, such as `25%`, and the kinds whose rules are about them (Kubernetes,
//! `pkg/apis/apps/validation` and `pkg/apis/policy/validation`).

use serde_json::Value;

use super::super::error::FieldError;
use super::labels;
use super::values::{NEGATIVE, judge_choice};

/// What is wrong with a number of pods, or a share of them.
pub(super) fn judge(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) if !is_share(text) => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                          '93%', regex used for validation is '[0-9]+%')";
            errors.push(FieldError::invalid(path, value, detail));
        }
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.push(FieldError::invalid(path, value, NEGATIVE));
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {}
    }
}

/// What is more than everything.
pub(super) fn judge_most(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let share = value.as_str().filter(|text| is_share(text)).and_then(|text| text.strip_suffix('%'));
    if share.is_some_and(|share| share.parse::<u64>().is_ok_and(|share| share > 100)) {
        errors.push(FieldError::invalid(path, value, "must not be greater than 100%"));
    }
}

fn is_share(text: &str) -> bool {
    let digits = text.strip_suffix('%').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// What is wrong with a `PodDisruptionBudget`.
pub(super) fn judge_budget(object: &Value, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !least.is_null() && !most.is_null() {
        // The fields of the server's own type, in its order.
        let message = format!(
            "Invalid value: {{\"MinAvailable\":{least},\"Selector\":{},\"MaxUnavailable\":{most},\
             \"UnhealthyPodEvictionPolicy\":{}}}: minAvailable and maxUnavailable cannot be both set",
            spec["selector"], spec["unhealthyPodEvictionPolicy"]
        );
        errors.push(FieldError { reason: "FieldValueInvalid", field: "spec".to_owned(), message });
    }
    for (value, path) in [(least, "spec.minAvailable"), (most, "spec.maxUnavailable")] {
        judge(value, path, errors);
        judge_most(value, path, errors);
    }
    labels::judge_selector(&spec["selector"], "spec.selector", errors);
    if spec["unhealthyPodEvictionPolicy"].is_string() {
        let known = ["AlwaysAllow", "IfHealthyBudget"];
        judge_choice(spec, "spec", "unhealthyPodEvictionPolicy", &known, errors);
    }
}
