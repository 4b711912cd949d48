//! Range queries over long stretches of the past, in parts that a Prometheus server answers, for those who play
//! what it has recorded.
//!
//! What an answer means is the caller's business. Here it is made sure that there is one, that it is whole, and
//! that it is not too large.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;

use super::super::config::SourceConfig;
use super::range::MOST_TICKS;
use super::source::{Source, body, words};
use super::{DURATION_BUCKETS, Problem, SourceError, answer, unreachable_because};

/// A Prometheus server with a past.
pub struct Archive(Source);

/// Instants that one query asks for, `step` apart, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first one.
    pub first: i64,
    /// The last one, at the latest.
    pub last: i64,
    step: i64,
}

impl Part {
    /// The instants from `from` until before `to`, in parts that a server answers: it gives at most 11,000 samples
    /// of a series. Instants and step are whole seconds, a step at least one.
    #[must_use]
    pub fn all(from: Timestamp, to: Timestamp, step: Duration) -> impl ExactSizeIterator<Item = Self> {
        let step = i64::try_from(step.as_secs()).unwrap_or(i64::MAX).max(1);
        let most = i64::try_from(MOST_TICKS).unwrap_or(i64::MAX);
        let from = from.as_second();
        let span = to.as_second().saturating_add(i64::from(to.subsec_nanosecond() > 0)).saturating_sub(from);
        let instants = if span <= 0 { 0 } else { (span - 1) / step + 1 };
        let parts = instants / most + i64::from(instants % most > 0);
        (0..usize::try_from(parts).unwrap_or(0)).map(move |part| {
            let before = i64::try_from(part).unwrap_or(i64::MAX).saturating_mul(most);
            let count = (instants - before).min(most);
            let first = from + before * step;
            Self { first, last: first + (count - 1) * step, step }
        })
    }
}

impl Archive {
    /// Prepares a connection. Nothing is connected yet.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new(config: &SourceConfig) -> Result<Self, SourceError> {
        Ok(Self(Source::new(config, Histogram::new(DURATION_BUCKETS))?))
    }

    /// Asks for one part, and gives the body of the answer. An answer with a warning is none, since it may be
    /// partial.
    ///
    /// # Errors
    /// When there is no answer in time, or one that can't be used.
    pub async fn ask(&self, expression: &str, part: Part) -> Result<Vec<u8>, Problem> {
        let source = &self.0;
        let request = async {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a step fit 53 bits")]
            let query = source.client.query_range(expression, part.first, part.last, part.step as f64);
            let response = query.get_raw().await.map_err(|error| unreachable_because(words(&error)))?;
            let status = response.status();
            let body = body(response).await?;
            answer::check(status, &body, &source.redactor)?;
            Ok(body)
        };
        let timeout = source.config.timeout;
        let late = |_| Err(unreachable_because(&format!("the source did not answer within {timeout:?}")));
        tokio::time::timeout(timeout, request).await.unwrap_or_else(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_instant_once_and_none_is_too_large() {
        let at = |text: &str| -> Timestamp { text.parse().expect("a timestamp") };
        let from = at("2026-11-23T00:00:00Z");
        for (to, step, expected) in [
            ("2026-11-23T00:00:00Z", 15, 0),
            ("2026-11-23T00:00:00.5Z", 15, 1),
            ("2026-11-23T00:00:15Z", 15, 1),
            ("2026-11-23T00:00:16Z", 15, 2),
            ("2026-11-24T17:40:00Z", 15, 10_000),
            ("2026-11-24T17:40:01Z", 15, 10_001),
            ("2026-12-21T00:00:00Z", 15, 161_280),
        ] {
            let to = at(to);
            let parts: Vec<Part> = Part::all(from, to, Duration::from_secs(step)).collect();
            let instants: Vec<i64> = parts
                .iter()
                .flat_map(|part| (part.first..=part.last).step_by(usize::try_from(part.step).expect("small")))
                .collect();
            let wanted: Vec<i64> = (0..expected).map(|index: i64| from.as_second() + index * 15).collect();
            assert_eq!(instants, wanted, "until {to}");
            assert!(parts.iter().all(|part| (part.last - part.first) / part.step < 11_000));
        }
    }
}
