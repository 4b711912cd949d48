//! Checks a custom resource against the schema of its definition, in the words of a real server.
//!
//! The order of the checks and which of them hide others follow the real one: a value of the wrong type
//! isn't measured, and of the checks on a text only the first that fails is reported.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::error::FieldError;
use super::json::child_path;

/// Collects what is wrong with a value.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The complaints so far.
    pub(crate) errors: Vec<FieldError>,
    /// How much of a path's beginning messages leave out (the status is checked on its own).
    pub(crate) hidden: usize,
}

impl Checker {
    /// Checks `value`, which stands at `path`, against `schema`.
    pub(crate) fn check(&mut self, schema: &Value, value: &Value, path: &str) {
        if value.is_null() {
            let nullable =
                schema["nullable"] == true || schema["x-kubernetes-preserve-unknown-fields"] == true;
            if !nullable && let Some(wanted) = schema["type"].as_str() {
                self.wrong_type(path, wanted, "null");
            }
            return;
        }
        if !self.check_type(schema, value, path) {
            return;
        }
        match value {
            Value::Object(_) => self.check_object(schema, value, path),
            Value::Array(items) => self.check_array(schema, items, path),
            Value::String(text) => self.check_text(schema, text, path),
            Value::Number(number) => {
                self.check_number(schema, number.as_f64().unwrap_or_default(), value, path);
            }
            Value::Bool(_) | Value::Null => {}
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            self.errors.push(FieldError::unsupported(path, value, allowed));
        }
        self.check_combinations(schema, value, path);
    }

    /// Checks the lists of `value` that are maps or sets for repeated items.
    pub(crate) fn check_lists(&mut self, schema: &Value, value: &Value, path: &str) {
        match value {
            Value::Object(map) => {
                for (name, child) in map {
                    let child_schema = child_schema(schema, name);
                    self.check_lists(child_schema, child, &child_path(path, name));
                }
            }
            Value::Array(items) => {
                let mut seen = BTreeSet::new();
                for (index, item) in items.iter().enumerate() {
                    let at = format!("{path}[{index}]");
                    if let Some(identity) = list_identity(schema, item)
                        && !seen.insert(identity.to_string())
                    {
                        self.errors.push(FieldError::duplicate(&at, &identity));
                    }
                    self.check_lists(&schema["items"], item, &at);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn check_type(&mut self, schema: &Value, value: &Value, path: &str) -> bool {
        let found = type_name(value);
        if schema["x-kubernetes-int-or-string"] == true {
            let fits = matches!(found, "integer" | "string");
            if !fits {
                self.wrong_type(path, "integer,string", found);
            }
            return fits;
        }
        let Some(wanted) = schema["type"].as_str() else { return true };
        if wanted == found || (wanted == "number" && found == "integer") {
            return true;
        }
        match schema["format"].as_str() {
            Some(format) if wanted == "integer" && found == "number" => {
                self.wrong_type(path, format, "float64");
                let shown = self.shown(path);
                let detail = format!("Checked value must be of type integer with format {format} in {shown}");
                self.errors.push(FieldError::invalid("<nil>", &Value::String(String::new()), &detail));
            }
            _ => self.wrong_type(path, wanted, found),
        }
        false
    }

    fn check_object(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(map) = value.as_object() else { return };
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for name in required.iter().filter_map(Value::as_str) {
            if map.get(name).is_none_or(Value::is_null) {
                self.errors.push(FieldError::required(child_path(path, name), ""));
            }
        }
        self.check_count(schema, map.len(), "Properties", path);
        for (name, child) in map {
            let missing = child.is_null() && required.iter().any(|r| r == name);
            if !missing {
                self.check(child_schema(schema, name), child, &child_path(path, name));
            }
        }
    }

    fn check_array(&mut self, schema: &Value, items: &[Value], path: &str) {
        self.check_count(schema, items.len(), "Items", path);
        if schema["uniqueItems"] == true && (1..items.len()).any(|i| items[..i].contains(&items[i])) {
            self.complain(path, None, "shouldn't contain duplicates");
        }
        for (index, item) in items.iter().enumerate() {
            self.check(&schema["items"], item, &format!("{path}[{index}]"));
        }
    }

    fn check_count(&mut self, schema: &Value, count: usize, what: &str, path: &str) {
        let limit = |bound: &str| schema[format!("{bound}{what}")].as_u64();
        let length = u64::try_from(count).unwrap_or(u64::MAX);
        if let Some(most) = limit("max").filter(|most| length > *most) {
            self.errors.push(FieldError::too_many(path, count, most));
        } else if let Some(least) = limit("min").filter(|least| length < *least) {
            let number = Value::from(count);
            self.complain(
                path,
                Some(&number),
                &format!("should have at least {least} {}", what.to_lowercase()),
            );
        }
    }

    fn check_text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let value = Value::String(text.to_owned());
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.errors.push(FieldError::too_long(path, most));
        } else if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.complain(path, Some(&value), &format!("should be at least {least} chars long"));
        } else if let Some(pattern) = schema["pattern"].as_str()
            && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
        {
            self.complain(path, Some(&value), &format!("should match '{pattern}'"));
        } else if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
            self.complain(path, Some(&value), &format!("must be of type date-time: {value}"));
        }
    }

