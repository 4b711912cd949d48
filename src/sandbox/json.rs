//! Reading bodies: JSON that remembers repeated keys, and YAML.
//!
//! A strict request is refused for a repeated key, and a lax one gets a warning, so the parser must see
//! what `serde_json::Value` silently swallows.

mod problem;

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::gotext;

/// A parsed body and the paths of the keys that it repeats.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The value; of repeated keys the last one counts.
    pub(crate) value: Value,
    /// Paths such as `spec.max`, in the order of the text.
    pub(crate) duplicates: Vec<String>,
}

/// Parses JSON.
///
/// # Errors
/// The message that a client is shown, in the words of the server's own parser where that is known.
pub(crate) fn parse(body: &[u8]) -> Result<Parsed, String> {
    let duplicates = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(body);
    let seed = Node { path: String::new(), duplicates: &duplicates };
    let value = seed.deserialize(&mut reader).map_err(|error| worded(body, &error))?;
    reader.end().map_err(|error| worded(body, &error))?;
    Ok(Parsed { value, duplicates: duplicates.into_inner() })
}

/// Parses YAML, of which JSON is a part.
///
/// # Errors
/// The message that a client is shown.
pub(crate) fn parse_yaml(body: &[u8]) -> Result<Parsed, String> {
    if let Ok(parsed) = parse(body) {
        return Ok(parsed);
    }
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    Ok(Parsed { value, duplicates: Vec::new() })
}

/// What Go's JSON decoder calls a value that it can't put somewhere.
pub(crate) fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn worded(body: &[u8], error: &serde_json::Error) -> String {
    problem::of(body).unwrap_or_else(|| error.to_string())
}

struct Node<'a> {
    path: String,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(gotext::normal(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, list.len());
            match items.next_element_seed(Node { path, duplicates: self.duplicates })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path = child_path(&self.path, &key);
            if map.contains_key(&key) {
                self.duplicates.borrow_mut().push(path.clone());
            }
            let value = entries.next_value_seed(Node { path, duplicates: self.duplicates })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// The path of the field `name` in the object at `path`.
pub(crate) fn child_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The text at `pointer`, or the empty text.
pub(crate) fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The object at `key` of `value`, made when it isn't there.
pub(crate) fn object_at<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    let child = fields(value).entry(key.to_owned()).or_insert(Value::Null);
    fields(child)
}

/// The fields of `value`, which becomes an object when it isn't one.
pub(crate) fn fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made an object just above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_reported_with_their_paths_and_the_last_one_counts() {
        let parsed = parse(br#"{"spec":{"max":5,"max":6,"e":[{"n":1,"n":2}]}}"#).expect("valid JSON");
        assert_eq!(parsed.duplicates, ["spec.max", "spec.e[0].n"]);
        assert_eq!(parsed.value["spec"]["max"], 6);
    }

    #[test]
    fn a_cut_off_body_is_named_as_such() {
        assert_eq!(parse(b"{\"apiVersion\": ").expect_err("cut off"), "unexpected end of JSON input");
    }

    #[test]
    fn yaml_is_read_too() {
        assert_eq!(parse_yaml(b"spec:\n  max: 5\n").expect("valid YAML").value["spec"]["max"], 5);
    }
}
