//! How good a run was.
//!
//! The elasticity metrics are those of the SPEC Research Group (Herbst et al. 2013; normalised form as in
//! Bauer et al., Chameleon, 2018). Over n steps with demand d (the least replicas that would have been
//! enough, at least 1) and supply s (ready replicas):
//!
//! ```text
//! theta_u = 100/n Σ max(d−s, 0)/d        theta_o = 100/n Σ max(s−d, 0)/d
//! tau_u = 100/n Σ [s < d]                tau_o = 100/n Σ [s > d]
//! upsilon = 100/(n−1) Σ min(|sgn Δs − sgn Δd|, 1)
//! accuracy_u = 1/n Σ max(d−s, 0)         accuracy_o = 1/n Σ max(s−d, 0)
//! ```
//! The over-provisioning share divides by demand, not by supply, so it is unbounded.
//!
//! Settling and overshoot are those of control theory (Hellerstein et al., Feedback Control of Computing Systems, 2004)
//! for a demand that never stands still. A shortage is a stretch of ticks with s < d; the longest is the settling time.
//! After a shortage the supply goes on to a peak p, at the tick before it first falls; with the highest demand D from
//! the shortage's start until then, the overshoot is p − D in percent of D.

mod steps;

use std::time::Duration;

use serde::Serialize;

pub use self::steps::{Bungee, Levels, bungee, instability, sampled};
use super::{Change, Places, Row, Scenario};

/// The scores of a run. Percentages are of time, or of requests where the name says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Requests that came.
    pub requests: f64,
    /// Requests that found no capacity.
    pub dropped_requests: f64,
    /// The same in percent of all requests.
    pub dropped_percent: f64,
    /// Requests that were served, but late. Without a queue nothing is late.
    pub late_requests: f64,
    /// The same in percent of all requests.
    pub late_percent: f64,
    /// Requests that were sent again after they had timed out.
    pub retried_requests: f64,
    /// The longest time with too few ready replicas, in seconds.
    pub settling_seconds: f64,
    /// How far the supply went, after a shortage, beyond the highest demand since its start, in percent of that: the
    /// most of all shortages.
    pub overshoot_percent: f64,
    /// Share of time in which 90 % or more of the tier behind was in use.
    pub downstream_overload_percent: f64,
    /// Σ replicas without a place × step, in hours.
    pub unplaced_replica_hours: f64,
    /// Σ nodes × step, in hours; 0 without nodes.
    pub node_hours: f64,
    /// What replicas and nodes cost, in a scenario with prices, in their currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// The elasticity metrics.
    #[serde(flatten)]
    pub elasticity: Elasticity,
    /// The most replicas at any tick.
    pub peak_replicas: u32,
}

/// The SPEC RG elasticity metrics, and what moving cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Elasticity {
    /// Under-provisioned amount, in percent of demand.
    pub theta_u_percent: f64,
    /// Over-provisioned amount, in percent of demand.
    pub theta_o_percent: f64,
    /// Share of time with too few replicas.
    pub tau_u_percent: f64,
    /// Share of time with too many replicas.
    pub tau_o_percent: f64,
    /// Share of steps in which supply and demand do not move the same way.
    pub upsilon_percent: f64,
    /// Mean missing replicas.
    pub accuracy_u: f64,
    /// Mean surplus replicas.
    pub accuracy_o: f64,
    /// Σ supply × step, in hours.
    pub replica_hours: f64,
    /// Steps in which the supply changes.
    pub scale_events: u64,
    /// Changes whose direction differs from that of the change before.
    pub reversals: u64,
}

/// What an hour costs, in any currency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Of a replica.
    pub replica_hour: f64,
    /// Of a node.
    pub node_hour: f64,
}

/// From this share on that is in use, a tier behind counts as overloaded.
const OVERLOAD: f64 = 0.9;

