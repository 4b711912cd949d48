//! The command as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

fn tidetable(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_crds_that_are_checked_in_are_the_ones_that_are_printed() {
    let mut printed = Vec::new();
    for name in ["scalepolicies", "scalecalendars"] {
        let output = tidetable(&["crd", name]);
        assert!(output.status.success());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crds/{name}.yaml"));
        assert_eq!(text(&output.stdout), std::fs::read_to_string(path).expect("checked in"), "run make crd");
        printed.push(text(&output.stdout));
    }
    assert_eq!(text(&tidetable(&["crd"]).stdout), printed.join("---\n"), "all of them are documents of one");
}

#[test]
fn check_takes_the_files_that_are_shipped() {
    let shipped =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations")).expect("simulations");
    let mut files: Vec<String> = shipped
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut arguments = vec!["check"];
    arguments.extend(files.iter().map(String::as_str));
    let output = tidetable(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), files.len());
}

#[test]
fn check_names_file_line_column_path_and_what_would_be_right_and_exits_with_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("web.yaml");
    let manifest = "\
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 8
  schedule:
    timezone: Europe/Berlin
    entries:
    - {name: day, cron: '0 7 * * *', replicas: 12}
";
    std::fs::write(&file, manifest).expect("written");
    let name = file.display().to_string();
    let output = tidetable(&["check", &name]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        format!(
            "{name}:8:5: spec.schedule.timezone: unknown field; did you mean timeZone?\n\
             {name}:10:38: spec.schedule.entries[0].replicas: 12 is more than spec.maxReplicas, which is 8\n"
        )
    );
}

#[test]
fn check_reports_every_mistake_of_a_scenario_and_of_its_policy_in_the_order_of_the_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let policy = "\
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {namespace: shop}
spec:
  maxReplicas: 8
  maxReplicas: 9
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  schedule: {timeZone: Berlin, entries: [{name: day, cron: '0 7 * * *', replicas: '2'}]}
";
    let scenario = "\
policy: policy.yaml
from: 2026-11-23
lenght: 1 hour
seed: -1
traffic:
- constant: lots
- diurnal: {low: 1, high: 2, peak: 25:00}
- {constant: 1, noise: {relative: 0.1}}
plant: {startup: 30, capacityPerReplica: 0}
";
    std::fs::write(path("policy.yaml"), policy).expect("written");
    std::fs::write(path("day.yaml"), scenario).expect("written");
    let name = path("day.yaml").display().to_string();
    let output = tidetable(&["check", &name]);
    assert_eq!(output.status.code(), Some(2));
    let found: Vec<String> = text(&output.stderr)
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{}/", directory.path().display())).map(str::to_owned))
        .collect();
    let expected = [
        "day.yaml:2:1: from: \"2026-11-23\" is not an RFC 3339 instant",
        "day.yaml:3:1: lenght: unknown field; did you mean length?",
        "day.yaml:3:1: lenght: \"1 hour\" is not a duration",
        "day.yaml:4:1: seed: must be a whole number of at least 0, not -1",
        "day.yaml:6:3: traffic[0].constant: must be a number, not the text \"lots\"",
        "day.yaml:7:30: traffic[1].diurnal.peak: \"25:00\" is not a time of day",
        "day.yaml:8:3: traffic[2]: must have exactly one of constant, diurnal",
        "day.yaml:9:1: plant.initialReplicas: needed: a whole number from 0 to 100000",
        "day.yaml:9:9: plant.startup: must be a duration of whole numbers with h, m, s or ms",
        "day.yaml:9:22: plant.capacityPerReplica: must be a finite number above 0",
        "policy.yaml:3:1: metadata.name: needed",
        "policy.yaml:6:3: spec.maxReplicas: the key maxReplicas is given twice, first in line 5",
        "policy.yaml:8:14: spec.schedule.timeZone: \"Berlin\" is not a time zone",
        "policy.yaml:8:73: spec.schedule.entries[0].replicas: must be a whole number from 0 to 100000, not the text",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "expected {expected:?}, got {found:?}");
    }
}

