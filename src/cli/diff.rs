//! `tidetable diff`: what a change of a policy costs and buys, on a scenario or on recorded traffic.

mod limit;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use self::limit::Limit;
use super::playing::Changes;
use super::simulate::{
    duration_text, factor, length, priced, queued, warn_of_measurement, warn_of_trace, zone,
};
use super::{Failure, check};
use crate::api::AUTOSCALER_KIND;
use crate::decision::Target;
use crate::manifest::{self, Mistake, Mistakes};
use crate::report::difference;
use crate::simulation::scenario::{self, Overrides};
use crate::simulation::{self, Scenario};

/// How long a trace is played at most when nobody says how long.
const A_YEAR: &str = "8760h";

/// Arguments of `tidetable diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy as it is
    #[arg(value_name = "OLD.yaml")]
    old: PathBuf,
    /// The policy as it would be
    #[arg(value_name = "NEW.yaml")]
    new: PathBuf,
    /// Play both in this scenario, in the place of the policy that it names
    #[arg(long, value_name = "SCENARIO.yaml", conflicts_with_all = ["capacity_per_replica", "startup"])]
    scenario: Option<PathBuf>,
    /// Without a scenario: what one replica carries, in requests per second [default: the averageValue of the old
    /// policy's first metric]
    #[arg(long, value_name = "QPS", value_parser = factor)]
    capacity_per_replica: Option<f64>,
    /// Without a scenario: the time from a new pod to a ready one
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = length)]
    startup: std::time::Duration,
    #[command(flatten)]
    changes: Changes,
    /// What must hold of the new policy's score, such as `dropped_percent <= 0.1`; with a sign, of the change: `<= +0`
    /// for no more than before, `replica_hours <= +10%` (repeatable)
    #[arg(long, value_name = "SCORE COMPARISON NUMBER")]
    limit: Vec<Limit>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A table, for people
    Table,
    /// The same as Markdown, fit for a pull request
    Markdown,
    /// All scores, for programs
    Json,
}

/// Plays both and says how they differ; fails when a limit is broken.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if args.scenario.is_none() && !args.changes.has_traffic() {
        let problem =
            "say what to play both with: --scenario SCENARIO.yaml, --trace FILE, or --prometheus URL";
        return Err(Failure::BadInput(problem.to_owned()));
    }
    let made_up = match args.scenario {
        Some(_) => String::new(),
        None => made_up(args)?,
    };
    let asks = |score: &str| args.limit.iter().any(|limit| limit.score() == score);
    let with = |policy: &Path| -> Result<Scenario, Failure> {
        let scenario = args.changes.scenario_by(|overrides| read(args, &made_up, policy, overrides))?;
        priced("--limit", asks, &scenario)?;
        Ok(scenario)
    };
    let (scenario, changed) = (with(&args.old)?, with(&args.new)?);
    check::warn(missing(&scenario, &changed));
    warn_of_trace(&scenario);
    // Of both it would be the same.
    warn_of_measurement(if changed.followed().is_empty() { &scenario } else { &changed });
    queued("--limit", asks, &scenario);
    let [old, new] = [&scenario, &changed].map(simulation::run);
    let outcomes: Vec<limit::Outcome> =
        args.limit.iter().map(|limit| limit.hold(&old.scores, &new.scores)).collect();
    let zone = zone(&scenario);
    let places = difference::places(&old, &new, &zone);
    match args.output {
        Output::Table => {
            write!(out, "{}\n{places}", difference::table(&old, &new))?;
            for outcome in &outcomes {
                writeln!(out, "{outcome}")?;
            }
        }
        Output::Markdown => {
            let [before, after] = [&args.old, &args.new].map(|file| file.display());
            writeln!(out, "### `{before}` → `{after}`\n")?;
            writeln!(out, "{}\n{places}", difference::markdown(&old, &new))?;
            for outcome in &outcomes {
                writeln!(out, "- {} {outcome}", if outcome.holds { "✅" } else { "❌" })?;
            }
        }
        Output::Json => {
            let failed = |error: serde_json::Error| Failure::Runtime(format!("JSON: {error}"));
            let mut value = difference::json(&old, &new).map_err(failed)?;
            value["limits"] = json!(outcomes);
            writeln!(out, "{}", serde_json::to_string_pretty(&value).map_err(failed)?)?;
        }
    }
    let broken = outcomes.iter().filter(|outcome| !outcome.holds);
    let broken: Vec<String> = broken.map(|outcome| format!("--limit: {outcome}")).collect();
    if broken.is_empty() { Ok(()) } else { Err(Failure::Check(broken.join("\n"))) }
}

/// Where the policies name calendars that are not there, once for each calendar.
fn missing(old: &Scenario, new: &Scenario) -> Vec<Mistake> {
    let mut missing: Vec<Mistake> = Vec::new();
    for mistake in old.missing_calendars.iter().chain(&new.missing_calendars) {
        if missing.iter().all(|other| other.problem != mistake.problem) {
            missing.push(mistake.clone());
        }
    }
    missing
}

/// The scenario with one of the policies.
fn read(args: &Args, made_up: &str, policy: &Path, overrides: &Overrides) -> Result<Scenario, Mistakes> {
    let overrides = Overrides { policy: Some(policy.to_owned()), ..overrides.clone() };
    match &args.scenario {
        Some(file) => scenario::read(file, &overrides),
        None => scenario::parse(Path::new("the scenario made of the options"), made_up, &overrides, |file| {
            std::fs::read_to_string(file)
        }),
    }
}

/// A scenario for traffic alone: the plainest plant, in which each replica carries the same.
fn made_up(args: &Args) -> Result<String, Failure> {
    let text = std::fs::read_to_string(&args.old)
        .map_err(|error| Failure::BadInput(format!("{}: {error}", args.old.display())))?;
    let (manifest, _) = manifest::parse_policy(&args.old, &text)?;
    let spec = &manifest.resource.spec;
    if spec.scale_target_ref.is_autoscaler() {
        return Err(Failure::BadInput(format!(
            "--scenario: a policy for a {AUTOSCALER_KIND} needs a scenario that names it (`autoscaler: FILE`)"
        )));
    }
    let average = || {
        manifest.policy.metrics.iter().find_map(|metric| match metric.target {
            Target::AverageValue(target) => Some(target.as_f64() / 1000.0),
            Target::Value(_) => None,
        })
    };
    let Some(capacity) = args.capacity_per_replica.or_else(average) else {
        let problem = "--capacity-per-replica: say what one replica carries, in requests per second: the old \
                       policy has no metric with an averageValue to take it from";
        return Err(Failure::BadInput(problem.to_owned()));
    };
    let scenario = json!({
        "policy": args.old,
        "from": "2026-01-01T00:00:00Z",
        "length": A_YEAR,
        "plant": {
            "startup": duration_text(args.startup),
            "capacityPerReplica": capacity,
            "initialReplicas": spec.min_replicas,
        },
    });
    Ok(scenario.to_string())
}
