//! Objects of built-in kinds against their published schemas: which fields there are, and how a real server says that
//! one has another type. That is in the words of Go's JSON decoder, which name the struct that the field is in, the
//! path to it, and the type that it should have.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::super::json::{child_path, go_kind};
use super::super::quantity::Quantity;
use super::super::upstream;

/// Base64 as Go reads it, which minds no bits that are left over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Optional fields that Go's encoder shows even when they are empty.
const ALWAYS_SHOWN: &[&str] = &[
    "currentMetrics",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "eventTime",
    "firstTimestamp",
    "lastTimestamp",
    "rules",
];

/// What became of an object.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The paths of fields that there are not.
    pub(super) unknown: Vec<String>,
    /// The first thing that is of the wrong type.
    pub(super) wrong: Option<String>,
}

/// A place in an object.
#[derive(Clone)]
struct Place<'a> {
    /// The struct that the place is in.
    parent: &'static str,
    /// The names of the fields down to it, as the decoder shows them.
    names: Vec<&'a str>,
    /// The same with the positions in lists.
    path: String,
}

/// Takes what `schema` doesn't know out of `object`, and nulls, which stand for fields that aren't there.
pub(super) fn decode(schema: &'static Value, name: &'static str, object: &mut Value) -> Decoded {
    let mut decoded = Decoded::default();
    let place = Place { parent: upstream_name(name), names: Vec::new(), path: String::new() };
    decoded.visit(schema, name, object, &place);
    decoded
}

impl Decoded {
    fn visit(&mut self, schema: &'static Value, name: &'static str, value: &mut Value, place: &Place<'_>) {
        if !has_shape(name, schema) {
            return;
        }
        if name.ends_with(".Quantity") {
            match amount(value) {
                Some(amount) => *value = Value::String(amount.to_string()),
                None => self.complain(NO_QUANTITY.to_owned()),
            }
            return;
        }
        if let Some(wrong) = own_decoder(name, schema, value) {
            self.complain(wrong);
            return;
        }
        match (schema["type"].as_str(), value) {
            (Some("object"), Value::Object(map)) => self.visit_map(schema, name, map, place),
            (Some("array"), Value::Array(items)) => {
                let item = &schema["items"];
                for (index, value) in items.iter_mut().enumerate() {
                    let place = Place { path: format!("{}[{index}]", place.path), ..place.clone() };
                    self.follow(item, value, &place);
                }
            }
            (Some("string"), Value::String(_))
            | (Some("boolean"), Value::Bool(_))
            | (Some("number"), Value::Number(_))
            | (None, _) => {}
            (Some("integer"), Value::Number(number)) if fits(schema, number) => {}
            (Some(_), value) => self.complain(mismatch(schema, name, value, place)),
        }
    }

    fn visit_map(
        &mut self,
        schema: &'static Value,
        name: &'static str,
        map: &mut Map<String, Value>,
        place: &Place<'_>,
    ) {
        let is_struct = schema["properties"].is_object();
        map.retain(|field, value| {
            let known = !upstream::field(schema, field).is_null();
            if !known {
                self.unknown.push(child_path(&place.path, field));
            }
            known && !(is_struct && value.is_null() && !ALWAYS_SHOWN.contains(&field.as_str()))
        });
        for (field, value) in map.iter_mut() {
            let mut inner = Place { path: child_path(&place.path, field), ..place.clone() };
            if is_struct {
                inner.parent = upstream_name(name);
                inner.names.push(field);
            }
            self.follow(upstream::field(schema, field), value, &inner);
        }
    }

    fn follow(&mut self, schema: &'static Value, value: &mut Value, place: &Place<'_>) {
        if value.is_null() {
            if schema["type"] == "string" {
                *value = Value::String(String::new());
            }
            return;
        }
        let name = upstream::reference(schema).unwrap_or_default();
        match name.rsplit('.').next() {
            // A schema, or a list of them, or a yes or no.
            Some("JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool") if value.is_object() => {
                let props = name.trim_end_matches("OrArray").trim_end_matches("OrBool");
                self.visit(upstream::definition(props), props, value, place);
            }
            _ => self.visit(upstream::resolved(schema), name, value, place),
        }
    }

