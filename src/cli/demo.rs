//! `tidetable demo`: a day in a minute. The real operator, over HTTP, against the sandbox, with the clock
//! sped up; then the day's scores and a report.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::playing::Changes;
use super::{Failure, check, faults, simulate};
use crate::clock::Clock;
use crate::operator::config::SourceConfig;
use crate::operator::{
    Evaluation, Occasion, Operator, OperatorError, OperatorOptions, Outcome, Sources, install_crypto_provider,
};
use crate::report::html;
use crate::sandbox::course::Course;
use crate::sandbox::stage::Stage;
use crate::simulation::scenario;
use crate::simulation::{self, Run, Scenario};

/// The scenario that is played when none is named, and its policy.
const SCENARIO: (&str, &str) = ("simulations/web-day.yaml", include_str!("../../simulations/web-day.yaml"));
const POLICY: &str = include_str!("../../simulations/web-day.policy.yaml");

/// How often the summary line is renewed on a terminal, in real time.
const SUMMARY_EVERY: Duration = Duration::from_millis(200);

/// Arguments of `tidetable demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The scenario to play [default: the built-in simulations/web-day.yaml]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How many seconds pass in one; 1440 is a day a minute
    #[arg(long, value_name = "FACTOR", default_value = "1440", value_parser = speed, allow_negative_numbers = true)]
    speed: f64,
    #[command(flatten)]
    changes: Changes,
    /// Where to write the kubeconfig of the sandbox
    #[arg(long, value_name = "FILE", default_value = "tidetable-demo.kubeconfig")]
    kubeconfig: PathBuf,
    /// Where to write the report
    #[arg(long, value_name = "FILE", default_value = "tidetable-demo.html")]
    html: PathBuf,
    #[command(flatten)]
    faults: faults::Args,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1.0..=10_000.0).contains(&factor) => Ok(factor),
        Ok(_) | Err(_) => Err("must be a number from 1 to 10000".to_owned()),
    }
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let scenario = args.changes.scenario_by(|overrides| match &args.scenario {
        Some(file) => scenario::read(file, overrides),
        None => scenario::parse(Path::new(SCENARIO.0), SCENARIO.1, overrides, |_| Ok(POLICY.to_owned())),
    })?;
    if let Some((_, tier)) = scenario.tiers().find(|(_, tier)| tier.scheduled().is_some()) {
        return Err(Failure::BadInput(format!(
            "{}: its policy sets the bounds of a HorizontalPodAutoscaler, and the sandbox has nobody who follows one: \
             `tidetable simulate` plays it",
            tier.name
        )));
    }
    check::warn(&scenario.missing_calendars);
    simulate::warn_of_trace(&scenario);
    simulate::warn_of_measurement(&scenario);
    super::files::writable(args.changes.files(), [("--html", &args.html)])?;
    let zone = simulate::zone(&scenario);
    let played = super::runtime()?.block_on(play(args, &scenario, &zone, out))?;
    writeln!(out)?;
    simulate::table(&played, &zone, out)?;
    simulate::tiers(&played, &zone, out)?;
    compare(&played, &simulation::run(&scenario), out)?;
    super::files::write(&args.html, &html::page(&played, &[], &zone))?;
    writeln!(out, "\nreport: {}", args.html.display())?;
    Ok(())
}

/// Says whether the operator did what the simulator does. It can only differ when this machine was too
/// slow for the speed, so that ticks were missed, or when somebody meddled.
fn compare(played: &Run, simulated: &Run, out: &mut dyn Write) -> Result<(), Failure> {
    let (ticks, all) = (played.rows.len(), simulated.rows.len());
    let all_changes = |run: &Run| run.tiers().flat_map(|tier| tier.changes.clone()).collect::<Vec<_>>();
    let [played, simulated] = [played, simulated].map(all_changes);
    let (made, changes) = (played.len(), simulated.len());
    write!(out, "\nthe operator saw {ticks} of {all} ticks")?;
    if played == simulated {
        writeln!(out, " and made the same {changes} changes as the simulator does, offline")?;
    } else if ticks < all {
        writeln!(
            out,
            ", since this machine was too slow for the rest, and made {made} changes; the simulator, which \
             misses none, makes {changes}: a lower --speed brings them together"
        )?;
    } else {
        writeln!(
            out,
            " and made {made} changes; the simulator, where nobody meddles, makes {changes} (an override, \
             kubectl or a fault can do that)"
        )?;
    }
    Ok(())
}

