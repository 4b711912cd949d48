//! The schedule against brute force: minute by minute, with no code in common.

mod changes;
mod oracle;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

use self::oracle::Oracle;
use super::*;
use crate::decision::tests::{at, policy, try_policy};
use crate::policy::parse_cron;

const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Vancouver",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Kolkata",
];

/// The parts of a baseline that a transition changes.
fn essence(baseline: &Baseline) -> (Replicas, Replicas) {
    (baseline.floor, baseline.ceiling)
}

/// Whether a wall-clock minute matches, straight from the definition.
fn matches(cron: &Cron, wall: DateTime) -> bool {
    let fields = cron.fields();
    let has = |bits: u64, value: i8| bits >> value & 1 == 1;
    let day = has(fields.days.into(), wall.day());
    let weekday = has(fields.weekdays.into(), wall.weekday().to_sunday_zero_offset());
    let date =
        if fields.days_restricted && fields.weekdays_restricted { day || weekday } else { day && weekday };
    date && has(fields.months.into(), wall.month())
        && has(fields.hours.into(), wall.hour())
        && has(fields.minutes, wall.minute())
}

/// All firings in `[from, to)`, found by stepping through every minute.
fn brute_force(cron: &Cron, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let minute = SignedDuration::from_mins(1);
    let mut found = Vec::new();
    let mut now = from;
    while now < to {
        let wall = zone.to_datetime(now);
        let before = zone.to_datetime(now - minute);
        if cron.fields().follows_elapsed_time {
            if matches(cron, wall) {
                found.push(now);
            }
        } else {
            // Every wall-clock minute that this instant is the first to reach: itself, unless an earlier
            // pass had it, and those of a gap that ends here.
            let mut reached = before.checked_add(1.minute()).expect("in range");
            let mut fires = false;
            while reached <= wall {
                fires |= matches(cron, reached) && !was_reached(zone, now, reached);
                reached = reached.checked_add(1.minute()).expect("in range");
            }
            if fires {
                found.push(now);
            }
        }
        now += minute;
    }
    found
}

/// Whether the wall clock showed `wall` in the three hours before `now`.
fn was_reached(zone: &TimeZone, now: Timestamp, wall: DateTime) -> bool {
    (1..=180).any(|minutes| zone.to_datetime(now - SignedDuration::from_mins(minutes)) == wall)
}

fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        1 => (1_u8..20).prop_map(|step| format!("*/{step}")),
        4 => (least..=most).prop_map(|value| value.to_string()),
        1 => (least..=most, least..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (least..=most, least..=most).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

/// An entry in YAML, without its name.
fn entry() -> impl Strategy<Value = String> {
    let trigger = (field(0, 59), field(0, 23), prop_oneof![4 => Just("*".to_owned()), 1 => field(0, 7)])
        .prop_map(|(minute, hour, weekday)| format!("cron: '{minute} {hour} * * {weekday}'"));
    // Windows near the hours in which clocks change are the interesting ones.
    let near = (0_u8..60, 0_u8..4).prop_map(|(minute, hour)| format!("cron: '{minute} {hour} * * *'"));
    let extent = prop_oneof![
        2 => Just(String::new()),
        2 => (1_u32..2000).prop_map(|minutes| format!(", for: {minutes}m")),
        3 => (0_u8..24, 0_u8..60).prop_map(|(hour, minute)| format!(", until: '{hour:02}:{minute:02}'")),
        2 => (0_u8..4, 0_u8..60).prop_map(|(hour, minute)| format!(", until: '{hour:02}:{minute:02}'")),
    ];
    let ramp = |name: &'static str| {
        prop_oneof![
            3 => Just(String::new()),
            1 => (1_u32..300).prop_map(move |minutes| format!(", {name}: {minutes}m")),
        ]
    };
    let counts = prop_oneof![
        6 => (0_u8..50).prop_map(|count| format!(", replicas: {count}")),
        2 => (0_u8..50).prop_map(|count| format!(", maxReplicas: {count}")),
        1 => (0_u8..50).prop_map(|count| format!(", replicas: {count}, maxReplicas: {count}")),
    ];
    (prop_oneof![trigger, near], extent, ramp("rampUp"), ramp("rampDown"), counts).prop_map(
        |(trigger, extent, up, down, counts)| {
            let counts =
                if extent.is_empty() { counts.replace(", maxReplicas", ", replicas") } else { counts };
            let counts = counts
                .rsplit_once(", replicas")
                .filter(|(first, _)| first.contains("replicas"))
                .map_or(counts.clone(), |(first, _)| first.to_owned());
            let has_replicas = counts.contains(", replicas");
            let up = if has_replicas { up } else { String::new() };
            let down = if has_replicas && !extent.is_empty() { down } else { String::new() };
            format!("{trigger}{extent}{up}{down}{counts}")
        },
    )
}

