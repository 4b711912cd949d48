//! The command line: one file per subcommand. Results go to stdout, everything else to stderr.
//!
//! Exit codes: 0 success, 1 the asked-for check failed, 2 bad input, 3 failure at run time.

mod access;
mod check;
mod crd;
mod demo;
mod overriding;
mod preview;
mod run;
mod sandbox;
mod simulate;
mod version;

use std::io::{self, Write};
use std::path::PathBuf;

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
    /// Pin a workload to a number of replicas for a while, or end that
    Override(overriding::Args),
    /// Show the coming baseline of a policy, offline: every change of floor and ceiling, and why
    Preview(preview::Args),
    /// Try a policy against a day of traffic, offline
    Simulate(simulate::Args),
    /// Run the operator
    Run(run::Args),
    /// Serve a small Kubernetes API on loopback, without a cluster behind it
    Sandbox(sandbox::Args),
    /// Print the version of the program and of its time zone rules
    Version,
}

impl Cli {
    /// Parses the command line of this process, and ends it when there is something wrong with that. A program
    /// called `kubectl-tidetable` is what `kubectl tidetable` runs, and says so in its help.
    #[must_use]
    pub fn of_this_process() -> Self {
        let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
        let is_plugin = program.file_stem().is_some_and(|name| name == "kubectl-tidetable");
        let command = if is_plugin { Self::command().bin_name("kubectl tidetable") } else { Self::command() };
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
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
        Command::Override(args) => overriding::run(&args, out),
        Command::Preview(args) => preview::run(&args, out),
        Command::Simulate(args) => simulate::run(&args, out),
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
