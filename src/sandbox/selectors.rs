//! Label selectors and field selectors.

use serde_json::Value;

use super::error::ApiError;
use super::json::text_at;
use super::names;
use super::resources::ResourceType;
use crate::labels::LabelSelector;

/// What a list or a watch is narrowed down to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: LabelSelector,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug)]
struct FieldRequirement {
    pointers: Vec<String>,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads the two parameters of a request.
    ///
    /// # Errors
    /// 400 when they can't be read or name a field that can't be selected by.
    pub(crate) fn parse(labels: &str, fields: &str, resource: &ResourceType) -> Result<Self, ApiError> {
        let labels = LabelSelector::parse(labels).map_err(ApiError::bad_request)?;
        for (key, values) in labels.terms() {
            let refuse = |place: &str, value: &str, wrong: &[String]| {
                let wrong = wrong.join("; ");
                let message =
                    format!("unable to parse requirement: {place}: Invalid value: {value:?}: {wrong}");
                Err(ApiError::bad_request(message))
            };
            let wrong = names::qualified(key);
            if !wrong.is_empty() {
                return refuse("<nil>", key, &wrong);
            }
            for (index, value) in values.iter().enumerate() {
                let wrong = names::label_value(value);
                if !wrong.is_empty() {
                    return refuse(&format!("values[{index}][{key}]"), value, &wrong);
                }
            }
        }
        Ok(Self { labels, fields: parse_fields(fields, resource)? })
    }

    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object, as it is stored, is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let labels_match = self.labels.matches(|key| labels.get(key).and_then(Value::as_str));
        labels_match && self.fields.iter().all(|field| field.matches(object))
    }
}

impl FieldRequirement {
    fn matches(&self, object: &Value) -> bool {
        let found = self.pointers.iter().find_map(|pointer| match object.pointer(pointer) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(other @ (Value::Bool(_) | Value::Number(_))) => Some(other.to_string()),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => None,
        });
        (found.unwrap_or_default() == self.value) == self.equal
    }
}

fn parse_fields(text: &str, resource: &ResourceType) -> Result<Vec<FieldRequirement>, ApiError> {
    let mut fields = Vec::new();
    for term in text.split(',').filter(|term| !term.is_empty()) {
        let (name, value, equal) = if let Some((name, value)) = term.split_once("!=") {
            (name, value, false)
        } else if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (name, value, true)
        } else {
            let message = format!("invalid selector: '{text}'; can't understand '{term}'");
            return Err(ApiError::bad_request(message));
        };
        let pointers =
            selectable(name, resource).ok_or_else(|| ApiError::bad_request(unsupported(name, resource)))?;
        fields.push(FieldRequirement { pointers, value: value.to_owned(), equal });
    }
    Ok(fields)
}

fn unsupported(name: &str, resource: &ResourceType) -> String {
    // Kinds with fields of their own convert them in a function of their own, which says it in other words.
    let own = matches!(
        resource.storage.as_str(),
        "pods" | "events" | "namespaces" | "nodes" | "secrets" | "services" | "replicasets.apps"
    );
    if resource.custom.is_some() || own {
        format!("field label not supported: {name}")
    } else {
        format!("\"{name}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    }
}

/// Where in a stored object the value of a selectable field is.
fn selectable(name: &str, resource: &ResourceType) -> Option<Vec<String>> {
    let known = match resource.storage.as_str() {
        "events" => {
            // Events are stored as core/v1 has them; events.k8s.io/v1 calls the same fields otherwise.
            let name = name.replace("regarding.", "involvedObject.");
            let name = if name == "reportingController" { "reportingComponent".to_owned() } else { name };
            if name == "source" || name == "reportingComponent" {
                return Some(vec!["/source/component".to_owned(), "/reportingComponent".to_owned()]);
            }
            let known = matches!(name.as_str(), "reason" | "type") || name.starts_with("involvedObject.");
            return (known || is_common(&name)).then(|| vec![pointer(&name)]);
        }
        "pods" => matches!(
            name,
            "spec.nodeName"
                | "spec.restartPolicy"
                | "spec.schedulerName"
                | "spec.serviceAccountName"
                | "status.phase"
                | "status.podIP"
                | "spec.hostNetwork"
        ),
        "namespaces" => name == "status.phase",
        "nodes" => name == "spec.unschedulable",
        "secrets" => name == "type",
        "replicasets.apps" => name == "status.replicas",
        _ => {
            let custom = resource.custom.as_ref();
            custom.is_some_and(|custom| custom.selectable.iter().any(|field| field == name))
        }
    };
    (known || is_common(name)).then(|| vec![pointer(name)])
}

fn is_common(name: &str) -> bool {
    matches!(name, "metadata.name" | "metadata.namespace")
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('.', "/"))
}

/// The selector object of a built-in workload as a text, such as `app=web,tier in (a,b)`.
pub(crate) fn selector_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = text_at(expression, "/key");
        let values = expression["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let values = values.join(",");
        terms.push(match text_at(expression, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::resources::Registry;
    use super::*;

    #[test]
    fn labels_select_by_equality_sets_and_existence() {
        let pods = Registry::built_in().find("", "v1", "pods").expect("pods");
        let object = json!({"metadata": {"name": "x", "labels": {"k": "v"}}, "status": {"phase": "Running"}});
        let cases = [
            ("", "", true),
            ("k=v", "", true),
            ("k==v", "", true),
            ("k!=v", "", false),
            ("k in (w, v),k!=w", "", true),
            ("k notin (v)", "", false),
            ("k", "metadata.name=x", true),
            ("!k", "", false),
            ("!z", "status.phase!=Running", false),
        ];
        for (labels, fields, wanted) in cases {
            let selector = Selector::parse(labels, fields, &pods).expect("a selector");
            assert_eq!(selector.matches(&object), wanted, "{labels} {fields}");
        }
        for (labels, wanted) in [
            ("==", "found '==', expected: !, identifier, or 'end of string'"),
            ("-a=b", "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of"),
            ("a=-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must"),
        ] {
            let error = Selector::parse(labels, "", &pods).expect_err(labels);
            assert!(error.message.starts_with(wanted), "{}", error.message);
        }
    }

    #[test]
    fn a_selector_object_is_written_as_text() {
        let selector = json!({"matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "t", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector_text(&selector), "app=web,t in (a,b)");
    }
}
