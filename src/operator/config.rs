//! The operator's configuration file: which Prometheus sources there are.
//!
//! Sources are the administrator's. A policy picks one by its name and can't point the operator at an
//! address. Secrets are named by file, so the configuration itself holds none, and what this version does
//! not know is refused and not ignored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::policy::parse_duration;

/// How long a source may take for one answer, unless the file says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest timeout that makes sense: an answer that took longer is about another time.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A configuration that was read and found right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The Prometheus sources, in the file's order.
    pub sources: Vec<SourceConfig>,
}

/// One Prometheus server, or anything that speaks its query API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// The name by which policies choose it.
    pub name: String,
    /// The address, without a slash at its end.
    pub url: String,
    /// How long one answer may take.
    pub timeout: Duration,
    /// A file with a bearer token; read anew for each request, since tokens are rotated.
    pub bearer_token_file: Option<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The text is not the YAML that it should be.
    #[error("{0}")]
    Malformed(String),
    /// A field has a value that can't be.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, such as `sources[1].url`.
        field: String,
        /// What is wrong with it and what would be right.
        problem: String,
    },
}

impl ConfigError {
    /// A short word for the kind of error.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::Malformed(_) => "malformed",
            Self::Invalid { .. } => "invalid",
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When the file can't be read or says something that this version does not understand.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(&text).map_err(|error| match error {
            ConfigError::Malformed(text) => ConfigError::Malformed(format!("{}: {text}", path.display())),
            ConfigError::Invalid { field, problem } => {
                ConfigError::Invalid { field: format!("{}: {field}", path.display()), problem }
            }
            unreadable @ ConfigError::Unreadable { .. } => unreadable,
        })
    }

    /// Reads a configuration from YAML.
    ///
    /// # Errors
    /// When it says something that this version does not understand.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File =
            serde_saphyr::from_str(text).map_err(|error| ConfigError::Malformed(error.to_string()))?;
        let mut names = BTreeSet::new();
        let mut sources = Vec::with_capacity(file.sources.len());
        for (index, source) in file.sources.into_iter().enumerate() {
            let source = source.check(index)?;
            if !names.insert(source.name.clone()) {
                return Err(invalid(index, "name", format!("{:?} is there twice", source.name)));
            }
            sources.push(source);
        }
        Ok(Self { sources })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    sources: Vec<FileSource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileSource {
    #[serde(default = "default_name")]
    name: String,
    url: String,
    timeout: Option<String>,
    bearer_token_file: Option<PathBuf>,
}

fn default_name() -> String {
    "default".to_owned()
}

impl FileSource {
    fn check(self, index: usize) -> Result<SourceConfig, ConfigError> {
        if self.name.is_empty() || self.name.len() > 63 {
            return Err(invalid(index, "name", "a name has 1 to 63 characters"));
        }
        let url = check_url(&self.url).map_err(|problem| invalid(index, "url", problem))?;
        let timeout = match &self.timeout {
            None => DEFAULT_TIMEOUT,
            Some(text) => {
                parse_duration(text).map_err(|error| invalid(index, "timeout", error.to_string()))?
            }
        };
        if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
            return Err(invalid(index, "timeout", "must be more than 0s and at most 1m"));
        }
        Ok(SourceConfig { name: self.name, url, timeout, bearer_token_file: self.bearer_token_file })
    }
}

/// Checks an address without ever repeating it: it may hold what it should not.
fn check_url(text: &str) -> Result<String, &'static str> {
    let url =
        reqwest::Url::parse(text).map_err(|_| "is no URL, such as http://prometheus.monitoring:9090")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or fragment");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn invalid(index: usize, field: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { field: format!("sources[{index}].{field}"), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_a_name_a_timeout_and_an_address_without_a_slash_at_its_end() {
        let config = Config::parse("sources:\n- url: http://prometheus:9090/\n- {name: long, url: 'https://thanos/prefix/', timeout: 20s, bearerTokenFile: /var/token}\n")
            .expect("a configuration");
        assert_eq!(
            config.sources,
            [
                SourceConfig {
                    name: "default".to_owned(),
                    url: "http://prometheus:9090".to_owned(),
                    timeout: Duration::from_secs(5),
                    bearer_token_file: None,
                },
                SourceConfig {
                    name: "long".to_owned(),
                    url: "https://thanos/prefix".to_owned(),
                    timeout: Duration::from_secs(20),
                    bearer_token_file: Some("/var/token".into()),
                },
            ]
        );
        assert_eq!(Config::parse("{}").expect("an empty configuration"), Config::default());
    }

    #[test]
    fn what_can_not_be_is_refused_with_its_place() {
        for (text, parts) in [
            ("sources: [{url: 'http://a', caFile: x}]", ["caFile", "line 1"]),
            ("source: []", ["source", "line 1"]),
            ("sources:\n- {name: a}\n", ["url", "line 2"]),
            ("sources: [{url: 'a b'}]", ["sources[0].url", "no URL"]),
            ("sources: [{url: 'ftp://a'}]", ["sources[0].url", "http://"]),
            ("sources: [{url: 'http://me:hush@a'}]", ["sources[0].url", "password"]),
            ("sources: [{url: 'http://a', timeout: 5}]", ["sources[0].timeout", ""]),
            ("sources: [{url: 'http://a', timeout: 2m}]", ["sources[0].timeout", "1m"]),
            ("sources: [{url: 'http://a'}, {url: 'http://b'}]", ["sources[1].name", "twice"]),
        ] {
            let error = Config::parse(text).expect_err(text).to_string();
            for part in parts {
                assert!(error.contains(part), "{text}: {error}");
            }
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
