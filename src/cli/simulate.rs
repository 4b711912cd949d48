//! `tidetable simulate`: a policy against a day of traffic, offline.

mod compare;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::files::{writable, write};
use super::playing::Changes;
use super::{Failure, check};
use crate::policy::parse_duration;
use crate::report::{comparison, csv, html, svg, terminal};
use crate::simulation::expectation::Outcome;
use crate::simulation::{self, Run, Scenario, scenario};

/// Arguments of `tidetable simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The scenario: traffic, plant, policy, length
    #[arg(value_name = "SCENARIO.yaml")]
    scenario: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Play the scenario with these too, and show all side by side: hpa, keda, knative, oracle, static:N, or a
    /// file with a ScalePolicy or a HorizontalPodAutoscaler
    #[arg(long, value_name = "RIVAL,…", value_delimiter = ',')]
    compare: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Write one row a tick
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write one self-contained page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the picture alone
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// A chart and the scores, for people
    Table,
    /// The scores, for programs
    Json,
}

pub(super) fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        Ok(_) | Err(_) => Err("must be a finite number above 0".to_owned()),
    }
}

pub(super) fn length(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(length) if !length.is_zero() => Ok(length),
        Ok(_) => Err("must be longer than nothing".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A duration as scenarios write it.
pub(super) fn duration_text(duration: Duration) -> String {
    format!("{}s{}ms", duration.as_secs(), duration.subsec_millis())
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let files = [("--csv", &args.csv), ("--html", &args.html), ("--svg", &args.svg)];
    let named = scenario::named_files(&args.scenario)?;
    let named = named.iter().map(|file| ("a file of the scenario", file));
    let rivals: Vec<PathBuf> =
        args.compare.iter().map(PathBuf::from).filter(|rival| rival.is_file()).collect();
    let rivals = rivals.iter().map(|file| ("--compare", file));
    let inputs = args.changes.files().chain([("the scenario", &args.scenario)]).chain(named).chain(rivals);
    writable(inputs, files.into_iter().filter_map(|(flag, file)| Some((flag, file.as_ref()?))))?;
    let scenario = args.changes.scenario(&args.scenario)?;
    check::warn(&scenario.missing_calendars);
    let rivals = compare::rivals(&args.compare, &args.changes.calendars()?)?;
    warn_of_trace(&scenario);
    warn_of_measurement(&scenario);
    let zone = zone(&scenario);
    let run = simulation::run(&scenario);
    let compared = if rivals.is_empty() { Vec::new() } else { compare::play(&scenario, &run, &rivals)? };
    if let Some(file) = &args.csv {
        write(file, &csv::table(&run))?;
    }
    if let Some(file) = &args.html {
        write(file, &html::page(&run, &compared, &zone))?;
    }
    if let Some(file) = &args.svg {
        write(file, &svg::picture(&run, &zone))?;
    }
    let outcomes = outcomes(&scenario, &run);
    match args.output {
        Output::Table => {
            table(&run, &zone, out)?;
            tiers(&run, &zone, out)?;
            if !compared.is_empty() {
                compare::table(&compared, &zone, is_colored(), out)?;
            }
        }
        Output::Json => json(&run, &compared, &outcomes, out)?,
    }
    verdict(&outcomes)
}

/// What became of the expectations of all tiers.
fn outcomes(scenario: &Scenario, run: &Run) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (index, ((_, tier), run)) in scenario.tiers().zip(run.tiers()).enumerate() {
        let held = tier.expectations.iter().map(|expectation| expectation.hold(&run.scores));
        let name = (index > 0).then(|| tier.name.clone());
        outcomes.extend(held.map(|mut outcome| {
            outcome.tier.clone_from(&name);
            outcome
        }));
    }
    outcomes
}

/// Says where recorded traffic ends too early, and where it has no values.
pub(super) fn warn_of_trace(scenario: &Scenario) {
    if let Some(asked) = scenario.cut_from {
        let [asked, length] =
            [asked, scenario.length].map(|span| SignedDuration::try_from(span).unwrap_or_default());
        let from = scenario.from;
        check::warn([format!("the trace ends {length:#} after {from}; the scenario asks for {asked:#}")]);
    }
    warn_of_gaps(scenario, "the value before holds on");
}

/// Refuses what asks for the cost of a scenario without a price. `asks` is whether it asks for a score.
pub(super) fn priced(flag: &str, asks: impl Fn(&str) -> bool, scenario: &Scenario) -> Result<(), Failure> {
    match scenario.price {
        Some(_) => Ok(()),
        None if !asks("cost") => Ok(()),
        None => Err(Failure::BadInput(format!("{flag}: cost needs price, which the scenario has not"))),
    }
}

/// Says that nothing can be late, of what asks for lateness. `asks` is whether it asks for a score.
pub(super) fn queued(flag: &str, asks: impl Fn(&str) -> bool, scenario: &Scenario) {
    if !["late_percent", "late_requests"].into_iter().any(asks) {
        return;
    }
    // Whoever says when a request is late has a latency that may come to that.
    let queue = scenario.plant.service.map(|service| service.queue);
    if queue.is_none_or(|queue| queue.timeout <= 0.0 && queue.late_after <= 0.0) {
        check::warn([format!(
            "{flag}: nothing is late in {}, whatever the policy does: without a queue (plant.queue.timeout) what is \
             not served at once is lost; dropped_percent counts it",
            scenario.name
        )]);
    }
}

/// Says that a rate may have too few samples.
pub(super) fn warn_of_measurement(scenario: &Scenario) {
    for (_, tier) in scenario.tiers() {
        let measured = tier.plant.measurement;
        if measured.window < measured.scrape_interval.saturating_mul(2) && !tier.followed().is_empty() {
            let [window, scrape] = [measured.window, measured.scrape_interval]
                .map(|span| SignedDuration::try_from(span).unwrap_or_default());
            check::warn([format!(
                "{}: queryWindow is {window:#}, and scrapes are {scrape:#} apart: a rate needs two of them, so that \
                 queries have no result at times",
                tier.name
            )]);
        }
    }
}

/// Says where recorded traffic has no values, and what is made of that.
pub(super) fn warn_of_gaps(scenario: &Scenario, outcome: &str) {
    if let Some(gaps) = scenario.gaps {
        check::warn([format!(
            "values of the trace are {:#} apart, and further in {} places, the longest {:#} after {}; {outcome}",
            gaps.usual, gaps.count, gaps.longest, gaps.longest_from
        )]);
    }
}

/// Fails with every expectation that is broken.
fn verdict(outcomes: &[Outcome]) -> Result<(), Failure> {
    let broken = outcomes.iter().filter(|outcome| !outcome.holds);
    let broken: Vec<String> = broken.map(|outcome| format!("expect: {outcome}")).collect();
    if broken.is_empty() { Ok(()) } else { Err(Failure::Check(broken.join("\n"))) }
}

/// The chart and the scores, for people.
pub(super) fn table(run: &Run, zone: &TimeZone, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}", terminal::chart(run, zone, terminal_width(), is_colored()))?;
    write!(out, "{}", terminal::scores(run))?;
    Ok(())
}

