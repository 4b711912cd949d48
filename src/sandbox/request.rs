//! What a request's path, parameters and headers say.

use axum::extract::Query;
use http::{HeaderMap, Method, Uri, header};
use serde_json::json;

use super::access::Attributes;
use super::error::FieldError;
use super::names;

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query string; one that can't be read has no parameters.
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default())
    }

    /// The value of a parameter, or the empty text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The value of a parameter that is there.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All parameters, in their order.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Whether a parameter is there and doesn't say no; an empty one says yes.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.given(name).is_some_and(|text| text != "0" && !text.eq_ignore_ascii_case("false"))
    }

    /// A parameter that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }

    /// Whether nothing is to be kept.
    pub(crate) fn dry_run(&self) -> bool {
        !self.text("dryRun").is_empty()
    }

    /// What is wrong with the options of a write (apimachinery, `pkg/apis/meta/v1/validation`).
    pub(crate) fn judge_options(&self, patched: bool, apply: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let manager = self.text("fieldManager");
        if apply && manager.is_empty() {
            errors.push(FieldError::required("fieldManager", "is required for apply patch"));
        }
        if patched && !apply && !self.text("force").is_empty() {
            errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
        }
        if manager.len() > LONGEST_MANAGER {
            errors.push(FieldError::too_long("fieldManager", 128));
        }
        if manager.chars().any(char::is_control) {
            let detail = "should only contain printable characters";
            errors.push(FieldError::invalid("fieldManager", &json!(manager), detail));
        }
        errors.extend(self.judge_dry_run());
        let validation = self.text("fieldValidation");
        let known = ["", "Ignore", "Strict", "Warn"];
        if !known.contains(&validation) {
            let known = known.map(serde_json::Value::from);
            errors.push(FieldError::unsupported("fieldValidation", &json!(validation), &known));
        }
        errors
    }

    /// What is wrong with `dryRun`, which is `All` or not there.
    pub(crate) fn judge_dry_run(&self) -> Option<FieldError> {
        let text = self.text("dryRun");
        let known = matches!(text, "" | "All");
        (!known).then(|| FieldError::unsupported("dryRun", &json!([text]), &[json!("All")]))
    }
}

/// How long the name of a field manager may be.
const LONGEST_MANAGER: usize = 128;

/// The `Accept` header.
pub(crate) fn accept(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A parameter of a media type, such as `as` in `application/json;as=Table`.
pub(crate) fn parameter<'a>(media_type: &'a str, name: &str) -> Option<&'a str> {
    media_type
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, v)| v)
}

/// The media type of a body, without parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// What a method and a path ask for. A path that names no resource has an empty one.
pub(crate) fn attributes(method: &Method, path: &str, parameters: &Parameters) -> Attributes {
    let decoded: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(percent_decoded).collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let mut found = Attributes { path: path.to_owned(), ..Attributes::default() };
    let rest = match parts.as_slice() {
        ["api", version, rest @ ..] => {
            (*version).clone_into(&mut found.version);
            rest
        }
        ["apis", group, version, rest @ ..] => {
            (*group).clone_into(&mut found.group);
            (*version).clone_into(&mut found.version);
            rest
        }
        _ => &[],
    };
    let rest = match rest {
        ["namespaces", _, "status" | "finalize"] => rest,
        ["namespaces", namespace, inner @ ..] if !inner.is_empty() => {
            (*namespace).clone_into(&mut found.namespace);
            inner
        }
        _ => rest,
    };
    let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
    found.resource = part(0);
    found.name = part(1);
    found.subresource = rest.get(2..).unwrap_or_default().join("/");
    if found.resource == "namespaces" && found.group.is_empty() {
        found.namespace.clone_from(&found.name);
    }
    found.verb = if found.resource.is_empty() {
        method.as_str().to_lowercase()
    } else {
        verb(method, &found, parameters).to_owned()
    };
    found
}

/// What a request has to be allowed to do: who selects one object by its name asks for that one alone.
pub(crate) fn authorized(attributes: &Attributes, parameters: &Parameters) -> Attributes {
    let mut asked = attributes.clone();
    if asked.name.is_empty() && matches!(asked.verb.as_str(), "list" | "watch") {
        let terms = parameters.text("fieldSelector").split(',');
        let name = terms.filter_map(|term| term.strip_prefix("metadata.name=")).next_back();
        let name = name.map(|name| name.trim_start_matches('='));
        name.filter(|name| names::path_segment(name).is_empty())
            .unwrap_or_default()
            .clone_into(&mut asked.name);
    }
    asked
}

fn verb(method: &Method, found: &Attributes, parameters: &Parameters) -> &'static str {
    let one = !found.name.is_empty();
    let get = method == Method::GET || method == Method::HEAD;
    if get && one {
        "get"
    } else if get {
        if parameters.is_set("watch") { "watch" } else { "list" }
    } else if method == Method::POST {
        "create"
    } else if method == Method::PUT {
        "update"
    } else if method == Method::PATCH {
        "patch"
    } else if method == Method::DELETE {
        if one { "delete" } else { "deletecollection" }
    } else {
        ""
    }
}

fn percent_decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_verbs_resources_and_places() {
        let cases = [
            ("GET", "/api/v1/namespaces", "list", "namespaces", "", ""),
            ("GET", "/api/v1/namespaces/a", "get", "namespaces", "a", ""),
            ("PUT", "/api/v1/namespaces/a/status", "update", "namespaces", "a", "status"),
            ("GET", "/api/v1/namespaces/a/pods?watch=1", "watch", "pods", "", ""),
            (
                "PATCH",
                "/apis/apps/v1/namespaces/a/deployments/web/scale",
                "patch",
                "deployments",
                "web",
                "scale",
            ),
            ("DELETE", "/apis/apps/v1/namespaces/a/deployments", "deletecollection", "deployments", "", ""),
            (
                "GET",
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax",
                "get",
                "clusterroles",
                "system:x",
                "",
            ),
            ("GET", "/version", "get", "", "", ""),
            ("POST", "/healthz", "post", "", "", ""),
        ];
        for (method, target, verb, resource, name, subresource) in cases {
            let uri: Uri = target.parse().expect("a path");
            let method: Method = method.parse().expect("a method");
            let found = attributes(&method, uri.path(), &Parameters::of(&uri));
            let found = (
                found.verb.as_str(),
                found.resource.as_str(),
                found.name.as_str(),
                found.subresource.as_str(),
            );
            assert_eq!(found, (verb, resource, name, subresource), "{target}");
        }
    }
}
