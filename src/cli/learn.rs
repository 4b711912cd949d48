//! `tidetable learn`: a schedule out of recorded traffic, tried on days that it was not learned from.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::json;

use super::files::{writable, write};
use super::playing::{Calendars, Changes, Replay};
use super::simulate::{duration_text, factor, length, warn_of_gaps, zone};
use super::{Failure, check};
use crate::decision::Replicas;
use crate::learning::{self, Learned, MOST_REPLICAS, Patternless, Settings};
use crate::policy::parse_duration;
use crate::report::table::aligned;
use crate::simulation::rivals::Rival;
use crate::simulation::scores::Scores;
use crate::simulation::{self, Run, Scenario, scenario};
use crate::tuning::Candidate;

/// How long a trace is played at most when nobody says how long: ten years.
const FOR_EVER: &str = "87600h";

/// Lengths of a slot in minutes: those that an hour has room for a whole number of.
const SLOTS: [u16; 6] = [5, 10, 15, 20, 30, 60];

/// Arguments of `tidetable learn`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What one replica should carry, in requests per second
    #[arg(long, value_name = "QPS", value_parser = factor)]
    target: f64,
    /// The zone of the clock that people live by, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// The time from a new pod to a ready one
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = length)]
    startup: Duration,
    /// The time until there is a node for a new pod
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = span)]
    provisioning: Duration,
    /// The fewest replicas
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    min_replicas: u32,
    /// The most replicas [default: half as many again as the busiest slot needed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_replicas: Option<u32>,
    /// Edges come at multiples of this: 5m, 10m, 15m, 20m, 30m or 1h
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = slot)]
    slot: u16,
    /// What a missing replica hour costs, in replica hours: 19 covers the slots of 95 days in 100
    #[arg(long, value_name = "N", default_value_t = 19.0, value_parser = factor)]
    shortage_cost: f64,
    /// What an entry of the schedule costs, in percent of the cost of the best single number: more for fewer entries
    #[arg(long, value_name = "PERCENT", default_value_t = 0.5, value_parser = percent)]
    entry_cost: f64,
    /// Learn from the last so many weeks before those days that it is tried on
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=520))]
    weeks: u32,
    /// The Deployment that the policy is for, and the policy's own name
    #[arg(long, value_name = "NAME", default_value = "web")]
    name: String,
    /// Its namespace
    #[arg(long, short, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// What to learn from: a CSV of timestamp,qps (Unix seconds or RFC 3339), or what Prometheus answered to a range
    /// query, in JSON
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    replay: Replay,
    /// Write the policy to a file instead of printing it
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn slot(text: &str) -> Result<u16, String> {
    let minutes = parse_duration(text).ok().map(|slot| slot.as_secs_f64() / 60.0);
    let found = SLOTS
        .into_iter()
        .find(|slot| minutes.is_some_and(|minutes| minutes.total_cmp(&f64::from(*slot)).is_eq()));
    found.ok_or_else(|| "must be 5m, 10m, 15m, 20m, 30m or 1h".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "must be a number from 0 to 100".to_owned())
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if args.trace.is_none() && !args.replay.is_asked() {
        let problem = "say what to learn from: --trace FILE, or --prometheus URL with --query and --from";
        return Err(Failure::BadInput(problem.to_owned()));
    }
    if args.replay.is_asked() && !args.replay.has_beginning() {
        let problem = "--from: needed with --prometheus: since when to learn, such as --from 2026-09-21";
        return Err(Failure::BadInput(problem.to_owned()));
    }
    let inputs = args.trace.iter().map(|file| ("--trace", file)).chain(args.replay.files());
    if args.max_replicas.is_some_and(|max| max < args.min_replicas) {
        let problem = "--max-replicas: must not be below --min-replicas";
        return Err(Failure::BadInput(problem.to_owned()));
    }
    writable(inputs, args.write.iter().map(|file| ("--write", file)))?;
    let lead = args.startup.saturating_add(args.provisioning);
    if lead > Duration::from_secs(86_400) {
        let problem = "--startup and --provisioning must be a day at most, together";
        return Err(Failure::BadInput(problem.to_owned()));
    }
    let scenario = history(args)?;
    warn_of_gaps(
        &scenario,
        "what was needed there is not learned, and in the backtest the value before holds on",
    );
    let until = scenario.from.checked_add(scenario.length).unwrap_or(Timestamp::MAX);
    let zone = zone(&scenario);
    let settings = Settings {
        zone: zone.clone(),
        target: args.target,
        slot: args.slot,
        lead,
        shortage: args.shortage_cost,
        entry: args.entry_cost / 100.0,
        min: args.min_replicas,
        max: args.max_replicas,
    };
    let held_out = learning::hold_out(scenario.from, until, &zone);
    let end = held_out.unwrap_or(until);
    // Days of the clock: a week in which the clocks change is one, too.
    let weeks = Span::new().try_weeks(i64::from(args.weeks)).unwrap_or_default();
    let start = end.to_zoned(zone.clone()).checked_sub(weeks).map(|start| start.timestamp());
    let start = start.map_or(scenario.from, |start| start.max(scenario.from));
    let learned = learning::learn(&scenario.traffic, start, end, &settings);
    let learned = match learned {
        Ok(learned) => learned,
        // That is nothing found out about the traffic.
        Err(Patternless::TooShort(days)) => {
            return Err(Failure::BadInput(format!("{}; give a longer history", Patternless::TooShort(days))));
        }
        Err(Patternless::TooBusy) => {
            let problem = format!("--target: {}; give more, or --max-replicas", Patternless::TooBusy);
            return Err(Failure::BadInput(problem));
        }
        Err(
            patternless @ (Patternless::NotWorth { .. }
            | Patternless::Late { .. }
            | Patternless::Chance { .. }),
        ) => {
            // As a comment: what reads this as a policy finds nothing to apply.
            writeln!(out, "# {patternless}.")?;
            return Ok(());
        }
    };
    if let Some(aside) = aside(&learned) {
        check::warn([format!("learned without {aside}")]);
    }
    let policy = Draft::new(args, &learned);
    let text = if let Some(held_out) = held_out {
        let backtest = Scenario {
            from: held_out,
            length: Duration::try_from(until.duration_since(held_out)).unwrap_or_default(),
            cut_from: None,
            ..scenario
        };
        policy.text(
            args.replay.query(),
            &comments(&found(args, &learned), &tested(&policy, &learned, &backtest)?, held_out, until, &zone),
        )
    } else {
        let found = found(args, &learned) + "# There was too little to keep any of it for a backtest.\n";
        policy.text(args.replay.query(), &found)
    };
    match &args.write {
        Some(file) => write(file, &text),
        None => Ok(out.write_all(text.as_bytes())?),
    }
}