/// Plays the scenario and gives its books.
async fn play(
    args: &Args,
    scenario: &Scenario,
    zone: &TimeZone,
    out: &mut dyn Write,
) -> Result<Run, Failure> {
    install_crypto_provider();
    let clock = Clock::scaled(scenario.from, args.speed);
    let failed = |error: &dyn std::fmt::Display| Failure::Runtime(error.to_string());
    let mut stage = Stage::set_with(scenario, clock.clone(), args.faults.faults())
        .await
        .map_err(|error| failed(&error))?;
    stage.sandbox.write_kubeconfig(&args.kubeconfig).await.map_err(|error| failed(&error))?;
    introduce(args, scenario, &stage, out)?;
    let mut show = Show { scenario, zone, out, live: std::io::stdout().is_terminal(), hour: None };
    let watched = watch(scenario, &mut show, &mut stage, &clock).await;
    stage.sandbox.shutdown().await;
    // It leads nowhere any more. If somebody has removed it already, so much the better.
    let _ = std::fs::remove_file(&args.kubeconfig);
    watched
}

fn introduce(args: &Args, scenario: &Scenario, stage: &Stage, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}: {} at {} times real speed", scenario.name, span(scenario.length), args.speed)?;
    writeln!(out, "watch it from a second terminal:\n")?;
    let namespace = &stage.namespace;
    writeln!(out, "  kubectl --kubeconfig {} -n {namespace} get sp -w\n", args.kubeconfig.display())?;
    out.flush()?;
    Ok(())
}

/// An operator at work.
struct Running {
    task: JoinHandle<Result<(), OperatorError>>,
    evaluations: UnboundedReceiver<Evaluation>,
    shutdown: CancellationToken,
}

impl Running {
    async fn end(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        match self.task.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::Runtime(error.to_string())),
            Err(error) => Err(Failure::Runtime(error.to_string())),
        }
    }
}

fn start(scenario: &Scenario, stage: &Stage, clock: Clock) -> Result<Running, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Runtime(error.to_string());
    // The endpoint answers for the default source; a policy of several sources is out of a demo's reach.
    let source = SourceConfig {
        timeout: Duration::from_secs(2),
        ..SourceConfig::new("default", stage.prometheus.url())
    };
    let (sender, evaluations) = mpsc::unbounded_channel();
    let options = OperatorOptions {
        clock,
        sources: Sources::new(&[source]).map_err(|error| failed(&error))?,
        interval: scenario.interval,
        evaluations: Some(sender),
        ..OperatorOptions::new(stage.operator_client().map_err(|error| failed(&error))?)
    };
    let shutdown = CancellationToken::new();
    Ok(Running { task: tokio::spawn(Operator::new(options).run(shutdown.clone())), evaluations, shutdown })
}

/// Has an operator at work and keeps the books until the scenario ends, and shows what happens.
async fn watch(
    scenario: &Scenario,
    show: &mut Show<'_>,
    stage: &mut Stage,
    clock: &Clock,
) -> Result<Run, Failure> {
    let end = simulation::end(scenario);
    let mut course = Course::new(scenario);
    let mut summary = tokio::time::interval(SUMMARY_EVERY);
    let mut interrupted = std::pin::pin!(super::interrupted());
    let mut operator = start(scenario, stage, clock.clone())?;
    let mut restarts = scenario.restarts.iter().filter(|at| **at < end).peekable();
    loop {
        let next = restarts.peek().map_or(end, |at| **at);
        tokio::select! {
            biased;
            () = &mut interrupted => {
                return Err(Failure::Runtime("interrupted before the day was over".to_owned()));
            }
            () = clock.sleep_until(next) => {
                operator.end().await?;
                if restarts.next().is_none() {
                    break;
                }
                operator = start(scenario, stage, clock.clone())?;
                show.restart(next)?;
            }
            evaluation = operator.evaluations.recv() => {
                let Some(evaluation) = evaluation else {
                    operator.end().await?;
                    break;
                };
                if evaluation.at >= end {
                    continue;
                }
                // The day begins once everybody has found their place.
                clock.start();
                note(&mut course, &evaluation);
                show.evaluation(&evaluation, &course)?;
            }
            Some(question) = stage.questions.recv() => course.answer(question),
            _ = summary.tick() => show.summary(&course)?,
        }
    }
    show.clear()?;
    Ok(course.finish(end))
}

