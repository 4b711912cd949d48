//! Services: their defaults, the addresses and ports that they are given, and their rules (Kubernetes,
//! `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/service` and `pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::error::FieldError;
use super::super::json::{fields, object_at, text_at};
use super::super::names;
use super::super::store::Store;
use super::values::{NO_PORT, PORTS, judge_given_choice, judge_name};
use super::{defaults, labels};

/// Fills in defaults.
pub(super) fn fill_defaults(object: &mut Value) {
    let spec = object_at(object, "spec");
    defaults(spec, json!({"type": "ClusterIP", "sessionAffinity": "None"}));
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if spec["sessionAffinity"] == "ClientIP" && !spec.contains_key("sessionAffinityConfig") {
        spec.insert("sessionAffinityConfig".to_owned(), json!({"clientIP": {"timeoutSeconds": 10_800}}));
    }
    if matches!(kind.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer") {
        defaults(spec, json!({"internalTrafficPolicy": "Cluster"}));
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        defaults(spec, json!({"externalTrafficPolicy": "Cluster"}));
    }
    if kind == "LoadBalancer" {
        defaults(spec, json!({"allocateLoadBalancerNodePorts": true}));
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let target = port["port"].clone();
        if let Some(port) = port.as_object_mut() {
            defaults(port, json!({"protocol": "TCP", "targetPort": target}));
        }
    }
}

/// Gives a Service the address and its ports the numbers on nodes that its type wants and that it lacks.
pub(super) fn allocate(object: &mut Value, store: &Store) {
    let others = store.list("services", None).0;
    let text = |value: &Value, pointer: &str| text_at(value, pointer).to_owned();
    let kind = text(object, "/spec/type");
    if kind == "ExternalName" {
        return;
    }
    let start =
        spread(&format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name")));
    let headless = text_at(object, "/spec/clusterIP") == "None";
    let selects = object["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty());
    let spec = object_at(object, "spec");
    if text_of(spec, "clusterIP").is_empty() {
        let taken: BTreeSet<&str> = others.iter().map(|other| text_at(other, "/spec/clusterIP")).collect();
        // 10.96.0.0/16, as kubeadm has it; the first few are for the cluster's own.
        let addresses = (0..65_000).map(|step| (start + step) % 65_000 + 256);
        let mut addresses = addresses.map(|number| format!("10.96.{}.{}", number / 256, number % 256));
        let free = addresses.find(|address| !taken.contains(address.as_str()));
        spec.insert("clusterIP".to_owned(), json!(free.unwrap_or_default()));
    }
    let address = spec["clusterIP"].clone();
    defaults(spec, json!({"clusterIPs": [address]}));
    let bare = headless && !selects;
    defaults(
        spec,
        if bare {
            json!({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"})
        } else {
            json!({"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})
        },
    );
    let exposed = kind == "NodePort" || spec.get("allocateLoadBalancerNodePorts") == Some(&json!(true));
    if exposed {
        let ports = |service: &Value| service["spec"]["ports"].as_array().cloned().unwrap_or_default();
        let numbers = others.iter().flat_map(|other| ports(other));
        let mut taken: BTreeSet<u64> = numbers.filter_map(|port| port["nodePort"].as_u64()).collect();
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port["nodePort"].as_u64().unwrap_or_default() == 0 {
                let mut numbers = (0..2768).map(|step| 30_000 + (start + step) % 2768);
                let free = numbers.find(|number| !taken.contains(number)).unwrap_or_default();
                taken.insert(free);
                fields(port).insert("nodePort".to_owned(), json!(free));
            }
        }
    }
}

/// Keeps what a Service was given when an update doesn't speak of it, and takes back what its new type doesn't have.
pub(super) fn keep_allocated(object: &mut Value, old: &Value) {
    let kind = text_at(object, "/spec/type").to_owned();
    if old["spec"]["type"] != kind {
        give_back(object_at(object, "spec"), &old["spec"], &kind);
    }
    if kind == "ExternalName" || text_at(old, "/spec/type") == "ExternalName" {
        return;
    }
    let before = &old["spec"];
    let spec = object_at(object, "spec");
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if spec.get(field).is_none_or(|value| value.is_null() || value == "") && !before[field].is_null() {
            spec.insert(field.to_owned(), before[field].clone());
        }
    }
    if !matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        return;
    }
    let known = before["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        let number = known.iter().find(same).map(|other| other["nodePort"].clone()).unwrap_or_default();
        if port["nodePort"].is_null() && !number.is_null() {
            fields(port).insert("nodePort".to_owned(), number);
        }
    }
}

/// What only another type has, and what nobody has changed along with the type.
fn give_back(spec: &mut Map<String, Value>, old: &Value, kind: &str) {
    let exposed = matches!(kind, "NodePort" | "LoadBalancer");
    let mut gone = Vec::new();
    if !exposed {
        gone.extend(["externalTrafficPolicy", "healthCheckNodePort"]);
        let before = old["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if before.iter().any(|other| other["nodePort"] == port["nodePort"]) {
                fields(port).remove("nodePort");
            }
        }
    }
    if kind != "LoadBalancer" {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if kind == "ExternalName" {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    spec.retain(|field, value| !(gone.contains(&field.as_str()) && *value == old[field.as_str()]));
}

/// What is wrong with a Service.
pub(super) fn judge(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    let kind = text_at(spec, "/type");
    let headless = text_at(spec, "/clusterIP") == "None";
    if let Some(old) = old
        && kind != "ExternalName"
        && text_at(old, "/spec/type") != "ExternalName"
        && !text_at(old, "/spec/clusterIP").is_empty()
        && old["spec"]["clusterIP"] != spec["clusterIP"]
    {
        let shown = json!([spec["clusterIP"]]);
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &shown, "may not change once set"));
    }
    let ports = spec["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!("None"), &detail));
        }
        "ExternalName" => {
            let name = text_at(spec, "/externalName");
            if name.is_empty() {
                errors.push(FieldError::required("spec.externalName", ""));
            } else {
                let wrong = names::subdomain(name.trim_end_matches('.'));
                judge_name("spec.externalName", &json!(name), &wrong, errors);
            }
        }
        _ => {}
    }
    judge_ports(ports, errors);
    if !matches!(kind, "NodePort" | "LoadBalancer") {
        for (index, _) in
            ports.iter().enumerate().filter(|(_, port)| port["nodePort"].as_u64().unwrap_or_default() > 0)
        {
            let detail = format!("may not be used when `type` is '{kind}'");
            errors.push(FieldError::forbidden(format!("spec.ports[{index}].nodePort"), &detail));
        }
        let policy = &spec["externalTrafficPolicy"];
        if !policy.is_null() && spec["externalIPs"].as_array().is_none_or(Vec::is_empty) {
            let detail = "may only be set for externally-accessible services";
            errors.push(FieldError::invalid("spec.externalTrafficPolicy", policy, detail));
        }
    }
    labels::judge(&spec["selector"], "spec.selector", errors);
    judge_given_choice(spec, "spec", "sessionAffinity", &["ClientIP", "None"], errors);
    judge_given_choice(
        spec,
        "spec",
        "type",
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        errors,
    );
    judge_repeated(ports, errors);
    let address = text_at(spec, "/clusterIP");
    if !address.is_empty() && !headless && address.parse::<std::net::IpAddr>().is_err() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!(address), detail));
    }
}

