//! Checks a custom resource against the schema of its definition, in the words of a real server.
//!
//! The order of the checks and which of them hide others follow the real one (kube-openapi,
//! `pkg/validation/validate`): every check of a value is made, whatever the others found; children come
//! before the counts of a list and before the required fields of an object; of the checks on a text only the
//! first that fails is reported, and an object with too few or too many fields isn't looked into. Where the
//! real server walks a map, whose order is chance there, names are sorted here.

mod formats;
mod lists;
mod numbers;

use regex::Regex;
use serde_json::Value;

use super::error::FieldError;
use super::json::child_path;
pub(crate) use lists::repeated_items;

/// Collects what is wrong with a value.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The complaints so far.
    pub(crate) errors: Vec<FieldError>,
    /// Where the checked value stands in its object; messages leave that out (the status is checked on its
    /// own).
    pub(crate) base: &'static str,
    /// How many checks were made, by which the branches of `anyOf` and `oneOf` are compared.
    made: usize,
}

impl Checker {
    /// Nothing is wrong yet.
    pub(crate) fn new(errors: Vec<FieldError>, base: &'static str) -> Self {
        Self { errors, base, made: 0 }
    }

    /// Checks `value`, which stands at `path` and took the place of `old`, against `schema`.
    ///
    /// What an update leaves as it was isn't held against it (`CRDValidationRatcheting`).
    pub(crate) fn check(&mut self, schema: &Value, value: &Value, old: Option<&Value>, path: &str) {
        if old == Some(value) {
            return;
        }
        self.check_type(schema, value, path);
        if value.is_null() {
            self.check_enum(schema, value, path);
            return;
        }
        self.made += 3;
        self.check_combinations(schema, value, path);
        match value {
            Value::String(text) => self.check_text(schema, text, path),
            Value::Number(number) => self.check_number(schema, number, path),
            Value::Array(items) => self.check_array(schema, items, old, path),
            Value::Bool(_) | Value::Null | Value::Object(_) => {}
        }
        self.check_enum(schema, value, path);
        if value.is_object() {
            self.check_object(schema, value, old, path);
        }
    }

    fn check_type(&mut self, schema: &Value, value: &Value, path: &str) {
        let types = types_of(schema);
        let format = formats::known(schema);
        if types.is_empty() && format.is_empty() {
            return;
        }
        let named = types.join(",");
        if value.is_null() {
            if !types.is_empty() && schema["nullable"] != true {
                self.wrong_type(path, &named, "null");
            }
            return;
        }
        let (found, found_format) = type_of(value);
        let listed = types.contains(&found) || (found == "integer" && types.contains(&"number"));
        let numeric = types.contains(&"number") || types.contains(&"integer");
        let texts = value.is_string() || value.is_array();
        if !texts && !format.is_empty() && !listed && format != found_format {
            self.wrong_type(path, format, found_format);
        } else if (numeric || format.is_empty() || !texts) && !listed {
            self.wrong_type(path, &named, found);
        }
    }

    fn check_enum(&mut self, schema: &Value, value: &Value, path: &str) {
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.is_empty()
            && !allowed.contains(value)
        {
            self.errors.push(FieldError::unsupported(self.full(path), value, allowed));
        }
    }

    fn check_object(&mut self, schema: &Value, value: &Value, old: Option<&Value>, path: &str) {
        let Some(map) = value.as_object() else { return };
        let limit = |bound: &str| schema[bound].as_u64();
        let count = u64::try_from(map.len()).unwrap_or(u64::MAX);
        if let Some(least) = limit("minProperties").filter(|least| count < *least) {
            let what = format!("should have at least {least} properties");
            return self.complain(path, &Value::from(count), &what);
        }
        if let Some(most) = limit("maxProperties").filter(|most| count > *most) {
            return self.errors.push(FieldError::too_many(self.full(path), map.len(), most));
        }
        let properties = schema["properties"].as_object();
        let is_property = |name: &String| properties.is_some_and(|all| all.contains_key(name));
        let before = |name: &str| old.and_then(|old| old.get(name));
        for (name, child) in map.iter().filter(|(name, _)| !is_property(name)) {
            if schema["additionalProperties"].is_object() {
                let at = child_path(path, name);
                self.check(&schema["additionalProperties"], child, before(name), &at);
            }
        }
        for (name, child) in map.iter().filter(|(name, _)| is_property(name)) {
            self.check(&schema["properties"][name], child, before(name), &child_path(path, name));
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !map.contains_key(*name)) {
            self.errors.push(FieldError::required(self.full(&child_path(path, name)), ""));
        }
    }

