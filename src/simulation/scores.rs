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

mod course;
mod steps;
mod tally;

use std::time::Duration;

use serde::Serialize;

use self::course::Course;
pub use self::steps::{Bungee, Levels, bungee, instability, sampled};
pub(super) use self::tally::{Tally, needed};

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

/// The elasticity metrics of a supply against a demand, one value a step. What the shorter of the two
/// lacks is left out.
#[must_use]
pub fn elasticity(step: Duration, demand: &[u32], supply: &[u32]) -> Elasticity {
    let mut course = Course::default();
    for (demand, supply) in demand.iter().zip(supply) {
        course.add(*demand, *supply);
    }
    course.elasticity(step)
}

#[expect(clippy::cast_precision_loss, reason = "steps of a run fit 53 bits")]
fn count(n: usize) -> f64 {
    n as f64
}
