//! From readings to the load's level: recommendation, tolerance, stabilization, rate policies.
//!
//! ```text
//! averageValue:  replicas = ⌈load / averageValue⌉, the present while |load / (averageValue × present) − 1| ≤ tolerance
//! value:         replicas = ⌈ready × load / value⌉, the present while |load / value − 1| ≤ tolerance
//! ```
//! Units: loads and targets in thousandths ([`Milli`]). Source: the external-metric formulas of
//! Kubernetes 1.36 `pkg/controller/podautoscaler/replica_calculator.go`.

use jiff::SignedDuration;
use smallvec::SmallVec;

use super::damping::{bound, limit_rate};
use super::guard::Holds;
use super::smoothing::Smoothed;
use super::{
    DampingPolicy, FallbackLevel, GuardState, History, LoadLimit, Milli, MissingCause, Mode, Observation,
    Policy, Reading, Replicas, Room, Samples, Target,
};

/// What the load asks for, step by step.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadDecision {
    /// How this evaluation came by its level.
    pub state: LoadState,
    /// Each metric, in the policy's order.
    pub metrics: SmallVec<[MetricDecision; 4]>,
    /// The level before, where this evaluation starts from.
    pub before: Replicas,
    /// What raised `before` above the level that the last evaluation left.
    pub raised: Option<Raised>,
    /// The highest of what the metrics ask for, before damping.
    pub recommendation: Option<Replicas>,
    /// After stabilization.
    pub stabilized: Replicas,
    /// The level from now on: after rate policies, within `minReplicas` and `maxReplicas`.
    pub level: Replicas,
    /// What kept `level` from `recommendation`; the last limit that did.
    pub limit: Option<LoadLimit>,
    /// What became of each guard, in the policy's order.
    pub guards: SmallVec<[GuardState; 2]>,
    /// Whether the cluster has room.
    pub room: Room,
    /// Each damper's input and output, when the metrics were followed.
    pub steps: Option<Steps>,
    /// What the stabilization windows remember of this evaluation.
    pub(super) remembered: Option<Replicas>,
}

impl LoadDecision {
    /// Whether the metrics moved the level, so that rate policies count the move. A fallback's or a bound's
    /// number is nobody's move.
    pub(super) fn is_damped(&self) -> bool {
        match self.state {
            LoadState::Followed | LoadState::Partial | LoadState::OutOfBounds => true,
            LoadState::NotDue | LoadState::Missing | LoadState::Recovering => false,
        }
    }
}

/// The way of what the metrics ask for to the load's level, in order. Each damper's input is the output of
/// the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The highest of what the metrics ask for.
    pub asked: Replicas,
    /// After the deadband: the level before, when that is close enough.
    pub deadband: Replicas,
    /// The lowest recommendation of the upward window, which the level may not rise above.
    pub lowest: Option<Replicas>,
    /// The highest recommendation of the downward window, which the level may not fall below.
    pub highest: Option<Replicas>,
    /// After stabilization.
    pub stabilized: Replicas,
    /// The furthest that rate policies allow; `None` when the level is not to move.
    pub furthest: Option<Replicas>,
    /// After rate policies and the policy's bounds.
    pub limited: Replicas,
    /// After guards and capacity.
    pub held: Replicas,
}

/// Who raised the load's level, if not the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Raised {
    /// An override that has ended, which had a higher number.
    Override,
    /// Somebody who scaled up.
    Hand,
}

/// How an evaluation came by the load's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadState {
    /// Metrics were not due: the level stays.
    NotDue,
    /// All metrics were read and followed.
    Followed,
    /// Some metrics are missing: the others may raise the level but nothing may lower it.
    Partial,
    /// No metric could be read: the level stays, and after `fallback.after` it is the fallback's.
    Missing,
    /// Metrics are back after an outage, but not twice in a row yet: the level is still the fallback's.
    Recovering,
    /// The level was outside `minReplicas` and `maxReplicas` and was put back, unread.
    OutOfBounds,
}

/// One metric of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDecision {
    /// What was read.
    pub reading: Reading,
    /// The same after smoothing; `None` when nothing could be read or the policy does not smooth.
    pub smoothed: Option<Milli>,
    /// What it asks for.
    pub recommendation: Option<Replicas>,
}

