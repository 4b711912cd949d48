//! Writes `docs/comparison.md`: `make comparison TRACES=DIR`.
//!
//! Each trace is cut in half. From the first half a schedule is learned, and the size of a fixed deployment; the
//! second half is played. A sentence must stand under the table wherever a rival is better than tidetable, and
//! nowhere else: when the numbers change, this fails until the sentences fit them.

mod cases;
mod learn;
mod tune;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidetable::policy::parse_duration;
use tidetable::report::comparison;
use tidetable::simulation::rivals::Rival;
use tidetable::simulation::scenario::{self, Overrides, Trace};
use tidetable::simulation::traffic::Traffic;
use tidetable::simulation::{self, Run, Scenario};

use crate::cases::{CASES, Case, Score};

const PAGE: &str = "docs/comparison.md";
const DIRECTORY: &str = "simulations/comparison";

fn main() -> ExitCode {
    let Some(traces) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: comparison DIR");
        return ExitCode::from(2);
    };
    match page(&traces).and_then(|page| Ok(std::fs::write(PAGE, page)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn page(traces: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let (mut page, mut sections) = (cases::INTRODUCTION.to_owned(), String::new());
    let mut wrong = String::new();
    for case in CASES {
        let played = play(case, traces)?;
        page += &bought(case, &played.runs);
        sections += &section(case, &played);
        for score in Score::ALL {
            let better = score.better(&played.runs);
            let said: Vec<&str> = case.said(score);
            if better != said {
                let _ = writeln!(
                    wrong,
                    "{}, {}: better are {better:?}, the text says {said:?}",
                    case.name,
                    score.title()
                );
            }
        }
        eprintln!("{}\n{}", case.name, comparison::table(&played.runs));
    }
    page += cases::SOURCES;
    page += &sections;
    if wrong.is_empty() { Ok(page) } else { Err(wrong.into()) }
}

/// What tuning buys where there are days, beside the upstream autoscaler as it is and tuned: a line for each policy.
fn bought(case: &Case, runs: &[Run]) -> String {
    let found = |name: &str| runs.iter().find(|run| run.name == name);
    let mut text = String::new();
    if case.zone.is_none() {
        return text;
    }
    for name in ["tidetable, tuned", "tidetable, learned and tuned"] {
        let (Some(ours), Some(usual), Some(tuned)) = (found(name), found("hpa"), found("hpa, tuned")) else {
            continue;
        };
        let figures =
            |run: &Run| format!("{:.3} % and {:.0}", cases::failed(run), run.scores.elasticity.replica_hours);
        let _ = writeln!(
            text,
            "- {}, `{name}`: {}, beside {} of `hpa` ({}) and {} of `hpa, tuned` ({}).",
            case.title,
            figures(ours),
            figures(usual),
            beside(ours, usual),
            figures(tuned),
            beside(ours, tuned)
        );
    }
    text
}

/// How a run stands beside another one in what is late or lost, and in what it costs.
fn beside(ours: &Run, other: &Run) -> &'static str {
    let hours = |run: &Run| run.scores.elasticity.replica_hours;
    match (cases::failed(ours) < cases::failed(other), hours(ours) < hours(other)) {
        (true, true) => "better in both",
        (true, false) => "fewer late, at more cost",
        (false, true) => "cheaper, and late more often",
        (false, false) => "worse in both",
    }
}

struct Played {
    runs: Vec<Run>,
    command: String,
    from: Timestamp,
    length: SignedDuration,
}

fn play(case: &Case, traces: &Path) -> Result<Played, Box<dyn std::error::Error>> {
    let trace = traces.join(case.trace);
    let traffic = Traffic::from_file(&trace, case.scale)?;
    let (start, end) = (traffic.start(), traffic.end());
    let from = half(case, start, end);
    let highest = seconds(start, from).map(|at| traffic.qps(at)).fold(0.0, f64::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some dozens of replicas")]
    let peak = (highest / case.capacity_qps).ceil() as u32;
    let policy = learn::policy(case, &traffic, start, from, peak);
    std::fs::write(format!("{DIRECTORY}/{}.policy.yaml", case.name), policy)?;
    let length = SignedDuration::from_secs(end.duration_since(from).as_secs());
    let read = |from: Timestamp, length: SignedDuration| -> Result<Scenario, Box<dyn std::error::Error>> {
        let overrides = Overrides {
            trace: Some(Trace::File(trace.clone())),
            scale: Some(case.scale),
            from: Some(from.into()),
            length: Some(length.try_into()?),
            ..Overrides::default()
        };
        Ok(scenario::read(Path::new(&format!("{DIRECTORY}/{}.yaml", case.name)), &overrides)?)
    };
    let found = tune::find(case, &read(start, from.duration_since(start))?)?;
    let scenario = read(from, length)?;
    let fixed = format!("static:{peak}");
    let mut names =
        vec!["hpa".to_owned(), "keda".to_owned(), "knative".to_owned(), fixed, "oracle".to_owned()];
    let mut runs = vec![Run { name: "tidetable".to_owned(), ..simulation::run(&scenario) }];
    for name in &names {
        runs.push(Rival::read(name)?.play(&scenario)?);
    }
    let files = [
        ("tuned.policy", "tidetable, tuned", Some(found.tuned)),
        ("learned.policy", "tidetable, learned and tuned", found.learned),
        ("hpa", "hpa, tuned", Some(found.hpa)),
    ];
    for (file, name, text) in files {
        let Some(text) = text else { continue };
        let file = format!("{DIRECTORY}/{}.{file}.yaml", case.name);
        std::fs::write(&file, text)?;
        runs.push(Run { name: name.to_owned(), ..Rival::read(&file)?.play(&scenario)? });
        names.push(file);
    }
    let command = format!(
        "tidetable simulate {DIRECTORY}/{}.yaml --trace {} --scale {} --from {from} --length {} --compare {}",
        case.name,
        case.trace,
        case.scale,
        duration(length)?,
        names.join(",")
    );
    Ok(Played { runs, command, from, length })
}

/// The first local midnight after the middle of a trace; of one without a clock, the middle.
fn half(case: &Case, start: Timestamp, end: Timestamp) -> Timestamp {
    let middle = start + SignedDuration::from_secs(end.duration_since(start).as_secs() / 2);
    let zone = case.zone.and_then(|zone| TimeZone::get(zone).ok());
    let midnight =
        zone.and_then(|zone| middle.to_zoned(zone).tomorrow().and_then(|day| day.start_of_day()).ok());
    midnight.map_or(middle, |midnight| midnight.timestamp())
}

/// A length as the command line takes it.
fn duration(length: SignedDuration) -> Result<String, Box<dyn std::error::Error>> {
    let seconds = length.as_secs();
    let text = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')]
        .iter()
        .filter(|(count, _)| *count > 0)
        .fold(String::new(), |text, (count, unit)| format!("{text}{count}{unit}"));
    // A command on the page that can't be run would be worse than none.
    parse_duration(&text)?;
    Ok(text)
}

fn length(length: SignedDuration) -> String {
    let days = length.as_secs_f64() / 86_400.0;
    if days < 1.0 { format!("{} minutes", length.as_mins()) } else { format!("{days:.1} days") }
}

/// Instants ten seconds apart.
fn seconds(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    (0..).map(move |n| from + SignedDuration::from_secs(10 * n)).take_while(move |at| *at < to)
}

fn section(case: &Case, played: &Played) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", case.title, case.about);
    let _ = writeln!(
        text,
        "Played from {} for {}. One replica carries {} requests/s and should carry {}; demand is multiplied by {}.\n",
        played.from,
        length(played.length),
        case.capacity_qps,
        case.target_qps,
        case.scale
    );
    let heads = comparison::heads();
    let _ = writeln!(text, "| |{}", heads.map(|(head, unit)| format!(" {head}, {unit} |")).concat());
    let _ = writeln!(text, "|---|{}", "---:|".repeat(heads.len()));
    for run in &played.runs {
        let values = comparison::values(run).map(|value| format!(" {value} |")).concat();
        let _ = writeln!(text, "| {} |{values}", run.name);
    }
    text.push('\n');
    for reason in case.reasons {
        let _ = writeln!(text, "- {}", reason.text);
    }
    let _ = writeln!(text, "\n    {}", played.command);
    text
}
