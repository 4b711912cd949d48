//! What comes in, and for how long: made-up traffic, recorded traffic, or both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::synthetic::{self, Component};
use super::super::traffic::{Gaps, Samples, Traffic};
use super::{MOST_TICKS, Overrides, whole};
use crate::manifest::{Document, Mistake, Mistakes};
use crate::zones::Moment;

/// The first and the last instant that the command line asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

impl Bounds {
    pub(super) fn new(overrides: &Overrides, zone: &TimeZone) -> Result<Self, String> {
        let instant = |name: &str, moment: Option<Moment>| match moment.map(|moment| moment.in_zone(zone)) {
            Some(None) => Err(format!("{name}: the instant is not before the year 10000")),
            Some(at) => Ok(at),
            None => Ok(None),
        };
        let bounds = Self { from: instant("--from", overrides.from)?, to: instant("--to", overrides.to)? };
        match bounds {
            Self { from: Some(from), to: Some(to) } if to <= from => Err(not_after(from, to)),
            _ => Ok(bounds),
        }
    }
}

/// What a scenario and the command line ask for.
pub(super) struct Asked<'a> {
    pub(super) overrides: &'a Overrides,
    pub(super) bounds: Bounds,
    /// The scenario's first instant.
    pub(super) from: Timestamp,
    /// How long is to be played, unless `bounds` have an end.
    pub(super) length: Duration,
    /// The zone of the policy's schedule.
    pub(super) zone: TimeZone,
    pub(super) interval: Duration,
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
    pub(super) fn made_up(&self, parts: &[Component]) -> Result<Played, String> {
        if self.overrides.repeat.is_some() || self.overrides.time_scale.is_some() {
            let problem = "--repeat and --time-scale are about recorded traffic, and this scenario's is made up: \
                           give it a trace with --trace or --prometheus";
            return Err(problem.to_owned());
        }
        let from = self.bounds.from.unwrap_or(self.from);
        let length = match self.bounds.to {
            Some(to) => self.playable(span(from, to).ok_or_else(|| not_after(from, to))?)?,
            None => self.length,
        };
        let traffic = synthetic::traffic(parts, self.scale(), from, length);
        if let Some(problem) = traffic.too_high() {
            return Err(format!("the traffic {problem}"));
        }
        Ok(Played { from, length, cut_from: None, traffic, gaps: None })
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
        let from = self.bounds.from.unwrap_or_else(|| first_midnight(&traffic, &self.zone));
        let stretch = self.stretch(traffic, from).map_err(|problem| whole(file, problem))?;
        Ok(self.played(stretch, from))
    }

    /// What Prometheus has answered about the time of the scenario.
    pub(super) fn answered(&self, name: &str, samples: &Samples) -> Result<Played, Mistake> {
        let from = self.bounds.from.unwrap_or(self.from);
        let read = Traffic::from_samples(samples, self.scale());
        let stretch = read.and_then(|traffic| self.stretch(traffic, from));
        stretch.map(|stretch| self.played(stretch, from)).map_err(|problem| whole(Path::new(name), problem))
    }

    /// The recorded parts of a scenario, and what is added to them. Unlike a trace of the command line, they are
    /// played from where the scenario says.
    pub(super) fn recorded(
        &self,
        document: &Document,
        mut parts: Vec<Component>,
        traces: &[(String, PathBuf)],
    ) -> Result<Played, Mistakes> {
        let from = self.bounds.from.unwrap_or(self.from);
        let alone = parts.is_empty() && traces.len() == 1;
        let scale = if alone { self.scale() } else { 1.0 };
        let (mut stretches, mut mistakes) = (Vec::new(), Vec::new());
        for (path, file) in traces {
            let read = Traffic::from_file(file, scale).map_err(|error| error.to_string());
            let stretch = read.and_then(|traffic| {
                self.stretch(traffic, from).map_err(|problem| format!("{}: {problem}", file.display()))
            });
            match stretch {
                Ok(stretch) => stretches.push(stretch),
                Err(problem) => mistakes.push(document.mistake(path, problem)),
            }
        }
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        if alone && let Some(stretch) = stretches.pop() {
            return Ok(self.played(stretch, from));
        }
        let length = stretches.iter().map(|stretch| stretch.length).min().unwrap_or(self.length);
        let gaps = stretches.iter().find_map(|stretch| stretch.gaps);
        parts.extend(stretches.into_iter().map(|stretch| Component::Recorded(stretch.traffic)));
        let traffic = synthetic::traffic(&parts, self.scale(), from, length);
        if let Some(problem) = traffic.too_high() {
            return Err(Mistakes(vec![document.mistake("traffic", problem)]));
        }
        Ok(self.played(Stretch { traffic, length, gaps }, from))
    }

    fn played(&self, stretch: Stretch, from: Timestamp) -> Played {
        let Stretch { traffic, length, gaps } = stretch;
        let cut_from = (self.length > length && !self.says_how_much()).then_some(self.length);
        Played { from, length, cut_from, traffic, gaps }
    }

    /// Whether the command line says how much of a trace is played, so that the scenario's length is not meant.
    fn says_how_much(&self) -> bool {
        self.bounds.to.is_some() || self.overrides.repeat.is_some()
    }

    /// What is taken from a trace that is played from `from` on: until `--to` or its end, `--time-scale` times as
    /// long, `--repeat` times; and how much of that is played.
    fn stretch(&self, traffic: Traffic, from: Timestamp) -> Result<Stretch, String> {
        let (start, end) = (traffic.start(), traffic.end());
        let until = self.bounds.to.unwrap_or(end);
        if from < start || from >= end {
            return Err(format!("the trace is from {start} to {end}; {from} is not in it"));
        }
        if until > end {
            return Err(format!("the trace ends at {end}; --to is later: {until}"));
        }
        let section = span(from, until).ok_or_else(|| not_after(from, until))?;
        let (factor, times) = (self.overrides.time_scale.unwrap_or(1.0), self.overrides.repeat.unwrap_or(1));
        let is_changed = self.overrides.time_scale.is_some() || times > 1;
        let all = if is_changed { section.mul_f64(factor).saturating_mul(times) } else { section };
        let length = match self.overrides.length {
            Some(asked) if asked > all => {
                let rest = SignedDuration::try_from(all).unwrap_or_default();
                return Err(format!("the trace ends at {end}, {rest:#} after {from}"));
            }
            Some(asked) => asked,
            None if self.says_how_much() => all,
            None => self.length.min(all),
        };
        let length = self.playable(length)?;
        if is_changed && from.checked_add(all).is_err() {
            return Err(format!("played for so long from {from} on, the year would be over 9999"));
        }
        let gaps = traffic.gaps();
        let traffic = if is_changed {
            let played = traffic.played((from, until), factor, times);
            played.ok_or("repeated so often the trace has too many values: play less of it, or less often")?
        } else {
            traffic
        };
        Ok(Stretch { traffic, length, gaps })
    }

    /// A length that does not have too many ticks.
    fn playable(&self, length: Duration) -> Result<Duration, String> {
        if length.as_nanos() / self.interval.as_nanos().max(1) > MOST_TICKS {
            return Err(format!("more than {MOST_TICKS} ticks; play less of it, or lengthen the interval"));
        }
        Ok(length)
    }
}

/// What is taken from a trace.
struct Stretch {
    traffic: Traffic,
    /// How much of it is played.
    length: Duration,
    /// Where the trace has no values, in its own time.
    gaps: Option<Gaps>,
}

/// The time between two instants, if there is any.
fn span(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok().filter(|span| !span.is_zero())
}

fn not_after(from: Timestamp, to: Timestamp) -> String {
    format!("--to must be later than the first instant: it is {to}, and the first instant is {from}")
}

/// The first local midnight of a trace, in the time zone of the policy's schedule.
fn first_midnight(traffic: &Traffic, zone: &TimeZone) -> Timestamp {
    let start = traffic.start().to_zoned(zone.clone());
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
