//! What is read of any object's metadata. Above all not who wrote which field, which is most of many objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Deserializer};

use crate::api::OVERRIDE_ANNOTATION;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    generation: Option<i64>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    annotations: Option<Annotations>,
}

/// Of others, a single one may be longer than all that is kept of an object.
#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "tidetable.dev/override")]
    overridden: Option<String>,
}

/// Reads the metadata that the operator has a use for.
pub(super) fn narrow<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let read = Metadata::deserialize(deserializer)?;
    let overridden = read.annotations.and_then(|annotations| annotations.overridden);
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        uid: read.uid,
        generation: read.generation,
        resource_version: read.resource_version,
        creation_timestamp: read.creation_timestamp,
        deletion_timestamp: read.deletion_timestamp,
        annotations: overridden.map(|text| [(OVERRIDE_ANNOTATION.to_owned(), text)].into()),
        ..ObjectMeta::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_nobody_asks_for_is_left_out() {
        let metadata = |fields: Value| narrow(fields).expect("metadata");
        let kept = json!({
            "name": "web", "namespace": "shop", "uid": "u", "generation": 3, "resourceVersion": "7",
            "creationTimestamp": "2026-11-23T07:00:00Z", "deletionTimestamp": "2026-11-23T08:00:00Z", "annotations": {OVERRIDE_ANNOTATION: "4 until noon"},
        });
        let mut whole = kept.clone();
        whole["labels"] = json!({"app": "web"});
        whole["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "o"}]);
        whole["managedFields"] = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        whole["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!("x".repeat(10_000));
        assert_eq!(serde_json::to_value(metadata(whole)).expect("JSON"), kept);
        assert_eq!(metadata(json!({"annotations": null})), ObjectMeta::default());
        assert_eq!(metadata(json!({"annotations": {"a": "b"}})).annotations, None);
    }
}
