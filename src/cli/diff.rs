//! `tidetable diff`: what a change of a policy costs and buys.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::playing::Changes;
use super::{Failure, check};
use crate::api::AUTOSCALER_KIND;
use crate::simulation::expectation::{Expectation, named};
use crate::simulation::scores::Scores;
use crate::simulation::{self, Scenario, scenario};
use crate::tuning;

/// Arguments of `tidetable diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy as it is
    #[arg(value_name = "OLD.yaml")]
    old: PathBuf,
    /// The policy as it would be
    #[arg(value_name = "NEW.yaml")]
    new: PathBuf,
    /// What both are played in: plant, length and traffic; its own policy is not played
    #[arg(long, value_name = "SCENARIO.yaml")]
    scenario: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// What the new policy's score must be, such as `late_percent<=0.1`; exit 1 when it is not; again for more
    #[arg(long = "limit", value_name = "LIMIT", value_parser = tuning::limit)]
    limits: Vec<Expectation>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// Columns, for a terminal
    Table,
    /// A table for a pull request
    Markdown,
}

/// What is compared: a score's name, and what people call it.
const ROWS: [(&str, &str); 8] = [
    ("dropped_percent", "Lost requests, %"),
    ("late_percent", "Late requests, %"),
    ("tau_u_percent", "Time with too few replicas, %"),
    ("replica_hours", "Replica hours"),
    ("peak_replicas", "Most replicas"),
    ("tau_o_percent", "Time with too many replicas, %"),
    ("scale_events", "Changes of replicas"),
    ("reversals", "Changes of direction"),
];

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let scenario = scenario::read(&args.scenario, &args.changes.overrides())?;
    let old = play(&scenario, &args.old)?;
    let new = play(&scenario, &args.new)?;
    let rows = rows(&old, &new);
    match args.output {
        Output::Table => write!(out, "{}", aligned(&rows))?,
        Output::Markdown => write!(out, "{}", markdown(&rows))?,
    }
    let outcomes = args.limits.iter().map(|limit| limit.hold(&new)).filter(|outcome| !outcome.holds);
    let broken: Vec<String> = outcomes.map(|outcome| format!("--limit: {outcome}")).collect();
    if broken.is_empty() { Ok(()) } else { Err(Failure::Check(broken.join("\n"))) }
}

/// The scores of the policy in `file`.
fn play(scenario: &Scenario, file: &Path) -> Result<Scores, Failure> {
    let bad = |problem: String| Failure::BadInput(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let mut scenario = scenario.clone();
    let missing = tuning::adopt(&mut scenario, file, text)?;
    check::warn(&missing);
    if scenario.resource.spec.scale_target_ref.kind == AUTOSCALER_KIND {
        return Err(bad(format!("a policy that sets the bounds of a {AUTOSCALER_KIND} can't be simulated")));
    }
    let unknown = |name: &&str| !scenario.quantities.contains_key(*name);
    if let Some(guard) = scenario.policy.guards.iter().map(|guard| &*guard.name).find(unknown) {
        return Err(bad(format!(
            "the guard {guard} has no number in the scenario: say under `metrics` what it is"
        )));
    }
    Ok(simulation::run(&scenario).scores)
}

/// The heads and one row a score: before, after, and the change.
fn rows(old: &Scores, new: &Scores) -> Vec<Vec<String>> {
    let of = |scores: &Scores, score: &str| {
        named(scores).find(|(name, _)| name == score).map_or(0.0, |(_, got)| got)
    };
    let mut rows = vec![["", "before", "after", "change"].map(str::to_owned).to_vec()];
    for (name, title) in ROWS {
        let (before, after) = (of(old, name), of(new, name));
        let number =
            |value: f64| if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        let sign = if after > before { "+" } else { "" };
        let change = if (after - before).abs() < 5e-4 { "0".to_owned() } else { number(after - before) };
        let sign = if change == "0" { "" } else { sign };
        rows.push(vec![title.to_owned(), number(before), number(after), format!("{sign}{change}")]);
    }
    rows
}

fn markdown(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let (head, rest) = rows.split_at(rows.len().min(1));
    let head: String = head.iter().map(line).collect();
    let rest: String = rest.iter().map(line).collect();
    format!("{head}|---|---:|---:|---:|\n{rest}")
}

/// Rows in columns: the first one to the left, numbers to the right.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| length(row, column)).max().unwrap_or(0)).collect();
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
        if column == 0 { format!("{cell:width$}") } else { format!("  {cell:>width$}") }
    };
    let line = |row: &Vec<String>| -> String {
        let cells: String = row.iter().zip(&widths).enumerate().map(cell).collect();
        format!("{}\n", cells.trim_end())
    };
    rows.iter().map(line).collect()
}
