//! One source: its connection, its limits, and one request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_http_query::{Client, Error as PrometheusError};
use tokio::sync::Semaphore;

use super::super::config::SourceConfig;
use super::laggards::Laggards;
use super::redaction::Redactor;
use super::tick::{Answer, Tick, Ticks};
use super::{Problem, SourceError, answer, transport, unreachable_because};
use crate::clock::Clock;
use crate::decision::{MissingCause, QueryRef};

/// How many queries one source gets at a time.
const CONCURRENT_QUERIES: usize = 16;

/// How many queries one source gets at a time that it did not answer in time when they were asked last.
const CONCURRENT_LAGGARDS: usize = 4;

/// How many queries about the past one source gets at a time.
const CONCURRENT_RANGES: usize = 4;

/// The largest answer that is read. One sample needs a few hundred bytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// The cheapest query there is.
const PROBE: &str = "1";

/// How far a request has come.
#[derive(Default)]
struct Stage {
    /// When it was sent.
    sent: OnceLock<Duration>,
    /// Whether an answer has begun.
    is_answered: AtomicBool,
}

/// Measures how long a request takes, also one that is given up.
struct Measured<'a> {
    source: &'a Source,
    sent: Duration,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let took = self.source.clock.elapsed().saturating_sub(self.sent);
        self.source.durations.observe(took.as_secs_f64());
    }
}

pub(super) struct Source {
    pub(super) config: SourceConfig,
    pub(super) client: Client,
    pub(super) redactor: Redactor,
    permits: Semaphore,
    /// What queries wait for that were not answered in time: they take no other's turn.
    slow_permits: Semaphore,
    laggards: Laggards,
    /// What queries about the past wait for, so that they never delay those about the present.
    pub(super) range_permits: Semaphore,
    ticks: Ticks,
    durations: Histogram,
    clock: Clock,
}

impl Source {
    pub(super) fn new(config: &SourceConfig, durations: Histogram) -> Result<Self, SourceError> {
        let failed = |problem| SourceError { name: config.name.clone(), problem };
        let http = transport::client(config).ok_or_else(|| failed("no HTTP client"))?;
        let client = Client::from(http, &config.url).map_err(|_| failed("the address is no URL"))?;
        Ok(Self {
            config: config.clone(),
            client,
            redactor: Redactor::new(&config.secrets),
            permits: Semaphore::new(CONCURRENT_QUERIES),
            slow_permits: Semaphore::new(CONCURRENT_LAGGARDS),
            laggards: Laggards::default(),
            range_permits: Semaphore::new(CONCURRENT_RANGES),
            ticks: Ticks::default(),
            durations,
            clock: Clock::real(),
        })
    }

    /// Reads a query, and how old its newest sample is when that matters.
    pub(super) async fn read(self: &Arc<Self>, query: &QueryRef, at: Timestamp) -> Answer {
        let Some(freshness) = &query.freshness else { return self.ask(&query.expression, at).await };
        let (value, newest) =
            tokio::join!(self.ask(&query.expression, at), self.ask(&freshness.expression, at));
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

    /// Asks, or takes part in what somebody else asked.
    async fn ask(self: &Arc<Self>, expression: &Arc<str>, at: Timestamp) -> Answer {
        let pending = {
            let tick = self.ticks.at(at);
            let (source, query) = (Arc::clone(self), Arc::clone(expression));
            let asked = Arc::clone(&tick);
            tick.share(expression, || async move {
                asked.probed(async { drop(source.request(PROBE, &asked).await) }).await;
                source.request(&query, &asked).await
            })
        };
        pending.await
    }

    /// Asks in time, unless the source is known to be away.
    async fn request(&self, expression: &str, tick: &Tick) -> Answer {
        if let Some(problem) = tick.problem() {
            return Err(problem);
        }
        let stage = Stage::default();
        // The wait for a permit is part of the time: a source that hangs must not hold up the next tick.
        let attempt = tokio::time::timeout(self.config.timeout, self.attempt(expression, tick, &stage)).await;
        attempt.unwrap_or_else(|_| {
            let timeout = self.config.timeout;
            let problem = unreachable_because(&format!("the source did not answer within {timeout:?}"));
            // Of one that waited for most of the time it can't be said that it takes long.
            let had_time = |sent| self.clock.elapsed().saturating_sub(sent) >= timeout / 2;
            if stage.sent.get().copied().is_some_and(had_time) {
                self.laggards.note(expression, tick.at);
                if !stage.is_answered.load(Ordering::Relaxed) {
                    let is_news = self.ticks.unanswered(tick, &problem);
                    self.tell(is_news, &problem);
                }
            }
            Err(problem)
        })
    }

    async fn attempt(&self, expression: &str, tick: &Tick, stage: &Stage) -> Answer {
        // Never closed; without a permit this would merely be one query too many.
        let permits = match self.laggards.delay(expression, tick.at, self.config.timeout / 4) {
            None => &self.permits,
            Some(delay) => {
                tokio::time::sleep(delay).await;
                &self.slow_permits
            }
        };
        let _permit = permits.acquire().await.ok();
        if let Some(problem) = tick.problem() {
            return Err(problem);
        }
        let sent = *stage.sent.get_or_init(|| self.clock.elapsed());
        let _measured = Measured { source: self, sent };
        let time = format!("{}.{:03}", tick.at.as_second(), tick.at.subsec_millisecond());
        let sent = self.client.query(expression).query("time", time).get_raw().await;
        let response = sent.map_err(|error| self.unanswered(&error, tick))?;
        stage.is_answered.store(true, Ordering::Relaxed);
        if self.ticks.answered(tick) {
            tracing::info!(source = self.config.name, "the Prometheus source answers again");
        }
        let status = response.status();
        let body = body(response).await?;
        self.laggards.forget(expression);
        answer::parse(status, &body, &self.redactor)
    }

    /// A request without an answer, in words without its address.
    fn unanswered(&self, error: &PrometheusError, tick: &Tick) -> Problem {
        let cause = match error {
            PrometheusError::Client(error) => error.inner(),
            _ => None,
        };
        let problem = unreachable_because(words(error));
        let is_news = if cause.is_some_and(reqwest::Error::is_connect) {
            self.ticks.failed(tick, &problem)
        } else {
            self.ticks.unanswered(tick, &problem)
        };
        self.tell(is_news, &problem);
        problem
    }

    /// Says that the source is away: once, and not for every policy that asks it.
    fn tell(&self, is_news: bool, problem: &Problem) {
        if is_news {
            tracing::warn!(source = self.config.name, "the Prometheus source does not answer: {problem}");
        }
    }
}

/// The body of an answer, unless it is too large.
pub(super) async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| unreachable_because(transport::describe(&error));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            let message = "the answer is larger than 1 MiB: aggregate with sum() or the like".to_owned();
            return Err(Problem { cause: MissingCause::SeveralSamples, message });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A failed request without its address.
pub(super) fn words(error: &PrometheusError) -> &'static str {
    match error {
        PrometheusError::Client(error) => error.inner().map_or("the request failed", transport::describe),
        _ => "the request failed",
    }
}
