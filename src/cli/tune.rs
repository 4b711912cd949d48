//! `tidetable tune`: the numbers of a policy that do best on the first part of the traffic, tested on the rest.

mod explain;
mod found;
mod progress;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use self::found::{Found, Part, without_comments};
use self::progress::Progress;
use super::files::{is_same, writable, write};
use super::playing::{Calendars, Changes, Replay};
use super::simulate::{priced, queued, warn_of_measurement, warn_of_trace};
use super::{Failure, check};
use crate::report::heatmap;
use crate::simulation::{Scenario, scenario};
use crate::tuning::{self, Objective, Param, Template, Trial};

/// The objective when nobody says another.
const USUAL: &str = "dropped_percent<=0.1, late_percent<=0.1 then replica_hours";

/// Arguments of `tidetable tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The scenario: traffic, plant, policy, length
    #[arg(value_name = "SCENARIO.yaml")]
    scenario: PathBuf,
    /// A number of the policy and the values to try, such as
    /// damping.scaleDown.stabilizationWindowSeconds=0..900/60; again for more, in every combination
    #[arg(long = "param", value_name = "PATH=LOW..HIGH[/STEP]", required = true, value_parser = Param::parse)]
    params: Vec<Param>,
    /// Which candidates are played: every combination; some that are drawn from all; or these on a ninth of the traffic,
    /// the best third of them on a third of it, and the best third of those on all
    #[arg(long, value_enum, default_value_t = Search::Grid)]
    search: Search,
    /// How many candidates are drawn
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    candidates: u32,
    /// What they are drawn with: the same for the same number
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What is best: limits of scores, which hold on each trace, then the score to keep low, by their names in
    /// `simulate --output json`
    #[arg(
        long,
        value_name = "LIMIT,… then SCORE",
        default_value = USUAL
    )]
    objective: Objective,
    /// A recorded trace in the place of the scenario's traffic; again for more, which all count
    #[arg(id = "trace", long = "trace", value_name = "FILE.csv")]
    traces: Vec<PathBuf>,
    #[command(flatten)]
    calendars: Calendars,
    #[command(flatten)]
    replay: Replay,
    /// The last part of the traffic, which the search does not see and the result is tested on
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    hold_out: f64,
    /// Play this many candidates at once; the result is the same for any number
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Draw how often each combination of two parameters changes direction, as SVG: where the loop hunts
    #[arg(long, value_name = "FILE.svg")]
    heat_map: Option<PathBuf>,
    /// Say why less would hunt and more would be late, beside the dead time, and draw both and what was found for the
    /// first parameter: less.svg, more.svg and found.svg in this directory
    #[arg(long, value_name = "DIR")]
    explain: Option<PathBuf>,
    /// Write the policy with the numbers found, and why, in comments
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// Tables of numbers and of what they come to, for people
    Table,
    /// The same candidates with all scores, for programs
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Search {
    Grid,
    Random,
    Halving,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "must be a number between 0 and 1, such as 0.5".to_owned())
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if args.heat_map.is_some() && (args.params.len() != 2 || args.search != Search::Grid) {
        let problem = "--heat-map: draws a grid of exactly two parameters";
        return Err(Failure::BadInput(problem.to_owned()));
    }
    let named = scenario::named_files(&args.scenario)?;
    // One without a policy is refused when it is read.
    let policy = named.first().cloned().unwrap_or_default();
    if let Some(directory) = &args.explain {
        std::fs::create_dir_all(directory)
            .map_err(|error| Failure::BadInput(format!("--explain: {}: {error}", directory.display())))?;
    }
    can_write(args, &policy, named)?;
    let scenarios = scenarios(args)?;
    let Some(first) = scenarios.first() else { return Ok(()) };
    let share = 1.0 - args.hold_out;
    let seen: Vec<Scenario> = scenarios.iter().map(|scenario| tuning::before(scenario, share)).collect();
    for (scenario, seen) in scenarios.iter().zip(&seen) {
        priced("--objective", |score| args.objective.names(score), scenario)?;
        warn_of_trace(scenario);
        if args.objective.to_string() != USUAL {
            queued("--objective", |score| args.objective.names(score), scenario);
        }
        if seen.length.is_zero() || tuning::after(scenario, share).length.is_zero() {
            let problem = "--hold-out: leaves not a single tick to search or to test";
            return Err(Failure::BadInput(problem.to_owned()));
        }
        if args.search == Search::Halving && tuning::first_round(seen).length.is_zero() {
            let problem =
                "--search: halving has not a single tick for its first round, a ninth of what is searched";
            return Err(Failure::BadInput(problem.to_owned()));
        }
    }
    warn_of_measurement(first);
    check::warn(&first.missing_calendars);
    let template = Template::new(&policy, &first.policy_text, &args.params)?;
    let template = template.with_calendars(args.calendars.read()?);
    let mut candidates = candidates(args)?;
    template.arrange(&args.params, &mut candidates);
    // Ranges that leave a field's bounds are found before anything is played.
    let ends = [<[f64]>::first, <[f64]>::last]
        .map(|end| args.params.iter().filter_map(|param| end(&param.values).copied()).collect::<Vec<f64>>());
    for values in &ends {
        template.policy(values)?;
    }
    let trials = search(args, &seen, &template, &candidates)?;
    let Some(best) = args.objective.best(&trials) else { return Ok(()) };
    let tested = tuning::held_out(&scenarios, share, &template, &best.values)?;
    let parts = scenarios.iter().map(|scenario| Part::new(scenario, args.hold_out)).collect();
    let found = Found {
        candidates: candidates.len(),
        params: &args.params,
        objective: &args.objective,
        hold_out: args.hold_out,
        parts,
        trials: &trials,
        best,
        tested: &tested,
    };
    if let Some(broken) = found.broken_later() {
        check::warn([format!("on the hold-out the limits are not kept: {broken}")]);
    }
    let explained = match &args.explain {
        Some(directory) => {
            Some(explain::explain(directory, &seen, &template, &args.params, &args.objective, best)?)
        }
        None => None,
    };
    if let Some(file) = &args.heat_map {
        write(file, &heat_map(args, &trials))?;
    }
    let is_kept = args.objective.is_kept(best);
    if let Some(target) = args.write.as_ref().filter(|_| is_kept) {
        let filled = template.fill(&best.values);
        write(target, &found.commented(without_comments(&filled)))?;
    }
    match args.output {
        Output::Table => out.write_all(found.text(explained.as_deref()).as_bytes())?,
        Output::Json => writeln!(out, "{}", found.json(explained.as_deref())?)?,
    }
    if is_kept {
        return Ok(());
    }
    let unwritten = if args.write.is_some() { ", and no policy was written" } else { "" };
    let problem = format!("no candidate keeps the limits; shown is the one that comes nearest{unwritten}");
    Err(Failure::Check(problem))
}