fn judge_ports(ports: &[Value], errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = text_at(port, "/name");
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if !name.is_empty() {
            let at = format!("{path}.name");
            judge_name(&at, &json!(name), &names::label(name), errors);
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(at, &json!(name)));
            }
        }
        let number = port["port"].as_i64().unwrap_or_default();
        if !PORTS.contains(&number) {
            errors.push(FieldError::invalid(format!("{path}.port"), &json!(number), NO_PORT));
        }
        judge_given_choice(port, &path, "protocol", &["SCTP", "TCP", "UDP"], errors);
        let target = &port["targetPort"];
        let at = format!("{path}.targetPort");
        match target {
            Value::Number(number) if !number.as_i64().is_some_and(|number| PORTS.contains(&number)) => {
                errors.push(FieldError::invalid(at, target, NO_PORT));
            }
            Value::String(name) => {
                judge_name(&at, target, &names::port_name(name), errors);
            }
            _ => {}
        }
    }
}

/// The same port of the same protocol is there once.
fn judge_repeated(ports: &[Value], errors: &mut Vec<FieldError>) {
    for (index, port) in ports.iter().enumerate() {
        let same = |other: &Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        if ports[..index].iter().any(same) {
            // The fields of the server's own type, in its order.
            let message = format!(
                "Duplicate value: {{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\
                 \"NodePort\":0}}",
                port["protocol"], port["port"]
            );
            let field = format!("spec.ports[{index}]");
            errors.push(FieldError { reason: "FieldValueDuplicate", field, message });
        }
    }
}

fn text_of<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number from a text (FNV-1a), so that the same Service has the same address in every run.
fn spread(text: &str) -> u64 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    u64::from(text.bytes().fold(0x811c_9dc5, mix))
}
