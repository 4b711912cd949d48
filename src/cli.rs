//! The command line: one file per subcommand. Results go to stdout, everything else to stderr.
//!
//! Exit codes: 0 success, 1 the asked-for check failed, 2 bad input, 3 failure at run time.

mod check;
mod cluster;
mod crd;
mod demo;
mod diff;
mod explain;
mod faults;
mod files;
mod learn;
mod overriding;
mod playing;
mod preview;
mod recorded;
mod run;
mod sandbox;
mod simulate;
mod time;
mod tune;
mod version;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::manifest::Mistakes;
use crate::zones::{self, Zones};

/// A Kubernetes autoscaler that knows the time of day.
#[derive(Debug, Parser)]
#[command(name = "tidetable", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success, 1 the asked-for check failed, 2 bad input, 3 failure at run time."
)]
pub struct Cli {
    /// Read the rules of time zones from a directory of compiled zones, such as /usr/share/zoneinfo, in the
    /// place of those that are compiled in
    #[arg(long, global = true, value_name = "DIR")]
    tzdata: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong with policies and scenarios: file, line, column, field, what would be right
    Check(check::Args),
    /// Print the CustomResourceDefinitions
    Crd(crd::Args),
    /// Show it: a day in a minute, the real operator against a sandbox
    Demo(demo::Args),
    /// Say what a change of a policy costs and buys, on a scenario or recorded traffic
    Diff(diff::Args),
    /// Say why a workload has the replicas that it has
    Explain(explain::Args),
    /// Find a schedule in recorded traffic, and try it on days that it was not learned from
    Learn(learn::Args),
    /// Put a number of your own in the place of every decision of a policy, for a while
    Override(overriding::Args),
    /// Show the coming baseline of a policy, offline: every change of floor and ceiling, and why
    Preview(preview::Args),
    /// Try a policy against a day of traffic, offline
    Simulate(simulate::Args),
    /// Search for the numbers of a policy on one part of the traffic, and test them on the rest
    Tune(tune::Args),
    /// Run the operator
    Run(run::Args),
    /// Serve a small Kubernetes API on loopback, without a cluster behind it
    Sandbox(sandbox::Args),
    /// Print the version of the program and of its time zone rules
    Version,
}

/// What the program is called as a plugin of kubectl, and what people type then.
const PLUGIN: (&str, &str) = ("kubectl-tidetable", "kubectl tidetable");

impl Cli {
    /// Reads the command line. Mistakes in it end the process. Started as a plugin of kubectl, the help shows
    /// what people type.
    #[must_use]
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let name = arguments.first().and_then(|program| Path::new(program).file_name());
        let is_plugin = name.is_some_and(|name| name == PLUGIN.0);
        let command = if is_plugin { Self::command().bin_name(PLUGIN.1) } else { Self::command() };
        let matches = command.get_matches_from(arguments);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was to be checked does not hold.
    #[error("{0}")]
    Check(String),
    /// The input has mistakes.
    #[error("{0}")]
    BadInput(String),
    /// Something failed that is not the input's fault.
    #[error("{0}")]
    Runtime(String),
    /// The output could not be written.
    #[error("can't write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The process's exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Check(_) => 1,
            Self::BadInput(_) => 2,
            Self::Runtime(_) | Self::Output(_) => 3,
        }
    }

    /// Whether the reader of our output has gone, which is no error.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Check(_) | Self::BadInput(_) | Self::Runtime(_) => false,
        }
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::BadInput(mistakes.to_string())
    }
}

/// Runs a command; results go to `out`.
///
/// # Errors
/// When the command does not succeed; [`Failure::code`] is the exit code.
pub fn run(cli: Cli, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(directory) = &cli.tzdata {
        let zones = Zones::from_directory(directory);
        zones::choose(zones.map_err(|error| Failure::BadInput(format!("--tzdata: {error}")))?);
    }
    match cli.command {
        Command::Version => version::run(out),
        Command::Check(args) => check::run(&args, out),
        Command::Crd(args) => crd::run(&args, out),
        Command::Demo(args) => demo::run(&args, out),
        Command::Diff(args) => diff::run(&args, out),
        Command::Explain(args) => explain::run(&args, out),
        Command::Override(args) => overriding::run(&args, out),
        Command::Preview(args) => preview::run(&args, out),
        Command::Simulate(args) => simulate::run(&args, out),
        Command::Learn(args) => learn::run(&args, out),
        Command::Tune(args) => tune::run(&args, out),
        Command::Run(args) => run::run(args, out),
        Command::Sandbox(args) => sandbox::run(&args, out),
    }
}

/// What asynchronous commands run on.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().map_err(|error| Failure::Runtime(format!("can't start: {error}")))
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
