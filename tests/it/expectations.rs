//! `expect` in a scenario: what `tidetable simulate` holds its scores against.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn tidetable(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An hour of 10 requests per second for the policy of the shipped day, with these expectations.
fn scenario(directory: &Path, expect: &str) -> String {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.policy.yaml");
    let scenario = format!(
        "policy: {}\nfrom: 2026-11-23T00:00:00Z\nlength: 1h\ntraffic: [{{constant: 10}}]\n\
         plant: {{startup: 30s, capacityPerReplica: 100, initialReplicas: 3}}\nexpect: {expect}\n",
        policy.display()
    );
    let file = directory.join("hour.yaml");
    std::fs::write(&file, scenario).expect("written");
    file.display().to_string()
}

#[test]
fn a_broken_expectation_is_exit_1_with_what_was_wanted_and_what_came() {
    let directory = tempfile::tempdir().expect("a directory");
    let expect = "{requests: \"== 36000\", peak_replicas: \"< 3\", dropped_percent: \"> 1\"}";
    let file = scenario(directory.path(), expect);
    let output = tidetable(&["simulate", &file, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let error = text(&output.stderr);
    assert!(error.contains("dropped_percent should be > 1 and is 0\n"), "{error}");
    assert!(error.contains("peak_replicas should be < 3 and is 3\n"), "{error}");
    assert!(!error.contains("requests should be"), "{error}");

    let scores: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let outcomes = scores["expectations"].as_array().expect("a list");
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome["score"].as_str(), outcome["got"].as_f64(), outcome["holds"].as_bool()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (Some("dropped_percent"), Some(0.0), Some(false)),
            (Some("peak_replicas"), Some(3.0), Some(false)),
            (Some("requests"), Some(36_000.0), Some(true)),
        ]
    );
}

#[test]
fn expectations_that_hold_are_exit_0() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = scenario(directory.path(), "{requests: \"> 35000 and < 37000\", reversals: \"== 0\"}");
    let output = tidetable(&["simulate", &file]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_misspelt_score_or_comparison_is_found_by_check_with_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    for (expect, path, problem) in [
        ("{droppedPercent: \"< 1\"}", "expect.droppedPercent", "no score has this name; there are "),
        ("{reversals: \"few\"}", "expect.reversals", "\"few\" is not a comparison"),
        ("{reversals: 2}", "expect.reversals", "must be a text, not the number 2"),
    ] {
        let file = scenario(directory.path(), expect);
        let output = tidetable(&["check", &file]);
        assert_eq!(output.status.code(), Some(2), "{expect}");
        let error = text(&output.stderr);
        assert!(error.contains(&format!("{file}:6:")), "{error}");
        assert!(error.contains(&format!("{path}: ")) && error.contains(problem), "{error}");
    }
}

#[test]
fn every_shipped_scenario_holds_what_it_expects_and_has_a_picture_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let drawn = directory.path().join("drawn.svg");
    let page = std::fs::read_to_string("simulations/README.md").expect("the page");
    let mut played = 0;
    for entry in std::fs::read_dir("simulations").expect("a directory") {
        let file = entry.expect("an entry").path();
        let yaml = std::fs::read_to_string(&file).unwrap_or_default();
        if !yaml.lines().any(|line| line == "traffic:") {
            continue;
        }
        assert!(yaml.lines().any(|line| line.starts_with("expect:")), "{}", file.display());
        let output =
            tidetable(&["simulate", &file.display().to_string(), "--svg", &drawn.display().to_string()]);
        assert!(output.status.success(), "{}: {}", file.display(), text(&output.stderr));
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let places = ["simulations", "simulations/images", "docs/images"];
        let mut pictures = places.iter().map(|place| Path::new(place).join(format!("{name}.svg")));
        let picture = pictures.find(|picture| picture.exists());
        let picture =
            picture.unwrap_or_else(|| panic!("{name} has none: touch simulations/images/{name}.svg"));
        let [shown, drawn] = [&picture, &drawn].map(|file| std::fs::read(file).expect("a picture"));
        assert!(shown == drawn, "{}: run `make pictures`", picture.display());
        let shown = picture.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(page.contains(&format!("{name}.yaml")) && page.contains(&shown), "the README lacks {name}");
        played += 1;
    }
    assert!(played >= 16, "{played}");
}
