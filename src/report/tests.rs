mod drawn;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::axis::{Axis, Period};
use super::*;
use crate::decision::DesiredReason;
use crate::simulation::scores::{Elasticity, Scores};
use crate::simulation::{Change, Row, Run};

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// `ticks` ticks of 15 minutes from midnight in Berlin on 2026-11-23: ten replicas of 10 requests/s each,
/// 60 requests/s, and 150 from `short` on for one tick.
fn made_up(ticks: i32, short: i32) -> Run {
    let from: Timestamp = "2026-11-22T23:00:00Z".parse().unwrap();
    let row = |tick: i32| {
        let qps = if tick == short { 150.0 } else { 60.0 };
        Row {
            at: from + SignedDuration::from_mins(15) * tick,
            qps,
            measured: (tick > 0).then_some(qps),
            floor: 4,
            ceiling: 20,
            recommendation: (tick > 0).then_some(6),
            level: (tick > 0).then_some(6),
            desired: 10,
            replicas: 10,
            ready: 10,
            capacity: 100.0,
            requests: qps * 900.0,
            dropped: (qps - 100.0).max(0.0) * 900.0,
            retried: 0.0,
            late: 0.0,
            service: None,
            places: None,
            reason: DesiredReason::Baseline,
        }
    };
    Run {
        name: "a <day> & \"night\"".to_owned(),
        from,
        interval: Duration::from_secs(900),
        rows: (0..ticks).map(row).collect(),
        behind: Vec::new(),
        changes: vec![Change {
            at: from,
            from: 3,
            to: 10,
            reason: DesiredReason::Baseline,
            message: "entry <morning> & more".to_owned(),
        }],
        scores: Scores {
            requests: 1_234_567.0,
            dropped_requests: 45_000.0,
            dropped_percent: 3.645,
            late_requests: 0.0,
            late_percent: 0.0,
            retried_requests: 0.0,
            settling_seconds: 900.0,
            overshoot_percent: 0.0,
            downstream_overload_percent: 0.0,
            unplaced_replica_hours: 0.0,
            node_hours: 0.0,
            cost: None,
            elasticity: Elasticity { replica_hours: 240.0, scale_events: 1, ..Elasticity::default() },
            peak_replicas: 10,
        },
        policy_text: "kind: ScalePolicy # </pre><script>\n".to_owned(),
    }
}

