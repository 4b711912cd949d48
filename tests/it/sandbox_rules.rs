//! What the sandbox says of built-in objects that a real API server would refuse, and what it makes of those that it
//! takes. The words are those of Kubernetes' own validation.

use std::error::Error;

use serde_json::{Value, json};

use crate::support::Wire;

type Checked = Result<(), Box<dyn Error>>;

fn made(api_version: &str, kind: &str, rest: &Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
    json_patch::merge(&mut object, rest);
    object
}

fn path(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let root = if version.contains('/') { "apis" } else { "api" };
    let place = if kind.starts_with("cluster") { "" } else { "namespaces/default/" };
    format!(
        "/{root}/{version}/{place}{}",
        if kind.ends_with('y') { kind.replace("policy", "policies") } else { kind + "s" }
    )
}

async fn posted(wire: &Wire, object: &Value) -> Result<Value, Box<dyn Error>> {
    let json = [("Content-Type", "application/json")];
    Ok(wire.ask("POST", &path(object), &json, Some(&object.to_string())).await?.json()?)
}

async fn put(wire: &Wire, object: &Value) -> Result<Value, Box<dyn Error>> {
    let json = [("Content-Type", "application/json")];
    Ok(wire.ask("PUT", &format!("{}/x", path(object)), &json, Some(&object.to_string())).await?.json()?)
}

