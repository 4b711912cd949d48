//! The upstream HorizontalPodAutoscaler: its algorithm as of Kubernetes 1.36, checked against outputs of that code.
//!
//! ```text
//! proposal    = the highest of what the metrics ask for (external, object and pods metrics)
//! without     max of the proposals of the last 300 s, then at most max(2 × present, 4)
//! `behavior`:
//! with it:    stabilization windows and rate policies, which are `decision::damping`
//! ```
//! What a policy of ours does otherwise is not here: no schedule, no smoothing, no fallback, no guards; and the
//! present is the workload's replicas. Source: `pkg/controller/podautoscaler/{horizontal,replica_calculator}.go`.

mod log;
mod pods;

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

pub use self::log::Log;
pub use self::pods::PodReadings;
use super::periodic::Periodic;
use crate::api::ScalingRules;
use crate::decision::{
    DampingPolicy, DesiredReason, Direction, LoadLimit, Milli, Observation, RateEvents, Reading, Replicas,
    Rules, Samples, Target, limit_rate, recommend, stabilize,
};
use crate::policy::hpa_rules;
use crate::simulation::chooser::Choice;

/// The time between two looks of the controller.
const SYNC_PERIOD: Duration = Duration::from_secs(15);

/// What the controller's flags say about going down without `behavior`.
const DOWNSCALE_WINDOW: Duration = Duration::from_secs(300);

/// What the controller's flags say about a load near its target.
pub const TOLERANCE: f64 = 0.1;

/// What a HorizontalPodAutoscaler is told.
#[derive(Clone, Debug, PartialEq)]
pub struct HpaSpec {
    /// The least replicas.
    pub min: Replicas,
    /// The most replicas.
    pub max: Replicas,
    /// What it follows.
    pub metrics: SmallVec<[HpaMetric; 4]>,
    /// How it moves.
    pub pace: Pace,
    /// Whether it goes on at zero replicas. Otherwise zero switches it off, as everywhere without a gate.
    pub scales_from_zero: bool,
}

/// A metric of a HorizontalPodAutoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HpaMetric {
    /// One number for the workload as a whole: an external or an object metric.
    Whole(Target),
    /// A number for each pod, with the average that it should have. The traffic is shared equally by the
    /// ready pods.
    Pods(Milli),
}

impl HpaMetric {
    /// Whether it is held against what the ready replicas are, so that these change it.
    #[must_use]
    pub fn is_ratio(&self) -> bool {
        matches!(self, Self::Whole(Target::Value(_)))
    }
}

/// Stabilization, rates and tolerances.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// Without `behavior`: the rule from before there was one, with the tolerance that the controller's flags
    /// say.
    Default {
        /// How far load / target may be from 1 without a change.
        tolerance: f64,
    },
    /// With `behavior`: upward and downward.
    Behavior(Box<(Rules, Rules)>),
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpaDecision {
    /// The replicas that should be.
    pub desired: Replicas,
    /// What the metrics ask for; `None` when they say nothing.
    pub proposal: Option<Replicas>,
    /// What kept `desired` from it.
    pub limit: Option<LoadLimit>,
}

/// A HorizontalPodAutoscaler and what it remembers.
#[derive(Clone, Debug)]
pub struct Hpa {
    spec: HpaSpec,
    /// Only its tolerances count where there is no `behavior`.
    damping: DampingPolicy,
    proposals: Log<Replicas>,
    rises: Log<i64>,
    falls: Log<i64>,
    last: Option<HpaDecision>,
}

impl Hpa {
    /// Starts without any memory.
    #[must_use]
    pub fn new(spec: HpaSpec) -> Self {
        let (up, down) = match &spec.pace {
            Pace::Behavior(rules) => (**rules).clone(),
            Pace::Default { tolerance } => {
                let rules = |direction| Rules {
                    tolerance: *tolerance,
                    ..hpa_rules(direction, &ScalingRules::default())
                };
                (rules(Direction::Up), rules(Direction::Down))
            }
        };
        let damping = DampingPolicy { up, down, half_life: None };
        let (proposals, rises, falls) = (Log::default(), Log::default(), Log::default());
        Self { spec, damping, proposals, rises, falls, last: None }
    }

