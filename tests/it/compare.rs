//! `tidetable simulate --compare` as a user runs it.

use std::process::{Command, Output};

use serde_json::Value;

const DAY: [&str; 3] = ["simulations/web-day.yaml", "--length", "12h"];

fn simulate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.arg("simulate").args(DAY).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env("COLUMNS", "90").output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const ALL: &str = "hpa,keda,knative,static:22,oracle,simulations/web-day.policy.yaml";
const NAMES: [&str; 7] =
    ["tidetable", "hpa", "keda", "knative", "static:22", "oracle", "web-day.policy.yaml"];

#[test]
fn json_has_the_scores_of_all_and_the_table_and_the_chart_name_them() {
    let output = simulate(&["--compare", ALL, "--output", "json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let compared = json["compared"].as_array().expect("a list");
    let names: Vec<_> = compared.iter().map(|run| run["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, NAMES);
    for name in json.as_object().expect("an object").keys().filter(|name| json[*name].is_f64()) {
        assert!(*name == "interval_seconds" || compared.iter().all(|run| run[name].is_number()), "{name}");
    }
    assert_eq!(compared[0]["replica_hours"], json["replica_hours"], "ours is the first");
    assert_eq!(compared[6]["replica_hours"], json["replica_hours"], "the same policy from a file");
    let hours = compared[4]["replica_hours"].as_f64().expect("a number");
    assert!((hours - 264.0).abs() < 1e-6, "22 replicas for 12 hours: {hours}");
    let score = |run: &Value, name: &str| run[name].as_f64().expect("a number");
    assert!(score(&compared[5], "dropped_requests") < 1e-6, "the oracle drops nothing");
    let least = compared.iter().map(|run| score(run, "replica_hours")).fold(f64::INFINITY, f64::min);
    assert!(score(&compared[5], "replica_hours") <= least, "nor does anybody pay less: {compared:?}");

    let table = text(&simulate(&["--compare", ALL]).stdout);
    for name in NAMES {
        let lines = table.lines().filter(|line| line.split_whitespace().next() == Some(name)).count();
        assert_eq!(lines, 2, "{name} has a panel and a row\n{table}");
    }
    let chart = table.lines().filter(|line| line.contains('┤') || line.contains('│'));
    assert!(
        chart.clone().count() >= 7 * 5 && chart.clone().all(|line| line.chars().count() <= 90),
        "{table}"
    );
    assert!(!text(&simulate(&[]).stdout).contains("hpa"), "nobody asked");
}

#[test]
fn a_rival_that_nobody_knows_is_bad_input_and_all_of_them_are_named() {
    let output = simulate(&["--compare", "hpa,kedo,static:x"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let error = text(&output.stderr);
    assert!(
        error.contains("kedo: there is no such file; expected hpa, keda, knative, oracle, static:N"),
        "{error}"
    );
    assert!(error.contains("static:x: static:N needs a number from 0 to 100000"), "{error}");
}

#[test]
fn the_page_has_all_of_them_and_is_the_same_each_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let page = |name: &str| {
        let file = directory.path().join(name);
        let output = simulate(&["--compare", ALL, "--html", &file.display().to_string()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), std::fs::read_to_string(file).expect("written"))
    };
    let first = page("a.html");
    assert_eq!(first, page("b.html"), "the same bytes");
    for name in NAMES {
        assert!(first.1.contains(&format!("<tr><td>{name}</td>")), "{name} has a row");
    }
    let lines = first.1.matches("<path class=\"tt-run tt-run-").count();
    assert_eq!(lines, 2 * NAMES.len(), "a line each, and one in the legend");
    assert!(first.1.contains("<summary>web-day.policy.yaml</summary>"), "what the file says is in the page");
}
