//! From what was written to what is meant, with all mistakes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::prometheus::transport;
use super::files::Files;
use super::spec::{BasicAuthSpec, ConfigSpec, HeaderSpec, SourceSpec};
use super::{Config, DEFAULT_TIMEOUT, Secret, SourceConfig};
use crate::policy::{FieldError, parse_duration};

/// The longest timeout that makes sense: an answer that took longer is about another time.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Headers that are the connection's own.
const RESERVED: [&str; 13] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Judges a configuration whose files are relative to `directory`.
pub(super) fn judge(spec: &ConfigSpec, directory: &Path, files: &Files) -> Result<Config, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for (index, spec) in spec.sources.iter().flatten().enumerate() {
        let at = format!("sources[{index}]");
        let mut judge = Judge { at, directory, files, errors: &mut errors };
        let source = judge.source(spec);
        if !names.insert(source.name.clone()) {
            judge.fault(
                "name",
                format!("{:?} is there twice; each source needs a name of its own", source.name),
            );
        }
        sources.push(source);
    }
    if errors.is_empty() { Ok(Config { sources }) } else { Err(errors) }
}

/// Judges one source.
struct Judge<'a> {
    at: String,
    directory: &'a Path,
    files: &'a Files,
    errors: &'a mut Vec<FieldError>,
}

