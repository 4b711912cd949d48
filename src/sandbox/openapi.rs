//! `OpenAPI` documents: what kinds there are and which fields they have, for `kubectl explain`, and how the server
//! takes changes, for `kubectl apply`.
//!
//! Version 3 has one document for each group and version, version 2 one for everything, without paths.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::resources::{Registry, ResourceType};
use super::upstream;

/// What each of the two versions writes before the name of a definition.
#[derive(Clone, Copy)]
enum Version {
    Two,
    Three,
}

/// The answer to a path under `/openapi/v3`; `None` when there is no such document.
pub(crate) fn answer(registry: &Registry, path: &str) -> Option<Value> {
    let name = path.strip_prefix("/openapi/v3")?.trim_matches('/');
    if name.is_empty() {
        let names: BTreeSet<String> = registry.all().iter().map(|resource| document_name(resource)).collect();
        let paths: Map<String, Value> = names
            .into_iter()
            .map(|name| {
                let url = format!("/openapi/v3/{name}");
                (name, json!({"serverRelativeURL": url}))
            })
            .collect();
        return Some(json!({"paths": paths}));
    }
    let resources: Vec<_> =
        registry.all().into_iter().filter(|resource| document_name(resource) == name).collect();
    if resources.is_empty() {
        return None;
    }
    let mut paths = Map::new();
    for resource in &resources {
        add_paths(&mut paths, resource);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": paths,
        "components": {"schemas": schemas(&resources, Version::Three)},
    }))
}

/// The document of version 2.
pub(crate) fn version_two(registry: &Registry) -> Value {
    let definitions = schemas(&registry.all(), Version::Two);
    json!({"swagger": "2.0", "info": info(), "paths": {}, "definitions": definitions})
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": upstream::VERSION})
}

fn document_name(resource: &ResourceType) -> String {
    let version = &resource.version;
    if resource.group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{}/{version}", resource.group)
    }
}

/// The schemas of these resources, of their lists, and of all that they refer to.
fn schemas(resources: &[Arc<ResourceType>], version: Version) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut published = vec![upstream::METADATA, LIST_METADATA];
    for resource in resources {
        match &resource.custom {
            Some(custom) => {
                found.insert(schema_name(resource), custom_schema(resource, &custom.schema, version));
            }
            None => {
                published.extend(upstream::name_of(&resource.group, &resource.version, &resource.kind));
            }
        }
        if !resource.is_review() {
            found.insert(format!("{}List", schema_name(resource)), list_schema(resource, version));
        }
        if resource.scale.is_some() {
            published.extend(upstream::name_of("autoscaling", "v1", "Scale"));
        }
        if resource.storage == "serviceaccounts" {
            published.extend(upstream::name_of("authentication.k8s.io", "v1", "TokenRequest"));
        }
    }
    for name in upstream::with_referred(published) {
        found.insert(name.to_owned(), document(upstream::definition(name), version));
    }
    found
}

/// The metadata of lists.
const LIST_METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

fn schema_name(resource: &ResourceType) -> String {
    let published = upstream::name_of(&resource.group, &resource.version, &resource.kind);
    published.filter(|_| resource.custom.is_none()).map_or_else(
        || {
            let reversed: Vec<&str> = resource.group.split('.').rev().collect();
            format!("{}.{}.{}", reversed.join("."), resource.version, resource.kind)
        },
        ToOwned::to_owned,
    )
}

/// A published schema as a document has it.
fn document(schema: &Value, version: Version) -> Value {
    let Some(map) = schema.as_object() else { return schema.clone() };
    let mut written = Map::new();
    for (key, value) in map {
        let value = match (key.as_str(), value) {
            ("$ref", Value::String(name)) => {
                let reference = reference(name, version);
                match version {
                    Version::Two => written.insert("$ref".to_owned(), reference["$ref"].clone()),
                    Version::Three => written.insert("allOf".to_owned(), json!([reference])),
                };
                continue;
            }
            ("items" | "additionalProperties", inner) => document(inner, version),
            ("properties", Value::Object(inner)) => {
                let inner = inner.iter().map(|(name, inner)| (name.clone(), document(inner, version)));
                Value::Object(inner.collect())
            }
            ("oneOf", _) if matches!(version, Version::Two) => {
                // That version knows no alternatives.
                written.insert("type".to_owned(), json!("string"));
                continue;
            }
            (_, value) => value.clone(),
        };
        written.insert(key.clone(), value);
    }
    Value::Object(written)
}

