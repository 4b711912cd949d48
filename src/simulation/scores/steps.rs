//! Scores of supply and demand that change at any time, weighted by how long they last.
//!
//! Accuracy, timeshare and jitter are as in BUNGEE (Herbst et al. 2015); over a length T:
//!
//! ```text
//! accuracy_u = 1/T ∫ max(d−s, 0) dt                    accuracy_o = 1/T ∫ max(s−d, 0) dt      replicas
//! timeshare_u = 1/T ∫ [d > s] dt                       timeshare_o = 1/T ∫ [s > d] dt         share of time
//! jitter = (Σ |Δs| − Σ |Δd|) / T                       a change of n replicas counts n        per unit of time
//! k = 1/(n−1) Σ max(0, min(1, sgn Δs − sgn Δd))        k2: the signs swapped; over n samples  share of steps
//! ```
//! θ is in percent of demand, as [`super::Elasticity`] has it; the variant by supply divides the surplus by
//! what there is instead, and so stays under 100.

use serde::Serialize;

use super::count;

/// Levels over time: from each time on, so many replicas. In order of time.
pub type Levels<'a> = &'a [(f64, u32)];

/// Scores of levels over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bungee {
    /// Mean missing replicas.
    pub accuracy_u: f64,
    /// Mean surplus replicas.
    pub accuracy_o: f64,
    /// Share of time with too few replicas, from 0 to 1.
    pub timeshare_u: f64,
    /// Share of time with too many replicas, from 0 to 1.
    pub timeshare_o: f64,
    /// Missing replicas in percent of demand.
    pub theta_u_percent: f64,
    /// Surplus replicas in percent of demand.
    pub theta_o_percent: f64,
    /// Surplus replicas in percent of supply.
    pub theta_o_by_supply_percent: f64,
    /// Mean supply.
    pub mean_supply: f64,
    /// Replicas that came or went.
    pub churn: f64,
    /// Movement of the supply beyond that of the demand, per unit of time.
    pub jitter_per_time_unit: f64,
}

/// Scores `supply` against `demand` from the time at which both have begun until `end`, in whatever unit
/// of time they are in. Demand and supply below 1 count as 1 where something is divided by them.
#[must_use]
pub fn bungee(demand: Levels<'_>, supply: Levels<'_>, end: f64) -> Bungee {
    let (Some(&(first_demand, _)), Some(&(first_supply, _))) = (demand.first(), supply.first()) else {
        return Bungee::default();
    };
    let start = first_demand.max(first_supply);
    if end <= start {
        return Bungee::default();
    }
    let mut edges: Vec<f64> = demand.iter().chain(supply).map(|(at, _)| *at).collect();
    edges.retain(|at| (start..end).contains(at));
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    let mut scores = Bungee::default();
    for (i, &from) in edges.iter().enumerate() {
        let weight = (edges.get(i + 1).copied().unwrap_or(end) - from) / (end - start);
        let (d, s) = (f64::from(level(demand, from)), f64::from(level(supply, from)));
        let (missing, surplus) = ((d - s).max(0.0), (s - d).max(0.0));
        scores.accuracy_u += missing * weight;
        scores.accuracy_o += surplus * weight;
        scores.timeshare_u += if missing > 0.0 { weight } else { 0.0 };
        scores.timeshare_o += if surplus > 0.0 { weight } else { 0.0 };
        scores.theta_u_percent += 100.0 * missing / d.max(1.0) * weight;
        scores.theta_o_percent += 100.0 * surplus / d.max(1.0) * weight;
        scores.theta_o_by_supply_percent += 100.0 * surplus / s.max(1.0) * weight;
        scores.mean_supply += s * weight;
    }
    scores.churn = movement(supply, end);
    scores.jitter_per_time_unit = (scores.churn - movement(demand, end)) / (end - start);
    scores
}

