//! Creating, changing and deleting objects by the rules of the API: generations, finalizers, owners,
//! namespaces. Everything that changes an object on behalf of a client goes through here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admission::{self, Strictness, typing_of};
use super::custom::{self, Part};
use super::deletion;
use super::error::ApiError;
use super::faces;
use super::json::{Parsed, fields, object_at, text_at};
use super::managers::{self, Manager};
use super::metadata;
use super::namespaces;
use super::resources::{Registry, ResourceType};
use super::store::{Store, StoreError};

pub(crate) use super::resources::DEFINITIONS;

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
        clear_system_fields(resource, &mut object, &prefix, write.manager.applies);
        if resource.storage == DEFINITIONS {
            custom::complete_definition(&mut object);
        }
        admission::judge(resource, &object, None, Part::Main)?;
        let warnings = [warnings, metadata::warnings(resource, &object, None)].concat();
        let now = self.store.now();
        if !write.manager.applies {
            let blank = super::builtin::blank(resource);
            managers::record_update(&blank, &mut object, &write.manager, &now, typing_of(resource));
        }
        let mut object = faces::to_stored(resource, object);
        if resource.generation {
            object["metadata"]["generation"] = json!(1);
        }
        super::builtin::initialise(resource, &mut object, &self.store);
        if resource.storage == DEFINITIONS {
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
        let old = faces::from_stored(resource, present);
        let Parsed { value: mut object, duplicates } = wanted;
        let name = text_at(&old, "/metadata/name").to_owned();
        check_preconditions(resource, &old, &object, &name)?;
        let warnings =
            admission::shape_object(resource, &mut object, &duplicates, write.strictness, write.patched)?;
        if write.part == Part::Main {
            super::builtin::keep_given(resource, &mut object, &old, &self.store);
        }
        let owners = object["metadata"]["managedFields"].clone();
        let mut object = confine(resource, &old, object, write.part);
        admission::keep_system_fields(&mut object, &old);
        let owners = if write.manager.applies { owners } else { old["metadata"]["managedFields"].clone() };
        object["metadata"]["managedFields"] = owners;
        admission::drop_empty(&mut object);
        if resource.storage == DEFINITIONS {
            custom::complete_definition(&mut object);
            custom::renew_status(&mut object, &self.store);
        }
        if resource.generation && admission::specification_differs(resource, &old, &object) {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or_default() + 1;
            object["metadata"]["generation"] = json!(generation);
        }
        admission::judge(resource, &object, Some(&old), write.part)?;
        let warnings = [warnings, metadata::warnings(resource, &object, Some(&old))].concat();
        if !write.manager.applies {
            let now = self.store.now();
            managers::record_update(&old, &mut object, &write.manager, &now, typing_of(resource));
        }
        let object = faces::to_stored(resource, object);
        if write.dry_run {
            return Ok(Some(Written { object: Arc::new(object), warnings }));
        }
        if object == **present {
            return Ok(Some(Written { object: Arc::clone(present), warnings }));
        }
        let finished = is_finished(resource, &object, write.part);
        let stored = if finished {
            self.store.delete_unchanged(&resource.storage, present, object)
        } else {
            self.store.replace(&resource.storage, present, object)
        };
        match stored {
            Ok(object) => {
                if finished {
                    self.after_removal(resource, &object);
                } else {
                    self.serve_definition(resource, &object);
                    self.finish_container(resource, &object);
                }
                Ok(Some(Written { object, warnings }))
            }
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(_) => Err(ApiError::not_found(resource, &name)),
        }
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
            let name = text_at(object, "/metadata/name");
            return Err(ApiError::terminating_namespace(resource, name, namespace));
        }
        Ok(())
    }

    fn serve_definition(&self, resource: &ResourceType, object: &Value) {
        if resource.storage == DEFINITIONS && custom::is_established(object) {
            let served = custom::resources_of(object);
            self.registry.replace_custom(text_at(object, "/metadata/name"), served);
        }
    }
}

/// Removes from a new object what its author has no say in. An apply has recorded its owners already.
fn clear_system_fields(resource: &ResourceType, object: &mut Value, prefix: &str, applied: bool) {
    if resource.status {
        fields(object).remove("status");
    }
    let owners = if applied { object["metadata"]["managedFields"].clone() } else { Value::Null };
    admission::keep_system_fields(object, &json!({"metadata": {"generateName": prefix}}));
    object["metadata"]["managedFields"] = owners;
    admission::drop_empty(object);
}

/// The new object, with what the request may not touch as it was.
fn confine(resource: &ResourceType, old: &Value, mut object: Value, part: Part) -> Value {
    match part {
        Part::Status => {
            let mut confined = old.clone();
            match object.get("status") {
                Some(status) => confined["status"] = status.clone(),
                None => {
                    fields(&mut confined).remove("status");
                }
            }
            confined
        }
        Part::Finalize => {
            let mut confined = old.clone();
            confined["spec"]["finalizers"] = match &object["spec"]["finalizers"] {
                Value::Array(list) => json!(list),
                _ => json!([]),
            };
            confined
        }
        Part::Main | Part::Scale => {
            if resource.status {
                match old.get("status") {
                    Some(status) => object["status"] = status.clone(),
                    None => {
                        fields(&mut object).remove("status");
                    }
                }
            }
            object
        }
    }
}

/// Whether a change has taken the last thing that kept an object which is being deleted.
fn is_finished(resource: &ResourceType, object: &Value, part: Part) -> bool {
    if part == Part::Finalize {
        return namespaces::is_free(object);
    }
    object["metadata"]["deletionTimestamp"].is_string()
        && object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or_default() == 0
        && !deletion::is_held(object)
        && !deletion::contains(resource)
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
        return Err(ApiError::another_uid(resource, old, uid));
    }
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err(ApiError::odd_version(version));
    }
    if !version.is_empty() && version != text_at(old, "/metadata/resourceVersion") {
        return Err(ApiError::conflict(resource, name));
    }
    Ok(())
}