#[test]
fn numbers_below_zero_are_refused_in_our_words() {
    for arguments in
        [["simulate", "simulations/web-day.yaml", "--scale", "-1"], ["demo", "--speed", "-1", "--length=1h"]]
    {
        let output = tidetable(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("must be a") && !said.contains("unexpected argument"), "{said}");
    }
}

#[test]
fn a_report_that_can_t_be_written_is_said_before_the_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("absent/day.html").display().to_string();
    let kubeconfig = directory.path().join("kubeconfig").display().to_string();
    for arguments in [
        &["demo", "--html", &page, "--kubeconfig", &kubeconfig][..],
        &["simulate", "simulations/web-day.yaml", "--html", &page],
    ] {
        let output = tidetable(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).starts_with(&format!("{page}: ")), "{}", text(&output.stderr));
    }
    assert!(!Path::new(&kubeconfig).exists(), "the demo has not begun");
}

#[test]
fn a_missing_file_and_an_unknown_flag_are_bad_input() {
    assert_eq!(tidetable(&["check", "absent.yaml"]).status.code(), Some(2));
    assert_eq!(tidetable(&["check", "--nonsense"]).status.code(), Some(2));
}

#[test]
fn simulate_gives_scores_rows_and_a_page_the_same_each_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let file =
        |name: &str, ending: &str| directory.path().join(format!("{name}.{ending}")).display().to_string();
    let run = |name: &str| {
        let (csv, html, svg) = (file(name, "csv"), file(name, "html"), file(name, "svg"));
        let written = ["--csv", &csv, "--html", &html, "--svg", &svg];
        let output = tidetable(
            &[&["simulate", "simulations/web-day.yaml", "--output", "json"], &written[..]].concat(),
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
        let read = |name: String| std::fs::read_to_string(name).expect("written");
        (text(&output.stdout), read(csv), read(html), read(svg))
    };
    let first = run("a");
    assert_eq!(first, run("b"), "the same bytes");
    let scores: serde_json::Value = serde_json::from_str(&first.0).expect("JSON");
    assert_eq!(scores["ticks"], 5760);
    assert!(scores["replica_hours"].as_f64().is_some_and(|hours| hours > 100.0));
    assert_eq!(first.1.lines().count(), 5761, "a header and a row a tick");
    assert!(first.2.contains("<svg") && !first.2.contains("src=") && !first.2.contains("@import"));
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.svg");
    let shipped = std::fs::read_to_string(picture).expect("the README's picture is checked in");
    assert_eq!(first.3, shipped, "the README's picture is stale: simulate simulations/web-day.yaml --svg");
}

#[test]
fn a_trace_is_replayed_from_its_first_local_midnight_and_scaled() {
    let directory = tempfile::tempdir().expect("a directory");
    let trace = directory.path().join("trace.csv");
    // Two hours from 2026-11-23T22:00Z on: 23:00 in Berlin, so that midnight is an hour in.
    let start = 1_795_471_200;
    let rows: Vec<String> = (0..120).map(|minute| format!("{},1000", start + minute * 60)).collect();
    std::fs::write(&trace, format!("timestamp,qps\n{}\n", rows.join("\n"))).expect("written");
    let name = trace.display().to_string();
    let scenario = "simulations/web-day-trace.yaml";
    let arguments = ["simulate", scenario, "--trace", &name, "--scale", "0.5", "--output", "json"];
    let output = tidetable(&arguments);
    let scores: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(scores["from"], "2026-11-23T23:00:00Z");
    assert_eq!(scores["ticks"], 240, "an hour, which is all there is");
    assert_eq!(scores["requests"], 500.0 * 3600.0);
    std::fs::write(&trace, "timestamp,qps\n1,2\n0,3\n").expect("written");
    let output = tidetable(&arguments);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        format!("{name}:3:1: rows must be in order of time, without repetitions\n")
    );
}

