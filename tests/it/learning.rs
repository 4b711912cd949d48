//! `tidetable learn` as people run it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

fn tidetable(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.args(arguments).current_dir(directory);
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Four weeks from a Monday on, a value every five minutes; from the fourth week on as `last` has it.
fn history(last: impl Fn(u32) -> u32) -> String {
    let mut csv = String::from("timestamp,qps\n");
    for step in 0..28 * 288 {
        let hour = step / 12 % 24;
        let usual = if (7..19).contains(&hour) { 1900 + step % 3 * 20 } else { 300 };
        let qps = if step >= 21 * 288 { last(usual) } else { usual };
        let _ = writeln!(csv, "{},{qps}", 1_772_409_600 + step * 300);
    }
    csv
}

fn learn(directory: &Path, csv: &str, more: &[&str]) -> Output {
    std::fs::write(directory.join("history.csv"), csv).expect("written");
    let mut usual = vec!["learn", "--trace", "history.csv", "--startup", "2m"];
    if !more.contains(&"--target") {
        usual.extend(["--target", "100"]);
    }
    tidetable(directory, &[&usual, more].concat())
}

#[test]
fn the_policy_passes_check_and_says_how_it_did_on_days_that_it_never_saw() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = learn(directory.path(), &history(|usual| usual), &["--write", "web.yaml", "--name", "shop"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let checked = tidetable(directory.path(), &["check", "web.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let policy = std::fs::read_to_string(directory.path().join("web.yaml")).expect("written");
    for line in [
        "metadata: {name: \"shop\", namespace: \"default\"}",
        "    - {name: daily-0658, cron: \"58 6 * * *\", replicas: 20}",
        "    - {name: daily-1900, cron: \"0 19 * * *\", replicas: 3}",
        "# From 2026-03-23 to 2026-03-29, which it was not learned from:",
        "# A missing replica hour is taken to cost 19, and an entry 0.5 % of what that number does.",
        "# Steps up come 2 minutes ahead, for start-up and provisioning.",
    ] {
        assert!(policy.lines().any(|found| found == line), "no {line:?} in\n{policy}");
    }
    let schedule = policy.lines().find(|line| line.starts_with("#   the schedule  ")).expect("a backtest");
    assert!(schedule.split_whitespace().any(|word| word == "0.000"), "{schedule}");

    // Another last week is another backtest, and the same policy.
    let spec =
        |policy: &str| policy.lines().filter(|line| !line.starts_with("#   ")).collect::<Vec<_>>().join("\n");
    let output = learn(directory.path(), &history(|usual| usual * 4), &["--name", "shop"]);
    let busy = text(&output.stdout);
    assert_eq!(spec(&busy), spec(&policy));
    assert_ne!(busy, policy);
}

#[test]
fn a_day_that_is_far_off_is_named_and_the_days_held_out_have_no_say_in_that() {
    let directory = tempfile::tempdir().expect("a directory");
    let with_sale = |last: fn(u32) -> u32| {
        let row = |(index, row): (usize, &str)| match row.split_once(',') {
            // The ninth day, after a line of names.
            Some((at, qps)) if (index.saturating_sub(1)) / 288 == 8 => {
                format!("{at},{}\n", 6 * qps.parse::<u32>().expect("a number"))
            }
            _ => format!("{row}\n"),
        };
        history(last).lines().enumerate().map(row).collect::<String>()
    };
    let learned = |last| {
        let output = learn(directory.path(), &with_sale(last), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let (policy, warning) = learned(|usual| usual);
    let day = "2026-03-10, which is far from all other days and hides what they have in common.\n";
    assert!(policy.contains(&format!("# Without {day}")), "{policy}");
    assert!(policy.contains("{name: daily-0658, cron: \"58 6 * * *\", replicas: 20}"), "{policy}");
    assert_eq!(warning, format!("warning: learned without {day}"));
    std::fs::write(directory.path().join("web.yaml"), &policy).expect("written");
    let checked = tidetable(directory.path(), &["check", "web.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let without_scores = |policy: &str| -> Vec<String> {
        policy.lines().filter(|line| !line.starts_with("#   ")).map(str::to_owned).collect()
    };
    let (other, _) = learned(|usual| usual * 20);
    assert_eq!(without_scores(&other), without_scores(&policy));
    assert_ne!(other, policy);
}

#[test]
fn no_pattern_is_said_so_and_nothing_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let flat = (0..28 * 288).fold(String::new(), |mut csv, step| {
        let _ = writeln!(csv, "{},500", 1_772_409_600 + step * 300);
        csv
    });
    let output = learn(directory.path(), &flat, &["--write", "web.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("# no pattern worth a schedule"), "{}", text(&output.stdout));
    assert!(!directory.path().join("web.yaml").exists());
}

#[test]
fn the_bounds_are_those_that_a_policy_can_have() {
    let directory = tempfile::tempdir().expect("a directory");
    let csv = history(|usual| usual);
    // The busiest slot needs 97,000; half as many again are too many.
    let output = learn(directory.path(), &csv, &["--write", "web.yaml", "--target", "0.02"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let policy = std::fs::read_to_string(directory.path().join("web.yaml")).expect("written");
    assert!(policy.contains("\n  maxReplicas: 100000\n"), "{policy}");
    let checked = tidetable(directory.path(), &["check", "web.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));

    for target in ["0.019", "1e-300"] {
        let output = learn(directory.path(), &csv, &["--target", target]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{target}: {said}");
        assert!(said.contains("--target: the busiest slot needs more than 100000 replicas"), "{said}");
    }
    let output = learn(directory.path(), &csv, &["--target", "0.019", "--max-replicas", "100000"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_gap_is_said_not_to_be_learned_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let csv = history(|usual| usual);
    let kept = csv.lines().enumerate().filter(|(line, _)| !(3000..3030).contains(line)).map(|(_, row)| row);
    let output = learn(directory.path(), &kept.collect::<Vec<_>>().join("\n"), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.contains("in 1 place"), "{said}");
    assert!(
        said.contains("what was needed there is not learned, and in the backtest the value before holds on"),
        "{said}"
    );
}

#[test]
fn what_can_not_be_learned_from_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let csv = history(|usual| usual);
    for (more, problem) in [
        (["--slot", "7m"], "must be 5m, 10m, 15m, 20m, 30m or 1h"),
        (["--time-zone", "Europe/Berlln"], "Europe/Berlln"),
        (["--provisioning", "25h"], "must be a day at most"),
        (["--name", "Shop Front"], "metadata.name"),
        (["--max-replicas", "0"], "0 is not in 1..=100000"),
        (["--write", "./history.csv"], "--trace and --write: both are ./history.csv"),
        (["--repeat", "2"], "unexpected argument '--repeat'"),
        (["--calendars", "days.yaml"], "unexpected argument '--calendars'"),
        (["--length", "2d"], "such as 90s, 2h or 1h30m; 2d is 48h"),
    ] {
        let output = learn(directory.path(), &csv, &more);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {said}");
        assert!(said.contains(problem), "{more:?}: {said}");
    }
    let few =
        ["--prometheus", "http://127.0.0.1:1", "--query", "up", "--target", "100", "--time-zone", "UTC"];
    let output = tidetable(directory.path(), &[&["learn"], few.as_slice()].concat());
    assert!(text(&output.stderr).contains("--from: needed with --prometheus"), "{}", text(&output.stderr));
    // Two days say nothing of a pattern, neither that there is one nor that there is none.
    let rows: Vec<&str> = csv.lines().take(600).collect();
    let output = learn(directory.path(), &rows.join("\n"), &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    assert!(text(&output.stderr).contains("give a longer history"), "{}", text(&output.stderr));
    let output = tidetable(directory.path(), &["learn", "--target", "100"]);
    assert!(text(&output.stderr).contains("--trace FILE, or --prometheus URL"), "{}", text(&output.stderr));
}

#[test]
fn two_days_of_a_sale_hide_nothing_and_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut csv = String::from("timestamp,qps\n");
    for slot in 0..28 * 288 {
        let times = if (9..11).contains(&(slot / 288)) { 30 } else { 1 };
        let level = if (96..216).contains(&(slot % 288)) { 1450 } else { 230 };
        // A few hundredths up and down.
        let qps = times * (level + level * (slot * 7919 % 61) / 1000);
        let _ = writeln!(csv, "{},{qps}", 1_788_134_400 + slot * 300);
    }
    std::fs::write(directory.path().join("two.csv"), csv).expect("written");
    let output = tidetable(directory.path(), &["learn", "--trace", "two.csv", "--target", "100"]);
    let (said, policy) = (text(&output.stderr), text(&output.stdout));
    let why =
        "2026-09-09 and 2026-09-10, which are far from all other days and hide what they have in common.";
    assert!(said.contains(&format!("warning: learned without {why}")), "{said}");
    assert!(policy.contains(&format!("# Without {why}\n")), "{policy}");
    assert!(policy.contains("replicas: 16}") && policy.contains("replicas: 3}"), "{policy}");
}

#[test]
fn a_week_is_seven_days_also_when_the_clocks_change() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut csv = String::from("timestamp,qps\n");
    for slot in 0..29 * 96 {
        let level = if (32..72).contains(&(slot % 96)) { 1450 } else { 230 };
        let _ = writeln!(csv, "{},{}", 1_791_151_200 + slot * 900, level + slot * 7919 % 13);
    }
    std::fs::write(directory.path().join("autumn.csv"), csv).expect("written");
    let asked =
        ["learn", "--trace", "autumn.csv", "--target", "100", "--time-zone", "Europe/Berlin", "--weeks", "1"];
    let output = tidetable(directory.path(), &[asked.as_slice(), &["--to", "2026-11-02"]].concat());
    let said = text(&output.stdout);
    assert!(
        said.starts_with("# Learned by `tidetable learn` from 2026-10-19 to 2026-10-25: every day"),
        "{said}"
    );
}
