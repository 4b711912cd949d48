//! Logs: to stderr, as text or JSON, one line per change with its reason.

use tracing_subscriber::EnvFilter;

/// What is logged unless somebody says otherwise. The client library has a span of its own around each
/// reconcile, which would say the same as ours, a line for each refused try of a watch, of which we
/// report the first, one for each watch that is cut, which is everyday business, and one for each request that
/// fails, which we report where it is known what it was for, and count.
pub const DEFAULT_LEVEL: &str = "info,kube_client=warn,kube_client::client=error,kube_client::client::tls=warn,\
                                 kube_client::client::builder=off,kube_runtime=warn,kube_runtime::watcher=error";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// A log filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the log level {0:?} is none: try info, or tidetable=debug,kube=info")]
pub struct LogLevelError(String);

impl LogLevelError {
    /// A short word for the kind of error.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "log-level"
    }
}

/// Sets up logging for this process. `level` is a filter as in `RUST_LOG`. A second call changes nothing.
///
/// # Errors
/// When the level can't be read.
pub fn init(format: LogFormat, level: &str) -> Result<(), LogLevelError> {
    let filter = EnvFilter::try_new(level).map_err(|_| LogLevelError(level.to_owned()))?;
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // An error says that a logger is set up already: the first one stays.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
