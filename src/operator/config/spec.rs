//! The configuration as people write it: the fields and nothing else.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::manifest;

/// The configuration file.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConfigSpec {
    /// The Prometheus servers that policies may ask.
    pub(super) sources: Option<Vec<SourceSpec>>,
}

/// A source.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SourceSpec {
    /// How policies call it. Default `default`.
    #[schemars(length(min = 1, max = 63))]
    pub(super) name: Option<String>,
    /// The address, with a path if there is one.
    pub(super) url: String,
    /// How long one answer may take, at most 1m. Default 5s.
    #[schemars(extend("format" = "duration"))]
    pub(super) timeout: Option<String>,
    /// The namespaces whose policies may use it. Default all.
    #[schemars(inner(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")))]
    pub(super) namespaces: Option<Vec<String>>,
    /// Certificates of the authorities that are trusted, instead of the machine's.
    pub(super) ca_file: Option<PathBuf>,
    /// The client's certificate, with those between it and its authority.
    pub(super) client_certificate_file: Option<PathBuf>,
    /// The key of the client's certificate.
    pub(super) client_key_file: Option<PathBuf>,
    /// A bearer token.
    pub(super) bearer_token_file: Option<PathBuf>,
    /// A user name and a password.
    pub(super) basic_auth: Option<BasicAuthSpec>,
    /// Headers that go with each request.
    pub(super) headers: Option<Vec<HeaderSpec>>,
}

/// A user name and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BasicAuthSpec {
    /// The user name.
    pub(super) username: String,
    /// A file with the password.
    pub(super) password_file: PathBuf,
}

/// A header.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HeaderSpec {
    /// Its name.
    pub(super) name: String,
    /// Its value, if that is no secret.
    pub(super) value: Option<String>,
    /// A file with its value.
    pub(super) value_file: Option<PathBuf>,
}

/// What the file is held against. No value is repeated in an error: it may be a secret in the wrong place.
pub(super) fn schema() -> Value {
    let mut schema = manifest::schema::of::<ConfigSpec>();
    hide(&mut schema);
    schema
}

fn hide(schema: &mut Value) {
    if schema["type"].is_string() {
        schema["writeOnly"] = json!(true);
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
