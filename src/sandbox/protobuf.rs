//! Kubernetes' protobuf format, in which `kubectl create` and other clients with Go's types send objects: read
//! into the JSON that the same client would have sent otherwise. Answers are always JSON, which those clients
//! accept as well.
//!
//! A body is `k8s\0` and an envelope: the kind (1) and the object (2). Numbers and names of fields come from
//! a table (`messages.txt`). A field that isn't there is refused unless it is empty; nothing is lost silently.

mod messages;
mod openapi;
mod wire;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub(crate) use openapi::{OPENAPI_MEDIA_TYPE, openapi};

use messages::{Row, Shape, Type, rows};
use wire::{Field, fields, is_blank};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtobufError {
    /// It isn't protobuf as Kubernetes writes it, or it is cut off.
    #[error("the body is not an object in Kubernetes' protobuf format")]
    Malformed,
    /// Its kind isn't in the table.
    #[error("{0} is not read in protobuf; send JSON")]
    UnknownKind(String),
    /// A field isn't in the table.
    #[error("{message}: field {number} is not read in protobuf; send JSON")]
    UnknownField {
        /// The message.
        message: &'static str,
        /// The number.
        number: u64,
    },
    /// A field holds something else than the table says.
    #[error("{message}.{field}: unexpected content")]
    Content {
        /// The message.
        message: &'static str,
        /// The field's name in JSON.
        field: &'static str,
    },
}

/// Reads an object.
///
/// # Errors
/// When it can't be read whole.
pub(crate) fn object(body: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = body.strip_prefix(MAGIC).and_then(fields).ok_or(ProtobufError::Malformed)?;
    let part = |fields: &[(u64, Field<'_>)], number| text(bytes(fields, number).unwrap_or_default());
    let kind = bytes(&envelope, 1).and_then(fields).ok_or(ProtobufError::Malformed)?;
    let (Some(api_version), Some(kind)) = (part(&kind, 1), part(&kind, 2)) else {
        return Err(ProtobufError::Malformed);
    };
    let name = root(&api_version, &kind)
        .ok_or_else(|| ProtobufError::UnknownKind(format!("{kind} of {api_version}")))?;
    let mut found = Map::new();
    message(name, bytes(&envelope, 2).ok_or(ProtobufError::Malformed)?, &mut found)?;
    found.insert("apiVersion".to_owned(), json!(api_version));
    found.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(found))
}

/// The message of a kind that a body may be of.
fn root(api_version: &str, kind: &str) -> Option<&'static str> {
    Some(match (api_version, kind) {
        ("v1", "ConfigMap") => "ConfigMap",
        ("v1", "Event") => "Event",
        ("v1", "Namespace") => "Namespace",
        ("v1", "Pod") => "Pod",
        ("v1", "Secret") => "Secret",
        ("v1", "Service") => "Service",
        ("v1", "ServiceAccount") => "ServiceAccount",
        ("apps/v1", "Deployment") => "Deployment",
        ("authentication.k8s.io/v1", "TokenRequest") => "TokenRequest",
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => "SelfSubjectAccessReview",
        ("authorization.k8s.io/v1", "SelfSubjectRulesReview") => "SelfSubjectRulesReview",
        ("autoscaling/v1", "HorizontalPodAutoscaler") => "HorizontalPodAutoscaler",
        ("coordination.k8s.io/v1", "Lease") => "Lease",
        ("events.k8s.io/v1", "Event") => "events.Event",
        ("policy/v1", "PodDisruptionBudget") => "PodDisruptionBudget",
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => "ClusterRole",
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => "ClusterRoleBinding",
        ("rbac.authorization.k8s.io/v1", "Role") => "Role",
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => "RoleBinding",
        // Sent in the version of whatever is deleted.
        (_, "DeleteOptions") => "DeleteOptions",
        _ => return None,
    })
}

