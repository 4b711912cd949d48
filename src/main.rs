//! The `tidetable` command: parse, dispatch, error to exit code.

use std::io::Write;
use std::process::ExitCode;

use tidetable::cli::{self, Cli};

/// The static binary of the container image: see ARCHITECTURE.md.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os());
    let mut out = std::io::stdout().lock();
    match cli::run(cli, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::from(failure.code())
        }
    }
}