/// What the scores of a run need of its rows, each of which is looked at once: a year of them does not fit any cache.
#[derive(Debug)]
pub(super) struct Tally {
    sums: Scores,
    demand: Vec<u32>,
    supply: Vec<u32>,
    capacity_per_replica: f64,
    interval: Duration,
    /// Replicas, those without a place, and nodes: one each for as long as a row is.
    replicas: u64,
    waiting: u64,
    nodes: u64,
    overloaded: u32,
    price: Option<Price>,
}

impl Tally {
    /// Of no rows yet, and of so many to come.
    pub(super) fn new(scenario: &Scenario, rows: usize) -> Self {
        // A sum of no floats is -0.
        let mut sums =
            Scores { requests: -0.0, dropped_requests: -0.0, late_requests: -0.0, ..Scores::default() };
        sums.retried_requests = -0.0;
        Self {
            sums,
            demand: Vec::with_capacity(rows),
            supply: Vec::with_capacity(rows),
            capacity_per_replica: scenario.plant.capacity_per_replica,
            interval: scenario.interval,
            replicas: 0,
            waiting: 0,
            nodes: 0,
            overloaded: 0,
            price: scenario.price,
        }
    }

    /// Adds a row that is over.
    pub(super) fn add(&mut self, row: &Row) {
        self.demand.push(needed(row.qps, self.capacity_per_replica));
        self.supply.push(row.ready);
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

    /// The scores. Demand and supply are taken per tick; scale events and reversals are those of `spec.replicas`,
    /// which is what somebody pays for.
    #[must_use]
    pub(super) fn scores(self, changes: &[Change]) -> Scores {
        let Self { sums, demand, supply, interval, overloaded, price, .. } = self;
        #[expect(clippy::cast_precision_loss, reason = "replicas of a run fit 53 bits")]
        let hours = |rows: u64| rows as f64 * interval.as_secs_f64() / 3600.0;
        let node_hours = hours(self.nodes);
        let mut elasticity = elasticity(interval, &demand, &supply);
        elasticity.scale_events = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        let directions: Vec<bool> = changes.iter().map(|change| change.to > change.from).collect();
        let reversals = directions.windows(2).filter(|pair| pair[0] != pair[1]).count();
        elasticity.reversals = u64::try_from(reversals).unwrap_or(u64::MAX);
        elasticity.replica_hours = hours(self.replicas);
        let (longest, overshoot) = shortages(&demand, &supply);
        let cost = |Price { replica_hour, node_hour }| {
            elasticity.replica_hours * replica_hour + node_hours * node_hour
        };
        let requests = sums.requests;
        let percent = |part: f64| if requests > 0.0 { 100.0 * part / requests } else { 0.0 };
        Scores {
            dropped_percent: percent(sums.dropped_requests),
            late_percent: percent(sums.late_requests),
            settling_seconds: count(longest) * interval.as_secs_f64(),
            overshoot_percent: overshoot,
            downstream_overload_percent: 100.0 * f64::from(overloaded) / count(demand.len().max(1)),
            cost: price.map(cost),
            unplaced_replica_hours: hours(self.waiting),
            node_hours,
            elasticity,
            ..sums
        }
    }
}

/// The length of the longest shortage in steps, and the greatest overshoot after one in percent.
fn shortages(demand: &[u32], supply: &[u32]) -> (usize, f64) {
    let (mut longest, mut greatest) = (0, 0.0_f64);
    let mut lacking = 0;
    // The highest demand since a shortage began, until the supply falls after it.
    let mut highest: Option<u32> = None;
    let mut before = 0;
    for (&d, &s) in demand.iter().zip(supply) {
        if s < d {
            lacking += 1;
            longest = longest.max(lacking);
            highest = Some(highest.map_or(d, |highest| highest.max(d)));
        } else if let Some(most) = highest {
            lacking = 0;
            if s < before {
                highest = None;
            } else {
                let most = most.max(d);
                highest = Some(most);
                let overshoot = 100.0 * f64::from(s.saturating_sub(most)) / f64::from(most.max(1));
                greatest = greatest.max(overshoot);
            }
        }
        before = s;
    }
    (longest, greatest)
}

/// The least replicas that carry `qps`, at least 1.
pub(super) fn needed(qps: f64, capacity_per_replica: f64) -> u32 {
    // A hair less than a whole replica's worth more is rounding, not demand.
    let replicas = (qps / capacity_per_replica - 1e-9).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-int cast saturates"
    )]
    let replicas = replicas as u32;
    replicas.max(1)
}

