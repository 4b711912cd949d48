//! The body of an answer, as a number or as the reason why there is none.
//!
//! Read here and not by the client library, which drops warnings: a warning means that the number may be
//! partial, and a partial number is missing.

use serde::Deserialize;
use serde_json::Value;

use super::super::text::shorten;
use super::Problem;
use crate::decision::{Milli, MissingCause};

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

/// Reads the answer with HTTP status `code`.
pub(super) fn parse(code: u16, body: &[u8]) -> Result<Milli, Problem> {
    let failed = |message: String| Problem { cause: MissingCause::QueryFailed, message };
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(failed(format!(
            "the source answered with HTTP status {code} and not as Prometheus does"
        )));
    };
    let data = match answer.data {
        Some(data) if answer.status == "success" && (200..300).contains(&code) => data,
        Some(_) | None => {
            let kind = answer.error_type.as_deref().unwrap_or("error");
            let text = answer.error.as_deref().unwrap_or("no reason given");
            return Err(failed(format!("the source refused the query: {}: {}", quote(kind), quote(text))));
        }
    };
    if let Some(warning) = answer.warnings.iter().find(|warning| !warning.starts_with(HARMLESS)) {
        return Err(failed(format!("the source warns: {}", quote(warning))));
    }
    number(sample(&data)?)
}

/// The text of the only sample.
fn sample(data: &Data) -> Result<&str, Problem> {
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
            let message = format!("the result is a {}, and not a number", quote(other));
            return Err(missing(MissingCause::Invalid, message));
        }
    };
    point.get(1).and_then(Value::as_str).ok_or_else(|| {
        missing(MissingCause::QueryFailed, "the source answered with a sample that has no value")
    })
}

/// Prometheus writes numbers as text, and `NaN`, `+Inf` and `-Inf` for what is none.
fn number(text: &str) -> Result<Milli, Problem> {
    let value: f64 = text
        .parse()
        .map_err(|_| missing(MissingCause::Invalid, format!("the result {} is not a number", quote(text))))?;
    Milli::from_f64(value)
        .map_err(|error| missing(MissingCause::Invalid, format!("{error}: {}", quote(text))))
}

fn missing(cause: MissingCause, message: impl Into<String>) -> Problem {
    Problem { cause, message: message.into() }
}

/// At most [`LONGEST_QUOTE`] bytes, on one line.
fn quote(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shorten(&line, LONGEST_QUOTE)
}
