//! Custom resource definitions: what one of them makes the server serve, and how its objects are judged.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::core::cel::{CompiledSchema, ErrorKind, ValidationError, compile_schema, validate_compiled};
use serde_json::{Value, json};

use super::error::FieldError;
use super::json::{child_path, fields, object_at, text_at};
use super::resources::{DEFINITIONS, ResourceType, ScalePaths};
use super::schema::{Checker, child_schema, repeated_items};
use super::store::Store;
use super::{metadata, names};

/// The schema of one version of a custom resource, with its rules compiled.
#[derive(Debug)]
pub struct CustomSchema {
    /// The `openAPIV3Schema`.
    pub schema: Value,
    /// The `additionalPrinterColumns`.
    pub columns: Vec<Value>,
    /// The fields of `selectableFields`, such as `spec.color`.
    pub(crate) selectable: Vec<String>,
    rules: Option<CompiledSchema>,
    /// Rules that name another field than the one they stand at.
    redirected: BTreeSet<String>,
}

/// Which part of a custom resource a request may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything except the status.
    Main,
    /// The status alone.
    Status,
    /// The number of replicas alone.
    Scale,
    /// The finalizers of a namespace alone.
    Finalize,
}

impl CustomSchema {
    fn new(schema: &Value, columns: Vec<Value>) -> Self {
        let mut redirected = BTreeSet::new();
        let mut bare = schema.clone();
        let rules = prepare(&mut bare, &mut redirected);
        // Defaults are ours to fill in: an object of the wrong kind is judged without them.
        let rules = rules.then(|| compile_schema(&bare));
        Self { schema: schema.clone(), columns, selectable: Vec::new(), rules, redirected }
    }

    /// What is wrong with `object`, given the complaints about its metadata.
    pub(crate) fn judge(
        &self,
        resource: &ResourceType,
        object: &Value,
        old: Option<&Value>,
        part: Part,
        metadata_errors: Vec<FieldError>,
    ) -> Vec<FieldError> {
        let kind = text_at(object, "/kind");
        let mut errors = if kind == resource.kind {
            self.judge_fields(resource, object, old, part, metadata_errors)
        } else {
            let detail = format!("must be {}", resource.kind);
            vec![FieldError::invalid("kind", &json!(kind), &detail)]
        };
        judge_embedded(&self.schema, object, "", &mut errors);
        repeated_items(&self.schema, object, "", &mut errors);
        if let Some(rules) = &self.rules {
            if errors.iter().any(FieldError::blocks_rules) {
                let unchecked = "some validation rules were not checked because the object was invalid; correct \
                                 the existing errors to complete validation";
                errors.push(FieldError::invalid("<nil>", &Value::Null, unchecked));
            } else if let Err(failures) = validate_compiled(rules, object, old) {
                errors.extend(failures.iter().map(|failure| self.rule_error(failure, object)));
            }
        }
        errors
    }

    fn judge_fields(
        &self,
        resource: &ResourceType,
        object: &Value,
        old: Option<&Value>,
        part: Part,
        metadata_errors: Vec<FieldError>,
    ) -> Vec<FieldError> {
        let base = if part == Part::Status { "status" } else { "" };
        let mut checker = Checker::new(metadata_errors, base);
        match part {
            Part::Main | Part::Scale | Part::Finalize => checker.check(&self.schema, object, old, ""),
            Part::Status => {
                if let Some(status) = object.get("status") {
                    let before = old.and_then(|old| old.get("status"));
                    checker.check(&self.schema["properties"]["status"], status, before, "");
                }
            }
        }
        let mut errors = checker.errors;
        if let Some(scale) = &resource.scale {
            if part != Part::Status {
                errors.extend(count_error(object, &scale.spec_replicas));
            }
            errors.extend(count_error(object, &scale.status_replicas));
        }
        errors
    }