/// Replicas that a load asks for, before damping.
///
/// `present` is the load's level for `averageValue` and `spec.replicas` for `value`; `ready` is the
/// number of ready replicas. `None` when a ratio says nothing because no replica is ready.
#[must_use]
#[inline]
pub fn recommend(
    target: Target,
    load: Milli,
    present: Replicas,
    ready: Replicas,
    damping: &DampingPolicy,
) -> Option<Replicas> {
    let tolerated = |ratio: f64| 1.0 - damping.down.tolerance <= ratio && ratio <= 1.0 + damping.up.tolerance;
    match target {
        Target::AverageValue(average) => {
            let ratio = load.as_f64() / (average.as_f64() * f64::from(present.get()));
            if present > Replicas::ZERO && tolerated(ratio) {
                return Some(present);
            }
            Some(divide(load, average))
        }
        Target::Value(_) if present > Replicas::ZERO && ready == Replicas::ZERO => None,
        Target::Value(value) => {
            let ratio = load.as_f64() / value.as_f64();
            if present == Replicas::ZERO {
                Some(divide(load, value))
            } else if tolerated(ratio) {
                Some(present)
            } else {
                let wanted = (ratio * f64::from(ready.get())).ceil();
                #[expect(clippy::cast_possible_truncation, reason = "a float-to-int cast saturates")]
                Some(Replicas::saturating_from(wanted as i128))
            }
        }
    }
}

/// ⌈load / target⌉, saturating. A target is never zero.
#[inline]
fn divide(load: Milli, target: Milli) -> Replicas {
    let target = target.get().max(1);
    match load.get().checked_add(target - 1) {
        Some(sum) => Replicas::saturating_from(i128::from(sum / target)),
        None => {
            Replicas::saturating_from((i128::from(load.get()) + i128::from(target) - 1) / i128::from(target))
        }
    }
}

/// The load's part of a decision; `None` in a policy without metrics.
pub(super) fn decide(
    policy: &Policy,
    history: &History,
    observation: &Observation,
    floor: Replicas,
) -> Option<LoadDecision> {
    if policy.metrics.is_empty() {
        return None;
    }
    let (before, raised) = present(policy, history, observation);
    let holds = Holds::look(policy, history, observation);
    let mut load = LoadDecision {
        state: LoadState::NotDue,
        metrics: SmallVec::new(),
        before,
        raised,
        recommendation: None,
        stabilized: before,
        level: before,
        limit: None,
        guards: if holds.guards.is_empty() { SmallVec::new() } else { holds.guards.clone() },
        room: holds.room,
        steps: None,
        remembered: None,
    };
    // It is large, so it is filled in where it is.
    read(policy, history, observation, &mut load);
    if before < policy.min || before > policy.max {
        load.state = LoadState::OutOfBounds;
        load.level = before.max(policy.min).min(policy.max);
        let limit = if before < policy.min { LoadLimit::MinReplicas } else { LoadLimit::MaxReplicas };
        load.limit = Some(limit);
    } else if observation.samples != Samples::NotDue {
        follow(policy, history, observation, floor, &holds, &mut load);
    }
    Some(load)
}

/// Follows what was read, or what stands in for it.
fn follow(
    policy: &Policy,
    history: &History,
    observation: &Observation,
    floor: Replicas,
    holds: &Holds,
    load: &mut LoadDecision,
) {
    let before = load.before;
    let asked = load.metrics.iter().filter_map(|metric| metric.recommendation).max();
    let raw = asked.map(|raw| deadband(&policy.damping, before, raw));
    let partial = load.metrics.iter().any(|metric| metric.recommendation.is_none());
    let long_outage = history.outage.filter(|outage| {
        let after = SignedDuration::try_from(policy.fallback.after).unwrap_or(SignedDuration::MAX);
        observation.at.duration_since(outage.since) >= after
    });
    // From here on the outage is no gap: the level that stands in is what the windows remember.
    let fall_back = |load: &mut LoadDecision| {
        let level = match policy.fallback.level {
            FallbackLevel::Hold => before,
            FallbackLevel::Baseline => floor.max(policy.min).min(policy.max),
            FallbackLevel::Replicas(replicas) => replicas.max(policy.min).min(policy.max),
        };
        (load.level, load.stabilized, load.remembered) = (level, level, Some(level));
    };
    load.state = match (raw, long_outage) {
        (None, None) => LoadState::Missing,
        (None, Some(_)) => {
            fall_back(load);
            LoadState::Missing
        }
        (Some(_), Some(outage)) if outage.good == 0 => {
            fall_back(load);
            LoadState::Recovering
        }
        (Some(raw), _) if partial && raw < before => LoadState::Partial,
        (Some(raw), _) => {
            damp(policy, history, observation, asked.unwrap_or(raw), raw, load);
            let (level, limit) = holds.limit(before, load.level);
            (load.level, load.limit) = (level, limit.or(load.limit));
            if let Some(steps) = &mut load.steps {
                steps.held = level;
            }
            if partial { LoadState::Partial } else { LoadState::Followed }
        }
    };
}