    fn complain(&mut self, wrong: String) {
        self.wrong.get_or_insert(wrong);
    }
}

/// Whether a schema says anything of what is in it.
fn has_shape(name: &str, schema: &Value) -> bool {
    let free = schema["properties"].is_null() && schema["additionalProperties"].is_null();
    let open = schema["type"].is_null() || (schema["type"] == "object" && free);
    !open || schema["oneOf"].is_array() || name.ends_with(".Quantity")
}

/// What is said of a text that is no amount.
const NO_QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::Number(number) => Quantity::parse(&number.to_string()),
        Value::String(text) => Quantity::parse(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What is wrong with a value of a type that reads itself.
fn own_decoder(name: &str, schema: &Value, value: &Value) -> Option<String> {
    let plain = |wanted: &str| {
        Some(format!("json: cannot unmarshal {} into Go value of type {wanted}", go_kind(value)))
    };
    match name.rsplit('.').next().unwrap_or_default() {
        "IntOrString" => match value {
            Value::String(_) => None,
            Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => {
                None
            }
            _ => plain("int32"),
        },
        "MicroTime" => value.as_str().map_or_else(|| plain("string"), |text| micro_time(text).err()),
        "Time" => value.as_str().map_or_else(|| plain("string"), |text| time(text).err()),
        _ if schema["format"] == "byte" => {
            let wrong = |text: &str| match BASE64.decode(text.replace(['\r', '\n'], "")) {
                Ok(_) => None,
                Err(error) => Some(format!("illegal base64 data at input byte {}", byte_of(&error, text))),
            };
            value.as_str().and_then(wrong)
        }
        _ => None,
    }
}

/// Where Go's decoder gives up: at the byte that is none of the alphabet, or where the last whole group ends.
fn byte_of(error: &base64::DecodeError, text: &str) -> usize {
    match error {
        base64::DecodeError::InvalidByte(at, _) => *at,
        base64::DecodeError::InvalidLength(_)
        | base64::DecodeError::InvalidLastSymbol(..)
        | base64::DecodeError::InvalidPadding => text.len() / 4 * 4,
    }
}

/// Whether a whole number fits the field.
fn fits(schema: &Value, number: &serde_json::Number) -> bool {
    let narrow = schema["format"] == "int32";
    number.as_i64().is_some_and(|number| !narrow || i32::try_from(number).is_ok())
}

fn mismatch(schema: &'static Value, name: &'static str, value: &Value, place: &Place<'_>) -> String {
    let found = match value {
        Value::Number(number) if schema["type"] == "integer" => format!("number {number}"),
        other => go_kind(other).to_owned(),
    };
    format!(
        "json: cannot unmarshal {found} into Go struct field {}.{} of type {}",
        place.parent,
        place.names.join("."),
        go_type(schema, name)
    )
}

/// The Go type of what a schema describes. Texts with a type of their own are not told from others.
fn go_type(schema: &'static Value, name: &'static str) -> String {
    let within = |inner: &'static Value| match upstream::reference(inner) {
        Some(name) => format!("v1.{}", upstream_name(name)),
        None => go_type(inner, name),
    };
    match schema["type"].as_str() {
        Some("integer") if schema["format"] == "int64" => "int64".to_owned(),
        Some("integer") => "int32".to_owned(),
        Some("number") => "float64".to_owned(),
        Some("boolean") => "bool".to_owned(),
        Some("array") => format!("[]{}", within(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map[string]{}", within(&schema["additionalProperties"]))
        }
        Some("object") => format!("v1.{}", upstream_name(name)),
        Some("string") if schema["format"] == "byte" => "[]uint8".to_owned(),
        Some(_) | None => "string".to_owned(),
    }
}

/// The last part of a definition's name, which is that of the Go type.
fn upstream_name(name: &'static str) -> &'static str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Times have a date, a time and a zone.
fn time(text: &str) -> Result<(), String> {
    let layout = "2006-01-02T15:04:05Z07:00";
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(());
    }
    let date = text.get(..10).filter(|date| date.parse::<jiff::civil::Date>().is_ok());
    let (rest, part) = match (date, text.get(..19)) {
        (Some(_), Some(start)) if start.parse::<jiff::civil::DateTime>().is_ok() => (&text[19..], "Z07:00"),
        (Some(_), _) => (&text[10..], "T"),
        (None, _) => (text, "2006"),
    };
    Err(format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}"))
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

/// Leaves out lists and maps of texts that are empty, as Go's encoder does.
pub(super) fn drop_empty(schema: &'static Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            map.retain(|field, inner| {
                let schema = upstream::resolved(upstream::field(schema, field));
                drop_empty(schema, inner);
                let blank = match inner {
                    Value::Array(items) => items.is_empty(),
                    Value::Object(map) => map.is_empty() && schema["additionalProperties"].is_object(),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
                };
                !blank || ALWAYS_SHOWN.contains(&field.as_str()) || required.iter().any(|name| name == field)
            });
        }
        Value::Array(items) => {
            let item = upstream::resolved(&schema["items"]);
            for inner in items {
                drop_empty(item, inner);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(kind: &str, object: &Value) -> (Decoded, Value) {
        let name = upstream::name_of("apps", "v1", kind).or_else(|| upstream::name_of("", "v1", kind));
        let name = name.expect("a kind");
        let mut kept = object.clone();
        (decode(upstream::definition(name), name, &mut kept), kept)
    }

    #[test]
    fn wrong_types_are_worded_as_gos_decoder_words_them() {
        let container = json!([{"name": "c", "ports": [{"containerPort": "http"}]}]);
        let pod = |spec: Value| json!({"spec": {"selector": {}, "template": {"spec": spec}}});
        for (kind, object, wanted) in [
            (
                "Deployment",
                json!({"spec": {"replicas": "7"}}),
                "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                "Deployment",
                json!({"spec": {"replicas": 1.5}}),
                "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                "Deployment",
                pod(json!({"containers": container})),
                "json: cannot unmarshal string into Go struct field \
                 ContainerPort.spec.template.spec.containers.ports.containerPort of type int32",
            ),
            (
                "Deployment",
                pod(json!({"containers": {}})),
                "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type \
                 []v1.Container",
            ),
            (
                "Deployment",
                json!({"spec": {"paused": 1}}),
                "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool",
            ),
            (
                "Deployment",
                json!({"spec": {"template": 5}}),
                "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.template of type \
                 v1.PodTemplateSpec",
            ),
            (
                "ConfigMap",
                json!({"data": {"a": 1}}),
                "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
            ),
            ("Secret", json!({"data": {"a": "hello world"}}), "illegal base64 data at input byte 5"),
        ] {
            assert_eq!(decoded(kind, &object).0.wrong.as_deref(), Some(wanted), "{object}");
        }
    }

    #[test]
    fn fields_that_there_are_not_are_found_and_nulls_left_out() {
        let object = json!({"metadata": {"name": "x", "nickname": "y", "labels": {"a": "b"}}, "spec": {
            "replicas": null, "size": 1, "template": {"spec": {"containers": [{"name": "c", "imag": "x",
            "resources": {"limits": {"cpu": "1"}}, "volumeMounts": []}], "nodeSelector": {}}}}});
        let (found, mut kept) = decoded("Deployment", &object);
        assert_eq!(
            found.unknown,
            ["metadata.nickname", "spec.size", "spec.template.spec.containers[0].imag"]
        );
        assert_eq!(found.wrong, None);
        let name = upstream::name_of("apps", "v1", "Deployment").expect("a kind");
        drop_empty(upstream::definition(name), &mut kept);
        assert_eq!(
            kept,
            json!({"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"template": {"spec": {
                "containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}}}})
        );
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
