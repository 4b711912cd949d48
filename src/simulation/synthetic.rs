//! Made-up traffic: components that add up, sampled every 15 s, and wherever a rise or a fall begins or ends. What rises or falls
//! counts with its exact mean until the next sample.
//!
//! ```text
//! qps(t) = scale × Σ added(t) × Π factor(t),   never below zero
//! ```
//! Only additions, multiplications and divisions are used, so that the bits are the same on every machine.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::traffic::Traffic;

/// How long a value holds.
const STEP: Duration = Duration::from_secs(15);

/// How long before the scenario its traffic starts, so that the first measurement has something to see.
const LEAD: SignedDuration = SignedDuration::from_hours(1);

/// A part of the traffic as a function of time. Rates are in requests per second, lengths in seconds.
#[derive(Clone, Debug)]
pub(super) enum Component {
    /// The same at all times.
    Constant(f64),
    /// A daily cosine that is highest at the local hour `peak`.
    Diurnal { low: f64, high: f64, peak: f64, zone: TimeZone },
    /// A rise for a while.
    Spike { at: Timestamp, length: f64, ramp: f64, qps: f64 },
    /// A lasting change that is complete after `length`.
    Ramp { at: Timestamp, length: f64, qps: f64 },
    /// What everything else is multiplied by on the local days of the week, from Monday on.
    Weekly { factors: [f64; 7], zone: TimeZone },
    /// Random variation in proportion to everything else.
    Noise { relative: f64, seed: u64 },
    /// A recorded trace, at its own instants.
    Recorded(Traffic),
}

/// The sum of `components`, from an hour before `from` until `length` after it.
pub(super) fn traffic(components: &[Component], scale: f64, from: Timestamp, length: Duration) -> Traffic {
    let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    let start = from.saturating_sub(LEAD).unwrap_or(Timestamp::MIN);
    let end = from.saturating_add(length).unwrap_or(Timestamp::MAX);
    let breaks: Vec<Timestamp> = components.iter().flat_map(Component::breaks).collect();
    Traffic::sampled_at(start, end, STEP, &breaks, |at, until| {
        let sum: f64 = components.iter().map(|component| component.added(at, until)).sum();
        components.iter().fold(sum * scale, |qps, component| qps * component.factor(at)).max(0.0)
    })
}

impl Component {
    /// Where a rise or a fall begins or ends.
    fn breaks(&self) -> Vec<Timestamp> {
        let after = |start: &Timestamp, seconds: f64| {
            SignedDuration::try_from_secs_f64(seconds).ok().and_then(|span| start.checked_add(span).ok())
        };
        let breaks = match self {
            Self::Spike { at, length, ramp, .. } => {
                let rise = ramp.min(length / 2.0);
                [0.0, rise, length - rise, *length].map(|seconds| after(at, seconds))
            }
            Self::Ramp { at, length, .. } => [after(at, 0.0), after(at, *length), None, None],
            Self::Constant(_)
            | Self::Diurnal { .. }
            | Self::Weekly { .. }
            | Self::Noise { .. }
            | Self::Recorded(_) => [None; 4],
        };
        breaks.into_iter().flatten().collect()
    }

    /// What is added in the stretch from `at` until `until`, in which there is no break.
    fn added(&self, at: Timestamp, until: Timestamp) -> f64 {
        // Between two breaks everything is straight, so this is its mean.
        let middle = |start: &Timestamp| {
            at.duration_since(*start).as_secs_f64() + until.duration_since(at).as_secs_f64() / 2.0
        };
        match self {
            Self::Constant(qps) => *qps,
            Self::Diurnal { low, high, peak, zone } => {
                let time = zone.to_datetime(at).time();
                let hour = time.duration_since(jiff::civil::Time::midnight()).as_secs_f64() / 3600.0;
                let phase = (hour - peak) / 24.0 * std::f64::consts::TAU;
                low + (high - low) * f64::midpoint(1.0, cosine(phase))
            }
            Self::Spike { at: start, length, ramp, qps } => {
                let since = middle(start);
                if since < 0.0 || since >= *length {
                    return 0.0;
                }
                let edge =
                    if *ramp > 0.0 { (since / ramp).min((length - since) / ramp).min(1.0) } else { 1.0 };
                qps * edge
            }
            Self::Ramp { at: start, length, qps } => {
                let since = middle(start);
                if since < 0.0 {
                    0.0
                } else if since < *length {
                    qps * since / length
                } else {
                    *qps
                }
            }
            Self::Noise { .. } | Self::Weekly { .. } => 0.0,
            Self::Recorded(traffic) => traffic.mean(at, until),
        }
    }

