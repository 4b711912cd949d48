//! Traffic that a Prometheus server has recorded, for commands that play a scenario.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::{Failure, runtime, simulate};
use crate::decision::MissingCause;
use crate::operator::config::{Config, SourceConfig};
use crate::operator::{Archive, Part, Problem};
use crate::simulation::scenario::Trace;
use crate::simulation::traffic::Samples;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The time between two samples, unless somebody says otherwise: that between ticks.
const STEP: Duration = Duration::from_secs(15);

/// The most parts: five million samples, which are two years of them.
const MOST_PARTS: usize = 500;

/// Which server, and what it is asked.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(super) struct Recorded {
    /// Ask this Prometheus server for the traffic, in the place of the scenario's: its address, or with --config
    /// the name of a source. It is asked for what is played, --from to --to
    #[arg(long, value_name = "URL", requires = "query", conflicts_with = "trace")]
    prometheus: Option<String>,
    /// What to ask it: requests per second as one series, such as `sum(rate(http_requests_total[1m]))`
    #[arg(long, value_name = "PROMQL", requires = "prometheus")]
    query: Option<String>,
    /// The time between two samples, in whole seconds [default: 15s]
    #[arg(long, value_name = "DURATION", requires = "prometheus", value_parser = step)]
    step: Option<Duration>,
    /// The configuration file of the operator, with the source that --prometheus names
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    config: Option<PathBuf>,
}

fn step(text: &str) -> Result<Duration, String> {
    let step = simulate::length(text)?;
    if step.subsec_nanos() == 0 { Ok(step) } else { Err("must be whole seconds".to_owned()) }
}

impl Recorded {
    /// What a server is asked, if one is.
    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The configuration file with the server, if there is one.
    pub(super) fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// Whether a server is asked.
    pub(super) fn is_asked(&self) -> bool {
        self.prometheus.is_some()
    }

    /// What the server has recorded from `from` until before `to`, at least. Says on stderr how far it has come.
    pub(super) fn read(&self, from: Timestamp, to: Timestamp) -> Result<Trace, Failure> {
        let query = self.query.as_deref().unwrap_or_default();
        let archive = Archive::new(&self.source()?).map_err(|error| Failure::BadInput(error.to_string()))?;
        let parts = Part::all(from, to, self.step.unwrap_or(STEP));
        let count = parts.len();
        if count > MOST_PARTS {
            let problem = format!(
                "--step: {count} answers would be needed, and {MOST_PARTS} are the most; lengthen it"
            );
            return Err(Failure::BadInput(problem));
        }
        let mut samples = Samples::default();
        runtime()?.block_on(async {
            for (index, part) in parts.enumerate() {
                if count > 1 {
                    let since = Timestamp::from_second(part.first).unwrap_or(from);
                    let part = index + 1;
                    // Nobody may be there to read it.
                    let _ = writeln!(
                        std::io::stderr(),
                        "asking Prometheus: part {part} of {count}, from {since} on"
                    );
                }
                let body = archive.ask(query, part).await.map_err(|problem| failed(&problem))?;
                let refused = |problem| Failure::BadInput(format!("--query: the answer {problem}"));
                samples.join(Samples::parse(&body).map_err(refused)?).map_err(refused)?;
            }
            Ok::<_, Failure>(())
        })?;
        Ok(Trace::Answer { name: "--prometheus".to_owned(), samples })
    }

    fn source(&self) -> Result<SourceConfig, Failure> {
        let asked = self.prometheus.as_deref().unwrap_or_default();
        let mut source = match &self.config {
            Some(file) => named(file, asked)?,
            None => SourceConfig::at(asked).map_err(|problem| {
                Failure::BadInput(format!("--prometheus: {problem}; the name of a source needs --config"))
            })?,
        };
        source.timeout = source.timeout.max(TIMEOUT);
        Ok(source)
    }
}

/// The source of this name in a configuration file.
fn named(file: &Path, name: &str) -> Result<SourceConfig, Failure> {
    let sources = Config::load(file)?.sources;
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    let found = sources.into_iter().find(|source| source.name == name);
    found.ok_or_else(|| {
        let known = if names.is_empty() { "no source".to_owned() } else { names.join(", ") };
        Failure::BadInput(format!(
            "--prometheus: {} has no source named {name:?}; it has {known}",
            file.display()
        ))
    })
}

/// A source that can't be reached is no mistake of whoever asks; one that refuses the query says what is.
fn failed(problem: &Problem) -> Failure {
    let text = format!("--prometheus: {problem}");
    if problem.cause == MissingCause::Unreachable { Failure::Runtime(text) } else { Failure::BadInput(text) }
}
