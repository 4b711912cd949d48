mod chance;
mod far_off;

use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::worth::{Saving, saving};
use super::*;
use crate::simulation::synthetic::uniform;

const MINUTE: Duration = Duration::from_secs(60);

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("a zone")
}

fn settings() -> Settings {
    Settings {
        zone: berlin(),
        target: 100.0,
        // Which is a quarter of the work beside the default.
        slot: 30,
        lead: Duration::ZERO,
        shortage: 19.0,
        entry: 0.005,
        min: 1,
        max: Some(1000),
    }
}

/// Midnight in Berlin.
fn midnight(date: Date) -> Timestamp {
    date.to_zoned(berlin()).expect("in range").timestamp()
}

/// A number from -1 to 1 that has nothing to do with its neighbours (`SplitMix64`).
fn noise(at: Timestamp) -> f64 {
    let mut z = u64::try_from(at.as_second()).expect("after 1970").wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from((z ^ (z >> 31)) >> 32).expect("32 bits")) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Four weeks in which each minute needs so many replicas, by weekday and minute of the local day, with noise.
fn weeks(from: Date, relative: f64, level: impl Fn(usize, i32) -> f64) -> (Traffic, Timestamp, Timestamp) {
    let start = midnight(from);
    let end = midnight(from + jiff::Span::new().days(28));
    let qps = |at: Timestamp| {
        let local = at.to_zoned(berlin());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        100.0 * level(history::weekday(local.date()), minute) * (1.0 + relative * noise(at))
    };
    (Traffic::sampled(start, end, MINUTE, qps), start, end)
}

/// Nights, days and evenings; weekends are calmer.
fn shop(weekday: usize, minute: i32) -> f64 {
    let levels = if weekday < 5 { [4.0, 22.0, 11.0] } else { [4.0, 9.0, 9.0] };
    match minute {
        480..1020 => levels[1],
        1020..1320 => levels[2],
        _ => levels[0],
    }
}

fn entry(days: DaySet, minute: u16, replicas: u32) -> Entry {
    Entry { minute, days, replicas }
}

/// Like to like, each edge within a slot and each level within a replica.
fn assert_near(found: &[Entry], expected: &[Entry]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.days, expected.days, "{found:?}");
        assert!(found.minute.abs_diff(expected.minute) <= 15, "{found:?}, not {expected:?}");
        assert!(found.replicas.abs_diff(expected.replicas) <= 1, "{found:?}, not {expected:?}");
    }
}

#[test]
fn a_schedule_with_noise_is_found_again() {
    // The clocks change in the middle of it; the shop opens by the clock.
    let (traffic, start, end) = weeks(date(2026, 3, 9), 0.1, shop);
    let learned = learn(&traffic, start, end, &settings()).expect("a pattern");
    assert_near(
        &learned.entries,
        &[
            entry(DaySet::WEEKEND, 480, 9),
            entry(DaySet::WORKING, 480, 22),
            entry(DaySet::WORKING, 1020, 11),
            entry(DaySet::ALL, 1320, 4),
        ],
    );
    assert_eq!(learned.groups, [DaySet::WORKING, DaySet::WEEKEND]);
    assert!(learned.saving > 0.3, "{}", learned.saving);
}

#[test]
fn where_days_are_alike_midnight_is_no_boundary() {
    let late = |_: usize, minute: i32| if (120..1380).contains(&minute) { 10.0 } else { 30.0 };
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.05, late);
    let learned = learn(&traffic, start, end, &settings()).expect("a pattern");
    assert_near(&learned.entries, &[entry(DaySet::ALL, 120, 10), entry(DaySet::ALL, 1380, 30)]);
}

#[test]
fn each_day_of_the_week_may_have_its_own() {
    let level = |weekday: usize, minute: i32| {
        let noon = (720..840).contains(&minute);
        if noon { 40.0 - 5.0 * f64::from(u8::try_from(weekday).expect("few")) } else { 3.0 }
    };
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.02, level);
    let learned = learn(&traffic, start, end, &settings()).expect("a pattern");
    assert_eq!(learned.groups.len(), 7);
    let noons: Vec<&Entry> = learned.entries.iter().filter(|entry| entry.minute == 720).collect();
    assert_eq!(noons.len(), 7, "{:?}", learned.entries);
}

