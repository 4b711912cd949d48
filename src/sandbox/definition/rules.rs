//! The rules in CEL of a schema (apiextensions-apiserver, `pkg/apis/apiextensions/validation`).

use kube::core::cel::{CompilationError, compile_schema};
use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::json::text_at;
use super::{check, cost};

/// What is wrong with the rules of a schema, which is evaluated so many times, and what they may cost in all.
pub(super) fn judge(schema: &Value, path: &str, times: u64, total: &mut u64, errors: &mut Vec<FieldError>) {
    let rules = schema["x-kubernetes-validations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let whole =
        (times == 1 && !path.contains(".properties[")) || schema["x-kubernetes-embedded-resource"] == true;
    let typed = if whole && !rules.is_empty() { cost::with_metadata(schema) } else { Value::Null };
    let own = json!({"x-kubernetes-validations": rules});
    let compiled = compile_schema(&own);
    for (index, (rule, result)) in rules.iter().zip(&compiled.validations).enumerate() {
        let at = |key: &str| format!("{path}.x-kubernetes-validations[{index}].{key}");
        if text_at(rule, "/rule").trim().is_empty() {
            errors.push(FieldError::required(at("rule"), "rule is not specified"));
            continue;
        }
        let before = errors.len();
        judge_words(rule, schema, &at, errors);
        if errors.len() > before {
            continue;
        }
        let failed = |key: &str, source: &dyn std::fmt::Display| {
            let message = format!("Invalid value: {}: compilation failed: {source}", cost::shown(rule));
            FieldError { reason: "FieldValueInvalid", field: at(key), message }
        };
        let compiled = match result {
            Ok(compiled) => compiled,
            Err(CompilationError::MessageExpressionParse { source, .. }) => {
                errors.push(failed("messageExpression", source));
                continue;
            }
            Err(CompilationError::Parse { source, .. }) => {
                errors.push(failed("rule", source));
                continue;
            }
            Err(other) => {
                errors.push(failed("rule", other));
                continue;
            }
        };
        let place = if typed.is_null() { schema } else { &typed };
        let before = errors.len();
        for (key, program, wanted) in [
            ("rule", Some(&compiled.program), check::Result::Bool),
            ("messageExpression", compiled.message_program.as_ref(), check::Result::Text),
        ] {
            let Some(program) = program else { continue };
            let optional = rule["optionalOldSelf"] == true;
            let source = text_at(rule, &format!("/{key}"));
            if let Some(wrong) = check::problems(source, program.expression(), place, optional, wanted) {
                let message = format!("Invalid value: {}: {wrong}", cost::shown(rule));
                errors.push(FieldError { reason: "FieldValueInvalid", field: at(key), message });
            }
        }
        if errors.len() > before {
            continue;
        }
        let parts = [
            ("rule", "estimated rule cost", Some(&compiled.program)),
            ("messageExpression", "estimated messageExpression cost", compiled.message_program.as_ref()),
        ];
        for (key, what, program) in parts {
            let Some(program) = program else { continue };
            let once = cost::of(program.expression(), place);
            let all = if key == "rule" { once.saturating_mul(times) } else { once };
            if all > cost::RULE_LIMIT {
                errors.push(FieldError::forbidden(at(key), &cost::refusal(what, all, cost::RULE_LIMIT)));
            }
            *total = if key == "rule" { total.saturating_add(all) } else { *total };
        }
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        judge(child, &format!("{path}.properties[{name}]"), times, total, errors);
    }
    for key in ["items", "additionalProperties"].into_iter().filter(|key| schema[*key].is_object()) {
        let inner = cost::cardinality(times, schema);
        judge(&schema[key], &format!("{path}.{key}"), inner, total, errors);
    }
}

/// What a rule says besides its expressions.
fn judge_words(rule: &Value, schema: &Value, at: &dyn Fn(&str) -> String, errors: &mut Vec<FieldError>) {
    let message = text_at(rule, "/message");
    let invalid = |key: &str, detail: &str| FieldError::invalid(at(key), &rule[key], detail);
    if !message.is_empty() && message.trim().is_empty() {
        errors.push(invalid("message", "message must be non-empty if specified"));
    } else if message.contains('\n') {
        errors.push(invalid("message", "message must not contain line breaks"));
    } else if message.is_empty() && text_at(rule, "/rule").trim().contains('\n') {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(at("message"), detail));
    }
    let expression = rule["messageExpression"].as_str();
    if expression.is_some_and(|text| !text.is_empty() && text.trim().is_empty()) {
        let detail = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(at("messageExpression"), detail));
    }
    let reasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    if rule["reason"].as_str().is_some_and(|reason| !reasons.contains(&reason)) {
        errors.push(FieldError::unsupported(at("reason"), &rule["reason"], &reasons.map(Value::from)));
    }
    let path = text_at(rule, "/fieldPath");
    if !path.is_empty() && !leads_somewhere(path, schema) {
        let detail = "fieldPath must be a valid path: does not refer to a valid field";
        errors.push(invalid("fieldPath", detail));
    }
}

/// Whether a path such as `.a.b` or `['a'].b` names a field of a schema.
fn leads_somewhere(path: &str, schema: &Value) -> bool {
    let plain = path.replace("['", ".").replace("']", "");
    let mut names = plain.split('.').skip(1).peekable();
    let mut place = schema;
    if names.peek().is_none() {
        return false;
    }
    for name in names {
        place = match &place["properties"][name] {
            Value::Null => &place["additionalProperties"],
            inner => inner,
        };
        if !place.is_object() {
            return false;
        }
    }
    true
}
