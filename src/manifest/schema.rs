//! The schemas that files are held against.

use kube::CustomResourceExt;
use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde_json::{Value, json};

use super::words::{CALENDAR, LABEL};
use crate::api;
use crate::api::{ScaleCalendar, ScalePolicy};

/// A `ScalePolicy`: its spec as in the CRD; of its metadata, what every Kubernetes object may have. What
/// only a cluster writes (the status, a uid) may be there, and `false` says that it counts for nothing.
pub(crate) fn policy() -> Value {
    let mut schema = resource::<ScalePolicy>();
    schema["properties"]["status"] = json!(false);
    schema
}

/// A `ScaleCalendar`. It is in no namespace, and the rule for its name stands here since a CRD has none of
/// its own for metadata.
pub(super) fn calendar() -> Value {
    let mut schema = resource::<ScaleCalendar>();
    let metadata = &mut schema["properties"]["metadata"]["properties"];
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("namespace");
    }
    metadata["name"] = json!({"type": "string", "maxLength": 63, "pattern": CALENDAR});
    schema
}

fn resource<T: CustomResourceExt>() -> Value {
    let crd = serde_json::to_value(T::crd()).unwrap_or_default();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    json!({"type": "object", "required": ["apiVersion", "metadata", "spec"], "properties": {
        "apiVersion": {"type": "string", "enum": ["tidetable.dev/v1alpha1"]},
        "kind": {"type": "string"},
        "metadata": metadata(),
        "spec": spec,
    }})
}

/// The schema of a type, as a CRD would have it.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::openapi3()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

fn metadata() -> Value {
    let texts = json!({"type": "object", "nullable": true, "additionalProperties": {"type": "string"}});
    json!({"type": "object", "required": ["name"], "properties": {
        "annotations": texts,
        "creationTimestamp": false,
        "deletionGracePeriodSeconds": false,
        "deletionTimestamp": false,
        "finalizers": {"type": "array", "nullable": true, "items": {"type": "string"}},
        "generateName": {"type": "string", "nullable": true},
        "generation": false,
        "labels": texts,
        "managedFields": false,
        "name": {"type": "string", "maxLength": 253, "pattern": api::NAME},
        "namespace": {"type": "string", "nullable": true, "maxLength": 63, "pattern": LABEL},
        "ownerReferences": false,
        "resourceVersion": false,
        "selfLink": false,
        "uid": false,
    }})
}
