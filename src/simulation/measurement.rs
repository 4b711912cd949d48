//! How the traffic is measured: what a query of Prometheus says, and how late it is.
//!
//! A counter is scraped at `phase`, `phase + interval`, …; a query at `t` is `rate(counter[window])` at `e = t − delay`.
//! With the first and the last sample in its range at `f` and `l`, `n ≥ 2` samples in all, and `m = (l − f) / (n − 1)`
//! between two of them, Prometheus extrapolates to the ends of the range unless they are too far away
//! (`extrapolatedRate` in promql/functions.go):
//!
//! ```text
//! rate = (C(l) − C(f)) / (l − f) × (l − f + a(f − (e − window)) + a(e − l)) / window
//! a(x) = x where x < 1.1 m, and m / 2 beyond
//! ```
//! What it does besides, not to extrapolate a counter below zero, is of use for young counters only and left out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::traffic::Traffic;

/// How Prometheus sees the traffic: as `rate(…[window])` over what it has scraped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// The range of the `rate()`.
    pub window: Duration,
    /// The time between scrapes.
    pub scrape_interval: Duration,
    /// Scrapes happen at multiples of the interval since the Unix epoch, and so much later.
    pub phase: Duration,
    /// How long ago it is what a query sees.
    pub delay: Duration,
    /// Which samples a range has.
    pub range: RangeSelector,
}

/// Whether a range has a sample that is as old as its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RangeSelector {
    /// It has, as up to Prometheus 2.
    #[default]
    Closed,
    /// It has not, as from Prometheus 3 on.
    LeftOpen,
}

/// The samples that a query's range has, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    /// The first one.
    pub(super) first: i64,
    /// The last one, which is later.
    pub(super) last: i64,
    /// Their distance in seconds.
    span: f64,
    /// What the increase between them times this over their distance is the rate: 1, unless it is extrapolated.
    factor: f64,
}

impl Range {
    /// The same, so many milliseconds later.
    #[inline]
    pub(super) fn later(self, step: i64) -> Self {
        Self { first: self.first + step, last: self.last + step, ..self }
    }

    /// The rate per second of a counter that rose by `increase` between the first sample and the last one.
    #[inline]
    pub(super) fn rate(&self, increase: f64) -> f64 {
        // Times 1 changes nothing, not even the last bit.
        increase / self.span * self.factor
    }
}

impl Measurement {
    /// What a query says at `at`, in requests per second, of a workload that all of the traffic meets. `None` when it
    /// has no result.
    #[must_use]
    pub fn rate(&self, traffic: &Traffic, at: Timestamp) -> Option<f64> {
        let range = self.range(at.as_millisecond())?;
        Some(range.rate(traffic.requests_before(range.last) - traffic.requests_before(range.first)))
    }

    /// The samples of a query at `at`, in milliseconds since the Unix epoch; `None` when it has no result, since there are
    /// fewer than two.
    #[inline]
    pub(super) fn range(&self, at: i64) -> Option<Range> {
        let every = self.scrape_millis();
        let window = millis(self.window);
        let end = at - millis(self.delay);
        let start = end - window;
        let phase = millis(self.phase);
        let last = end - (end - phase).rem_euclid(every);
        let past = (start - phase).rem_euclid(every);
        let first = match (past, self.range) {
            (0, RangeSelector::Closed) => start,
            (_, _) => start - past + every,
        };
        if last <= first {
            return None;
        }
        let span = seconds(last - first);
        if first == start && last == end {
            return Some(Range { first, last, span, factor: 1.0 });
        }
        let reach = |gap: i64| if 10 * gap < 11 * every { seconds(gap) } else { seconds(every) / 2.0 };
        let covered = span + reach(first - start) + reach(end - last);
        Some(Range { first, last, span, factor: covered / seconds(window) })
    }

