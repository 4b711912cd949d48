//! The bodies of requests: read, and refused in the words of the real server's decoders.

use super::super::error::ApiError;
use super::super::json::{self, Parsed, text_at};
use super::super::metadata;
use super::super::protobuf::{self, ProtobufError};
use super::super::request::content_type;
use super::super::server::Call;
use super::plain;

/// How much of a body that can't be read is shown.
const SUMMARY: usize = 30;

/// The body of a request that is an object of the resource that the request is on.
pub(crate) fn body_of(call: &Call) -> Result<Parsed, ApiError> {
    let parsed = parsed_body(call)?;
    if call.resource.custom.is_some() && call.attributes.subresource != "scale" {
        let wrong = if text_at(&parsed.value, "/kind").is_empty() {
            Some(format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(&call.body)))
        } else {
            metadata::misfit(&parsed.value["metadata"])
        };
        if let Some(wrong) = wrong {
            return Err(ApiError::unfit(&call.resource, &wrong));
        }
    }
    Ok(parsed)
}

/// The body of a request, whatever it is of.
pub(super) fn parsed_body(call: &Call) -> Result<Parsed, ApiError> {
    let parsed = match content_type(&call.headers) {
        "application/json" | "" => json::parse(&call.body),
        "application/yaml" => json::parse_yaml(&call.body),
        protobuf::MEDIA_TYPE => return from_protobuf(&call.body),
        _ => {
            return Err(ApiError::unsupported_media_type(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
    };
    let kind = &call.resource.kind;
    let parsed = parsed.map_err(|error| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse \
             error: {error} ({})",
            summary(&call.body)
        ))
    })?;
    if !parsed.value.is_object() {
        // What comes before the type is read is told apart from what comes after it.
        if parsed.value.is_null() {
            return Err(ApiError::unfit(&call.resource, "Object 'Kind' is missing in 'null'"));
        }
        let found = json::go_kind(&parsed.value);
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse \
                 error: json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \
                 \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }} ({})",
            summary(&call.body)
        )));
    }
    Ok(parsed)
}

/// The beginning of a body, as a message shows it: text that looks like JSON as it is, anything else in
/// hexadecimal digits.
fn summary(body: &[u8]) -> String {
    let start = body.get(..SUMMARY).unwrap_or(body);
    let more = if body.len() > start.len() { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(start)),
        Some(_) => {
            let digits: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}{more}", digits.concat())
        }
    }
}

fn from_protobuf(body: &[u8]) -> Result<Parsed, ApiError> {
    match protobuf::object(body) {
        Ok(value) => Ok(plain(value)),
        Err(ProtobufError::UnknownKind(_)) => {
            Err(ApiError::unsupported_media_type("application/json, application/yaml"))
        }
        Err(error) => Err(ApiError::bad_request(error.to_string())),
    }
}