fn deployment(pod: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "i:1"}]});
    json_patch::merge(&mut spec, pod);
    made(
        "apps/v1",
        "Deployment",
        &json!({"spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}}),
    )
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn objects_that_break_a_rule_are_refused_in_the_servers_words() -> Checked {
    let wire = Wire::started().await?;
    let service = |spec: Value| made("v1", "Service", &json!({"spec": spec}));
    let budget = |spec: Value| made("policy/v1", "PodDisruptionBudget", &json!({"spec": spec}));
    let secret = |rest: Value| made("v1", "Secret", &rest);
    let container = |rest: Value| {
        let mut container = json!({"name": "c", "image": "i:1"});
        json_patch::merge(&mut container, &rest);
        deployment(&json!({"containers": [container]}))
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let base = "spec.template.spec.containers[0]";
    let rows: Vec<(Value, String)> = vec![
        (service(json!({})), "Service \"x\" is invalid: spec.ports: Required value".into()),
        (
            service(json!({"ports": [{"port": 0}]})),
            "Service \"x\" is invalid: [spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, \
             spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive]"
                .into(),
        ),
        (
            service(json!({"ports": [{"port": 80}, {"port": 80}]})),
            "Service \"x\" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value, \
             spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\
             \"TargetPort\":0,\"NodePort\":0}]"
                .into(),
        ),
        (
            service(json!({"type": "Internal", "ports": [{"port": 80}]})),
            "Service \"x\" is invalid: spec.type: Unsupported value: \"Internal\": supported values: \"ClusterIP\", \
             \"ExternalName\", \"LoadBalancer\", \"NodePort\""
                .into(),
        ),
        (
            service(json!({"ports": [{"port": 80, "nodePort": 30_001}]})),
            "Service \"x\" is invalid: spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"
                .into(),
        ),
        (
            service(json!({"type": "ExternalName"})),
            "Service \"x\" is invalid: spec.externalName: Required value".into(),
        ),
        (
            service(json!({"ports": [{"port": 80, "targetPort": "Http_Port"}]})),
            "Service \"x\" is invalid: spec.ports[0].targetPort: Invalid value: \"Http_Port\": must contain only \
             alphanumeric characters (a-z, 0-9), and hyphens (-)"
                .into(),
        ),
        (
            budget(json!({"minAvailable": "150%"})),
            "PodDisruptionBudget.policy \"x\" is invalid: spec.minAvailable: Invalid value: \"150%\": must not be \
             greater than 100%"
                .into(),
        ),
        (
            budget(json!({"minAvailable": "half"})),
            "PodDisruptionBudget.policy \"x\" is invalid: spec.minAvailable: Invalid value: \"half\": a valid percent \
             string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
             validation is '[0-9]+%')"
                .into(),
        ),
        (
            budget(json!({"minAvailable": 1, "maxUnavailable": "50%", "selector": {"matchLabels": {"a": "b"}}})),
            "PodDisruptionBudget.policy \"x\" is invalid: spec: Invalid value: {\"MinAvailable\":1,\"Selector\":\
             {\"matchLabels\":{\"a\":\"b\"}},\"MaxUnavailable\":\"50%\",\"UnhealthyPodEvictionPolicy\":null}: \
             minAvailable and maxUnavailable cannot be both set"
                .into(),
        ),
        (
            made("v1", "ConfigMap", &json!({"data": {"a/b": "c"}})),
            "ConfigMap \"x\" is invalid: data[a/b]: Invalid value: \"a/b\": a valid config key must consist of \
             alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for \
             validation is '[-._a-zA-Z0-9]+')"
                .into(),
        ),
        (
            secret(json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ=="}})),
            "Secret \"x\" is invalid: data[tls.key]: Required value".into(),
        ),
        (
            secret(json!({"data": {"a": "not base64"}})),
            "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 3".into(),
        ),
        (
            made(rbac, "Role", &json!({"rules": [{"verbs": [], "apiGroups": [""], "resources": ["pods"]}]})),
            "Role.rbac.authorization.k8s.io \"x\" is invalid: rules[0].verbs: Required value: verbs must contain at \
             least one value"
                .into(),
        ),
        (
            made(rbac, "Role", &json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]})),
            "Role.rbac.authorization.k8s.io \"x\" is invalid: rules[0].nonResourceURLs: Invalid value: [\"/x\"]: \
             namespaced rules cannot apply to non-resource URLs"
                .into(),
        ),
        (
            made(rbac, "RoleBinding", &json!({"roleRef": {"kind": "Rule", "name": "r"}, "subjects": [{"kind": "Robot",
                "name": "n"}]})),
            "RoleBinding.rbac.authorization.k8s.io \"x\" is invalid: [roleRef.kind: Unsupported value: \"Rule\": \
             supported values: \"Role\", \"ClusterRole\", subjects[0].kind: Unsupported value: \"Robot\": supported \
             values: \"ServiceAccount\", \"User\", \"Group\"]"
                .into(),
        ),
        (
            container(json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]})),
            format!("Deployment.apps \"x\" is invalid: {base}.volumeMounts[0].name: Not found: \"v\""),
        ),
        (
            container(json!({"resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "1"}}})),
            format!(
                "Deployment.apps \"x\" is invalid: {base}.resources.requests: Invalid value: \"1\": must be less than \
                 or equal to cpu limit of 500m"
            ),
        ),
        (
            container(json!({"resources": {"limits": {"cpu": "much"}}})),
            "Deployment in version \"v1\" cannot be handled as a Deployment: quantities must match the regular \
             expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .into(),
        ),
        (
            made("v1", "PersistentVolumeClaim", &json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}})),
            "PersistentVolumeClaim \"x\" is invalid: spec.accessModes: Required value: at least 1 access mode is required"
                .into(),
        ),
    ];
    for (object, wanted) in rows {
        let answer = posted(&wire, &object).await?;
        assert_eq!(answer["message"].as_str(), Some(wanted.as_str()), "{object}");
    }
    Ok(())
}