/// BUNGEE's instability: the shares of steps (k, k2) in which supply moves above and below demand. With
/// fewer than two samples there are none.
#[must_use]
pub fn instability(demand: &[u32], supply: &[u32]) -> (f64, f64) {
    let change = |pair: &[u32]| pair[1].cmp(&pair[0]);
    let steps = || demand.windows(2).map(change).zip(supply.windows(2).map(change));
    let n = steps().count();
    if n == 0 {
        return (0.0, 0.0);
    }
    let share = |steps: usize| count(steps) / count(n);
    (share(steps().filter(|(d, s)| s > d).count()), share(steps().filter(|(d, s)| s < d).count()))
}

/// The levels at `n` times, `step` apart, from 0 on.
#[must_use]
pub fn sampled(levels: Levels<'_>, step: f64, n: usize) -> Vec<u32> {
    (0..n).map(|i| level(levels, count(i) * step)).collect()
}

/// The level at a time; the first one before it.
fn level(levels: Levels<'_>, at: f64) -> u32 {
    let next = levels.partition_point(|(from, _)| *from <= at);
    levels.get(next.saturating_sub(1)).map_or(0, |(_, level)| *level)
}

/// How far the levels move up and down until `end`, inclusive.
fn movement(levels: Levels<'_>, end: f64) -> f64 {
    let moves = levels.windows(2).filter(|pair| pair[1].0 <= end);
    moves.map(|pair| f64::from(pair[0].1.abs_diff(pair[1].1))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64, what: &str) {
        assert!((got - expected).abs() < 1e-6, "{what}: {got} is not {expected}");
    }

    /// The supply of BUNGEE's unit tests (Apache-2.0).
    const SUPPLY: Levels<'_> =
        &[(0.0, 1), (2.0, 2), (3.0, 1), (5.0, 3), (9.0, 7), (11.0, 6), (12.0, 8), (14.0, 2), (20.0, 2)];

    #[test]
    fn bungees_own_cases_give_its_own_results() {
        let complex: Levels<'_> = &[(0.0, 1), (7.0, 5), (16.0, 3), (17.0, 2), (19.0, 4)];
        let more: Vec<_> = SUPPLY.iter().map(|(at, level)| (*at, level + 1)).collect();
        for (name, demand, expected) in [
            ("perfect match", SUPPLY, [0.0, 0.0, 0.0, 0.0, 0.0]),
            ("always too few", more.as_slice(), [1.0, 0.0, 1.0, 0.0, 0.0]),
            ("complex", complex, [0.65, 0.8, 0.3, 0.4, 0.4]),
        ] {
            let got = bungee(demand, SUPPLY, 20.0);
            let got =
                [got.accuracy_u, got.accuracy_o, got.timeshare_u, got.timeshare_o, got.jitter_per_time_unit];
            for (got, expected) in got.into_iter().zip(expected) {
                close(got, expected, name);
            }
        }
    }

    #[test]
    fn a_vector_that_others_computed_gives_the_same() {
        let demand: Levels<'_> = &[(0.0, 1), (8.0, 2), (22.0, 1), (39.0, 10)];
        let supply: Levels<'_> = &[(0.0, 1), (7.0, 2), (24.0, 4), (35.0, 10)];
        let got = bungee(demand, supply, 60.0);
        close(got.theta_o_percent, 120.0, "theta_o");
        close(got.theta_o_by_supply_percent, 22.25, "theta_o by supply");
        close(got.mean_supply, 5.583_333_333, "mean supply");
        close(got.churn, 9.0, "churn");
        let (k, k2) = instability(&sampled(demand, 1.0, 60), &sampled(supply, 1.0, 60));
        close(k, 0.067_796_61, "k");
        close(k2, 0.033_898_305, "k2");
    }

    #[test]
    fn nothing_scores_nothing() {
        assert_eq!(bungee(&[], SUPPLY, 20.0), Bungee::default());
        assert_eq!(bungee(SUPPLY, SUPPLY, 0.0), Bungee::default());
        assert_eq!(instability(&[1], &[2]), (0.0, 0.0));
    }
}
