//! Exponential smoothing of a metric, before anything else is made of it.
//!
//! ```text
//! s(t) = x(t) + (s(t − Δ) − x(t)) · 2^(−Δ / halfLife)
//! ```
//! A first-order low-pass filter for samples at any distance Δ: after a step, half of the way is gone after
//! one half-life. A sample that is missing changes nothing; the next one has a larger Δ. The power is
//! computed in software, so that every machine gives the same bits.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Milli;

/// A smoothed metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Smoothed {
    /// The metric's name.
    pub(super) metric: Arc<str>,
    pub(super) at: Timestamp,
    /// In thousandths, not rounded.
    pub(super) value: f64,
}

impl Smoothed {
    /// Follows a new sample. Nothing is known before the first one.
    pub(super) fn follow(
        before: Option<&Self>,
        metric: &Arc<str>,
        at: Timestamp,
        sample: Milli,
        half_life: Duration,
    ) -> Self {
        let value = before.map_or(sample.as_f64(), |before| {
            let decay = Self::decay(at.duration_since(before.at), half_life);
            Self::next(before.value, sample, decay)
        });
        Self { metric: metric.clone(), at, value }
    }

    /// What is left of the past after a time: 2^(−Δ / halfLife).
    pub(super) fn decay(elapsed: SignedDuration, half_life: Duration) -> f64 {
        libm::exp2(-elapsed.as_secs_f64().max(0.0) / half_life.as_secs_f64())
    }

    /// The value after a new sample, in thousandths, when so much is left of the one before.
    #[inline]
    pub(super) fn next(before: f64, sample: Milli, decay: f64) -> f64 {
        let sample = sample.as_f64();
        sample + (before - sample) * decay
    }

    /// The value in whole thousandths.
    pub(super) fn rounded(&self) -> Milli {
        Self::rounded_value(self.value)
    }

    /// A value in whole thousandths.
    #[inline]
    pub(super) fn rounded_value(value: f64) -> Milli {
        Milli::from_f64(value / 1000.0).unwrap_or_default()
    }
}
