//! The only reader of wall time in the crate.
//!
//! Everything that needs to know what time it is gets a [`Clock`]. There are three: the real one; a
//! scaled one, on which a day passes in a minute (`tidetable demo`); and a virtual one that moves only
//! when a test moves it. A test of the import rules fails when any other module of the crate reads time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The longest uninterrupted sleep of a real clock: wall time may be stepped while we sleep, so the
/// remaining wait is computed anew at least this often.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// The same of a scaled clock, which could be stepped as well.
const LONGEST_SCALED_NAP: Duration = Duration::from_millis(50);

/// A source of time. Cheap to clone; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real,
    Scaled { origin: Timestamp, started: Arc<OnceLock<Instant>>, factor: f64, stepped: Arc<AtomicI64> },
    Virtual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// The machine's own wall clock.
    #[must_use]
    pub fn real() -> Self {
        Self(Kind::Real)
    }

    /// A clock that stands at `origin` until [`Clock::start`], and then runs `factor` times as fast as the
    /// wall clock (1 is real speed; values that are not finite and positive count as 1).
    #[must_use]
    pub fn scaled(origin: Timestamp, factor: f64) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Self(Kind::Scaled { origin, started: Arc::default(), factor, stepped: Arc::default() })
    }

    /// Starts a scaled clock. Other clocks, and one that runs, are left as they are.
    pub fn start(&self) {
        match &self.0 {
            Kind::Real | Kind::Virtual(_) => {}
            Kind::Scaled { started, .. } => {
                started.get_or_init(Instant::now);
            }
        }
    }

    /// A clock that stands at `origin` until [`Clock::advance_to`] moves it.
    #[must_use]
    pub fn stopped_at(origin: Timestamp) -> Self {
        Self(Kind::Virtual(Arc::new(watch::Sender::new(origin))))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::Real => Timestamp::now(),
            Kind::Scaled { origin, stepped, .. } => {
                let elapsed = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
                let stepped = SignedDuration::from_secs(stepped.load(Ordering::Relaxed));
                origin.saturating_add(elapsed.saturating_add(stepped)).unwrap_or(Timestamp::MAX)
            }
            Kind::Virtual(now) => *now.borrow(),
        }
    }

    /// Time that has passed on this clock since some instant before: nothing that steps wall time moves it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match &self.0 {
            Kind::Real => START.get_or_init(Instant::now).elapsed(),
            Kind::Scaled { started, factor, .. } => {
                started.get().map_or(Duration::ZERO, Instant::elapsed).mul_f64(*factor)
            }
            Kind::Virtual(now) => now.borrow().duration_since(Timestamp::MIN).unsigned_abs(),
        }
    }

    /// How many seconds of this clock pass in one second of real time; `None` for a virtual clock.
    #[must_use]
    pub fn speed(&self) -> Option<f64> {
        match &self.0 {
            Kind::Real => Some(1.0),
            Kind::Scaled { factor, .. } => Some(*factor),
            Kind::Virtual(_) => None,
        }
    }

    /// Moves a virtual clock forward to `at` and wakes everyone who slept until then. A virtual clock
    /// never goes back; other clocks can't be moved. Returns whether the clock moved.
    #[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn advance_to(&self, at: Timestamp) -> bool {
        match &self.0 {
            Kind::Real | Kind::Scaled { .. } => false,
            Kind::Virtual(now) => now.send_if_modified(|now| {
                let later = at > *now;
                if later {
                    *now = at;
                }
                later
            }),
        }
    }

    /// Steps what a scaled clock shows by so many seconds, forward or back, as an administrator or NTP may step
    /// wall time. [`Clock::elapsed`] goes on as before. Other clocks can't be stepped; returns whether it was.
    #[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn step(&self, seconds: i64) -> bool {
        match &self.0 {
            Kind::Real | Kind::Virtual(_) => false,
            Kind::Scaled { stepped, .. } => {
                stepped.fetch_add(seconds, Ordering::Relaxed);
                true
            }
        }
    }

    /// Sleeps for `length` of this clock's time, whatever becomes of wall time meanwhile.
    pub async fn sleep(&self, length: Duration) {
        match &self.0 {
            Kind::Real => tokio::time::sleep(length).await,
            Kind::Scaled { factor, .. } => tokio::time::sleep(length.div_f64(*factor)).await,
            Kind::Virtual(_) => {
                let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
                self.sleep_until(self.now().saturating_add(length).unwrap_or(Timestamp::MAX)).await;
            }
        }
    }

    /// Sleeps until this clock shows `at` or later. Returns at once when it already does.
    pub async fn sleep_until(&self, at: Timestamp) {
        while self.now() < at {
            self.nap_until(at).await;
        }
    }

    /// Sleeps until this clock shows `at` or later, or for a moment: wall time may be stepped meanwhile, and
    /// whoever has to know looks again.
    pub async fn nap_until(&self, at: Timestamp) {
        let longest = match &self.0 {
            Kind::Virtual(now) => {
                // The sender lives as long as `self`, so waiting can't fail.
                let _ = now.subscribe().wait_for(|now| *now >= at).await;
                return;
            }
            Kind::Real => LONGEST_NAP,
            Kind::Scaled { .. } => LONGEST_SCALED_NAP,
        };
        let ahead = at.duration_since(self.now()).max(SignedDuration::ZERO);
        let factor = self.speed().unwrap_or(1.0);
        tokio::time::sleep(ahead.unsigned_abs().div_f64(factor).min(longest)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[tokio::test]
    async fn virtual_time_moves_only_when_told_and_wakes_sleepers() {
        let clock = Clock::stopped_at(at("2026-11-22T07:00:00Z"));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(at("2026-11-22T07:00:15Z")).await;
                clock.now()
            }
        });
        assert!(clock.advance_to(at("2026-11-22T07:00:10Z")));
        assert!(!clock.advance_to(at("2026-11-22T07:00:05Z")), "it never goes back");
        assert_eq!(clock.now(), at("2026-11-22T07:00:10Z"));
        clock.advance_to(at("2026-11-22T07:00:20Z"));
        assert_eq!(sleeper.await.expect("sleeper"), at("2026-11-22T07:00:20Z"));
    }

    #[test]
    fn a_scaled_clock_is_stepped_both_ways_and_what_has_elapsed_stays() {
        let origin = at("2026-11-22T00:00:00Z");
        let clock = Clock::scaled(origin, 1.0);
        for (seconds, shown) in [(3600, "2026-11-22T01:00:00Z"), (-7200, "2026-11-21T23:00:00Z")] {
            assert!(clock.step(seconds));
            assert_eq!((clock.now(), clock.elapsed()), (at(shown), Duration::ZERO));
        }
        assert!(!Clock::real().step(1) && !Clock::stopped_at(origin).step(1));
    }

    #[test]
    fn a_scaled_clock_stands_at_its_origin_until_it_is_started_and_a_bad_factor_is_real_speed() {
        let origin = at("2026-11-22T00:00:00Z");
        let clock = Clock::scaled(origin, 1e9);
        assert_eq!(clock.now(), origin);
        clock.start();
        while clock.now() == origin {}
        assert!(clock.now() > origin);
        assert_eq!(Clock::scaled(origin, f64::NAN).speed(), Some(1.0));
    }
}
