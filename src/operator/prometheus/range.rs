//! Range queries: what instant queries would have answered at the ticks of the past.
//!
//! Prometheus evaluates an expression at the instants `start`, `start + step`, and so on, each as an instant
//! query would. Ticks that are whole seconds apart can be asked for exactly.

use std::time::Duration;

use jiff::Timestamp;

use super::source::{Source, body, words};
use super::{Problem, Sources, answer, unreachable_because};
use crate::decision::{MissingCause, Policy, QueryRef, Reading, Readings};

/// A Prometheus server gives no more than 11,000 samples of a series.
pub(in crate::operator) const MOST_TICKS: usize = 10_000;

impl Sources {
    /// Reads all metrics of a policy at each of these ticks, which are `step` apart and in order.
    ///
    /// # Errors
    /// When one of the queries is not answered. A tick without a usable number is a missing reading.
    pub(in crate::operator) async fn read_past(
        &self,
        namespace: &str,
        policy: &Policy,
        ticks: &[Timestamp],
        step: Duration,
    ) -> Result<Vec<(Timestamp, Readings)>, Problem> {
        let queries = policy.metrics.iter().map(|metric| async {
            self.source(namespace, &metric.query)?.read_range(&metric.query, ticks, step).await
        });
        let metrics = futures::future::try_join_all(queries).await?;
        let readings =
            |index: usize| metrics.iter().filter_map(|metric| metric.get(index).copied()).collect();
        Ok(ticks.iter().enumerate().map(|(index, tick)| (*tick, readings(index))).collect())
    }
}

impl Source {
    /// Reads a query at each tick; where its newest sample is too old, it is missing.
    async fn read_range(
        &self,
        query: &QueryRef,
        ticks: &[Timestamp],
        step: Duration,
    ) -> Result<Vec<Reading>, Problem> {
        let values = self.ask_range(&query.expression, ticks, step);
        let Some(freshness) = &query.freshness else { return values.await };
        let newest = self.ask_range(&freshness.expression, ticks, step);
        let (values, newest) = tokio::try_join!(values, newest)?;
        let max_age = i64::try_from(freshness.max_age.as_millis()).unwrap_or(i64::MAX);
        let is_fresh = |at: Timestamp, newest: Reading| match newest {
            // Unix seconds, in thousandths.
            Reading::Value(newest) => at.as_millisecond().saturating_sub(newest.get()) <= max_age,
            Reading::Missing(_) => false,
        };
        let readings = ticks.iter().zip(values).zip(newest).map(|((at, value), newest)| match value {
            Reading::Value(_) if !is_fresh(*at, newest) => Reading::Missing(MissingCause::Stale),
            Reading::Value(_) | Reading::Missing(_) => value,
        });
        Ok(readings.collect())
    }

    async fn ask_range(
        &self,
        expression: &str,
        ticks: &[Timestamp],
        step: Duration,
    ) -> Result<Vec<Reading>, Problem> {
        let ([first, ..], [.., last]) = (ticks, ticks) else { return Ok(Vec::new()) };
        let request = async {
            // Never closed; without a permit this would merely be one query too many.
            let _permit = self.range_permits.acquire().await.ok();
            let (first, last) = (first.as_second(), last.as_second());
            let query = self.client.query_range(expression, first, last, step.as_secs_f64());
            let response = query.get_raw().await.map_err(|error| unreachable_because(words(&error)))?;
            let status = response.status();
            answer::parse_range(status, &body(response).await?, &self.redactor, ticks)
        };
        let late = |_| {
            let timeout = self.config.timeout;
            Err(unreachable_because(&format!("the source did not answer within {timeout:?}")))
        };
        tokio::time::timeout(self.config.timeout, request).await.unwrap_or_else(late)
    }
}
