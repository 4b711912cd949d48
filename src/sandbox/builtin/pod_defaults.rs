//! What the specification of a pod says when it doesn't (Kubernetes, `pkg/apis/core/v1/defaults.go`).

use serde_json::{Map, Value, json};

use super::super::json::{fields, text_at};
use super::defaults;

/// What files in volumes may be done with: read by all, written by their owner.
const MODE: u32 = 0o644;

/// Fills in what the specification of a pod doesn't say.
pub(super) fn fill(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    // Two names of one field, of which the longer counts.
    let name = |key: &str| spec.get(key).filter(|name| name.is_string()).cloned();
    if let Some(name) = name("serviceAccountName").or_else(|| name("serviceAccount")) {
        spec.insert("serviceAccountName".to_owned(), name.clone());
        spec.insert("serviceAccount".to_owned(), name);
    }
    for volume in items(spec, "volumes") {
        fill_volume(volume);
    }
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
        for container in items(spec, list) {
            let image = text_at(container, "/image");
            let latest =
                image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains(':');
            let pull = if latest { "Always" } else { "IfNotPresent" };
            let Some(container) = container.as_object_mut() else { continue };
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                fill_probe(container.get_mut(probe));
            }
            for hook in ["postStart", "preStop"] {
                fill_get(container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(hook)));
            }
            for variable in items(container, "env") {
                fill_reference(variable.get_mut("valueFrom"));
            }
            defaults(
                container,
                json!({
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": pull,
                }),
            );
            for port in items(container, "ports") {
                fields(port).entry("protocol").or_insert_with(|| json!("TCP"));
            }
        }
    }
}

fn items<'a>(map: &'a mut Map<String, Value>, list: &str) -> impl Iterator<Item = &'a mut Value> {
    map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

fn fill_probe(probe: Option<&mut Value>) {
    let Some(probe) = probe.filter(|probe| probe.is_object()) else { return };
    defaults(
        fields(probe),
        json!({"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}),
    );
    fill_get(Some(probe));
}

/// A request of a probe or a hook.
fn fill_get(handler: Option<&mut Value>) {
    let get = handler.and_then(|handler| handler.get_mut("httpGet")).and_then(Value::as_object_mut);
    if let Some(get) = get {
        defaults(get, json!({"path": "/", "scheme": "HTTP"}));
    }
}

/// A field of the pod itself, where its value is taken from.
fn fill_reference(source: Option<&mut Value>) {
    let reference = source.and_then(|source| source.get_mut("fieldRef")).and_then(Value::as_object_mut);
    if let Some(reference) = reference {
        defaults(reference, json!({"apiVersion": "v1"}));
    }
}

fn fill_volume(volume: &mut Value) {
    let Some(volume) = volume.as_object_mut() else { return };
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for kind in ["configMap", "downwardAPI", "projected", "secret"] {
        if let Some(source) = volume.get_mut(kind).and_then(Value::as_object_mut) {
            defaults(source, json!({"defaultMode": MODE}));
            for item in items(source, "items") {
                fill_reference(Some(item));
            }
            for part in items(source, "sources") {
                if let Some(token) = part.get_mut("serviceAccountToken").and_then(Value::as_object_mut) {
                    defaults(token, json!({"expirationSeconds": 3600}));
                }
            }
        }
    }
    if let Some(path) = volume.get_mut("hostPath").and_then(Value::as_object_mut) {
        defaults(path, json!({"type": ""}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_volumes_and_references_are_completed() {
        let mut spec = json!({
            "serviceAccountName": "agent",
            "volumes": [{"name": "a"}, {"name": "b", "configMap": {"name": "m"}}, {"name": "c", "hostPath": {"path": "/c"}}],
            "containers": [{"name": "c", "image": "i:1", "livenessProbe": {"httpGet": {"port": 80}},
                "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}],
        });
        fill(&mut spec);
        assert_eq!(
            spec["volumes"],
            json!([{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "m", "defaultMode": 420}},
                {"name": "c", "hostPath": {"path": "/c", "type": ""}}])
        );
        let container = &spec["containers"][0];
        assert_eq!(
            container["livenessProbe"],
            json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                "successThreshold": 1, "failureThreshold": 3})
        );
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
        assert_eq!(spec["serviceAccount"], "agent");
    }
}
