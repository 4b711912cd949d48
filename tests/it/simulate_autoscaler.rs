//! A policy for the bounds of a HorizontalPodAutoscaler, simulated as a user does it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const SCENARIO: &str = "simulations/clocked-hpa.yaml";
const POLICY: &str = "simulations/clocked-hpa.policy.yaml";
const AUTOSCALER: &str = "simulations/autoscalers/office.yaml";

fn tidetable(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("shipped")
}

/// What is printed.
fn said(arguments: &[&str]) -> String {
    let output = tidetable(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// It is bad input, and that is said of it.
fn refuses(arguments: &[&str], problem: &str) {
    let output = tidetable(arguments);
    assert_eq!(output.status.code(), Some(2), "{problem}");
    assert!(text(&output.stderr).contains(problem), "{problem}: {}", text(&output.stderr));
}

#[test]
fn what_the_clock_buys_is_seen_beside_the_autoscaler_alone() {
    let arguments = ["simulate", SCENARIO, "--output", "json", "--compare", "hpa"];
    let all: Value = serde_json::from_str(&said(&arguments)).expect("JSON");
    let lost = |run: &Value| run["dropped_requests"].as_f64().expect("a score");
    let alone = &all["compared"][1];
    assert!(lost(&all) < 1.0 && lost(alone) > 100_000.0, "{all:#}");
    // A file of it is the same one, and a policy that leaves it alone is, too.
    let directory = tempfile::tempdir().expect("a directory");
    let paused = directory.path().join("paused.yaml").display().to_string();
    std::fs::write(&paused, read(POLICY).replace("spec:\n", "spec:\n  mode: DryRun\n")).expect("written");
    let rivals = format!("{AUTOSCALER},{paused},{POLICY}");
    let arguments = ["simulate", SCENARIO, "--output", "json", "--compare", &rivals];
    let others: Value = serde_json::from_str(&said(&arguments)).expect("JSON");
    for (index, expected) in [alone, alone, &all].into_iter().enumerate() {
        let other = &others["compared"][index + 1];
        for score in ["dropped_requests", "replica_hours", "scale_events", "peak_replicas"] {
            assert_eq!(other[score], expected[score], "{score} of {index}");
        }
    }
}

#[test]
fn its_decisions_are_bounds() {
    let out = said(&["explain", "--simulate", SCENARIO, "--at", "2026-11-23T08:10:00+01:00"]);
    assert!(
        out.starts_with("clocked-hpa: minReplicas 20, maxReplicas 30 of HorizontalPodAutoscaler office\n"),
        "{out}"
    );
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("page.html").display().to_string();
    said(&["simulate", SCENARIO, "--html", &page]);
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("kind: ScalePolicy") && page.contains("kind: HorizontalPodAutoscaler\n"));
}

#[test]
fn its_numbers_can_be_searched() {
    let objective = "dropped_percent < 0.05 then replica_hours";
    let entry = "schedule.entries[0].replicas=8..24/4";
    let out = said(&["tune", SCENARIO, "--param", entry, "--objective", objective]);
    assert!(out.lines().any(|line| line.split_whitespace().take(2).eq(["search", "16"])), "{out}");
}

#[test]
fn a_tier_behind_may_have_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |file: &str| directory.path().join(file).display().to_string();
    let scenario = read(SCENARIO).replace(
        "policy: clocked-hpa.policy.yaml\nautoscaler: autoscalers/office.yaml",
        "policy: front.yaml",
    );
    // What it expects of itself, which is its last line, is about another policy.
    let (scenario, _) = scenario.split_once("expect:").expect("an expectation");
    let tiers = "tiers:\n- name: behind\n  policy: policy.yaml\n  autoscaler: hpa.yaml\n  metrics: {requests: qps}\n  \
                 plant: {startup: 2m, capacityPerReplica: 100, initialReplicas: 2}\n";
    for (file, text) in [
        ("scenario.yaml", format!("{scenario}{tiers}")),
        ("front.yaml", read("simulations/flash-crowd.policy.yaml")),
        ("policy.yaml", read(POLICY)),
        ("hpa.yaml", read(AUTOSCALER)),
    ] {
        std::fs::write(place(file), text).expect("written");
    }
    let out: Value = serde_json::from_str(&said(&["simulate", &place("scenario.yaml"), "--output", "json"]))
        .expect("JSON");
    assert_eq!(out["tiers"][0]["peak_replicas"], json!(20), "{out:#}");
}

