//! A document against a schema: unknown and missing fields, types, ranges, lengths and forms, all of them
//! in one walk, in the words of [`super::words`].
//!
//! The walk also mends: in the place of what can't be used it puts a guess, so that those who read the
//! document's meaning can go on and find what is wrong with the rest. What they find may be owed to the
//! guess; so a document is mended with several guesses, and only what is wrong with all of them counts.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::words;

/// Something that the schema does not allow.
#[derive(Debug)]
pub(super) struct Fault {
    /// The field, as the file names it.
    pub(super) path: String,
    pub(super) problem: String,
    pub(super) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// A guess stands in for the value; nothing else can be said of it.
    Unusable,
    /// The value is kept; who reads its meaning may have better words for what is wrong.
    Doubtful,
    /// The field has a name that isn't known.
    Misnamed,
}

/// A document without what the schema does not allow.
#[derive(Debug)]
pub(super) struct Mended {
    pub(super) value: Value,
    pub(super) faults: Vec<Fault>,
    /// Misspelt fields that count under their likeliest name: the path with that name, and as written.
    pub(super) renamed: Vec<(String, String)>,
    /// How many different guesses there are.
    pub(super) guesses: usize,
}

/// Walks `value`; `guess` picks what stands in for unusable values.
pub(super) fn mend(schema: &Value, value: &Value, guess: usize) -> Mended {
    let mut walk = Walk { guess, guesses: 2, faults: Vec::new(), renamed: Vec::new() };
    let value = walk.value(schema, value, "");
    Mended { value, faults: walk.faults, renamed: walk.renamed, guesses: walk.guesses }
}

/// Whether `path` is `parent` or below it.
pub(super) fn covers(parent: &str, path: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The least and the most that a number may be.
pub(super) fn bounds(schema: &Value) -> (Option<f64>, Option<f64>) {
    let format = match schema["format"].as_str() {
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        Some(_) | None => (None, None),
    };
    (schema["minimum"].as_f64().or(format.0), schema["maximum"].as_f64().or(format.1))
}

/// The fields of which an object must have exactly one, where it is a choice.
pub(super) fn alternatives(schema: &Value) -> Vec<&str> {
    let branches = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    branches.iter().filter_map(|branch| branch["required"][0].as_str()).collect()
}

/// The first part of a path such as `spec.metrics[0].target` that the schema does not have, and what was likely meant.
pub(super) fn misnamed(schema: &Value, path: &str) -> Option<(String, String)> {
    let (mut schema, mut so_far) = (schema, String::new());
    for part in path.split('.') {
        let field = part.split('[').next().unwrap_or(part);
        so_far = child(&so_far, field);
        let known = schema["properties"].as_object();
        schema = match known.and_then(|known| known.get(field)) {
            Some(schema) => schema,
            // Where any name will do.
            None if schema["additionalProperties"].is_object() => &schema["additionalProperties"],
            None => {
                let none = Map::new();
                let known = known.unwrap_or(&none);
                let meant = words::nearest(field, known.keys().map(String::as_str));
                return Some((so_far, words::unknown_field(meant, known)));
            }
        };
        let items = part.matches('[').count();
        schema = (0..items).fold(schema, |schema, _| &schema["items"]);
        so_far.push_str(&part[field.len()..]);
    }
    None
}

struct Walk {
    guess: usize,
    guesses: usize,
    faults: Vec<Fault>,
    renamed: Vec<(String, String)>,
}

impl Walk {
    fn value(&mut self, schema: &Value, value: &Value, path: &str) -> Value {
        if value.is_null() && schema["nullable"] == true {
            return Value::Null;
        }
        if !fits(schema, value) {
            let problem = format!("must be {}, not {}", words::wanted(schema), words::found(schema, value));
            self.fault(path, problem, FaultKind::Unusable);
            return self.stand_in(schema, path);
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, path),
            Value::Array(items) => self.list(schema, items, path),
            Value::String(text) => {
                self.text(schema, text, path);
                value.clone()
            }
            Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
        }
    }

    fn object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) -> Value {
        let none = Map::new();
        let known = schema["properties"].as_object().unwrap_or(&none);
        let more = &schema["additionalProperties"];
        if known.is_empty() && !more.is_object() {
            return Value::Object(fields.clone());
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut mended = Map::new();
        let mut misnamed = false;
        for (field, value) in fields {
            let at = child(path, field);
            if value.is_null() && required.iter().any(|name| name == field) {
                continue;
            }
            match known.get(field) {
                Some(Value::Bool(false)) => {}
                Some(schema) => {
                    mended.insert(field.clone(), self.value(schema, value, &at));
                }
                None if more.is_object() => {
                    mended.insert(field.clone(), self.value(more, value, &at));
                }
                None => {
                    misnamed = true;
                    self.misnamed(known, fields, (field, value), path, &mut mended);
                }
            }
        }
        for name in required.iter().filter_map(Value::as_str) {
            if !mended.contains_key(name) {
                let (schema, at) = (&known[name], child(path, name));
                self.fault(&at, format!("needed: {}", words::wanted(schema)), FaultKind::Unusable);
                mended.insert(name.to_owned(), self.stand_in(schema, &at));
            }
        }
        self.choice(schema, mended, misnamed, path)
    }

    /// A field that isn't known counts as the one that was likely meant, unless that is there too.
    fn misnamed(
        &mut self,
        known: &Map<String, Value>,
        fields: &Map<String, Value>,
        (field, value): (&str, &Value),
        path: &str,
        mended: &mut Map<String, Value>,
    ) {
        let at = child(path, field);
        let meant = words::nearest(field, known.keys().map(String::as_str));
        self.fault(&at, words::unknown_field(meant, known), FaultKind::Misnamed);
        if let Some(meant) = meant.filter(|name| !fields.contains_key(*name) && !mended.contains_key(*name)) {
            self.renamed.push((child(path, meant), at.clone()));
            mended.insert(meant.to_owned(), self.value(&known[meant], value, &at));
        }
    }

    /// An object that must have exactly one of several fields.
    fn choice(&mut self, schema: &Value, mended: Map<String, Value>, misnamed: bool, path: &str) -> Value {
        let names = alternatives(schema);
        let given = names.iter().filter(|name| mended.contains_key(**name)).count();
        if names.is_empty() || given == 1 {
            return Value::Object(mended);
        }
        // A name that isn't known has been reported, and is likely the reason.
        if given > 1 || !misnamed {
            let problem = format!("must have exactly one of {}", words::list(&names, "and"));
            self.fault(path, problem, FaultKind::Unusable);
        }
        self.stand_in(schema, path)
    }

    fn list(&mut self, schema: &Value, items: &[Value], path: &str) -> Value {
        self.count(schema, "Items", items.len(), path);
        let item = |(index, item)| self.value(&schema["items"], item, &format!("{path}[{index}]"));
        Value::Array(items.iter().enumerate().map(item).collect())
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        if self.count(schema, "Length", text.chars().count(), path) {
            return;
        }
        let Some(pattern) = schema["pattern"].as_str() else { return };
        if Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text)) {
            let form = words::form(pattern);
            let problem = if schema["writeOnly"] == true {
                format!("must be {form}")
            } else {
                format!("must be {form}, not {text:?}")
            };
            self.fault(path, problem, FaultKind::Doubtful);
        }
    }

    /// Whether there are too many items or characters, or too few.
    fn count(&mut self, schema: &Value, what: &str, count: usize, path: &str) -> bool {
        let limit = |bound: &str| schema[format!("{bound}{what}")].as_u64();
        let length = u64::try_from(count).unwrap_or(u64::MAX);
        let things = if what == "Items" { "items" } else { "characters" };
        let problem = if let Some(most) = limit("max").filter(|most| length > *most) {
            format!("must have at most {most} {things}, and has {count}")
        } else if limit("min").is_some_and(|least| length < least) {
            "must not be empty".to_owned()
        } else {
            return false;
        };
        self.fault(path, problem, FaultKind::Doubtful);
        true
    }

    fn fault(&mut self, path: &str, problem: String, kind: FaultKind) {
        self.faults.push(Fault { path: path.to_owned(), problem, kind });
    }

    fn stand_in(&mut self, schema: &Value, path: &str) -> Value {
        self.guesses = self.guesses.max(schema["enum"].as_array().map_or(0, Vec::len));
        stand_in(schema, path, self.guess)
    }
}

