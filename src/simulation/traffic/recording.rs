//! Recorded traffic: a CSV, or what Prometheus answered to a range query.

use std::path::Path;

use jiff::Timestamp;

use super::{Samples, Traffic};

/// The highest rate of a trace, in requests per second: as many for ten thousand years can still be added up.
const HIGHEST_RATE: f64 = 1e12;

impl Traffic {
    /// That there is a higher rate than can be added up, and when.
    pub(in crate::simulation) fn too_high(&self) -> Option<String> {
        let piece = self.pieces.iter().find(|piece| piece.qps > HIGHEST_RATE)?;
        let at = super::instant(piece.start);
        Some(format!(
            "comes to {:e} requests/s at {at}; {HIGHEST_RATE:e} are the most, after scaling too",
            piece.qps
        ))
    }
}

/// A trace that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct TraceError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Traffic {
    /// Reads a recorded trace: a CSV, or the answer of Prometheus to a range query, which begins with `{`. A
    /// value holds until the next one. All values are multiplied by `scale`.
    ///
    /// A CSV has a header and then rows of `timestamp,qps` in order of time; a timestamp is in Unix seconds or
    /// RFC 3339. A row whose rate is `NaN` or empty is as good as none.
    ///
    /// # Errors
    /// When the file can't be read or is neither.
    pub fn from_file(file: &Path, scale: f64) -> Result<Self, TraceError> {
        let error = |(line, problem)| TraceError { file: file.display().to_string(), line, problem };
        if file.is_dir() {
            let problem = "is a directory; a trace is one file, CSV or an answer of Prometheus in JSON";
            return Err(error((None, problem.to_owned())));
        }
        let text = std::fs::read(file).map_err(|problem| error((None, problem.to_string())))?;
        if text.trim_ascii_start().starts_with(b"{") {
            let samples = Samples::parse(&text).map_err(|problem| error((None, problem)))?;
            return Self::from_samples(&samples, scale).map_err(|problem| error((None, problem)));
        }
        let text = String::from_utf8(text)
            .map_err(|_| error((None, "is no text: a trace is CSV, or JSON of Prometheus".to_owned())))?;
        Ok(Self::new(rows(&text, scale).map_err(error)?))
    }

    /// The demand that Prometheus answered, times `scale`; what is missing in it is a gap.
    ///
    /// # Errors
    /// When there are fewer than two numbers, or one of them is not a rate.
    pub fn from_samples(samples: &Samples, scale: f64) -> Result<Self, String> {
        let points = samples.points();
        if points.len() < 2 {
            let found = if points.is_empty() { "no number" } else { "one number only" };
            return Err(format!(
                "{found} in the answer; at least two are needed, since a value holds until the next"
            ));
        }
        let rate = |(at, value): &(i64, f64)| {
            let rate = value * scale;
            if *value >= 0.0 && rate <= HIGHEST_RATE {
                return Ok((*at, rate));
            }
            Err(format!(
                "the sample at {} is {value:?}, which is not a rate: it must be a number from 0 to {HIGHEST_RATE:e}, \
                 after scaling too",
                super::instant(*at)
            ))
        };
        Ok(Self::new(points.iter().map(rate).collect::<Result<_, _>>()?))
    }
}

/// The line, from 1, if it is one, and what is wrong.
type Wrong = (Option<usize>, String);

/// The rows of a CSV, or the line that is wrong and why.
fn rows(text: &str, scale: f64) -> Result<Vec<(i64, f64)>, Wrong> {
    let (mut points, mut last) = (Vec::<(i64, f64)>::new(), None);
    // Spreadsheets put a mark of the byte order before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, row) in text.lines().enumerate() {
        let number = Some(index + 1);
        if row.trim().is_empty() {
            continue;
        }
        if index == 0 && row.starts_with(|first: char| first.is_alphabetic()) {
            heads(row).map_err(|problem| (number, problem))?;
            continue;
        }
        let (at, qps) = parse_row(row, scale).map_err(|problem| (number, problem))?;
        if last.is_some_and(|last| last >= at) {
            return Err((number, "rows must be in order of time, without repetitions".to_owned()));
        }
        last = Some(at);
        points.extend(qps.map(|qps| (at, qps)));
    }
    if points.is_empty() && last.is_some() {
        return Err((None, "no row has a rate".to_owned()));
    }
    if points.is_empty() {
        return Err((None, "no rows; expected a header timestamp,qps and rows below it".to_owned()));
    }
    if points.len() == 1 {
        let problem = "one row only; at least two are needed, since a value holds until the next row";
        return Err((None, problem.to_owned()));
    }
    Ok(points)
}

/// Refuses a header whose second column is the time and whose first is not.
fn heads(row: &str) -> Result<(), String> {
    let is_time = |head: &str| head.to_ascii_lowercase().contains("time");
    let mut heads = row.split(',');
    if !heads.next().is_some_and(is_time) && heads.next().is_some_and(is_time) {
        return Err(format!("{row:?}: the time must be the first column, and the rate the second"));
    }
    Ok(())
}

/// The instant of a row and its rate times `scale`, if it has one.
fn parse_row(row: &str, scale: f64) -> Result<(i64, Option<f64>), String> {
    let (at, qps) = row.split_once(',').ok_or_else(|| separated(row))?;
    let (at, qps) = (at.trim(), qps.trim());
    let instant = match at.parse::<f64>() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float-to-int cast saturates, which is refused"
        )]
        Ok(seconds) if seconds.is_finite() => {
            Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
        }
        Ok(_) => None,
        Err(_) => at.parse::<Timestamp>().ok(),
    };
    let problem =
        || format!("{at:?} is neither Unix seconds before the year 10000 nor RFC 3339{}", finer(at));
    let at = instant.ok_or_else(problem)?.as_millisecond();
    if qps.is_empty() || qps.eq_ignore_ascii_case("nan") {
        return Ok((at, None));
    }
    match qps.parse::<f64>() {
        Ok(value) if value >= 0.0 && value * scale <= HIGHEST_RATE => Ok((at, Some(value * scale))),
        _ => Err(format!(
            "{qps:?} is not a rate: it must be a number from 0 to {HIGHEST_RATE:e}, after scaling too"
        )),
    }
}

/// What is wrong with a row without a comma.
fn separated(row: &str) -> String {
    let found = [(';', "a semicolon"), ('\t', "a tab"), (' ', "a space")];
    match found.iter().find(|(separator, _)| row.trim().contains(*separator)) {
        Some((_, name)) => format!("expected timestamp,qps with a comma between them, not {name}"),
        None => "expected timestamp,qps".to_owned(),
    }
}

/// That a number which is too large for Unix seconds would be an instant in a finer unit, if it would.
fn finer(at: &str) -> String {
    let of = |at: i64| {
        [("milliseconds", 1_000), ("microseconds", 1_000_000), ("nanoseconds", 1_000_000_000)]
            .into_iter()
            .find_map(|(unit, per_second)| {
                Some((unit, Timestamp::from_second(at / per_second).ok()?, per_second))
            })
    };
    match at.parse().ok().and_then(of) {
        Some((unit, instant, per_second)) => {
            format!("; in {unit} it would be {instant}: divide the column by {per_second}")
        }
        None => String::new(),
    }
}
