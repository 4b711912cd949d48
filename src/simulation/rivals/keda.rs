//! KEDA: the schedule as cron triggers, and the policy's metrics as Prometheus triggers.
//!
//! KEDA leaves scaling above zero to a HorizontalPodAutoscaler that it makes, in which every trigger is an external
//! metric. A cron trigger is one that says `desiredReplicas` within its window and 1 outside, with an average of 1:
//! so the schedule, too, is seen at the controller's next look, passes its tolerance (20 asked of 19 is no
//! change), goes up no faster than to twice the present, and comes down after 300 s. Ramps and ceilings have no
//! counterpart there. What KEDA itself does is look every 30 s whether any trigger is active: from zero when
//! one is, to zero when none was for the cooldown of 300 s. Source: `pkg/scalers/cron_scaler.go`,
//! `pkg/scaling/executor/scale_scaledobjects.go`, defaults of `ScaledObject`.

use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::hpa::{Hpa, HpaMetric, HpaSpec, Pace, TOLERANCE};
use super::periodic::Periodic;
use crate::decision::{
    Baseline, DesiredReason, Entry, Milli, Observation, Policy, Reading, Replicas, Samples, Schedule, Target,
};
use crate::simulation::chooser::Choice;
use crate::simulation::first_tick;

/// The time between two looks of KEDA, a multiple of the controller's.
const POLLING_INTERVAL: Duration = Duration::from_secs(30);

/// For how long no trigger must have been active before a workload goes to zero.
const COOLDOWN: Duration = Duration::from_secs(300);

/// What KEDA knows of a workload.
#[derive(Debug)]
pub(super) struct Keda {
    hpa: Hpa,
    min: Replicas,
    schedule: Schedule,
    /// The triggers of the schedule when they were last looked up.
    cron: Option<(Timestamp, Baseline)>,
    last_active: Option<Timestamp>,
    words: Words,
}

/// Who determined the last choice.
#[derive(Clone, Copy, Debug)]
enum Words {
    Hpa,
    Cron(Replicas),
    Woken,
    Cooled,
}

impl Keda {
    /// The triggers that do what the policy does, as far as they can.
    pub(super) fn new(policy: &Policy) -> Self {
        let plain = |entry: &Entry| Entry {
            ramp_up: Duration::ZERO,
            ramp_down: Duration::ZERO,
            max_replicas: None,
            ..entry.clone()
        };
        let entries = policy.schedule.entries().iter().filter(|entry| entry.replicas.is_some());
        let schedule = Schedule::new(entries.map(plain).collect(), Replicas::ZERO, policy.max);
        let cron = HpaMetric::Whole(Target::AverageValue(Milli::new(1000)));
        let metrics = policy.metrics.iter().map(|metric| HpaMetric::Whole(metric.target));
        let hpa = Hpa::new(HpaSpec {
            min: policy.min.max(Replicas::new(1)),
            max: policy.max,
            metrics: [cron].into_iter().chain(metrics).collect(),
            pace: Pace::Default { tolerance: TOLERANCE },
            scales_from_zero: false,
        });
        Self { hpa, min: policy.min, schedule, cron: None, last_active: None, words: Words::Hpa }
    }

    /// What the cron trigger that asks for most asks for; `None` outside of all their windows.
    fn cron(&mut self, at: Timestamp) -> Option<Replicas> {
        let known =
            self.cron.filter(|(since, known)| *since <= at && known.until().is_none_or(|until| at < until));
        let (_, baseline) = *self.cron.insert(known.unwrap_or_else(|| (at, self.schedule.baseline(at))));
        baseline.floor_cause.entry().map(|_| baseline.floor)
    }

    /// What KEDA's own look does: wakes the workload, or puts it to rest.
    fn poll(&mut self, observation: &Observation, is_active: Option<bool>) -> Option<Replicas> {
        let (at, present) = (observation.at, observation.replicas);
        if is_active == Some(true) {
            self.last_active = Some(at);
            if present == Replicas::ZERO {
                self.words = Words::Woken;
                return Some(self.min.max(Replicas::new(1)));
            }
        }
        let quiet =
            self.last_active.map(|last| Duration::try_from(at.duration_since(last)).unwrap_or_default());
        let is_cold = quiet.is_none_or(|quiet| quiet > COOLDOWN);
        if is_active == Some(false) && is_cold && self.min == Replicas::ZERO && present > Replicas::ZERO {
            self.words = Words::Cooled;
            return Some(Replicas::ZERO);
        }
        None
    }
}

/// Whether any reading is above zero; `None` when none is and one is missing.
fn is_active(readings: &[Reading]) -> Option<bool> {
    let is_above = |reading: &Reading| matches!(reading, Reading::Value(value) if *value > Milli::default());
    if readings.iter().any(is_above) {
        return Some(true);
    }
    let is_missing = |reading: &Reading| matches!(reading, Reading::Missing(_));
    (!readings.iter().any(is_missing)).then_some(false)
}

impl Periodic for Keda {
    const PERIOD: Duration = Hpa::PERIOD;

    fn bounds(&self) -> (Replicas, Replicas) {
        (self.min, self.hpa.spec().max)
    }

    fn metrics(&self) -> usize {
        // The first one of the HorizontalPodAutoscaler is the clock.
        self.hpa.metrics() - 1
    }

    fn look(&mut self, observation: &Observation) -> Choice {
        let cron = self.cron(observation.at);
        let read = match &observation.samples {
            Samples::Read(readings) => readings.as_slice(),
            Samples::NotDue => &[],
        };
        let asked = cron.unwrap_or(Replicas::new(1));
        let clock = Reading::Value(Milli::new(asked.wide() * 1000));
        let readings: SmallVec<[Reading; 4]> = [clock].into_iter().chain(read.iter().copied()).collect();
        let is_active = if cron.is_some() { Some(true) } else { is_active(read) };
        let polled = (first_tick(observation.at, POLLING_INTERVAL) == observation.at)
            .then(|| self.poll(observation, is_active))
            .flatten();
        let (min, ceiling) = self.bounds();
        let floor = cron.map_or(min, |cron| cron.max(min).min(ceiling));
        if let Some(desired) = polled {
            let reason = DesiredReason::Load;
            return Choice {
                desired,
                writes: true,
                floor,
                ceiling,
                recommendation: None,
                level: Some(desired),
                reason,
            };
        }
        let decision = self.hpa.sync(observation.at, observation.replicas, observation.ready, &readings);
        let choice = self.hpa.choice(decision);
        let is_cron = cron.is_some_and(|cron| decision.proposal == Some(cron) && decision.limit.is_none());
        self.words = if is_cron { Words::Cron(asked) } else { Words::Hpa };
        Choice { floor, reason: if is_cron { DesiredReason::Baseline } else { choice.reason }, ..choice }
    }

    fn explain(&self) -> String {
        match self.words {
            Words::Hpa => self.hpa.explain(),
            Words::Cron(asked) => format!("a cron trigger asks for {asked}"),
            Words::Woken => "a trigger is active".to_owned(),
            Words::Cooled => format!("no trigger was active for {COOLDOWN:?}"),
        }
    }
}
