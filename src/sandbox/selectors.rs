//! Label selectors and field selectors.

use serde_json::Value;

use super::error::ApiError;
use super::json::text_at;
use super::resources::ResourceType;

/// What a list or a watch is narrowed down to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
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
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(fields, resource)? })
    }

    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object, as it is stored, is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        let has = |key: &String, values: &[String]| label(key).is_some_and(|v| values.iter().any(|w| w == v));
        let labels_match = self.labels.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => has(key, values),
            Requirement::NotIn(key, values) => !has(key, values),
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Missing(key) => label(key).is_none(),
        });
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
    if resource.custom.is_some() {
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
        _ => false,
    };
    (known || is_common(name)).then(|| vec![pointer(name)])
}

fn is_common(name: &str) -> bool {
    matches!(name, "metadata.name" | "metadata.namespace")
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('.', "/"))
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, ApiError> {
    let mut requirements = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (requirement, after) = parse_requirement(rest).map_err(ApiError::bad_request)?;
        requirements.push(requirement);
        rest = match after.trim_start().strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.trim().is_empty() => "",
            None => {
                let message = format!("found '{}', expected: ',' or 'end of string'", after.trim());
                return Err(ApiError::bad_request(message));
            }
        };
    }
    Ok(requirements)
}

fn parse_requirement(text: &str) -> Result<(Requirement, &str), String> {
    if let Some(negated) = text.strip_prefix('!') {
        let (key, rest) = identifier(negated.trim_start())?;
        return Ok((Requirement::Missing(key.to_owned()), rest));
    }
    let (key, rest) = identifier(text)?;
    let key = key.to_owned();
    let rest = rest.trim_start();
    for (operator, equal) in [("==", true), ("!=", false), ("=", true)] {
        if let Some(after) = rest.strip_prefix(operator) {
            let (value, rest) = word(after.trim_start());
            let values = vec![value.to_owned()];
            let found = if equal { Requirement::In(key, values) } else { Requirement::NotIn(key, values) };
            return Ok((found, rest));
        }
    }
    for (operator, inside) in [("in", true), ("notin", false)] {
        if let Some(after) = rest.strip_prefix(operator)
            && let Some(list) = after.trim_start().strip_prefix('(')
        {
            let (values, rest) = list.split_once(')').ok_or("found '', expected: ',' or ')'")?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            let found = if inside { Requirement::In(key, values) } else { Requirement::NotIn(key, values) };
            return Ok((found, rest));
        }
    }
    Ok((Requirement::Exists(key), rest))
}

fn identifier(text: &str) -> Result<(&str, &str), String> {
    let (found, rest) = word(text);
    if found.is_empty() {
        let symbol: String = text.chars().take_while(|c| "=!()<>".contains(*c)).collect();
        return Err(format!("found '{symbol}', expected: !, identifier, or 'end of string'"));
    }
    Ok((found, rest))
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c)).unwrap_or(text.len());
    text.split_at(end)
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
        let error = Selector::parse("==", "", &pods).expect_err("no key");
        assert_eq!(error.message, "found '==', expected: !, identifier, or 'end of string'");
    }

    #[test]
    fn a_selector_object_is_written_as_text() {
        let selector = json!({"matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "t", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector_text(&selector), "app=web,t in (a,b)");
    }
}
