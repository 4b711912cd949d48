//! Lists that are sets or maps: what identifies an item, and items that repeat
//! (apiextensions-apiserver, `pkg/apiserver/schema/listtype`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::error::FieldError;
use super::super::json::child_path;

/// What makes `item` the same as another one of its list; `None` when items may repeat.
fn list_identity(schema: &Value, item: &Value) -> Option<Value> {
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

/// The item of the former list that `item` takes the place of. Only maps say which one that is.
pub(crate) fn counterpart<'a>(schema: &Value, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    if schema["x-kubernetes-list-type"] != "map" {
        return None;
    }
    let wanted = list_identity(schema, item)?;
    old?.as_array()?.iter().find(|candidate| list_identity(schema, candidate).as_ref() == Some(&wanted))
}

/// Checks the lists of `value` that are maps or sets for repeated items.
pub(crate) fn repeated_items(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            let own = schema["properties"].as_object();
            let further = &schema["additionalProperties"];
            for (name, child) in map.iter().filter(|_| further.is_object()) {
                repeated_items(further, child, &format!("{path}[{name}]"), errors);
            }
            for (name, child) in map {
                if let Some(inner) = own.and_then(|own| own.get(name)) {
                    repeated_items(inner, child, &child_path(path, name), errors);
                }
            }
        }
        Value::Array(items) => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                if let Some(identity) = list_identity(schema, item)
                    && !seen.insert(identity.to_string())
                {
                    errors.push(FieldError::duplicate(format!("{path}[{index}]"), &identity));
                }
            }
            for (index, item) in items.iter().enumerate() {
                repeated_items(&schema["items"], item, &format!("{path}[{index}]"), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