#[tokio::test]
async fn what_may_not_change_stays_as_it_was_made() -> Checked {
    let wire = Wire::started().await?;
    let rbac = "rbac.authorization.k8s.io/v1";
    let set = |spec: Value| {
        let mut object = deployment(&json!({}));
        object["kind"] = json!("StatefulSet");
        json_patch::merge(&mut object, &json!({"spec": spec}));
        object
    };
    let binding =
        |role: &str| made(rbac, "RoleBinding", &json!({"roleRef": {"kind": "ClusterRole", "name": role}}));
    let service = |address: &str| {
        made("v1", "Service", &json!({"spec": {"ports": [{"port": 80}], "clusterIP": address}}))
    };
    for (old, new, wanted) in [
        (
            made("v1", "ConfigMap", &json!({"immutable": true, "data": {"a": "b"}})),
            made("v1", "ConfigMap", &json!({"immutable": true, "data": {"a": "c"}})),
            "ConfigMap \"x\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
        ),
        (
            made("v1", "Secret", &json!({"type": "Opaque"})),
            made("v1", "Secret", &json!({"type": "other"})),
            "Secret \"x\" is invalid: type: Invalid value: \"other\": field is immutable",
        ),
        (
            set(json!({"serviceName": "a"})),
            set(json!({"serviceName": "b"})),
            "StatefulSet.apps \"x\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than \
             'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
             'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ),
        (
            binding("view"),
            binding("edit"),
            "RoleBinding.rbac.authorization.k8s.io \"x\" is invalid: roleRef: Invalid value: \
             {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"ClusterRole\",\"Name\":\"edit\"}: cannot change \
             roleRef",
        ),
        (
            service("10.96.9.9"),
            service("10.96.9.10"),
            "Service \"x\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.96.9.10\"]: may not change once set",
        ),
    ] {
        let first = posted(&wire, &old).await?;
        assert_eq!(first["metadata"]["name"], "x", "{first}");
        let answer = put(&wire, &new).await?;
        assert_eq!(answer["message"].as_str(), Some(wanted), "{new}");
    }
    Ok(())
}

#[tokio::test]
async fn objects_are_completed_as_a_server_completes_them() -> Checked {
    let wire = Wire::started().await?;
    let answer = posted(
        &wire,
        &made("v1", "Service", &json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}})),
    )
    .await?;
    let spec = &answer["spec"];
    for (field, wanted) in [
        ("sessionAffinity", json!("None")),
        ("internalTrafficPolicy", json!("Cluster")),
        ("externalTrafficPolicy", json!("Cluster")),
        ("ipFamilies", json!(["IPv4"])),
        ("ipFamilyPolicy", json!("SingleStack")),
        ("clusterIPs", json!([spec["clusterIP"]])),
    ] {
        assert_eq!(spec[field], wanted, "{field}");
    }
    assert!(spec["clusterIP"].as_str().is_some_and(|address| address.starts_with("10.96.")), "{spec}");
    let port = &spec["ports"][0];
    assert!(port["nodePort"].as_u64().is_some_and(|number| (30_000..32_768).contains(&number)), "{port}");
    // What it was given it keeps when an update is silent.
    let kept =
        put(&wire, &made("v1", "Service", &json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}})))
            .await?;
    assert_eq!(kept["spec"], *spec);
    // With another type it gives back what that doesn't have, and gets what it does.
    let inner = put(&wire, &made("v1", "Service", &json!({"spec": {"ports": [{"port": 80}]}}))).await?;
    assert!(inner["spec"]["ports"][0]["nodePort"].is_null(), "{inner}");
    assert!(
        inner["spec"]["externalTrafficPolicy"].is_null() && inner["spec"]["clusterIP"] == spec["clusterIP"]
    );
    let outer = json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}});
    let outer = put(&wire, &made("v1", "Service", &outer)).await?;
    assert!(outer["spec"]["ports"][0]["nodePort"].is_u64(), "{outer}");

    let object =
        deployment(&json!({"nodeSelector": {}, "containers": [{"name": "c", "image": "i:1", "args": [],
        "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}]}));
    let answer = posted(&wire, &object).await?;
    let pod = &answer["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["resources"], json!({"limits": {"cpu": "500m", "memory": "1Gi"}}));
    assert!(pod["containers"][0]["args"].is_null() && pod["nodeSelector"].is_null(), "{pod}");
    let owners =
        &answer["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"];
    assert!(owners["k:{\"name\":\"c\"}"]["f:image"].is_object(), "{owners}");
    Ok(())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn bodies_that_do_not_fit_the_path_are_refused_in_the_servers_words() -> Checked {
    let wire = Wire::started().await?;
    for object in [
        made("v1", "ConfigMap", &json!({"data": {"a": "b"}})),
        made("v1", "Pod", &json!({"spec": {"containers": [{"name": "c", "image": "i:1"}]}})),
        deployment(&json!({})),
    ] {
        assert_eq!(posted(&wire, &object).await?["metadata"]["name"], "x");
    }
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = "/api/v1/namespaces/default/configmaps/x";
    let unread = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse \
                  error: ";
    let cannot = "cannot be handled as a ConfigMap";
    let (json, merge, strategic) =
        ("application/json", "application/merge-patch+json", "application/strategic-merge-patch+json");
    for (method, path, kind, body, code, wanted) in [
        (
            "POST",
            maps,
            json,
            "{metadata}",
            400,
            format!("{unread}invalid character 'm' looking for beginning of object key string ({{metadata}})"),
        ),
        (
            "POST",
            maps,
            json,
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"y"}}"#,
            400,
            format!("Secret in version \"v1\" {cannot}: converting (v1.Secret) to (core.ConfigMap): unknown conversion"),
        ),
        (
            "POST",
            maps,
            json,
            r#"{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"y"}}"#,
            400,
            format!(
                "ConfigMap in version \"v2\" {cannot}: no kind \"ConfigMap\" is registered for version \"v2\" in scheme \
                 \"pkg/api/legacyscheme/scheme.go:30\""
            ),
        ),
        (
            "POST",
            maps,
            json,
            r#"{"metadata":5}"#,
            400,
            format!(
                "ConfigMap in version \"v1\" {cannot}: json: cannot unmarshal number into Go struct field \
                 ConfigMap.metadata of type v1.ObjectMeta"
            ),
        ),
        (
            "PUT",
            map,
            json,
            "{}",
            400,
            "the name of the object (x based on URL) was undeterminable: name must be provided".into(),
        ),
        (
            "PUT",
            map,
            json,
            r#"{"metadata":{"name":"x","resourceVersion":"abc"}}"#,
            500,
            "strconv.ParseUint: parsing \"abc\": invalid syntax".into(),
        ),
        (
            "PUT",
            "/apis/apps/v1/namespaces/default/deployments/x/scale",
            json,
            r#"{"metadata":{"name":"y"},"spec":{"replicas":2}}"#,
            400,
            "the name of the object (y) does not match the name on the URL (x)".into(),
        ),
        (
            "PATCH",
            map,
            merge,
            "nonsense",
            400,
            "error decoding patch: invalid character 'o' in literal null (expecting 'u')".into(),
        ),
        (
            "PATCH",
            map,
            strategic,
            "[]",
            400,
            "json: cannot unmarshal array into Go value of type map[string]interface {}".into(),
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/default/deployments/x?fieldManager=m",
            "application/apply-patch+yaml",
            "apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: many\n",
            500,
            "failed to create typed patch object (default/x; apps/v1, Kind=Deployment): .spec.replicas: expected numeric \
             (int or float), got string"
                .into(),
        ),
        (
            "DELETE",
            map,
            json,
            r#"{"gracePeriodSeconds":"soon"}"#,
            500,
            "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64".into(),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default/pods/x",
            merge,
            r#"{"spec":{"nodeName":"n"}}"#,
            422,
            "Pod \"x\" is invalid: spec: Forbidden: pod updates may not change fields other than \
             `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` \
             (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if \
             it was previously negative)"
                .into(),
        ),
    ] {
        let answer = wire.ask(method, path, &[("Content-Type", kind)], Some(body)).await?.json()?;
        assert_eq!(
            (answer["code"].as_u64(), answer["message"].as_str()),
            (Some(code), Some(wanted.as_str())),
            "{method} {path} {body}"
        );
    }
    // A namespace's finalizers have a door of their own.
    let patch = r#"{"spec":{"finalizers":[]},"metadata":{"labels":{"a":"b"}}}"#;
    let answer =
        wire.ask("PATCH", "/api/v1/namespaces/default", &[("Content-Type", merge)], Some(patch)).await?;
    assert_eq!(answer.json()?["spec"]["finalizers"], json!(["kubernetes"]));
    Ok(())
}

#[tokio::test]
async fn versions_that_are_deprecated_say_so_in_a_warning() -> Checked {
    let wire = Wire::started().await?;
    let version = |name: &str, storage: bool, rest: Value| {
        let mut version = json!({"name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object"}}});
        json_patch::merge(&mut version, &rest);
        version
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "tides.sea.example.com"},
        "spec": {"group": "sea.example.com", "scope": "Namespaced", "names": {"plural": "tides", "kind": "Tide"},
            "versions": [
                version("v1", true, json!({})),
                version("v1beta1", false, json!({"deprecated": true})),
                version("v1alpha1", false, json!({"deprecated": true, "deprecationWarning": "ebb"})),
            ]},
    });
    wire.sandbox.create(definition)?;
    for (version, wanted) in [
        ("v1", ""),
        ("v1beta1", "299 - \"sea.example.com/v1beta1 Tide is deprecated; use sea.example.com/v1 Tide\""),
        ("v1alpha1", "299 - \"ebb\""),
    ] {
        let path = format!("/apis/sea.example.com/{version}/namespaces/default/tides");
        assert_eq!(wire.get(&path, &[]).await?.header("warning"), wanted, "{version}");
    }
    Ok(())
}