fn note(course: &mut Course<'_>, evaluation: &Evaluation) {
    let Some(decision) = &evaluation.decision else { return };
    let applied = match evaluation.outcome {
        Outcome::Scaled { to, .. } => Some(to.replicas()),
        Outcome::Unchanged
        | Outcome::DryRun
        | Outcome::Paused
        | Outcome::Conflict
        | Outcome::Contested
        | Outcome::Failed { .. } => None,
    };
    let tick = evaluation.occasion == Occasion::Tick;
    course.note(&evaluation.name, evaluation.at, applied, decision, tick);
}

/// What is printed while the demo runs.
struct Show<'a> {
    scenario: &'a Scenario,
    zone: &'a TimeZone,
    out: &'a mut dyn Write,
    /// A terminal, on which the summary line can be renewed in place.
    live: bool,
    /// The hour of the last summary that was printed for a log.
    hour: Option<i8>,
}

impl Show<'_> {
    fn evaluation(&mut self, evaluation: &Evaluation, course: &Course<'_>) -> Result<(), Failure> {
        match (&evaluation.decision, evaluation.outcome) {
            (Some(decision), Outcome::Scaled { from, to }) => {
                self.clear()?;
                let why = decision.explain(&evaluation.policy);
                let who = self.who(evaluation);
                writeln!(self.out, "{}  {from:>3} → {to:<3} {who}{why}", self.local(evaluation.at))?;
                self.summary(course)
            }
            (_, Outcome::Failed { category }) => {
                self.clear()?;
                let who = self.who(evaluation);
                writeln!(self.out, "{}  {who}not scaled: {category}", self.local(evaluation.at))?;
                Ok(())
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Whose evaluation it is, where there are several.
    fn who(&self, evaluation: &Evaluation) -> String {
        if self.scenario.behind.is_empty() { String::new() } else { format!("{}: ", evaluation.name) }
    }

    fn restart(&mut self, at: Timestamp) -> Result<(), Failure> {
        self.clear()?;
        writeln!(self.out, "{}  the operator is restarted", self.local(at))?;
        Ok(())
    }

    /// The state of things in one line: in place on a terminal, once an hour elsewhere.
    fn summary(&mut self, course: &Course<'_>) -> Result<(), Failure> {
        let Some(row) = course.rows().last() else { return Ok(()) };
        let level = row.level.map_or_else(|| "-".to_owned(), |level| level.to_string());
        let line = format!(
            "{}  {:5.0} qps  baseline {:>2}  load {level:>2}  replicas {:>2} ({} ready)",
            self.local(row.at),
            row.qps,
            row.floor,
            row.replicas,
            row.ready
        );
        let hour = row.at.to_zoned(self.zone.clone()).hour();
        if self.live {
            write!(self.out, "\r\x1b[K{line}")?;
        } else if self.hour != Some(hour) {
            self.hour = Some(hour);
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()?;
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Failure> {
        if self.live {
            write!(self.out, "\r\x1b[K")?;
        }
        Ok(())
    }

    fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%a %H:%M:%S").to_string()
    }
}

fn span(length: Duration) -> String {
    let minutes = length.as_secs() / 60;
    if minutes.is_multiple_of(60) { format!("{} h", minutes / 60) } else { format!("{minutes} min") }
}