    /// What it is told.
    #[must_use]
    pub fn spec(&self) -> &HpaSpec {
        &self.spec
    }

    /// Sets the least and the most replicas that it may choose.
    pub fn bound(&mut self, (min, max): (Replicas, Replicas)) {
        (self.spec.min, self.spec.max) = (min, max);
        self.spec.scales_from_zero = min == Replicas::ZERO;
    }

    /// Looks at the workload and decides; `readings` are those of the metrics, in their order.
    pub fn sync(
        &mut self,
        now: Timestamp,
        present: Replicas,
        ready: Replicas,
        readings: &[Reading],
    ) -> HpaDecision {
        if self.proposals.is_empty() {
            self.proposals.put(now, present, |_| false);
        }
        let decision = self.decide(now, present, ready, readings);
        if matches!(self.spec.pace, Pace::Behavior(_)) {
            let change = decision.desired.wide() - present.wide();
            let (log, rules) = match change.signum() {
                1 => (&mut self.rises, &self.damping.up),
                _ => (&mut self.falls, &self.damping.down),
            };
            if change != 0 {
                log.put_event(now, change.abs(), rules);
            }
        }
        self.last = Some(decision);
        decision
    }

    /// A decision as the loop takes it.
    pub(super) fn choice(&self, decision: HpaDecision) -> Choice {
        let HpaDecision { desired, proposal, limit } = decision;
        let reason = match limit {
            Some(LoadLimit::MinReplicas) => DesiredReason::MinReplicas,
            Some(LoadLimit::MaxReplicas) => DesiredReason::MaxReplicas,
            Some(
                LoadLimit::StabilizationUp
                | LoadLimit::StabilizationDown
                | LoadLimit::ScaleUpRate
                | LoadLimit::ScaleDownRate
                | LoadLimit::Guard
                | LoadLimit::Capacity,
            )
            | None => DesiredReason::Load,
        };
        let HpaSpec { min, max, .. } = self.spec;
        Choice {
            desired,
            writes: true,
            floor: min,
            ceiling: max,
            recommendation: proposal,
            level: Some(desired),
            reason,
        }
    }

    fn decide(
        &mut self,
        now: Timestamp,
        present: Replicas,
        ready: Replicas,
        readings: &[Reading],
    ) -> HpaDecision {
        let HpaSpec { min, max, scales_from_zero, .. } = self.spec;
        let unread = |desired, limit| HpaDecision { desired, proposal: None, limit };
        if present == Replicas::ZERO && !(scales_from_zero && min == Replicas::ZERO) {
            return unread(present, None);
        }
        if present > max {
            return unread(max, Some(LoadLimit::MaxReplicas));
        }
        if present < min {
            return unread(min, Some(LoadLimit::MinReplicas));
        }
        let Some(proposal) = self.proposal(present, ready, readings) else { return unread(present, None) };
        let (desired, limit) = match self.spec.pace {
            Pace::Default { .. } => {
                let stabilized = stabilize_by_default(now, proposal, self.proposals.entries());
                self.proposals.put(now, proposal, |then| age(now, then) > DOWNSCALE_WINDOW);
                clamp_by_default(present, stabilized, (min, max))
            }
            Pace::Behavior(_) => self.follow_behavior(now, present, proposal),
        };
        let held = match desired.cmp(&proposal) {
            Ordering::Less => Some(LoadLimit::StabilizationUp),
            Ordering::Greater => Some(LoadLimit::StabilizationDown),
            Ordering::Equal => None,
        };
        HpaDecision { desired, proposal: Some(proposal), limit: limit.or(held) }
    }

    fn follow_behavior(
        &mut self,
        now: Timestamp,
        present: Replicas,
        proposal: Replicas,
    ) -> (Replicas, Option<LoadLimit>) {
        let rules = (&self.damping.up, &self.damping.down);
        let stabilized = stabilize(rules, now, present, proposal, self.proposals.entries());
        let longest = rules.0.stabilization.max(rules.1.stabilization);
        self.proposals.put(now, proposal, |then| age(now, then) > longest);
        if stabilized == present {
            return (present, None);
        }
        let events = RateEvents { up: self.rises.events(), down: self.falls.events() };
        let limited = limit_rate(rules, now, present, stabilized, (self.spec.min, self.spec.max), &events);
        (limited.level, limited.limit)
    }

