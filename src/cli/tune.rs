//! `tidetable tune`: the numbers of a policy that do best on the first part of the traffic, tested on the rest.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Failure;
use super::simulate::factor;
use crate::clock::Clock;
use crate::manifest;
use crate::report::table::aligned;
use crate::simulation::Scenario;
use crate::simulation::scenario::{self, Overrides, Trace};
use crate::simulation::scores::Scores;
use crate::tuning::{self, Objective, Param, Template, Trial};

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
    /// What is best: limits of scores, which hold on each trace, then the score to keep low, by their names in
    /// `simulate --output json`
    #[arg(
        long,
        value_name = "LIMIT,… then SCORE",
        default_value = "dropped_percent<=0.1, late_percent<=0.1 then replica_hours"
    )]
    objective: Objective,
    /// A recorded trace in the place of the scenario's traffic; again for more, which all count
    #[arg(long = "trace", value_name = "FILE.csv")]
    traces: Vec<PathBuf>,
    /// Multiply all demand, to fit a trace of another scale
    #[arg(long, value_name = "FACTOR", value_parser = factor, allow_negative_numbers = true)]
    scale: Option<f64>,
    /// The last part of the traffic, which the search does not see and the result is tested on
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    hold_out: f64,
    /// Play this many candidates at once; the result is the same for any number
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Write the policy with the numbers found, and why, in comments
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "must be a number between 0 and 1, such as 0.5".to_owned())
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let scenarios = scenarios(args)?;
    let Some(first) = scenarios.first() else { return Ok(()) };
    let file = policy_file(&args.scenario)?;
    let template = Template::new(&file, &first.policy_text, &args.params)?;
    let candidates =
        tuning::grid(&args.params).map_err(|problem| Failure::BadInput(format!("--param: {problem}")))?;
    // Ranges that leave a field's bounds are found before anything is played.
    for values in candidates.first().into_iter().chain(candidates.last()) {
        manifest::parse_policy(&file, &template.fill(values))?;
    }
    let seen: Vec<Scenario> =
        scenarios.iter().map(|scenario| tuning::before(scenario, 1.0 - args.hold_out)).collect();
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    let progress = Progress::new(candidates.len());
    let trials =
        tuning::search(&seen, &template, &candidates, threads.map_or(1, NonZeroUsize::get), &|| {
            progress.advance();
        })?;
    progress.finish();
    let Some(best) = args.objective.best(&trials) else { return Ok(()) };
    let mut rest: Vec<Scenario> =
        scenarios.iter().map(|scenario| tuning::after(scenario, 1.0 - args.hold_out)).collect();
    let tested = tuning::trial(&mut rest, &template, &best.values)?;
    writeln!(out, "{} candidates; of these none beats another in everything:\n", trials.len())?;
    let front = tuning::front(&trials);
    write!(out, "{}", table(&args.params, front.iter().map(|trial| ("", *trial))))?;
    writeln!(out, "\nChosen, and tested on the {}% that the search did not see:\n", 100.0 * args.hold_out)?;
    write!(out, "{}", table(&args.params, [("search", best), ("hold-out", &tested)]))?;
    if let Some(target) = &args.write {
        let text = commented(args, best, &tested, &template.fill(&best.values));
        std::fs::write(target, text)
            .map_err(|error| Failure::Runtime(format!("can't write {}: {error}", target.display())))?;
    }
    if args.objective.is_kept(best) {
        Ok(())
    } else {
        Err(Failure::Check("no candidate keeps the limits; shown is the one that comes nearest".to_owned()))
    }
}

/// The scenario with each trace, or as it is.
fn scenarios(args: &Args) -> Result<Vec<Scenario>, Failure> {
    let read = |trace: Option<&PathBuf>| {
        let overrides =
            Overrides { trace: trace.cloned().map(Trace::File), scale: args.scale, ..Overrides::default() };
        scenario::read(&args.scenario, &overrides).map_err(Failure::from)
    };
    if args.traces.is_empty() {
        Ok(vec![read(None)?])
    } else {
        args.traces.iter().map(Some).map(read).collect()
    }
}

/// The file with the policy of a scenario.
fn policy_file(scenario: &Path) -> Result<PathBuf, Failure> {
    let documents = manifest::read(scenario)?;
    let policy = documents.first().and_then(|document| document.text("policy")).unwrap_or_default();
    Ok(scenario.parent().unwrap_or(Path::new("")).join(policy))
}

/// The policy, with why it has its numbers above it.
fn commented(args: &Args, best: &Trial, tested: &Trial, policy: &str) -> String {
    let mut text = String::from("# Tuned by `tidetable tune`:\n");
    for (param, value) in args.params.iter().zip(&best.values) {
        let (low, high) = (param.values.first(), param.values.last());
        let [low, high] = [low, high].map(|end| end.copied().unwrap_or_default());
        let _ = writeln!(text, "#   {} = {value}, out of {low} to {high}", param.path);
    }
    for (name, trial) in [("On the part that was searched", best), ("On the rest, which was not", tested)] {
        let [dropped, late, hours, reversals] = figures(&trial.scores);
        let _ = writeln!(
            text,
            "# {name}: {dropped}% of requests lost, {late}% late,\n#   {hours} replica hours, {reversals} changes \
             of direction."
        );
    }
    text + policy
}

/// Lost and late requests in percent, replica hours, and reversals, over all scenarios.
fn figures(scores: &[Scores]) -> [String; 4] {
    let sum = |of: fn(&Scores) -> f64| scores.iter().map(of).sum::<f64>();
    let requests = sum(|scores| scores.requests).max(f64::MIN_POSITIVE);
    let reversals: u64 = scores.iter().map(|scores| scores.elasticity.reversals).sum();
    [
        format!("{:.3}", 100.0 * sum(|scores| scores.dropped_requests) / requests),
        format!("{:.3}", 100.0 * sum(|scores| scores.late_requests) / requests),
        format!("{:.1}", sum(|scores| scores.elasticity.replica_hours)),
        reversals.to_string(),
    ]
}

/// Trials, one a line, under the names of the parameters and scores.
fn table<'a>(params: &[Param], trials: impl IntoIterator<Item = (&'a str, &'a Trial)>) -> String {
    let heads = ["lost %", "late %", "replica hours", "reversals"].map(str::to_owned);
    let mut rows: Vec<Vec<String>> = vec![
        [String::new()]
            .into_iter()
            .chain(params.iter().map(|param| param.path.clone()))
            .chain(heads)
            .collect(),
    ];
    for (name, trial) in trials {
        let values = trial.values.iter().map(f64::to_string);
        rows.push([name.to_owned()].into_iter().chain(values).chain(figures(&trial.scores)).collect());
    }
    aligned(&rows)
}

/// How far the search is, on a line of stderr that is written over; nothing where nobody watches.
struct Progress {
    clock: Clock,
    total: usize,
    done: AtomicUsize,
    is_shown: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        let is_shown = std::io::stderr().is_terminal();
        Self { clock: Clock::real(), total, done: AtomicUsize::new(0), is_shown }
    }

    fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_shown && done <= self.total {
            let left = u32::try_from(self.total - done).unwrap_or(u32::MAX);
            let each = self.clock.elapsed() / u32::try_from(done).unwrap_or(u32::MAX);
            let left = each.saturating_mul(left).as_secs();
            // Nothing else may fail because nobody reads this.
            let _ = write!(std::io::stderr(), "\r{done} of {} candidates, {left} s left \x1b[K", self.total);
        }
    }

    fn finish(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