#[test]
fn noise_and_sameness_are_no_pattern() {
    for relative in [0.0, 0.2, 1.0] {
        let (traffic, start, end) = weeks(date(2026, 6, 1), relative, |_, _| 10.0);
        let learned = learn(&traffic, start, end, &settings());
        assert!(matches!(learned, Err(Patternless::NotWorth { .. })), "{relative}: {learned:?}");
    }
    // Each day is another one.
    let start = midnight(date(2026, 6, 1));
    let end = midnight(date(2026, 6, 29));
    let restless = |at: Timestamp| {
        let hour = Timestamp::from_second(at.as_second() / 3600 * 3600).expect("in range");
        1000.0 * (1.0 + noise(hour))
    };
    let traffic = Traffic::sampled(start, end, MINUTE, restless);
    let learned = learn(&traffic, start, end, &settings());
    assert!(matches!(learned, Err(Patternless::NotWorth { .. })), "{learned:?}");
}

/// A history of so many weeks by the quarter of an hour.
fn quarters(weeks: usize, level: impl Fn(usize) -> f64) -> (Traffic, Timestamp, Timestamp) {
    let start = midnight(date(2026, 6, 1));
    let end = start + SignedDuration::from_hours(24 * 7 * i64::try_from(weeks).expect("few"));
    let quarter = |at: Timestamp| usize::try_from((at.as_second() - start.as_second()) / 900).expect("later");
    (Traffic::sampled(start, end, Duration::from_secs(900), |at| level(quarter(at))), start, end)
}

#[test]
fn a_few_days_show_nothing() {
    let (traffic, start, _) = weeks(date(2026, 6, 1), 0.1, shop);
    let days = |days: i64| start + SignedDuration::from_hours(24 * days);
    assert_eq!(learn(&traffic, start, days(3), &settings()), Err(Patternless::TooShort(3)));
    assert_eq!(learn(&traffic, start, start, &settings()), Err(Patternless::TooShort(0)));
    assert!(learn(&traffic, start, days(4), &settings()).is_ok());
    // A day that has begun is no whole day.
    let late = start + SignedDuration::from_secs(1);
    assert_eq!(learn(&traffic, late, days(4), &settings()), Err(Patternless::TooShort(3)));
}

#[test]
fn what_no_policy_can_hold_is_bounded_by_whoever_says_so() {
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.1, shop);
    let with = |target, max| learn(&traffic, start, end, &Settings { target, max, ..settings() });
    assert_eq!(with(0.02, None), Err(Patternless::TooBusy), "it needs 121,000");
    let bounded = with(0.02, Some(MOST_REPLICAS)).expect("a pattern");
    assert_eq!(bounded.peak, MOST_REPLICAS);
    let held = with(0.03, None).expect("a pattern");
    assert!(held.peak < MOST_REPLICAS && held.peak > 70_000, "{}", held.peak);
}

#[test]
fn what_comes_later_changes_nothing() {
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.1, shop);
    let cut = hold_out(start, end, &berlin()).expect("days enough");
    assert_eq!(cut, midnight(date(2026, 6, 22)));
    let planted = Traffic::sampled(start, end, MINUTE, |at| if at < cut { traffic.qps(at) } else { 9e4 });
    assert_eq!(learn(&planted, start, cut, &settings()), learn(&traffic, start, cut, &settings()));
}