#[test]
fn a_scenario_with_mistakes_is_refused_at_their_places() {
    let directory = tempfile::tempdir().expect("a directory");
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.policy.yaml");
    std::fs::copy(policy, directory.path().join("policy.yaml")).expect("copied");
    let file = directory.path().join("day.yaml");
    let good = "\
policy: policy.yaml
from: 2026-11-23T00:00:00Z
length: 1h
traffic:
- constant: 100
plant: {startup: 30s, capacityPerReplica: 180, initialReplicas: 3}
";
    let name = file.display().to_string();
    for (from, to, expected) in [
        ("length: 1h", "length: 1 hour", ":3:1: length: \"1 hour\" is not a duration"),
        ("constant: 100", "constant: -1", ":5:3: traffic[0].constant: -1 must be a finite number"),
        (
            "constant: 100",
            "steady: 100",
            ":5:3: traffic[0].steady: unknown field; there are constant, diurnal",
        ),
        ("from: 2026", "form: 2026", ":2:1: form: unknown field; did you mean from?"),
        (
            "initialReplicas: 3",
            "initialReplicas: many",
            "must be a whole number from 0 to 100000, not the text",
        ),
        (
            "capacityPerReplica: 180",
            "capacityPerReplica: 0",
            ":6:23: plant.capacityPerReplica: must be a finite",
        ),
        ("policy.yaml", "other.yaml", ":1:1: policy: "),
        ("length: 1h", "length: 99999h\ninterval: 1ms", "more than 20000000 ticks"),
    ] {
        std::fs::write(&file, good.replacen(from, to, 1)).expect("written");
        for command in ["simulate", "check"] {
            let output = tidetable(&[command, &name]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command} with {to}: {said}");
            assert!(said.contains(expected), "{command} with {to}: {said}");
        }
    }
    std::fs::write(&file, good).expect("written");
    assert!(tidetable(&["check", &name]).status.success());
}

#[test]
fn policies_see_the_calendars_of_all_files_and_one_that_is_in_none_is_a_warning() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let policy = "\
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 80
  schedule:
    exceptDates: [holidays-de]
    entries:
    - {name: day, cron: 0 7 * * *, for: 12h, replicas: 12}
";
    let calendar = "\
apiVersion: tidetable.dev/v1alpha1
kind: ScaleCalendar
metadata: {name: holidays-de}
spec:
  dates:
  - {date: \"2026-11-23\"}
";
    let (web, holidays) = (file("web.yaml", policy), file("holidays.yaml", calendar));
    let output = tidetable(&["check", &web]);
    assert!(output.status.success());
    let place =
        "web.yaml:8:19: spec.schedule.exceptDates[0]: the ScaleCalendar holidays-de is not among these files";
    assert!(text(&output.stderr).contains(place), "{}", text(&output.stderr));
    let output = tidetable(&["check", &web, &holidays]);
    assert_eq!(text(&output.stdout), format!("{web}: ok, 1 policy\n{holidays}: ok, 1 calendar\n"));
    assert_eq!(text(&output.stderr), "");

    let wrong = file(
        "wrong.yaml",
        &format!("{}---\n{calendar}", calendar.replace("date:", "dat: \"2026-02-29\", date:")),
    );
    let output = tidetable(&["check", &web, &wrong]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("wrong.yaml:6:6: spec.dates[0].dat: unknown field"), "{said}");
    assert!(
        said.contains("wrong.yaml:10:12: metadata.name: \"holidays-de\" is the name of another calendar"),
        "{said}"
    );
    assert!(!said.contains("not among"), "a calendar with mistakes is among them: {said}");

    let scenario = "\
policy: web.yaml
from: 2026-11-23T00:00:00Z
length: 24h
traffic:
- constant: 100
plant: {startup: 0s, capacityPerReplica: 180, initialReplicas: 3}
";
    let scenario = file("day.yaml", scenario);
    let replica_hours = || {
        let output = tidetable(&["simulate", &scenario, "--output", "json"]);
        let scores: serde_json::Value = serde_json::from_slice(&output.stdout).expect("scores");
        (scores["replica_hours"].as_f64().expect("a number"), text(&output.stderr))
    };
    let (without, warning) = replica_hours();
    assert!(warning.contains(place), "{warning}");
    file("web.yaml", &format!("{policy}---\n{calendar}"));
    let (with, warning) = replica_hours();
    assert_eq!(warning, "");
    assert!(with < without, "on a holiday the day does not begin: {with} and {without}");

    file("web.yaml", policy);
    let compared = |more: &[&str]| {
        let output = tidetable(&[&["simulate", &scenario, "--compare", &web], more].concat());
        (output.status.success(), text(&output.stderr))
    };
    assert_eq!(compared(&["--calendars", &holidays]), (true, String::new()));
    assert_eq!(compared(&[]).1.matches(place).count(), 2, "the scenario's policy, and the rival");
    let arguments = ["preview", &web, "--from", "2026-11-23", "--days", "1", "--output", "json"];
    let transitions = |more: &[&str]| {
        let output = tidetable(&[&arguments[..], more].concat());
        let preview: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a preview");
        (preview["transitions"].as_array().expect("a list").len(), text(&output.stderr))
    };
    assert_eq!(transitions(&["--calendars", &holidays]), (0, String::new()));
    let (found, warning) = transitions(&[]);
    assert_eq!(found, 2);
    assert!(warning.contains(place), "{warning}");
}

