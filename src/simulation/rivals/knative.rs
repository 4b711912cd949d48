//! Knative's autoscaler: a calm window of 60 s, and one of 6 s for panic.
//!
//! ```text
//! calm, panicky = ⌈mean over the window / target⌉, within [ready / 2, ready × 1000]
//! panic begins when panicky (unbounded) ≥ 2 × ready, and ends 60 s after it was last so
//! desired = calm; while panicking the highest that calm or panicky were since it began
//! ```
//! It reads its own counters, about once a second, and not Prometheus; so it sees the traffic as it is. From zero,
//! requests wake it at its next look, and it goes to zero after a grace of 30 s. The policy's target is taken
//! as it is, as with `target-utilization-percentage: 100`; the default would follow 70 % of it. Source: Knative Serving,
//! `pkg/autoscaler/scaling/autoscaler.go` and the defaults of `config-autoscaler`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::periodic::Periodic;
use crate::decision::{DesiredReason, Observation, Policy, Replicas, Target};
use crate::simulation::chooser::Choice;
use crate::simulation::monitor::Quantity;
use crate::simulation::traffic::Traffic;

const TICK: Duration = Duration::from_secs(2);
const STABLE_WINDOW: SignedDuration = SignedDuration::from_secs(60);
const PANIC_WINDOW: SignedDuration = SignedDuration::from_secs(6);
const PANIC_THRESHOLD: f64 = 2.0;
const MAX_SCALE_UP_RATE: f64 = 1000.0;
const MAX_SCALE_DOWN_RATE: f64 = 2.0;
const SCALE_TO_ZERO_GRACE: SignedDuration = SignedDuration::from_secs(30);

/// What Knative knows of a revision.
#[derive(Debug)]
pub(super) struct Knative<'a> {
    traffic: &'a Traffic,
    min: Replicas,
    max: Replicas,
    /// What one replica should carry, in requests per second.
    target_qps: f64,
    panic: Option<Panic>,
    /// Since when nothing was asked for.
    idle_since: Option<Timestamp>,
    started: bool,
    asked: (Replicas, Replicas),
}

/// A time in which it only goes up.
#[derive(Clone, Copy, Debug)]
struct Panic {
    /// When the load was last far over what the ready replicas should carry.
    since: Timestamp,
    /// The most that was chosen in it.
    most: Replicas,
}

impl<'a> Knative<'a> {
    /// A revision with the policy's bounds and the first `averageValue` among its targets for requests; `None` when
    /// there is none.
    pub(super) fn new(policy: &Policy, quantities: &[Quantity], traffic: &'a Traffic) -> Option<Self> {
        let target = policy.metrics.iter().zip(quantities).find_map(|(metric, quantity)| {
            match (metric.target, quantity) {
                (Target::AverageValue(average), Quantity::Qps) => Some(average),
                (Target::AverageValue(_) | Target::Value(_), _) => None,
            }
        })?;
        Some(Self {
            traffic,
            min: policy.min,
            max: policy.max,
            target_qps: target.as_f64() / 1000.0,
            panic: None,
            idle_since: None,
            started: false,
            asked: (Replicas::ZERO, Replicas::ZERO),
        })
    }

    /// What the mean load of the last `window` asks for.
    fn asked(&self, at: Timestamp, window: SignedDuration) -> f64 {
        let from = at.saturating_sub(window).unwrap_or(Timestamp::MIN);
        // A hair more than a whole replica's worth is rounding, not load.
        (self.traffic.mean(from, at) / self.target_qps - 1e-9).ceil().max(0.0)
    }

    /// The panic after a look at which `is_over` says whether the load is far over what it should be.
    fn panic(&mut self, at: Timestamp, is_over: bool) {
        self.panic = match self.panic {
            Some(panic) if is_over => Some(Panic { since: at, ..panic }),
            None if is_over => Some(Panic { since: at, most: Replicas::ZERO }),
            Some(panic) if at.duration_since(panic.since) > STABLE_WINDOW => None,
            as_before => as_before,
        };
    }

    /// Zero only after it was asked for during the grace period.
    fn kept_above_zero(&mut self, at: Timestamp, wanted: Replicas, present: Replicas) -> Replicas {
        if wanted > Replicas::ZERO || present == Replicas::ZERO {
            self.idle_since = None;
            return wanted;
        }
        let since = *self.idle_since.get_or_insert(at);
        if at.duration_since(since) >= SCALE_TO_ZERO_GRACE { wanted } else { Replicas::new(1) }
    }
}

impl Periodic for Knative<'_> {
    const PERIOD: Duration = TICK;

    fn bounds(&self) -> (Replicas, Replicas) {
        (self.min, self.max)
    }

    fn metrics(&self) -> usize {
        0
    }

    fn look(&mut self, observation: &Observation) -> Choice {
        let (at, ready) = (observation.at, observation.ready);
        if !self.started && ready > Replicas::new(1) {
            // It has no past yet and would let go of what is there.
            self.panic = Some(Panic { since: at, most: ready });
        }
        self.started = true;
        let pods = f64::from(ready.get()).max(1.0);
        let within = |asked: f64| {
            let asked =
                asked.max((pods / MAX_SCALE_DOWN_RATE).floor()).min((MAX_SCALE_UP_RATE * pods).ceil());
            #[expect(clippy::cast_possible_truncation, reason = "a float-to-int cast saturates")]
            Replicas::saturating_from(asked as i128)
        };
        let (calm, panicky) = (self.asked(at, STABLE_WINDOW), self.asked(at, PANIC_WINDOW));
        self.panic(at, panicky / pods >= PANIC_THRESHOLD);
        self.asked = (within(calm), within(panicky));
        let wanted = match &mut self.panic {
            Some(panic) => {
                panic.most = panic.most.max(self.asked.0).max(self.asked.1);
                panic.most
            }
            None => self.asked.0,
        };
        let kept = self.kept_above_zero(at, wanted, observation.replicas);
        let desired = kept.max(self.min).min(self.max);
        let reason = match desired {
            _ if desired > kept => DesiredReason::MinReplicas,
            _ if desired < kept => DesiredReason::MaxReplicas,
            _ => DesiredReason::Load,
        };
        Choice {
            desired,
            writes: true,
            floor: self.min,
            ceiling: self.max,
            recommendation: Some(self.asked.0.max(self.asked.1)),
            level: Some(kept),
            reason,
        }
    }

    fn explain(&self) -> String {
        let (calm, panicky) = self.asked;
        let mood = if self.panic.is_some() { "panics" } else { "is calm" };
        format!("a minute asks for {calm}, six seconds for {panicky}; it {mood}")
    }
}
