//! What the server serves, for clients that ask: the older lists and the newer aggregated one.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Value, json};

use super::request::{accept, parameter};
use super::resources::{Registry, ResourceType};
use super::upstream;
use super::versions::by_priority;

/// The media type of aggregated discovery; clients fall back to the older lists without it.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The answer to a discovery path, and its media type; `None` when the path is no such one.
pub(crate) fn answer(registry: &Registry, path: &str, headers: &HeaderMap) -> Option<(Value, &'static str)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let aggregated = accept(headers).split(',').any(|media| {
        parameter(media, "as") == Some("APIGroupDiscoveryList") && parameter(media, "v") == Some("v2")
    });
    let resources = registry.all();
    let answer = match parts.as_slice() {
        ["version"] => version(),
        ["api"] if aggregated => return Some((aggregate(&resources, true), AGGREGATED)),
        ["apis"] if aggregated => return Some((aggregate(&resources, false), AGGREGATED)),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<Value> = groups(&resources).keys().filter_map(|g| group(&resources, g)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", name] => {
            let mut found = group(&resources, name)?;
            found["kind"] = json!("APIGroup");
            found["apiVersion"] = json!("v1");
            found
        }
        ["api", "v1"] => resource_list(&resources, "", "v1")?,
        ["apis", group, version] => resource_list(&resources, group, version)?,
        _ => return None,
    };
    Some((answer, "application/json"))
}

/// The version whose answers and schemas these are.
fn version() -> Value {
    let mut numbers = upstream::VERSION.trim_start_matches('v').split('.');
    json!({
        "major": numbers.next(), "minor": numbers.next(),
        "gitVersion": format!("{}+tidetable-sandbox", upstream::VERSION), "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none",
        "compiler": "rustc", "platform": "sandbox",
    })
}

type Versions<'a> = BTreeMap<&'a str, Vec<&'a Arc<ResourceType>>>;

fn groups(resources: &[Arc<ResourceType>]) -> BTreeMap<&str, Versions<'_>> {
    let mut groups: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    for resource in resources.iter().filter(|resource| !resource.group.is_empty()) {
        groups.entry(&resource.group).or_default().entry(&resource.version).or_default().push(resource);
    }
    groups
}

fn group(resources: &[Arc<ResourceType>], name: &str) -> Option<Value> {
    let all = groups(resources);
    let versions: Vec<Value> = by_priority(all.get(name)?.keys().copied())
        .into_iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    Some(json!({"name": name, "preferredVersion": versions.first(), "versions": versions}))
}

fn resource_list(resources: &[Arc<ResourceType>], group: &str, version: &str) -> Option<Value> {
    let served: Vec<Value> = resources
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .flat_map(|resource| listed(resource))
        .collect();
    if served.is_empty() {
        return None;
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": served}))
}

fn listed(resource: &ResourceType) -> Vec<Value> {
    let mut main = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs(),
    });
    if !resource.short_names.is_empty() {
        main["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        main["categories"] = json!(resource.categories);
    }
    if !resource.is_review() {
        main["storageVersionHash"] = json!(storage_hash(resource));
    }
    let mut all = vec![main];
    for Subresource { name, group, version, kind, verbs } in subresources(resource) {
        let mut entry = json!({
            "name": format!("{}/{name}", resource.plural),
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind,
            "verbs": verbs,
        });
        if !matches!(name, "status" | "finalize") {
            entry["group"] = json!(group);
            entry["version"] = json!(version);
        }
        all.push(entry);
    }
    all
}

/// The first eight bytes of the SHA-256 of the stored type's name; clients compare it for equality.
fn storage_hash(resource: &ResourceType) -> k8s_openapi::ByteString {
    let name = format!("{}/{}/{}", resource.group, resource.version, resource.kind);
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let digest = suite.tls13().map(|suite| suite.common.hash_provider.hash(name.as_bytes()));
    let bytes = digest.as_ref().and_then(|digest| digest.as_ref().get(..8)).unwrap_or_default();
    k8s_openapi::ByteString(bytes.to_vec())
}

/// A path below an object.
struct Subresource<'a> {
    name: &'static str,
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    verbs: &'static [&'static str],
}

fn subresources(resource: &ResourceType) -> Vec<Subresource<'_>> {
    let verbs = &["get", "patch", "update"];
    let mut found = Vec::new();
    if resource.status {
        let ResourceType { group, version, kind, .. } = resource;
        found.push(Subresource { name: "status", group, version, kind, verbs });
    }
    if resource.scale.is_some() {
        found.push(Subresource { name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs });
    }
    if resource.storage == "namespaces" {
        let ResourceType { group, version, kind, .. } = resource;
        found.push(Subresource { name: "finalize", group, version, kind, verbs: &["update"] });
    }
    if resource.storage == "serviceaccounts" {
        let (group, version, kind) = ("authentication.k8s.io", "v1", "TokenRequest");
        found.push(Subresource { name: "token", group, version, kind, verbs: &["create"] });
    }
    found
}

fn aggregate(resources: &[Arc<ResourceType>], core: bool) -> Value {
    let items: Vec<Value> = if core {
        let core: Vec<&Arc<ResourceType>> = resources.iter().filter(|r| r.group.is_empty()).collect();
        vec![aggregated_group("", &BTreeMap::from([("v1", core)]))]
    } else {
        groups(resources).iter().map(|(name, versions)| aggregated_group(name, versions)).collect()
    };
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn aggregated_group(name: &str, versions: &Versions<'_>) -> Value {
    let versions: Vec<Value> = by_priority(versions.keys().copied())
        .into_iter()
        .map(|version| {
            let resources: Vec<Value> =
                versions[version].iter().map(|resource| aggregated(resource)).collect();
            json!({"version": version, "freshness": "Current", "resources": resources})
        })
        .collect();
    let metadata = if name.is_empty() { json!({}) } else { json!({"name": name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated(resource: &ResourceType) -> Value {
    let kind =
        |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresources: Vec<Value> = subresources(resource)
        .into_iter()
        .map(|Subresource { name, group, version, kind: kind_name, verbs }| {
            json!({
                "subresource": name,
                "responseKind": kind(group, version, kind_name),
                "verbs": verbs,
            })
        })
        .collect();
    json!({
        "resource": resource.plural,
        "responseKind": kind(&resource.group, &resource.version, &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs(),
        "shortNames": resource.short_names,
        "categories": resource.categories,
        "subresources": subresources,
    })
}