impl Judge<'_> {
    fn fault(&mut self, field: &str, problem: impl Into<String>) {
        self.errors.push(FieldError { path: format!("{}.{field}", self.at), problem: problem.into() });
    }

    fn source(&mut self, spec: &SourceSpec) -> SourceConfig {
        let name = spec.name.as_deref().unwrap_or("default");
        let mut source = SourceConfig::new(name, "");
        match check_url(&spec.url) {
            Ok(url) => source.url = url,
            Err(problem) => self.fault("url", problem),
        }
        source.timeout = self.timeout(spec);
        source.namespaces = spec.namespaces.as_ref().map(|names| names.iter().cloned().collect());
        if source.namespaces.as_ref().is_some_and(BTreeSet::is_empty) {
            self.fault("namespaces", "must name a namespace; leave it out to allow all of them");
        }
        self.headers(spec, &mut source);
        self.authorization(spec, &mut source);
        self.tls(spec, &mut source);
        source
    }

    fn timeout(&mut self, spec: &SourceSpec) -> Duration {
        let Some(text) = &spec.timeout else { return DEFAULT_TIMEOUT };
        match parse_duration(text) {
            Ok(timeout) if !timeout.is_zero() && timeout <= LONGEST_TIMEOUT => return timeout,
            Ok(_) => self.fault("timeout", "must be more than 0s and at most 1m"),
            Err(_) => self.fault("timeout", "must be a duration such as 5s or 500ms"),
        }
        DEFAULT_TIMEOUT
    }

    fn headers(&mut self, spec: &SourceSpec, source: &mut SourceConfig) {
        let mut headers = HeaderMap::new();
        for (index, header) in spec.headers.iter().flatten().enumerate() {
            let at = format!("headers[{index}]");
            let name = match header_name(&header.name) {
                Ok(name) if headers.contains_key(&name) => {
                    Err("is there twice: each name counts once".to_owned())
                }
                other => other,
            };
            let value = self.header_value(&at, header, source);
            match (name, value) {
                (Ok(name), Some(value)) => drop(headers.insert(name, value)),
                (Ok(_), None) => {}
                (Err(problem), _) => self.fault(&format!("{at}.name"), problem),
            }
        }
        source.headers = headers;
    }

    fn header_value(
        &mut self,
        at: &str,
        header: &HeaderSpec,
        source: &mut SourceConfig,
    ) -> Option<HeaderValue> {
        let (field, text) = match (&header.value, &header.value_file) {
            (Some(text), None) => ("value", text.clone()),
            (None, Some(file)) => ("valueFile", self.secret(&format!("{at}.valueFile"), file, source)?),
            (None, None) | (Some(_), Some(_)) => {
                self.fault(at, "must have exactly one of value and valueFile");
                return None;
            }
        };
        let value = sensitive(&text);
        if value.is_none() {
            self.fault(&format!("{at}.{field}"), "must be visible characters of ASCII on one line");
        }
        value
    }

    fn authorization(&mut self, spec: &SourceSpec, source: &mut SourceConfig) {
        let value = match (&spec.bearer_token_file, &spec.basic_auth) {
            (None, None) => return,
            (Some(_), Some(_)) => {
                return self.fault(
                    "basicAuth",
                    "must not be beside bearerTokenFile: a request has one Authorization",
                );
            }
            (Some(file), None) => self.bearer(file, source),
            (None, Some(spec)) => self.basic(spec, source),
        };
        if let Some(value) = value {
            source.headers.insert(AUTHORIZATION, value);
        }
    }

    fn bearer(&mut self, file: &Path, source: &mut SourceConfig) -> Option<HeaderValue> {
        let token = self.secret("bearerTokenFile", file, source)?;
        let value = sensitive(&format!("Bearer {token}"));
        if value.is_none() {
            self.fault("bearerTokenFile", "must hold one token and nothing else");
        }
        value
    }

    fn basic(&mut self, spec: &BasicAuthSpec, source: &mut SourceConfig) -> Option<HeaderValue> {
        if spec.username.contains(':') || spec.username.chars().any(char::is_control) {
            self.fault("basicAuth.username", "must not hold a colon or control characters");
        }
        let password = self.secret("basicAuth.passwordFile", &spec.password_file, source)?;
        let both = BASE64_STANDARD.encode(format!("{}:{password}", spec.username));
        source.secrets.push(Secret::new(&both));
        sensitive(&format!("Basic {both}"))
    }

    fn tls(&mut self, spec: &SourceSpec, source: &mut SourceConfig) {
        let fields = [
            ("caFile", &spec.ca_file),
            ("clientCertificateFile", &spec.client_certificate_file),
            ("clientKeyFile", &spec.client_key_file),
        ];
        if source.url.starts_with("http://") {
            for (field, _) in fields.iter().filter(|(_, file)| file.is_some()) {
                self.fault(field, "means something for https:// only: change the url, or leave it out");
            }
            return;
        }
        if let Some(file) = &spec.ca_file {
            source.authorities = self.read("caFile", file).map(|text| Secret::new(&text));
            if source.authorities.is_some() && transport::client(source).is_none() {
                self.fault("caFile", "must hold certificates in PEM, and holds none that can be used");
                source.authorities = None;
            }
        }
        match (&spec.client_certificate_file, &spec.client_key_file) {
            (None, None) => {}
            (Some(certificate), Some(key)) => self.identity(certificate, key, source),
            (Some(_), None) => {
                self.fault("clientKeyFile", "needed beside clientCertificateFile: a file in PEM");
            }
            (None, Some(_)) => {
                self.fault("clientCertificateFile", "needed beside clientKeyFile: a file in PEM");
            }
        }
    }

    fn identity(&mut self, certificate: &Path, key: &Path, source: &mut SourceConfig) {
        let certificate = self.read("clientCertificateFile", certificate);
        let key = self.read("clientKeyFile", key);
        let (Some(certificate), Some(key)) = (certificate, key) else { return };
        let is_certificate = certificate.contains("-----BEGIN CERTIFICATE-----");
        if !is_certificate {
            self.fault("clientCertificateFile", "must hold a certificate in PEM");
        }
        if !key.contains("PRIVATE KEY-----") {
            self.fault("clientKeyFile", "must hold a private key in PEM, without a password");
        } else if is_certificate {
            source.identity = Some(Secret::new(&format!("{key}\n{certificate}")));
            if transport::client(source).is_none() {
                source.identity = None;
                self.fault("clientKeyFile", "must be the key of the certificate in clientCertificateFile");
            }
        }
    }

    /// The text of a file without white space around it, which from then on is a secret.
    fn secret(&mut self, field: &str, file: &Path, source: &mut SourceConfig) -> Option<String> {
        let text = self.read(field, file)?.trim().to_owned();
        if text.is_empty() {
            self.fault(field, "must hold something, and is empty");
            return None;
        }
        source.secrets.push(Secret::new(&text));
        Some(text)
    }

    fn read(&mut self, field: &str, file: &Path) -> Option<String> {
        let path: PathBuf = self.directory.join(file);
        self.files.text(&path).map_err(|problem| self.fault(field, problem)).ok()
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn header_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text.parse().map_err(|_| "must be the name of a header, such as X-Scope-OrgID")?;
    if name == AUTHORIZATION {
        return Err("must not be Authorization: use bearerTokenFile or basicAuth".to_owned());
    }
    if RESERVED.contains(&name.as_str()) {
        return Err(format!("must not be {name}, which is the connection's own"));
    }
    Ok(name)
}

/// Checks an address without ever repeating it: it may hold what it should not.
pub(super) fn check_url(text: &str) -> Result<String, &'static str> {
    let url =
        reqwest::Url::parse(text).map_err(|_| "must be a URL, such as http://prometheus.monitoring:9090")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password: use basicAuth");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or fragment: a token belongs into bearerTokenFile or headers");
    }
    Ok(text.trim_end_matches('/').to_owned())
}