/// A recommendation this close to the level is no change.
#[inline]
pub(super) fn deadband(damping: &DampingPolicy, level: Replicas, raw: Replicas) -> Replicas {
    let change = raw.wide() - level.wide();
    let is_close = if change > 0 {
        change <= damping.up.deadband.wide()
    } else {
        -change <= damping.down.deadband.wide()
    };
    if is_close { level } else { raw }
}

/// Where the level starts from: its last value, or the workload's replicas when there is none yet. A
/// person who scales up by hand raises it; one who scales down does not lower it. So does an override that
/// is over; while one is in force the level is nobody else's business.
fn present(policy: &Policy, history: &History, observation: &Observation) -> (Replicas, Option<Raised>) {
    let Some(level) = history.level else { return (observation.replicas, None) };
    let is_overridden = observation.overridden.is_some_and(|overridden| observation.at < overridden.until);
    let (number, raised) = match history.overridden {
        _ if is_overridden => return (level, None),
        Some(number) => (number, Raised::Override),
        None if policy.mode == Mode::Active && history.is_foreign(observation.replicas) => {
            (observation.replicas, Raised::Hand)
        }
        None => return (level, None),
    };
    let number = number.min(policy.max);
    if number > level { (number, Some(raised)) } else { (level, None) }
}

/// Notes what each metric asks for.
fn read(policy: &Policy, history: &History, observation: &Observation, load: &mut LoadDecision) {
    if observation.samples == Samples::NotDue {
        return;
    }
    let level = load.before;
    let missing = |reading| MetricDecision { reading, smoothed: None, recommendation: None };
    for (index, metric) in policy.metrics.iter().enumerate() {
        let reading = observation.samples.get(index).unwrap_or(Reading::Missing(MissingCause::NoSample));
        let Reading::Value(sample) = reading else {
            load.metrics.push(missing(reading));
            continue;
        };
        let smoothed = policy.damping.half_life.map(|half_life| {
            let before = history.smoothed(&metric.name);
            Smoothed::follow(before, &metric.name, observation.at, sample, half_life).rounded()
        });
        let present = match metric.target {
            Target::AverageValue(_) => level,
            Target::Value(_) => observation.replicas,
        };
        let (value, ready) = (smoothed.unwrap_or(sample), observation.ready.min(observation.replicas));
        load.metrics.push(match recommend(metric.target, value, present, ready, &policy.damping) {
            Some(replicas) => MetricDecision { reading, smoothed, recommendation: Some(replicas) },
            None => missing(Reading::Missing(MissingCause::NoReadyReplicas)),
        });
    }
}

/// Stabilization, then rate policies and bounds.
fn damp(
    policy: &Policy,
    history: &History,
    observation: &Observation,
    asked: Replicas,
    raw: Replicas,
    load: &mut LoadDecision,
) {
    let DampingPolicy { up, down, .. } = &policy.damping;
    let (now, before) = (observation.at, load.before);
    let first = history.level.is_none();
    let seed = |window: std::time::Duration| (first && !window.is_zero()).then_some(before);
    let lowest = history.lowest.extreme(now, up.stabilization).or(seed(up.stabilization));
    let highest = history.highest.extreme(now, down.stabilization).or(seed(down.stabilization));
    let (stabilized, stabilized_by) = bound(before, raw, lowest, highest);
    let bounds = (policy.min, policy.max);
    let limited = limit_rate((up, down), now, before, stabilized, bounds, &history.events);
    load.steps = Some(Steps {
        asked,
        deadband: raw,
        lowest,
        highest,
        stabilized,
        furthest: limited.furthest,
        limited: limited.level,
        held: limited.level,
    });
    load.recommendation = Some(raw);
    load.stabilized = stabilized;
    load.level = limited.level;
    load.limit = limited.limit.or(stabilized_by);
    load.remembered = Some(raw);
}