/// A directory with UTC and `Some/Where`, which is two hours ahead, as of the release `version`.
fn zone_files(version: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut part = b"TZif2".to_vec();
    part.extend([0; 15]);
    for count in [0_u32, 0, 0, 0, 1, 4] {
        part.extend(count.to_be_bytes());
    }
    part.extend(7200_i32.to_be_bytes());
    part.extend(b"\0\0XST\0");
    let zone = [&*part, &part, b"\nXST-2\n"].concat();
    std::fs::create_dir(directory.path().join("Some")).expect("created");
    for file in ["UTC", "Some/Where"] {
        std::fs::write(directory.path().join(file), &zone).expect("written");
    }
    std::fs::write(directory.path().join("tzdata.zi"), format!("# version {version}\n")).expect("written");
    directory
}

#[test]
fn zone_rules_are_compiled_in_or_come_from_a_directory_and_old_ones_are_warned_of() {
    let output = tidetable(&["version"]);
    let said = text(&output.stdout);
    assert!(said.contains(", compiled in\n"), "{said}");

    let directory = zone_files("2019a");
    let zones = directory.path().display().to_string();
    let output = tidetable(&["--tzdata", &zones, "version"]);
    assert!(text(&output.stdout).ends_with(&format!("tz database 2019a, from {zones}\n")));

    let policy = directory.path().join("policy.yaml");
    let spec = "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {name: web}\nspec:\n  \
        scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n  maxReplicas: 9\n  \
        schedule: {timeZone: Some/Where, entries: [{name: day, cron: 0 7 * * *, for: 1h, replicas: 5}]}\n";
    std::fs::write(&policy, spec).expect("written");
    let policy = policy.display().to_string();
    let output = tidetable(&["check", &policy, "--tzdata", &zones]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("2019a from"), "{}", text(&output.stderr));
    let arguments = ["preview", &policy, "--tzdata", &zones, "--from", "2026-11-23T00:00:00Z", "--days", "1"];
    let output = tidetable(&[&arguments[..], &["--output", "json"]].concat());
    let preview: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(preview["tzdb"], "2019a");
    assert_eq!(preview["transitions"][0]["at"], "2026-11-23T05:00:00Z");

    let output = tidetable(&["check", &policy]);
    assert_eq!(output.status.code(), Some(2), "the zone is only there");
    assert!(text(&output.stderr).contains("\"Some/Where\" is not a time zone of the IANA database"));
    let output = tidetable(&["check", &policy, "--tzdata", "/nosuch/directory"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("--tzdata: /nosuch/directory: "));
}
