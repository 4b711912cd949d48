//! Deleting objects: finalizers hold them, a grace period keeps pods, dependents follow them or hold them, and a
//! namespace or a definition goes when the last of its content is gone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::dependents::Dependents;
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
    /// What becomes of what belongs to it.
    pub(crate) dependents: Dependents,
    /// For how many seconds a pod is let end; its own number without it.
    pub(crate) grace: Option<u64>,
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
        let grace = grace_seconds(resource, present, deletion.grace);
        let mut marked = Value::clone(present);
        if deletion.dependents == Dependents::Foreground && self.is_blocked(present) {
            Self::hold(&mut marked);
        }
        let held = marked["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let contains = contains(resource);
        if held || contains || grace > 0 {
            self.mark(resource, &mut marked, grace);
        }
        if deletion.dry_run {
            return Ok((Arc::new(marked), !held && !contains && grace == 0));
        }
        let lost = |_| ApiError::conflict(resource, &name);
        if deletion.dependents == Dependents::Orphan {
            self.release_dependents(present);
        }
        if held || contains || grace > 0 {
            let object = if marked == **present {
                Arc::clone(present)
            } else {
                self.store.replace(&resource.storage, present, marked).map_err(lost)?
            };
            if contains {
                self.empty(resource, &object);
            } else if deletion.dependents == Dependents::Foreground {
                self.remove_dependents(&object, Dependents::Foreground);
                self.release_owner(resource, &object);
            }
            return Ok((object, false));
        }
        let object = self.store.delete_unchanged(&resource.storage, present, marked).map_err(lost)?;
        self.after_removal(resource, &object);
        Ok((object, true))
    }

    /// Notes in an object that it is being deleted, and until when. A later deletion can only shorten that.
    fn mark(&self, resource: &ResourceType, object: &mut Value, grace: u64) {
        let metadata = &mut object["metadata"];
        let before = metadata["deletionGracePeriodSeconds"].as_u64();
        if metadata["deletionTimestamp"].is_string() && before.is_none_or(|before| before <= grace) {
            return;
        }
        let is_first = before.is_none();
        metadata["deletionTimestamp"] = json!(self.store.after(grace));
        metadata["deletionGracePeriodSeconds"] = json!(grace);
        if resource.generation && is_first {
            let generation = metadata["generation"].as_u64().unwrap_or_default() + 1;
            metadata["generation"] = json!(generation);
        }
        if resource.storage == "namespaces" {
            object["status"] = json!({"phase": "Terminating"});
        }
    }

    /// Removes what belonged to an object that is gone, lets go of owners that waited for it, and removes the container
    /// that it was the last content of.
    pub(crate) fn after_removal(&self, resource: &ResourceType, object: &Value) {
        self.remove_dependents(object, Dependents::Background);
        self.release_owners_of(object);
        let namespace = text_at(object, "/metadata/namespace");
        self.finish_namespace(namespace);
        if resource.custom.is_some()
            && let Some(definition) = self.store.get(DEFINITIONS, "", &resource.storage)
            && self.store.list(&resource.storage, None).0.is_empty()
        {
            self.finish_definition(&definition);
        }
    }

    /// Removes the content of a namespace or of a definition, and then itself.
    fn empty(&self, resource: &ResourceType, container: &Arc<Value>) {
        let name = text_at(container, "/metadata/name").to_owned();
        if resource.storage == "namespaces" {
            for (resource, object) in self.content_of(&name) {
                // Who changes or holds an object now is waited for.
                let _ = self.delete(&resource, &object, &Deletion::default());
            }
            self.finish_namespace(&name);
        } else {
            let served = self.registry.all();
            if let Some(custom) = served.iter().find(|r| r.custom.is_some() && r.storage == name) {
                for object in self.store.list(&name, None).0 {
                    // Who changes or holds an object now is waited for.
                    let _ = self.delete(custom, &object, &Deletion::default());
                }
            }
            if self.store.list(&name, None).0.is_empty() {
                self.finish_definition(container);
            }
        }
    }

    /// Removes a container whose last finalizer is gone, if nothing else holds it.
    pub(crate) fn finish_container(&self, resource: &ResourceType, object: &Value) {
        let name = text_at(object, "/metadata/name");
        if resource.storage == "namespaces" {
            self.finish_namespace(name);
        } else if resource.storage == DEFINITIONS && self.store.list(name, None).0.is_empty() {
            self.finish_definition(object);
        }
    }

    /// Removes a definition that is being deleted and that no finalizer holds.
    fn finish_definition(&self, definition: &Value) {
        if definition["metadata"]["deletionTimestamp"].is_string() && !is_held(definition) {
            let name = text_at(definition, "/metadata/name");
            self.registry.replace_custom(name, Vec::new());
            // It may have been finished by the removal of its last content.
            let _ = self.store.delete(DEFINITIONS, "", name);
        }
    }

    /// The objects that are chosen, each once, whatever versions its kind is served in.
    pub(super) fn find(&self, chosen: impl Fn(&Value) -> bool) -> Vec<(Arc<ResourceType>, Arc<Value>)> {
        let mut found = Vec::new();
        for resource in self.registry.stored() {
            let (objects, _) = self.store.list(&resource.storage, None);
            let chosen = objects.into_iter().filter(|object| chosen(object));
            found.extend(chosen.map(|object| (Arc::clone(&resource), object)));
        }
        found
    }
}

/// Whether objects of a kind have others in them, which go first.
pub(crate) fn contains(resource: &ResourceType) -> bool {
    matches!(resource.storage.as_str(), "namespaces" | DEFINITIONS)
}

/// Whether a finalizer keeps an object.
pub(crate) fn is_held(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// For how long an object stays after its deletion: a pod that is on a node, until its processes have ended.
fn grace_seconds(resource: &ResourceType, object: &Value, wanted: Option<u64>) -> u64 {
    let runs = resource.storage == "pods"
        && !text_at(object, "/spec/nodeName").is_empty()
        && !matches!(text_at(object, "/status/phase"), "Succeeded" | "Failed");
    if !runs {
        return 0;
    }
    wanted.or(object["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or_default()
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