/// Instants around clock changes of the zones above, and elsewhere.
fn starts() -> impl Strategy<Value = Timestamp> {
    let moments = [
        "2026-03-29T00:00:00Z",
        "2026-10-25T00:00:00Z",
        "2026-03-08T06:00:00Z",
        "2026-11-01T05:00:00Z",
        "2026-04-04T14:00:00Z",
        "2026-10-03T14:00:00Z",
        "2011-12-30T09:00:00Z",
        "2026-02-15T01:00:00Z",
        "2018-11-04T02:00:00Z",
        "2024-02-28T23:00:00Z",
    ];
    (proptest::sample::select(moments.to_vec()), -36_i64..36)
        .prop_map(|(moment, hours)| at(moment) + SignedDuration::from_hours(hours))
}

/// As many cases as `PROPTEST_CASES` says, else this many.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn next_and_latest_are_what_brute_force_finds(
        minute in field(0, 59), hour in field(0, 4), day in field(1, 31), weekday in field(0, 7),
        zone in proptest::sample::select(ZONES.to_vec()),
        from in starts(),
    ) {
        let expression = format!("{minute} {hour} {day} * {weekday}");
        let Ok(cron) = parse_cron(&expression) else { return Ok(()) };
        let zone = TimeZone::get(zone).expect("a known zone");
        let to = from + SignedDuration::from_hours(50);
        let expected = brute_force(&cron, &zone, from, to);

        let mut found = Vec::new();
        let mut now = from - SignedDuration::from_nanos(1);
        while let Some(next) = cron.next(&zone, now).filter(|next| *next < to) {
            found.push(next);
            now = next;
        }
        prop_assert_eq!(&found, &expected, "next of {:?}", &expression);

        for probe in (0..50 * 4).map(|quarter| from + SignedDuration::from_mins(15 * quarter)) {
            let latest = expected.iter().rev().find(|fired| **fired <= probe);
            if let Some(latest) = latest {
                prop_assert_eq!(cron.latest(&zone, probe), Some(*latest), "latest of {:?} at {}", &expression, probe);
            }
        }
    }

    #[test]
    fn floor_ceiling_and_next_transition_are_what_brute_force_finds(
        entries in proptest::collection::vec(entry(), 1..5),
        except in proptest::option::of(-2_i64..3),
        zone in proptest::sample::select(ZONES.to_vec()),
        from in starts(),
        probes in proptest::collection::vec(0_i64..3 * 86_400, 12),
    ) {
        let lead = SignedDuration::from_hours(9 * 24);
        let except = except.map(|days| {
            (from + SignedDuration::from_hours(24 * (days + 1))).to_zoned(TimeZone::UTC).date()
        });
        let except = except.map_or(String::new(), |date| format!("  exceptDates: ['{date}']\n"));
        let named = |(index, entry): (usize, &String)| format!("  - {{name: e{index}, {entry}}}");
        let entries: Vec<String> = entries.iter().enumerate().map(named).collect();
        let entries = entries.join("\n");
        let spec =
            format!("minReplicas: 2\nmaxReplicas: 60\nschedule:\n  timeZone: {zone}\n{except}  entries:\n{entries}");
        let Ok(policy) = try_policy(&spec) else { return Ok(()) };
        let to = from + SignedDuration::from_hours(7 * 24);
        let oracle = Oracle::new(&policy.schedule, from - lead, to);
        let horizon = from + SignedDuration::from_hours(5 * 24);
        let timeline = policy.schedule.timeline(from, horizon);
        for probe in probes.iter().map(|seconds| from + SignedDuration::from_secs(*seconds)) {
            let found = policy.schedule.baseline(probe);
            let bounds = (found.floor.wide(), found.ceiling.wide(), found.pinned);
            prop_assert_eq!(bounds, oracle.at(probe), "at {} of\n{}", probe, &spec);
            let compiled = timeline.at(probe);
            prop_assert_eq!((compiled.floor.wide(), compiled.ceiling.wide(), compiled.pinned), bounds);
            let next = found.next.map(|next| next.at).filter(|next| *next < horizon);
            prop_assert_eq!(next, oracle.next_change(probe, horizon), "next after {} of\n{}", probe, &spec);
            prop_assert_eq!(
                timeline.transitions_after(probe).next().map(|next| next.at), next, "compiled, after {}", probe
            );
        }
    }

    #[test]
    fn nothing_changes_before_the_next_transition_and_then_it_is_as_announced(
        from in starts(),
        hour in 0_u8..24, length in 1_u32..40, day in 1_u8..29, replicas in 1_i32..50, ceiling in 1_i32..50,
    ) {
        let policy = policy(&format!("
maxReplicas: 60
schedule:
  timeZone: Europe/Berlin
  entries:
  - {{name: day, cron: '0 7 * * *', replicas: 12}}
  - {{name: night, cron: '0 20 * * *', replicas: 3}}
  - {{name: window, cron: '30 {hour} * * *', for: {length}h, replicas: {replicas}}}
  - {{name: monthly, cron: '15 2 {day} * *', for: 90m, maxReplicas: {ceiling}}}
"));
        let now = policy.schedule.baseline(from);
        let next = now.next.expect("days and nights alternate");
        prop_assert!(next.at > from);
        let span = next.at.duration_since(from);
        for probe in (0..24).map(|part| from + span * part / 24) {
            let then = policy.schedule.baseline(probe);
            prop_assert_eq!((essence(&then), then.next), (essence(&now), now.next), "at {}", probe);
        }
        let then = policy.schedule.baseline(next.at);
        prop_assert_eq!((then.floor, then.ceiling), (next.floor, next.ceiling));
        prop_assert!(essence(&then) != essence(&now));
    }
}

#[test]
fn steps_hold_until_the_next_step_and_windows_for_their_length() {
    let policy = policy(
        "
minReplicas: 2
maxReplicas: 80
schedule:
  timeZone: Europe/Berlin
  entries:
  - {name: day, cron: 0 7 * * mon-fri, replicas: 12}
  - {name: night, cron: 0 20 * * *, replicas: 3}
  - {name: lunch, cron: 30 11 * * mon-fri, for: 2h, replicas: 20}
  - {name: batch, cron: 0 22 * * *, for: 6h, maxReplicas: 6}
  - {name: tokyo, cron: 0 9 1 1 *, timeZone: Asia/Tokyo, for: 1h, replicas: 40}
",
    );
    for (instant, floor, ceiling) in [
        ("2026-11-23T06:59:59+01", 3, 80),
        ("2026-11-23T07:00:00+01", 12, 80),
        ("2026-11-23T11:30:00+01", 20, 80),
        ("2026-11-23T13:29:59+01", 20, 80),
        ("2026-11-23T13:30:00+01", 12, 80),
        ("2026-11-23T20:00:00+01", 3, 80),
        ("2026-11-23T22:00:00+01", 3, 6),
        ("2026-11-24T03:59:59+01", 3, 6), // across midnight
        ("2026-11-24T04:00:00+01", 3, 80),
        ("2026-11-28T12:00:00+01", 3, 80), // Saturday: Friday's night still holds
        ("2027-01-01T09:00:00+09", 40, 6),
        ("2026-03-29T03:00:00+02", 3, 6), // clocks went forward: 22:00 and six hours is 05:00
        ("2026-03-29T04:59:59+02", 3, 6),
        ("2026-03-29T05:00:00+02", 3, 80),
    ] {
        let baseline = policy.schedule.baseline(at(instant));
        assert_eq!((baseline.floor.get(), baseline.ceiling.get()), (floor, ceiling), "{instant}");
    }
}

#[test]
fn a_yearly_step_holds_all_year_and_a_leap_day_for_four() {
    let policy = policy(
        "
maxReplicas: 80
schedule:
  entries:
  - {name: leap, cron: 0 0 29 2 *, replicas: 7}
",
    );
    let baseline = policy.schedule.baseline(at("2027-06-01T00:00:00Z"));
    assert_eq!(baseline.floor, Replicas::new(7));
    assert_eq!(baseline.next, None, "it only ever asks for the same");
}

#[test]
fn of_two_steps_in_the_same_minute_the_later_in_the_list_wins() {
    let policy = policy(
        "
maxReplicas: 80
schedule:
  entries:
  - {name: a, cron: 0 7 * * *, replicas: 5}
  - {name: b, cron: 0 7 * * mon, replicas: 4}
",
    );
    assert_eq!(policy.schedule.baseline(at("2026-11-23T07:00:00Z")).floor, Replicas::new(4));
    assert_eq!(policy.schedule.baseline(at("2026-11-24T07:00:00Z")).floor, Replicas::new(5));
}

#[test]
fn lookups_at_the_ends_of_time_give_an_answer() {
    let policy = policy(
        "
maxReplicas: 80
schedule:
  timeZone: America/New_York
  entries: [{name: a, cron: '*/7 * * * *', replicas: 5}, {name: b, cron: 0 7 * * *, for: 99999h, replicas: 9}]
",
    );
    for instant in [Timestamp::MIN, Timestamp::MAX] {
        let baseline = policy.schedule.baseline(instant);
        assert!(baseline.floor >= Replicas::new(1), "{instant}");
    }
}

/// croner says the same of every expression that means the same to it, where no clocks change.
#[test]
fn croner_agrees_in_utc() {
    use croner::parser::{CronParser, Seconds, Year};
    use proptest::test_runner::TestRunner;

    let expression = (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6));
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let from = at("2024-01-01T00:00:00Z");
    let test = |((minute, hour, day, month, weekday), seconds): ((_, _, String, _, String), i64)| {
        // With both days restricted and one of them beginning with `*`, cron means both and croner either.
        if day.starts_with("*/") || weekday.starts_with("*/") {
            return Ok(());
        }
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let (Ok(ours), Ok(theirs)) = (parse_cron(&text), parser.parse(&text)) else { return Ok(()) };
        let now = from + SignedDuration::from_secs(seconds);
        let zoned = now.to_zoned(TimeZone::UTC);
        let next = theirs.find_next_occurrence(&zoned, false).ok().map(|next| next.timestamp());
        prop_assert_eq!(ours.next(&TimeZone::UTC, now), next, "{} after {}", text, now);
        let latest = theirs.find_previous_occurrence(&zoned, true).ok().map(|latest| latest.timestamp());
        prop_assert_eq!(ours.latest(&TimeZone::UTC, now), latest, "{} at {}", text, now);
        Ok(())
    };
    TestRunner::new(cases(300)).run(&(expression, 0_i64..4 * 365 * 86_400), test).expect("agreement");
}

