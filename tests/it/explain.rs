//! `tidetable explain --simulate`: a decision of a scenario, damper by damper.

use std::process::Command;

fn explain(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidetable"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("explain")
        .args(arguments)
        .output()
        .expect("the program");
    let [out, errors] =
        [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned());
    (output.status.code(), out, errors)
}

#[test]
fn each_damper_is_shown_with_what_went_in_what_came_out_and_what_bound_it() {
    let scenario = "simulations/web-day.yaml";
    let (code, out, errors) = explain(&["--simulate", scenario, "--at", "2026-11-23T20:47"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    let expected = "\
web-day: 18 replicas
  because   Load: the load's level is 18; qps is 2974.436; stabilization keeps it from rising to 20
  as of     Mon 2026-11-23 20:47:00+01:00 (2026-11-23T19:47:00Z)
  metric    qps is 2974.436 and asks for 20
  deadband  20 → 20: within 0 of 18, the level before, is no change
  stabilize 20 → 18: rises no higher than 18, the lowest recommendation of the last 30s
  rate      18 → 18: no move; minReplicas 2, maxReplicas 40
  holds     18 → 18: nothing holds
  schedule  18 → 18: at least 8 (entry evening), at most 40 (maxReplicas)
  next      floor 3, ceiling 40 by entry night, Mon 2026-11-23 23:00:00+01:00 (2026-11-23T22:00:00Z)
";
    assert_eq!(out, expected);
    let (_, between, _) = explain(&["--simulate", scenario, "--at", "2026-11-23T19:47:09Z"]);
    assert_eq!(between, expected, "between two ticks the earlier one is in force");
    let (_, first, _) = explain(&["--simulate", scenario, "--at", "2026-11-22T23:00:00Z"]);
    assert!(first.contains("  metric    qps is "), "the first tick is the first instant: {first}");
}

#[test]
fn a_guard_that_holds_is_named_with_its_bound() {
    let scenario = "simulations/shared-database-guard.yaml";
    let (code, out, errors) = explain(&["--simulate", scenario, "--at", "2026-11-23T08:40:00Z"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    for part in [
        "minReplicas is 4; latency is 2.074; guard database keeps it from 166\n",
        "  rate      166 → 8: rate policies allow up to 8; minReplicas 4, maxReplicas 40\n",
        "  holds     8 → 4: a guard holds it\n",
        "  guard     database is over 0.7 since Mon 2026-11-23 08:34:30+00:00 (2026-11-23T08:34:30Z), and holds\n",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn a_decision_on_recorded_traffic_is_explained_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let trace = directory.path().join("trace.csv");
    std::fs::write(&trace, "timestamp,qps\n1795474800,5\n1795478400,7\n").expect("written");
    let trace = trace.display().to_string();
    let scenario = ["--simulate", "simulations/web-day-trace.yaml", "--trace", &trace, "--scale", "100"];
    let (code, out, errors) = explain(&[&scenario[..], &["--at", "2026-11-24T00:30:00+01:00"]].concat());
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("  metric    qps is 500 and asks for"), "{out}");
}

#[test]
fn what_can_not_be_explained_is_bad_input() {
    let scenario = "simulations/web-day.yaml";
    for (arguments, part) in [
        (&["--simulate", scenario, "--at", "noon"][..], "--at: \"noon\" is not an instant ("),
        (
            &["--simulate", scenario, "--at", "2026-11-25T12:00"],
            "the scenario begins at 2026-11-22T23:00:00Z and lasts 24h",
        ),
        (&["--simulate", scenario], "--at <TIME>"),
        (&["--at", "2026-11-23T12:00"], "--simulate <SCENARIO.yaml>"),
        (&["--at", "2026-11-23T12:00", "web"], "cannot be used with"),
        (&["--simulate", scenario, "--at", "2026-11-23T12:00", "web"], "cannot be used with"),
        (&["--simulate", "nowhere.yaml", "--at", "2026-11-23T12:00"], "nowhere.yaml"),
        (&["web", "--scale", "2"], "name one with --simulate"),
        (&[], "<POLICY>"),
    ] {
        let (code, out, errors) = explain(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {errors}");
        assert!(errors.contains(part), "{arguments:?}: {errors}");
    }
}
