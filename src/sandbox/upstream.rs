//! What Kubernetes publishes of its own kinds: fields, their types, what they mean, and how they merge.
//!
//! `kubernetes.json` holds the schemas of the built-in kinds that the sandbox serves, as Kubernetes 1.36 has them
//! (`api/openapi-spec`, Apache License 2.0, the Kubernetes Authors); `scripts/kubernetes-schemas` writes it. A
//! reference in it is the name of another definition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::resources::ResourceType;

/// The version that all of it is of.
pub(crate) const VERSION: &str = "v1.36.0";

/// The definition of the metadata of every object.
pub(crate) const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

static DEFINITIONS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    // A test reads it; there is nothing better to do here than to know no kind.
    serde_json::from_str(include_str!("upstream/kubernetes.json")).unwrap_or_default()
});

/// The names of definitions, by group, version and kind.
static KINDS: LazyLock<BTreeMap<(&str, &str, &str), &str>> = LazyLock::new(|| {
    let text = |value: &'static Value, key: &str| value[key].as_str().unwrap_or_default();
    let named = DEFINITIONS.iter().flat_map(|(name, schema)| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
        kinds.map(move |kind| {
            ((text(kind, "group"), text(kind, "version"), text(kind, "kind")), name.as_str())
        })
    });
    named.collect()
});

static NOTHING: Value = Value::Null;

/// The definition of that name, or null.
pub(crate) fn definition(name: &str) -> &'static Value {
    DEFINITIONS.get(name).unwrap_or(&NOTHING)
}

/// The name of the definition of a built-in kind.
pub(crate) fn name_of(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    KINDS.get(&(group, version, kind)).copied()
}

/// The schema of a built-in kind, or null.
pub(crate) fn of(resource: &ResourceType) -> &'static Value {
    name_of(&resource.group, &resource.version, &resource.kind).map_or(&NOTHING, definition)
}

/// The name of the definition that a schema refers to.
pub(crate) fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()
}

/// What a schema stands for: itself, or what it refers to.
pub(crate) fn resolved(schema: &'static Value) -> &'static Value {
    reference(schema).map_or(schema, definition)
}

/// The schema of a field, before its reference is followed; null when there is no such field.
pub(crate) fn field(schema: &'static Value, name: &str) -> &'static Value {
    schema["properties"].get(name).unwrap_or(&schema["additionalProperties"])
}

/// The names of these definitions and of all that they refer to.
pub(crate) fn with_referred(names: impl IntoIterator<Item = &'static str>) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&'static str> = names.into_iter().collect();
    while let Some(name) = waiting.pop() {
        if found.insert(name) {
            collect_references(definition(name), &mut waiting);
        }
    }
    found
}

fn collect_references(schema: &'static Value, found: &mut Vec<&'static str>) {
    found.extend(reference(schema));
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            collect_references(&schema[key], found);
        }
    }
    for inner in schema["properties"].as_object().into_iter().flat_map(serde_json::Map::values) {
        collect_references(inner, found);
    }
}

#[cfg(test)]
mod tests {
    use super::super::resources::Registry;
    use super::*;

    #[test]
    fn every_built_in_kind_has_its_schema_and_every_reference_leads_somewhere() {
        for resource in Registry::built_in().all() {
            assert!(of(&resource)["properties"]["metadata"].is_object(), "{}", resource.qualified_kind());
        }
        for name in with_referred(KINDS.values().copied()) {
            assert!(definition(name).is_object(), "{name}");
        }
    }
}
