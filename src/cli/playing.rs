//! What commands that play a scenario may change about it.

use std::path::PathBuf;
use std::time::Duration;

use super::simulate::{factor, length};
use crate::simulation::scenario::Overrides;
use crate::zones::Moment;

/// What is played in the place of what the scenario says.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(super) struct Changes {
    /// A recorded trace in the place of the scenario's traffic: a CSV of timestamp,qps (Unix seconds or RFC
    /// 3339), or what Prometheus answered to a range query, in JSON. It is played from its first local
    /// midnight, and no longer than it is
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
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
    /// Play the trace, from --from to --to, so many times in a row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: Option<u32>,
    /// Stretch the time of the trace from its first played instant on: 2 takes twice as long, 0.5 half. Rates
    /// stay
    #[arg(long, value_name = "FACTOR", value_parser = time_factor, allow_negative_numbers = true)]
    time_scale: Option<f64>,
    /// Play this long, such as 24h
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
    pub(super) fn overrides(&self) -> Overrides {
        let Self { trace, scale, from, to, repeat, time_scale, length } = self.clone();
        Overrides { trace, scale, from, to, repeat, time_scale, length, is_check: false }
    }
}
