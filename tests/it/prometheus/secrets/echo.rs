//! A server that answers with what it was sent, in every part of an answer.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::LOCATION;
use serde_json::json;

/// The queries, each of which it fails in a way of its own.
pub(super) const QUERIES: [&str; 8] =
    ["bad", "warning", "denied", "gateway", "value", "type", "redirect", "kind"];

/// Starts it and gives its address.
pub(super) async fn start() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/api/v1/query", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn answer(uri: Uri, Query(query): Query<BTreeMap<String, String>>, headers: HeaderMap) -> Response {
    let echo = echo(&uri, &headers);
    let ok = |result_type: &str, value: &str, warnings: &[&str]| {
        let data = json!({"resultType": result_type, "result": [1, value]});
        json!({"status": "success", "data": data, "warnings": warnings}).to_string().into_response()
    };
    let error = |code: StatusCode, kind: &str, text: &str| {
        (code, json!({"status": "error", "errorType": kind, "error": text}).to_string()).into_response()
    };
    match query["query"].as_str() {
        "bad" => error(StatusCode::BAD_REQUEST, "bad_data", &echo),
        "kind" => error(StatusCode::UNPROCESSABLE_ENTITY, &echo, "kind"),
        "warning" => ok("scalar", "1", &[&echo]),
        "denied" => error(StatusCode::UNAUTHORIZED, "denied", &echo),
        "gateway" => (StatusCode::BAD_GATEWAY, echo).into_response(),
        "value" => ok("scalar", &echo, &[]),
        "type" => ok(&echo, "1", &[]),
        "redirect" => {
            let location = format!("/elsewhere?{}", encoded(&echo));
            (StatusCode::FOUND, [(LOCATION, location)], echo).into_response()
        }
        _ => ok("scalar", "1", &[]),
    }
}

/// The secrets first, since a long text is cut: as sent, in JSON, in a URL, and a password as a server
/// that has decoded it would say it.
fn echo(uri: &Uri, headers: &HeaderMap) -> String {
    let mut parts = Vec::new();
    for name in ["authorization", "x-api-key"] {
        let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else { continue };
        parts.extend([value.to_owned(), json!(value).to_string(), encoded(value)]);
        let decoded = value.strip_prefix("Basic ").and_then(|value| BASE64_STANDARD.decode(value).ok());
        parts.extend(decoded.and_then(|decoded| String::from_utf8(decoded).ok()));
    }
    parts.push(format!("{uri} {headers:?}"));
    parts.join(" ")
}

fn encoded(text: &str) -> String {
    let mut url = reqwest::Url::parse("http://a").expect("a URL");
    url.query_pairs_mut().append_pair("x", text);
    url.query().unwrap_or_default().to_owned()
}
