//! What comes in, and for how long: made-up traffic, recorded traffic, or both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::synthetic::{self, Component};
use super::super::traffic::{Gaps, Traffic};
use super::{Overrides, whole};
use crate::api::ScalePolicy;
use crate::manifest::{Document, Mistake, Mistakes};
use crate::zones;

/// What a scenario and the command line ask for.
pub(super) struct Asked<'a> {
    pub(super) overrides: &'a Overrides,
    /// The scenario's first instant.
    pub(super) from: Timestamp,
    /// How long is to be played.
    pub(super) length: Duration,
    pub(super) policy: &'a ScalePolicy,
}

/// What is played.
pub(super) struct Played {
    pub(super) from: Timestamp,
    pub(super) length: Duration,
    /// How long was asked for, when recorded traffic ends earlier.
    pub(super) cut_from: Option<Duration>,
    pub(super) traffic: Traffic,
    /// Where recorded traffic has no values.
    pub(super) gaps: Option<Gaps>,
}

impl Asked<'_> {
    fn scale(&self) -> f64 {
        self.overrides.scale.unwrap_or(1.0)
    }

    /// Made-up traffic alone.
    pub(super) fn made_up(&self, parts: &[Component]) -> Played {
        let (from, length) = (self.overrides.from.unwrap_or(self.from), self.length);
        let traffic = synthetic::traffic(parts, self.scale(), from, length);
        Played { from, length, cut_from: None, traffic, gaps: None }
    }

    /// A recorded trace in the place of all other traffic: from its first local midnight, or from where it is
    /// told, and no longer than it is.
    pub(super) fn replay(&self, file: &Path) -> Result<Played, Mistake> {
        let traffic = Traffic::from_file(file, self.scale()).map_err(|error| Mistake {
            file: file.to_owned(),
            place: error.line.map(|line| (u64::try_from(line).unwrap_or(u64::MAX), 1)),
            path: String::new(),
            problem: error.problem,
        })?;
        let from = self.overrides.from.unwrap_or_else(|| first_midnight(&traffic, self.policy));
        let length = self.length_in(&traffic, from).map_err(|problem| whole(file, problem))?;
        Ok(self.played(traffic, from, length))
    }

    /// The recorded parts of a scenario, and what is added to them. Unlike a trace of the command line, they are
    /// played from where the scenario says.
    pub(super) fn recorded(
        &self,
        document: &Document,
        mut parts: Vec<Component>,
        traces: &[(String, PathBuf)],
    ) -> Result<Played, Mistakes> {
        let from = self.overrides.from.unwrap_or(self.from);
        let (mut length, mut recorded, mut mistakes) = (self.length, Vec::new(), Vec::new());
        let alone = parts.is_empty() && traces.len() == 1;
        let scale = if alone { self.scale() } else { 1.0 };
        for (path, file) in traces {
            let read = Traffic::from_file(file, scale).map_err(|error| error.to_string());
            let fits = read.and_then(|traffic| match self.length_in(&traffic, from) {
                Ok(fits) => Ok((traffic, fits)),
                Err(problem) => Err(format!("{}: {problem}", file.display())),
            });
            match fits {
                Ok((traffic, fits)) => {
                    length = length.min(fits);
                    recorded.push(traffic);
                }
                Err(problem) => mistakes.push(document.mistake(path, problem)),
            }
        }
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        if alone && let Some(traffic) = recorded.pop() {
            return Ok(self.played(traffic, from, length));
        }
        let gaps = recorded.iter().find_map(Traffic::gaps);
        parts.extend(recorded.into_iter().map(Component::Recorded));
        let traffic = synthetic::traffic(&parts, self.scale(), from, length);
        Ok(Played { gaps, ..self.played(traffic, from, length) })
    }

    fn played(&self, traffic: Traffic, from: Timestamp, length: Duration) -> Played {
        let cut_from = (self.length > length).then_some(self.length);
        Played { from, length, cut_from, gaps: traffic.gaps(), traffic }
    }

    /// How long a trace can be played from `from` on, at most as long as asked for.
    fn length_in(&self, traffic: &Traffic, from: Timestamp) -> Result<Duration, String> {
        let (start, end) = (traffic.start(), traffic.end());
        let rest = Duration::try_from(end.duration_since(from)).unwrap_or_default();
        if from < start || rest.is_zero() {
            return Err(format!("the trace is from {start} to {end}; {from} is not in it"));
        }
        if self.overrides.length.is_some_and(|asked| asked > rest) {
            let rest = SignedDuration::try_from(rest).unwrap_or_default();
            return Err(format!("the trace ends at {end}, {rest:#} after {from}"));
        }
        Ok(self.length.min(rest))
    }
}

/// The first local midnight of a trace, in the time zone of the policy's schedule.
fn first_midnight(traffic: &Traffic, policy: &ScalePolicy) -> Timestamp {
    let zone =
        policy.spec.schedule.as_ref().and_then(|schedule| zones::current().get(&schedule.time_zone).ok());
    let start = traffic.start().to_zoned(zone.unwrap_or(TimeZone::UTC));
    let midnight = match start.start_of_day() {
        Ok(today) if today.timestamp() == start.timestamp() => Ok(today),
        Ok(_) | Err(_) => start.tomorrow().and_then(|tomorrow| tomorrow.start_of_day()),
    };
    match midnight {
        Ok(midnight) if midnight.timestamp() < traffic.end() => midnight.timestamp(),
        // A trace of less than a day is played from its start.
        Ok(_) | Err(_) => traffic.start(),
    }
}
