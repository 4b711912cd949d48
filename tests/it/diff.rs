//! `tidetable diff` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const POLICY: &str = "simulations/web-day.policy.yaml";
const SCENARIO: [&str; 4] = ["--scenario", "simulations/web-day.yaml", "--length", "12h"];

fn diff(old: &str, new: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.args(["diff", old, new]).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The policy of the day in which one text is replaced, as a file.
fn changed(directory: &Path, from: &str, to: &str) -> String {
    let policy =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(POLICY)).expect("a policy");
    assert!(policy.contains(from), "{policy}");
    let file = directory.join("new.yaml");
    std::fs::write(&file, policy.replace(from, to)).expect("written");
    file.display().to_string()
}

fn scores(policy: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    let arguments = ["simulate", "simulations/web-day.yaml", "--length", "12h", "--compare", policy];
    command.args(arguments).args(["--output", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("the binary starts");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn both_have_the_scores_that_simulate_gives_them_and_the_change_is_the_difference() {
    let directory = tempfile::tempdir().expect("a directory");
    let new = changed(directory.path(), "WindowSeconds: 30\n", "WindowSeconds: 900\n");
    let output = diff(POLICY, &new, &[&SCENARIO[..], &["--output", "json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let expected = scores(&new);
    for name in ["dropped_requests", "replica_hours", "reversals", "tau_u_percent"] {
        assert_eq!(json["before"][name], expected[name], "{name}");
        assert_eq!(json["after"][name], expected["compared"][1][name], "{name}");
        let number = |part: &str| json[part][name].as_f64().expect("a number");
        assert!((number("change") - (number("after") - number("before"))).abs() < 1e-9, "{name}");
    }
    let dropped = |part: &str| json[part]["dropped_requests"].as_f64().expect("a number");
    assert!(
        dropped("after") > dropped("before"),
        "who waits for 15 minutes before scaling up loses requests"
    );
}

#[test]
fn a_policy_beside_itself_differs_nowhere() {
    let output = diff(POLICY, POLICY, &[&SCENARIO[..], &["--limit", "replica_hours <= +0"]].concat());
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(table.contains("The replicas are the same at every tick."), "{table}");
    for line in table.lines().skip(1).take_while(|line| !line.is_empty()) {
        assert!(line.ends_with("  0"), "{line}");
    }
}

#[test]
fn who_limits_what_is_late_hears_that_nothing_can_be() {
    let warning = "warning: --limit: nothing is late in web-day, whatever the policy does: without a queue";
    for (limit, is_warned) in [("late_percent <= 0.1", true), ("dropped_percent <= 50", false)] {
        let output = diff(POLICY, POLICY, &[&SCENARIO[..], &["--limit", limit]].concat());
        assert_eq!(text(&output.stderr).contains(warning), is_warned, "{}", text(&output.stderr));
    }
}

#[test]
fn a_broken_limit_is_a_failed_check_and_markdown_says_which() {
    let directory = tempfile::tempdir().expect("a directory");
    let new = changed(directory.path(), "WindowSeconds: 30\n", "WindowSeconds: 900\n");
    let limits =
        ["--limit", "dropped_requests <= +10%", "--limit", "peak_replicas <= 60", "--output", "markdown"];
    let output = diff(POLICY, &new, &[&SCENARIO[..], &limits].concat());
    let (page, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("--limit: dropped_requests <= +10% does not hold: "), "{error}");
    assert!(!error.contains("peak_replicas"), "{error}");
    assert!(
        page.contains("- ❌ dropped_requests <= +10%") && page.contains("- ✅ peak_replicas <= 60"),
        "{page}"
    );
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 3);
    assert_eq!(rows.count(), 11, "a head and ten scores\n{page}");
}

#[test]
fn a_trace_is_enough_to_play_both() {
    let directory = tempfile::tempdir().expect("a directory");
    let trace = directory.path().join("trace.csv");
    let rows = (0..200).map(|i| format!("{},{}", 1_764_000_000 + i * 60, 500 + i % 50 * 40));
    let rows = std::iter::once("timestamp,qps".to_owned()).chain(rows).collect::<Vec<_>>();
    std::fs::write(&trace, rows.join("\n")).expect("written");
    let trace = trace.display().to_string();
    let new = changed(directory.path(), "WindowSeconds: 30\n", "WindowSeconds: 900\n");
    let run = |arguments: &[&str]| {
        let output = diff(POLICY, &new, &[&["--trace", &trace, "--output", "json"], arguments].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let dropped = |json: &Value| json["before"]["dropped_requests"].as_f64().expect("a number");
    let (usual, strong) = (run(&[]), run(&["--capacity-per-replica", "100000"]));
    assert!(dropped(&usual) > 0.0 && dropped(&strong) < 1e-6, "{} {}", dropped(&usual), dropped(&strong));
}

#[test]
fn what_is_missing_or_wrong_is_bad_input() {
    for (new, arguments, told) in [
        (POLICY, &[][..], "say what to play both with: --scenario"),
        ("none.yaml", &SCENARIO[..], "none.yaml: No such file"),
        (POLICY, &["--trace", "none.csv"][..], "none.csv"),
        (POLICY, &["--trace", "none.csv", "--limit", "speed <= 3"][..], "no score has this name"),
        ("simulations/web-day.yaml", &SCENARIO[..], "simulations/web-day.yaml"),
    ] {
        let output = diff(POLICY, new, arguments);
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{error}");
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_calendar_that_both_policies_miss_is_missed_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let new = changed(directory.path(), "  schedule:\n", "  schedule:\n    exceptDates: [days-off]\n");
    let other = directory.path().join("other.yaml").display().to_string();
    std::fs::copy(&new, &other).expect("copied");
    for (old, new) in [(&new, &new), (&new, &other), (&POLICY.to_owned(), &new)] {
        let output = diff(old, new, &SCENARIO);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let warnings = text(&output.stderr);
        assert_eq!(warnings.matches("the ScaleCalendar days-off is not among").count(), 1, "{warnings}");
    }
}

#[test]
fn a_trace_that_ends_too_early_is_said_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let trace = directory.path().join("hour.csv");
    let rows = (0..=60).map(|minute| format!("{},500", 1_763_856_000 + minute * 60));
    let rows: Vec<String> = std::iter::once("timestamp,qps".to_owned()).chain(rows).collect();
    std::fs::write(&trace, rows.join("\n")).expect("written");
    let policy = "simulations/web-day.policy.yaml";
    let asked = ["--scenario", "simulations/web-day.yaml", "--trace", &trace.display().to_string()];
    let output = diff(policy, policy, &asked);
    let said = text(&output.stderr);
    assert!(said.contains("warning: the trace ends 1h"), "{said}");
    assert_eq!(said.matches("warning:").count(), 1, "{said}");
}
