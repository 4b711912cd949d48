//! What belongs to an object by `ownerReferences`, when that is deleted: it follows, goes first, or stays behind.
//!
//! A real cluster has a garbage collector for this, which comes a moment later; here everything happens in the request.

use std::sync::Arc;

use serde_json::{Value, json};

use super::deletion::{Deletion, is_held};
use super::json::text_at;
use super::objects::Objects;
use super::resources::ResourceType;

/// The finalizer of an owner that waits for its dependents.
const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of the dependents of an object that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dependents {
    /// They go after it.
    #[default]
    Background,
    /// Those that block it go before it.
    Foreground,
    /// They stay, and belong to nobody.
    Orphan,
}

impl Objects {
    /// Whether an object has dependents that its deletion in the foreground has to wait for.
    pub(super) fn is_blocked(&self, owner: &Value) -> bool {
        let uid = text_at(owner, "/metadata/uid");
        let blocks = |reference: &Value| reference["uid"] == uid && reference["blockOwnerDeletion"] == true;
        self.store.is_owner(uid) && !self.find(|candidate| references(candidate).any(blocks)).is_empty()
    }

    /// Has an object wait for its dependents.
    pub(super) fn hold(owner: &mut Value) {
        let finalizers = &mut owner["metadata"]["finalizers"];
        match finalizers.as_array_mut() {
            Some(list) if list.iter().any(|finalizer| finalizer == FOREGROUND) => {}
            Some(list) => list.push(json!(FOREGROUND)),
            None => *finalizers = json!([FOREGROUND]),
        }
    }

    /// Deletes what belongs to `owner` and to nobody else who is there.
    pub(super) fn remove_dependents(&self, owner: &Value, how: Dependents) {
        let uid = text_at(owner, "/metadata/uid");
        if !self.store.is_owner(uid) {
            return;
        }
        let dependents = self.find(|candidate| {
            references(candidate).any(|reference| reference["uid"] == uid)
                && !references(candidate)
                    .any(|reference| reference["uid"] != uid && self.lives(reference, candidate))
        });
        for (resource, object) in dependents {
            // Who changes or holds an object now is waited for.
            let _ = self.delete(&resource, &object, &Deletion { dependents: how, ..Deletion::default() });
        }
    }

    /// Has what belongs to `owner` forget it.
    pub(super) fn release_dependents(&self, owner: &Value) {
        let uid = text_at(owner, "/metadata/uid");
        if !self.store.is_owner(uid) {
            return;
        }
        for (resource, object) in self.find(|candidate| references(candidate).any(|r| r["uid"] == uid)) {
            let text = |pointer| text_at(&object, pointer);
            let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
            // It may be gone meanwhile, which is as good.
            let _ = self.store.update(&resource.storage, namespace, name, |dependent| {
                let Some(metadata) = dependent["metadata"].as_object_mut() else { return };
                let Some(Value::Array(list)) = metadata.get_mut("ownerReferences") else { return };
                list.retain(|reference| reference["uid"] != uid);
                if list.is_empty() {
                    metadata.remove("ownerReferences");
                }
            });
        }
    }

    /// Lets go of owners that waited for `dependent`, which is gone.
    pub(super) fn release_owners_of(&self, dependent: &Value) {
        for reference in references(dependent) {
            if let Some((resource, owner)) = self.owner(reference, dependent) {
                self.release_owner(&resource, &owner);
            }
        }
    }

    /// Lets go of an object that waited for its dependents, if none of them is left.
    pub(super) fn release_owner(&self, resource: &ResourceType, owner: &Arc<Value>) {
        let waits =
            owner["metadata"]["finalizers"].as_array().is_some_and(|list| list.contains(&json!(FOREGROUND)));
        if !waits || self.is_blocked(owner) {
            return;
        }
        let mut released = Value::clone(owner);
        if let Some(list) = released["metadata"]["finalizers"].as_array_mut() {
            list.retain(|finalizer| finalizer != FOREGROUND);
        }
        if is_held(&released) {
            // Whoever is faster has released it.
            let _ = self.store.replace(&resource.storage, owner, released);
        } else if let Ok(gone) = self.store.delete_unchanged(&resource.storage, owner, released) {
            self.after_removal(resource, &gone);
        }
    }

    /// Whether the owner that a reference in `dependent` names is there.
    fn lives(&self, reference: &Value, dependent: &Value) -> bool {
        self.owner(reference, dependent).is_some()
    }

    fn owner(&self, reference: &Value, dependent: &Value) -> Option<(Arc<ResourceType>, Arc<Value>)> {
        let text = |key: &str| reference[key].as_str().unwrap_or_default();
        let resource = self.registry.find_kind(text("apiVersion"), text("kind"))?;
        let namespace = if resource.namespaced { text_at(dependent, "/metadata/namespace") } else { "" };
        let found = self.store.get(&resource.storage, namespace, text("name"))?;
        (found["metadata"]["uid"] == reference["uid"]).then_some((resource, found))
    }
}

fn references(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}