/// Reads the fields of a message into `found`.
fn message(name: &'static str, body: &[u8], found: &mut Map<String, Value>) -> Result<(), ProtobufError> {
    let rows = rows(name).ok_or_else(|| ProtobufError::UnknownKind(name.to_owned()))?;
    for (number, field) in fields(body).ok_or(ProtobufError::Malformed)? {
        let Some(row) = rows.iter().find(|row| row.number == number) else {
            if is_blank(field) {
                continue;
            }
            return Err(ProtobufError::UnknownField { message: name, number });
        };
        let content = || ProtobufError::Content { message: name, field: row.name };
        match (row.shape, field) {
            (Shape::One, Field::Bytes(inner)) if row.name == "^" => {
                let Type::Message(inlined) = row.value else { return Err(content()) };
                message(inlined, inner, found)?;
            }
            (Shape::One, _) if !row.keeps_zero && is_zero(row, field) => {}
            (Shape::One, _) => {
                let value = value(row.value, field)?.ok_or_else(content)?;
                found.insert(row.name.to_owned(), value);
            }
            (Shape::List, _) => {
                let item = value(row.value, field)?.ok_or_else(content)?;
                match found.entry(row.name).or_insert_with(|| json!([])) {
                    Value::Array(items) => items.push(item),
                    _ => return Err(content()),
                }
            }
            (Shape::Map, Field::Bytes(entry)) => {
                let entry = fields(entry).ok_or_else(content)?;
                let key = text(bytes(&entry, 1).unwrap_or_default()).ok_or_else(content)?;
                let held = Field::Bytes(bytes(&entry, 2).unwrap_or_default());
                let held = value(row.value, held)?.ok_or_else(content)?;
                match found.entry(row.name).or_insert_with(|| json!({})) {
                    Value::Object(entries) => entries.insert(key, held),
                    _ => return Err(content()),
                };
            }
            (Shape::Map, Field::Number(_)) => return Err(content()),
        }
    }
    Ok(())
}

/// Whether JSON leaves a field out: an empty text, a zero or a false.
fn is_zero(row: &Row, field: Field<'_>) -> bool {
    match row.value {
        Type::Text | Type::Int | Type::Bool | Type::Bytes => {
            matches!(field, Field::Number(0) | Field::Bytes([]))
        }
        Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrText | Type::Status | Type::Message(_) => {
            false
        }
    }
}

/// A value as JSON; `None` when it isn't of its type.
fn value(kind: Type, field: Field<'_>) -> Result<Option<Value>, ProtobufError> {
    Ok(match (kind, field) {
        (Type::Int, Field::Number(number)) => Some(json!(number.cast_signed())),
        (Type::Bool, Field::Number(number)) => Some(json!(number != 0)),
        (Type::Text, Field::Bytes(bytes)) => text(bytes).map(Value::String),
        (Type::Bytes, Field::Bytes(bytes)) => Some(json!(k8s_openapi::ByteString(bytes.to_vec()))),
        (Type::Time, Field::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%SZ"),
        (Type::MicroTime, Field::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ"),
        (Type::Quantity, Field::Bytes(inner)) => {
            fields(inner).and_then(|fields| text(bytes(&fields, 1).unwrap_or_default())).map(Value::String)
        }
        (Type::IntOrText, Field::Bytes(inner)) => fields(inner).and_then(|fields| match int(&fields, 1) {
            0 => Some(json!(int(&fields, 2))),
            _ => text(bytes(&fields, 3).unwrap_or_default()).map(Value::String),
        }),
        (Type::Status, field) => is_blank(field).then(|| json!({})),
        (Type::Message(name), Field::Bytes(inner)) => {
            let mut found = Map::new();
            message(name, inner, &mut found)?;
            Some(Value::Object(found))
        }
        (Type::Int | Type::Bool, Field::Bytes(_))
        | (
            Type::Text
            | Type::Bytes
            | Type::Time
            | Type::MicroTime
            | Type::Quantity
            | Type::IntOrText
            | Type::Message(_),
            Field::Number(_),
        ) => None,
    })
}

/// Seconds (1) and nanoseconds (2) since the Unix epoch; a time that isn't set is empty, and null in JSON.
fn time(body: &[u8], format: &str) -> Option<Value> {
    let fields = fields(body)?;
    if fields.is_empty() {
        return Some(Value::Null);
    }
    let at = Timestamp::new(int(&fields, 1), i32::try_from(int(&fields, 2)).ok()?).ok()?;
    Some(json!(at.strftime(format).to_string()))
}

fn bytes<'a>(fields: &[(u64, Field<'a>)], number: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|field| match field {
        (found, Field::Bytes(bytes)) if *found == number => Some(*bytes),
        _ => None,
    })
}

/// The number in a field, or 0.
fn int(fields: &[(u64, Field<'_>)], number: u64) -> i64 {
    let found = fields.iter().find_map(|field| match field {
        (found, Field::Number(value)) if *found == number => Some(value.cast_signed()),
        _ => None,
    });
    found.unwrap_or(0)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests;
