//! What Prometheus answers to a range query (`/api/v1/query_range`), as samples of one series.
//!
//! `NaN`, infinities and instants without a sample are no numbers. They are left out, so that they are gaps as
//! in any other trace.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// How many series are named when there are too many.
const NAMED_SERIES: usize = 3;

/// Remarks with this beginning are about style and not about the data.
const HARMLESS: &str = "PromQL info";

/// The numbers of one series, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// The labels of the series, as soon as there is one.
    series: Option<String>,
    /// Milliseconds since the Unix epoch, and the value.
    points: Vec<(i64, f64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    data: Option<Data>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<Value>,
}

impl Samples {
    /// Reads the body of an answer. One without a series has no samples.
    ///
    /// # Errors
    /// In words, when it is not the answer to a range query, or has several series.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| format!("is not what Prometheus answers to a range query: {error}"))?;
        if let Some(warning) = answer.warnings.iter().find(|warning| !warning.starts_with(HARMLESS)) {
            return Err(format!("Prometheus warns, so that the answer may be partial: {warning}"));
        }
        let Some(data) = answer.data.filter(|_| answer.status == "success") else {
            let reason = answer.error.as_deref().unwrap_or("no reason given");
            return Err(format!("is no answer; Prometheus refused the query: {reason}"));
        };
        if data.result_type != "matrix" {
            let found = data.result_type;
            return Err(format!(
                "is a {found} and not a matrix: save what /api/v1/query_range answers, with start, end and step"
            ));
        }
        let mut series = Vec::<Series>::deserialize(&data.result)
            .map_err(|error| format!("is not what Prometheus answers to a range query: {error}"))?;
        match (series.pop(), series.len()) {
            (None, _) => Ok(Self::default()),
            (Some(only), 0) => Self::of(&only),
            (Some(last), _) => {
                series.push(last);
                let names: Vec<String> = series.iter().map(|series| labels(&series.metric)).collect();
                Err(several(&names))
            }
        }
    }

    /// Adds what was answered for the time after these samples.
    ///
    /// # Errors
    /// When that is another series, or not later.
    pub fn join(&mut self, later: Self) -> Result<(), String> {
        let names: Vec<String> = self.series.iter().chain(&later.series).cloned().collect();
        match names.as_slice() {
            [one, other] if one != other => return Err(several(&names)),
            _ => self.series = names.into_iter().next(),
        }
        if let (Some((last, _)), Some((next, _))) = (self.points.last(), later.points.first()) {
            ordered(*last, *next)?;
        }
        self.points.extend(later.points);
        Ok(())
    }

    /// Milliseconds since the Unix epoch, and the value.
    pub(super) fn points(&self) -> &[(i64, f64)] {
        &self.points
    }

    fn of(series: &Series) -> Result<Self, String> {
        if !series.histograms.is_empty() {
            return Err("has native histograms and not numbers: ask for histogram_count(rate(…))".to_owned());
        }
        let mut points: Vec<(i64, f64)> = Vec::with_capacity(series.values.len());
        let mut last = None;
        for (seconds, text) in &series.values {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float-to-int cast saturates, and is refused"
            )]
            let at = (seconds * 1000.0).round() as i64;
            jiff::Timestamp::from_millisecond(at).map_err(|_| {
                format!("has a sample at {seconds}, which is no instant before the year 10000")
            })?;
            if let Some(last) = last {
                ordered(last, at)?;
            }
            last = Some(at);
            let value: f64 =
                text.parse().map_err(|_| format!("has the sample {text:?}, which is no number"))?;
            if value.is_finite() {
                points.push((at, value));
            }
        }
        Ok(Self { series: Some(labels(&series.metric)), points })
    }
}

fn ordered(before: i64, after: i64) -> Result<(), String> {
    if before < after {
        return Ok(());
    }
    Err(format!("samples must be in order of time; the one of {} is not", super::instant(after)))
}

/// That there are several series, and what to do about it.
fn several(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_SERIES).cloned().collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED_SERIES { ", …" } else { "" };
    format!("has {} series where one is needed: {shown}{more}; add them up in the query: sum(…)", names.len())
}

/// Labels as Prometheus writes them.
fn labels(metric: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = metric.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", labels.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(series: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#)
    }

    #[test]
    fn numbers_of_one_series_are_read_and_all_else_is_left_out() {
        for (series, expected) in [
            (r#"{"metric":{},"values":[[15,"1"],[30.5,"2.5"]]}"#, vec![(15_000, 1.0), (30_500, 2.5)]),
            (
                r#"{"metric":{"app":"a"},"values":[[0,"NaN"],[15,"1e3"],[30,"+Inf"],[60,"2"],[75,"-Inf"]]}"#,
                vec![(15_000, 1000.0), (60_000, 2.0)],
            ),
            ("", vec![]),
        ] {
            let samples = Samples::parse(matrix(series).as_bytes()).expect(series);
            assert_eq!(samples.points(), expected, "{series}");
        }
    }

    #[test]
    fn what_is_no_single_series_of_numbers_is_refused_in_words() {
        let named = |app: &str| format!(r#"{{"metric":{{"app":"{app}","zone":"x"}},"values":[[0,"1"]]}}"#);
        let several = ["a", "b", "c", "d"].map(named).join(",");
        let many = format!("0,\"1\"],[{}", "0,\"2\"");
        for (body, part) in [
            (
                matrix(&several),
                "has 4 series where one is needed: {app=\"a\", zone=\"x\"}, {app=\"b\", zone=\"x\"}, {app=\"c\", \
                 zone=\"x\"}, …; add them up in the query: sum(…)",
            ),
            (matrix(&format!(r#"{{"values":[[{many}]]}}"#)), "must be in order of time; the one of 1970-01-01T00:00:00Z"),
            (matrix(r#"{"values":[[1e300,"1"]]}"#), "which is no instant before the year 10000"),
            (matrix(r#"{"values":[[1,"many"]]}"#), "the sample \"many\", which is no number"),
            (matrix(r#"{"histograms":[[1,{"count":"1"}]]}"#), "ask for histogram_count(rate(…))"),
            (matrix("7"), "is not what Prometheus answers to a range query: "),
            (
                r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#.to_owned(),
                "is a vector and not a matrix: save what /api/v1/query_range answers",
            ),
            (
                r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.to_owned(),
                "refused the query: parse error",
            ),
            (
                r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["a store is away"]}"#
                    .to_owned(),
                "may be partial: a store is away",
            ),
            (r#"{"a": "#.to_owned(), "is not what Prometheus answers to a range query: EOF"),
            ("{}".to_owned(), "missing field `status`"),
        ] {
            let problem = Samples::parse(body.as_bytes()).expect_err(&body);
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn parts_of_one_series_are_joined_in_order_of_time() {
        let part = |app: &str, at: i64| {
            let series = format!(r#"{{"metric":{{"app":"{app}"}},"values":[[{at},"1"]]}}"#);
            Samples::parse(matrix(&series).as_bytes()).expect("an answer")
        };
        let mut samples = Samples::default();
        for next in [part("a", 15), Samples::default(), part("a", 60)] {
            samples.join(next).expect("the same series");
        }
        assert_eq!(samples.points(), [(15_000, 1.0), (60_000, 1.0)]);
        let problem = samples.clone().join(part("b", 90)).expect_err("another series");
        assert!(problem.contains("has 2 series where one is needed: {app=\"a\"}, {app=\"b\"}"), "{problem}");
        let problem = samples.join(part("a", 60)).expect_err("an instant twice");
        assert!(problem.contains("must be in order of time"), "{problem}");
    }
}