#[test]
fn what_nobody_recorded_is_not_learned() {
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.1, shop);
    let cut = midnight(date(2026, 6, 22));
    let learned = learn(&traffic, start, cut, &settings()).expect("a pattern");
    // The recorder failed at the worst moment, and for two days.
    let spike = midnight(date(2026, 6, 10)) + SignedDuration::from_hours(9);
    let back = spike + SignedDuration::from_hours(48);
    let mut csv = String::from("timestamp,qps\n");
    let mut at = start;
    while at < end {
        let qps = if at == spike { 1e6 } else { traffic.qps(at) };
        if at <= spike || at >= back {
            let _ = writeln!(csv, "{},{qps}", at.as_second());
        }
        at += SignedDuration::from_secs(60);
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), csv).expect("written");
    let broken = Traffic::from_file(file.path(), 1.0).expect("a trace");
    let mended = learn(&broken, start, cut, &settings()).expect("a pattern");
    assert_near(&mended.entries, &learned.entries);
    assert_eq!(mended.peak, learned.peak);
}

#[test]
fn of_less_than_three_weeks_the_last_quarter_is_held_out() {
    let start = midnight(date(2026, 6, 1));
    let after = |days: i8| midnight(date(2026, 6, 1 + days));
    for (days, held) in [(21, Some(14)), (20, Some(15)), (8, Some(6)), (6, Some(4)), (5, None), (0, None)] {
        assert_eq!(hold_out(start, after(days), &berlin()), held.map(after), "{days}");
    }
}

#[test]
fn more_comes_ahead_of_need_and_less_does_not() {
    let (traffic, start, end) =
        weeks(date(2026, 6, 1), 0.02, |_, minute| if (0..600).contains(&minute) { 20.0 } else { 5.0 });
    let ahead = Settings { lead: Duration::from_secs(290), ..settings() };
    let learned = learn(&traffic, start, end, &ahead).expect("a pattern");
    // Before midnight, which is the day before.
    let minutes: Vec<u16> = learned.entries.iter().map(|entry| entry.minute).collect();
    assert_eq!(minutes, [600, 1435]);
    assert_eq!(learned.entries[1].days, DaySet::ALL);
}

#[test]
fn a_lead_longer_than_a_stretch_bridges_it() {
    let mut levels: [Vec<u32>; 7] = std::array::from_fn(|_| vec![2; 96]);
    // 10:00 to 10:30, 10:45 to 11:00.
    for day in &mut levels {
        (day[40], day[41], day[43]) = (9, 9, 7);
    }
    let with = |lead| week::entries(&levels, 15, lead);
    let days = DaySet::ALL;
    let apart = [entry(days, 595, 9), entry(days, 630, 2), entry(days, 640, 7), entry(days, 660, 2)];
    assert_eq!(with(5), apart);
    assert_eq!(with(20), [entry(days, 580, 9), entry(days, 630, 7), entry(days, 660, 2)]);
}

#[test]
fn what_slots_have_is_what_their_entries_ask_for() {
    let mut state = 1;
    for lead in [0, 1, 14, 15, 16, 45, 100, 600, 1440] {
        let levels: [Vec<u32>; 7] =
            std::array::from_fn(|_| (0..96).map(|_| if uniform(&mut state) < 0.1 { 9 } else { 2 }).collect());
        let entries = week::entries(&levels, 15, lead);
        let fires = |minute: usize| {
            let of = |entry: &&Entry| {
                usize::from(entry.minute) == minute % 1440 && entry.days.contains(minute / 1440 % 7)
            };
            entries.iter().find(of).map(|entry| entry.replicas)
        };
        // Two weeks, the second of which knows what was before it.
        let mut now = entries[0].replicas;
        let mut asked = Vec::new();
        for minute in 0..2 * 7 * 1440 {
            now = fires(minute).unwrap_or(now);
            asked.push(now);
        }
        let had = week::ahead(&levels, 15, lead);
        let lead = usize::try_from(lead).expect("few");
        for slot in 0..7 * 96 {
            let had = had[slot / 96][slot % 96];
            let from = 7 * 1440 + slot * 15;
            let mean = f64::from(asked[from..from + 15].iter().sum::<u32>()) / 15.0;
            let ready = asked[from - lead..=from].iter().min().copied();
            assert!((had.asked - mean).abs() < 1e-9, "{lead}, {slot}: {had:?}, not {mean}");
            assert_eq!(Some(had.ready), ready, "{lead}, {slot}");
            assert!(had.ready >= levels[slot / 96][slot % 96], "{lead}, {slot}");
        }
    }
}

