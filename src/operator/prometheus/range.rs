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

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::redaction::Redactor;
    use super::*;
    use crate::decision::Milli;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    #[test]
    fn each_tick_has_exactly_one_finite_sample_or_is_missing() {
        let value = |milli| Reading::Value(Milli::new(milli));
        let [none, several, invalid] =
            [MissingCause::NoSample, MissingCause::SeveralSamples, MissingCause::Invalid]
                .map(Reading::Missing);
        let ticks = [at(0), at(15), at(30)];
        for (series, expected) in [
            (r#"{"metric":{},"values":[[0,"1"],[15,"2.5"],[30,"0"]]}"#, [value(1000), value(2500), value(0)]),
            (r#"{"metric":{},"values":[[15.000,"2"]]}"#, [none, value(2000), none]),
            (r#"{"metric":{},"values":[[0,"NaN"],[15,"-1"],[30,"+Inf"]]}"#, [invalid; 3]),
            (
                r#"{"metric":{"pod":"a"},"values":[[0,"1"],[15,"2"]]},{"metric":{"pod":"b"},"values":[[15,"2"],[30,"3"]]}"#,
                [value(1000), several, value(3000)],
            ),
            (r#"{"metric":{},"histograms":[[15,{"count":"1"}]]}"#, [none, invalid, none]),
            ("", [none; 3]),
        ] {
            let body =
                format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#);
            let read = answer::parse_range(StatusCode::OK, body.as_bytes(), &Redactor::new(&[]), &ticks);
            assert_eq!(read, Ok(expected.to_vec()), "{series}");
        }
    }

    #[test]
    fn a_warning_or_another_answer_says_nothing_of_the_past() {
        for (body, part) in [
            (
                r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["a store is away"]}"#,
                "a store is away",
            ),
            (r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#, "something else"),
            (
                r#"{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution"}"#,
                "exceeded maximum",
            ),
        ] {
            let read = answer::parse_range(StatusCode::OK, body.as_bytes(), &Redactor::new(&[]), &[at(0)]);
            let problem = read.expect_err(body);
            assert!(problem.message.contains(part), "{problem}");
        }
    }
}