    /// Whether a query so many milliseconds later has the same samples, so much later.
    pub(super) fn repeats_after(&self, step: i64) -> bool {
        step % self.scrape_millis() == 0
    }

    /// The last scrape that a query at `at` sees.
    pub(super) fn seen(&self, at: Timestamp) -> Timestamp {
        self.last_scrape(at.saturating_sub(super::signed(self.delay)).unwrap_or(Timestamp::MIN))
    }

    /// The last scrape at or before `at`.
    pub(super) fn last_scrape(&self, at: Timestamp) -> Timestamp {
        let late = (at.as_millisecond() - millis(self.phase)).rem_euclid(self.scrape_millis());
        // Scrapes are at whole milliseconds.
        let whole = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        whole.saturating_sub(SignedDuration::from_millis(late)).unwrap_or(at)
    }

    /// The time between scrapes, at least a millisecond.
    pub(super) fn scrape_every(&self) -> SignedDuration {
        SignedDuration::from_millis(self.scrape_millis())
    }

    fn scrape_millis(&self) -> i64 {
        millis(self.scrape_interval).max(1)
    }
}

/// A span in milliseconds; ten years are as long as any.
#[inline]
fn millis(span: Duration) -> i64 {
    const MOST: u64 = 10 * 366 * 86_400;
    let seconds = i64::try_from(span.as_secs().min(MOST)).unwrap_or(i64::MAX / 1000);
    seconds * 1000 + i64::from(span.subsec_millis())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of some years fit 53 bits")]
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::tests::at;

    /// The rate of a counter that counts seconds, squared, since the instant of the query less 100 s.
    fn rate_of(measurement: &Measurement) -> Option<f64> {
        let now = at("2026-11-23T00:00:00Z");
        let start = now.as_millisecond() - 100_000;
        let counter = |at: i64| seconds(at - start) * seconds(at - start);
        let range = measurement.range(now.as_millisecond())?;
        Some(range.rate(counter(range.last) - counter(range.first)))
    }

    #[test]
    fn a_rate_is_what_prometheus_makes_of_the_samples_in_its_range() {
        let span = Duration::from_secs;
        let plain = Measurement {
            window: span(60),
            scrape_interval: span(15),
            phase: span(0),
            delay: span(0),
            range: RangeSelector::Closed,
        };
        let open = Measurement { range: RangeSelector::LeftOpen, ..plain };
        // The counter is x² at x = 100 now; worked out by hand from `extrapolatedRate`.
        for (name, measurement, expected) in [
            // Samples at 40, 55, …, 100.
            ("aligned", plain, Some((10_000.0 - 1600.0) / 60.0)),
            // At 55, …, 100; extrapolated by 15 s to the left.
            ("left-open", open, Some((10_000.0 - 3025.0) / 45.0)),
            // At 45, …, 90: 5 s to the left and 10 s to the right.
            ("another phase", Measurement { phase: span(5), ..plain }, Some((8100.0 - 2025.0) / 45.0)),
            // At 70, 85, 100 of 40 s: 10 s to the left.
            ("no multiple", Measurement { window: span(40), ..plain }, Some((10_000.0 - 4900.0) / 30.0)),
            // The range ends at 80: at 25, …, 70 of [20, 80].
            ("delay", Measurement { delay: span(20), ..plain }, Some((4900.0 - 625.0) / 45.0)),
            // At 85 and 100 of (80, 100]: 5 s to the left.
            ("two samples", Measurement { window: span(20), ..plain }, Some((10_000.0 - 7225.0) / 15.0)),
            ("one sample", Measurement { window: span(15), ..open }, None),
            ("no sample", Measurement { window: span(10), phase: span(4), ..open }, None),
        ] {
            let rate = rate_of(&measurement);
            let is_near = rate.zip(expected).map(|(got, expected)| (got - expected).abs() < 1e-9);
            assert!(is_near.unwrap_or(rate == expected), "{name}: {rate:?} is not {expected:?}");
        }
    }
}