fn reference(name: &str, version: Version) -> Value {
    let place = match version {
        Version::Two => "definitions",
        Version::Three => "components/schemas",
    };
    json!({"$ref": format!("#/{place}/{name}")})
}

/// The schema of a custom resource, with what every object has.
fn custom_schema(resource: &ResourceType, schema: &Value, version: Version) -> Value {
    let mut schema = schema.clone();
    if matches!(version, Version::Two) {
        // Readers of that version stumble over what it has no words for.
        strip_rules(&mut schema);
    }
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let common = upstream::definition("io.k8s.api.core.v1.ConfigMap");
    for field in ["apiVersion", "kind", "metadata"] {
        schema["properties"][field] = document(upstream::field(common, field), version);
    }
    schema["x-kubernetes-group-version-kind"] = json!([gvk(resource)]);
    schema
}

fn strip_rules(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|key, _| {
                !matches!(key.as_str(), "x-kubernetes-validations" | "nullable" | "oneOf" | "anyOf")
            });
            map.values_mut().for_each(strip_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_rules),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn list_schema(resource: &ResourceType, version: Version) -> Value {
    let common = upstream::definition("io.k8s.api.core.v1.ConfigMap");
    let item = document(&json!({"$ref": schema_name(resource)}), version);
    json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": upstream::field(common, "apiVersion"),
            "items": {"description": format!("List of {}.", resource.plural), "type": "array", "items": item},
            "kind": upstream::field(common, "kind"),
            "metadata": document(&json!({"$ref": LIST_METADATA, "description": "Standard list metadata."}), version),
        },
        "x-kubernetes-group-version-kind": [{
            "group": resource.group, "version": resource.version, "kind": resource.list_kind,
        }],
    })
}

fn gvk(resource: &ResourceType) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn add_paths(paths: &mut Map<String, Value>, resource: &ResourceType) {
    let place = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    let base = format!("/{}/{place}{}", document_name(resource), resource.plural);
    let operation = |action: &str, schema_name: &str, gvk: &Value| {
        let body = json!({"application/json": {"schema": reference(schema_name, Version::Three)}});
        let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"]
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
            .collect();
        json!({
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": body}},
        })
    };
    let patch = |schema_name: &str, gvk: &Value| {
        let mut patch = operation("patch", schema_name, gvk);
        let formats = [
            "application/apply-patch+yaml",
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
        ];
        // The last one is for built-in kinds alone.
        let formats = &formats[..formats.len() - usize::from(resource.custom.is_some())];
        let content: Map<String, Value> = formats
            .iter()
            .map(|format| ((*format).to_owned(), json!({"schema": {"type": "object"}})))
            .collect();
        patch["requestBody"] = json!({"content": content});
        patch
    };
    let (name, kind) = (schema_name(resource), gvk(resource));
    if resource.is_review() {
        paths.insert(base, json!({"post": operation("post", &name, &kind)}));
        return;
    }
    let list = format!("{name}List");
    paths.insert(
        base.clone(),
        json!({"get": operation("list", &list, &kind), "post": operation("post", &name, &kind)}),
    );
    let methods = |name: &str, kind: &Value| {
        json!({
            "get": operation("get", name, kind),
            "put": operation("put", name, kind),
            "patch": patch(name, kind),
        })
    };
    let mut whole = methods(&name, &kind);
    whole["delete"] = operation("delete", &name, &kind);
    paths.insert(format!("{base}/{{name}}"), whole);
    if resource.status {
        paths.insert(format!("{base}/{{name}}/status"), methods(&name, &kind));
    }
    if resource.scale.is_some()
        && let Some(scale) = upstream::name_of("autoscaling", "v1", "Scale")
    {
        let kind = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        paths.insert(format!("{base}/{{name}}/scale"), methods(scale, &kind));
    }
}
