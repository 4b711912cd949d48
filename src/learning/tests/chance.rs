//! What chance makes, which is no pattern.

use super::*;

mod kinds;

pub(super) use self::kinds::KINDS;
use self::kinds::restless_days;

#[test]
fn what_has_no_pattern_is_hardly_ever_said_to_have_one() {
    for (name, kind) in KINDS {
        for weeks in [2, 3, 4] {
            let found = (1..=5).filter(|seed| {
                let mut state = *seed;
                let qps = kind(&mut state, weeks * 7 * 96);
                let (traffic, start, end) = quarters(weeks, |quarter| qps[quarter.min(qps.len() - 1)]);
                learn(&traffic, start, end, &settings()).is_ok()
            });
            // By chance it is one in twenty: two of five are as many once in forty times.
            let found: Vec<u64> = found.collect();
            assert!(found.len() <= 1, "{name}, {weeks} weeks: {found:?}");
        }
    }
}

#[test]
fn a_pattern_is_found_beneath_days_that_differ() {
    let shape = |quarter: usize| [0.5, 0.7, 1.3, 1.5, 1.2, 0.8][quarter % 96 / 16];
    for weeks in [2, 3, 8] {
        let mut state = 1;
        let levels = restless_days(&mut state, weeks * 7 * 96);
        let (traffic, start, end) = quarters(weeks, |quarter| {
            let level = levels[quarter.min(levels.len() - 1)];
            shape(quarter) * (700.0 + 0.3 * level)
        });
        let learned = learn(&traffic, start, end, &settings()).expect("a pattern");
        assert_eq!(learned.groups, [DaySet::ALL], "{weeks} weeks");
    }
}

#[test]
fn what_may_be_chance_is_said_to_be() {
    let found = |part: f64| {
        let mut state = 1;
        let qps = restless_days(&mut state, 3 * 7 * 96);
        let (traffic, start, end) = quarters(3, |quarter| qps[quarter.min(qps.len() - 1)]);
        let days = history::days(&traffic, start, end, &settings());
        let saving = Saving { part, error: 0.0 };
        let of_hours = worth::chance_of_hours(&days, &saving, &settings());
        let of_groups = worth::chance_of_groups(&days, GROUPINGS[1], GROUPINGS[0], &saving, &settings());
        (of_hours.is_some(), of_groups.is_some())
    };
    assert_eq!(found(0.9), (false, false), "nothing as good comes by chance");
    assert_eq!(found(-0.9), (true, true));
}

#[test]
fn the_standard_error_of_a_saving_is_that_of_a_ratio() {
    let Saving { part, error } = saving(&[(8.0, 10.0), (6.0, 10.0)]);
    // 14 of 20; each is 1 away from seven tenths: √(2/1 × 2) / 20.
    assert!((part - 0.3).abs() < 1e-12 && (error - 0.1).abs() < 1e-12, "{part} {error}");
    let Saving { part, error } = saving(&[(5.0, 10.0), (10.0, 20.0), (1.0, 2.0)]);
    assert!((part - 0.5).abs() < 1e-12 && error < 1e-12, "{part} {error}");
    assert!(saving(&[(5.0, 10.0)]).error.is_infinite(), "one turn says nothing of chance");
}
