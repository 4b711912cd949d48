//! A history of which a restart left little, made whole from what the metrics said at the ticks of the past.
//!
//! Stabilization windows hold recommendations, and a recommendation is made of a load and of the level that
//! the load is compared with. The loads of the past are a range query; the levels are the [`Trace`], which
//! the policy's status keeps. So the past is decided once more, with the levels as they were, and only what
//! the windows, smoothing and an outage remember of it is taken over: rate policies have their own events,
//! and the level is what it is.
//!
//! ```text
//! recommendation(t) = f(load(t), level(t⁻))        level(t⁻): the last change of the trace before t
//! ```
//!
//! What can't be known errs upwards. A tick with a metric missing counts for the downward window as if the
//! present level had been recommended. Replicas are taken to be what level and schedule asked for, all ready.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::History;
use crate::decision::damping::within;
use crate::decision::{Observation, Policy, Reading, Readings, Replicas, combine, load};

/// How many half-lives of smoothing make a difference: after these, 2⁻³² of a sample is left.
const HALF_LIVES: u32 = 32;

/// How many changes are kept at most.
const LONGEST: usize = 512;

/// How long before an evaluation its starting point is noted, so that it holds at the evaluation itself.
const A_MOMENT: SignedDuration = SignedDuration::from_micros(1);

/// The load's level over time: each change, and what the level was after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(VecDeque<(Timestamp, Replicas)>);

impl Trace {
    /// The changes, oldest first. At the first of them the level was as after it.
    #[must_use]
    pub fn changes(&self) -> &VecDeque<(Timestamp, Replicas)> {
        &self.0
    }

    /// Notes what the level is after `at`, and forgets what nobody looks back on.
    pub(super) fn note(&mut self, at: Timestamp, level: Replicas, keep: Duration) {
        self.0.push_back((at, level));
        // The oldest one says what the level was until the next.
        while self.0.len() > LONGEST || self.0.get(1).is_some_and(|&(then, _)| !within(at, then, keep)) {
            self.0.pop_front();
        }
    }

    /// Notes what the level is at `at` already.
    pub(super) fn correct(&mut self, at: Timestamp, level: Replicas, keep: Duration) {
        self.note(at.saturating_sub(A_MOMENT).unwrap_or(at), level, keep);
    }

    /// The level from which an evaluation at `at` started; `None` when that was before everything.
    fn before(&self, at: Timestamp) -> Option<Replicas> {
        let (first, level) = self.0.front()?;
        let earlier = self.0.iter().rev().find(|(then, _)| *then < at);
        earlier.map(|(_, level)| *level).or_else(|| (*first == at).then_some(*level))
    }
}

impl FromIterator<(Timestamp, Replicas)> for Trace {
    fn from_iter<T: IntoIterator<Item = (Timestamp, Replicas)>>(changes: T) -> Self {
        Self(changes.into_iter().take(LONGEST).collect())
    }
}

impl Policy {
    /// How far back the load's decisions look: the longer stabilization window behind an outage that has
    /// become a long one, or what smoothing remembers.
    #[must_use]
    pub fn memory_span(&self) -> Duration {
        let window = self.damping.up.stabilization.max(self.damping.down.stabilization);
        let windows = window.saturating_add(self.fallback.after).saturating_add(Duration::from_secs(60));
        windows.max(self.damping.half_life.unwrap_or_default().saturating_mul(HALF_LIVES))
    }
}

impl History {
    /// Goes through ticks of the past, in order, as if their readings had been seen at the time, and
    /// remembers what they leave for the next decision. The level and its rate events stay as they are.
    pub fn rebuild(&mut self, policy: &Policy, past: &[(Timestamp, Readings)]) {
        let (Some(level), Some(&(first, start))) = (self.level, self.trace.0.front()) else { return };
        let mut replayed = Self::default();
        // As in the reference, the first evaluation counts the present as a recommendation.
        replayed.remember(policy, first, start);
        for (at, readings) in past {
            let Some(before) = self.trace.before(*at) else { continue };
            replayed.level = Some(before);
            let baseline = replayed.baseline(policy, *at);
            replayed.baseline = Some((policy.schedule.fingerprint(), *at, baseline));
            let (replicas, _) = combine(&baseline, Some(before));
            let observation = Observation::new(*at, replicas).with_readings(readings.iter().copied());
            if let Some(load) = load::decide(policy, &replayed, &observation, baseline.floor) {
                replayed.follow(policy, *at, &load);
            }
            let is_whole = readings.len() == policy.metrics.len()
                && readings.iter().all(|reading| matches!(reading, Reading::Value(_)));
            if !is_whole {
                replayed.remember_highest(policy, *at, level);
            }
        }
        // An outage that was noticed may be none in the data: the source could not be asked.
        self.outage = self.outage.or(replayed.outage);
        (self.lowest, self.highest, self.smoothed) = (replayed.lowest, replayed.highest, replayed.smoothed);
    }
}