/// The traffic, on the plainest plant.
fn history(args: &Args) -> Result<Scenario, Failure> {
    let made_up = json!({
        "policy": "the policy made of the options",
        "from": "2026-01-01T00:00:00Z",
        "length": FOR_EVER,
        "interval": "30s",
        "plant": {
            "startup": duration_text(args.startup),
            "capacityPerReplica": args.target,
            "initialReplicas": args.min_replicas,
        },
    });
    let file = Path::new("the options");
    let first = format!(
        "{}  schedule:\n    timeZone: {}\n    entries: [{{name: always, cron: '0 0 * * *', replicas: {}}}]\n",
        head(args, args.max_replicas.unwrap_or(MOST_REPLICAS)),
        json!(args.time_zone),
        args.min_replicas
    );
    let changes = Changes::of(args.trace.clone(), args.replay.clone(), Calendars::default());
    changes.scenario_by(|overrides| {
        scenario::parse(file, &made_up.to_string(), overrides, |_| Ok(first.clone()))
    })
}

fn head(args: &Args, max: u32) -> String {
    let [name, namespace] = [&args.name, &args.namespace].map(|text| json!(text));
    format!(
        "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}\n  minReplicas: {}\n  \
         maxReplicas: {max}\n",
        args.min_replicas
    )
}

/// A policy to be.
struct Draft {
    head: String,
    schedule: String,
    target: f64,
}

impl Draft {
    fn new(args: &Args, learned: &Learned) -> Self {
        let roomy = (learned.peak + learned.peak.div_ceil(2)).clamp(1, MOST_REPLICAS);
        let max = args.max_replicas.unwrap_or(roomy);
        let mut schedule = format!("  schedule:\n    timeZone: {}\n    entries:\n", json!(args.time_zone));
        for entry in &learned.entries {
            let (name, cron) = (entry.name(), entry.cron());
            let _ =
                writeln!(schedule, "    - {{name: {name}, cron: \"{cron}\", replicas: {}}}", entry.replicas);
        }
        Self { head: head(args, max), schedule, target: args.target }
    }

    /// With the load as measured by `query`, when that is known.
    fn text(&self, query: Option<&str>, comments: &str) -> String {
        let metrics = query.map(|query| self.metrics(query)).unwrap_or_default();
        format!("{comments}{}{}{metrics}", self.head, self.schedule)
    }

    fn metrics(&self, query: &str) -> String {
        let (query, target) = (json!(query), json!(self.target.to_string()));
        format!(
            "  metrics:\n  - name: qps\n    prometheus: {{query: {query}}}\n    target: {{averageValue: {target}}}\n"
        )
    }
}

