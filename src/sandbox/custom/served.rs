//! What a custom resource definition makes the server serve, and which names it may have for it
//! (apiextensions-apiserver, `pkg/controller/status/naming_controller.go`).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::json::{fields, object_at, text_at};
use super::super::resources::{DEFINITIONS, ResourceType, ScalePaths};
use super::super::store::Store;
use super::super::versions::by_priority;
use super::CustomSchema;

/// Fills in what a real server adds to a definition: names, conversion and, once accepted, its status.
pub(crate) fn complete_definition(definition: &mut Value) {
    let kind = text_at(definition, "/spec/names/kind").to_owned();
    let spec = object_at(definition, "spec");
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        names.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
        names.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
    }
}

/// The status of a definition: whether its names are free, and what follows from that
/// (apiextensions-apiserver, `pkg/controller/status/naming_controller.go`).
pub(crate) fn established(definition: &Value, store: &Store) -> Value {
    let now = store.now();
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stored: Vec<&Value> = versions.iter().filter(|v| v["storage"] == true).map(|v| &v["name"]).collect();
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        let status = if status { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message})
    };
    let (accepted, taken) = accepted_names(definition, store);
    let conditions = match taken {
        None => json!([
            condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
            condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted"),
        ]),
        Some((reason, message)) => json!([
            condition("NamesAccepted", false, reason, &message),
            condition("Established", false, "NotAccepted", "not all names are accepted"),
        ]),
    };
    json!({"conditions": conditions, "acceptedNames": accepted, "storedVersions": stored})
}

/// Whether a definition is served: it has no status yet in which its names were refused.
pub(crate) fn is_established(definition: &Value) -> bool {
    let mut conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

/// The names of a definition that no other of its group has, and why the others are not accepted.
fn accepted_names(definition: &Value, store: &Store) -> (Value, Option<(&'static str, String)>) {
    let group = &definition["spec"]["group"];
    let own = &definition["metadata"]["name"];
    let others = store.list(DEFINITIONS, None).0;
    let others: Vec<&Value> = others
        .iter()
        .filter(|other| other["spec"]["group"] == *group && other["metadata"]["name"] != *own)
        .map(|other| &other["status"]["acceptedNames"])
        .collect();
    let resources: BTreeSet<&str> = others
        .iter()
        .flat_map(|names| {
            let short = names["shortNames"].as_array().into_iter().flatten();
            [&names["plural"], &names["singular"]].into_iter().chain(short).filter_map(Value::as_str)
        })
        .collect();
    let kinds: BTreeSet<&str> = others
        .iter()
        .flat_map(|names| [&names["kind"], &names["listKind"]])
        .filter_map(Value::as_str)
        .collect();
    let mut accepted = definition["spec"]["names"].clone();
    let mut problem = None;
    for (field, reason, taken) in [
        ("plural", "PluralConflict", &resources),
        ("singular", "SingularConflict", &resources),
        ("kind", "KindConflict", &kinds),
        ("listKind", "ListKindConflict", &kinds),
    ] {
        let name = accepted[field].as_str().unwrap_or_default().to_owned();
        if taken.contains(name.as_str()) {
            accepted[field] = json!("");
            problem = Some((reason, format!("{name:?} is already in use")));
        }
    }
    let short = accepted["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let used: Vec<String> = short
        .filter(|name| resources.contains(name))
        .map(|name| format!("{name:?} is already in use"))
        .collect();
    if let Some(first) = used.first() {
        let message = if used.len() == 1 { first.clone() } else { format!("[{}]", used.join(", ")) };
        problem = Some(("ShortNamesConflict", message));
        fields(&mut accepted).remove("shortNames");
    }
    (accepted, problem)
}

/// Brings the status of a changed definition up to date: its names, and the versions that were ever stored.
pub(crate) fn renew_status(definition: &mut Value, store: &Store) {
    let fresh = established(definition, store);
    let kept = definition["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    let stored = fresh["storedVersions"].as_array().into_iter().flatten();
    let stored: Vec<Value> = kept.iter().chain(stored.filter(|name| !kept.contains(name))).cloned().collect();
    let status = object_at(definition, "status");
    status.insert("storedVersions".to_owned(), json!(stored));
    status.insert("acceptedNames".to_owned(), fresh["acceptedNames"].clone());
}

/// The resources that a definition adds, one for each version it serves.
pub(crate) fn resources_of(definition: &Value) -> Vec<ResourceType> {
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    versions.iter().filter(|v| v["served"] == true).map(|version| resource_of(definition, version)).collect()
}

/// What whoever uses a version is warned of: that it is deprecated, and which one is not.
fn deprecation(definition: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(text) = version["deprecationWarning"].as_str() {
        return Some(text.to_owned());
    }
    let spec = &definition["spec"];
    let (group, kind, own) =
        (text_at(spec, "/group"), text_at(spec, "/names/kind"), text_at(version, "/name"));
    let all = spec["versions"].as_array().into_iter().flatten();
    let current = all.filter(|other| other["served"] == true && other["deprecated"] != true);
    let names = current.map(|other| text_at(other, "/name")).chain([own]);
    let better = by_priority(names).first().copied().filter(|first| *first != own);
    let advice = better.map(|name| format!("; use {group}/{name} {kind}")).unwrap_or_default();
    Some(format!("{group}/{own} {kind} is deprecated{advice}"))
}

fn resource_of(definition: &Value, version: &Value) -> ResourceType {
    let spec = &definition["spec"];
    let name = |pointer: &str| text_at(spec, pointer).to_owned();
    let names = |key: &str| {
        let list = spec["names"][key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let subresources = &version["subresources"];
    let pointer = |key: &str| subresources["scale"][key].as_str().map(|path| path.replace('.', "/"));
    let scale = pointer("specReplicasPath").zip(pointer("statusReplicasPath")).map(|(spec, status)| {
        ScalePaths { spec_replicas: spec, status_replicas: status, selector: pointer("labelSelectorPath") }
    });
    let columns = version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
    let schema = CustomSchema::new(&version["schema"]["openAPIV3Schema"], columns);
    let selectable = version["selectableFields"].as_array().into_iter().flatten();
    let selectable =
        selectable.map(|field| text_at(field, "/jsonPath").trim_start_matches('.').to_owned()).collect();
    ResourceType {
        group: name("/group"),
        version: text_at(version, "/name").to_owned(),
        plural: name("/names/plural"),
        singular: name("/names/singular"),
        kind: name("/names/kind"),
        list_kind: name("/names/listKind"),
        short_names: names("shortNames"),
        categories: names("categories"),
        namespaced: spec["scope"] == "Namespaced",
        status: subresources["status"].is_object(),
        scale,
        generation: true,
        unconditional_update: false,
        storage: text_at(definition, "/metadata/name").to_owned(),
        custom: Some(Arc::new(CustomSchema {
            selectable,
            deprecation: deprecation(definition, version),
            ..schema
        })),
    }
}