    /// The highest of what the metrics ask for. When one is missing, the others may raise but not lower.
    fn proposal(&self, present: Replicas, ready: Replicas, readings: &[Reading]) -> Option<Replicas> {
        let asks = |(metric, reading): (&HpaMetric, &Reading)| {
            let Reading::Value(load) = *reading else { return None };
            match *metric {
                HpaMetric::Whole(target) => Some(whole(target, load, present, ready, &self.damping)),
                HpaMetric::Pods(average) => {
                    let pods = PodReadings::shared(load, present, ready);
                    pods.ask(average, present, &self.damping)
                }
            }
        };
        let asked: SmallVec<[Option<Replicas>; 4]> =
            self.spec.metrics.iter().zip(readings).map(asks).collect();
        let highest = asked.iter().copied().flatten().max();
        let partial = asked.len() < self.spec.metrics.len() || asked.contains(&None);
        highest.filter(|highest| !partial || *highest >= present)
    }
}

/// What a metric of the workload as a whole asks for. Where no pod is ready, a ratio of none is none.
fn whole(
    target: Target,
    load: Milli,
    present: Replicas,
    ready: Replicas,
    damping: &DampingPolicy,
) -> Replicas {
    recommend(target, load, present, ready, damping).unwrap_or_else(|| {
        let (Target::Value(value) | Target::AverageValue(value)) = target;
        let is_tolerated = tolerates(damping, load.as_f64() / value.as_f64());
        if is_tolerated { present } else { Replicas::ZERO }
    })
}

fn tolerates(damping: &DampingPolicy, ratio: f64) -> bool {
    1.0 - damping.down.tolerance <= ratio && ratio <= 1.0 + damping.up.tolerance
}

/// The highest of a proposal and of those of the last 300 s, the oldest of which still counts.
#[must_use]
pub fn stabilize_by_default(now: Timestamp, proposal: Replicas, past: &[(Timestamp, Replicas)]) -> Replicas {
    let young = past.iter().filter(|(then, _)| age(now, *then) <= DOWNSCALE_WINDOW);
    young.map(|(_, replicas)| *replicas).max().map_or(proposal, |highest| highest.max(proposal))
}

/// A wish within `[min, max]`, and at most twice the present, or 4.
#[must_use]
pub fn clamp_by_default(
    present: Replicas,
    wish: Replicas,
    (min, max): (Replicas, Replicas),
) -> (Replicas, Option<LoadLimit>) {
    let rate = Replicas::new(present.get().saturating_mul(2).max(4));
    let (most, limit) =
        if max > rate { (rate, LoadLimit::ScaleUpRate) } else { (max, LoadLimit::MaxReplicas) };
    if wish < min {
        (min, Some(LoadLimit::MinReplicas))
    } else if wish > most {
        (most, Some(limit))
    } else {
        (wish, None)
    }
}

/// How long ago something was; what is to come is not old at all.
fn age(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

impl Periodic for Hpa {
    const PERIOD: Duration = SYNC_PERIOD;

    fn bounds(&self) -> (Replicas, Replicas) {
        (self.spec.min, self.spec.max)
    }

    fn metrics(&self) -> usize {
        self.spec.metrics.len()
    }

    fn look(&mut self, observation: &Observation) -> Choice {
        let readings = match &observation.samples {
            Samples::Read(readings) => readings.as_slice(),
            Samples::NotDue => &[],
        };
        let decision = self.sync(observation.at, observation.replicas, observation.ready, readings);
        self.choice(decision)
    }

    fn explain(&self) -> String {
        let Some(HpaDecision { desired, proposal, limit }) = self.last else { return String::new() };
        let asked = proposal
            .map_or("nothing was read".to_owned(), |proposal| format!("the metrics ask for {proposal}"));
        match limit {
            Some(limit) => format!("{asked}, {} leaves {desired}", limit.as_str()),
            None => asked,
        }
    }
}
