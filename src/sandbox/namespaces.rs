//! Namespaces that are being deleted: what still is in them, and when they are gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::deletion::is_held;
use super::objects::Objects;
use super::resources::ResourceType;

/// The finalizer in a namespace's `spec` that stands for its content.
const CONTENT: &str = "kubernetes";

impl Objects {
    /// Removes a namespace that is being deleted when nothing is left in it and nobody holds it; says in its
    /// conditions what it waits for otherwise.
    pub(super) fn finish_namespace(&self, name: &str) {
        let Some(present) = self.store.get("namespaces", "", name) else { return };
        if !present["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        if self.is_being_emptied(name) {
            return;
        }
        let left = self.content_of(name);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
        for (resource, object) in &left {
            *kinds.entry(format!("{}.{}", resource.plural, resource.group)).or_default() += 1;
            let held_by = object["metadata"]["finalizers"].as_array().into_iter().flatten();
            for finalizer in held_by.filter_map(Value::as_str) {
                *finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
        let now = self.store.now();
        let written = self.store.update("namespaces", "", name, |namespace| {
            namespace["status"]["conditions"] = conditions(&namespace["status"], &kinds, &finalizers, &now);
            if kinds.is_empty()
                && let Some(list) = namespace["spec"]["finalizers"].as_array_mut()
            {
                list.retain(|finalizer| finalizer != CONTENT);
            }
        });
        // It may have been finished by the removal of its last content.
        if written.is_ok_and(|namespace| is_free(&namespace)) {
            let _ = self.store.delete("namespaces", "", name);
        }
    }

    /// What is in a namespace.
    pub(super) fn content_of(&self, namespace: &str) -> Vec<(Arc<ResourceType>, Arc<Value>)> {
        let list = |resource: Arc<ResourceType>| {
            let (objects, _) = self.store.list(&resource.storage, Some(namespace));
            objects.into_iter().map(move |object| (Arc::clone(&resource), object))
        };
        self.registry.stored().into_iter().filter(|resource| resource.namespaced).flat_map(list).collect()
    }

    /// Whether there are objects in a namespace that nobody has yet deleted.
    fn is_being_emptied(&self, namespace: &str) -> bool {
        let stays = |object: &Value| !object["metadata"]["deletionTimestamp"].is_string();
        let kinds = self.registry.stored();
        kinds
            .iter()
            .any(|resource| resource.namespaced && self.store.any(&resource.storage, namespace, stays))
    }
}

/// Whether a namespace that is being deleted can go.
pub(crate) fn is_free(namespace: &Value) -> bool {
    namespace["metadata"]["deletionTimestamp"].is_string()
        && !is_held(namespace)
        && namespace["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

fn conditions(
    status: &Value,
    kinds: &BTreeMap<String, usize>,
    finalizers: &BTreeMap<String, usize>,
    now: &str,
) -> Value {
    let counted = |counts: &BTreeMap<String, usize>, verb: &str| {
        counts
            .iter()
            .map(|(name, count)| format!("{name} {verb} {count} resource instances"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let remaining = if kinds.is_empty() {
        ("False", "ContentRemoved", "All content successfully removed".to_owned())
    } else {
        let text = format!("Some resources are remaining: {}", counted(kinds, "has"));
        ("True", "SomeResourcesRemain", text)
    };
    let held = if finalizers.is_empty() {
        ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned())
    } else {
        let text =
            format!("Some content in the namespace has finalizers remaining: {}", counted(finalizers, "in"));
        ("True", "SomeFinalizersRemain", text)
    };
    let fine = |reason, message: &str| ("False", reason, message.to_owned());
    let all = [
        (
            "NamespaceDeletionDiscoveryFailure",
            fine("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            fine("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            fine("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        ("NamespaceContentRemaining", remaining),
        ("NamespaceFinalizersRemaining", held),
    ];
    let before = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let all = all.into_iter().map(|(kind, (holds, reason, message))| {
        let same = before.iter().find(|before| before["type"] == kind && before["status"] == holds);
        let since = same.map_or_else(|| json!(now), |same| same["lastTransitionTime"].clone());
        json!({"type": kind, "status": holds, "lastTransitionTime": since, "reason": reason, "message": message})
    });
    all.collect()
}
