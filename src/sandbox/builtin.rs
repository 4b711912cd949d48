//! What the server knows of built-in kinds: their fields, their defaults, and what makes one invalid.
//!
//! Which fields a kind has is in the schemas that Kubernetes publishes.

use serde_json::{Value, json};

use super::error::FieldError;
use super::json::{fields, object_at};
use super::resources::ResourceType;
use super::store::Store;
use super::upstream;

mod autoscalers;
mod contents;
mod decoding;
mod happenings;
mod labels;
mod permissions;
mod pod_defaults;
mod pods;
mod services;
mod shares;
mod values;
mod workloads;

/// Removes the fields that a kind doesn't have and returns their paths.
///
/// # Errors
/// A message when a field has the wrong type.
pub(crate) fn prune(resource: &ResourceType, object: &Value) -> Result<(Value, Vec<String>), String> {
    let mut kept = object.clone();
    let decoded = decode(resource, &mut kept);
    match decoded.wrong {
        Some(wrong) => Err(wrong),
        None => Ok((kept, decoded.unknown)),
    }
}

/// The paths of the fields that a kind doesn't have.
pub(crate) fn unknown(resource: &ResourceType, object: &Value) -> Vec<String> {
    decode(resource, &mut object.clone()).unknown
}

fn decode(resource: &ResourceType, object: &mut Value) -> decoding::Decoded {
    let name = upstream::name_of(&resource.group, &resource.version, &resource.kind);
    name.map_or_else(decoding::Decoded::default, |name| {
        decoding::decode(upstream::definition(name), name, object)
    })
}

/// Leaves out what a real server doesn't show when it is empty.
pub(crate) fn drop_empty(resource: &ResourceType, object: &mut Value) {
    decoding::drop_empty(upstream::of(resource), object);
}

/// What an object of the kind holds before anyone sets a field, which nobody then owns.
pub(crate) fn blank(resource: &ResourceType) -> Value {
    match resource.storage.as_str() {
        "deployments.apps" => {
            json!({"spec": {"strategy": {}, "template": {"metadata": {}, "spec": {"containers": []}}}, "status": {}})
        }
        "replicasets.apps" | "statefulsets.apps" => {
            json!({"spec": {"template": {"metadata": {}, "spec": {"containers": []}}}, "status": {}})
        }
        "pods" => json!({"spec": {"containers": []}, "status": {}}),
        "services" | "leases.coordination.k8s.io" | "nodes" => json!({"spec": {}, "status": {}}),
        _ => json!({}),
    }
}

/// Fills in defaults.
pub(crate) fn fill_defaults(resource: &ResourceType, object: &mut Value) {
    match resource.storage.as_str() {
        "deployments.apps" => {
            let spec = object_at(object, "spec");
            defaults(
                spec,
                json!({
                    "replicas": 1,
                    "strategy": {},
                    "revisionHistoryLimit": 10,
                    "progressDeadlineSeconds": 600,
                }),
            );
            defaults(fields(&mut spec["strategy"]), json!({"type": "RollingUpdate"}));
            if spec["strategy"]["type"] == "RollingUpdate" {
                let rolling = object_at(&mut spec["strategy"], "rollingUpdate");
                defaults(rolling, json!({"maxUnavailable": "25%", "maxSurge": "25%"}));
            }
            template_defaults(object);
        }
        "replicasets.apps" => {
            defaults(object_at(object, "spec"), json!({"replicas": 1}));
            template_defaults(object);
        }
        "statefulsets.apps" => {
            let spec = object_at(object, "spec");
            defaults(
                spec,
                json!({
                    "replicas": 1,
                    "revisionHistoryLimit": 10,
                    "podManagementPolicy": "OrderedReady",
                    "updateStrategy": {"type": "RollingUpdate"},
                    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                }),
            );
            if spec["updateStrategy"]["type"] == "RollingUpdate" {
                let rolling = object_at(&mut spec["updateStrategy"], "rollingUpdate");
                defaults(rolling, json!({"partition": 0}));
            }
            template_defaults(object);
        }
        "daemonsets.apps" => {
            let spec = object_at(object, "spec");
            defaults(spec, json!({"revisionHistoryLimit": 10, "updateStrategy": {"type": "RollingUpdate"}}));
            if spec["updateStrategy"]["type"] == "RollingUpdate" {
                let rolling = object_at(&mut spec["updateStrategy"], "rollingUpdate");
                defaults(rolling, json!({"maxSurge": 0, "maxUnavailable": 1}));
            }
            template_defaults(object);
        }
        "networkpolicies.networking.k8s.io" => {
            let spec = object_at(object, "spec");
            let types =
                if spec.contains_key("egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
            defaults(spec, json!({"policyTypes": types}));
        }
        "persistentvolumeclaims" => {
            defaults(object_at(object, "spec"), json!({"volumeMode": "Filesystem"}));
        }
        "pods" => {
            defaults(object_at(object, "spec"), json!({"enableServiceLinks": true}));
            pods::ask_for_limits(&mut object["spec"]);
            pod_defaults::fill(&mut object["spec"]);
        }
        "services" => services::fill_defaults(object),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            permissions::fill_defaults(object);
        }
        "secrets" => {
            let secret = fields(object);
            secret.entry("type").or_insert_with(|| json!("Opaque"));
            if let Some(Value::Object(texts)) = secret.remove("stringData") {
                let data = object_at(object, "data");
                for (name, text) in texts {
                    let bytes = text.as_str().unwrap_or_default().as_bytes().to_vec();
                    data.insert(name, json!(k8s_openapi::ByteString(bytes)));
                }
            }
        }
        "horizontalpodautoscalers.autoscaling" if super::autoscalers::is_old_face(resource) => {
            defaults(object_at(object, "spec"), json!({"minReplicas": 1}));
        }
        "horizontalpodautoscalers.autoscaling" => autoscalers::fill_defaults(object),
        "namespaces" => {
            let name = object["metadata"]["name"].clone();
            let metadata = object.get_mut("metadata");
            if let Some(metadata) = metadata {
                object_at(metadata, "labels").insert("kubernetes.io/metadata.name".to_owned(), name);
            }
        }
        _ => {}
    }
}

