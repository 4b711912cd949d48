//! Somebody who knows the traffic to come: what no autoscaler can do better, under the same start-up time.
//!
//! ```text
//! replicas(t) = the most that the demand of [t, t + start-up + interval] needs
//! ```
//! A pod that is asked for at `t` serves from `t + start-up` on, and the next chance to ask comes an interval later. A
//! pod that is needed again within that time is not worth stopping, since it could not be back. The oracle minds no
//! bounds of the policy.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::decision::{DesiredReason, Observation, Replicas};
use crate::simulation::chooser::{Choice, Chooser, Due};
use crate::simulation::scores::needed;
use crate::simulation::{Scenario, first_tick, signed};

/// Demand is looked at in this many parts of a tick, since a trace may change within one.
const PARTS: u32 = 3;

/// Knows what will come.
#[derive(Debug)]
pub(super) struct Oracle<'a> {
    scenario: &'a Scenario,
    part: SignedDuration,
    /// Up to where the demand was looked at.
    seen: Timestamp,
    /// What parts need and when they end, in order of time; none is followed by one that needs as much.
    needs: VecDeque<(Timestamp, u32)>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let part = signed(scenario.interval / PARTS).max(SignedDuration::from_millis(1));
        // Parts begin where ticks do.
        let tick = first_tick(scenario.from, scenario.interval);
        let seen = tick.saturating_sub(signed(scenario.interval)).unwrap_or(scenario.from);
        Self { scenario, part, seen, needs: VecDeque::new() }
    }

    /// The replicas with which the scenario should begin.
    pub(super) fn initial(&self) -> Replicas {
        let first = first_tick(self.scenario.from, self.scenario.interval);
        let mut oracle = Self { needs: VecDeque::new(), ..*self };
        oracle.needed_until(self.scenario.from, first)
    }

    /// What is needed from `at` until something that is asked for an interval after `decided` serves.
    fn needed_until(&mut self, at: Timestamp, decided: Timestamp) -> Replicas {
        let later = |instant: Timestamp, by| instant.saturating_add(by).unwrap_or(Timestamp::MAX);
        let startup = signed(self.scenario.plant.pods.startup);
        let horizon = later(later(decided, signed(self.scenario.interval)), startup);
        while self.seen < horizon {
            let end = later(self.seen, self.part);
            let qps = self.scenario.traffic.mean(self.seen, end);
            let need = needed(qps, self.scenario.plant.capacity_per_replica);
            while self.needs.back().is_some_and(|(_, less)| *less <= need) {
                self.needs.pop_back();
            }
            self.needs.push_back((end, need));
            self.seen = end;
        }
        while self.needs.front().is_some_and(|(end, _)| *end <= at) {
            self.needs.pop_front();
        }
        Replicas::saturating_from(self.needs.front().map_or(0, |(_, need)| i128::from(*need)))
    }
}

impl Chooser for Oracle<'_> {
    fn metrics(&self) -> usize {
        0
    }

    fn due(&self) -> Option<Due> {
        None
    }

    fn choose(&mut self, observation: &Observation) -> Choice {
        let decided = first_tick(observation.at, self.scenario.interval);
        let desired = self.needed_until(observation.at, decided);
        Choice {
            desired,
            writes: true,
            floor: Replicas::ZERO,
            ceiling: Replicas::MAX,
            recommendation: Some(desired),
            level: Some(desired),
            reason: DesiredReason::Load,
        }
    }

    fn explain(&self) -> String {
        "the demand that is to come needs that many".to_owned()
    }
}
