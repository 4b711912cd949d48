//! `tidetable check`: what is wrong with policies, calendars and scenarios, before a cluster or a simulation sees them.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Failure;
use crate::clock::Clock;
use crate::manifest::{self, Document, Mistake, Mistakes, PolicyManifest, Shelf};
use crate::policy::lint;
use crate::simulation::scenario::{self, Overrides};
use crate::zones;

/// Arguments of `tidetable check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// YAML files with ScalePolicies and ScaleCalendars (other kinds among them are passed over) or one scenario.
    /// Policies see the calendars of all files. Of a directory, all that end in .yaml or .yml
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Exit with 1 when there is a warning: something that is no mistake, and probably not meant
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let (zones, now) = (zones::current(), Clock::real().now());
    let mut warned = 0;
    if zones.is_old(now.to_zoned(TimeZone::UTC).date()) {
        let (version, origin) = (zones.version(), zones.origin());
        warn([format!("the rules of time zones, {version} {origin}, are over a year old: see --tzdata")]);
        warned += 1;
    }
    let mut mistakes = Vec::new();
    let files: Vec<PathBuf> =
        args.files.iter().map(|file| in_directory(file)).collect::<Result<Vec<_>, _>>()?.concat();
    let files: Vec<_> = files.iter().map(|file| (file, manifest::read(file))).collect();
    let shelf = Shelf::of(files.iter().flat_map(|(_, documents)| documents.iter().flatten()));
    for (file, documents) in &files {
        let documents = documents.as_ref().map_err(Clone::clone);
        let mut warnings = Vec::new();
        match documents.and_then(|documents| check(file, documents, &shelf, now, &mut warnings)) {
            Ok(found) => writeln!(out, "{}: {found}", file.display())?,
            Err(Mistakes(found)) => mistakes.extend(found),
        }
        warn(&warnings);
        warned += warnings.len();
    }
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes).into());
    }
    match warned {
        1 if args.deny_warnings => {
            Err(Failure::Check("1 warning, and --deny-warnings allows none".to_owned()))
        }
        2.. if args.deny_warnings => {
            Err(Failure::Check(format!("{warned} warnings, and --deny-warnings allows none")))
        }
        _ => Ok(()),
    }
}

/// The YAML files of a directory in the order of their names, or the file itself.
fn in_directory(file: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !file.is_dir() {
        return Ok(vec![file.to_owned()]);
    }
    let unreadable = |error: std::io::Error| Failure::BadInput(format!("{}: {error}", file.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(file).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::BadInput(format!("{}: no *.yaml or *.yml in this directory", file.display())));
    }
    files.sort();
    Ok(files)
}

/// Says what is no mistake, and may be one. Nothing else may fail because nobody reads warnings.
pub(super) fn warn(warnings: impl IntoIterator<Item: Display>) {
    for warning in warnings {
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
}

/// What a file holds, or everything that is wrong with it. What is probably not meant goes to `warnings`, in the
/// order of the file; the policy of a scenario has a file of its own for that.
fn check(
    file: &Path,
    documents: &[Document],
    shelf: &Shelf,
    now: Timestamp,
    warnings: &mut Vec<Mistake>,
) -> Result<String, Mistakes> {
    if documents.iter().any(scenario::is_scenario) {
        let overrides = Overrides { is_check: true, ..Overrides::default() };
        warnings.extend(scenario::read(file, &overrides)?.missing_calendars);
        return Ok("ok, a scenario".to_owned());
    }
    let mut mistakes = shelf.mistakes_in(file);
    mistakes.extend(documents.iter().filter_map(Document::misnamed));
    let mut policies = 0;
    for document in documents.iter().filter(|document| document.is_policy()) {
        policies += 1;
        match document.policy_with(shelf.calendars()) {
            Ok(PolicyManifest { resource, policy, missing_calendars }) => {
                let lints = lint(&resource.spec, &policy, now).into_iter();
                warnings.extend(missing_calendars);
                warnings.extend(lints.map(|warning| document.mistake(&warning.path, warning.problem)));
            }
            Err(Mistakes(found)) => mistakes.extend(found),
        }
    }
    warnings.sort_by_key(|warning| warning.place);
    let calendars = documents.iter().filter(|document| document.is_calendar()).count();
    if policies + calendars == 0 && mistakes.is_empty() {
        mistakes.push(nothing(file, documents.first()));
    }
    mistakes.sort_by_key(|mistake| mistake.place);
    let counts = [(policies, "policy", "policies"), (calendars, "calendar", "calendars")];
    let counts = counts.iter().filter(|(count, ..)| *count > 0);
    let counts = counts.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }));
    let counts: Vec<String> = counts.collect();
    if mistakes.is_empty() { Ok(format!("ok, {}", counts.join(", "))) } else { Err(Mistakes(mistakes)) }
}

fn nothing(file: &Path, document: Option<&Document>) -> manifest::Mistake {
    let problem = "neither a ScalePolicy or ScaleCalendar (kind) nor a scenario (policy, traffic, plant)";
    match document {
        Some(document) => document.mistake("", problem),
        None => manifest::Mistake {
            file: file.to_owned(),
            place: None,
            path: String::new(),
            problem: "the file is empty".to_owned(),
        },
    }
}