    fn check_number(&mut self, schema: &Value, number: f64, value: &Value, path: &str) {
        if let Some(step) = schema["multipleOf"].as_f64().filter(|step| (number / step).fract() != 0.0) {
            self.complain(path, Some(value), &format!("should be a multiple of {step}"));
        }
        if let Some(most) = schema["maximum"].as_f64() {
            if schema["exclusiveMaximum"] == true && number >= most {
                self.complain(path, Some(value), &format!("should be less than {most}"));
            } else if number > most {
                self.complain(path, Some(value), &format!("should be less than or equal to {most}"));
            }
        }
        if let Some(least) = schema["minimum"].as_f64() {
            if schema["exclusiveMinimum"] == true && number <= least {
                self.complain(path, Some(value), &format!("should be greater than {least}"));
            } else if number < least {
                self.complain(path, Some(value), &format!("should be greater than or equal to {least}"));
            }
        }
    }

    fn check_combinations(&mut self, schema: &Value, value: &Value, path: &str) {
        let fits = |branch: &&Value| {
            let mut trial = Self::default();
            trial.check(branch, value, path);
            trial.errors.is_empty()
        };
        let branches = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let (one, any, all) = (branches("oneOf"), branches("anyOf"), branches("allOf"));
        if !any.is_empty() && !any.iter().any(|branch| fits(&branch)) {
            self.complain(path, None, "must validate at least one schema (anyOf)");
        }
        if !one.is_empty() && one.iter().filter(fits).count() != 1 {
            self.complain(path, None, "must validate one and only one schema (oneOf)");
        }
        if all.iter().any(|branch| !fits(&branch)) {
            self.complain(path, None, "must validate all the schemas (allOf)");
        }
        if schema["not"].is_object() && fits(&&schema["not"]) {
            self.complain(path, None, "must not validate the schema (not)");
        }
    }

    fn wrong_type(&mut self, path: &str, wanted: &str, found: &str) {
        let detail = format!("{} in body must be of type {wanted}", self.shown(path));
        self.errors.push(FieldError::wrong_type(path, found, &detail));
    }

    fn complain(&mut self, path: &str, value: Option<&Value>, what: &str) {
        let detail = format!("{} in body {what}", self.shown(path));
        let none = Value::String(String::new());
        self.errors.push(FieldError::invalid(path, value.unwrap_or(&none), &detail));
    }

    fn shown<'a>(&self, path: &'a str) -> &'a str {
        path.get(self.hidden..).unwrap_or_default()
    }
}

/// The schema of the field `name`: its own, or the one for further fields.
pub(crate) fn child_schema<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema["properties"].get(name).unwrap_or(&schema["additionalProperties"])
}

/// What makes `item` the same as another one of its list; `None` when items may repeat.
pub(crate) fn list_identity(schema: &Value, item: &Value) -> Option<Value> {
    match schema["x-kubernetes-list-type"].as_str()? {
        "set" => Some(item.clone()),
        "map" => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array()?;
            let values = keys.iter().filter_map(Value::as_str).map(|key| (key.to_owned(), item[key].clone()));
            Some(Value::Object(values.filter(|(_, value)| !value.is_null()).collect()))
        }
        _ => None,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) => {
            let whole =
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0);
            if whole { "integer" } else { "number" }
        }
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn complaints_are_worded_like_a_real_servers() {
        let schema = json!({"type": "object", "required": ["max"], "properties": {
            "max": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 1000},
            "mode": {"type": "string", "enum": ["Paused", "Active"]},
            "name": {"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"},
            "amount": {"x-kubernetes-int-or-string": true},
            "list": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
            "two": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"},
        }});
        let cases = [
            (json!({}), "max: Required value"),
            (json!({"max": null}), "max: Required value"),
            (
                json!({"max": "x"}),
                "max: Invalid value: \"string\": max in body must be of type integer: \"string\"",
            ),
            (json!({"max": -1}), "max: Invalid value: -1: max in body should be greater than or equal to 0"),
            (
                json!({"max": 1001}),
                "max: Invalid value: 1001: max in body should be less than or equal to 1000",
            ),
            (
                json!({"max": 1, "mode": "x"}),
                "mode: Unsupported value: \"x\": supported values: \"Active\", \"Paused\"",
            ),
            (json!({"max": 1, "name": "ABCD"}), "name: Too long: may not be more than 3 bytes"),
            (
                json!({"max": 1, "name": "A"}),
                "name: Invalid value: \"A\": name in body should match '^[a-z]+$'",
            ),
            (
                json!({"max": 1, "amount": true}),
                "amount: Invalid value: \"boolean\": amount in body must be of type integer,string: \"boolean\"",
            ),
            (json!({"max": 1, "list": ["a", "b"]}), "list: Too many: 2: must have at most 1 items"),
            (
                json!({"max": 1, "list": [1]}),
                "list[0]: Invalid value: \"integer\": list[0] in body must be of type string: \"integer\"",
            ),
            (
                json!({"max": 1, "two": {"a": 1, "b": 2}}),
                "two: Invalid value: \"\": two in body must validate one and only one schema (oneOf)",
            ),
        ];
        for (value, wanted) in cases {
            let mut checker = Checker::default();
            checker.check(&schema, &value, "");
            let found: Vec<String> = checker.errors.iter().map(FieldError::to_string).collect();
            assert_eq!(found, [wanted], "{value}");
        }
    }

    #[test]
    fn items_of_a_list_map_may_not_share_their_keys() {
        let schema =
            json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {}});
        let mut checker = Checker::default();
        checker.check_lists(&schema, &json!([{"name": "a", "n": 1}, {"name": "a", "n": 2}]), "spec.entries");
        assert_eq!(checker.errors[0].to_string(), "spec.entries[1]: Duplicate value: {\"name\":\"a\"}");
    }
}
