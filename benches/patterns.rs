//! How often `tidetable learn` sees a pattern where there is none: histories made by chance, of several kinds and
//! lengths. One line `name value unit` each on stdout.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

#[path = "../src/learning/tests/chance/kinds.rs"]
mod kinds;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidetable::learning::{self, Settings};
use tidetable::simulation::synthetic::{place, uniform};
use tidetable::simulation::traffic::Traffic;

use self::kinds::{KINDS, Kind};

/// Values of a day, one each quarter of an hour.
const DAY: usize = 96;

/// What a day far off is times the others.
const SALE: f64 = 8.0;

/// What two of them have all day.
const BOT: f64 = 12_000.0;

fn main() {
    // `cargo test --all-targets` runs benches as tests, without the flag: a little is enough then.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (weeks, seeds): (&[usize], u64) = if is_bench { (&[2, 3, 4, 8], 100) } else { (&[2], 1) };
    let (mut all, mut seen) = (0, 0);
    // How many days in a row are far off; rushes have some of their own.
    for (sales, kinds) in [(0, KINDS.as_slice()), (1, &KINDS[..3]), (2, &KINDS[..3])] {
        for (name, kind) in kinds {
            let name = name.replace(' ', "_");
            let histories = weeks.iter().flat_map(|weeks| (1..=seeds).map(move |seed| (*weeks, seed)));
            let histories: Vec<(usize, u64)> = histories.collect();
            let found =
                histories.iter().filter(|(weeks, seed)| has_pattern(*kind, *weeks, *seed, sales)).count();
            println!("patterns_in_{name}_with_{sales}_days_far_off {found} of_{}", histories.len());
            (all, seen) = (all + histories.len(), seen + found);
        }
    }
    println!("patterns_where_there_are_none {seen} of_{all}");
}

/// Whether a history has a pattern for `learn`.
fn has_pattern(kind: Kind, weeks: usize, seed: u64, sales: usize) -> bool {
    let from: Timestamp = "2026-06-01T00:00:00Z".parse().expect("an instant");
    let days = 7 * weeks;
    let mut state = seed;
    let first = place(uniform(&mut state), days - sales);
    let mut qps = kind(&mut state, days * DAY);
    for qps in &mut qps[first * DAY..(first + sales) * DAY] {
        *qps = if sales == 1 { SALE * *qps } else { BOT };
    }
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
