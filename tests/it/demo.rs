//! `tidetable demo` as a user runs it: everything that a scenario can have, on a real clock that runs fast.

use std::process::Command;

/// What it says on stdout. It has written a report then.
fn demo(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("day.html");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.arg("demo").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.arg("--html").arg(&page).arg("--kubeconfig").arg(directory.path().join("kubeconfig"));
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    assert!(std::fs::read_to_string(page).expect("a report").contains("</html>"));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn tiers_guards_outages_and_restarts_are_played_and_reported() {
    for (scenario, from, expected) in [
        ("two-tiers", "2026-11-23T19:15:00+01:00", "\norders, 2026-11-23 "),
        ("full-cluster", "2026-11-23T08:00:00+01:00", "\nReplicas without a place "),
        ("shared-database-guard", "2026-11-23T09:20:00+01:00", "  the load's level is "),
        ("prometheus-outage", "2026-11-23T11:30:00+01:00", "schedule entry noon asks for 20; "),
        ("restart-at-peak", "2026-11-23T19:40:00+01:00", "  the load asks for "),
    ] {
        let file = format!("simulations/{scenario}.yaml");
        let said = demo(&["--scenario", &file, "--from", from, "--length", "40m", "--speed", "300"]);
        assert!(said.contains(expected), "{scenario}: {said}");
        let (_, seen) = said.split_once("\nthe operator saw ").expect("how much it saw");
        let seen: u32 = seen.split(' ').next().and_then(|seen| seen.parse().ok()).expect("a number");
        // On a busy machine it misses some.
        assert!((80..=160).contains(&seen), "{scenario}: {said}");
    }
}

#[test]
fn recorded_traffic_is_played_as_simulate_plays_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let trace = directory.path().join("trace.csv");
    // From midnight in Berlin on: half an hour of little, half an hour of much.
    let row =
        |minute: i64| format!("{},{}\n", 1_795_474_800 + minute * 60, if minute < 30 { 300 } else { 3000 });
    std::fs::write(&trace, (0..60).map(row).collect::<String>()).expect("written");
    let trace = trace.display().to_string();
    let said = demo(&["--trace", &trace, "--scale", "0.5", "--time-scale", "0.25", "--repeat", "2"]);
    // A quarter of an hour, twice.
    assert!(said.contains(" of 120 ticks"), "{said}");
}
