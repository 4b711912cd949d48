//! Cron expressions: firings and refusals.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::Value;
use tidetable::policy::parse_cron;

use crate::Verdict;

pub(crate) fn next_prev(row: &Value) -> Verdict {
    match fire(row) {
        Ok(got) => Verdict::equal(&got.as_deref(), &row["expected"].as_str()),
        Err(problem) => Verdict::Failed(problem),
    }
}

fn fire(row: &Value) -> Result<Option<String>, String> {
    let text = |key: &str| row[key].as_str().ok_or_else(|| format!("no {key}"));
    let cron = parse_cron(text("expr")?).map_err(|error| error.to_string())?;
    let zone = TimeZone::get(text("tz")?).map_err(|error| error.to_string())?;
    let at: Timestamp = text("at")?.parse().map_err(|error: jiff::Error| error.to_string())?;
    let fired = match text("dir")? {
        "next" => cron.next(&zone, at),
        // "Strictly before" is "at or before" a nanosecond earlier.
        "prev" => cron.latest(&zone, at - SignedDuration::from_nanos(1)),
        other => return Err(format!("unknown direction {other}")),
    };
    Ok(fired.map(|fired| fired.to_string()))
}

pub(crate) fn refused(row: &Value) -> Verdict {
    match row["expr"].as_str().map(parse_cron) {
        Some(Err(_)) => Verdict::Passed,
        Some(Ok(_)) => Verdict::Failed("accepted".to_owned()),
        None => Verdict::Failed("no expr".to_owned()),
    }
}