#[test]
fn what_comes_too_late_saves_nothing() {
    let busy = |_: usize, minute: i32| if (540..1080).contains(&minute) { 20.0 } else { 3.0 };
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.05, busy);
    let with = |hours: u64| {
        let lead = Duration::from_secs(3600 * hours);
        learn(&traffic, start, end, &Settings { lead, ..settings() })
    };
    // Of 24 × 21 replica hours, 15 × (21 − 4) can be saved, and an hour of them fewer for each hour of lead.
    for hours in [0, 2, 5] {
        let saving = with(hours).expect("a pattern").saving;
        let expected = f64::from(15 - u8::try_from(hours).expect("few")) * 17.0 / (24.0 * 21.0);
        assert!((saving - expected).abs() < 0.02, "{hours}: {saving}, not {expected}");
    }
    let late = with(15);
    let Err(Patternless::Late { minutes: 900, saving, at_once, .. }) = late else { panic!("{late:?}") };
    assert!(saving < WORTH && at_once > 0.45, "{late:?}");
    let (sameness, start, end) = weeks(date(2026, 6, 1), 0.2, |_, _| 10.0);
    let lead = Duration::from_secs(3600);
    let learned = learn(&sameness, start, end, &Settings { lead, ..settings() });
    assert!(matches!(learned, Err(Patternless::NotWorth { .. })), "{learned:?}");
}

#[test]
fn lead_time_is_to_blame_only_for_what_it_takes_away() {
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.1, shop);
    let blamed = |lead: u64| {
        let settings = Settings { lead: Duration::from_secs(lead), ..settings() };
        let days = history::days(&traffic, start, end, &settings);
        matches!(not_worth(&days, &Saving { part: 0.0, error: 1.0 }, 9, &settings), Patternless::Late { .. })
    };
    // The schedule is as sure with a minute of lead; what made it none was something else.
    assert_eq!([0, 60, 18 * 3600].map(blamed), [false, false, true]);
}

#[test]
fn an_entry_costs_what_it_is_said_to() {
    let stairs = |_: usize, minute: i32| f64::from(4 + minute / 60 * 2);
    let (traffic, start, end) = weeks(date(2026, 6, 1), 0.0, stairs);
    let count = |entry: f64| {
        let learned = learn(&traffic, start, end, &Settings { entry, ..settings() }).expect("a pattern");
        learned.entries.len()
    };
    assert_eq!(count(0.0), 24);
    assert!(count(0.005) < 24 && count(0.005) > count(0.05), "{} {}", count(0.005), count(0.05));
}

#[test]
fn names_of_days_are_what_cron_reads() {
    let names = |bits: &[usize]| {
        let set = DaySet::EACH;
        let days = week::entries(
            &std::array::from_fn(|day| if bits.contains(&day) { vec![1, 2] } else { vec![1, 1] }),
            720,
            0,
        );
        let fires = days.into_iter().find(|entry| entry.replicas == 2).expect("a step");
        assert!(set.iter().enumerate().all(|(day, _)| fires.days.contains(day) == bits.contains(&day)));
        (fires.days.cron(), fires.name())
    };
    let expected = |cron: &str, name: &str| (cron.to_owned(), name.to_owned());
    assert_eq!(names(&[0, 1, 2, 3, 4, 5, 6]), expected("*", "daily-1200"));
    assert_eq!(names(&[0, 1, 2, 3, 4]), expected("mon-fri", "weekdays-1200"));
    assert_eq!(names(&[5, 6]), expected("sat,sun", "weekend-1200"));
    assert_eq!(names(&[0, 2, 3, 4, 6]), expected("mon,wed-fri,sun", "mon-wed-fri-sun-1200"));
    assert_eq!(names(&[1, 2]), expected("tue,wed", "tue-wed-1200"));
}