#[test]
fn what_does_not_fit_together_is_told_with_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |file: &str| directory.path().join(file).display().to_string();
    let (scenario, policy, hpa) = (read(SCENARIO), read(POLICY), read(AUTOSCALER));
    let named = scenario.replace("autoscalers/office.yaml", "hpa.yaml");
    let workload = read("simulations/flash-crowd.policy.yaml");
    let (both, cpu) = (
        format!("{hpa}---\n{hpa}"),
        hpa.replace(
            "type: External\n    external:\n      metric: {name: requests}",
            "type: Resource\n    resource:\n      name: cpu",
        ),
    );
    let pods = hpa.replace("type: External\n    external:", "type: Pods\n    pods:");
    for (scenario, policy, hpa, problem) in [
        (
            &named.replace("autoscaler: hpa.yaml\n", ""),
            &policy,
            &hpa,
            "scenario.yaml:3:1: policy: sets the bounds of the HorizontalPodAutoscaler office: name a file with that, such as `autoscaler: office.hpa.yaml`",
        ),
        (
            &named,
            &policy,
            &hpa.replace("name: office}", "name: shop}"),
            "scenario.yaml:4:1: autoscaler: the policy scales office, and this is shop",
        ),
        (
            &named,
            &workload,
            &hpa,
            "scenario.yaml:4:1: autoscaler: the policy scales the Deployment web itself: remove one of the two",
        ),
        (&named.replace("hpa.yaml", "none.yaml"), &policy, &hpa, "scenario.yaml:4:1: autoscaler: "),
        (&named, &policy, &workload, "hpa.yaml must have one HorizontalPodAutoscaler, and has 0"),
        (&named, &policy, &both, "hpa.yaml must have one HorizontalPodAutoscaler, and has 2"),
        (&named, &policy, &cpu, "spec.metrics[0]: only External, Object and Pods metrics can be simulated"),
        (
            &(named.clone() + "metrics: {request: qps}\n"),
            &policy,
            &hpa,
            "metrics.request: the policy and its autoscaler have no metric or guard of this name; there is requests",
        ),
        (
            &(named.clone() + "metrics: {requests: latency}\n"),
            &policy,
            &pods,
            "metrics.requests: is of the workload as a whole, and the autoscaler has a Pods metric of that name",
        ),
        (
            &named,
            &policy,
            &hpa.replace("metadata: {name: office}", "metadata: {name: office, namespace: elsewhere}"),
            "scenario.yaml:4:1: autoscaler: it is in the namespace elsewhere, and the policy, which scales it, in default",
        ),
        (
            &named,
            &policy,
            &hpa.replace("  maxReplicas: 30\n", ""),
            "spec.maxReplicas: must be between 1 and 100000",
        ),
        (
            &named,
            &policy,
            &hpa.replace("{type: AverageValue,", "{type: Utilization,"),
            "spec.metrics[0]: target.type must be AverageValue with an averageValue, and Value with a value",
        ),
        (
            &named,
            &policy,
            &hpa.replace("kind: Deployment, name: office", "kind: Deployment, name: \"\""),
            "spec.scaleTargetRef: must name the workload",
        ),
        (
            &named,
            &policy,
            &pods.replace("minReplicas: 2", "minReplicas: 0"),
            "spec.minReplicas: may be 0 only with an External or Object metric",
        ),
    ] {
        for (file, text) in
            [("scenario.yaml", scenario), ("clocked-hpa.policy.yaml", policy), ("hpa.yaml", hpa)]
        {
            std::fs::write(place(file), text).expect("written");
        }
        refuses(&["simulate", &place("scenario.yaml")], problem);
    }
}

#[test]
fn what_nobody_follows_is_refused_where_it_would_have_to_be_followed() {
    refuses(&["demo", "--scenario", SCENARIO], "`tidetable simulate` plays it");
    refuses(
        &["simulate", "simulations/flash-crowd.yaml", "--compare", POLICY],
        "it sets the bounds of an autoscaler that the scenario's `autoscaler` does not name",
    );
    for rival in ["keda", "knative"] {
        refuses(
            &["simulate", SCENARIO, "--compare", rival],
            "the scenario's replicas follow the metrics of an autoscaler, not of a policy",
        );
    }
    refuses(
        &["diff", POLICY, POLICY, "--trace", "day.csv", "--capacity-per-replica", "100"],
        "--scenario: a policy for a HorizontalPodAutoscaler needs a scenario that names it",
    );
    let directory = tempfile::tempdir().expect("a directory");
    let both = directory.path().join("both.yaml").display().to_string();
    std::fs::write(&both, format!("{}---\n{}", read(POLICY), read(AUTOSCALER))).expect("written");
    refuses(
        &["simulate", SCENARIO, "--compare", &both],
        "has a ScalePolicy and a HorizontalPodAutoscaler; one is needed",
    );
}
