//! The schemas that files are held against.

use kube::CustomResourceExt;
use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde_json::{Value, json};

use super::words::{LABEL, SUBDOMAIN};
use crate::api::ScalePolicy;

/// A `ScalePolicy`: its spec as in the CRD; of its metadata, what every Kubernetes object may have. What
/// only a cluster writes (the status, a uid) may be there, and `false` says that it counts for nothing.
pub(super) fn policy() -> Value {
    let crd = serde_json::to_value(ScalePolicy::crd()).unwrap_or_default();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    json!({"type": "object", "required": ["apiVersion", "metadata", "spec"], "properties": {
        "apiVersion": {"type": "string", "enum": ["tidetable.dev/v1alpha1"]},
        "kind": {"type": "string"},
        "metadata": metadata(),
        "spec": spec,
        "status": false,
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
        "name": {"type": "string", "maxLength": 253, "pattern": SUBDOMAIN},
        "namespace": {"type": "string", "nullable": true, "maxLength": 63, "pattern": LABEL},
        "ownerReferences": false,
        "resourceVersion": false,
        "selfLink": false,
        "uid": false,
    }})
}
