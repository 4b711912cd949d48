//! `tidetable preview`: the coming baseline of a policy, offline.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::files::{writable, write};
use super::simulate::terminal_width;
use super::time::{instant, whole_second};
use super::{Failure, check};
use crate::clock::Clock;
use crate::manifest::{self, Document, Mistake, Mistakes, PolicyManifest, Shelf};
use crate::report::preview::{Preview, json};
use crate::report::{html, terminal};
use crate::zones;

/// Arguments of `tidetable preview`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A YAML file with one ScalePolicy, and perhaps ScaleCalendars; other kinds in it are passed over
    #[arg(value_name = "POLICY.yaml")]
    policy: PathBuf,
    /// A YAML file with ScaleCalendars that the policy names; may be given several times
    #[arg(long, value_name = "FILE")]
    calendars: Vec<PathBuf>,
    /// Look ahead from here: an instant (RFC 3339), or a date or date and time in the zone shown, such as
    /// 2026-03-29 or 2026-03-29T07:00 [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Look ahead this many days of the zone shown
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(i32).range(1..=3660))]
    days: i32,
    /// Show times of this zone [default: the schedule's]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Write one self-contained page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// A chart, the changes and the clock changes, for people
    Table,
    /// The changes and the clock changes, for programs
    Json,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let manifest = read(&args.policy, &args.calendars)?;
    let zone = zone(args, &manifest)?;
    let from = match &args.from {
        Some(text) => instant(text, &zone).ok_or_else(|| not_a_time(text))?,
        None => whole_second(Clock::real().now()),
    };
    let to = from.to_zoned(zone.clone()).checked_add(args.days.days());
    let to = to.map_or(Timestamp::MAX, |to| to.timestamp());
    let inputs = args.calendars.iter().map(|file| ("--calendars", file));
    writable(inputs.chain([("the policy", &args.policy)]), args.html.iter().map(|file| ("--html", file)))?;
    check::warn(&manifest.missing_calendars);
    let preview = Preview::new(name(&manifest), &manifest.policy, zone, from, to);
    let tzdb = zones::current().version();
    if let Some(file) = &args.html {
        write(file, &html::preview::page(&preview, tzdb))?;
    }
    let text = match args.output {
        Output::Table => {
            let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            terminal::preview::text(&preview, terminal_width(), color)
        }
        Output::Json => {
            let failed = |error| Failure::Runtime(format!("can't write the preview: {error}"));
            json::text(&preview, tzdb).map_err(failed)? + "\n"
        }
    };
    // In one piece: standard output would be flushed after every line.
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The one policy of a file, which has a schedule.
/// The policy of `file`, which may name the calendars beside it and those of the other files.
fn read(file: &Path, calendars: &[PathBuf]) -> Result<PolicyManifest, Mistakes> {
    let documents = manifest::read(file)?;
    let others = manifest::read_all(calendars)?;
    let shelf = Shelf::of(documents.iter().chain(&others));
    let policies: Vec<&Document> = documents.iter().filter(|document| document.is_policy()).collect();
    let (mut good, mut mistakes) = (Vec::new(), Vec::new());
    for document in &policies {
        match document.policy_with(shelf.calendars()) {
            Ok(manifest) => good.push(manifest),
            Err(Mistakes(found)) => mistakes.extend(found),
        }
    }
    mistakes.extend(shelf.finish().err().into_iter().flat_map(|Mistakes(found)| found));
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    let refused = |document: Option<&Document>, path: &str, problem: &str| match document {
        Some(document) => document.mistake(path, problem),
        None => {
            Mistake { file: file.to_owned(), place: None, path: String::new(), problem: problem.to_owned() }
        }
    };
    match (good.pop(), policies.as_slice()) {
        (Some(manifest), [_]) if manifest.resource.spec.schedule.is_some() => Ok(manifest),
        (Some(_), [policy]) => {
            let problem = "the policy has no schedule, so there is no baseline to look ahead on";
            Err(refused(Some(policy), "spec", problem).into())
        }
        (_, [_, second, ..]) => {
            let problem = "a second ScalePolicy; a preview is of one policy, so give it a file of its own";
            Err(refused(Some(second), "", problem).into())
        }
        (_, [] | [_]) => {
            Err(refused(documents.first(), "", "no ScalePolicy (kind: ScalePolicy) in this file").into())
        }
    }
}

fn name(manifest: &PolicyManifest) -> String {
    let metadata = &manifest.resource.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    match &metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// The zone in which times are shown.
fn zone(args: &Args, manifest: &PolicyManifest) -> Result<TimeZone, Failure> {
    let schedule = manifest.resource.spec.schedule.as_ref();
    let name = args.zone.as_deref().or(schedule.map(|schedule| schedule.time_zone.as_str())).unwrap_or("UTC");
    zones::current().get(name).map_err(|problem| Failure::BadInput(format!("--zone: {problem}")))
}

fn not_a_time(text: &str) -> Failure {
    let right =
        "an instant (2026-03-29T07:00:00Z), a date (2026-03-29) or a local date and time (2026-03-29T07:00)";
    Failure::BadInput(format!("--from: {text:?} is not {right}"))
}
