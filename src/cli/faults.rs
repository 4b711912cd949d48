//! `--fault`: what goes wrong on purpose in `demo` and `sandbox`.

use crate::sandbox::faults::{Fault, Faults};

// The struct's name is also that of the arguments it is among, and clap wants group names to be unique.
/// The faults of a sandbox.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Let something go wrong (repeatable): latency=200ms, errors=10%, busy=5, cut-watches=5s,
    /// late-watches=2s, frozen=5s@30s, prometheus=10%; a number without % is of the first requests
    #[arg(long = "fault", value_name = "KIND=VALUE")]
    fault: Vec<Fault>,
    /// Which requests suffer from faults with a share; the same seed, the same requests
    #[arg(long = "fault-seed", value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

impl Args {
    /// What was asked for.
    pub(super) fn faults(&self) -> Faults {
        Faults { faults: self.fault.clone(), seed: self.seed }
    }
}
