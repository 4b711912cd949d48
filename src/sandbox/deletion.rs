//! Deleting objects: finalizers hold them, dependents follow them, and a namespace or a definition goes
//! when the last of its content is gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::error::ApiError;
use super::json::text_at;
use super::objects::{DEFINITIONS, Objects};
use super::resources::ResourceType;

/// The namespaces that no one may delete.
const PRESERVED: &[&str] = &["default", "kube-public", "kube-system"];

/// What a deletion asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    /// The only identity that may be deleted.
    pub(crate) uid: Option<String>,
    /// The only version that may be deleted.
    pub(crate) version: Option<String>,
    /// Whether dependents stay.
    pub(crate) orphan: bool,
    /// Whether nothing is deleted.
    pub(crate) dry_run: bool,
}

impl Objects {
    /// Deletes an object, or marks it when finalizers hold it. Returns its last state and whether it is
    /// gone.
    pub(crate) fn delete(
        &self,
        resource: &ResourceType,
        present: &Arc<Value>,
        deletion: &Deletion,
    ) -> Result<(Arc<Value>, bool), ApiError> {
        let name = text_at(present, "/metadata/name").to_owned();
        check_deletion(resource, present, deletion, &name)?;
        if resource.storage == "namespaces" && PRESERVED.contains(&name.as_str()) {
            return Err(ApiError::forbidden_object(resource, &name, "this namespace may not be deleted"));
        }
        let mut marked = Value::clone(present);
        let held = marked["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let contains = contains(resource);
        if (held || contains) && !marked["metadata"]["deletionTimestamp"].is_string() {
            marked["metadata"]["deletionTimestamp"] = json!(self.store.now());
            marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            if resource.generation {
                let generation = marked["metadata"]["generation"].as_u64().unwrap_or_default() + 1;
                marked["metadata"]["generation"] = json!(generation);
            }
            if resource.storage == "namespaces" {
                marked["status"] = json!({"phase": "Terminating"});
            }
        }
        if deletion.dry_run {
            return Ok((Arc::new(marked), !held && !contains));
        }
        let lost = |_| ApiError::conflict(resource, &name);
        if contains {
            let object = self.store.replace(&resource.storage, present, marked).map_err(lost)?;
            self.empty(resource, &object);
            return Ok((object, false));
        }
        if held {
            if marked == **present {
                return Ok((Arc::clone(present), false));
            }
            return Ok((self.store.replace(&resource.storage, present, marked).map_err(lost)?, false));
        }
        let object = self.store.delete_unchanged(&resource.storage, present, marked).map_err(lost)?;
        self.after_removal(resource, &object, deletion.orphan);
        Ok((object, true))
    }

    /// Removes what belonged to an object that is gone, and the container it was the last content of.
    pub(crate) fn after_removal(&self, resource: &ResourceType, object: &Value, orphan: bool) {
        let uid = text_at(object, "/metadata/uid");
        if !orphan && !uid.is_empty() {
            self.remove_where(|candidate| {
                let owners = candidate["metadata"]["ownerReferences"].as_array();
                owners.is_some_and(|owners| {
                    owners.iter().any(|owner| owner["uid"] == uid)
                        && !owners.iter().any(|owner| self.lives(owner, candidate))
                })
            });
        }
        let namespace = text_at(object, "/metadata/namespace");
        if let Some(found) = self.store.get("namespaces", "", namespace) {
            self.finish("namespaces", &found, |candidate| {
                text_at(candidate, "/metadata/namespace") == namespace
            });
        }
        if resource.custom.is_some()
            && let Some(definition) = self.store.get(DEFINITIONS, "", &resource.storage)
            && self.store.list(&resource.storage, None).0.is_empty()
        {
            self.finish(DEFINITIONS, &definition, |_| false);
        }
    }

    /// Removes the content of a namespace or of a definition, and then itself.
    fn empty(&self, resource: &ResourceType, container: &Arc<Value>) {
        let name = text_at(container, "/metadata/name").to_owned();
        if resource.storage == "namespaces" {
            let inside = |candidate: &Value| text_at(candidate, "/metadata/namespace") == name;
            self.remove_where(inside);
            self.finish("namespaces", container, inside);
        } else {
            let served = self.registry.all();
            if let Some(custom) = served.iter().find(|r| r.custom.is_some() && r.storage == name) {
                for object in self.store.list(&name, None).0 {
                    // Who changes or holds an object now is waited for.
                    let _ = self.delete(custom, &object, &Deletion::default());
                }
            }
            if self.store.list(&name, None).0.is_empty() {
                self.finish(DEFINITIONS, container, |_| false);
            }
        }
    }

    fn remove_where(&self, chosen: impl Fn(&Value) -> bool) {
        for (resource, object) in self.find(&chosen) {
            // Who changes or holds an object now is waited for.
            let _ = self.delete(&resource, &object, &Deletion::default());
        }
    }

    /// Whether the owner that a reference in `dependent` names is there.
    fn lives(&self, owner: &Value, dependent: &Value) -> bool {
        let text = |key: &str| owner[key].as_str().unwrap_or_default();
        let Some(resource) = self.registry.find_kind(text("apiVersion"), text("kind")) else { return false };
        let namespace = if resource.namespaced { text_at(dependent, "/metadata/namespace") } else { "" };
        let found = self.store.get(&resource.storage, namespace, text("name"));
        found.is_some_and(|found| found["metadata"]["uid"] == owner["uid"])
    }

    /// Removes a container whose last finalizer is gone, if nothing else holds it.
    pub(crate) fn finish_container(&self, resource: &ResourceType, object: &Value) {
        let name = text_at(object, "/metadata/name");
        if resource.storage == "namespaces" {
            self.finish("namespaces", object, |candidate| text_at(candidate, "/metadata/namespace") == name);
        } else if resource.storage == DEFINITIONS && self.store.list(name, None).0.is_empty() {
            self.finish(DEFINITIONS, object, |_| false);
        }
    }

    /// Removes a container that is being deleted when nothing is left in it and no finalizer holds it.
    fn finish(&self, storage: &str, container: &Value, inside: impl Fn(&Value) -> bool) {
        let deleting = container["metadata"]["deletionTimestamp"].is_string();
        let held = container["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        if !deleting || held || !self.find(&inside).is_empty() {
            return;
        }
        let name = text_at(container, "/metadata/name");
        if storage == DEFINITIONS {
            self.registry.replace_custom(name, Vec::new());
        }
        // It may have been finished by the removal of its last content.
        let _ = self.store.delete(storage, "", name);
    }

    fn find(&self, chosen: impl Fn(&Value) -> bool) -> Vec<(Arc<ResourceType>, Arc<Value>)> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for resource in self.registry.all() {
            if seen.insert(resource.storage.clone()) {
                let (objects, _) = self.store.list(&resource.storage, None);
                let chosen = objects.into_iter().filter(|object| chosen(object));
                found.extend(chosen.map(|object| (Arc::clone(&resource), object)));
            }
        }
        found
    }
}

/// Whether objects of a kind have others in them, which go first.
pub(crate) fn contains(resource: &ResourceType) -> bool {
    matches!(resource.storage.as_str(), "namespaces" | DEFINITIONS)
}

fn check_deletion(
    resource: &ResourceType,
    present: &Value,
    deletion: &Deletion,
    name: &str,
) -> Result<(), ApiError> {
    let pairs = [
        ("UID", &deletion.uid, "/metadata/uid"),
        ("ResourceVersion", &deletion.version, "/metadata/resourceVersion"),
    ];
    for (label, wanted, pointer) in pairs {
        let found = text_at(present, pointer);
        if let Some(wanted) = wanted
            && wanted != found
        {
            return Err(ApiError::precondition(resource, name, label, (wanted, found)));
        }
    }
    Ok(())
}
