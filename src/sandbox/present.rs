//! How stored objects are shown to a client: whole, as metadata, or as rows of a table.

use std::sync::Arc;

use serde_json::{Value, json};

use super::faces;
use super::negotiation::Form;
use super::resources::ResourceType;
use super::table::{self, Include};
use crate::clock::Clock;

/// The form that one client wants the objects of one resource in.
#[derive(Clone, Debug)]
pub(crate) struct Presenter {
    /// What the objects are.
    pub(crate) resource: Arc<ResourceType>,
    /// The form.
    pub(crate) form: Form,
    /// What rows of a table hold.
    pub(crate) include: Include,
    /// What ages are reckoned by.
    pub(crate) clock: Clock,
}

impl Presenter {
    /// One object.
    pub(crate) fn object(&self, stored: &Value) -> Value {
        let object = faces::from_stored(&self.resource, stored);
        match self.form {
            Form::Whole => object,
            Form::Partial => table::partial(&object),
            Form::Table => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                table::table(&self.resource, &[object], &metadata, self.include, self.clock.now())
            }
        }
    }

    /// One object in an event of a watch; tables carry their heading in the first alone.
    pub(crate) fn event_object(&self, stored: &Value, first: bool) -> Value {
        let mut object = self.object(stored);
        if self.form == Form::Table && !first {
            object["columnDefinitions"] = Value::Null;
        }
        object
    }

    /// A list.
    pub(crate) fn list(&self, stored: &[Arc<Value>], mut metadata: Value) -> Value {
        let mut objects: Vec<Value> =
            stored.iter().map(|object| faces::from_stored(&self.resource, object)).collect();
        match self.form {
            Form::Table => table::table(&self.resource, &objects, &metadata, self.include, self.clock.now()),
            Form::Partial => {
                let items: Vec<Value> = objects.iter().map(table::partial).collect();
                let kind = "PartialObjectMetadataList";
                json!({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
            }
            Form::Whole => {
                if self.resource.custom.is_none() {
                    // The items of typed lists don't repeat their type.
                    for map in objects.iter_mut().filter_map(Value::as_object_mut) {
                        map.remove("kind");
                        map.remove("apiVersion");
                    }
                } else if metadata["continue"].is_null() {
                    metadata["continue"] = json!("");
                }
                json!({
                    "kind": self.resource.list_kind,
                    "apiVersion": self.resource.api_version(),
                    "metadata": metadata,
                    "items": objects,
                })
            }
        }
    }

    /// A bookmark: nothing happened up to `version`.
    pub(crate) fn bookmark(&self, version: u64, ends_initial: bool) -> Value {
        let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        if ends_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let bare = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": metadata,
        });
        match self.form {
            Form::Whole => bare,
            Form::Partial => table::partial(&bare),
            Form::Table => json!({
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": version.to_string()},
                "columnDefinitions": null,
                "rows": [{"cells": [], "object": table::partial(&bare)}],
            }),
        }
    }
}
