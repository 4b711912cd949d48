//! Histories that chance makes, in quarters of an hour; for tests and for the bench `patterns`.

use super::uniform;

/// What has no pattern, by what it is called, from a seed.
pub(crate) type Kind = fn(&mut u64, usize) -> Vec<f64>;

pub(crate) const KINDS: [(&str, Kind); 5] = [
    ("noise", noise),
    ("days at a level each", restless_days),
    ("a walk", walk),
    ("days that drift", drifting_days),
    ("rushes", rushes),
];

/// Each quarter of an hour is another one.
fn noise(state: &mut u64, quarters: usize) -> Vec<f64> {
    (0..quarters).map(|_| 2000.0 * uniform(state)).collect()
}

/// Each day has a level of its own.
pub(crate) fn restless_days(state: &mut u64, quarters: usize) -> Vec<f64> {
    let levels: Vec<f64> = (0..quarters / 96).map(|_| 300.0 + 1400.0 * uniform(state)).collect();
    (0..quarters).map(|quarter| levels[quarter / 96]).collect()
}

/// Each quarter of an hour is a little higher or lower than the one before.
fn walk(state: &mut u64, quarters: usize) -> Vec<f64> {
    let step = |qps: &mut f64, _| {
        *qps = (*qps + 20.0 * (uniform(state) - 0.5)).max(100.0);
        Some(*qps)
    };
    (0..quarters).scan(1000.0, step).collect()
}

/// The same from day to day.
fn drifting_days(state: &mut u64, quarters: usize) -> Vec<f64> {
    let step = |qps: &mut f64, _| {
        *qps = (*qps + 1000.0 * (uniform(state) - 0.5)).clamp(200.0, 4000.0);
        Some(*qps)
    };
    let levels: Vec<f64> = (0..quarters / 96).scan(1000.0, step).collect();
    (0..quarters).map(|quarter| levels[quarter / 96]).collect()
}

/// Two hours of a rush now and then.
fn rushes(state: &mut u64, quarters: usize) -> Vec<f64> {
    let step = |left: &mut u8, _| {
        *left = if uniform(state) < 1.0 / 168.0 { 8 } else { left.saturating_sub(1) };
        Some(if *left > 0 { 3000.0 } else { 500.0 })
    };
    (0..quarters).scan(0, step).collect()
}
