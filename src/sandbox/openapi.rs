//! `OpenAPI` documents, as far as `kubectl` reads them: to learn that the server checks fields itself
//! (`apply`), and to explain custom resources (`explain`). Built-in kinds have no fields listed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::resources::{Registry, ResourceType};

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
    let mut schemas = Map::new();
    for resource in &resources {
        let schema_name = schema_name(resource);
        schemas.insert(schema_name.clone(), schema(resource));
        add_paths(&mut paths, resource, &schema_name);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "tidetable sandbox", "version": "v1.32.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

fn document_name(resource: &ResourceType) -> String {
    let version = &resource.version;
    if resource.group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{}/{version}", resource.group)
    }
}

fn schema_name(resource: &ResourceType) -> String {
    let group = if resource.group.is_empty() { "core" } else { &resource.group };
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{}.{}", reversed.join("."), resource.version, resource.kind)
}

fn schema(resource: &ResourceType) -> Value {
    let mut schema = match &resource.custom {
        Some(custom) => custom.schema.clone(),
        None => json!({
            "type": "object",
            "description": format!("{} is a built-in kind.", resource.kind),
            "x-kubernetes-preserve-unknown-fields": true,
        }),
    };
    let text = |description: &str| json!({"type": "string", "description": description});
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    schema["properties"]["apiVersion"] = text("The version of the schema of this object.");
    schema["properties"]["kind"] = text("The kind of this object.");
    schema["properties"]["metadata"] = json!({"type": "object", "description": "Standard object's metadata.", "x-kubernetes-preserve-unknown-fields": true});
    schema["x-kubernetes-group-version-kind"] = json!([gvk(resource)]);
    schema
}

fn gvk(resource: &ResourceType) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn add_paths(paths: &mut Map<String, Value>, resource: &ResourceType, schema_name: &str) {
    let place = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    let base = format!("/{}/{place}{}", document_name(resource), resource.plural);
    let body =
        json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema_name}")}}});
    let operation = |action: &str| {
        let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"]
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
            .collect();
        json!({
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(resource),
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": body}},
        })
    };
    let mut patch = operation("patch");
    // Strategic merge patches are taken but not listed: a client that saw them here would want to
    // compute them from schemas that aren't here.
    let formats =
        ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    let content: Map<String, Value> =
        formats.iter().map(|format| ((*format).to_owned(), json!({"schema": {"type": "object"}}))).collect();
    patch["requestBody"] = json!({"content": content});
    paths.insert(base.clone(), json!({"get": operation("list"), "post": operation("post")}));
    paths.insert(
        format!("{base}/{{name}}"),
        json!({"get": operation("get"), "put": operation("put"), "patch": patch, "delete": operation("delete")}),
    );
}
