//! `tidetable simulate` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn simulate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.arg("simulate").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(arguments: &[&str]) -> Value {
    let output = simulate(&[arguments, &["--output", "json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A scenario in which `to` stands in the place of `from` is bad input, and what is said of it.
fn refuses(file: &Path, good: &str, (from, to): (&str, &str), expected: &str) {
    assert!(good.contains(from), "{from}");
    std::fs::write(file, good.replace(from, to)).expect("written");
    let output = simulate(&[&file.display().to_string()]);
    assert_eq!(output.status.code(), Some(2), "{to}");
    assert!(text(&output.stderr).contains(expected), "{to}: {}", text(&output.stderr));
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

const DAY: &str = "simulations/web-day.yaml";

#[test]
fn json_has_every_score_and_the_rows_add_up_to_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("rows.csv");
    let scores = json(&[DAY, "--length", "6h", "--csv", &file.display().to_string()]);
    for name in [
        "theta_u_percent",
        "theta_o_percent",
        "tau_u_percent",
        "tau_o_percent",
        "upsilon_percent",
        "accuracy_u",
        "accuracy_o",
        "replica_hours",
        "scale_events",
        "reversals",
        "requests",
        "dropped_requests",
        "dropped_percent",
        "peak_replicas",
        "ticks",
        "interval_seconds",
    ] {
        assert!(scores[name].is_number(), "{name}");
    }
    assert_eq!((&scores["scenario"], &scores["ticks"]), (&"web-day".into(), &1440.into()));
    let rows = read(&file);
    let header: Vec<&str> = rows.lines().next().expect("a header").split(',').collect();
    let column = |name: &str| -> Vec<f64> {
        let index = header.iter().position(|column| *column == name).expect("a column");
        let cell = |row: &str| row.split(',').nth(index).and_then(|cell| cell.parse().ok());
        rows.lines().skip(1).map(|row| cell(row).expect("a number")).collect()
    };
    for (name, sum) in [
        ("requests", column("requests").iter().sum::<f64>()),
        ("dropped_requests", column("dropped").iter().sum()),
        ("replica_hours", column("replicas").iter().map(|replicas| replicas * 15.0 / 3600.0).sum()),
    ] {
        let score = scores[name].as_f64().expect("a number");
        assert!((score - sum).abs() <= 1e-6 * sum.max(1.0), "{name}: {score}, rows add up to {sum}");
    }
}

#[test]
fn every_part_of_traffic_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.policy.yaml");
    let file = directory.path().join("parts.yaml");
    let play = |parts: &str| {
        let scenario = format!(
            "policy: {}\nfrom: 2026-11-23T00:00:00Z\nlength: 1h\ntraffic: [{parts}]\n\
             plant: {{startup: 30s, capacityPerReplica: 100, initialReplicas: 3, evaluationDelay: 5s}}\n",
            policy.display()
        );
        std::fs::write(&file, scenario).expect("written");
        json(&[&file.display().to_string()])["requests"].as_f64().expect("a number")
    };
    let at = "at: \"2026-11-23T00:30:00Z\"";
    for (parts, expected) in [
        ("{constant: 10}".to_owned(), 36_000.0),
        (format!("{{constant: 10}}, {{step: {{{at}, qps: 10}}}}"), 54_000.0),
        (format!("{{constant: 10}}, {{step: {{{at}, qps: -10}}}}"), 18_000.0),
        (format!("{{constant: 10}}, {{spike: {{{at}, for: 10m, qps: 10}}}}"), 42_000.0),
        ("{constant: 10}, {diurnal: {low: 5, high: 5, peak: \"14:00\"}}".to_owned(), 54_000.0),
        (format!("{{ramp: {{{at}, for: 30m, qps: 120}}}}"), 120.0 * 1800.0 / 2.0),
        ("{spike: {at: \"2026-11-23T00:30:01Z\", for: 10s, qps: 600}}".to_owned(), 6000.0),
    ] {
        let got = play(&parts);
        assert!((got - expected).abs() < 1e-6, "{parts}: {got}, not {expected}");
    }
}

#[test]
fn a_trace_that_cannot_be_played_as_asked_is_refused_with_its_place() {
    const TRACE: &str = "simulations/web-day-trace.yaml";
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("trace.csv");
    let name = file.display().to_string();
    let refused = |rows: &str, more: &[&str]| {
        std::fs::write(&file, format!("timestamp,qps\n{rows}")).expect("written");
        let output = simulate(&[&[TRACE, "--trace", &name], more].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{rows}");
        text(&output.stderr)
    };
    for time in ["1e300", "-1e300", "NaN", "inf", "253402300800", "9999-13-01T00:00:00Z"] {
        let error = refused(&format!("{time},5\n"), &[]);
        assert!(error.starts_with(&format!("{name}:2:1: {time:?} is neither Unix seconds")), "{error}");
    }
    for rate in ["-1", "inf", "1e308", "many"] {
        let error = refused(&format!("0,{rate}\n"), &[]);
        assert!(error.starts_with(&format!("{name}:2:1: {rate:?} is not a rate")), "{error}");
    }
    // A value that is missing is a gap, and a trace of gaps has no rate.
    for gap in ["NaN", ""] {
        let error = refused(&format!("0,{gap}\n"), &[]);
        assert!(error.starts_with(&format!("{name}: no row has a rate")), "{error}");
    }
    for (rows, problem) in [
        ("0;5\n", ":2:1: expected timestamp,qps with a comma between them, not a semicolon"),
        ("0\t5\n", ":2:1: expected timestamp,qps with a comma between them, not a tab"),
        (
            "1795471200000,5\n",
            "in milliseconds it would be 2026-11-23T22:00:00Z: divide the column by 1000\n",
        ),
        ("1795471200000000000,5\n", "in nanoseconds it would be 2026-11-23T22:00:00Z"),
        ("1795471200,5\n", ": one row only; at least two are needed"),
    ] {
        let error = refused(rows, &[]);
        assert!(error.contains(problem), "{error}");
    }
    let output = simulate(&[TRACE, "--trace", "simulations"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "simulations: is a directory; a trace is one file, CSV or an answer of Prometheus in JSON\n"
    );
    let hour = "1795471200,5\n1795474800,5\n";
    let error = refused(hour, &["--length", "3h"]);
    assert!(
        error.contains("the trace ends at 2026-11-24T00:00:00Z, 1h after 2026-11-23T23:00:00Z"),
        "{error}"
    );
    let error = refused(hour, &["--from", "2026-11-25T00:00:00Z"]);
    assert!(error.contains("2026-11-25T00:00:00Z is not in it"), "{error}");

    // Nobody asked for this length on the command line: what there is is played, and said to be all.
    let output = simulate(&[TRACE, "--trace", &name]);
    assert!(output.status.success());
    assert_eq!(
        text(&output.stderr),
        "warning: the trace ends 1h after 2026-11-23T23:00:00Z; the scenario asks for 72h\n"
    );
    assert_eq!(text(&simulate(&[TRACE, "--trace", &name, "--length", "1h"]).stderr), "");

    let output = simulate(&[TRACE]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("give it a recorded trace with --trace FILE"));
    let output = simulate(&[DAY, "--from", "9999-12-30T00:00:00Z", "--length", "99h"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the year would be over 9999"), "{}", text(&output.stderr));
}

#[test]
fn the_pictures_of_the_docs_are_what_simulate_draws() {
    let directory = tempfile::tempdir().expect("a directory");
    let drawn = directory.path().join("drawn.svg");
    for name in ["shared-database-latency", "shared-database-guard"] {
        let scenario = format!("simulations/{name}.yaml");
        assert!(simulate(&[&scenario, "--svg", &drawn.display().to_string()]).status.success());
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/images/{name}.svg"));
        assert!(read(&drawn) == read(&shown), "tidetable simulate {scenario} --svg docs/images/{name}.svg");
    }
}

#[test]
fn a_workload_that_is_scaled_by_the_latency_of_its_database_is_scaled_into_an_outage() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("rows.csv");
    let play = |name: &str| {
        let scores = json(&[
            &format!("simulations/shared-database-{name}.yaml"),
            "--csv",
            &file.display().to_string(),
        ]);
        let last = read(&file).lines().last().expect("a row").to_owned();
        let replicas: u32 = last.split(',').nth(8).expect("replicas").parse().expect("a number");
        (replicas, (scores["dropped_percent"].as_f64().expect("a number") * 100.0).round() / 100.0)
    };
    // The numbers are those of docs/load.md.
    assert_eq!(play("latency"), (40, 50.59));
    assert_eq!(play("guard"), (4, 0.61));
    assert_eq!(play("demand"), (4, 1.35));
}

#[test]
fn metrics_and_guards_are_bound_to_what_the_plant_has() {
    let directory = tempfile::tempdir().expect("a directory");
    let policy = "shared-database-guard.policy.yaml";
    std::fs::copy(format!("simulations/{policy}"), directory.path().join(policy)).expect("copied");
    let good = read(Path::new("simulations/shared-database-guard.yaml"));
    let file = directory.path().join("shop.yaml");
    for (from, to, expected) in [
        (
            ", database: downstreamUtilization",
            "",
            "the policy's guard database has no number here: say what it is",
        ),
        (
            "database: downstream",
            "db: downstream",
            "metrics.db: the policy has no metric or guard of this name; it has latency, database",
        ),
        (
            "downstreamUtilization}",
            "cpu}",
            "metrics.database: must be one of qps, latency, queueLength, utilization or downstreamUtilization",
        ),
        (
            "  downstream: {",
            "  # {",
            "metrics.database: needs plant.downstream or a tier behind, which this scenario has not",
        ),
        ("capacity: 1500", "capacity: 0", "plant.downstream.capacity: must be a finite number above 0"),
        ("retries: 1", "retries: 11", "plant.queue.retries: "),
        ("timeout: 2s", "timeout: soon", "plant.queue.timeout: \"soon\" is not a duration"),
    ] {
        refuses(&file, &good, (from, to), expected);
    }
}

#[test]
fn tiers_and_the_cluster_are_read_with_all_their_mistakes() {
    let directory = tempfile::tempdir().expect("a directory");
    for tier in ["front", "orders"] {
        let policy = format!("two-tiers.{tier}.policy.yaml");
        std::fs::copy(format!("simulations/{policy}"), directory.path().join(policy)).expect("copied");
    }
    let cluster = "cluster: {quota: 100, nodes: {podsPerNode: 4, count: 3}}\nprice: {nodeHour: 1}\ntiers:\n";
    let good = read(Path::new("simulations/two-tiers.yaml")).replace("tiers:\n", cluster);
    let file = directory.path().join("shop.yaml");
    for (from, to, expected) in [
        ("quota: 100", "quota: 11", "cluster.quota: the initial replicas are more, 12"),
        ("count: 3", "count: 2", "cluster.nodes: they have 8 places, and there are 12 initial replicas"),
        ("count: 3", "count: 3, max: 2", "cluster.nodes.max: must be between count, 3, and 100000"),
        (
            "podsPerNode: 4",
            "podsPerNode: 0",
            "cluster.nodes.podsPerNode: must be a whole number from 1 to 100000",
        ),
        ("count: 3", "count: 3, provisioning: 0s", "cluster.nodes.provisioning: \"0s\" must be longer"),
        ("nodeHour: 1", "nodeHour: -1", "price.nodeHour: -1 must be a finite number, not negative"),
        ("calls: 0.5", "calls: 0", "tiers[0].calls: must be a finite number above 0"),
        ("name: orders", "name: \"\"", "tiers[0].name: must not be empty"),
        ("startup: 4m", "startup: 4 minutes", "tiers[0].plant.startup: \"4 minutes\" is not a duration"),
        ("startup: 4m", "startup: 4m\n    startupP95: 3m", "tiers[0].plant.startupP95: must not be shorter"),
        ("orders.policy", "nowhere.policy", "tiers[0].policy: "),
        (
            "calls: 0.5",
            "metrics: {q: qps}",
            "tiers[0].metrics.q: the policy has no metric or guard of this name",
        ),
        ("settling_seconds", "settling", "tiers[0].expect.settling: no score has this name"),
    ] {
        refuses(&file, &good, (from, to), expected);
    }
    let good = good.replace("count: 3", "count: 10");
    std::fs::write(&file, &good).expect("written");
    let scores = json(&[&file.display().to_string()]);
    // Ten nodes for as long as the scenario is.
    assert_eq!((&scores["node_hours"], &scores["cost"]), (&15.0.into(), &15.0.into()));
    assert_eq!(scores["tiers"][0]["name"], "orders");
    std::fs::write(&file, good.replace("settling_seconds: \">= 240\"", "settling_seconds: \"< 60\""))
        .expect("written");
    let output = simulate(&[&file.display().to_string(), "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("expect: orders: settling_seconds should be < 60 and is "),
        "{output:?}"
    );
}

#[test]
fn a_policy_in_the_place_of_a_scenario_is_told_what_a_scenario_looks_like() {
    let output = simulate(&["simulations/web-day.policy.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(
        error.contains("this is a ScalePolicy; what is played is a scenario that names one, such as"),
        "{error}"
    );
    let example = error.split_once("\n\n").map(|(_, example)| example.trim()).expect("an example");
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::copy("simulations/web-day.policy.yaml", directory.path().join("web-day.policy.yaml"))
        .expect("copied");
    let file = directory.path().join("day.yaml");
    std::fs::write(&file, example).expect("written");
    assert!(simulate(&[&file.display().to_string()]).status.success(), "the example works: {example}");
}

#[test]
fn two_outputs_in_one_file_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("out").display().to_string();
    let output = simulate(&["simulations/web-day.yaml", "--csv", &file, "--svg", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains(&format!("--csv and --svg: both are {file}")),
        "{}",
        text(&output.stderr)
    );
    assert!(!directory.path().join("out").exists());
}

#[test]
fn no_output_takes_the_place_of_what_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |file: &str| directory.path().join(file).display().to_string();
    let files =
        ["day.yaml", "web.yaml", "hpa.yaml", "orders.yaml", "trace.csv", "rival.yaml", "operator.yaml"];
    for file in files {
        std::fs::write(place(file), "").expect("written");
    }
    let plant = "plant: {startup: 30s, capacityPerReplica: 100, initialReplicas: 2}";
    let scenario = format!(
        "policy: web.yaml\nautoscaler: hpa.yaml\nfrom: 2026-11-23T00:00:00Z\nlength: 1h\ntraffic: [{{constant: 1}}, {{trace: trace.csv}}]\n\
         {plant}\ntiers: [{{name: orders, policy: orders.yaml, {plant}}}]\n"
    );
    std::fs::write(place("day.yaml"), &scenario).expect("written");
    let [day, rival, config] = ["day.yaml", "rival.yaml", "operator.yaml"].map(place);
    for (file, flag) in files.into_iter().zip([
        "the scenario",
        "a file of the scenario",
        "a file of the scenario",
        "a file of the scenario",
        "a file of the scenario",
        "--compare",
        "--config",
    ]) {
        let file = place(file);
        let asked = ["--prometheus", "main", "--query", "up", "--config", &config];
        let output = simulate(&[&[&*day, "--compare", &rival, "--html", &file], asked.as_slice()].concat());
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains(&format!("{flag} and --html: both are {file}")), "{said}");
    }
    assert_eq!(std::fs::read_to_string(day).expect("a scenario"), scenario);
}
