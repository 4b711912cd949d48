//! How often `tidetable learn` sees a pattern where there is none: histories made by chance, of several kinds and
//! lengths. One line `name value unit` each on stdout.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidetable::learning::{self, Settings};
use tidetable::simulation::synthetic::{place, uniform};
use tidetable::simulation::traffic::Traffic;

/// Values of a day, one each quarter of an hour.
const DAY: usize = 96;

/// What a day far off is times the others.
const SALE: f64 = 8.0;

/// What two of them have all day.
const BOT: f64 = 12_000.0;

/// How demand goes on from one quarter of an hour to the next: from the random state, the demand now, and the quarter's
/// number.
type Step = fn(&mut u64, f64, usize) -> f64;

/// Each quarter of an hour is another one.
fn noise(state: &mut u64, _: f64, _: usize) -> f64 {
    2000.0 * uniform(state)
}

/// Each day is another one.
fn levels(state: &mut u64, now: f64, quarter: usize) -> f64 {
    if quarter.is_multiple_of(DAY) { 300.0 + 1400.0 * uniform(state) } else { now }
}

/// Each quarter of an hour is a little higher or lower than the one before.
fn walk(state: &mut u64, now: f64, _: usize) -> f64 {
    (now + 20.0 * (uniform(state) - 0.5)).max(100.0)
}

/// Each day is higher or lower than the one before.
fn drift(state: &mut u64, now: f64, quarter: usize) -> f64 {
    let by = 1000.0 * (uniform(state) - 0.5);
    if quarter.is_multiple_of(DAY) { (now + by).clamp(200.0, 4000.0) } else { now }
}

/// A rush of two hours in the mean, now and then.
fn rushes(state: &mut u64, now: f64, _: usize) -> f64 {
    let is_rush = if now > 1000.0 { uniform(state) < 7.0 / 8.0 } else { uniform(state) < 1.0 / 168.0 };
    if is_rush { 3000.0 } else { 500.0 }
}

fn main() {
    // `cargo test --all-targets` runs benches as tests, without the flag: a little is enough then.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (weeks, seeds): (&[usize], u64) = if is_bench { (&[2, 3, 4, 8], 100) } else { (&[2], 1) };
    let kinds: [(&str, Step); 5] =
        [("noise", noise), ("levels", levels), ("walk", walk), ("drift", drift), ("rushes", rushes)];
    let (mut all, mut seen) = (0, 0);
    // How many days in a row are far off; rushes have some of their own.
    for (sales, kinds) in [(0, kinds.as_slice()), (1, &kinds[..3]), (2, &kinds[..3])] {
        for (name, step) in kinds {
            let histories = weeks.iter().flat_map(|weeks| (1..=seeds).map(move |seed| (*weeks, seed)));
            let histories: Vec<(usize, u64)> = histories.collect();
            let found =
                histories.iter().filter(|(weeks, seed)| has_pattern(*step, *weeks, *seed, sales)).count();
            println!("patterns_in_{name}_with_{sales}_days_far_off {found} of_{}", histories.len());
            (all, seen) = (all + histories.len(), seen + found);
        }
    }
    println!("patterns_where_there_are_none {seen} of_{all}");
}

/// Whether a history has a pattern for `learn`.
fn has_pattern(step: Step, weeks: usize, seed: u64, sales: usize) -> bool {
    let from: Timestamp = "2026-06-01T00:00:00Z".parse().expect("an instant");
    let days = 7 * weeks;
    let mut state = seed;
    let first = place(uniform(&mut state), days - sales);
    let next = |now: &mut f64, quarter: usize| {
        *now = step(&mut state, *now, quarter);
        let is_far = (first..first + sales).contains(&(quarter / DAY));
        Some(match sales {
            1 if is_far => SALE * *now,
            2 if is_far => BOT,
            _ => *now,
        })
    };
    let qps: Vec<f64> = (0..days * DAY).scan(1000.0, next).collect();
    let until = from + SignedDuration::from_hours(24 * i64::try_from(days).expect("few"));
    let quarter = |at: Timestamp| usize::try_from((at.as_second() - from.as_second()) / 900).expect("later");
    let traffic =
        Traffic::sampled(from, until, Duration::from_secs(900), |at| qps[quarter(at).min(qps.len() - 1)]);
    let settings = Settings {
        zone: TimeZone::UTC,
        target: 100.0,
        slot: 30,
        lead: Duration::ZERO,
        shortage: 19.0,
        entry: 0.005,
        min: 1,
        max: Some(1000),
    };
    learning::learn(&traffic, from, until, &settings).is_ok()
}
