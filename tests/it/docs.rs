//! What README and `docs/` show is true: every policy in them is valid and brings no warning, every table of a
//! baseline is what the schedule above it comes to, and every command exists.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use jiff::Timestamp;
use tidetable::cli::Cli;
use tidetable::decision::Schedule;
use tidetable::manifest::{self, Shelf};
use tidetable::policy::{lint, parse_cron};

/// README and the pages in `docs/`, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs =
        std::fs::read_dir(root.join("docs")).expect("docs/").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages.insert(0, root.join("README.md"));
    pages.into_iter().map(|page| (page.clone(), std::fs::read_to_string(page).expect("readable"))).collect()
}

/// A fenced block of a page.
struct Block {
    language: String,
    /// The line after the fence, from 1.
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), line: index + 2, text: String::new() });
            }
            (None, Some(block)) => {
                block.text += line;
                block.text += "\n";
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is open at the end");
    blocks
}

/// A block with one of our resources, or the `schedule` of a policy with 2 to 80 replicas; `None` for those of others.
fn resources(yaml: &str) -> Option<String> {
    let first = yaml.lines().find(|line| !line.trim_start().starts_with('#')).unwrap_or_default();
    if first.trim() != "schedule:" {
        return yaml.contains("tidetable.dev/v1alpha1").then(|| yaml.to_owned());
    }
    let depth = first.len() - first.trim_start().len();
    let lines: Vec<String> =
        yaml.lines().map(|line| format!("  {}\n", &line[depth.min(line.len())..])).collect();
    let schedule = lines.concat();
    Some(format!(
        "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {{name: web}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  minReplicas: 2\n  maxReplicas: 80\n\
         {schedule}"
    ))
}

/// The schedule of a block's policy, which is valid and brings no warning; `None` where there is only a calendar.
fn schedule(file: &Path, yaml: &str) -> Option<Schedule> {
    let documents = manifest::parse(file, yaml).unwrap_or_else(|mistakes| panic!("{mistakes}\n{yaml}"));
    let shelf = Shelf::of(&documents);
    let mut schedule = None;
    for document in &documents {
        assert!(document.is_policy() || document.is_calendar(), "{}: {yaml}", file.display());
        if document.is_policy() {
            let manifest = document.policy_with(shelf.calendars());
            let manifest = manifest.unwrap_or_else(|mistakes| panic!("{mistakes}\n{yaml}"));
            assert_eq!(manifest.missing_calendars, [], "{yaml}");
            let now = "2026-11-23T12:00:00Z".parse().expect("an instant");
            assert_eq!(lint(&manifest.resource.spec, &manifest.policy, now), [], "{yaml}");
            schedule = Some(manifest.policy.schedule);
        }
    }
    shelf.finish().unwrap_or_else(|mistakes| panic!("{mistakes}\n{yaml}"));
    schedule
}

/// Every row is what the schedule comes to, and no change between the first and the last is left out.
fn compare(place: &str, schedule: &Schedule, table: &str) {
    let row = |line: &str| -> (Timestamp, String) {
        let mut words = line.split_whitespace();
        let at = words.next().unwrap_or_default().parse();
        let at = at.unwrap_or_else(|error| panic!("{place}: {line}: {error}"));
        (at, words.next().unwrap_or_default().to_owned())
    };
    let rows: Vec<(Timestamp, String)> = table.lines().map(row).collect();
    for (at, expected) in &rows {
        let baseline = schedule.baseline(*at);
        assert_eq!(format!("{}..{}", baseline.floor, baseline.ceiling), *expected, "{place}: at {at}");
    }
    let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { panic!("{place}: no rows") };
    for change in schedule.timeline(*first, *last).transitions_after(*first) {
        let known = rows.iter().any(|(at, _)| *at == change.at);
        assert!(known, "{place}: {}..{} at {} is left out", change.floor, change.ceiling, change.at);
    }
}

#[test]
fn policies_in_the_docs_are_valid_bring_no_warning_and_come_to_what_is_said() {
    let (mut policies, mut tables) = (0, 0);
    for (file, page) in pages() {
        let mut last = None;
        for Block { language, line, text } in blocks(&page) {
            let place = format!("{}:{line}", file.display());
            match language.as_str() {
                "yaml" => {
                    last = resources(&text).and_then(|yaml| schedule(Path::new(&place), &yaml));
                    policies += usize::from(last.is_some());
                    let foreign = manifest::parse(Path::new(&place), &text);
                    foreign.unwrap_or_else(|mistakes| panic!("{mistakes}"));
                }
                "baseline" => {
                    let schedule = last.take().unwrap_or_else(|| panic!("{place}: of which policy?"));
                    compare(&place, &schedule, &text);
                    tables += 1;
                }
                // What a query gives; another test has a Prometheus for that.
                "text" => {}
                other => panic!("{place}: no test knows what {other:?} is"),
            }
        }
    }
    assert!(policies >= 17 && tables >= 14, "{policies} policies and {tables} tables are found");
}

#[test]
fn cron_expressions_in_the_docs_are_read_or_refused_as_is_said() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schedule.md"));
    let page = page.expect("readable");
    let (_, section) = page.split_once("## Cron expressions").expect("the section");
    let (section, _) = section.split_once("## Steps").expect("its end");
    let (read, refused) = section.split_once("Refused").expect("two tables");
    for (table, is_read, least) in [(read, true, 15), (refused, false, 12)] {
        let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
        let expressions: Vec<String> = cells
            .flat_map(|(cell, _)| {
                format!("`{cell}").split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        assert!(expressions.len() >= least, "{expressions:?}");
        for expression in expressions {
            assert_eq!(parse_cron(&expression).is_ok(), is_read, "{expression}");
        }
    }
}

/// What a page shows as code: indented and fenced lines, and spans of the text.
fn code(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_fenced = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced || line.starts_with("    ") {
            found.push(line.trim().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The words after `tidetable`, where code is such a command.
fn command(code: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = code.split_whitespace().collect();
    let words = words.strip_prefix(&["$"]).unwrap_or(&words);
    let after = words.strip_prefix(&["tidetable"]);
    let after = after.or_else(|| words.strip_prefix(&["cargo", "run", "--release", "--"]))?;
    Some(after.to_vec())
}

/// What is wrong with a command's words.
fn fault(cli: &Command, words: &[&str]) -> Option<String> {
    let (name, arguments) = words.split_first()?;
    let Some(subcommand) = cli.find_subcommand(name) else { return Some(format!("no subcommand {name}")) };
    let mut flags = arguments.iter().filter_map(|word| word.strip_prefix("--"));
    let unknown = flags.find(|flag| {
        let flag = flag.split('=').next().unwrap_or_default();
        let mut known = subcommand.get_arguments().chain(cli.get_arguments());
        flag != "help" && !known.any(|argument| argument.get_long() == Some(flag))
    });
    unknown.map(|flag| format!("{name} has no --{flag}"))
}

#[test]
fn commands_in_the_docs_exist() {
    let cli = Cli::command();
    let mut seen = 0;
    for (file, page) in pages() {
        for code in code(&page) {
            let Some(words) = command(&code) else { continue };
            seen += 1;
            assert_eq!(fault(&cli, &words), None, "{}: {code}", file.display());
        }
    }
    assert!(seen >= 10, "{seen} commands are found");
    for (code, wanted) in [
        ("$ tidetable preview web.yaml --form 2026-03-29", "preview has no --form"),
        ("tidetable previw web.yaml", "no subcommand previw"),
    ] {
        let words = command(code).expect("a command");
        assert_eq!(fault(&cli, &words).as_deref(), Some(wanted));
    }
}
