//! What the server knows of built-in kinds: their fields, their defaults, and what makes one invalid.
//!
//! Which fields a kind has is asked of `k8s-openapi`'s types: what doesn't survive a round through them
//! isn't one of its fields.

use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::FieldError;
use super::events::is_new_face;
use super::json::{child_path, fields, object_at, text_at};
use super::resources::ResourceType;

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
            judge_workload(object, old, &mut errors);
        }
        "pods" => judge_containers(&object["spec"], "spec", &mut errors),
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
        "events" if is_new_face(resource) => judge_event(object, &mut errors),
        "events" => {
            let namespace = text_at(object, "/involvedObject/namespace");
            let place = text_at(object, "/metadata/namespace");
            let fits = namespace == place || (namespace.is_empty() && place == "default");
            if !fits {
                let value = json!(namespace);
                let detail = "does not match event.namespace";
                errors.push(FieldError::invalid("involvedObject.namespace", &value, detail));
            }
        }
        _ => {}
    }
    errors
}

fn judge_workload(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    if spec["replicas"].as_i64().is_some_and(|count| count < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid("spec.replicas", &spec["replicas"], detail));
    }
    let selector = &spec["selector"];
    let labels = &spec["template"]["metadata"]["labels"];
    if selector.as_object().is_none_or(serde_json::Map::is_empty) {
        errors.push(FieldError::required("spec.selector", ""));
    } else {
        let wanted = selector["matchLabels"].as_object().into_iter().flatten();
        if wanted.into_iter().any(|(key, value)| labels.get(key) != Some(value)) {
            let detail = "`selector` does not match template `labels`";
            errors.push(FieldError::invalid("spec.template.metadata.labels", labels, detail));
        }
    }
    judge_containers(&spec["template"]["spec"], "spec.template.spec", errors);
    if old.is_some_and(|old| old["spec"]["selector"] != *selector) {
        errors.push(FieldError::invalid("spec.selector", selector, "field is immutable"));
    }
}

fn judge_containers(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    for (index, container) in containers.iter().enumerate() {
        for field in ["name", "image"] {
            if text_at(container, &format!("/{field}")).is_empty() {
                errors.push(FieldError::required(format!("{path}.containers[{index}].{field}"), ""));
            }
        }
    }
}

fn judge_event(object: &Value, errors: &mut Vec<FieldError>) {
    if object["eventTime"].is_null() {
        errors.push(FieldError::required("eventTime", ""));
    }
    let kind = text_at(object, "/type");
    if !matches!(kind, "Normal" | "Warning") {
        let detail = format!("has invalid value: {kind}");
        errors.push(FieldError::invalid("type", &json!(""), &detail));
    }
    for field in ["reportingController", "reportingInstance", "action", "reason"] {
        if text_at(object, &format!("/{field}")).is_empty() {
            errors.push(FieldError::required(field, ""));
        }
    }
    for (field, limit) in [("reportingInstance", 128), ("action", 128), ("reason", 128), ("note", 1024)] {
        if text_at(object, &format!("/{field}")).len() > limit {
            let detail = format!("can have at most {limit} characters");
            errors.push(FieldError::invalid(field, &json!(""), &detail));
        }
    }
    let namespace = text_at(object, "/regarding/namespace");
    if !namespace.is_empty() && namespace != text_at(object, "/metadata/namespace") {
        let detail = "does not match event.namespace";
        errors.push(FieldError::invalid("involvedObject.namespace", &json!(namespace), detail));
    }
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
        let Some(text) = object.pointer(pointer).and_then(Value::as_str) else { continue };
        let decimals =
            text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        if decimals != 6 || text.parse::<jiff::Timestamp>().is_err() {
            return Err(format!(
                "parsing time \"{text}\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"{text}\""
            ));
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

fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, String> {
    let typed: T = T::deserialize(object).map_err(|error| format!("json: {error}"))?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

fn through_types(resource: &ResourceType, object: &Value) -> Option<Result<Value, String>> {
    Some(match resource.storage.as_str() {
        "configmaps" => through::<api::core::v1::ConfigMap>(object),
        "events" if is_new_face(resource) => through::<api::events::v1::Event>(object),
        "events" => through::<api::core::v1::Event>(object),
        "namespaces" => through::<api::core::v1::Namespace>(object),
        "nodes" => through::<api::core::v1::Node>(object),
        "pods" => through::<api::core::v1::Pod>(object),
        "secrets" => through::<api::core::v1::Secret>(object),
        "serviceaccounts" => through::<api::core::v1::ServiceAccount>(object),
        "services" => through::<api::core::v1::Service>(object),
        "customresourcedefinitions.apiextensions.k8s.io" => {
            through::<apiextensions::CustomResourceDefinition>(object)
        }
        "deployments.apps" => through::<api::apps::v1::Deployment>(object),
        "replicasets.apps" => through::<api::apps::v1::ReplicaSet>(object),
        "statefulsets.apps" => through::<api::apps::v1::StatefulSet>(object),
        "horizontalpodautoscalers.autoscaling" => {
            through::<api::autoscaling::v2::HorizontalPodAutoscaler>(object)
        }
        "leases.coordination.k8s.io" => through::<api::coordination::v1::Lease>(object),
        "poddisruptionbudgets.policy" => through::<api::policy::v1::PodDisruptionBudget>(object),
        "clusterroles.rbac.authorization.k8s.io" => through::<api::rbac::v1::ClusterRole>(object),
        "clusterrolebindings.rbac.authorization.k8s.io" => {
            through::<api::rbac::v1::ClusterRoleBinding>(object)
        }
        "roles.rbac.authorization.k8s.io" => through::<api::rbac::v1::Role>(object),
        "rolebindings.rbac.authorization.k8s.io" => through::<api::rbac::v1::RoleBinding>(object),
        _ => return None,
    })
}
