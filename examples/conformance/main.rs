//! Runs case tables through the crate's public API: `make conformance CONFORMANCE_DIR=DIR`.
//!
//! Every `*.jsonl` file below DIR is run by its name; traces that rows name are looked for in DIR/../traces.
//! Prints a line `FILE passed/total` each and every failing row. Rows and files that are not run are
//! counted and named with the reason. Exit 1 on any failure, when no row of a file is run or nobody knows
//! its name, and when there was no case at all.

mod cron;
mod hpa;
mod rival;
mod scores;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

/// What came of one row.
enum Verdict {
    Passed,
    Failed(String),
    /// Not a case for us, and why.
    NotRun(&'static str),
}

impl Verdict {
    fn equal<T: PartialEq + std::fmt::Debug>(got: &T, expected: &T) -> Self {
        if got == expected {
            Self::Passed
        } else {
            Self::Failed(format!("expected {expected:?}, got {got:?}"))
        }
    }

    /// Of two who should give the same answer, as far as the row is a case for them.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed(problem), _) | (_, Self::Failed(problem)) => Self::Failed(problem),
            (Self::Passed, _) | (_, Self::Passed) => Self::Passed,
            (Self::NotRun(reason), Self::NotRun(_)) => Self::NotRun(reason),
        }
    }
}

/// Why a whole file is not run.
enum Skipped {
    /// It is no case for us, and why.
    OnPurpose(&'static str),
    /// Nobody knows what it is.
    Unknown,
}

type Case<'a> = Box<dyn Fn(&Value) -> Verdict + 'a>;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: conformance DIR");
        return ExitCode::from(2);
    };
    match run(&directory) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn run(directory: &Path) -> Result<bool, Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    find(directory, &mut files).map_err(|error| format!("{}: {error}", directory.display()))?;
    files.sort();
    let traces = directory.join("../traces");
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failures) = (0, 0);
    for file in files {
        let name = file.strip_prefix(directory).unwrap_or(&file).display().to_string();
        let stem = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let rows = std::fs::read_to_string(&file)?;
        let case = match case_for(stem, &traces) {
            Ok(case) => case,
            Err(Skipped::OnPurpose(reason)) => {
                writeln!(out, "{name} not run, {} rows: {reason}", rows.lines().count())?;
                continue;
            }
            Err(Skipped::Unknown) => {
                writeln!(out, "{name} 0/0\n  no table of this name is known")?;
                failures += 1;
                continue;
            }
        };
        let tally = run_file(&name, &rows, &case, &mut out)?;
        passed += tally.0;
        failures += tally.1;
    }
    writeln!(out, "{passed} passed, {failures} failed")?;
    Ok(failures == 0 && passed > 0)
}

/// Runs the rows of one file; gives (passed, failed). A file without any row has failed.
fn run_file(
    name: &str,
    rows: &str,
    case: &Case<'_>,
    out: &mut impl Write,
) -> Result<(usize, usize), Box<dyn std::error::Error>> {
    let (mut passed, mut failures) = (0, Vec::new());
    let mut not_run: Vec<(&str, usize)> = Vec::new();
    for (index, line) in rows.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: Value =
            serde_json::from_str(line).map_err(|error| format!("{name}:{}: {error}", index + 1))?;
        match case(&row) {
            Verdict::Passed => passed += 1,
            Verdict::Failed(problem) => {
                let label = row["name"].as_str().or(row["expr"].as_str()).unwrap_or("row");
                failures.push(format!("  {name}:{} {label:?}: {problem}", index + 1));
            }
            Verdict::NotRun(reason) => match not_run.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => not_run.push((reason, 1)),
            },
        }
    }
    let total = passed + failures.len();
    writeln!(out, "{name} {passed}/{total}")?;
    if total == 0 {
        failures.push("  no row of it is run".to_owned());
    }
    for (reason, count) in not_run {
        writeln!(out, "  not run, {count} rows: {reason}")?;
    }
    for failure in &failures {
        writeln!(out, "{failure}")?;
    }
    Ok((passed, failures.len()))
}

/// The runner of a file, by its name; extensions in between (`golden_sim.public.jsonl`) do not matter.
fn case_for<'a>(file: &str, traces: &'a Path) -> Result<Case<'a>, Skipped> {
    let stem = file.strip_suffix(".jsonl").unwrap_or(file);
    let base = if stem.starts_with("invalid.") { stem } else { stem.split('.').next().unwrap_or(stem) };
    Ok(match base {
        "next_prev" => Box::new(cron::next_prev),
        _ if base.starts_with("invalid.") => Box::new(cron::refused),
        "disagreements" => return Err(Skipped::OnPurpose("implementations differ; for reading")),
        "behavior_limit" => Box::new(hpa::behavior_limit),
        "behavior_rate" => Box::new(hpa::behavior_rate),
        "stabilize_behavior" => Box::new(hpa::stabilize_behavior),
        "golden_oneshot" => Box::new(hpa::golden_oneshot),
        "golden_sim" => Box::new(|row| hpa::golden_sim(row, traces).and(rival::golden_sim(row, traces))),
        "metric_replicas" => Box::new(|row| match row["metric_source"].as_str() {
            Some("pods") => rival::metric_replicas(row),
            _ => hpa::metric_replicas(row),
        }),
        "controller_metric" => Box::new(|row| hpa::controller_metric(row).and(rival::controller_metric(row))),
        "store_scale_events" => Box::new(rival::store_scale_events),
        "stabilize_no_behavior" => Box::new(rival::stabilize_no_behavior),
        "no_behavior_clamp" => Box::new(rival::no_behavior_clamp),
        "elasticity" => Box::new(scores::elasticity),
        "metric_vectors" => Box::new(scores::metric_vectors),
        _ => return Err(Skipped::Unknown),
    })
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fails_when_nobody_knows_it_or_none_of_its_rows_is_run() {
        let good = r#"{"expr": "61 * * * *"}"#;
        let other = r#"{"metric_source": "pods", "pod_phase": ["Running"]}"#;
        for (tables, passes) in [
            (&[("invalid.x.jsonl", good)] as &[(&str, &str)], true),
            (&[("invalid.x.jsonl", good), ("disagreements.jsonl", good)], true),
            (&[("invalid.x.jsonl", good), ("next_prev_.jsonl", good)], false),
            (&[("invalid.x.jsonl", good), ("next_prev.jsonl", "")], false),
            (&[("invalid.x.jsonl", good), ("metric_replicas.jsonl", other)], false),
            (&[("invalid.x.jsonl", good), ("golden_oneshot.jsonl", r#"{"kind": "new"}"#)], false),
            (&[("disagreements.jsonl", good)], false),
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            for (name, rows) in tables {
                std::fs::write(directory.path().join(name), rows).expect("written");
            }
            assert_eq!(run(directory.path()).expect("readable"), passes, "{tables:?}");
        }
    }
}