    fn factor(&self, at: Timestamp) -> f64 {
        match self {
            Self::Noise { relative, seed } => {
                let slot = at.as_second().div_euclid(15).cast_unsigned();
                (1.0 + relative * normal(*seed, slot)).max(0.0)
            }
            Self::Weekly { factors, zone } => {
                let day = zone.to_datetime(at).weekday().to_monday_zero_offset();
                usize::try_from(day).ok().and_then(|day| factors.get(day)).copied().unwrap_or(1.0)
            }
            Self::Constant(_)
            | Self::Diurnal { .. }
            | Self::Spike { .. }
            | Self::Ramp { .. }
            | Self::Recorded(_) => 1.0,
        }
    }
}

/// cos(x) from its series, after reduction to [−π, π]: additions and multiplications give the same bits on
/// every machine, which a library's cosine does not promise.
fn cosine(x: f64) -> f64 {
    let x = x - std::f64::consts::TAU * (x / std::f64::consts::TAU).round();
    let square = x * x;
    (1..=14).rev().fold(1.0, |sum, k| {
        let k = f64::from(k);
        1.0 - square / ((2.0 * k - 1.0) * (2.0 * k)) * sum
    })
}

/// What `SplitMix64` (Steele, Lea, Flood 2014) adds to its state for every number.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number that is nearly normal with mean 0 and deviation 1, from a seed and a position: the sum of
/// twelve uniform numbers less six (Irwin–Hall).
pub(super) fn normal(seed: u64, position: u64) -> f64 {
    // Seed and position are both mixed before anything is drawn. States that are only `GAMMA` apart would
    // give neighbours eleven of their twelve numbers in common: a moving average instead of noise.
    let mut state = mixed(mixed(seed.wrapping_add(GAMMA)) ^ position);
    (0..12).map(|_| uniform(&mut state)).sum::<f64>() - 6.0
}

/// The place among `count` of a number from 0 up to, but not including, 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "few, and a float-to-int cast saturates"
)]
#[must_use]
pub fn place(part: f64, count: usize) -> usize {
    (part * count as f64) as usize
}

/// The next number from 0 up to, but not including, 1 of a `SplitMix64` in `state`.
pub fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(GAMMA);
    let upper = u32::try_from(mixed(*state) >> 32).unwrap_or(0);
    f64::from(upper) / (f64::from(u32::MAX) + 1.0)
}

