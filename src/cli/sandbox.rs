//! `tidetable sandbox`: the in-process Kubernetes API alone, for people and scripts.

use std::io::Write;
use std::path::PathBuf;

use super::{Failure, faults, runtime};
use crate::clock::Clock;
use crate::sandbox::{Sandbox, SandboxOptions};

/// Arguments of `tidetable sandbox`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write the kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The port on 127.0.0.1; 0 chooses a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[command(flatten)]
    faults: faults::Args,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let faults = args.faults.faults();
        let options = SandboxOptions { port: args.port, faults, ..SandboxOptions::new(Clock::real()) };
        let failed = |error: &dyn std::fmt::Display| Failure::Runtime(format!("the sandbox failed: {error}"));
        let sandbox = Sandbox::start(options).await.map_err(|error| failed(&error))?;
        sandbox.write_kubeconfig(&args.kubeconfig).await.map_err(|error| failed(&error))?;
        writeln!(out, "a Kubernetes API at {}, until it is interrupted:", sandbox.url())?;
        writeln!(out, "  kubectl --kubeconfig {} get namespaces", args.kubeconfig.display())?;
        out.flush()?;
        super::interrupted().await;
        sandbox.shutdown().await;
        Ok(())
    })
}