/// Sets what the server sets in a new object after its fields have found their owners.
pub(crate) fn initialise(resource: &ResourceType, object: &mut Value, store: &Store) {
    match resource.storage.as_str() {
        "namespaces" => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        "pods" => {
            object["status"] = json!({"phase": "Pending", "qosClass": pods::quality(&object["spec"])});
        }
        "deployments.apps" => object["status"] = json!({}),
        "replicasets.apps" => object["status"] = json!({"replicas": 0}),
        "statefulsets.apps" => object["status"] = json!({"availableReplicas": 0, "replicas": 0}),
        "daemonsets.apps" => {
            object["status"] = json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0,
                "numberMisscheduled": 0, "numberReady": 0});
        }
        "poddisruptionbudgets.policy" => {
            object["status"] = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0,
                "expectedPods": 0});
        }
        "persistentvolumeclaims" => object["status"] = json!({"phase": "Pending"}),
        "services" => {
            services::allocate(object, store);
            object["status"] = json!({"loadBalancer": {}});
        }
        "horizontalpodautoscalers.autoscaling" => {
            object["status"] = json!({"desiredReplicas": 0, "currentMetrics": null});
        }
        "events" => defaults(
            fields(object),
            json!({"source": {}, "reportingComponent": "", "reportingInstance": "",
                "firstTimestamp": null, "lastTimestamp": null, "eventTime": null}),
        ),
        _ => {}
    }
}

/// Keeps what an object was given when an update doesn't speak of it, and gives it what it newly needs.
pub(crate) fn keep_given(resource: &ResourceType, object: &mut Value, old: &Value, store: &Store) {
    match resource.storage.as_str() {
        "services" => {
            services::keep_allocated(object, old);
            services::allocate(object, store);
        }
        // Its finalizers have a door of their own.
        "namespaces" => object["spec"] = old["spec"].clone(),
        _ => {}
    }
}

/// What is wrong with an object.
pub(crate) fn judge(resource: &ResourceType, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match resource.storage.as_str() {
        "deployments.apps" | "replicasets.apps" | "statefulsets.apps" | "daemonsets.apps" => {
            workloads::judge(&resource.kind, object, old, &mut errors);
        }
        "pods" => {
            pods::judge(&object["spec"], "spec", &mut errors);
            pods::judge_change(&object["spec"], old.map(|old| &old["spec"]), &mut errors);
        }
        "services" => services::judge(object, old, &mut errors),
        "configmaps" => contents::judge_map(object, old, &mut errors),
        "secrets" => contents::judge_secret(object, old, &mut errors),
        "poddisruptionbudgets.policy" => shares::judge_budget(object, &mut errors),
        "persistentvolumeclaims" => workloads::judge_claim(object, &mut errors),
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => {
            permissions::judge_role(&resource.kind, object, &mut errors);
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            permissions::judge_binding(&resource.kind, object, old, &mut errors);
        }
        "horizontalpodautoscalers.autoscaling" => autoscalers::judge(object, &mut errors),
        "leases.coordination.k8s.io" => {
            for field in ["leaseDurationSeconds", "leaseTransitions"] {
                let value = &object["spec"][field];
                let least = i64::from(field == "leaseDurationSeconds");
                if value.as_i64().is_some_and(|number| number < least) {
                    let bound = if least == 1 { "greater than 0" } else { "greater than or equal to 0" };
                    errors.push(FieldError::invalid(
                        format!("spec.{field}"),
                        value,
                        &format!("must be {bound}"),
                    ));
                }
            }
        }
        "events" => happenings::judge(resource, object, old, &mut errors),
        _ => {}
    }
    errors
}

fn template_defaults(object: &mut Value) {
    let template = object_at(object, "spec").entry("template").or_insert_with(|| json!({}));
    object_at(template, "spec");
    pod_defaults::fill(&mut template["spec"]);
}

fn defaults(map: &mut serde_json::Map<String, Value>, values: Value) {
    if let Value::Object(values) = values {
        for (name, value) in values {
            let present = map.entry(name).or_insert(Value::Null);
            if present.is_null() {
                *present = value;
            }
        }
    }
}
