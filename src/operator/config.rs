//! The operator's configuration file: which Prometheus sources there are.
//!
//! Sources are the administrator's. A policy picks one by its name and can't point the operator at an
//! address. Secrets are in files that the configuration names. A configuration is read together with all
//! of its files, and is either right as a whole or refused with all of its mistakes, none of which repeats
//! what the file says: a secret may stand in the wrong place.

mod files;
mod judge;
mod secret;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use http::HeaderMap;

pub(super) use self::files::Files;
use self::judge::judge;
pub use self::secret::Secret;
use self::spec::ConfigSpec;
use crate::manifest::{self, Mistake, Mistakes};

/// How long a source may take for one answer, unless the file says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A configuration that was read with all of its files and found right.
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
    /// The namespaces whose policies may use it; `None` is all of them.
    pub namespaces: Option<BTreeSet<String>>,
    /// What goes with each request, credentials among them. All of them are marked as sensitive.
    pub headers: HeaderMap,
    /// The certificates of the authorities that are trusted, in PEM; `None` is the machine's own list.
    pub authorities: Option<Secret>,
    /// The client's certificate and its key, in PEM.
    pub identity: Option<Secret>,
    /// What no message may hold, whatever a source answers.
    pub secrets: Vec<Secret>,
}

impl SourceConfig {
    /// A source with nothing but a name and an address.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            timeout: DEFAULT_TIMEOUT,
            namespaces: None,
            headers: HeaderMap::new(),
            authorities: None,
            identity: None,
            secrets: Vec::new(),
        }
    }

    /// A source at an address that a person has typed.
    ///
    /// # Errors
    /// When that is no address of a source, in words.
    pub fn at(url: &str) -> Result<Self, String> {
        judge::check_url(url).map(|url| Self::new("default", url)).map_err(str::to_owned)
    }

    /// Whether policies of a namespace may use it.
    pub(super) fn allows(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|allowed| allowed.contains(namespace))
    }
}

impl Config {
    /// Reads a configuration file and the files that it names.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(file: &Path) -> Result<Self, Mistakes> {
        Self::load_through(&Files::default(), file)
    }

    /// Reads a configuration from YAML, which is called `file` in errors. Files that it names by a relative
    /// path are beside that.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Mistakes> {
        Self::parse_through(&Files::default(), file, text)
    }

    /// As [`Config::load`]; `files` remembers what was read.
    pub(super) fn load_through(files: &Files, file: &Path) -> Result<Self, Mistakes> {
        let text = files.text(file).map_err(|problem| whole(file, problem))?;
        Self::parse_through(files, file, &text)
    }

    fn parse_through(files: &Files, file: &Path, text: &str) -> Result<Self, Mistakes> {
        let documents = manifest::parse(file, text)?;
        let document = match documents.as_slice() {
            [] => return Ok(Self::default()),
            [document] => document,
            several => {
                let count = several.len();
                return Err(whole(file, format!("must be one YAML document; there are {count}")).into());
            }
        };
        let directory = file.parent().unwrap_or(Path::new(""));
        let judge = |spec: &ConfigSpec| judge(spec, directory, files);
        document.examine(&spec::schema(), judge).map(|(_, config)| config)
    }
}

/// A mistake of the file as a whole.
pub(super) fn whole(file: &Path, problem: String) -> Mistake {
    Mistake { file: file.to_owned(), place: None, path: String::new(), problem }
}
