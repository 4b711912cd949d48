//! The scores of a run out of its rows, each of which is looked at once and need not be kept.

use std::time::Duration;

use jiff::SignedDuration;

use super::course::Course;
use super::{Price, Scores, count};
use crate::simulation::{Change, Places, Row, Scenario};

/// From this share on that is in use, a tier behind counts as overloaded.
const OVERLOAD: f64 = 0.9;

/// What the scores of a run need of its rows.
#[derive(Debug)]
pub(in crate::simulation) struct Tally {
    sums: Scores,
    course: Course,
    capacity_per_replica: f64,
    interval: Duration,
    /// Replicas, those without a place, and nodes: one each for as long as a row is.
    replicas: u64,
    waiting: u64,
    nodes: u64,
    overloaded: u32,
    /// By how many seconds the last row is shorter than an interval, and what it has.
    short: (f64, [u32; 3]),
    price: Option<Price>,
}

impl Tally {
    /// Of no rows yet.
    pub(in crate::simulation) fn new(scenario: &Scenario) -> Self {
        // A sum of no floats is -0.
        let mut sums =
            Scores { requests: -0.0, dropped_requests: -0.0, late_requests: -0.0, ..Scores::default() };
        sums.retried_requests = -0.0;
        Self {
            sums,
            course: Course::default(),
            capacity_per_replica: scenario.plant.capacity_per_replica,
            interval: scenario.interval,
            replicas: 0,
            waiting: 0,
            nodes: 0,
            overloaded: 0,
            short: (0.0, [0; 3]),
            price: scenario.price,
        }
    }

    /// Adds a row that is over.
    #[inline]
    pub(in crate::simulation) fn add(&mut self, row: &Row) {
        self.course.add(needed(row.qps, self.capacity_per_replica), row.ready);
        let sums = &mut self.sums;
        sums.requests += row.requests;
        sums.dropped_requests += row.dropped;
        sums.late_requests += row.late;
        sums.retried_requests += row.retried;
        self.replicas += u64::from(row.replicas);
        if let Some(Places { waiting, nodes }) = row.places {
            self.waiting += u64::from(waiting);
            self.nodes += u64::from(nodes.unwrap_or(0));
        }
        self.overloaded += u32::from(row.service.is_some_and(|service| service.downstream >= OVERLOAD));
        sums.peak_replicas = sums.peak_replicas.max(row.replicas);
    }

    /// Has the last row be so much shorter than an interval, for what is paid by the hour.
    pub(in crate::simulation) fn shorten(&mut self, row: &Row, by: SignedDuration) {
        let Places { waiting, nodes } = row.places.unwrap_or(Places { waiting: 0, nodes: None });
        self.short = (by.as_secs_f64(), [row.replicas, waiting, nodes.unwrap_or(0)]);
    }

    /// The scores. Demand and supply are taken per tick; scale events and reversals are those of `spec.replicas`,
    /// which is what somebody pays for.
    #[must_use]
    pub(in crate::simulation) fn scores(&self, changes: &[Change]) -> Scores {
        let Self { ref sums, ref course, interval, overloaded, price, .. } = *self;
        #[expect(clippy::cast_precision_loss, reason = "replicas of a run fit 53 bits")]
        let hours = |rows: u64, last: u32| {
            (rows as f64 * interval.as_secs_f64() - f64::from(last) * self.short.0) / 3600.0
        };
        let [last_replicas, last_waiting, last_nodes] = self.short.1;
        let node_hours = hours(self.nodes, last_nodes);
        let mut elasticity = course.elasticity(interval);
        elasticity.scale_events = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        let directions: Vec<bool> = changes.iter().map(|change| change.to > change.from).collect();
        let reversals = directions.windows(2).filter(|pair| pair[0] != pair[1]).count();
        elasticity.reversals = u64::try_from(reversals).unwrap_or(u64::MAX);
        elasticity.replica_hours = hours(self.replicas, last_replicas);
        let cost = |Price { replica_hour, node_hour }| {
            elasticity.replica_hours * replica_hour + node_hours * node_hour
        };
        let requests = sums.requests;
        let percent = |part: f64| if requests > 0.0 { 100.0 * part / requests } else { 0.0 };
        Scores {
            dropped_percent: percent(sums.dropped_requests),
            late_percent: percent(sums.late_requests),
            settling_seconds: count(course.longest_shortage()) * interval.as_secs_f64(),
            overshoot_percent: course.overshoot_percent(),
            downstream_overload_percent: 100.0 * f64::from(overloaded) / count(course.steps().max(1)),
            cost: price.map(cost),
            unplaced_replica_hours: hours(self.waiting, last_waiting),
            node_hours,
            elasticity,
            ..sums.clone()
        }
    }
}

/// The least replicas that carry `qps`, at least 1.
#[inline]
pub(in crate::simulation) fn needed(qps: f64, capacity_per_replica: f64) -> u32 {
    // A hair less than a whole replica's worth more is rounding, not demand.
    let replicas = qps / capacity_per_replica - 1e-9;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-int cast saturates"
    )]
    let whole = replicas as u32;
    // Rounded up, without a call into the platform's library.
    whole.saturating_add(u32::from(f64::from(whole) < replicas)).max(1)
}
