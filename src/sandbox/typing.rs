//! How lists and maps merge: by key, as sets, or as one piece.
//!
//! Custom resources say so in their schema, built-in kinds in the published one.

use serde_json::{Value, json};

use super::upstream;

/// A place in an object, as far as merging is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Typing<'a> {
    /// A place that a custom resource's schema describes; `true` at the root of an object.
    Schema(&'a Value, bool),
    /// A place in a built-in kind or in metadata: the field's own schema, with its reference not yet followed.
    Published(&'static Value),
}

/// How a list merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListType {
    /// As one piece.
    Atomic,
    /// As a set of values.
    Set,
    /// By these keys of its items.
    Map(Vec<String>),
}

/// What a field holds that holds no more than one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// A number.
    Numeric,
    /// A text.
    Text,
    /// Yes or no.
    Boolean,
}

impl Typing<'_> {
    /// The typing of a field.
    pub(crate) fn child(self, name: &str) -> Self {
        match self {
            Self::Schema(_, true) if name == "metadata" => {
                Self::Published(upstream::definition(upstream::METADATA))
            }
            Self::Schema(schema, _) => Self::Schema(super::schema::child_schema(schema, name), false),
            Self::Published(schema) => Self::Published(upstream::field(upstream::resolved(schema), name)),
        }
    }

    /// The typing of a list's items.
    pub(crate) fn items(self) -> Self {
        match self {
            Self::Schema(schema, _) => Self::Schema(&schema["items"], false),
            Self::Published(schema) => Self::Published(&upstream::resolved(schema)["items"]),
        }
    }

    /// What the place holds; `None` for lists, maps, and where it may be one thing or another.
    pub(crate) fn scalar(self) -> Option<Scalar> {
        let schema = match self {
            Self::Schema(schema, _) => schema,
            Self::Published(schema) => upstream::resolved(schema),
        };
        let free = schema["x-kubernetes-int-or-string"] == true || schema["format"] == "date-time";
        match schema["type"].as_str().filter(|_| !free)? {
            "integer" | "number" => Some(Scalar::Numeric),
            "string" => Some(Scalar::Text),
            "boolean" => Some(Scalar::Boolean),
            _ => None,
        }
    }

    /// Whether a key of a list's items may be left out.
    pub(crate) fn has_default(self, key: &str) -> bool {
        match self {
            Self::Schema(schema, _) => !schema["properties"][key]["default"].is_null(),
            // The published schemas tell no defaults; this is the only one of a key.
            Self::Published(_) => key == "protocol",
        }
    }

    /// Whether a map is one piece.
    pub(crate) fn is_atomic_map(self) -> bool {
        let atomic = |schema: &Value| schema["x-kubernetes-map-type"] == "atomic";
        match self {
            Self::Schema(schema, _) => atomic(schema),
            Self::Published(schema) => atomic(schema) || atomic(upstream::resolved(schema)),
        }
    }

    /// How a list merges when it is applied.
    pub(crate) fn list(self) -> ListType {
        let (Self::Schema(schema, _) | Self::Published(schema)) = self;
        match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => ListType::Set,
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array().cloned().unwrap_or_default();
                ListType::Map(keys.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
            }
            _ => ListType::Atomic,
        }
    }

    /// How a list merges in a strategic merge patch, which knows one key at most and goes by marks of its own.
    pub(crate) fn patched_list(self) -> ListType {
        let Self::Published(schema) = self else { return ListType::Atomic };
        let strategy = schema["x-kubernetes-patch-strategy"].as_str().unwrap_or_default();
        match schema["x-kubernetes-patch-merge-key"].as_str() {
            _ if !strategy.split(',').any(|strategy| strategy == "merge") => ListType::Atomic,
            Some(key) => ListType::Map(vec![key.to_owned()]),
            None => ListType::Set,
        }
    }
}

/// The values of `keys` in an item of a list map, as the object that identifies it.
pub(crate) fn item_key(keys: &[String], item: &Value) -> Value {
    let value = |key: &String| match (&item[key], key.as_str()) {
        (Value::Null, "protocol") => json!("TCP"),
        (value, _) => value.clone(),
    };
    Value::Object(keys.iter().map(|key| (key.clone(), value(key))).collect())
}
