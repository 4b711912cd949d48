//! What the server knows of built-in kinds: their fields, their defaults, and what makes one invalid.
//!
//! Which fields a kind has is asked of `k8s-openapi`'s types: what doesn't survive a round through them
//! isn't one of its fields.

use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use serde_json::{Value, json};

use super::error::FieldError;
use super::events::is_new_face;
use super::json::{child_path, fields, object_at, text_at};
use super::resources::ResourceType;

mod autoscalers;
mod decoding;
mod happenings;
mod workloads;

use decoding::{micro_time, through};

/// Removes the fields that a kind doesn't have and returns their paths.
///
/// # Errors
/// A message when a field has the wrong type.
pub(crate) fn prune(resource: &ResourceType, object: &Value) -> Result<(Value, Vec<String>), String> {
    check_times(resource, object)?;
    let Some(known) = through_types(resource, object) else { return Ok((object.clone(), Vec::new())) };
    let known = known?;
    let mut kept = object.clone();
    let mut unknown = Vec::new();
    drop_unknown(&mut kept, &known, "", &mut unknown);
    Ok((kept, unknown))
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
        "replicasets.apps" | "statefulsets.apps" => {
            defaults(object_at(object, "spec"), json!({"replicas": 1}));
            template_defaults(object);
        }
        "daemonsets.apps" => template_defaults(object),
        "pods" => {
            defaults(object_at(object, "spec"), json!({"enableServiceLinks": true}));
            pod_defaults(&mut object["spec"]);
        }
        "services" => {
            let spec = object_at(object, "spec");
            defaults(spec, json!({"type": "ClusterIP", "sessionAffinity": "None"}));
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                let target = port["port"].clone();
                if let Some(port) = port.as_object_mut() {
                    defaults(port, json!({"protocol": "TCP", "targetPort": target}));
                }
            }
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
pub(crate) fn initialise(resource: &ResourceType, object: &mut Value) {
    match resource.storage.as_str() {
        "namespaces" => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        "pods" => object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"}),
        "deployments.apps" | "poddisruptionbudgets.policy" => object["status"] = json!({}),
        "replicasets.apps" | "statefulsets.apps" => object["status"] = json!({"replicas": 0}),
        "services" => object["status"] = json!({"loadBalancer": {}}),
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

/// What is wrong with an object.
pub(crate) fn judge(resource: &ResourceType, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match resource.storage.as_str() {
        "deployments.apps" | "replicasets.apps" | "statefulsets.apps" | "daemonsets.apps" => {
            workloads::judge(&resource.kind, object, old, &mut errors);
        }
        "pods" => workloads::judge_pod(&object["spec"], "spec", &mut errors),
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
    pod_defaults(&mut template["spec"]);
}

fn pod_defaults(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    defaults(
        spec,
        json!({
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        }),
    );
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = text_at(container, "/image");
            let latest =
                image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains(':');
            let pull = if latest { "Always" } else { "IfNotPresent" };
            let Some(container) = container.as_object_mut() else { continue };
            defaults(
                container,
                json!({
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": pull,
                }),
            );
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                fields(port).entry("protocol").or_insert_with(|| json!("TCP"));
            }
        }
    }
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

/// Times with microseconds must have exactly six decimals.
fn check_times(resource: &ResourceType, object: &Value) -> Result<(), String> {
    let pointers: &[&str] = match resource.storage.as_str() {
        "leases.coordination.k8s.io" => &["/spec/renewTime", "/spec/acquireTime"],
        "events" => &["/eventTime", "/series/lastObservedTime"],
        _ => &[],
    };
    for pointer in pointers {
        if let Some(text) = object.pointer(pointer).and_then(Value::as_str) {
            micro_time(text)?;
        }
    }
    Ok(())
}

fn drop_unknown(value: &mut Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (value, known) {
        (Value::Object(map), Value::Object(known)) => {
            map.retain(|name, value| {
                let keep = known.contains_key(name) || value.is_null();
                if !keep {
                    unknown.push(child_path(path, name));
                }
                keep
            });
            for (name, value) in map {
                if let Some(known) = known.get(name) {
                    drop_unknown(value, known, &child_path(path, name), unknown);
                }
            }
        }
        (Value::Array(items), Value::Array(known)) => {
            for (index, (item, known)) in items.iter_mut().zip(known).enumerate() {
                drop_unknown(item, known, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

fn through_types(resource: &ResourceType, object: &Value) -> Option<Result<Value, String>> {
    let kind = resource.kind.as_str();
    Some(match resource.storage.as_str() {
        "configmaps" => through::<api::core::v1::ConfigMap>(kind, object),
        "events" if is_new_face(resource) => through::<api::events::v1::Event>(kind, object),
        "events" => through::<api::core::v1::Event>(kind, object),
        "namespaces" => through::<api::core::v1::Namespace>(kind, object),
        "nodes" => through::<api::core::v1::Node>(kind, object),
        "pods" => through::<api::core::v1::Pod>(kind, object),
        "secrets" => through::<api::core::v1::Secret>(kind, object),
        "serviceaccounts" => through::<api::core::v1::ServiceAccount>(kind, object),
        "services" => through::<api::core::v1::Service>(kind, object),
        "customresourcedefinitions.apiextensions.k8s.io" => {
            through::<apiextensions::CustomResourceDefinition>(kind, object)
        }
        "deployments.apps" => through::<api::apps::v1::Deployment>(kind, object),
        "replicasets.apps" => through::<api::apps::v1::ReplicaSet>(kind, object),
        "statefulsets.apps" => through::<api::apps::v1::StatefulSet>(kind, object),
        "horizontalpodautoscalers.autoscaling" if super::autoscalers::is_old_face(resource) => {
            through::<api::autoscaling::v1::HorizontalPodAutoscaler>(kind, object)
        }
        "horizontalpodautoscalers.autoscaling" => {
            through::<api::autoscaling::v2::HorizontalPodAutoscaler>(kind, object)
        }
        "leases.coordination.k8s.io" => through::<api::coordination::v1::Lease>(kind, object),
        "poddisruptionbudgets.policy" => through::<api::policy::v1::PodDisruptionBudget>(kind, object),
        "clusterroles.rbac.authorization.k8s.io" => through::<api::rbac::v1::ClusterRole>(kind, object),
        "clusterrolebindings.rbac.authorization.k8s.io" => {
            through::<api::rbac::v1::ClusterRoleBinding>(kind, object)
        }
        "roles.rbac.authorization.k8s.io" => through::<api::rbac::v1::Role>(kind, object),
        "rolebindings.rbac.authorization.k8s.io" => through::<api::rbac::v1::RoleBinding>(kind, object),
        _ => return None,
    })
}
