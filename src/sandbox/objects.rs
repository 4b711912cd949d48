//! Creating, changing and deleting objects by the rules of the API: generations, finalizers, owners,
//! namespaces. Everything that changes an object on behalf of a client goes through here.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::admission::{self, Strictness, typing_of};
use super::custom::{self, Part};
use super::error::ApiError;
use super::events;
use super::json::{Parsed, object_at, text_at};
use super::managers::{self, Manager};
use super::resources::{Registry, ResourceType};
use super::store::{Store, StoreError};

/// The name of custom resource definitions in the store.
pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// The objects and the kinds they are of.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    /// Where objects are kept.
    pub(crate) store: Store,
    /// The kinds.
    pub(crate) registry: Registry,
}

/// How an object is written.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// Who writes.
    pub(crate) manager: Manager,
    /// Which part may change.
    pub(crate) part: Part,
    /// Whether nothing is kept.
    pub(crate) dry_run: bool,
    /// What happens to unknown fields.
    pub(crate) strictness: Strictness,
    /// Whether the object came out of a patch.
    pub(crate) patched: bool,
}

/// What a write made.
#[derive(Debug)]
pub(crate) struct Written {
    /// The object as it is stored (or would be).
    pub(crate) object: Arc<Value>,
    /// What the client should be warned of.
    pub(crate) warnings: Vec<String>,
}

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
    /// Adds an object.
    pub(crate) fn create(
        &self,
        resource: &ResourceType,
        namespace: &str,
        body: Parsed,
        write: &Write,
    ) -> Result<Written, ApiError> {
        let Parsed { value: mut object, duplicates } = body;
        admission::check_identity(resource, &mut object, namespace)?;
        self.check_namespace(resource, &object, namespace)?;
        if !text_at(&object, "/metadata/resourceVersion").is_empty() {
            return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let prefix = text_at(&object, "/metadata/generateName").to_owned();
        if text_at(&object, "/metadata/name").is_empty() && !prefix.is_empty() {
            object_at(&mut object, "metadata")
                .insert("name".to_owned(), json!(self.store.generate_name(&prefix)));
        }
        let right_kind = text_at(&object, "/kind") == resource.kind;
        let warnings = if right_kind {
            admission::shape_object(resource, &mut object, &duplicates, write.strictness, write.patched)?
        } else {
            Vec::new()
        };
        if resource.status {
            object_at(&mut object, "metadata");
            if let Some(map) = object.as_object_mut() {
                map.remove("status");
            }
        }
        let mut owners = object["metadata"]["managedFields"].clone();
        if write.manager.applies {
            admission::keep_system_fields(&mut object, &json!({}));
        } else {
            owners = Value::Null;
            admission::keep_system_fields(&mut object, &json!({"metadata": {"generateName": prefix}}));
        }
        object["metadata"]["managedFields"] = owners;
        admission::drop_empty(&mut object);
        admission::judge(resource, &object, None, Part::Main)?;
        let now = self.store.now();
        if !write.manager.applies {
            let blank = super::builtin::blank(resource);
            managers::record_update(&blank, &mut object, &write.manager, &now, typing_of(resource));
        }
        let mut object = events::to_stored(resource, object);
        if resource.generation {
            object["metadata"]["generation"] = json!(1);
        }
        super::builtin::initialise(resource, &mut object);
        if resource.storage == DEFINITIONS {
            custom::complete_definition(&mut object);
            object["status"] = custom::established(&object, &self.store);
        }
        let name = text_at(&object, "/metadata/name").to_owned();
        if write.dry_run {
            if self.store.get(&resource.storage, namespace, &name).is_some() {
                return Err(ApiError::already_exists(resource, &name));
            }
            self.store.stamp(&mut object);
            return Ok(Written { object: Arc::new(object), warnings });
        }
        let object = self
            .store
            .create(&resource.storage, object)
            .map_err(|_| ApiError::already_exists(resource, &name))?;
        self.serve_definition(resource, &object);
        Ok(Written { object, warnings })
    }

    /// Replaces the stored object `present` by what the client wants it to be.
    ///
    /// `Ok(None)` means that someone else was faster, and the caller may try again.
    pub(crate) fn update(
        &self,
        resource: &ResourceType,
        present: &Arc<Value>,
        wanted: Parsed,
        write: &Write,
    ) -> Result<Option<Written>, ApiError> {
        let old = events::from_stored(resource, present);
        let Parsed { value: mut object, duplicates } = wanted;
        let name = text_at(&old, "/metadata/name").to_owned();
        check_preconditions(resource, &old, &object, &name)?;
        let warnings =
            admission::shape_object(resource, &mut object, &duplicates, write.strictness, write.patched)?;
        let owners = object["metadata"]["managedFields"].clone();
        let mut object = confine(resource, &old, object, write.part);
        admission::keep_system_fields(&mut object, &old);
        let owners = if write.manager.applies { owners } else { old["metadata"]["managedFields"].clone() };
        object["metadata"]["managedFields"] = owners;
        admission::drop_empty(&mut object);
        if resource.storage == DEFINITIONS {
            custom::complete_definition(&mut object);
        }
        if resource.generation && admission::specification_differs(resource, &old, &object) {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or_default() + 1;
            object["metadata"]["generation"] = json!(generation);
        }
        admission::judge(resource, &object, Some(&old), write.part)?;
        if !write.manager.applies {
            let now = self.store.now();
            managers::record_update(&old, &mut object, &write.manager, &now, typing_of(resource));
        }
        let object = events::to_stored(resource, object);
        if write.dry_run {
            return Ok(Some(Written { object: Arc::new(object), warnings }));
        }
        if object == **present {
            return Ok(Some(Written { object: Arc::clone(present), warnings }));
        }
        let finished = object["metadata"]["deletionTimestamp"].is_string()
            && object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        let stored = if finished {
            self.store.delete_unchanged(&resource.storage, present, object)
        } else {
            self.store.replace(&resource.storage, present, object)
        };
        match stored {
            Ok(object) => {
                if finished {
                    self.after_removal(resource, &object, false);
                } else {
                    self.serve_definition(resource, &object);
                }
                Ok(Some(Written { object, warnings }))
            }
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(_) => Err(ApiError::not_found(resource, &name)),
        }
    }

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
        if resource.storage == "namespaces" && matches!(name.as_str(), "default" | "kube-system") {
            return Err(ApiError::forbidden_object(resource, &name, "this namespace may not be deleted"));
        }
        let mut marked = Value::clone(present);
        let held = marked["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let contains = matches!(resource.storage.as_str(), "namespaces" | DEFINITIONS);
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

    /// Makes the namespaces that every cluster has.
    pub(crate) fn create_first_namespaces(&self) {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            });
            // Only a store that has them already refuses.
            let _ = self.store.create("namespaces", namespace);
        }
    }

    fn check_namespace(
        &self,
        resource: &ResourceType,
        object: &Value,
        namespace: &str,
    ) -> Result<(), ApiError> {
        if !resource.namespaced {
            return Ok(());
        }
        let Some(found) = self.store.get("namespaces", "", namespace) else {
            return Err(ApiError::no_namespace(namespace));
        };
        if found["metadata"]["deletionTimestamp"].is_string() {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(ApiError::forbidden_object(resource, text_at(object, "/metadata/name"), &why));
        }
        Ok(())
    }

    fn serve_definition(&self, resource: &ResourceType, object: &Value) {
        if resource.storage == DEFINITIONS {
            let served = custom::resources_of(object);
            self.registry.replace_custom(text_at(object, "/metadata/name"), served);
        }
    }

    /// Removes what belonged to an object that is gone, and the container it was the last content of.
    fn after_removal(&self, resource: &ResourceType, object: &Value, orphan: bool) {
        let uid = text_at(object, "/metadata/uid");
        if !orphan && !uid.is_empty() {
            self.remove_where(|candidate| {
                let owners = candidate["metadata"]["ownerReferences"].as_array();
                owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
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

    /// Removes a container that is being deleted when nothing is left in it.
    fn finish(&self, storage: &str, container: &Value, inside: impl Fn(&Value) -> bool) {
        let deleting = container["metadata"]["deletionTimestamp"].is_string();
        if !deleting || !self.find(&inside).is_empty() {
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

/// The new object, with what the request may not touch as it was.
fn confine(resource: &ResourceType, old: &Value, mut object: Value, part: Part) -> Value {
    match part {
        Part::Status => {
            let mut confined = old.clone();
            match object.get("status") {
                Some(status) => confined["status"] = status.clone(),
                None => {
                    confined.as_object_mut().map(|map| map.remove("status"));
                }
            }
            confined
        }
        Part::Main | Part::Scale => {
            if resource.status {
                match old.get("status") {
                    Some(status) => object["status"] = status.clone(),
                    None => {
                        object.as_object_mut().map(|map| map.remove("status"));
                    }
                }
            }
            object
        }
    }
}

fn check_preconditions(
    resource: &ResourceType,
    old: &Value,
    object: &Value,
    name: &str,
) -> Result<(), ApiError> {
    let (version, uid) = (text_at(object, "/metadata/resourceVersion"), text_at(object, "/metadata/uid"));
    let found = text_at(old, "/metadata/uid");
    if !uid.is_empty() && uid != found {
        let (wanted, found) = (format!("UID: {uid}"), format!("UID: {found}"));
        return Err(ApiError::precondition(resource, name, &wanted, &found));
    }
    if !version.is_empty() && version != text_at(old, "/metadata/resourceVersion") {
        return Err(ApiError::conflict(resource, name));
    }
    Ok(())
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
            let (wanted, found) = (format!("{label}: {wanted}"), format!("{label}: {found}"));
            return Err(ApiError::precondition(resource, name, &wanted, &found));
        }
    }
    Ok(())
}