/// The output function of `SplitMix64`.
fn mixed(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_a_rise_is_there_wherever_it_begins() {
        let from: Timestamp = "2026-11-23T00:00:00Z".parse().expect("an instant");
        let at = |millis: i64| from + SignedDuration::from_millis(millis);
        let hour = Duration::from_secs(3600);
        for (name, component, requests) in [
            (
                "ten seconds",
                Component::Spike { at: at(301_000), length: 10.0, ramp: 0.0, qps: 2000.0 },
                20_000.0,
            ),
            (
                "on the grid",
                Component::Spike { at: at(300_000), length: 10.0, ramp: 0.0, qps: 2000.0 },
                20_000.0,
            ),
            // The whole of it at full height, less half of each edge.
            ("edges", Component::Spike { at: at(301_500), length: 60.0, ramp: 1.0, qps: 500.0 }, 29_500.0),
            (
                "edges that meet",
                Component::Spike { at: at(7_000), length: 40.0, ramp: 60.0, qps: 300.0 },
                2000.0,
            ),
            ("a step", Component::Ramp { at: at(3_590_250), length: 0.0, qps: 100.0 }, 975.0),
            ("a ramp", Component::Ramp { at: at(3_500_000), length: 50.0, qps: 100.0 }, 7500.0),
        ] {
            let traffic = traffic(&[component], 1.0, from, hour);
            let until = from + hour;
            let counted = traffic.mean(from, until) * 3600.0;
            assert!((counted - requests).abs() < 1e-6, "{name}: {counted} and not {requests}");
        }
    }

    #[test]
    fn noise_is_normal_and_neighbours_have_nothing_in_common() {
        let n = 20_000_u32;
        for seed in [0, 1, 7, 42, u64::MAX] {
            let noise: Vec<f64> = (0..n).map(|i| normal(seed, 119_692_800 + u64::from(i))).collect();
            let covariance = |lag: usize| {
                let pairs = noise.iter().zip(&noise[lag..]);
                pairs.map(|(a, b)| a * b).sum::<f64>() / f64::from(n)
            };
            let mean = noise.iter().sum::<f64>() / f64::from(n);
            assert!(mean.abs() < 0.03, "seed {seed}: mean {mean}");
            assert!((covariance(0) - 1.0).abs() < 0.05, "seed {seed}: variance {}", covariance(0));
            for lag in 1..=16 {
                assert!(covariance(lag).abs() < 0.04, "seed {seed}, lag {lag}: {}", covariance(lag));
            }
        }
        assert!((normal(1, 5) - normal(2, 5)).abs() > 1e-6, "another seed is another noise");
    }

    #[test]
    fn the_series_is_the_cosine() {
        for degrees in -720..=720 {
            let x = f64::from(degrees).to_radians();
            assert!((cosine(x) - x.cos()).abs() < 1e-12, "{degrees}°");
        }
    }

    #[test]
    fn a_week_has_local_days() {
        let zone = TimeZone::get("America/New_York").expect("a zone");
        let weekly = Component::Weekly { factors: [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.25], zone };
        let parts = [weekly, Component::Constant(8.0)];
        let from: Timestamp = "2026-11-28T04:45:00Z".parse().expect("a timestamp");
        let traffic = traffic(&parts, 1.0, from, Duration::from_secs(72 * 3600));
        for (hours, expected) in [(0, 8.0), (1, 4.0), (24, 4.0), (25, 2.0), (48, 2.0), (49, 8.0)] {
            let qps = traffic.qps(from + SignedDuration::from_hours(hours));
            assert!((qps - expected).abs() < 1e-9, "{hours} h: {qps}");
        }
    }

    #[test]
    fn components_add_up() {
        let at: Timestamp = "2026-11-23T00:10:00Z".parse().expect("a timestamp");
        let after = |seconds: i64| at + SignedDuration::from_secs(seconds);
        for (component, expected) in [
            (Component::Constant(7.0), [7.0, 7.0, 7.0, 7.0, 7.0]),
            (Component::Ramp { at, length: 0.0, qps: 40.0 }, [0.0, 40.0, 40.0, 40.0, 40.0]),
            (Component::Ramp { at, length: 60.0, qps: -60.0 }, [0.0, 0.0, -30.0, -60.0, -60.0]),
            (Component::Spike { at, length: 60.0, ramp: 0.0, qps: 9.0 }, [0.0, 9.0, 9.0, 0.0, 0.0]),
            (Component::Spike { at, length: 90.0, ramp: 45.0, qps: 9.0 }, [0.0, 0.0, 6.0, 6.0, 0.0]),
        ] {
            let got = [-15, 0, 30, 60, 90].map(|seconds| component.added(after(seconds), after(seconds)));
            let close = got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-9);
            assert!(close, "{component:?}: {got:?}");
        }
        let parts = [Component::Constant(10.0), Component::Ramp { at, length: 0.0, qps: -50.0 }];
        let traffic = traffic(&parts, 2.0, at, Duration::from_secs(60));
        assert!((traffic.qps(after(-60)) - 20.0).abs() < 1e-9);
        assert!(traffic.qps(after(30)).abs() < 1e-9, "demand is never negative");
    }
}
