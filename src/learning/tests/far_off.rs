//! A day that is far from all others.

use super::*;

/// Weeks of a shop by the quarter of an hour, in which the demand of one day is so many times the usual.
fn with_sale(weeks: usize, sale: usize, times: f64) -> (Traffic, Timestamp, Timestamp) {
    quarters(weeks, |quarter| {
        let (day, minute) = (quarter / 96, i32::try_from(quarter % 96 * 15).expect("a day"));
        let day_off = if day == sale { times } else { 1.0 };
        // Days differ a little.
        let wobble = 0.9 + f64::from(u32::try_from(quarter * 7919 % 21).expect("few")) / 100.0;
        100.0 * day_off * wobble * shop(day % 7, minute)
    })
}

#[test]
fn one_day_does_not_hide_a_pattern_and_is_named() {
    for weeks in [4, 8] {
        let (traffic, start, end) = with_sale(weeks, usize::MAX, 1.0);
        let usual = learn(&traffic, start, end, &settings()).expect("a pattern");
        assert_eq!((usual.aside, usual.groups.len()), (None, 2));
        for (sale, times) in [(8, 4.0), (17, 10.0), (19, 30.0)] {
            let (traffic, start, end) = with_sale(weeks, sale, times);
            let learned = learn(&traffic, start, end, &settings()).expect("a pattern");
            let date = date(2026, 6, 1) + jiff::Span::new().days(i64::try_from(sale).expect("few"));
            assert_eq!(learned.aside, Some(date), "{weeks} weeks, times {times}");
            assert_near(&learned.entries, &usual.entries);
            assert!(learned.peak > usual.peak, "the day counts for what is needed at most");
        }
    }
}

#[test]
fn without_a_day_that_is_far_off_nothing_is_a_pattern_that_was_none() {
    for (name, kind) in KINDS {
        let found = (1..=5).filter(|seed| {
            let mut state = *seed;
            let qps = kind(&mut state, 4 * 7 * 96);
            let sale = usize::try_from(seed * 5).expect("few");
            let (traffic, start, end) = quarters(4, |quarter| {
                qps[quarter.min(qps.len() - 1)] * if quarter / 96 == sale { 8.0 } else { 1.0 }
            });
            learn(&traffic, start, end, &settings()).is_ok()
        });
        let found: Vec<u64> = found.collect();
        assert!(found.len() <= 1, "{name}: {found:?}");
    }
}