/// Fails when a result could not be written, or would take the place of what is read; a policy may be tuned in place.
fn can_write(args: &Args, policy: &Path, mut named: Vec<PathBuf>) -> Result<(), Failure> {
    let pictures = args.explain.as_deref().map(explain::files);
    let pictures = pictures.iter().flatten().map(|file| ("--explain", file));
    let results = [("--heat-map", &args.heat_map), ("--write", &args.write)];
    let results = results.into_iter().filter_map(|(flag, file)| Some((flag, file.as_ref()?)));
    // Whatever else would take its place then takes that of a result.
    if args.write.as_ref().is_some_and(|file| is_same(file, policy)) {
        named.retain(|file| !is_same(file, policy));
    }
    let named = named.iter().map(|file| ("a file of the scenario", file));
    let traces = args.traces.iter().map(|file| ("--trace", file));
    let inputs = args.calendars.files().chain(args.replay.files()).chain(traces);
    writable(inputs.chain([("the scenario", &args.scenario)]).chain(named), results.chain(pictures))
}

/// The candidates that are played, at least on a part of the traffic.
fn candidates(args: &Args) -> Result<Vec<Vec<f64>>, Failure> {
    let count = usize::try_from(args.candidates).unwrap_or(usize::MAX);
    match args.search {
        Search::Grid => {
            tuning::grid(&args.params).map_err(|problem| Failure::BadInput(format!("--param: {problem}")))
        }
        Search::Random | Search::Halving => Ok(tuning::drawn(&args.params, count, args.seed)),
    }
}

fn search(
    args: &Args,
    seen: &[Scenario],
    template: &Template,
    candidates: &[Vec<f64>],
) -> Result<Vec<Trial>, Failure> {
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.map_or(1, NonZeroUsize::get);
    let is_halving = args.search == Search::Halving;
    let count = if is_halving { tuning::halved(candidates.len()) } else { candidates.len() };
    let progress = Progress::new(count);
    let note = || progress.advance();
    let trials = if is_halving {
        tuning::halve(seen, template, candidates, &args.objective, threads, &note)?
    } else {
        tuning::search(seen, template, candidates, threads, &note)?
    };
    progress.finish();
    Ok(trials)
}

/// Reversals by the values of the two parameters.
fn heat_map(args: &Args, trials: &[Trial]) -> String {
    let [across, up] = args.params.as_slice() else { return String::new() };
    let cells = trials.iter().filter_map(|trial| {
        let [x, y] = trial.values.as_slice() else { return None };
        let reversals: u64 = trial.scores.iter().map(|scores| scores.elasticity.reversals).sum();
        Some(((*x, *y), reversals))
    });
    heatmap::picture("changes of direction", (&across.path, &up.path), &cells.collect::<Vec<_>>())
}

/// The scenario with each trace, or as it is.
fn scenarios(args: &Args) -> Result<Vec<Scenario>, Failure> {
    let read = |trace: Option<&PathBuf>| {
        let mut scenario = Changes::of(trace.cloned(), args.replay.clone(), args.calendars.clone())
            .scenario(&args.scenario)?;
        if let Some(trace) = trace.and_then(|trace| trace.file_name()) {
            scenario.name = format!("{}, {}", scenario.name, trace.display());
        }
        Ok(scenario)
    };
    if args.traces.is_empty() {
        Ok(vec![read(None)?])
    } else {
        args.traces.iter().map(Some).map(read).collect()
    }
}
