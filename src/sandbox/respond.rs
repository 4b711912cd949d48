//! From what a request is answered with to the bytes of the answer.

use std::io::Write;

use axum::body::Body;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::error::ApiError;
use super::negotiation::Format;
use super::server::Answer;

/// From which size on an answer is compressed for a client that takes it.
const COMPRESSED: usize = 128 * 1024;

/// Whether a client takes compressed answers.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.split(',').any(|name| name.trim() == "gzip"))
}

/// The answer to a request.
pub(crate) fn answer(answer: Answer, format: Format, zipped: bool) -> Response {
    match answer {
        Answer::Text(text) => {
            let mut response = plain(StatusCode::OK, &text);
            let nosniff = HeaderValue::from_static("nosniff");
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
            response
        }
        Answer::Document(document, media_type) => {
            written(StatusCode::OK, document.to_string().into_bytes(), media_type, zipped)
        }
        Answer::Bytes(bytes, media_type) => written(StatusCode::OK, bytes, media_type, zipped),
        Answer::Object(code, object, warnings) => {
            let zipped = zipped && code == StatusCode::OK;
            let mut response = written(code, text(&object, format), format.media_type(), zipped);
            for warning in warnings {
                let text = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
                if let Ok(value) = HeaderValue::from_str(&text) {
                    response.headers_mut().append(header::WARNING, value);
                }
            }
            response
        }
        Answer::Stream(body) => {
            let mut response = Response::new(body);
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
    }
}

/// The answer to a request that is refused.
pub(crate) fn refusal(error: &ApiError, format: Format) -> Response {
    let code = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(text) = error.plain_text() {
        return plain(code, text);
    }
    let status = error.status();
    let mut response = written(code, text(&status, format), format.media_type(), false);
    if let Some(seconds) = status["details"]["retryAfterSeconds"].as_u64() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn text(object: &Value, format: Format) -> Vec<u8> {
    let written = match format {
        Format::Json => None,
        Format::PrettyJson => serde_json::to_string_pretty(object).ok(),
        Format::Yaml => serde_saphyr::to_string(object).ok(),
    };
    // JSON is YAML, too.
    written.unwrap_or_else(|| object.to_string()).into_bytes()
}

fn written(code: StatusCode, body: Vec<u8>, media_type: &'static str, zipped: bool) -> Response {
    let compressed = (zipped && body.len() > COMPRESSED).then(|| gzip(&body).ok()).flatten();
    let is_compressed = compressed.is_some();
    let mut response = Response::new(compressed.map_or_else(|| Body::from(body), Body::from));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn plain(code: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = code;
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