#[test]
fn a_spread_moves_all_edges_of_a_policy_alike_by_at_most_half_of_it() {
    let plain = policy(
        "
maxReplicas: 80
schedule:
  timeZone: Europe/Berlin
  spread: 4m
  entries: [{name: day, cron: 0 7 * * *, until: '20:00', replicas: 9}]
",
    )
    .schedule;
    assert_eq!(plain.spread(), Duration::from_secs(240));
    let noon = at("2026-11-23T11:00:00Z");
    let edge = at("2026-11-23T19:00:00Z");
    assert_eq!(plain.baseline(noon).until(), Some(edge), "nobody's place is the middle");
    for (number, shift) in
        [(0, -120_000), (u64::MAX, 120_000), (u64::MAX / 2 + 1, 0), (u64::MAX / 4, -60_000)]
    {
        let mut moved = plain.clone();
        moved.spread_by(number);
        let shift = SignedDuration::from_millis(shift);
        let (before, next) = (moved.baseline(noon), edge + shift);
        assert_eq!((before.until(), before.next.map(|next| next.at)), (Some(next), Some(next)), "{number}");
        let just_before = moved.baseline(next - SignedDuration::from_nanos(1));
        assert_eq!([just_before.floor, moved.baseline(next).floor], [Replicas::new(9), Replicas::new(1)]);
    }
    let (mut one, mut other) = (plain.clone(), plain);
    one.spread_by(1);
    other.spread_by(u64::MAX);
    assert_ne!(one.fingerprint(), other.fingerprint(), "what is known of one says nothing of the other");
}