/// The charts of the tiers behind, and what all tiers have in common, for people.
pub(super) fn tiers(run: &Run, zone: &TimeZone, out: &mut dyn Write) -> Result<(), Failure> {
    for tier in &run.behind {
        writeln!(out, "\n{}", terminal::chart(tier, zone, terminal_width(), is_colored()))?;
    }
    if !run.behind.is_empty() {
        let tiers: Vec<Run> = run.tiers().cloned().collect();
        write!(out, "\n{}", comparison::table(&tiers))?;
    }
    Ok(())
}

fn is_colored() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn json(run: &Run, compared: &[Run], outcomes: &[Outcome], out: &mut dyn Write) -> Result<(), Failure> {
    let failed = |error: serde_json::Error| Failure::Runtime(format!("can't write the scores: {error}"));
    let mut object = serde_json::to_value(&run.scores).map_err(failed)?;
    object["scenario"] = run.name.as_str().into();
    object["from"] = run.from.to_string().into();
    object["ticks"] = run.rows.len().into();
    object["interval_seconds"] = run.interval.as_secs_f64().into();
    if !outcomes.is_empty() {
        object["expectations"] = serde_json::to_value(outcomes).map_err(failed)?;
    }
    if !run.behind.is_empty() {
        object["tiers"] = compare::json(&run.behind).map_err(failed)?;
    }
    if !compared.is_empty() {
        object["compared"] = compare::json(compared).map_err(failed)?;
    }
    writeln!(out, "{}", serde_json::to_string_pretty(&object).map_err(failed)?)?;
    Ok(())
}

/// The zone of the schedule's first entry, in which reports show times.
pub(super) fn zone(scenario: &Scenario) -> TimeZone {
    let first = scenario.policy.schedule.entries().first();
    first.map_or(TimeZone::UTC, |entry| entry.zone.clone())
}

/// As wide as `COLUMNS` says, within reason.
pub(super) fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.unwrap_or(100).clamp(60, 200)
}
