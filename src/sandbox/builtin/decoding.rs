//! How a real server says that a field of a built-in kind has another type: in the words of Go's JSON decoder,
//! which name the struct that the field is in, the path to it, and the type that it should have.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object that went through its type, without the fields that the type doesn't have.
///
/// # Errors
/// The message that a client is shown.
pub(super) fn through<T: DeserializeOwned + Serialize>(kind: &str, object: &Value) -> Result<Value, String> {
    let typed: T = match serde_path_to_error::deserialize(object) {
        Ok(typed) => typed,
        // Go takes the zero value for it; what the rules of the kind say of that comes later.
        Err(error) if error.inner().to_string().starts_with("missing field") => return Ok(object.clone()),
        Err(error) => {
            let path = error.path().to_string();
            return Err(worded(kind, &path, object, &error.inner().to_string()));
        }
    };
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

fn worded(kind: &str, path: &str, object: &Value, error: &str) -> String {
    let pointer = format!("/{}", path.replace('[', ".").replace(']', "").replace('.', "/"));
    let found = match object.pointer(&pointer) {
        Some(Value::Bool(_)) => "bool".to_owned(),
        Some(Value::Number(number)) if number.is_f64() => format!("number {number}"),
        Some(Value::Number(_)) => "number".to_owned(),
        Some(Value::String(_)) => "string".to_owned(),
        Some(Value::Array(_)) => "array".to_owned(),
        Some(Value::Object(_)) => "object".to_owned(),
        Some(Value::Null) | None => return format!("json: {error}"),
    };
    let expected = error.split("expected ").nth(1).unwrap_or_default();
    let names: Vec<&str> = path.split('.').map(|part| part.split('[').next().unwrap_or_default()).collect();
    let Some((_, parents)) = names.split_last() else { return format!("json: {error}") };
    let wanted = match expected {
        "i32" => "int32".to_owned(),
        "i64" => "int64".to_owned(),
        "a boolean" => "bool".to_owned(),
        "a string" | "str" | "string" => "string".to_owned(),
        _ => {
            let inner = struct_of(kind, &names);
            let listed = error.contains("expected a sequence");
            format!("{}v1.{inner}", if listed { "[]" } else { "" })
        }
    };
    format!(
        "json: cannot unmarshal {found} into Go struct field {}.{} of type {wanted}",
        struct_of(kind, parents),
        names.join(".")
    )
}

/// The name of the struct at a path.
fn struct_of(kind: &str, names: &[&str]) -> String {
    let known = match names {
        [] => kind,
        ["metadata"] | [.., "template", "metadata"] => "ObjectMeta",
        ["spec"] => return format!("{kind}Spec"),
        ["status"] => return format!("{kind}Status"),
        [.., "template", "spec"] => "PodSpec",
        [.., "template"] => "PodTemplateSpec",
        [.., "containers" | "initContainers"] => "Container",
        [.., "containers", "ports"] => "ContainerPort",
        [.., "env"] => "EnvVar",
        [.., "resources"] => "ResourceRequirements",
        [.., "strategy"] => "DeploymentStrategy",
        [.., "rollingUpdate"] => "RollingUpdateDeployment",
        [.., "selector" | "labelSelector"] => "LabelSelector",
        [.., "scaleTargetRef"] => "CrossVersionObjectReference",
        [.., "metrics"] => "MetricSpec",
        [.., "behavior"] => "HorizontalPodAutoscalerBehavior",
        [.., "scaleUp" | "scaleDown"] => "HPAScalingRules",
        [.., "policies"] => "HPAScalingPolicy",
        [.., "target"] => "MetricTarget",
        [.., "involvedObject" | "regarding"] => "ObjectReference",
        [.., "series"] => "EventSeries",
        [.., "ownerReferences"] => "OwnerReference",
        [.., last] => {
            let mut letters = last.chars();
            return letters
                .next()
                .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
        }
    };
    known.to_owned()
}

/// Times with microseconds must have exactly six decimals.
///
/// # Errors
/// What Go's parser says.
pub(super) fn micro_time(text: &str) -> Result<(), String> {
    let layout = "2006-01-02T15:04:05.000000Z07:00";
    let failed = |rest: &str, part: &str| {
        format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}")
    };
    let seconds = text.get(..19).filter(|start| start.parse::<jiff::civil::DateTime>().is_ok());
    if seconds.is_none() {
        return Err(failed(text, "2006"));
    }
    let rest = text.get(19..).unwrap_or_default();
    let decimals =
        rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if decimals < 6 {
        return Err(failed(rest, ".000000"));
    }
    let zone = rest.get(7..).unwrap_or_default();
    if decimals > 6 || text.parse::<jiff::Timestamp>().is_err() {
        return Err(failed(zone, "Z07:00"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_types_are_worded_as_gos_decoder_words_them() {
        let container = json!([{"name": "c", "ports": [{"containerPort": "http"}]}]);
        for (object, wanted) in [
            (
                json!({"spec": {"replicas": "7"}}),
                "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                json!({"spec": {"selector": {}, "template": {"spec": {"containers": container}}}}),
                "json: cannot unmarshal string into Go struct field \
                 ContainerPort.spec.template.spec.containers.ports.containerPort of type int32",
            ),
            (
                json!({"spec": {"paused": 1}}),
                "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool",
            ),
        ] {
            assert_eq!(through::<Deployment>("Deployment", &object).expect_err("a wrong type"), wanted);
        }
    }

    #[test]
    fn micro_times_have_six_decimals() {
        for (text, wanted) in [
            ("2026-11-22T12:00:00.000000Z", ""),
            ("2026-11-22T12:00:00Z", "cannot parse \"Z\" as \".000000\""),
            ("yesterday", "cannot parse \"yesterday\" as \"2006\""),
        ] {
            let found = micro_time(text).err().unwrap_or_default();
            assert!(found.ends_with(wanted) && found.is_empty() == wanted.is_empty(), "{text}: {found}");
        }
    }
}
