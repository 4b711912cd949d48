use std::path::Path;
use std::time::Duration;

use jiff::civil::DateTime;

use super::words::{clocks, length, shift, spoken};
use super::*;
use crate::decision::Policy;
use crate::manifest;
use crate::report::{html, terminal};

fn policy(entries: &str) -> Policy {
    let text = format!(
        "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {{name: web}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  minReplicas: 2\n  \
         maxReplicas: 80\n  schedule: {{timeZone: Europe/Berlin, entries: [{entries}]}}\n"
    );
    manifest::parse_policy(Path::new("web.yaml"), &text).unwrap().0.policy
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn preview<'a>(policy: &'a Policy, from: &str, to: &str) -> Preview<'a> {
    Preview::new("web".to_owned(), policy, berlin(), at(from), at(to))
}

#[test]
fn a_preview_says_at_every_instant_what_the_schedule_says() {
    let policy = policy(
        "{name: day, cron: '0 7 * * *', replicas: 12, rampUp: 30m}, {name: night, cron: '0 20 * * *', replicas: 3}, \
         {name: lunch, cron: '30 11 * * *', for: 2h, replicas: 20, rampDown: 45m}, \
         {name: batch, cron: '0 22 * * *', until: '04:00', maxReplicas: 6}, \
         {name: stop, cron: '0 13 * * *', for: 10m, replicas: 0, maxReplicas: 0}",
    );
    let preview = preview(&policy, "2026-03-28T05:47:00Z", "2026-03-30T11:03:00Z");
    let steps: Vec<_> = preview.steps().collect();
    let mut now = preview.from;
    while now < preview.to {
        let (_, floor, ceiling) = steps[steps.partition_point(|(at, ..)| *at <= now) - 1];
        let baseline = policy.schedule.baseline(now);
        assert_eq!((floor, ceiling), (baseline.floor, baseline.ceiling), "{now}");
        now += SignedDuration::from_secs(20);
    }
    for change in &preview.changes {
        assert!(!change.parts.is_empty(), "{change:?} has no author");
    }
}

#[test]
fn why_names_starts_ends_and_ramps_and_joins_them() {
    let policy = policy(
        "{name: a, at: '2026-11-24T09:00', for: 1h, replicas: 5}, {name: b, at: '2026-11-24T10:00', for: 1h, replicas: 7}, \
         {name: c, at: '2026-11-24T10:00', for: 1h, maxReplicas: 6, replicas: 1}, \
         {name: d, at: '2026-11-24T12:00', for: 1h, replicas: 3, rampUp: 10m}",
    );
    let preview = preview(&policy, "2026-11-24T07:00:00Z", "2026-11-24T13:00:00Z");
    let said: Vec<_> = preview.changes.iter().map(|change| preview.why(change)).collect();
    assert_eq!(
        said,
        [
            "a starts",
            "a ends, b starts and c starts; the floor is over the ceiling and wins",
            "b ends and c ends",
            "ramp of d",
            "d ends",
        ]
    );
    assert_eq!(preview.why_at_first(), "in force: minReplicas");
}

#[test]
fn what_is_in_force_at_first_has_the_entries_of_floor_and_ceiling() {
    let entries = "{name: a, cron: '0 8 * * *', for: 4h, replicas: 5, rampUp: 30m}, \
                   {name: b, cron: '0 9 * * *', for: 2h, maxReplicas: 20}, \
                   {name: c, cron: '0 10 * * *', for: 1h, replicas: 9, maxReplicas: 9}";
    let policy = policy(entries);
    for (from, names, why) in [
        ("2026-11-24T05:00:00Z", "", "in force: minReplicas"),
        ("2026-11-24T06:45:00Z", "a", "in force: the ramp of a"),
        ("2026-11-24T07:00:00Z", "a", "in force: a"),
        ("2026-11-24T08:00:00Z", "a, b", "in force: a, ceiling of b"),
        ("2026-11-24T09:00:00Z", "c", "in force: c"),
    ] {
        let preview = preview(&policy, from, "2026-11-25T00:00:00Z");
        assert_eq!(
            (preview.names_at_first(), preview.why_at_first()),
            (names.to_owned(), why.to_owned()),
            "{from}"
        );
    }
}

#[test]
fn a_window_that_fires_again_before_it_ends_is_not_said_to_end() {
    let policy = policy("{name: a, cron: '0 7 * * *', for: 24h, replicas: 5}");
    for (from, to, effect) in [
        (
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
            "its window spans the change, and it fires again before that ends",
        ),
        (
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
            "lasts 23 h by the clock; ends an hour earlier by the clock, at 06:00",
        ),
    ] {
        let preview = preview(&policy, from, to);
        let effects: Vec<_> = preview.clock_changes.iter().flat_map(|change| &change.effects).collect();
        assert_eq!(effects, [&Effect { entry: EntryId(0), words: effect.to_owned() }], "{from}");
    }
}

#[test]
fn a_chart_hides_neither_a_short_peak_nor_a_short_limit() {
    let policy = policy(
        "{name: peak, at: '2026-11-24T09:00', for: 1m, replicas: 50}, \
         {name: limit, at: '2026-11-26T09:00', for: 1m, maxReplicas: 40}",
    );
    let preview = preview(&policy, "2026-11-23T23:00:00Z", "2027-11-23T23:00:00Z");
    let text = terminal::preview::text(&preview, 80, false);
    let chart: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    let panel = &chart[2..];
    assert!(panel.iter().filter(|line| line.contains('░')).count() >= 8, "{text}");
    assert!(panel.iter().any(|line| line.contains('━')), "{text}");
    assert!(chart.iter().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_schedule_without_changes_says_so() {
    let policy = policy("{name: a, cron: '0 0 1 1 *', replicas: 5}");
    let preview = preview(&policy, "2026-11-24T07:00:00Z", "2026-11-25T07:00:00Z");
    let text = terminal::preview::text(&preview, 80, false);
    assert!(text.ends_with("in force: a\nNothing changes until the end.\n"), "{text}");
}

#[test]
fn what_a_file_says_can_t_break_out_of_a_page_or_move_a_cursor() {
    let policy = policy(r#"{name: "<b>&\e[2J", cron: "0 7 * * *", for: 1h, replicas: 5}"#);
    let mut preview = preview(&policy, "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z");
    preview.name = "</title><script>\u{1b}".to_owned();
    let page = html::preview::page(&preview, "2026a");
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains('\u{1b}'), "{page}");
    let text = terminal::preview::text(&preview, 80, false);
    assert!(text.contains("<b>&") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn shifts_and_lengths_are_written_with_their_units() {
    for (seconds, expected) in
        [(3600, "+1h"), (-1800, "-30m"), (86_400, "+24h"), (-2_670, "-44m30s"), (5400, "+1h30m")]
    {
        assert_eq!(shift(seconds), expected);
    }
    for (seconds, expected) in [(90_000, "25 h"), (9000, "2 h 30 min"), (45, "45 s")] {
        assert_eq!(length(Duration::from_secs(seconds)), expected);
    }
    assert_eq!(
        (spoken(3600).as_str(), spoken(1800).as_str(), spoken(7200).as_str()),
        ("an hour", "30 min", "2 h")
    );
}

#[test]
fn many_times_of_day_are_summed_up() {
    let wall = |minute: i8| DateTime::constant(2026, 3, 29, 2, minute, 0, 0);
    assert_eq!(clocks(&[wall(0), wall(15), wall(30)]), "02:00, 02:15 and 02:30");
    let all: Vec<_> = (0..60).map(wall).collect();
    assert_eq!(clocks(&all), "the 60 times from 02:00 to 02:59");
}