    fn check_array(&mut self, schema: &Value, items: &[Value], old: Option<&Value>, path: &str) {
        if schema["items"].is_object() {
            for (index, item) in items.iter().enumerate() {
                let before = lists::counterpart(schema, item, old);
                self.check(&schema["items"], item, before, &format!("{path}[{index}]"));
            }
        }
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
            self.complain(path, &Value::from(count), &format!("should have at least {least} items"));
        }
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
            self.errors.push(FieldError::too_many(self.full(path), items.len(), most));
        }
        if schema["uniqueItems"] == true && (1..items.len()).any(|i| items[..i].contains(&items[i])) {
            self.complain(path, &Value::String(String::new()), "shouldn't contain duplicates");
        }
    }

    fn check_text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let value = Value::String(text.to_owned());
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.errors.push(FieldError::too_long(self.full(path), most));
        } else if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.complain(path, &value, &format!("should be at least {least} chars long"));
        } else if let Some(pattern) = schema["pattern"].as_str()
            && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
        {
            self.complain(path, &value, &format!("should match '{pattern}'"));
        }
        let format = formats::known(schema);
        if !formats::fits(format, text) {
            self.wrong_type(path, format, text);
        }
    }

    fn check_combinations(&mut self, schema: &Value, value: &Value, path: &str) {
        let tried = |name: &str| -> Vec<Self> {
            let branches = schema[name].as_array().into_iter().flatten();
            let tried = branches.map(|branch| self.trial(branch, value, path));
            tried.collect()
        };
        let (any, one, all) = (tried("anyOf"), tried("oneOf"), tried("allOf"));
        let negated = schema["not"].is_object().then(|| self.trial(&schema["not"], value, path));
        let valid = |trials: &[Self]| trials.iter().filter(|trial| trial.errors.is_empty()).count();
        if !any.is_empty() && valid(&any) == 0 {
            self.complain_of_branches(path, "must validate at least one schema (anyOf)");
            self.errors.extend(nearest(any));
        }
        if !one.is_empty() && valid(&one) != 1 {
            let found = match valid(&one) {
                0 => "Found none valid".to_owned(),
                several => format!("Found {several} valid alternatives"),
            };
            self.complain_of_branches(
                path,
                &format!("must validate one and only one schema (oneOf). {found}"),
            );
            if found.ends_with("none valid") {
                self.errors.extend(nearest(one));
            }
        }
        let fulfilled = valid(&all);
        if fulfilled != all.len() {
            let none = if fulfilled == 0 { ". None validated" } else { "" };
            self.errors.extend(all.into_iter().flat_map(|trial| trial.errors));
            self.complain_of_branches(path, &format!("must validate all the schemas (allOf){none}"));
        }
        if negated.is_some_and(|trial| trial.errors.is_empty()) {
            self.complain_of_branches(path, "must not validate the schema (not)");
        }
    }

    fn trial(&self, schema: &Value, value: &Value, path: &str) -> Self {
        let mut trial = Self::new(Vec::new(), self.base);
        trial.check(schema, value, None, path);
        trial
    }

    fn wrong_type(&mut self, path: &str, wanted: &str, found: &str) {
        let detail = format!("{path} in body must be of type {wanted}");
        self.errors.push(FieldError::wrong_type(self.full(path), found, &detail));
    }

    fn complain(&mut self, path: &str, value: &Value, what: &str) {
        let detail = format!("{path} in body {what}");
        self.errors.push(FieldError::invalid(self.full(path), value, &detail));
    }

    /// A complaint that names no field but the whole of what is checked.
    fn complain_of_all(&mut self, what: &str) {
        self.errors.push(FieldError::invalid(self.full(""), &Value::String(String::new()), what));
    }

    fn complain_of_branches(&mut self, path: &str, what: &str) {
        self.complain_of_all(&format!("{path:?} {what}"));
    }

    fn full(&self, path: &str) -> String {
        match (self.base, path) {
            ("", "") => "<nil>".to_owned(),
            ("", path) => path.to_owned(),
            (base, "") => base.to_owned(),
            (base, path) => format!("{base}.{path}"),
        }
    }
}

/// The complaints of the branch that came furthest, and of equals the first.
fn nearest(trials: Vec<Checker>) -> Vec<FieldError> {
    let most = trials.iter().map(|trial| trial.made).max();
    let found = trials.into_iter().find(|trial| Some(trial.made) == most);
    found.map(|trial| trial.errors).unwrap_or_default()
}

/// The schema of the field `name`: its own, or the one for further fields.
pub(crate) fn child_schema<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema["properties"].get(name).unwrap_or(&schema["additionalProperties"])
}

fn types_of(schema: &Value) -> Vec<&str> {
    if schema["x-kubernetes-int-or-string"] == true {
        return vec!["integer", "string"];
    }
    schema["type"].as_str().into_iter().filter(|name| !name.is_empty()).collect()
}

/// What a value is called, and the format that it has by itself.
fn type_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Number(number) if number.is_f64() => ("number", "float64"),
        Value::Number(_) => ("integer", "int64"),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

#[cfg(test)]
mod tests;
