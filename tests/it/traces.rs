//! Recorded traffic as a user gives it to `tidetable simulate`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with a policy without bounds to speak of, and scenarios and traces beside it.
pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a directory"));
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.policy.yaml");
        std::fs::copy(policy, desk.0.path().join("policy.yaml")).expect("copied");
        desk
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).expect("it is there")
    }

    /// A scenario of two hours from 2026-11-23T00:00:00Z on.
    pub(crate) fn scenario(&self, traffic: &str) {
        let text = format!(
            "policy: policy.yaml\nfrom: 2026-11-23T00:00:00Z\nlength: 2h\n{traffic}\n\
             plant: {{startup: 30s, capacityPerReplica: 100, initialReplicas: 3}}\n"
        );
        self.write("scenario.yaml", &text);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
        command.args(arguments).current_dir(self.0.path()).output().expect("the binary starts")
    }

    /// Runs to a good end.
    pub(crate) fn done(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The scores, and what was said on stderr.
    pub(crate) fn played(&self, arguments: &[&str]) -> (Value, String) {
        let output = self.run(&[&["simulate", "scenario.yaml", "--output", "json"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        (serde_json::from_slice(&output.stdout).expect("JSON"), said)
    }

    /// What is said of a mistake.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["simulate", "scenario.yaml"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {said}");
        said
    }
}

/// What Prometheus answers: a value for each minute from 2026-11-23T00:00:00Z on.
fn answer(values: &[&str]) -> String {
    let values: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("[{},\"{value}\"]", 1_795_392_000 + index * 60))
        .collect();
    format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{}]}}]}}}}"#,
        values.join(",")
    )
}

fn requests(scores: &Value) -> f64 {
    scores["requests"].as_f64().expect("a number")
}

#[test]
fn a_saved_answer_of_prometheus_is_played_and_its_gaps_are_told_like_those_of_a_csv() {
    let desk = Desk::new();
    desk.scenario("");
    let from = ["--from", "2026-11-23T00:00:00Z"];
    desk.write("trace.json", &answer(&["10"; 120]));
    let (scores, said) = desk.played(&[&["--trace", "trace.json"], &from[..]].concat());
    assert_eq!((requests(&scores), said.as_str()), (72_000.0, ""));
    // Three minutes at 10 that nobody saw, and the value before holds on.
    let holes = [&["10"; 60][..], &["20", "NaN", "NaN", "+Inf"], &["10"; 56]].concat();
    desk.write("trace.json", &answer(&holes));
    let csv: Vec<String> = holes
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let value = if *value == "+Inf" { "" } else { *value };
            format!("{},{value}\n", 1_795_392_000 + index * 60)
        })
        .collect();
    desk.write("trace.csv", &format!("timestamp,qps\n{}", csv.concat()));
    let played =
        ["trace.json", "trace.csv"].map(|trace| desk.played(&[&["--trace", trace], &from[..]].concat()));
    assert_eq!(played[0], played[1]);
    let (scores, said) = &played[0];
    assert!((requests(scores) - (116.0 * 600.0 + 4.0 * 1200.0)).abs() < 1e-6, "{scores}");
    assert_eq!(
        said,
        "warning: values of the trace are 1m apart, and further in 1 places, the longest 4m after \
         2026-11-23T01:00:00Z; the value before holds on\n"
    );
}

