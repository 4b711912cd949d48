//! Days that are far from all others.

use super::chance::KINDS;
use super::*;

/// Weeks of a shop by the quarter of an hour, in which some days are so many times the usual, or need so much all day.
#[derive(Clone, Copy, Debug)]
enum Far {
    Times(f64),
    AllDay(f64),
}

fn with_sales(weeks: usize, sales: &[usize], far: Far) -> (Traffic, Timestamp, Timestamp) {
    quarters(weeks, |quarter| {
        let (day, minute) = (quarter / 96, i32::try_from(quarter % 96 * 15).expect("a day"));
        // Days differ a little.
        let wobble = 0.9 + f64::from(u32::try_from(quarter * 7919 % 21).expect("few")) / 100.0;
        let usual = wobble * shop(day % 7, minute);
        100.0
            * match far {
                Far::Times(times) if sales.contains(&day) => times * usual,
                Far::AllDay(level) if sales.contains(&day) => level,
                Far::Times(_) | Far::AllDay(_) => usual,
            }
    })
}

#[test]
fn a_few_days_do_not_hide_a_pattern_and_are_named() {
    for weeks in [4, 8] {
        let (traffic, start, end) = with_sales(weeks, &[], Far::Times(1.0));
        let usual = learn(&traffic, start, end, &settings()).expect("a pattern");
        assert_eq!((usual.aside, usual.groups.len()), (Vec::new(), 2));
        let sales: [(&[usize], Far); 6] = [
            (&[8], Far::Times(4.0)),
            (&[17], Far::Times(10.0)),
            (&[19], Far::Times(30.0)),
            (&[9, 10], Far::Times(30.0)),
            (&[5, 22], Far::AllDay(120.0)),
            (&[3, 4, 11], Far::AllDay(120.0)),
        ];
        // Of four weeks, two days are few, and three are not.
        for (sales, far) in sales.into_iter().filter(|(sales, _)| sales.len() < 3 || weeks == 8) {
            let (traffic, start, end) = with_sales(weeks, sales, far);
            let learned = learn(&traffic, start, end, &settings()).expect("a pattern");
            let day =
                |sale: &usize| date(2026, 6, 1) + jiff::Span::new().days(i64::try_from(*sale).expect("few"));
            let days: Vec<Date> = sales.iter().map(day).collect();
            assert_eq!(learned.aside, days, "{weeks} weeks, {far:?}");
            assert_near(&learned.entries, &usual.entries);
            assert!(learned.peak > usual.peak, "these days count for what is needed at most");
        }
    }
}

#[test]
fn without_days_that_are_far_off_nothing_is_a_pattern_that_was_none() {
    for (name, kind) in KINDS {
        let found = (1..=5).filter(|seed| {
            let mut state = *seed;
            let qps = kind(&mut state, 4 * 7 * 96);
            let sale = usize::try_from(seed * 5).expect("few");
            let sales = sale..=sale + usize::try_from(seed % 2).expect("few");
            let (traffic, start, end) = quarters(4, |quarter| {
                qps[quarter.min(qps.len() - 1)] * if sales.contains(&(quarter / 96)) { 8.0 } else { 1.0 }
            });
            learn(&traffic, start, end, &settings()).is_ok()
        });
        let found: Vec<u64> = found.collect();
        assert!(found.len() <= 1, "{name}: {found:?}");
    }
}

#[test]
fn many_days_are_no_few_that_are_far_off() {
    // Of three weeks two may be left aside, and of eight three.
    for (weeks, sales, most) in [(3, 2, 2), (3, 3, 0), (8, 3, 3), (8, 4, 0)] {
        let sales: Vec<usize> = (0..sales).map(|sale| 3 * sale + 1).collect();
        let (traffic, start, end) = with_sales(weeks, &sales, Far::Times(10.0));
        let days = history::days(&traffic, start, end, &settings());
        assert_eq!(worth::far_off(&days, &settings()), sales[..most], "{weeks} weeks");
    }
}