/// What came of the policy and of others on the days that it was not learned from, by name.
fn tested(draft: &Draft, learned: &Learned, backtest: &Scenario) -> Result<Vec<(String, Scores)>, Failure> {
    let at = backtest.from.to_zoned(zone(backtest)).datetime();
    let replicas = |count: u32| Replicas::new(i32::try_from(count).unwrap_or(i32::MAX));
    let start = replicas(learned.level(at));
    let load = draft.metrics("load");
    let play = |text: String, initial: Replicas| -> Result<Scores, Failure> {
        let mut scenario = backtest.clone();
        scenario.plant.initial_replicas = initial;
        Candidate::read(Path::new("the learned policy"), text)?.enter(&mut scenario);
        Ok(simulation::run(&scenario).scores)
    };
    let fixed = |count: u32| -> Result<Scores, Failure> {
        let mut scenario = backtest.clone();
        scenario.plant.initial_replicas = replicas(count);
        let run: Run = Rival::read(&format!("static:{count}"))?
            .play(&scenario)
            .map_err(|unfit| Failure::Runtime(unfit.to_string()))?;
        Ok(run.scores)
    };
    Ok(vec![
        ("the schedule".to_owned(), play(format!("{}{}", draft.head, draft.schedule), start)?),
        (
            "the schedule and the load".to_owned(),
            play(format!("{}{}{load}", draft.head, draft.schedule), start)?,
        ),
        ("the load alone".to_owned(), play(format!("{}{load}", draft.head), start)?),
        (format!("{} replicas, the peak before", learned.peak), fixed(learned.peak)?),
        (format!("{} replicas, the best one number", learned.flat), fixed(learned.flat)?),
    ])
}

/// The days that were not learned from, and why.
fn aside(learned: &Learned) -> Option<String> {
    let days: Vec<String> = learned.aside.iter().map(ToString::to_string).collect();
    let (last, before) = days.split_last()?;
    let why = if before.is_empty() {
        "is far from all other days and hides"
    } else {
        "are far from all other days and hide"
    };
    let days = if before.is_empty() { last.clone() } else { format!("{} and {last}", before.join(", ")) };
    Some(format!("{days}, which {why} what they have in common."))
}

/// What was found, in comments.
fn found(args: &Args, learned: &Learned) -> String {
    let groups = match learned.groups.len() {
        1 => "every day alike",
        2 => "working days and weekends",
        _ => "each day of the week by itself",
    };
    let (first, last) = learned.days;
    let mut text = format!(
        "# Learned by `tidetable learn` from {first} to {last}: {groups}.\n# On days that were left out in turn it \
         saves {:.0} % of the cost of the best single number, {}.\n",
        100.0 * learned.saving,
        learned.flat
    );
    let (shortage, entry) = (args.shortage_cost, args.entry_cost);
    let _ = writeln!(
        text,
        "# A missing replica hour is taken to cost {shortage}, and an entry {entry} % of what that number does."
    );
    if learned.lead > 0 {
        let minutes = if learned.lead == 1 { "minute" } else { "minutes" };
        let _ = writeln!(
            text,
            "# Steps up come {} {minutes} ahead, for start-up and provisioning.",
            learned.lead
        );
    }
    if let Some(aside) = aside(learned) {
        let _ = writeln!(text, "# Without {aside}");
    }
    if !learned.unseen.is_empty() {
        let _ = writeln!(
            text,
            "# None of these days was seen ({}); they are taken to be like the others.",
            learned.unseen.cron()
        );
    }
    text
}

/// The same, and how it did afterwards.
fn comments(
    found: &str,
    tested: &[(String, Scores)],
    from: Timestamp,
    until: Timestamp,
    zone: &TimeZone,
) -> String {
    let [first, end] = [from, until].map(|at| at.to_zoned(zone.clone()));
    let last = end.datetime().checked_sub(SignedDuration::from_nanos(1)).unwrap_or(end.datetime());
    let mut text = found.to_owned();
    let _ = writeln!(text, "# From {} to {}, which it was not learned from:\n#", first.date(), last.date());
    let heads = ["", "lost %", "late %", "replica hours", "reversals"].map(str::to_owned).to_vec();
    let rows = tested.iter().map(|(name, scores)| {
        let percent = |part: f64| format!("{:.3}", 100.0 * part / scores.requests.max(f64::MIN_POSITIVE));
        vec![
            name.clone(),
            percent(scores.dropped_requests),
            percent(scores.late_requests),
            format!("{:.1}", scores.elasticity.replica_hours),
            scores.elasticity.reversals.to_string(),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    for line in aligned(&rows).lines() {
        let _ = writeln!(text, "{}", format!("#   {line}").trim_end());
    }
    text
}
