//! What commands that play a scenario may change about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Failure;
use super::files::Named;
use super::recorded::Recorded;
use super::simulate::{factor, length};
use crate::manifest::{self, Document, Mistakes};
use crate::simulation::Scenario;
use crate::simulation::scenario::{self, Overrides, Trace};
use crate::zones::Moment;

/// What is played in the place of what the scenario says.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(super) struct Changes {
    /// A recorded trace in the place of the scenario's traffic: a CSV of timestamp,qps (Unix seconds or RFC
    /// 3339), or what Prometheus answered to a range query, in JSON. It is played from its first local
    /// midnight, and no longer than it is
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Play the trace, from --from to --to, so many times in a row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: Option<u32>,
    #[command(flatten)]
    calendars: Calendars,
    #[command(flatten)]
    replay: Replay,
}

/// Calendars of the policies that are played.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(super) struct Calendars {
    /// A YAML file with ScaleCalendars that a policy names, besides those in its own file; may be given several
    /// times
    #[arg(long, value_name = "FILE")]
    calendars: Vec<PathBuf>,
}

/// Where traffic is asked for that is in no file, and what of it is played.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    recorded: Recorded,
    /// Multiply all demand, to fit a trace of another scale
    #[arg(long, value_name = "FACTOR", value_parser = factor, allow_negative_numbers = true)]
    scale: Option<f64>,
    /// Start at this instant: RFC 3339, or a date or a local date and time in the schedule's zone. Of a trace,
    /// play what is from here on
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// End at this instant, written as --from. Of a trace, play what is until here
    #[arg(long, value_name = "TIME", conflicts_with = "length")]
    to: Option<Moment>,
    /// Stretch the time of the trace from its first played instant on: 2 takes twice as long, 0.5 half. Rates
    /// stay
    #[arg(long, value_name = "FACTOR", value_parser = time_factor, allow_negative_numbers = true)]
    time_scale: Option<f64>,
    /// Play this long, such as 24h, and no longer than a trace is
    #[arg(long, value_name = "DURATION", value_parser = length)]
    length: Option<Duration>,
}

fn time_factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (0.001..=1000.0).contains(&factor) => Ok(factor),
        Ok(_) | Err(_) => Err("must be a number from 0.001 to 1000".to_owned()),
    }
}

impl Changes {
    /// The same of a trace which comes once.
    pub(super) fn of(trace: Option<PathBuf>, replay: Replay, calendars: Calendars) -> Self {
        Self { trace, repeat: None, calendars, replay }
    }

    /// Reads a scenario, and asks Prometheus for its traffic if that is wanted.
    pub(super) fn scenario(&self, file: &Path) -> Result<Scenario, Failure> {
        self.scenario_by(|overrides| scenario::read(file, overrides))
    }

    /// The same of a scenario that `read` reads.
    pub(super) fn scenario_by(
        &self,
        read: impl Fn(&Overrides) -> Result<Scenario, Mistakes>,
    ) -> Result<Scenario, Failure> {
        let overrides = self.overrides();
        if !self.replay.recorded.is_asked() {
            return Ok(read(&overrides)?);
        }
        let trace = Some(Trace::Pending);
        let planned = read(&Overrides { trace, repeat: None, time_scale: None, ..overrides.clone() })?;
        let trace = Some(self.replay.recorded.read(planned.from, self.until(&planned))?);
        Ok(read(&Overrides { trace, ..overrides })?)
    }

    /// The documents of the files with calendars.
    pub(super) fn calendars(&self) -> Result<Vec<Document>, Mistakes> {
        self.calendars.read()
    }

    /// The files that are read, by their flags.
    pub(super) fn files(&self) -> impl Iterator<Item = Named<'_>> {
        let trace = self.trace.iter().map(|file| ("--trace", file));
        trace.chain(self.calendars.files()).chain(self.replay.files())
    }

    /// Whether the traffic is given on the command line.
    pub(super) fn has_traffic(&self) -> bool {
        self.trace.is_some() || self.replay.recorded.is_asked()
    }

    /// The end of what is to be asked for: as much as gives the scenario's length when it is stretched and, where
    /// a length is asked for, repeated.
    fn until(&self, planned: &Scenario) -> Timestamp {
        let mut wanted = planned.length;
        if self.replay.to.is_none() {
            wanted = wanted.div_f64(self.replay.time_scale.unwrap_or(1.0));
        }
        if self.replay.length.is_some() {
            wanted = wanted.div_f64(f64::from(self.repeat.unwrap_or(1)));
        }
        planned.from.checked_add(wanted).unwrap_or(Timestamp::MAX)
    }

    fn overrides(&self) -> Overrides {
        let Self { trace, repeat, calendars: Calendars { calendars }, replay } = self.clone();
        let Replay { recorded: _, scale, from, to, time_scale, length } = replay;
        let trace = trace.map(Trace::File);
        Overrides { trace, scale, from, to, repeat, time_scale, length, calendars, ..Overrides::default() }
    }
}

impl Calendars {
    /// The files, by their flag.
    pub(super) fn files(&self) -> impl Iterator<Item = Named<'_>> {
        self.calendars.iter().map(|file| ("--calendars", file))
    }

    /// The documents of the files.
    pub(super) fn read(&self) -> Result<Vec<Document>, Mistakes> {
        manifest::read_all(&self.calendars)
    }
}

impl Replay {
    /// The files that are read, by their flags.
    pub(super) fn files(&self) -> impl Iterator<Item = Named<'_>> {
        self.recorded.config().into_iter().map(|file| ("--config", file))
    }

    /// What a Prometheus server is asked, if one is.
    pub(super) fn query(&self) -> Option<&str> {
        self.recorded.query()
    }

    /// Whether a Prometheus server is asked.
    pub(super) fn is_asked(&self) -> bool {
        self.recorded.is_asked()
    }

    /// Whether it is said where the traffic begins.
    pub(super) fn has_beginning(&self) -> bool {
        self.from.is_some()
    }
}
