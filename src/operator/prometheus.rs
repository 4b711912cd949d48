//! Instant queries to Prometheus, and what counts as an answer.
//!
//! The answer must be a scalar or exactly one sample, finite and not negative. Everything else is a
//! [`Problem`], which a decision sees as a missing reading: an outage is never zero. The messages reach
//! logs and status, so they never hold an address or a secret.

mod answer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prometheus_http_query::{Client, Error as PrometheusError};
use tokio::sync::Semaphore;

use super::config::SourceConfig;
use crate::decision::{Milli, MissingCause, Policy, QueryRef};

/// How many queries one source gets at a time.
const CONCURRENT_QUERIES: usize = 16;

/// The largest answer that is read. One sample needs a few hundred bytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// The Prometheus sources that policies can name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Sources(Arc<BTreeMap<String, Source>>);

struct Source {
    client: Client,
    timeout: Duration,
    bearer_token_file: Option<PathBuf>,
    permits: Semaphore,
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

/// Installs the TLS implementation of this process, once; later calls do nothing.
pub fn install_crypto_provider() {
    // An error says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Sources {
    /// Prepares the sources of a configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// When an HTTP client can't be built.
    pub fn new(configs: &[SourceConfig]) -> Result<Self, SourceError> {
        install_crypto_provider();
        let mut sources = BTreeMap::new();
        for config in configs {
            let failed = |problem| SourceError { name: config.name.clone(), problem };
            let http = reqwest::Client::builder()
                .timeout(config.timeout)
                // A redirect would carry the query, and perhaps the token, to an address of another's choice.
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|_| failed("no HTTP client"))?;
            let client = Client::from(http, &config.url).map_err(|_| failed("the address is no URL"))?;
            let source = Source {
                client,
                timeout: config.timeout,
                bearer_token_file: config.bearer_token_file.clone(),
                permits: Semaphore::new(CONCURRENT_QUERIES),
            };
            sources.insert(config.name.clone(), source);
        }
        Ok(Self(Arc::new(sources)))
    }

    /// Whether there is a source of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Reads all metrics and guards of a policy as of `at`, in parallel and in the policy's order.
    pub async fn read_all(&self, policy: &Policy, at: Timestamp) -> Answers {
        let metrics = policy.metrics.iter().map(|metric| self.read(&metric.query, at));
        let guards = policy.guards.iter().map(|guard| self.read(&guard.query, at));
        let (metrics, guards) =
            tokio::join!(futures::future::join_all(metrics), futures::future::join_all(guards));
        Answers { metrics, guards }
    }

    /// Reads one query as of `at`.
    ///
    /// # Errors
    /// When there is no usable number.
    pub async fn read(&self, query: &QueryRef, at: Timestamp) -> Result<Milli, Problem> {
        let Some(source) = self.0.get(&*query.source) else {
            let name = &query.source;
            let message = format!("the operator's configuration has no source named {name:?}");
            return Err(Problem { cause: MissingCause::QueryFailed, message });
        };
        // The wait for a permit is part of the time: a source that hangs must not hold up the next tick.
        tokio::time::timeout(source.timeout, source.read_fresh(query, at))
            .await
            .unwrap_or_else(|_| Err(late(source.timeout)))
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

impl Source {
    /// Reads a query, and how old its newest sample is when that matters.
    async fn read_fresh(&self, query: &QueryRef, at: Timestamp) -> Result<Milli, Problem> {
        let Some(freshness) = &query.freshness else { return self.read(&query.expression, at).await };
        let (value, newest) =
            tokio::join!(self.read(&query.expression, at), self.read(&freshness.expression, at));
        let value = value?;
        let stale = |message| Problem { cause: MissingCause::Stale, message };
        let newest = newest
            .map_err(|problem| stale(format!("the age of the newest sample is not known: {problem}")))?;
        let age = at.as_millisecond().saturating_sub(newest.get());
        let max_age = i64::try_from(freshness.max_age.as_millis()).unwrap_or(i64::MAX);
        if age > max_age {
            let age = SignedDuration::from_millis(age);
            return Err(stale(format!(
                "the newest sample is {age:#} old, and maxAge is {:?}",
                freshness.max_age
            )));
        }
        Ok(value)
    }

    async fn read(&self, expression: &str, at: Timestamp) -> Result<Milli, Problem> {
        // Never closed; without a permit this would merely be one query too many.
        let _permit = self.permits.acquire().await.ok();
        let time = format!("{}.{:03}", at.as_second(), at.subsec_millisecond());
        let mut request = self.client.query(expression).query("time", time);
        if let Some(token) = self.token().await? {
            request = request.header(http::header::AUTHORIZATION, token);
        }
        let mut response = request.get_raw().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let message = "the answer is larger than 1 MiB: aggregate with sum() or the like".to_owned();
                return Err(Problem { cause: MissingCause::SeveralSamples, message });
            }
            body.extend_from_slice(&chunk);
        }
        answer::parse(status.as_u16(), &body)
    }

    async fn token(&self) -> Result<Option<http::HeaderValue>, Problem> {
        let Some(path) = &self.bearer_token_file else { return Ok(None) };
        let failed =
            |message: &str| Problem { cause: MissingCause::QueryFailed, message: message.to_owned() };
        let token = tokio::fs::read_to_string(path)
            .await
            .map_err(|_| failed("the source's bearer token file can't be read"))?;
        let mut value = http::HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map_err(|_| failed("the source's bearer token file does not hold a token"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn unreachable(&self, error: &PrometheusError) -> Problem {
        match error {
            PrometheusError::Client(error) => match error.inner() {
                Some(error) => self.broken(error),
                None => unreachable_because("the request failed"),
            },
            _ => unreachable_because("the request failed"),
        }
    }

    /// A failed request without its address.
    fn broken(&self, error: &reqwest::Error) -> Problem {
        if error.is_timeout() {
            late(self.timeout)
        } else if error.is_connect() {
            unreachable_because("the source can't be connected to")
        } else {
            unreachable_because("the connection to the source broke")
        }
    }
}

fn late(timeout: Duration) -> Problem {
    unreachable_because(&format!("the source did not answer within {timeout:?}"))
}

fn unreachable_because(message: &str) -> Problem {
    Problem { cause: MissingCause::Unreachable, message: message.to_owned() }
}
