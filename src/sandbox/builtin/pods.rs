//! Rules of pods (Kubernetes, `pkg/apis/core/validation`), as far as the sandbox's users can break them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::error::FieldError;
use super::super::json::{object_at, text_at};
use super::super::names;
use super::super::quantity::Quantity;
use super::values::{NEGATIVE, NO_PORT, PORTS, judge_count, judge_given_choice, judge_name};

/// What is wrong with a pod's specification, which stands at `path`.
pub(super) fn judge(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let path = format!("{path}.containers[{index}]");
        let name = text_at(container, "/name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else {
            let at = format!("{path}.name");
            judge_name(&at, &container["name"], &names::label(name), errors);
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(at, &container["name"]));
            }
        }
        judge_container(container, &path, errors);
        judge_mounts(spec, container, &path, errors);
    }
    judge_volumes(spec, path, errors);
    judge_count(spec, "terminationGracePeriodSeconds", path, errors);
    judge_given_choice(spec, path, "restartPolicy", &["Always", "OnFailure", "Never"], errors);
    judge_given_choice(
        spec,
        path,
        "dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        errors,
    );
}

fn judge_container(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if text_at(container, "/image").is_empty() {
        errors.push(FieldError::required(format!("{path}.image"), ""));
    }
    for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.ports[{index}]");
        match port["containerPort"].as_i64() {
            None | Some(0) => errors.push(FieldError::required(format!("{path}.containerPort"), "")),
            Some(number) if PORTS.contains(&number) => {}
            Some(_) => {
                let at = format!("{path}.containerPort");
                errors.push(FieldError::invalid(at, &port["containerPort"], NO_PORT));
            }
        }
        judge_given_choice(port, &path, "protocol", &["SCTP", "TCP", "UDP"], errors);
    }
    for (index, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
        if text_at(variable, "/name").is_empty() {
            errors.push(FieldError::required(format!("{path}.env[{index}].name"), ""));
        }
    }
    judge_resources(&container["resources"], &format!("{path}.resources"), errors);
    judge_given_choice(container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], errors);
}

/// Limits that a container of a pod doesn't ask for, it asks for.
pub(super) fn ask_for_limits(spec: &mut Value) {
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
            if limits.is_empty() {
                continue;
            }
            let requests = object_at(&mut container["resources"], "requests");
            for (name, limit) in limits {
                requests.entry(name).or_insert(limit);
            }
        }
    }
}

/// How well a pod is treated when a node runs short (`pkg/apis/core/helper/qos`).
pub(super) fn quality(spec: &Value) -> &'static str {
    let containers = || spec["containers"].as_array().into_iter().flatten();
    let said = |container: &Value, list: &str, name: &str| !container["resources"][list][name].is_null();
    let names = ["cpu", "memory"];
    let nothing = containers().all(|container| {
        names.iter().all(|name| !said(container, "requests", name) && !said(container, "limits", name))
    });
    let everything = containers().all(|container| {
        let resources = &container["resources"];
        names.iter().all(|name| {
            said(container, "limits", name) && resources["limits"][name] == resources["requests"][name]
        })
    });
    match (nothing, everything) {
        (true, _) => "BestEffort",
        (false, true) => "Guaranteed",
        (false, false) => "Burstable",
    }
}

/// Most of a pod stays as it was made. (A real server adds the difference to what it says.)
pub(super) fn judge_change(spec: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let frozen = |spec: &Value| {
        let mut copy = spec.clone();
        let Some(map) = copy.as_object_mut() else { return copy };
        map.retain(|field, _| {
            let free = ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"];
            !free.contains(&field.as_str())
        });
        for list in ["containers", "initContainers"] {
            for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(container) = container.as_object_mut() {
                    container.remove("image");
                    // It follows from the image.
                    container.remove("imagePullPolicy");
                }
            }
        }
        copy
    };
    if old.is_some_and(|old| frozen(old) != frozen(spec)) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,\
                      `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                      existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                      previously negative)";
        errors.push(FieldError::forbidden("spec", detail));
    }
}

/// What a container asks for is no more than what it may take.
fn judge_resources(resources: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let amount = |value: &Value| value.as_str().and_then(Quantity::parse);
    for list in ["limits", "requests"] {
        for (name, value) in resources[list].as_object().into_iter().flatten() {
            if amount(value).is_some_and(Quantity::is_negative) {
                errors.push(FieldError::invalid(format!("{path}.{list}[{name}]"), value, NEGATIVE));
            }
        }
    }
    for (name, value) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        if amount(value).zip(amount(limit)).is_some_and(|(asked, most)| asked.exceeds(most)) {
            let limit = limit.as_str().unwrap_or_default();
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(format!("{path}.requests"), value, &detail));
        }
    }
}

fn judge_volumes(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, volume) in spec["volumes"].as_array().into_iter().flatten().enumerate() {
        let at = format!("{path}.volumes[{index}].name");
        let name = text_at(volume, "/name");
        if name.is_empty() {
            errors.push(FieldError::required(at, ""));
        } else if !seen.insert(name) {
            errors.push(FieldError::duplicate(at, &volume["name"]));
        } else {
            judge_name(&at, &volume["name"], &names::label(name), errors);
        }
    }
}

fn judge_mounts(spec: &Value, container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let volumes = spec["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (index, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        let (name, place) = (text_at(mount, "/name"), text_at(mount, "/mountPath"));
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if !volumes.iter().any(|volume| volume["name"] == mount["name"]) {
            errors.push(FieldError::not_found(format!("{path}.name"), &mount["name"]));
        }
        if place.is_empty() {
            errors.push(FieldError::required(format!("{path}.mountPath"), ""));
        } else if !seen.insert(place) {
            errors.push(FieldError::invalid(
                format!("{path}.mountPath"),
                &mount["mountPath"],
                "must be unique",
            ));
        }
    }
}