    fn rule_error(&self, failure: &ValidationError, object: &Value) -> FieldError {
        let field = failure.field_path.trim_start_matches('.').to_owned();
        let value = value_at(object, &field);
        if failure.kind != ErrorKind::ValidationFailure {
            // The rule couldn't be evaluated where it stands, whatever field it would have blamed.
            let rule = find_rule(&self.schema, &failure.rule).unwrap_or(&Value::Null);
            let node = field.strip_suffix(text_at(rule, "/fieldPath")).unwrap_or(&field);
            let message = rule["message"].as_str().unwrap_or(&failure.rule);
            let shown = Value::String(type_of(value_at(object, node)).to_owned());
            let detail = evaluation_cause(failure, message.trim());
            return FieldError::invalid(node, &shown, &detail);
        }
        match failure.reason.as_deref() {
            Some("FieldValueForbidden") => FieldError::forbidden(field, &failure.message),
            Some("FieldValueRequired") => FieldError::required(field, &failure.message),
            Some("FieldValueDuplicate") if value.is_object() || value.is_array() => {
                FieldError { reason: "FieldValueDuplicate", field, message: "Duplicate value".to_owned() }
            }
            Some("FieldValueDuplicate") => FieldError::duplicate(field, value),
            _ if self.redirected.contains(&failure.rule) || value.is_object() || value.is_array() => {
                FieldError::invalid_unshown(field, &failure.message)
            }
            _ => FieldError::invalid(field, value, &failure.message),
        }
    }
}

/// Objects inside an object need a type, and their metadata is held to the same rules.
fn judge_embedded(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            if schema["x-kubernetes-embedded-resource"] == true {
                judge_type(value, path, errors);
                if value["metadata"].is_object() {
                    metadata::judge_embedded(&value["metadata"], &child_path(path, "metadata"), errors);
                }
            }
            for (name, child) in map {
                judge_embedded(child_schema(schema, name), child, &child_path(path, name), errors);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                judge_embedded(&schema["items"], item, &format!("{path}[{index}]"), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn judge_type(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        let at = child_path(path, name);
        match &object[name] {
            Value::Null => errors.push(FieldError::required(at, "must not be empty")),
            Value::String(text) if text.is_empty() => {
                errors.push(FieldError::invalid(at, &json!(""), "must not be empty"));
            }
            Value::String(text) if name == "kind" => {
                let wrong = names::letter_label(&text.to_lowercase()).join(",");
                if !wrong.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {wrong}");
                    errors.push(FieldError::invalid(at, &object[name], &detail));
                }
            }
            Value::String(text) if text.matches('/').count() > 1 => {
                let detail = format!("unexpected GroupVersion string: {text}");
                errors.push(FieldError::invalid(at, &object[name], &detail));
            }
            Value::String(_) => {}
            other => errors.push(FieldError::invalid(at, other, "must be a string")),
        }
    }
}

/// Fills in what a real server adds to a definition: names, conversion and, once accepted, its status.
pub(crate) fn complete_definition(definition: &mut Value) {
    let kind = text_at(definition, "/spec/names/kind").to_owned();
    let spec = object_at(definition, "spec");
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        names.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
        names.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
    }
}

/// The status of a definition: whether its names are free, and what follows from that
/// (apiextensions-apiserver, `pkg/controller/status/naming_controller.go`).
pub(crate) fn established(definition: &Value, store: &Store) -> Value {
    let now = store.now();
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stored: Vec<&Value> = versions.iter().filter(|v| v["storage"] == true).map(|v| &v["name"]).collect();
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        let status = if status { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message})
    };
    let (accepted, taken) = accepted_names(definition, store);
    let conditions = match taken {
        None => json!([
            condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
            condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted"),
        ]),
        Some((reason, message)) => json!([
            condition("NamesAccepted", false, reason, &message),
            condition("Established", false, "NotAccepted", "not all names are accepted"),
        ]),
    };
    json!({"conditions": conditions, "acceptedNames": accepted, "storedVersions": stored})
}

