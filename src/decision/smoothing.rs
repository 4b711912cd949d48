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

use jiff::Timestamp;

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
        let sample = sample.as_f64();
        let value = before.map_or(sample, |before| {
            let elapsed = at.duration_since(before.at).as_secs_f64().max(0.0);
            let rest = libm::exp2(-elapsed / half_life.as_secs_f64());
            sample + (before.value - sample) * rest
        });
        Self { metric: metric.clone(), at, value }
    }

    /// The value in whole thousandths.
    pub(super) fn rounded(&self) -> Milli {
        Milli::from_f64(self.value / 1000.0).unwrap_or_default()
    }
}
