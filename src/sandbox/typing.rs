//! How lists and maps merge: by key, as sets, or as one piece.
//!
//! Custom resources say so in their schema. For built-in kinds the names of the fields are enough, since
//! the same name merges in the same way wherever the sandbox's kinds use it (`ports` of a Service, which
//! have no `containerPort`, are the exception and told apart by their items).

use serde_json::{Value, json};

/// A place in an object, as far as merging is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Typing<'a> {
    /// A place that a custom resource's schema describes; `true` at the root of an object.
    Schema(&'a Value, bool),
    /// A place in a built-in kind or in metadata, by the name of its field.
    Named(&'a str),
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

impl<'a> Typing<'a> {
    /// The typing of a field.
    pub(crate) fn child(self, name: &'a str) -> Self {
        match self {
            Self::Schema(_, true) if name == "metadata" => Self::Named(name),
            Self::Schema(schema, _) => Self::Schema(super::schema::child_schema(schema, name), false),
            Self::Named(_) => Self::Named(name),
        }
    }

    /// The typing of a list's items.
    pub(crate) fn items(self) -> Self {
        match self {
            Self::Schema(schema, _) => Self::Schema(&schema["items"], false),
            // The items of a list are granular maps, whatever the list is called.
            Self::Named(_) => Self::Named(""),
        }
    }

    /// Whether a map is one piece.
    pub(crate) fn is_atomic_map(self) -> bool {
        match self {
            Self::Schema(schema, _) => schema["x-kubernetes-map-type"] == "atomic",
            Self::Named(name) => matches!(
                name,
                "selector"
                    | "fieldRef"
                    | "resourceFieldRef"
                    | "configMapKeyRef"
                    | "secretKeyRef"
                    | "roleRef"
                    | "nodeSelector"
                    | "involvedObject"
                    | "regarding"
                    | "aggregationRule"
                    | "labelSelector"
            ),
        }
    }

    /// How a list merges.
    pub(crate) fn list(self, items: &[Value]) -> ListType {
        match self {
            Self::Schema(schema, _) => match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => ListType::Set,
                Some("map") => {
                    let keys = schema["x-kubernetes-list-map-keys"].as_array().cloned().unwrap_or_default();
                    ListType::Map(keys.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
                }
                _ => ListType::Atomic,
            },
            Self::Named(name) => {
                let keys = named_keys(name, items);
                match (name, keys.is_empty()) {
                    ("finalizers", _) => ListType::Set,
                    (_, true) => ListType::Atomic,
                    (_, false) => ListType::Map(keys.iter().map(ToString::to_string).collect()),
                }
            }
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

fn named_keys(name: &str, items: &[Value]) -> &'static [&'static str] {
    match name {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "secrets"
        | "resourceClaims"
        | "readinessGates" => &["name"],
        "ports" if items.iter().any(|item| !item["containerPort"].is_null()) => {
            &["containerPort", "protocol"]
        }
        "ports" => &["port", "protocol"],
        "conditions" | "addresses" => &["type"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "ownerReferences" => &["uid"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        _ => &[],
    }
}