#[test]
fn an_answer_that_cannot_be_played_is_refused_in_words() {
    let desk = Desk::new();
    desk.scenario("");
    for (text, expected) in [
        (answer(&["NaN", "NaN"]), "trace.json: no number in the answer; at least two are needed"),
        (answer(&["5", "NaN"]), "trace.json: one number only in the answer"),
        (answer(&["5", "-5"]), "trace.json: the sample at 2026-11-23T00:01:00Z is -5.0, which is not a rate"),
        (answer(&["5", "1e300"]), "is 1e300, which is not a rate"),
        (r#"{"series": 1}"#.to_owned(), "trace.json: is not what Prometheus answers to a range query"),
    ] {
        desk.write("trace.json", &text);
        let said = desk.refused(&["--trace", "trace.json"]);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn recorded_traffic_is_a_part_of_a_scenario_to_which_others_add_up() {
    let desk = Desk::new();
    desk.write("trace.json", &answer(&["10"; 120]));
    for (traffic, arguments, expected) in [
        ("traffic: [{trace: trace.json}]", &[][..], 72_000.0),
        ("traffic: [{trace: trace.json}]", &["--scale", "2"], 144_000.0),
        ("traffic: [{trace: trace.json}, {constant: 5}]", &[], 108_000.0),
        ("traffic: [{trace: trace.json}, {constant: 5}]", &["--scale", "2"], 216_000.0),
        ("traffic: [{trace: trace.json}, {trace: trace.json}]", &[], 144_000.0),
    ] {
        desk.scenario(traffic);
        let (scores, said) = desk.played(arguments);
        assert_eq!((requests(&scores), said.as_str()), (expected, ""), "{traffic} {arguments:?}");
        assert!(desk.run(&["check", "scenario.yaml"]).status.success(), "{traffic}");
    }
    // It ends before the scenario does.
    desk.write("trace.json", &answer(&["10"; 60]));
    let (scores, said) = desk.played(&[]);
    assert_eq!(scores["requests"].as_f64(), Some(72_000.0));
    assert!(
        said.contains("the trace ends 1h after 2026-11-23T00:00:00Z; the scenario asks for 2h"),
        "{said}"
    );
    for (traffic, arguments, expected) in [
        (
            "traffic: [{trace: away.csv}]",
            &[][..],
            "scenario.yaml:4:12: traffic[0].trace: away.csv: No such file",
        ),
        (
            "traffic: [{constant: 1}, {trace: trace.json}]",
            &["--length", "2h"],
            "traffic[1].trace: trace.json: the trace ends at 2026-11-23T01:00:00Z, 1h after 2026-11-23T00:00:00Z",
        ),
        (
            "traffic: [{trace: trace.json}]",
            &["--from", "2026-11-24T00:00:00Z"],
            "traffic[0].trace: trace.json: the trace is from 2026-11-23T00:00:00Z to",
        ),
    ] {
        desk.scenario(traffic);
        let said = desk.refused(arguments);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_part_of_a_trace_is_played_in_its_own_or_another_time_as_often_as_asked() {
    let desk = Desk::new();
    desk.scenario("");
    // From midnight in Berlin on, the zone of the schedule: 23:00 in UTC. 10 in the first hour, 20, 30, 40.
    desk.write("day.csv", "timestamp,qps\n2026-11-22T23:00:00Z,10\n2026-11-23T00:00:00Z,20\n2026-11-23T01:00:00Z,30\n2026-11-23T02:00:00Z,40\n");
    let hour = 3600.0;
    for (arguments, from, hours, sum) in [
        (&[][..], "2026-11-22T23:00:00Z", 2.0, 30.0 * hour),
        (&["--to", "2026-11-23T03:00:00"], "2026-11-22T23:00:00Z", 3.0, 60.0 * hour),
        (
            &["--from", "2026-11-23T01:00", "--to", "2026-11-23T02:00"],
            "2026-11-23T00:00:00Z",
            1.0,
            20.0 * hour,
        ),
        (&["--from", "2026-11-23T02:00:00Z"], "2026-11-23T02:00:00Z", 1.0, 40.0 * hour),
        (&["--repeat", "3"], "2026-11-22T23:00:00Z", 12.0, 300.0 * hour),
        (
            &["--from", "2026-11-23T00:00:00Z", "--to", "2026-11-23T02:00:00Z", "--repeat", "2"],
            "2026-11-23T00:00:00Z",
            4.0,
            100.0 * hour,
        ),
        (&["--repeat", "3", "--length", "5h"], "2026-11-22T23:00:00Z", 5.0, 110.0 * hour),
        // Half the time, and so half the requests.
        (&["--time-scale", "0.5"], "2026-11-22T23:00:00Z", 2.0, 50.0 * hour),
        (&["--time-scale", "0.5", "--to", "2026-11-23T02:00"], "2026-11-22T23:00:00Z", 1.0, 15.0 * hour),
        (&["--time-scale", "2", "--repeat", "2"], "2026-11-22T23:00:00Z", 16.0, 400.0 * hour),
        (&["--scale", "3", "--time-scale", "2"], "2026-11-22T23:00:00Z", 2.0, 60.0 * hour),
    ] {
        let (scores, _) = desk.played(&[&["--trace", "day.csv"], arguments].concat());
        let ticks = scores["ticks"].as_f64().expect("a number");
        assert_eq!((scores["from"].as_str(), ticks), (Some(from), hours * 240.0), "{arguments:?}");
        assert!((requests(&scores) - sum).abs() < 1e-3, "{arguments:?}: {}, not {sum}", requests(&scores));
    }
}

#[test]
fn what_a_trace_does_not_have_or_is_not_meant_for_it_is_refused() {
    let desk = Desk::new();
    desk.scenario("traffic: [{constant: 10}]");
    desk.write("day.csv", "timestamp,qps\n2026-11-23T00:00:00Z,10\n2026-11-23T01:00:00Z,20\n");
    for (arguments, expected) in [
        (&["--repeat", "2"][..], "scenario.yaml: --repeat and --time-scale are about recorded traffic"),
        (&["--time-scale", "2"], "scenario.yaml: --repeat and --time-scale are about recorded traffic"),
        (
            &["--to", "2026-11-22"],
            "scenario.yaml: --to must be later than the first instant: it is 2026-11-21T23:00:00Z",
        ),
        (&["--from", "2026-11-23", "--to", "2026-11-23"], "--to must be later than the first instant"),
        (
            &["--from", "noon"],
            "must be an instant (2026-11-23T07:00:00Z), a date (2026-11-23) or a local date and time",
        ),
        (&["--to", "2026-11-24", "--length", "1h"], "cannot be used with"),
        (&["--to", "9999-01-01"], "more than 20000000 ticks"),
        (
            &["--trace", "day.csv", "--to", "2026-11-25"],
            "the trace ends at 2026-11-23T02:00:00Z; --to is later: 2026-11-24T23:00:00Z",
        ),
        (
            &["--trace", "day.csv", "--repeat", "2", "--length", "5h"],
            "the trace ends at 2026-11-23T02:00:00Z, 4h after",
        ),
        (&["--trace", "day.csv", "--repeat", "0"], "0 is not in 1..=1000"),
        (&["--trace", "day.csv", "--time-scale", "0"], "must be a number from 0.001 to 1000"),
        (&["--trace", "day.csv", "--time-scale", "-1"], "must be a number from 0.001 to 1000"),
    ] {
        let said = desk.refused(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let (scores, _) = desk.played(&["--to", "2026-11-23T04:00"]);
    assert_eq!((requests(&scores), scores["ticks"].as_u64()), (10.0 * 3.0 * 3600.0, Some(720)));
}

#[test]
fn a_policy_may_name_calendars_of_other_files() {
    let desk = Desk::new();
    desk.write(
        "policy.yaml",
        "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {name: web}\nspec:\n  \
         scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n  minReplicas: 2\n  maxReplicas: 20\n  schedule:\n    \
         timeZone: UTC\n    exceptDates: [holidays]\n    entries:\n    \
         - {name: rush, cron: '0 1 * * *', for: 1h, replicas: 9}\n",
    );
    let calendar = |text: &str| {
        format!(
            "apiVersion: tidetable.dev/v1alpha1\nkind: ScaleCalendar\nmetadata: {{name: holidays}}\nspec: {{dates: [{{date: {text}}}]}}\n"
        )
    };
    desk.write("holidays.yaml", &calendar("\"2026-11-23\""));
    desk.scenario("traffic: [{constant: 10}]");
    let (without, said) = desk.played(&[]);
    assert_eq!(without["peak_replicas"], 9);
    assert!(said.contains("the ScaleCalendar holidays is not among these files"), "{said}");
    let (with, said) = desk.played(&["--calendars", "holidays.yaml"]);
    assert_eq!((with["peak_replicas"].as_u64(), said.as_str()), (Some(2), ""));
    let explained = desk.run(&[
        "explain",
        "--simulate",
        "scenario.yaml",
        "--calendars",
        "holidays.yaml",
        "--at",
        "2026-11-23T01:30",
    ]);
    assert!(String::from_utf8_lossy(&explained.stdout).starts_with("scenario: 2 replicas"), "{explained:?}");
    desk.write("holidays.yaml", &calendar("\"2026-13-23\""));
    let said = desk.refused(&["--calendars", "holidays.yaml"]);
    assert!(said.starts_with("holidays.yaml:4:") && said.contains("spec.dates[0]"), "{said}");
    let said = desk.refused(&["--calendars", "away.yaml"]);
    assert!(said.starts_with("away.yaml: No such file"), "{said}");
}
