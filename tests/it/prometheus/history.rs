//! `tidetable simulate --prometheus`, against a real server that holds some days of requests.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::at;
use crate::support::prometheus::Prometheus;
use crate::traces::Desk;

/// A gauge for each minute from 2026-11-23T00:00:00Z on, as long as `minutes`, where `value` gives one.
fn samples(minutes: u32, value: impl Fn(u32) -> Option<f64>) -> String {
    let mut text = String::from("# TYPE rate gauge\n");
    for app in ["a", "b"] {
        for minute in 0..minutes {
            if let Some(value) = value(minute) {
                let time = at("2026-11-23T00:00:00Z") + SignedDuration::from_mins(i64::from(minute));
                writeln!(text, "rate{{app=\"{app}\"}} {value} {}", time.as_second()).expect("a string");
            }
        }
    }
    text + "# EOF\n"
}

#[test]
fn what_a_server_has_recorded_is_asked_for_in_parts_and_played() {
    // 40 minutes at 50 of each app, 20 at 100, and so on for three days; ten minutes on the second are missing.
    let missing = 1500..1510;
    let value = |minute: u32| {
        let qps = if minute % 60 < 40 { 50.0 } else { 100.0 };
        (!missing.contains(&minute)).then_some(qps)
    };
    let server = Prometheus::with_samples(&samples(3 * 1440, value));
    let desk = Desk::new();
    desk.scenario("");
    let ask = |query: &str, more: &[&str]| {
        let server = ["--prometheus", server.url(), "--query", query];
        [&server[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let played = |query: &str, more: &[&str]| {
        let arguments = ask(query, more);
        desk.played(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let requests = |minutes: std::ops::Range<u32>| {
        minutes.map(|minute| value(minute).map_or(0.0, |qps| qps * 2.0 * 60.0)).sum::<f64>()
    };

    // The two hours of the scenario, in one part.
    let (scores, said) = played("sum(rate)", &[]);
    assert_eq!((scores["requests"].as_f64(), said.as_str()), (Some(requests(0..120)), ""));
    let (scores, _) =
        played("sum(rate)", &["--step", "1m", "--from", "2026-11-23T12:00:00Z", "--to", "2026-11-24"]);
    assert_eq!(scores["requests"].as_f64(), Some(requests(720..1380)), "midnight is that of Berlin");
    // 17,280 instants are two parts. For five minutes Prometheus itself goes on with the last sample.
    let (scores, said) = played("sum(rate)", &["--to", "2026-11-26T00:00:00Z"]);
    assert_eq!(scores["ticks"], 17_280);
    let [first, second, gap] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!(first, "asking Prometheus: part 1 of 2, from 2026-11-23T00:00:00Z on");
    assert_eq!(second, "asking Prometheus: part 2 of 2, from 2026-11-24T17:40:00Z on");
    assert!(
        gap.starts_with(
            "warning: values of the trace are 15s apart, and further in 1 places, the longest 6m"
        ),
        "{gap}"
    );
    assert_eq!(scores["requests"].as_f64(), Some(requests(0..4320) + 10.0 * 60.0 * 200.0));
    // As much is asked for as is needed for the length of what is played.
    let (scores, said) = played("sum(rate)", &["--length", "6h", "--repeat", "3", "--time-scale", "2"]);
    assert_eq!((scores["requests"].as_f64(), said.as_str()), (Some(requests(0..60) * 6.0), ""));

    for (query, more, expected) in [
        (
            "rate",
            &[][..],
            "--query: the answer has 2 series where one is needed: {__name__=\"rate\", app=\"a\"}, ",
        ),
        ("sum(rate", &[], "the source refused the query: bad_data: "),
        ("sum(other)", &[], "--prometheus: no number in the answer"),
        ("sum(rate)", &["--to", "2026-11-28"], "the trace ends at 2026-11-26T00:0"),
        ("sum(rate)", &["--to", "2029-11-28"], "--step: "),
        ("sum(rate)", &["--step", "1500ms"], "must be whole seconds"),
        ("sum(rate)", &["--trace", "day.csv"], "cannot be used with"),
    ] {
        let arguments = ask(query, more);
        let said = desk.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(said.contains(expected), "{query} {more:?}: {said}");
    }
}

#[test]
fn a_server_is_named_by_its_address_or_as_a_source_of_the_operators_configuration() {
    let server = Prometheus::with_samples(&samples(180, |_| Some(5.0)));
    let desk = Desk::new();
    desk.scenario("");
    desk.write("sources.yaml", &format!("sources: [{{name: main, url: '{}'}}]\n", server.url()));
    let query = ["--query", "sum(rate)", "--config", "sources.yaml", "--prometheus"];
    let (scores, _) = desk.played(&[&query[..], &["main"]].concat());
    assert_eq!(scores["requests"].as_f64(), Some(72_000.0));
    let said = desk.refused(&[&query[..], &["other"]].concat());
    assert_eq!(said, "--prometheus: sources.yaml has no source named \"other\"; it has main\n");
    let said = desk.refused(&["--query", "sum(rate)", "--prometheus", "localhost:9090"]);
    assert!(said.starts_with("--prometheus: must begin with http:// or https://"), "{said}");
    let said = desk.refused(&["--prometheus", server.url()]);
    assert!(said.contains("--query <PROMQL>"), "{said}");
    let output =
        desk.run(&["simulate", "scenario.yaml", "--query", "q", "--prometheus", "http://127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{said}");
    assert!(said.contains("--prometheus: the source can't be connected to: connection refused"), "{said}");
}

#[test]
fn a_schedule_is_learned_and_numbers_are_tuned_out_of_weeks_that_a_server_has_recorded() {
    // Four weeks of two apps: days of 1000 each from eight to eight, and nights of 100.
    let value = |minute: u32| {
        let qps = if (7 * 60..19 * 60).contains(&(minute % 1440)) { 1000 } else { 100 };
        minute.is_multiple_of(5).then(|| f64::from(qps + minute % 4 * 5))
    };
    let server = Prometheus::with_samples(&samples(28 * 1440, value));
    let desk = Desk::new();
    let asked = ["--prometheus", server.url(), "--query", "sum(rate)", "--step", "5m"];
    let span = ["--from", "2026-11-24", "--to", "2026-12-20"];
    let learn = ["learn", "--target", "100", "--time-zone", "Europe/Berlin", "--write", "policy.yaml"];
    desk.done(&[&learn[..], &asked, &span].concat());
    let policy = desk.read("policy.yaml");
    for line in [
        "    - {name: daily-0759, cron: \"59 7 * * *\", replicas: 21}",
        "    - {name: daily-2000, cron: \"0 20 * * *\", replicas: 3}",
        "    prometheus: {query: \"sum(rate)\"}",
        "# From 2026-12-13 to 2026-12-19, which it was not learned from:",
    ] {
        assert!(policy.lines().any(|found| found == line), "no {line:?} in\n{policy}");
    }
    desk.done(&["check", "policy.yaml"]);

    desk.scenario("");
    let param = "metrics[0].target.averageValue=60..100/20";
    let tune =
        ["tune", "scenario.yaml", "--param", param, "--objective", "replica_hours", "--write", "tuned.yaml"];
    let two_days = ["--from", "2026-11-30", "--to", "2026-12-02"];
    desk.done(&[&tune[..], &asked, &two_days].concat());
    assert!(desk.read("tuned.yaml").contains("averageValue: \"100\""), "{}", desk.read("tuned.yaml"));
}
