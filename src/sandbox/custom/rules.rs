//! The rules in CEL of a custom resource, and how a real server says that one is broken or can't be evaluated.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::cel::{CompiledSchema, ErrorKind, ValidationError, compile_schema, validate_compiled};
use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::json::text_at;
use super::{type_of, value_at};

/// The rules of a schema.
#[derive(Debug)]
pub(super) struct Rules {
    compiled: CompiledSchema,
    /// Rules that name another field than the one they stand at.
    redirected: BTreeSet<String>,
    /// Rules as their authors wrote them, by what is evaluated in their place.
    authored: BTreeMap<String, String>,
}

impl Rules {
    /// The rules of a schema; `None` when it has none.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let mut bare = schema.clone();
        let (mut redirected, mut authored) = (BTreeSet::new(), BTreeMap::new());
        let found = prepare(&mut bare, &mut redirected, &mut authored);
        // Defaults are ours to fill in: an object of the wrong kind is judged without them.
        found.then(|| Self { compiled: compile_schema(&bare), redirected, authored })
    }

    /// The rules that an object breaks.
    pub(super) fn broken(&self, schema: &Value, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        match validate_compiled(&self.compiled, object, old) {
            Ok(()) => Vec::new(),
            Err(failures) => failures.iter().map(|failure| self.error(failure, schema, object)).collect(),
        }
    }

    fn error(&self, failure: &ValidationError, schema: &Value, object: &Value) -> FieldError {
        let field = failure.field_path.trim_start_matches('.').to_owned();
        let value = value_at(object, &field);
        let authored = self.authored.get(&failure.rule).unwrap_or(&failure.rule);
        let said = failure.message.replace(failure.rule.as_str(), authored);
        if failure.kind != ErrorKind::ValidationFailure {
            // The rule couldn't be evaluated where it stands, whatever field it would have blamed.
            let rule = find_rule(schema, authored).unwrap_or(&Value::Null);
            let node = field.strip_suffix(text_at(rule, "/fieldPath")).unwrap_or(&field);
            let message = rule["message"].as_str().unwrap_or(authored);
            let shown = Value::String(type_of(value_at(object, node)).to_owned());
            return FieldError::invalid(node, &shown, &evaluation_cause(&said, message.trim()));
        }
        match failure.reason.as_deref() {
            Some("FieldValueForbidden") => FieldError::forbidden(field, &said),
            Some("FieldValueRequired") => FieldError::required(field, &said),
            Some("FieldValueDuplicate") if value.is_object() || value.is_array() => {
                FieldError { reason: "FieldValueDuplicate", field, message: "Duplicate value".to_owned() }
            }
            Some("FieldValueDuplicate") => FieldError::duplicate(field, value),
            _ if self.redirected.contains(&failure.rule) || value.is_object() || value.is_array() => {
                FieldError::invalid_unshown(field, &said)
            }
            _ => FieldError::invalid(field, value, &said),
        }
    }
}

/// Removes the defaults from a schema, puts rules into words that can be evaluated, collects what there is to know of
/// them, and tells whether there are any.
fn prepare(
    schema: &mut Value,
    redirected: &mut BTreeSet<String>,
    authored: &mut BTreeMap<String, String>,
) -> bool {
    let mut found = false;
    match schema {
        Value::Object(map) => {
            let rules = map.get_mut("x-kubernetes-validations").and_then(Value::as_array_mut);
            for rule in rules.into_iter().flatten() {
                found = true;
                if rule["optionalOldSelf"] == true {
                    let written = text_at(rule, "/rule").to_owned();
                    let evaluated = without_optionals(&written);
                    rule["rule"] = json!(evaluated);
                    authored.insert(evaluated, written);
                }
                if rule["fieldPath"].is_string() {
                    redirected.insert(text_at(rule, "/rule").to_owned());
                }
            }
            if map.contains_key("type") {
                map.remove("default");
            }
            for child in map.values_mut() {
                found |= prepare(child, redirected, authored);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| found |= prepare(item, redirected, authored)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

/// A rule in whose words an absent `oldSelf` is null. To a real server it is an optional, which the evaluator at hand
/// doesn't have.
fn without_optionals(rule: &str) -> String {
    let plain = rule.replace("oldSelf.hasValue()", "(oldSelf != null)").replace("oldSelf.value()", "oldSelf");
    let Some((before, rest)) = plain.split_once("oldSelf.orValue(") else { return plain };
    let mut depth = 1;
    let end = rest.char_indices().find_map(|(index, letter)| {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(index)
    });
    let Some((other, after)) = end.and_then(|end| rest.split_at_checked(end)) else { return plain };
    let after = without_optionals(after.strip_prefix(')').unwrap_or(after));
    format!("{before}(oldSelf != null ? oldSelf : ({other})){after}")
}

fn find_rule<'a>(schema: &'a Value, rule: &str) -> Option<&'a Value> {
    if let Some(rules) = schema["x-kubernetes-validations"].as_array()
        && let Some(found) = rules.iter().find(|candidate| candidate["rule"] == rule)
    {
        return Some(found);
    }
    let properties = schema["properties"].as_object().into_iter().flatten().map(|(_, child)| child);
    let others = [&schema["items"], &schema["additionalProperties"]];
    properties.chain(others).filter(|child| child.is_object()).find_map(|child| find_rule(child, rule))
}

/// Why a rule can't be evaluated, as cel-go says it, with what the server adds.
fn evaluation_cause(said: &str, rule: &str) -> String {
    let text = said.trim_start_matches("rule evaluation error: ");
    let operands = ["No such overload", "Unsupported ", "Unexpected type", "Invalid argument type"];
    if operands.iter().any(|start| text.starts_with(start)) || text.contains("can not be compared to") {
        return format!(
            "'no such overload': call arguments did not match a supported operator, function or macro signature for \
             rule: {rule}"
        );
    }
    let cause = match text.split_once(": ") {
        Some(("No such key", key)) => format!("no such key: {key}"),
        Some(("Index out of bounds", index)) => format!("index out of bounds: {index}"),
        _ if text.starts_with("Division by zero") => "division by zero".to_owned(),
        _ if text.starts_with("Remainder by zero") => "modulus by zero".to_owned(),
        _ if text.starts_with("Overflow") => "integer overflow".to_owned(),
        _ => text.to_owned(),
    };
    format!("{cause} evaluating rule: {rule}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_value_may_be_absent_where_a_rule_says_so() {
        let schema = |rule: &str| {
            json!({"type": "object", "properties": {"n": {"type": "integer", "x-kubernetes-validations": [
                {"rule": rule, "optionalOldSelf": true}]}}})
        };
        let grows = "!oldSelf.hasValue() || self >= oldSelf.value()";
        let from = "self >= oldSelf.orValue(3)";
        for (rule, old, new, wanted) in [
            (grows, None, 1, None),
            (grows, Some(2), 3, None),
            (grows, Some(2), 1, Some(format!("n: Invalid value: 1: failed rule: {grows}"))),
            (from, None, 2, Some(format!("n: Invalid value: 2: failed rule: {from}"))),
            (from, None, 3, None),
            (from, Some(1), 2, None),
        ] {
            let schema = schema(rule);
            let rules = Rules::of(&schema).expect("a rule");
            let object = |n: i32| json!({"n": n});
            let broken = rules.broken(&schema, &object(new), old.map(object).as_ref());
            assert_eq!(broken.first().map(ToString::to_string), wanted, "{rule} {old:?} {new}");
        }
    }
}
