//! What a refused request looks like: the `Status` object that clients print and branch on.
//!
//! Clients decide by `code` and `reason`, people read `message`; all three are worded as a real server
//! words them, since tests of the operator compare them.

mod field;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::resources::ResourceType;

pub use field::FieldError;

/// A request that the server refuses, with everything its `Status` body says.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason, such as `NotFound`.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    details: Option<Value>,
    plain: bool,
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, plain: false }
    }

    fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// 404 without a `Status`, as for a path that nothing serves.
    pub(crate) fn no_such_path() -> Self {
        Self { plain: true, ..Self::new(404, "NotFound", "404 page not found\n") }
    }

    /// 404: no object of that name.
    pub(crate) fn not_found(resource: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).with_details(details_of(resource, name))
    }

    /// 404: the namespace of a new object isn't there.
    pub(crate) fn no_namespace(name: &str) -> Self {
        Self::new(404, "NotFound", format!("namespaces \"{name}\" not found"))
            .with_details(json!({"name": name, "kind": "namespaces"}))
    }

    /// 405: the resource has no such verb.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with_details(json!({}))
    }

    /// 405: a custom resource has no such verb.
    pub(crate) fn verb_not_supported(resource: &ResourceType, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind {:?}", resource.qualified());
        Self::new(405, "MethodNotAllowed", message).with_details(details_of(resource, ""))
    }

    /// 409: an object of that name is there already.
    pub(crate) fn already_exists(resource: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).with_details(details_of(resource, name))
    }

    /// 409: the object has changed since the client read it.
    pub(crate) fn conflict(resource: &ResourceType, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your \
             changes to the latest version and try again",
            resource.qualified()
        );
        Self::new(409, "Conflict", message).with_details(details_of(resource, name))
    }

    /// 409: a precondition of a deletion doesn't hold; `label` names it, and `values` are the wanted one and
    /// the present one.
    pub(crate) fn precondition(
        resource: &ResourceType,
        name: &str,
        label: &str,
        (wanted, found): (&str, &str),
    ) -> Self {
        let why = if label == "UID" { "deleted and then recreated" } else { "modified" };
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the {label} in the precondition ({wanted}) does not \
             match the {label} in record ({found}). The object might have been {why}",
            resource.qualified_kind()
        );
        let mut details = details_of(resource, name);
        details["kind"] = json!(resource.kind);
        Self::new(409, "Conflict", message).with_details(details)
    }

    /// 409: an update is of an object of the same name that was there before `old`.
    pub(crate) fn another_uid(resource: &ResourceType, old: &Value, wanted: &str) -> Self {
        let text = |key: &str| old["metadata"][key].as_str().unwrap_or_default();
        let (name, namespace) = (text("name"), text("namespace"));
        let group = if resource.group.is_empty() { String::new() } else { format!("{}/", resource.group) };
        let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": StorageError: invalid object, Code: 4, Key: \
             /registry/{group}{}/{place}{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
             precondition: {wanted}, UID in object meta: {}",
            resource.qualified(),
            resource.plural,
            text("uid")
        );
        Self::new(409, "Conflict", message).with_details(details_of(resource, name))
    }

    /// 409: a server-side apply touches fields that other managers own, as (manager, field) pairs.
    pub(crate) fn apply_conflicts(conflicts: &[(String, String)]) -> Self {
        let message = if let [(manager, field)] = conflicts {
            format!("Apply failed with 1 conflict: conflict with {manager}: {field}")
        } else {
            let managers: BTreeSet<&str> = conflicts.iter().map(|(manager, _)| manager.as_str()).collect();
            let mut lines = Vec::new();
            for manager in managers {
                lines.push(format!("conflicts with {manager}:"));
                let theirs = conflicts.iter().filter(|(owner, _)| owner == manager);
                lines.extend(theirs.map(|(_, field)| format!("- {field}")));
            }
            format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
        };
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {manager}"),
                    "field": field,
                })
            })
            .collect();
        Self::new(409, "Conflict", message).with_details(json!({"causes": causes}))
    }

    /// 400: the request makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 400: an object is not what the resource takes.
    pub(crate) fn unfit(resource: &ResourceType, wrong: &str) -> Self {
        let ResourceType { kind, version, .. } = resource;
        Self::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {wrong}"))
    }

    /// 401: the token is unknown.
    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403: the user may not do that; `about` is the details object.
    pub(crate) fn forbidden(message: String, about: Value) -> Self {
        Self::new(403, "Forbidden", message).with_details(about)
    }

    /// 403 as admission words it: the object may not be touched in this way.
    pub(crate) fn forbidden_object(resource: &ResourceType, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).with_details(details_of(resource, name))
    }

    /// 415: the body is in none of the formats in `accepted`.
    pub(crate) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 406: the client takes none of the formats in `written`.
    pub(crate) fn not_acceptable(written: &str) -> Self {
        let message = format!("only the following media types are accepted: {written}");
        Self::new(406, "NotAcceptable", message)
    }

    /// 422: the object is not valid; `kind` and `group` name its type.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        // What is found twice is a cause twice and told once.
        let mut texts: Vec<String> = Vec::new();
        for text in errors.iter().map(FieldError::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let causes: Vec<Value> = errors.iter().map(FieldError::cause).collect();
        let mut details = details(group, kind, name);
        details.insert("causes".to_owned(), json!(causes));
        Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {list}"))
            .with_details(Value::Object(details))
    }

    /// 422: a patch can't be applied to the object as it is.
    pub(crate) fn patch_rejected() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
            .with_details(json!({}))
    }

    /// 410: a watch or a continued list starts at a version whose events are forgotten.
    pub(crate) fn expired(requested: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {requested} ({oldest})"))
    }

    /// 410: the state that the pages of a list were taken from is forgotten.
    pub(crate) fn expired_continue() -> Self {
        Self::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a \
             new list without the continue parameter.",
        )
    }

    /// 504: a list wants to be as new as a version that has not come yet.
    pub(crate) fn version_of_the_future(wanted: u64, present: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {present}");
        Self::new(504, "Timeout", message).with_details(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }))
    }

    /// 413: the body is larger than `limit` bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(413, "RequestEntityTooLarge", message).with_details(json!({}))
    }

    /// 403: a new object in a namespace that is on its way out.
    pub(crate) fn terminating_namespace(resource: &ResourceType, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refused = Self::forbidden_object(resource, name, &why);
        if let Some(details) = &mut refused.details {
            details["causes"] = json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
        }
        refused
    }

    /// 500: the server can't answer.
    pub(crate) fn internal(message: &str) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
            .with_details(json!({"causes": [{"message": message}]}))
    }

    /// 500, as a real server has it: an applied configuration doesn't fit the fields of its kind.
    pub(crate) fn untyped_patch(resource: &ResourceType, config: &Value, wrong: &str) -> Self {
        let text = |key: &str| config["metadata"][key].as_str().unwrap_or_default();
        let message = format!(
            "failed to create typed patch object ({}/{}; {}, Kind={}): {wrong}",
            text("namespace"),
            text("name"),
            resource.api_version(),
            resource.kind
        );
        Self::new(500, "", message)
    }

    /// 500, as a real server has it: the options of a deletion can't be read.
    pub(crate) fn odd_options(why: impl Into<String>) -> Self {
        Self::new(500, "", why)
    }

    /// 500, as a real server has it: the version of an update is no number.
    pub(crate) fn odd_version(text: &str) -> Self {
        Self::new(500, "", format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
    }

    /// 422: the options of a request are not valid; `kind` is what they are called, such as `PatchOptions`.
    pub(crate) fn invalid_options(kind: &str, errors: &[FieldError]) -> Self {
        Self::invalid("meta.k8s.io", kind, "", errors)
    }

    /// The body of the answer when it isn't a `Status`.
    pub(crate) fn plain_text(&self) -> Option<&str> {
        self.plain.then_some(self.message.as_str())
    }

    /// The `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

/// The details object that names a resource and one of its objects.
pub(crate) fn details_of(resource: &ResourceType, name: &str) -> Value {
    Value::Object(details(&resource.group, &resource.plural, name))
}

fn details(group: &str, kind: &str, name: &str) -> Map<String, Value> {
    let mut details = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), json!(value));
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_stands_alone_and_several_are_bracketed_and_told_once() {
        let required = FieldError::required("spec.max", "");
        let one = ApiError::invalid("g", "K", "x", std::slice::from_ref(&required));
        assert_eq!(one.message, "K.g \"x\" is invalid: spec.max: Required value");
        let other = FieldError::required("spec.min", "");
        let three = ApiError::invalid("", "K", "x", &[required.clone(), other, required]);
        assert_eq!(three.message, "K \"x\" is invalid: [spec.max: Required value, spec.min: Required value]");
        assert_eq!(three.status()["details"]["causes"][2]["field"], "spec.max");
    }
}