/// Whether a value has the type of its schema, and is among the values or in the range that it allows.
fn fits(schema: &Value, value: &Value) -> bool {
    if let Some(allowed) = schema["enum"].as_array() {
        return allowed.contains(value);
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_i64() || value.is_string();
    }
    let in_range = || {
        let (least, most) = bounds(schema);
        let number = value.as_f64();
        number.is_some_and(|number| least.is_none_or(|least| least <= number))
            && number.is_some_and(|number| most.is_none_or(|most| number <= most))
    };
    match schema["type"].as_str() {
        Some("integer") => (value.is_i64() || value.is_u64()) && in_range(),
        Some("number") => value.is_number() && in_range(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(_) | None => true,
    }
}

/// A value of the right type. Numbers are the least or the most, lists are empty or have one item. Texts
/// are the field's path, which no other name is.
fn stand_in(schema: &Value, path: &str, guess: usize) -> Value {
    if let Some(allowed) = schema["enum"].as_array() {
        return allowed.get(guess % allowed.len().max(1)).cloned().unwrap_or_default();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return json!(1);
    }
    let even = guess.is_multiple_of(2);
    match schema["type"].as_str() {
        Some("integer") => {
            let (least, most) = bounds(schema);
            let bound = if even { least } else { most }.map(|bound| bound.to_string());
            json!(bound.and_then(|bound| bound.parse::<i64>().ok()).unwrap_or(1))
        }
        Some("number") => json!(1.0),
        Some("string") => json!(path),
        Some("boolean") => json!(!even),
        Some("array") if even => json!([]),
        Some("array") => json!([stand_in(&schema["items"], &format!("{path}[0]"), guess)]),
        Some("object") => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let names =
                required.iter().filter_map(Value::as_str).chain(alternatives(schema).into_iter().take(1));
            let field = |name: &str| {
                let value = stand_in(&schema["properties"][name], &child(path, name), guess);
                (name.to_owned(), value)
            };
            Value::Object(names.map(field).collect())
        }
        Some(_) | None => Value::Null,
    }
}

fn child(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