/// Whether a definition is served: it has no status yet in which its names were refused.
pub(crate) fn is_established(definition: &Value) -> bool {
    let mut conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

/// The names of a definition that no other of its group has, and why the others are not accepted.
fn accepted_names(definition: &Value, store: &Store) -> (Value, Option<(&'static str, String)>) {
    let group = &definition["spec"]["group"];
    let own = &definition["metadata"]["name"];
    let others = store.list(DEFINITIONS, None).0;
    let others: Vec<&Value> = others
        .iter()
        .filter(|other| other["spec"]["group"] == *group && other["metadata"]["name"] != *own)
        .map(|other| &other["status"]["acceptedNames"])
        .collect();
    let resources: BTreeSet<&str> = others
        .iter()
        .flat_map(|names| {
            let short = names["shortNames"].as_array().into_iter().flatten();
            [&names["plural"], &names["singular"]].into_iter().chain(short).filter_map(Value::as_str)
        })
        .collect();
    let kinds: BTreeSet<&str> = others
        .iter()
        .flat_map(|names| [&names["kind"], &names["listKind"]])
        .filter_map(Value::as_str)
        .collect();
    let mut accepted = definition["spec"]["names"].clone();
    let mut problem = None;
    for (field, reason, taken) in [
        ("plural", "PluralConflict", &resources),
        ("singular", "SingularConflict", &resources),
        ("kind", "KindConflict", &kinds),
        ("listKind", "ListKindConflict", &kinds),
    ] {
        let name = accepted[field].as_str().unwrap_or_default().to_owned();
        if taken.contains(name.as_str()) {
            accepted[field] = json!("");
            problem = Some((reason, format!("{name:?} is already in use")));
        }
    }
    let short = accepted["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let used: Vec<String> = short
        .filter(|name| resources.contains(name))
        .map(|name| format!("{name:?} is already in use"))
        .collect();
    if let Some(first) = used.first() {
        let message = if used.len() == 1 { first.clone() } else { format!("[{}]", used.join(", ")) };
        problem = Some(("ShortNamesConflict", message));
        fields(&mut accepted).remove("shortNames");
    }
    (accepted, problem)
}

/// Brings the status of a changed definition up to date: its names, and the versions that were ever stored.
pub(crate) fn renew_status(definition: &mut Value, store: &Store) {
    let fresh = established(definition, store);
    let kept = definition["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    let stored = fresh["storedVersions"].as_array().into_iter().flatten();
    let stored: Vec<Value> = kept.iter().chain(stored.filter(|name| !kept.contains(name))).cloned().collect();
    let status = object_at(definition, "status");
    status.insert("storedVersions".to_owned(), json!(stored));
    status.insert("acceptedNames".to_owned(), fresh["acceptedNames"].clone());
}

/// The resources that a definition adds, one for each version it serves.
pub(crate) fn resources_of(definition: &Value) -> Vec<ResourceType> {
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    versions.iter().filter(|v| v["served"] == true).map(|version| resource_of(definition, version)).collect()
}

fn resource_of(definition: &Value, version: &Value) -> ResourceType {
    let spec = &definition["spec"];
    let name = |pointer: &str| text_at(spec, pointer).to_owned();
    let names = |key: &str| {
        let list = spec["names"][key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let subresources = &version["subresources"];
    let pointer = |key: &str| subresources["scale"][key].as_str().map(|path| path.replace('.', "/"));
    let scale = pointer("specReplicasPath").zip(pointer("statusReplicasPath")).map(|(spec, status)| {
        ScalePaths { spec_replicas: spec, status_replicas: status, selector: pointer("labelSelectorPath") }
    });
    let columns = version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
    let schema = CustomSchema::new(&version["schema"]["openAPIV3Schema"], columns);
    let selectable = version["selectableFields"].as_array().into_iter().flatten();
    let selectable =
        selectable.map(|field| text_at(field, "/jsonPath").trim_start_matches('.').to_owned()).collect();
    ResourceType {
        group: name("/group"),
        version: text_at(version, "/name").to_owned(),
        plural: name("/names/plural"),
        singular: name("/names/singular"),
        kind: name("/names/kind"),
        list_kind: name("/names/listKind"),
        short_names: names("shortNames"),
        categories: names("categories"),
        namespaced: spec["scope"] == "Namespaced",
        status: subresources["status"].is_object(),
        scale,
        generation: true,
        unconditional_update: false,
        storage: text_at(definition, "/metadata/name").to_owned(),
        custom: Some(Arc::new(CustomSchema { selectable, ..schema })),
    }
}

/// Removes the defaults from a schema, collects redirected rules, and tells whether there are rules.
fn prepare(schema: &mut Value, redirected: &mut BTreeSet<String>) -> bool {
    let mut found = false;
    match schema {
        Value::Object(map) => {
            if let Some(rules) = map.get("x-kubernetes-validations").and_then(Value::as_array) {
                found |= !rules.is_empty();
                let with_path = rules.iter().filter(|rule| rule["fieldPath"].is_string());
                redirected.extend(with_path.map(|rule| text_at(rule, "/rule").to_owned()));
            }
            if map.contains_key("type") {
                map.remove("default");
            }
            for child in map.values_mut() {
                found |= prepare(child, redirected);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| found |= prepare(item, redirected)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

fn find_rule<'a>(schema: &'a Value, rule: &str) -> Option<&'a Value> {
    if let Some(rules) = schema["x-kubernetes-validations"].as_array()
        && let Some(found) = rules.iter().find(|candidate| candidate["rule"] == rule)
    {
        return Some(found);
    }
    let properties = schema["properties"].as_object().into_iter().flatten().map(|(_, child)| child);
    let others = [&schema["items"], &schema["additionalProperties"]];
    properties.chain(others).filter(|child| child.is_object()).find_map(|child| find_rule(child, rule))
}

/// Why a rule can't be evaluated, as cel-go says it, with what the server adds.
fn evaluation_cause(failure: &ValidationError, rule: &str) -> String {
    let text = failure.message.trim_start_matches("rule evaluation error: ");
    let operands = ["No such overload", "Unsupported ", "Unexpected type", "Invalid argument type"];
    if operands.iter().any(|start| text.starts_with(start)) || text.contains("can not be compared to") {
        return format!(
            "'no such overload': call arguments did not match a supported operator, function or macro signature for \
             rule: {rule}"
        );
    }
    let cause = match text.split_once(": ") {
        Some(("No such key", key)) => format!("no such key: {key}"),
        Some(("Index out of bounds", index)) => format!("index out of bounds: {index}"),
        _ if text.starts_with("Division by zero") => "division by zero".to_owned(),
        _ if text.starts_with("Remainder by zero") => "modulus by zero".to_owned(),
        _ if text.starts_with("Overflow") => "integer overflow".to_owned(),
        _ => text.to_owned(),
    };
    format!("{cause} evaluating rule: {rule}")
}

fn count_error(object: &Value, pointer: &str) -> Option<FieldError> {
    let value = object.pointer(pointer)?;
    let field = pointer.replace('/', ".");
    match value.as_i64() {
        None => {
            let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let detail =
                format!("{field} accessor error: {shown} is of the type {}, expected int64", type_of(value));
            Some(FieldError::invalid(field, &json!(0), &detail))
        }
        Some(count) if count < 0 => {
            Some(FieldError::invalid(field, value, "should be a non-negative integer"))
        }
        Some(_) => None,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The value at a path such as `spec.entries[1].name`; null when there is none.
fn value_at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let pointer = path
        .replace('[', ".")
        .replace(']', "")
        .split('.')
        .fold(String::new(), |at, part| if part.is_empty() { at } else { format!("{at}/{part}") });
    object.pointer(&pointer).unwrap_or(&Value::Null)
}
