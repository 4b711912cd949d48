//! `tidetable preview` as a user runs it. What is expected was worked out by hand.

mod cases;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use self::cases::{CLOCK_DAYS, ClockDay, Row, SCHEDULES};

fn preview(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidetable"))
        .arg("preview")
        .args(arguments)
        .env_remove("COLUMNS")
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A policy of 2 to 80 replicas with this schedule, in a file of its own.
struct Written {
    directory: tempfile::TempDir,
    file: String,
}

fn written(schedule: &str) -> Written {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("web.yaml");
    let manifest = format!(
        "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {{name: web, namespace: shop}}\n\
         spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  minReplicas: 2\n  \
         maxReplicas: 80\n  {schedule}\n"
    );
    std::fs::write(&file, manifest).expect("written");
    Written { file: file.display().to_string(), directory }
}

fn schedule(zone: &str, entries: &str) -> String {
    format!("schedule: {{timeZone: {zone}, entries: [{entries}]}}")
}

fn preview_json(schedule: &str, arguments: &[&str]) -> Value {
    let policy = written(schedule);
    let output = preview(&[&[policy.file.as_str(), "--output", "json"], arguments].concat());
    assert!(output.status.success(), "{schedule}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn moment((at, local, floor, ceiling, entries): &(&str, &str, i32, i32, &[&str])) -> Value {
    json!({"at": at, "local": local, "floor": floor, "ceiling": ceiling, "entries": entries})
}

#[test]
fn json_has_exactly_these_fields() {
    let schedule = schedule(
        "Europe/Berlin",
        "{name: backup, cron: '30 2 * * *', for: 1h, replicas: 9}, \
         {name: batch, cron: '0 22 * * *', until: '04:00', maxReplicas: 6}",
    );
    let mut found = preview_json(&schedule, &["--from", "2026-03-29", "--days", "1"]);
    let tzdb = found["tzdb"].take();
    assert!(tzdb.as_str().is_some_and(|version| version.starts_with("20")), "{tzdb}");
    let rows: [Row; 4] = [
        ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00", 9, 6, &["backup"]),
        ("2026-03-29T02:00:00Z", "2026-03-29T04:00:00+02:00", 2, 80, &["backup", "batch"]),
        ("2026-03-29T20:00:00Z", "2026-03-29T22:00:00+02:00", 2, 6, &["batch"]),
        ("2026-03-28T23:00:00Z", "2026-03-29T00:00:00+01:00", 2, 6, &["batch"]),
    ];
    let expected = json!({
        "policy": "shop/web",
        "tzdb": null,
        "from": "2026-03-28T23:00:00Z",
        "to": "2026-03-29T22:00:00Z",
        "start": moment(&rows[3]),
        "transitions": rows[..3].iter().map(moment).collect::<Vec<_>>(),
        "clock_changes": [{
            "date": "2026-03-29",
            "zone": "Europe/Berlin",
            "at": "2026-03-29T01:00:00Z",
            "shift": "+1h",
            "entries": [
                {"name": "backup", "effect": "02:30 does not exist on this day; it fires at 03:00"},
            ],
        }],
    });
    assert_eq!(found, expected);
}

#[test]
fn windows_ramps_dates_pins_and_ceilings_change_when_they_should() {
    for (title, schedule, from, expected) in SCHEDULES {
        let found = preview_json(&format!("schedule: {{{schedule}}}"), &["--from", from, "--days", "3"]);
        let expected: Vec<Value> = expected.iter().map(moment).collect();
        assert_eq!(found["transitions"], json!(expected), "{title}");
        assert_eq!(found["clock_changes"], json!([]), "{title}");
    }
}

#[test]
fn clock_changes_are_pointed_out_where_they_touch_an_entry() {
    for ClockDay { zone, entry, date, at, shift, effect, changes } in CLOCK_DAYS {
        let schedule = schedule(zone, &format!("{{name: a, {entry}}}"));
        let found = preview_json(&schedule, &["--from", date, "--days", "1"]);
        let row =
            |(at, local, floor): &(&'static str, &'static str, i32)| moment(&(at, local, *floor, 80, &["a"]));
        let expected: Vec<Value> = changes.iter().map(row).collect();
        assert_eq!(found["transitions"], json!(expected), "{zone} {date} {entry}");
        let expected = json!([{
            "date": date, "zone": zone, "at": at, "shift": shift,
            "entries": [{"name": "a", "effect": effect}],
        }]);
        assert_eq!(found["clock_changes"], expected, "{zone} {date} {entry}");
    }
}

#[test]
fn a_clock_change_that_touches_nothing_is_not_mentioned() {
    for entry in [
        "cron: '0 7 * * *', for: 2h, replicas: 5",
        "cron: '0 3 * * *', until: '04:00', replicas: 5",
        "cron: '0 22 * * *', until: '04:00', replicas: 5",
        "cron: '30 2 * * *', for: 1h, replicas: 5, onDates: ['2026-03-28']",
        "cron: '0 4 * * *', for: 2h, replicas: 1, rampUp: 2h",
    ] {
        let schedule = schedule("Europe/Berlin", &format!("{{name: a, {entry}}}"));
        let found = preview_json(&schedule, &["--from", "2026-03-28", "--days", "3"]);
        assert_eq!(found["clock_changes"], json!([]), "{entry}");
    }
}

/// Since 2026-09-20 Morocco stays at UTC all year (tz database 2026f), so that its clocks no longer change for
/// Ramadan; older rules had changes on 2027-02-07 and 2027-03-14.
#[test]
fn clocks_in_casablanca_stay_as_they_are_around_ramadan_2027() {
    let schedule = schedule("Africa/Casablanca", "{name: a, cron: '30 2 * * *', for: 15m, replicas: 4}");
    let found = preview_json(&schedule, &["--from", "2027-02-01", "--days", "50"]);
    assert_eq!(found["clock_changes"], json!([]));
    let changes = found["transitions"].as_array().expect("a list");
    assert_eq!(changes.len(), 100);
    for pair in changes.chunks(2) {
        for (change, time) in pair.iter().zip(["T02:30:00+00:00", "T02:45:00+00:00"]) {
            assert!(change["local"].as_str().is_some_and(|local| local.ends_with(time)), "{change}");
        }
    }
}

#[test]
fn clock_changes_of_every_zone_that_an_entry_uses_count_whatever_zone_is_shown() {
    let schedule = schedule(
        "Europe/Berlin",
        "{name: a, cron: '30 2 * * *', for: 1h, replicas: 9}, \
         {name: b, cron: '30 2 * * *', timeZone: America/New_York, for: 1h, replicas: 5}",
    );
    let found = preview_json(&schedule, &["--from", "2026-03-01", "--days", "31", "--zone", "Asia/Kolkata"]);
    let changes: Vec<_> = found["clock_changes"].as_array().expect("a list").iter().collect();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (&change["date"], &change["zone"], &change["entries"][0]["name"]))
        .collect();
    assert_eq!(
        json!(seen),
        json!([["2026-03-08", "America/New_York", "b"], ["2026-03-29", "Europe/Berlin", "a"]])
    );
    assert!(changes.iter().all(|change| change["entries"].as_array().is_some_and(|list| list.len() == 1)));
    assert_eq!(found["start"]["local"], "2026-03-01T00:00:00+05:30");
}

#[test]
fn from_takes_instants_and_local_times_and_days_are_those_of_the_zone() {
    let schedule = schedule("Europe/Berlin", "{name: a, cron: '0 7 * * *', for: 1h, replicas: 9}");
    for (from, zone, at, to) in [
        ("2026-03-28T12:00:00Z", None, "2026-03-28T12:00:00Z", "2026-03-29T11:00:00Z"),
        ("2026-03-28T12:00:00+02:00", None, "2026-03-28T10:00:00Z", "2026-03-29T09:00:00Z"),
        ("2026-03-29", None, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("2026-03-29T02:30", None, "2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"),
        ("2026-10-25T02:30:00", None, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ("2026-03-29", Some("America/New_York"), "2026-03-29T04:00:00Z", "2026-03-30T04:00:00Z"),
    ] {
        let zone = zone.map_or(vec![], |zone| vec!["--zone", zone]);
        let found = preview_json(&schedule, &[&["--from", from, "--days", "1"], &zone[..]].concat());
        assert_eq!((&found["from"], &found["to"]), (&json!(at), &json!(to)), "{from}");
    }
    let without = preview_json(&schedule, &[]);
    let instant = |field: &str| {
        let text = without[field].as_str().expect("a text");
        text.parse::<jiff::Timestamp>().expect("an instant")
    };
    let age = jiff::Timestamp::now().duration_since(instant("from")).as_secs();
    assert!((0..600).contains(&age), "it begins now: {age} s");
    let days = instant("to").duration_since(instant("from")).as_hours();
    assert!((7 * 24 - 1..=7 * 24 + 1).contains(&days), "{days} h");
}

#[test]
fn the_terminal_shows_a_chart_the_changes_and_the_clock_changes() {
    let policy = written(&schedule(
        "Europe/Berlin",
        "{name: night, cron: '0 20 * * *', replicas: 3}, {name: day, cron: '0 7 * * *', replicas: 5, rampUp: 20m}, \
         {name: backup, cron: '30 2 * * *', for: 1h, replicas: 9, maxReplicas: 9}",
    ));
    let output = preview(&[&policy.file, "--from", "2026-03-29", "--days", "1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let (chart, table) = said.split_once("\n\n").expect("a chart and a table");
    assert!(chart.starts_with("shop/web, 2026-03-29 00:00 to 2026-03-30 00:00 Europe/Berlin\n"), "{chart}");
    assert!(chart.contains('░') && chart.contains('━') && chart.contains("06:00"), "{chart}");
    let expected = "\
LOCAL                          UTC                   FLOOR  CEILING  ENTRY   WHY
Sun 2026-03-29 00:00:00+01:00  2026-03-28T23:00:00Z      3       80  night   in force: night
Sun 2026-03-29 03:00:00+02:00  2026-03-29T01:00:00Z      9        9  backup  backup starts (moved: 02:30 does not exist on this day)
Sun 2026-03-29 04:00:00+02:00  2026-03-29T02:00:00Z      3       80  backup  backup ends
Sun 2026-03-29 06:40:00+02:00  2026-03-29T04:40:00Z      4       80  day     ramp of day
Sun 2026-03-29 06:50:00+02:00  2026-03-29T04:50:00Z      5       80  day     ramp of day
Sun 2026-03-29 20:00:00+02:00  2026-03-29T18:00:00Z      3       80  night   night starts

Clocks change on 2026-03-29 in Europe/Berlin: +1h at 2026-03-29T01:00:00Z
  backup: 02:30 does not exist on this day; it fires at 03:00
";
    assert_eq!(table, expected);
}

#[test]
fn an_instant_at_which_something_changes_has_one_row() {
    let policy = written(&schedule("UTC", "{name: day, cron: '0 7 * * *', for: 2h, replicas: 9}"));
    for (from, expected) in
        [("2026-11-23T07:00", "day starts"), ("2026-11-23T06:59", "in force: minReplicas")]
    {
        let shown = text(&preview(&[&policy.file, "--from", from, "--days", "1"]).stdout);
        let rows: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("LOCAL")).skip(1).collect();
        assert!(rows[0].ends_with(expected), "{shown}");
        let at = rows[0].split("  ").next().expect("a time");
        assert_eq!(rows.iter().filter(|row| row.starts_with(at)).count(), 1, "{shown}");
    }
}

#[test]
fn the_page_has_everything_and_needs_no_network() {
    let policy = written(&schedule("Europe/Berlin", "{name: a, cron: '30 2 * * *', for: 1h, replicas: 9}"));
    let page = policy.directory.path().join("web.html");
    let page_name = page.display().to_string();
    let output = preview(&[&policy.file, "--from", "2026-03-29", "--days", "1", "--html", &page_name]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let html = std::fs::read_to_string(&page).expect("written");
    for part in [
        "<h1>shop/web</h1>",
        "<svg",
        "prefers-color-scheme:dark",
        "2026-03-29T01:00:00Z",
        "Sun 2026-03-29 03:00:00+02:00",
        "a starts (moved: 02:30 does not exist on this day)",
        "02:30 does not exist on this day; it fires at 03:00",
    ] {
        assert!(html.contains(part), "{part}");
    }
    for reference in ["src=", "@import", "<link", "<script", "url("] {
        assert!(!html.contains(reference), "{reference}");
    }
}

#[test]
fn bad_input_is_said_with_its_place_and_exits_with_2() {
    let good = schedule("UTC", "{name: a, cron: '0 7 * * *', replicas: 9}");
    let metrics = "metrics: [{name: qps, prometheus: {query: up}, target: {averageValue: '1'}}]";
    let twice = format!("{good}\n---\nkind: ScalePolicy\nmetadata: {{name: b}}");
    for (schedule, arguments, expected) in [
        (
            schedule("Berlin", "{name: a, cron: '0 7 * *', replicas: 9}"),
            &[][..],
            ":8:14: spec.schedule.timeZone: \"Berlin\" is not",
        ),
        (metrics.to_owned(), &[], ": spec: the policy has no schedule"),
        (twice, &[], ": spec: needed"),
        (good.clone(), &["--from", "tomorrow"], "--from: \"tomorrow\" is not an instant"),
        (good.clone(), &["--from", "2026-02-30"], "--from: \"2026-02-30\" is not an instant"),
        (good.clone(), &["--zone", "Berlin"], "--zone: \"Berlin\" is not a time zone"),
        (good.clone(), &["--days", "0"], "0 is not in 1..=3660"),
        (good.clone(), &["--days", "3661"], "3661 is not in 1..=3660"),
        (good, &["--html", "/nowhere/at/all.html"], "/nowhere/at/all.html: "),
    ] {
        let policy = written(&schedule);
        let output = preview(&[&[policy.file.as_str()], arguments].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{expected}: {said}");
        assert_eq!(text(&output.stdout), "", "{expected}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(preview(&["absent.yaml"]).status.code(), Some(2));
}

#[test]
fn a_file_has_to_have_one_policy_and_may_have_other_kinds() {
    let one = written(&schedule("UTC", "{name: a, cron: '0 7 * * *', replicas: 9}"));
    let policy = std::fs::read_to_string(&one.file).expect("readable");
    let file = Path::new(one.directory.path()).join("all.yaml");
    let service = "kind: Service\nmetadata: {name: web}\n";
    for (documents, expected) in [
        (format!("{service}---\n{policy}"), None),
        (format!("{policy}---\n{policy}"), Some(":10:1: a second ScalePolicy")),
        (service.to_owned(), Some(":1:1: no ScalePolicy")),
        (String::new(), Some("no ScalePolicy")),
    ] {
        std::fs::write(&file, &documents).expect("written");
        let output = preview(&[&file.display().to_string()]);
        let said = text(&output.stderr);
        assert_eq!(output.status.success(), expected.is_none(), "{said}");
        assert!(said.contains(expected.unwrap_or_default()), "{said}");
    }
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let policy = written(&schedule("UTC", "{name: a, cron: '0 * * * *', for: 10m, replicas: 9}"));
    for output in ["table", "json"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidetable"))
            .args(["preview", &policy.file, "--days", "366", "--output", output])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    }
}
