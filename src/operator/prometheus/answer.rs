//! The body of an answer, as a number or as the reason why there is none.
//!
//! Read here and not by the client library, which drops warnings: a warning means that the number may be
//! partial, and a partial number is missing.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::super::text::shorten;
use super::Problem;
use super::redaction::Redactor;
use crate::decision::{Milli, MissingCause, Reading};

/// The longest text of a source that is passed on.
const LONGEST_QUOTE: usize = 300;

/// Remarks with this beginning are about style and not about the data.
const HARMLESS: &str = "PromQL info";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    data: Option<Data>,
    error_type: Option<String>,
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

/// One series of a range query: its samples, in Unix seconds and as text.
#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<(f64, String)>,
    /// Native histograms, which are no numbers.
    #[serde(default)]
    histograms: Vec<(f64, Value)>,
}

/// Reads the answer to an instant query with HTTP status `code`. What the source says is passed on without
/// its secrets.
pub(super) fn parse(code: StatusCode, body: &[u8], redactor: &Redactor) -> Result<Milli, Problem> {
    number(sample(&data(code, body, redactor)?, redactor)?, redactor)
}

/// Reads the answer to a range query: one reading for each tick, which are `step` apart. As with an instant
/// query, a tick needs exactly one sample.
pub(super) fn parse_range(
    code: StatusCode,
    body: &[u8],
    redactor: &Redactor,
    ticks: &[Timestamp],
) -> Result<Vec<Reading>, Problem> {
    let data = data(code, body, redactor)?;
    let series = match data.result_type.as_str() {
        "matrix" => Vec::<Series>::deserialize(&data.result).ok(),
        _ => None,
    };
    let Some(series) = series else {
        return Err(missing(
            MissingCause::QueryFailed,
            "the source answered a range query with something else",
        ));
    };
    let mut samples: BTreeMap<i64, Reading> = BTreeMap::new();
    let mut add = |seconds: f64, reading| {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of any date fit")]
        let entry = samples.entry((seconds * 1000.0).round() as i64);
        let several = Reading::Missing(MissingCause::SeveralSamples);
        entry.and_modify(|known| *known = several).or_insert(reading);
    };
    for one in series {
        for (at, text) in one.values {
            let reading = number(&text, redactor)
                .map_or_else(|problem| Reading::Missing(problem.cause), Reading::Value);
            add(at, reading);
        }
        for (at, _) in one.histograms {
            add(at, Reading::Missing(MissingCause::Invalid));
        }
    }
    let none = Reading::Missing(MissingCause::NoSample);
    Ok(ticks.iter().map(|tick| samples.get(&tick.as_millisecond()).copied().unwrap_or(none)).collect())
}

/// Whether there is an answer, whatever it says.
pub(super) fn check(code: StatusCode, body: &[u8], redactor: &Redactor) -> Result<(), Problem> {
    data(code, body, redactor).map(drop)
}

/// What an answer with HTTP status `code` holds.
fn data(code: StatusCode, body: &[u8], redactor: &Redactor) -> Result<Data, Problem> {
    let failed = |message: String| Problem { cause: MissingCause::QueryFailed, message };
    let number_of = code.as_u16();
    // Those who answer so may well say what they got.
    if matches!(code, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(failed(format!("the source does not accept the credentials: HTTP status {number_of}")));
    }
    if code.is_redirection() {
        return Err(failed(format!(
            "the source redirects to elsewhere, which is refused: HTTP status {number_of}"
        )));
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(failed(format!(
            "the source answered with HTTP status {number_of} and not as Prometheus does"
        )));
    };
    let quote = |text: &str| quote(text, redactor);
    let data = match answer.data {
        Some(data) if answer.status == "success" && code.is_success() => data,
        None if answer.status == "success" => {
            return Err(failed("the source answered with success and without data".to_owned()));
        }
        Some(_) | None => {
            let kind = answer.error_type.as_deref().unwrap_or("error");
            let text = answer.error.as_deref().unwrap_or("no reason given");
            return Err(failed(format!("the source refused the query: {}: {}", quote(kind), quote(text))));
        }
    };
    if let Some(warning) = answer.warnings.iter().find(|warning| !warning.starts_with(HARMLESS)) {
        return Err(failed(format!("the source warns: {}", quote(warning))));
    }
    Ok(data)
}

/// The text of the only sample.
fn sample<'a>(data: &'a Data, redactor: &Redactor) -> Result<&'a str, Problem> {
    let point = match data.result_type.as_str() {
        "scalar" => &data.result,
        "vector" => {
            let samples = data.result.as_array().map(Vec::as_slice).unwrap_or_default();
            match samples {
                [] => return Err(missing(MissingCause::NoSample, "the query has no result")),
                [only] if only.get("value").is_some() => &only["value"],
                [_] => {
                    let message = "the result is a native histogram, and not a number";
                    return Err(missing(MissingCause::Invalid, message));
                }
                several => {
                    let count = several.len();
                    let message = format!("the query has {count} results where one is needed: try sum(…)");
                    return Err(missing(MissingCause::SeveralSamples, message));
                }
            }
        }
        other => {
            let message = format!("the result is a {}, and not a number", quote(other, redactor));
            return Err(missing(MissingCause::Invalid, message));
        }
    };
    point.get(1).and_then(Value::as_str).ok_or_else(|| {
        missing(MissingCause::QueryFailed, "the source answered with a sample that has no value")
    })
}

/// Prometheus writes numbers as text, and `NaN`, `+Inf` and `-Inf` for what is none.
fn number(text: &str, redactor: &Redactor) -> Result<Milli, Problem> {
    let value: f64 = text.parse().map_err(|_| {
        missing(MissingCause::Invalid, format!("the result {} is not a number", quote(text, redactor)))
    })?;
    Milli::from_f64(value)
        .map_err(|error| missing(MissingCause::Invalid, format!("{error}: {}", quote(text, redactor))))
}

fn missing(cause: MissingCause, message: impl Into<String>) -> Problem {
    Problem { cause, message: message.into() }
}

/// At most [`LONGEST_QUOTE`] bytes, on one line. What is cut can't be a part of a secret any more.
fn quote(text: &str, redactor: &Redactor) -> String {
    let line: String =
        redactor.clean(text, LONGEST_QUOTE).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shorten(&line, LONGEST_QUOTE)
}
