//! What Prometheus knows of a workload in a simulation: counters and gauges as they were at the scrapes, so that
//! everything is seen late, and rates are means over a window.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::later;
use super::measurement::Measurement;
use super::service::{Service, Standing, Totals};
use super::traffic::Traffic;

/// What a metric or a guard of a policy can be in a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Quantity {
    /// Requests that arrive, per second: the mean over the query window. Those that come again count, too.
    #[default]
    Qps,
    /// What the requests of the query window took, in seconds: the mean. Missing while none is served.
    Latency,
    /// Requests that wait, at the last scrape.
    QueueLength,
    /// The share of what the ready replicas can carry that is in use, from 0 to 1, at the last scrape.
    Utilization,
    /// The share of the tier behind that is in use, from 0 to 1, at the last scrape.
    DownstreamUtilization,
}

impl Quantity {
    /// Whether it is a mean over the query window, and not how things were at the last scrape.
    #[must_use]
    pub const fn is_mean(self) -> bool {
        match self {
            Self::Qps | Self::Latency => true,
            Self::QueueLength | Self::Utilization | Self::DownstreamUtilization => false,
        }
    }
}

/// The scrapes that queries can still see.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    measurement: Measurement,
    /// The first instant. Before it there was the same traffic, and all of it was served at once.
    from: Timestamp,
    latency_before: f64,
    scrapes: VecDeque<Scrape>,
}

#[derive(Clone, Copy, Debug)]
struct Scrape {
    at: Timestamp,
    standing: Standing,
    totals: Totals,
}

impl Monitor {
    pub(super) fn new(measurement: Measurement, from: Timestamp, service: &Service) -> Self {
        let mut monitor =
            Self { measurement, from, latency_before: service.standing.latency, scrapes: VecDeque::new() };
        monitor.see(from, service);
        monitor
    }

    /// The first scrape after `at`.
    pub(super) fn next_scrape(&self, at: Timestamp) -> Timestamp {
        let last = self.measurement.last_scrape(at);
        later(last, self.measurement.scrape_every()).unwrap_or(Timestamp::MAX)
    }

    /// Looks at the service at `at`, if that is an instant at which it is scraped.
    pub(super) fn see(&mut self, at: Timestamp, service: &Service) {
        if self.measurement.last_scrape(at) != at && at != self.from {
            return;
        }
        self.scrapes.push_back(Scrape { at, standing: service.standing, totals: service.totals });
        let Measurement { window, scrape_interval, delay, .. } = self.measurement;
        let keep =
            SignedDuration::try_from(window + delay + 2 * scrape_interval).unwrap_or(SignedDuration::MAX);
        let oldest = at.saturating_sub(keep).unwrap_or(Timestamp::MIN);
        while self.scrapes.front().is_some_and(|scrape| scrape.at < oldest) {
            self.scrapes.pop_front();
        }
    }

    /// What a query says at `at`; `None` when it has no result.
    pub(super) fn read(&self, quantity: Quantity, traffic: &Traffic, at: Timestamp) -> Option<f64> {
        let seen = self.measurement.seen(at);
        let gauge =
            |of: fn(&Standing) -> f64| Some(self.standing(seen).map_or(0.0, |standing| of(&standing)));
        let instant = |millis| Timestamp::from_millisecond(millis).unwrap_or(seen);
        let range = self.measurement.range(at.as_millisecond()).map(|range| {
            let totals = |millis| self.totals(traffic, instant(millis));
            (range, totals(range.first), totals(range.last))
        });
        match quantity {
            Quantity::Qps => {
                let (range, before, after) = range?;
                Some(range.rate(after.arrived - before.arrived))
            }
            Quantity::Latency => {
                let (_, before, after) = range?;
                let served = after.served - before.served;
                (served > 0.0).then(|| (after.seconds - before.seconds) / served)
            }
            Quantity::QueueLength => gauge(|standing| standing.queue),
            Quantity::Utilization => gauge(|standing| standing.utilization),
            Quantity::DownstreamUtilization => gauge(|standing| standing.downstream),
        }
    }

    fn last(&self, at: Timestamp) -> Option<&Scrape> {
        self.scrapes.iter().rev().find(|scrape| scrape.at <= at)
    }

    fn standing(&self, at: Timestamp) -> Option<Standing> {
        self.last(at).map(|scrape| scrape.standing)
    }

    fn totals(&self, traffic: &Traffic, at: Timestamp) -> Totals {
        if at >= self.from {
            return self.last(at).map(|scrape| scrape.totals).unwrap_or_default();
        }
        let served = -traffic.mean(at, self.from) * self.from.duration_since(at).as_secs_f64();
        Totals { arrived: served, served, seconds: served * self.latency_before }
    }
}
