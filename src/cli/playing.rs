//! What commands that play a scenario may change about it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::simulate::{factor, length};
use crate::simulation::scenario::Overrides;

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
    /// Start at this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Play this long, such as 24h
    #[arg(long, value_name = "DURATION", value_parser = length)]
    length: Option<Duration>,
}

impl Changes {
    pub(super) fn overrides(&self) -> Overrides {
        let Self { trace, scale, from, length } = self.clone();
        Overrides { trace, scale, from, length, is_check: false }
    }
}