/// The elasticity metrics of a supply against a demand, one value a step. What the shorter of the two
/// lacks is left out.
#[must_use]
pub fn elasticity(step: Duration, demand: &[u32], supply: &[u32]) -> Elasticity {
    let n = demand.len().min(supply.len());
    let (demand, supply) = (&demand[..n], &supply[..n]);
    let pairs = || demand.iter().zip(supply).map(|(d, s)| (f64::from(*d), f64::from(*s)));
    let mean = |sum: f64, n: usize| if n == 0 { 0.0 } else { sum / count(n) };
    let change = |levels: &[u32], i: usize| levels[i + 1].cmp(&levels[i]);
    let steps = n.saturating_sub(1);
    let disagreements = (0..steps).filter(|&i| change(supply, i) != change(demand, i)).count();
    let moves: Vec<_> = (0..steps).map(|i| change(supply, i)).filter(|change| change.is_ne()).collect();
    Elasticity {
        theta_u_percent: 100.0 * mean(pairs().map(|(d, s)| (d - s).max(0.0) / d.max(1.0)).sum(), n),
        theta_o_percent: 100.0 * mean(pairs().map(|(d, s)| (s - d).max(0.0) / d.max(1.0)).sum(), n),
        tau_u_percent: 100.0 * mean(count(pairs().filter(|(d, s)| s < d).count()), n),
        tau_o_percent: 100.0 * mean(count(pairs().filter(|(d, s)| s > d).count()), n),
        upsilon_percent: 100.0 * mean(count(disagreements), steps),
        accuracy_u: mean(pairs().map(|(d, s)| (d - s).max(0.0)).sum(), n),
        accuracy_o: mean(pairs().map(|(d, s)| (s - d).max(0.0)).sum(), n),
        replica_hours: pairs().map(|(_, s)| s * step.as_secs_f64() / 3600.0).sum(),
        scale_events: u64::try_from(moves.len()).unwrap_or(u64::MAX),
        reversals: u64::try_from(moves.windows(2).filter(|pair| pair[0] != pair[1]).count())
            .unwrap_or(u64::MAX),
    }
}

#[expect(clippy::cast_precision_loss, reason = "steps of a run fit 53 bits")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settling_and_overshoot_are_those_of_shortages() {
        let cases: [(&[u32], &[u32], usize, f64); 6] = [
            (&[4, 4, 4], &[4, 9, 4], 0, 0.0),
            // Two ticks short, then 6 for 4; that it goes up again after it has gone down is no overshoot.
            (&[2, 4, 4, 4, 4, 4, 4], &[2, 2, 2, 5, 6, 4, 9], 2, 50.0),
            // The demand went up to 8 before the supply was at its peak.
            (&[2, 4, 8, 4, 4], &[2, 2, 4, 8, 10], 2, 25.0),
            (&[4, 4, 4, 5, 5], &[2, 4, 3, 3, 3], 3, 0.0),
            // Until a shortage ends the supply may fall.
            (&[9, 9, 9, 9], &[5, 4, 9, 12], 2, 100.0 / 3.0),
            (&[], &[], 0, 0.0),
        ];
        for (demand, supply, longest, overshoot) in cases {
            assert_eq!(shortages(demand, supply), (longest, overshoot), "{demand:?} {supply:?}");
        }
    }
}