/// Fails when an element is not closed by its own end tag, or text has a bare `&`.
fn balanced(document: &str) {
    let mut open = Vec::new();
    let mut rest = document;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.starts_with('!') && !tag.ends_with('/') {
            let name = tag.split_whitespace().next().unwrap();
            open.push(name);
            if name == "script" {
                rest = &rest[rest.find("</script>").unwrap()..];
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_chart_has_its_axes_and_shows_what_lacks() {
    let chart = terminal::chart(&made_up(96, 40), &berlin(), 100, false);
    for part in ["requests/s", "replicas", "150 ┤", "10 ┤", "00:00", "12:00", "Europe/Berlin"] {
        assert!(chart.contains(part), "{part}\n{chart}");
    }
    assert!(chart.lines().filter(|line| line.contains('│') && line.contains('╳')).count() > 1, "{chart}");
    assert!(chart.lines().all(|line| line.chars().count() <= 100), "{chart}");
    assert!((18..=26).contains(&chart.lines().count()), "{chart}");
    assert!(!chart.contains('\u{1b}'));
    let without = terminal::chart(&made_up(96, -1), &berlin(), 100, false);
    assert_eq!(without.matches('╳').count(), 1, "only in the legend\n{without}");
}

#[test]
fn one_short_tick_in_three_months_stays_visible() {
    let run = made_up(96 * 92, 5000);
    let chart = terminal::chart(&run, &berlin(), 80, false);
    assert!(chart.matches('╳').count() > 1, "{chart}");
    let svg = svg::picture(&run, &berlin());
    assert!(svg.lines().filter(|line| line.starts_with("<path class=\"tt-short\" d=")).count() == 2);
    assert!(svg.len() < 60_000, "{}", svg.len());
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = terminal::chart(&made_up(96, 40), &berlin(), 90, false);
    let colored = terminal::chart(&made_up(96, 40), &berlin(), 90, true);
    let escapes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    assert_ne!(plain, colored);
    assert_eq!(plain, escapes.replace_all(&colored, ""));
}

#[test]
fn a_terminal_gets_no_control_characters_from_a_name() {
    let run = Run { name: "a\u{1b}[2Jb\nc".to_owned(), ..made_up(8, 4) };
    let chart = terminal::chart(&run, &berlin(), 80, false);
    assert!(chart.starts_with("a [2Jb c, "), "{chart}");
}

#[test]
fn scores_are_aligned() {
    let table = terminal::scores(&made_up(96, 40));
    assert!(
        table.contains("Requests                     requests           1,234,567 requests\n"),
        "{table}"
    );
    assert!(table.contains("dropped_percent        3.645 % of requests\n"), "{table}");
}

#[test]
fn pictures_and_pages_are_well_formed_and_escaped() {
    let run = made_up(96, 40);
    let svg = svg::picture(&run, &berlin());
    balanced(&svg);
    assert!(svg.contains("a &lt;day&gt; &amp; &quot;night&quot;"));
    let page = html::page(&run, &[], &berlin());
    balanced(&page);
    assert!(page.contains("entry &lt;morning&gt; &amp; more"));
    assert!(page.contains("&lt;/pre&gt;&lt;script&gt;"));
    assert!(page.contains("2026-11-23 00:00:00+01:00"));
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("@media print"));
    let outside = ["src=", "href=", "@import", "url("];
    assert!(outside.iter().all(|reference| !page.contains(reference)));
}

#[test]
fn runs_without_ticks_are_no_trouble() {
    let run = made_up(0, 0);
    balanced(&svg::picture(&run, &berlin()));
    balanced(&html::page(&run, &[], &berlin()));
    assert!(terminal::chart(&run, &berlin(), 0, true).contains("replicas"));
    assert_eq!(csv::table(&run), format!("{}\n", csv::HEADER));
}

#[test]
fn rows_are_comma_separated() {
    let table = csv::table(&made_up(2, 1));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0].split(',').count(), 23);
    assert_eq!(
        lines[1],
        "2026-11-22T23:00:00Z,60,,4,20,,,10,10,10,100,54000,0,Baseline,0,0,,,,,,,\"a <day> & \"\"night\"\"\""
    );
    assert_eq!(
        lines[2],
        "2026-11-22T23:15:00Z,150,150,4,20,6,6,10,10,10,100,135000,45000,Baseline,0,0,,,,,,,\"a <day> & \"\"night\"\"\""
    );
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let all = || {
        let run = made_up(3000, 40);
        (html::page(&run, &[], &berlin()), terminal::chart(&run, &berlin(), 120, true), csv::table(&run))
    };
    assert_eq!(all(), all());
}

#[test]
fn axes_are_round() {
    let labels = |highest, most, least| {
        Axis::covering(highest, most, least).ticks().map(|(_, label)| label).collect::<Vec<_>>()
    };
    assert_eq!(labels(0.0, 4, 1.0), ["0", "1"]);
    assert_eq!(labels(7.0, 4, 1.0), ["0", "2", "4", "6", "8"]);
    assert_eq!(labels(97.0, 5, 0.001), ["0", "20", "40", "60", "80", "100"]);
    assert_eq!(labels(0.9, 5, 0.001), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(61_000.0, 5, 0.001), ["0", "20k", "40k", "60k", "80k"]);
    assert_eq!(labels(f64::NAN, 4, 1.0), ["0", "1"]);
}

#[test]
fn times_are_local_and_survive_a_change_of_clocks() {
    let labels = |from: &str, hours| {
        let from: Timestamp = from.parse().unwrap();
        let period = Period { from, end: from + SignedDuration::from_hours(hours) };
        period.ticks(&berlin(), 8).into_iter().map(|tick| tick.label).collect::<Vec<_>>()
    };
    // Clocks go from 02:00 to 03:00 in this night.
    assert_eq!(labels("2026-03-28T23:00:00Z", 5), ["00:00", "01:00", "03:00", "04:00", "05:00", "06:00"]);
    assert_eq!(labels("2026-11-22T23:00:00Z", 24)[..3], ["00:00", "03:00", "06:00"]);
    assert_eq!(labels("2026-11-22T23:00:00Z", 72)[..3], ["Mon 23", "12:00", "Tue 24"]);
    assert_eq!(labels("2026-11-22T23:00:00Z", 24 * 365)[..2], ["23 Nov", "22 Feb"]);
}
