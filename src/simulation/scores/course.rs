//! Demand and supply, step by step: what the scores need of them, in constant memory.

use std::cmp::Ordering;
use std::time::Duration;

use super::{Elasticity, count};

/// What was seen of a supply against a demand, one value each a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    steps: usize,
    last: (u32, u32),
    /// Replicas: all of them, those that were missing, those beyond the demand.
    supplied: u64,
    missing: u64,
    surplus: u64,
    /// The latter two as shares of the demand.
    missing_share: f64,
    surplus_share: f64,
    /// Steps with too few and with too many.
    short: usize,
    over: usize,
    /// Steps in which the two do not move the same way.
    disagreements: usize,
    moves: u64,
    reversals: u64,
    last_move: Option<Ordering>,
    /// Of the shortage that goes on, and of the longest one, in steps.
    lacking: usize,
    longest: usize,
    /// The highest demand since a shortage began, until the supply falls after it.
    highest: Option<u32>,
    overshoot: f64,
}

impl Course {
    /// Adds a step. A demand of 0 counts as 1 where something is divided by it.
    #[inline]
    pub(super) fn add(&mut self, demand: u32, supply: u32) {
        self.supplied += u64::from(supply);
        if self.steps > 0 {
            self.move_on(demand, supply);
        }
        match supply.cmp(&demand) {
            Ordering::Less => {
                let missing = demand - supply;
                self.missing += u64::from(missing);
                self.missing_share += f64::from(missing) / f64::from(demand);
                self.short += 1;
                self.lacking += 1;
                self.longest = self.longest.max(self.lacking);
                self.highest = Some(self.highest.map_or(demand, |highest| highest.max(demand)));
            }
            Ordering::Equal | Ordering::Greater => {
                let surplus = supply - demand;
                if surplus > 0 {
                    self.surplus += u64::from(surplus);
                    self.surplus_share += f64::from(surplus) / f64::from(demand.max(1));
                    self.over += 1;
                }
                if let Some(highest) = self.highest {
                    self.settle(highest.max(demand), supply);
                }
            }
        }
        self.steps += 1;
        self.last = (demand, supply);
    }

    /// Compares the ways in which the two have moved.
    #[inline]
    fn move_on(&mut self, demand: u32, supply: u32) {
        let change = supply.cmp(&self.last.1);
        self.disagreements += usize::from(change != demand.cmp(&self.last.0));
        if change.is_ne() {
            self.moves += 1;
            self.reversals += u64::from(self.last_move.is_some_and(|last| last != change));
            self.last_move = Some(change);
        }
    }

    /// After a shortage, during and since which the demand was `highest` at most.
    fn settle(&mut self, highest: u32, supply: u32) {
        self.lacking = 0;
        if supply < self.last.1 {
            self.highest = None;
            return;
        }
        self.highest = Some(highest);
        let overshoot = 100.0 * f64::from(supply.saturating_sub(highest)) / f64::from(highest.max(1));
        self.overshoot = self.overshoot.max(overshoot);
    }

    /// How many steps there were.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// The longest shortage, in steps.
    pub(super) fn longest_shortage(&self) -> usize {
        self.longest
    }

    /// The greatest overshoot after a shortage, in percent.
    pub(super) fn overshoot_percent(&self) -> f64 {
        self.overshoot
    }

    /// The elasticity metrics of it, at steps of this length.
    pub(super) fn elasticity(&self, step: Duration) -> Elasticity {
        let mean = |sum: f64| if self.steps == 0 { 0.0 } else { sum / count(self.steps) };
        #[expect(clippy::cast_precision_loss, reason = "replicas of a run fit 53 bits")]
        let sum = |replicas: u64| replicas as f64;
        Elasticity {
            theta_u_percent: 100.0 * mean(self.missing_share),
            theta_o_percent: 100.0 * mean(self.surplus_share),
            tau_u_percent: 100.0 * mean(count(self.short)),
            tau_o_percent: 100.0 * mean(count(self.over)),
            upsilon_percent: 100.0 * count(self.disagreements) / count(self.steps.saturating_sub(1).max(1)),
            accuracy_u: mean(sum(self.missing)),
            accuracy_o: mean(sum(self.surplus)),
            replica_hours: sum(self.supplied) * step.as_secs_f64() / 3600.0,
            scale_events: self.moves,
            reversals: self.reversals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortages(demand: &[u32], supply: &[u32]) -> (usize, f64) {
        let mut course = Course::default();
        demand.iter().zip(supply).for_each(|(demand, supply)| course.add(*demand, *supply));
        (course.longest_shortage(), course.overshoot_percent())
    }

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
