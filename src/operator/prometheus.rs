//! Instant queries to Prometheus, and what counts as an answer.
//!
//! The answer must be a scalar or exactly one sample, finite and not negative. Everything else is a
//! [`Problem`], which a decision sees as a missing reading: an outage is never zero. The messages reach
//! logs and status, so they never hold an address or a secret.

mod answer;
mod archive;
mod laggards;
pub(super) mod range;
mod redaction;
mod source;
#[cfg(test)]
mod tests;
mod tick;
pub(super) mod transport;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

pub use self::archive::{Archive, Part};
use self::source::Source;
use super::config::{Config, Files, SourceConfig, whole};
use crate::decision::{Milli, MissingCause, Policy, QueryRef};
use crate::manifest::Mistakes;

/// How often a configuration is read that changes meanwhile, before it is left to the next look.
const ATTEMPTS: usize = 3;

type Named = BTreeMap<String, Arc<Source>>;

/// The Prometheus sources that policies can name. Cheap to clone; clones are the same sources.
#[derive(Clone)]
pub struct Sources(Arc<Shared>);

/// How long queries took, by source.
pub(super) type Durations = Family<BySource, Histogram, fn() -> Histogram>;

/// The label of [`Durations`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BySource {
    source: String,
}

/// Seconds. The default timeout of a source is 5 s.
const DURATION_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

struct Shared {
    named: RwLock<Arc<Named>>,
    durations: Durations,
    /// The configuration file, if there is one, and what it and its files said when last looked at.
    file: Option<(PathBuf, Mutex<Files>)>,
}

/// Why a query gave no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What the decision and the metrics are told.
    pub cause: MissingCause,
    /// What a person is told. Holds no address and no secret.
    pub message: String,
}

/// A source that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the source {name:?} can't be set up: {problem}")]
pub struct SourceError {
    name: String,
    problem: &'static str,
}

impl SourceError {
    /// A short word for the kind of error.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "source"
    }
}

/// What came of another look at the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing has changed since the last look, or there is no file.
    Unchanged,
    /// So many sources are in force from now on.
    Loaded(usize),
    /// It has these mistakes. What was in force stays so.
    Refused(Mistakes),
}

/// Installs the TLS implementation of this process, once; later calls do nothing.
pub fn install_crypto_provider() {
    // An error says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Default for Sources {
    /// No sources.
    fn default() -> Self {
        Self(Arc::new(Shared { named: RwLock::default(), durations: durations(), file: None }))
    }
}

impl Sources {
    /// Prepares sources. Nothing is connected yet.
    ///
    /// # Errors
    /// When an HTTP client can't be built.
    pub fn new(configs: &[SourceConfig]) -> Result<Self, SourceError> {
        let durations = durations();
        let named = RwLock::new(Arc::new(prepare(configs, &Named::new(), &durations)?));
        Ok(Self(Arc::new(Shared { named, durations, file: None })))
    }

    /// Prepares the sources of a configuration file, which [`Sources::refresh`] reads anew.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(file: &Path) -> Result<Self, Mistakes> {
        let files = Files::default();
        let durations = durations();
        let named = RwLock::new(Arc::new(read(&files, file, &Named::new(), &durations)?));
        let file = Some((file.to_owned(), Mutex::new(files)));
        Ok(Self(Arc::new(Shared { named, durations, file })))
    }

    /// Looks at the configuration file and the files that it names, and takes them over if they have
    /// changed and are right. A source that stays as it is keeps its connections. Blocks on the files.
    #[must_use]
    pub fn refresh(&self) -> Reload {
        let Some((file, seen)) = &self.0.file else { return Reload::Unchanged };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.are_current() {
            return Reload::Unchanged;
        }
        let old = self.named();
        let whole = (0..ATTEMPTS).find_map(|_| {
            let files = Files::default();
            let result = read(&files, file, &old, &self.0.durations);
            // A swap in the middle would join an old certificate to a new key.
            files.are_current().then_some((files, result))
        });
        let Some((files, result)) = whole else { return Reload::Unchanged };
        *seen = files;
        match result {
            Ok(named) => {
                let count = named.len();
                *self.0.named.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(named);
                Reload::Loaded(count)
            }
            Err(mistakes) => Reload::Refused(mistakes),
        }
    }

    /// Whether there is a configuration file that may change.
    #[must_use]
    pub fn have_a_file(&self) -> bool {
        self.0.file.is_some()
    }

    fn named(&self) -> Arc<Named> {
        Arc::clone(&self.0.named.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long queries took, by source.
    pub(super) fn durations(&self) -> Durations {
        self.0.durations.clone()
    }

    /// Whether there is a source of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.named().contains_key(name)
    }

    /// Reads all metrics and guards of a policy as of `at`, in parallel and in the policy's order.
    pub async fn read_all(&self, namespace: &str, policy: &Policy, at: Timestamp) -> Answers {
        let metrics = policy.metrics.iter().map(|metric| self.read(namespace, &metric.query, at));
        let guards = policy.guards.iter().map(|guard| self.read(namespace, &guard.query, at));
        let (metrics, guards) =
            tokio::join!(futures::future::join_all(metrics), futures::future::join_all(guards));
        Answers { metrics, guards }
    }

    /// Reads one query of a policy in `namespace` as of `at`. Equal queries for the same instant are one
    /// request.
    ///
    /// # Errors
    /// When there is no usable number.
    pub async fn read(&self, namespace: &str, query: &QueryRef, at: Timestamp) -> Result<Milli, Problem> {
        self.source(namespace, query)?.read(query, at).await
    }

    /// The source of a query, if policies in `namespace` may use it.
    fn source(&self, namespace: &str, query: &QueryRef) -> Result<Arc<Source>, Problem> {
        let name = &*query.source;
        let Some(source) = self.named().get(name).cloned() else {
            let message = format!("the operator's configuration has no source named {name:?}");
            return Err(Problem { cause: MissingCause::QueryFailed, message });
        };
        if !source.config.allows(namespace) {
            let message = format!("policies in the namespace {namespace:?} may not use the source {name:?}");
            return Err(Problem { cause: MissingCause::NotAllowed, message });
        }
        Ok(source)
    }
}

/// What came of the queries of one policy, in its order.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// One for each metric.
    pub metrics: Vec<Result<Milli, Problem>>,
    /// One for each guard.
    pub guards: Vec<Result<Milli, Problem>>,
}

/// The sources of a configuration file.
fn read(files: &Files, file: &Path, old: &Named, durations: &Durations) -> Result<Named, Mistakes> {
    let config = Config::load_through(files, file)?;
    Ok(prepare(&config.sources, old, durations).map_err(|error| whole(file, error.to_string()))?)
}

/// Sources as configured, the old ones where they are still the same.
fn prepare(configs: &[SourceConfig], old: &Named, durations: &Durations) -> Result<Named, SourceError> {
    let source = |config: &SourceConfig| {
        let source = if let Some(source) = old.get(&config.name).filter(|source| source.config == *config) {
            Arc::clone(source)
        } else {
            let labels = BySource { source: config.name.clone() };
            Arc::new(Source::new(config, durations.get_or_create_owned(&labels))?)
        };
        Ok((config.name.clone(), source))
    };
    configs.iter().map(source).collect()
}

fn durations() -> Durations {
    Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS))
}

fn unreachable_because(message: &str) -> Problem {
    Problem { cause: MissingCause::Unreachable, message: message.to_owned() }
}
