//! What the decisions of the past leave for the next one. Bounded by the damping windows.

mod quiet;
mod rebuild;

use std::sync::Arc;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::damping::Window;
use super::smoothing::Smoothed;
use super::{
    Baseline, Decision, GuardState, LoadDecision, LoadState, Mode, Policy, RateEvents, Reading, Replicas,
    Room, Samples,
};

pub use self::quiet::{Quiet, Rest};
pub use self::rebuild::Trace;

/// Everything that [`super::decide`] remembers of a workload. Starts empty; [`History::record`] adds to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub(super) level: Option<Replicas>,
    /// How the level came to be what it is.
    trace: Trace,
    pub(super) lowest: Window,
    pub(super) highest: Window,
    pub(super) events: RateEvents,
    pub(super) outage: Option<Outage>,
    /// What the workload's replicas may be without anybody else's doing: one number, or several while the
    /// fate of a write is unknown. Empty before the first evaluation.
    ours: SmallVec<[Replicas; 2]>,
    /// Whether the level is one that was only tried.
    shadow: bool,
    /// The override in force at the last evaluation.
    pub(super) overridden: Option<Replicas>,
    smoothed: SmallVec<[Smoothed; 4]>,
    guards: SmallVec<[(Arc<str>, GuardState); 2]>,
    pub(super) room: Room,
    baseline: Option<(u64, Timestamp, Baseline)>,
}

/// A time without any usable metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Since when.
    pub since: Timestamp,
    /// Good answers in a row since then.
    pub good: u8,
}

/// What survives a restart of the process: it rides in the policy's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The load's level.
    pub level: Option<Replicas>,
    /// The changes of the level that rate policies still count.
    pub events: RateEvents,
    /// Whether the level was only tried: see [`History::is_shadow`].
    pub shadow: bool,
    /// How the level came about, as far back as [`Policy::memory_span`].
    pub trace: Trace,
    /// The time without any usable metric that has not ended yet.
    pub outage: Option<Outage>,
    /// The override in force at the last evaluation.
    pub overridden: Option<Replicas>,
    /// What became of each guard at the last evaluation, by its name.
    pub guards: SmallVec<[(Arc<str>, GuardState); 2]>,
    /// When the last step up was tried on a full cluster, or the hold began.
    pub tried: Option<Timestamp>,
}

impl History {
    /// Goes on from what a process before this one left behind. The downward stabilization window is
    /// seeded with the level at `now`, and the upward one is not: until the downward one has passed, or
    /// [`History::rebuild`] knows better, the level may rise but not fall.
    #[must_use]
    pub fn restore(memory: Memory, policy: &Policy, now: Timestamp) -> Self {
        let Memory { level, events, shadow, trace, outage, overridden, guards, tried } = memory;
        let room = tried.map_or(Room::Enough, |tried| Room::Full { since: tried, tried, step: false });
        let mut history =
            Self { level, trace, events, outage, shadow, overridden, guards, room, ..Self::default() };
        if let Some(level) = level {
            history.remember_highest(policy, now, level);
            if history.trace.changes().is_empty() {
                history.trace.note(now, level, policy.memory_span());
            }
        }
        history
    }

    /// What should survive a restart.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            level: self.level,
            events: self.events.clone(),
            shadow: self.shadow,
            trace: self.trace.clone(),
            outage: self.outage,
            overridden: self.overridden,
            guards: self.guards.clone(),
            tried: match self.room {
                Room::Enough => None,
                Room::Full { tried, .. } => Some(tried),
            },
        }
    }

    /// The load's level, once there is one.
    #[must_use]
    pub fn level(&self) -> Option<Replicas> {
        self.level
    }

    /// Whether the level comes from a policy that only tried: no workload ever followed it, so a policy
    /// that acts must not start from it.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// Remembers a decision that was taken under `policy` and carried out as far as its mode allows.
    pub fn record(&mut self, policy: &Policy, decision: &Decision) {
        let present = match policy.mode {
            Mode::Active => decision.desired,
            Mode::DryRun | Mode::Paused => decision.observed,
        };
        self.ours = SmallVec::from_iter([present]);
        self.shadow = policy.mode == Mode::DryRun;
        self.overridden = decision.overridden.map(|_| decision.desired);
        self.baseline = Some((policy.schedule.fingerprint(), decision.at, decision.baseline));
        let Some(load) = &decision.load else { return self.forget_load() };
        self.start(policy, decision.at, load.before);
        self.follow(policy, decision.at, load);
        self.hold(policy, decision.at, load);
        match (load.level != load.before, load.is_damped()) {
            (true, true) => self.step(policy, decision.at, load.before, load.level),
            (true, false) => self.trace.note(decision.at, load.level, policy.memory_span()),
            (false, _) => {}
        }
        self.level = Some(load.level);
    }

    /// Remembers that a decision was sent out and that nobody knows whether it arrived, since the answer was
    /// lost. The numbers before and after it both count as ours from now on. What the load decided is
    /// forgotten, as with any failed write, but not where it started from: otherwise a number of the
    /// schedule that did arrive would be taken for the load's present.
    pub fn attempted(&mut self, policy: &Policy, decision: &Decision) {
        for replicas in [decision.observed, decision.desired] {
            if !self.ours.contains(&replicas) {
                self.ours.push(replicas);
            }
        }
        if let Some(load) = &decision.load {
            self.start(policy, decision.at, load.before);
        }
    }

    /// After [`History::restore`], notes that an override had set these replicas.
    pub fn overrode(&mut self, replicas: Replicas) {
        self.overridden = Some(replicas);
    }

    /// After [`History::restore`], notes that the level had risen to `level` by `at`, which is later than the memory says and not
    /// after `now`. Rate policies count it if it is the load's own move, but not in an outage, in which no metric made it.
    pub fn make_up(&mut self, policy: &Policy, [now, at]: [Timestamp; 2], level: Replicas, is_own: bool) {
        let level = level.min(policy.max);
        let Some(before) = self.level.filter(|before| *before < level) else { return };
        let at = self.trace.changes().back().map_or(at, |(last, _)| at.max(*last));
        if is_own && self.outage.is_none() {
            self.step(policy, at, before, level);
        } else {
            self.trace.note(at, level, policy.memory_span());
        }
        self.remember_highest(policy, now, level);
        self.level = Some(level);
    }

    /// Forgets all that is about the load: the policy has no metrics any more.
    pub fn forget_load(&mut self) {
        let Self { level, trace, lowest, highest, events, outage, smoothed, guards, room, .. } = self;
        *level = None;
        *trace = Trace::default();
        *lowest = Window::default();
        *highest = Window::default();
        *events = RateEvents::default();
        *outage = None;
        smoothed.clear();
        guards.clear();
        *room = Room::Enough;
    }

    /// Remembers what windows, smoothing and outages need of the readings at the next evaluation.
    fn follow(&mut self, policy: &Policy, at: Timestamp, load: &LoadDecision) {
        match load.state {
            // Nothing was read: an outage goes on.
            LoadState::NotDue | LoadState::OutOfBounds => {}
            LoadState::Missing => {
                let outage = self.outage.get_or_insert(Outage { since: at, good: 0 });
                outage.good = 0;
            }
            LoadState::Recovering => {
                if let Some(outage) = &mut self.outage {
                    outage.good = outage.good.saturating_add(1);
                }
            }
            LoadState::Followed | LoadState::Partial => self.outage = None,
        }
        if let Some(half_life) = policy.damping.half_life {
            for (metric, read) in policy.metrics.iter().zip(&load.metrics) {
                let Reading::Value(sample) = read.reading else { continue };
                let next = Smoothed::follow(self.smoothed(&metric.name), &metric.name, at, sample, half_life);
                self.smoothed.retain(|known| known.metric != metric.name);
                self.smoothed.push(next);
            }
        }
        self.smoothed.retain(|known| policy.metrics.iter().any(|metric| metric.name == known.metric));
        if let Some(remembered) = load.remembered {
            self.remember(policy, at, remembered);
        }
    }

    /// Remembers what guards and capacity need at the next evaluation.
    fn hold(&mut self, policy: &Policy, at: Timestamp, load: &LoadDecision) {
        let states = policy.guards.iter().zip(&load.guards);
        self.guards = states.map(|(guard, state)| (guard.name.clone(), *state)).collect();
        self.room = match load.room {
            Room::Full { since, step: true, .. } if load.level > load.before => {
                Room::Full { since, tried: at, step: false }
            }
            room => room,
        };
    }

    pub(super) fn smoothed(&self, metric: &str) -> Option<&Smoothed> {
        self.smoothed.iter().find(|known| *known.metric == *metric)
    }

    /// What became of a guard at the last evaluation.
    pub(super) fn guard(&self, name: &str) -> Option<GuardState> {
        self.guards.iter().find(|(known, _)| **known == *name).map(|(_, state)| *state)
    }

    /// Remembers a move of the level that rate policies count.
    fn step(&mut self, policy: &Policy, at: Timestamp, before: Replicas, level: Replicas) {
        self.trace.note(at, level, policy.memory_span());
        let keep = policy.damping.up.longest_period().max(policy.damping.down.longest_period());
        self.events.record(at, before, level, keep);
    }

    /// Puts the level where a decision starts from.
    fn start(&mut self, policy: &Policy, at: Timestamp, level: Replicas) {
        if self.level.is_none() {
            // As in the reference, the first evaluation counts the present as a recommendation.
            self.remember(policy, at, level);
            self.trace.note(at, level, policy.memory_span());
        } else if self.level != Some(level) {
            self.trace.correct(at, level, policy.memory_span());
        }
        self.level = Some(level);
    }

    #[inline]
    fn remember(&mut self, policy: &Policy, at: Timestamp, recommendation: Replicas) {
        self.lowest.push(at, recommendation, policy.damping.up.stabilization, |old, new| old >= new);
        self.remember_highest(policy, at, recommendation);
    }

    #[inline]
    fn remember_highest(&mut self, policy: &Policy, at: Timestamp, recommendation: Replicas) {
        self.highest.push(at, recommendation, policy.damping.down.stabilization, |old, new| old <= new);
    }

    /// The schedule at `at`: what the last decision found, while that is known to hold, else looked up.
    pub(super) fn baseline(&self, policy: &Policy, at: Timestamp) -> Baseline {
        match self.known_baseline(policy, at) {
            Some(baseline) => *baseline,
            None => policy.schedule.baseline(at),
        }
    }

    /// What the last decision found, while that is known to hold.
    fn known_baseline(&self, policy: &Policy, at: Timestamp) -> Option<&Baseline> {
        let (fingerprint, since, baseline) = self.baseline.as_ref()?;
        let is_known =
            *fingerprint == policy.schedule.fingerprint() && *since <= at && baseline.holds_until(at);
        is_known.then_some(baseline)
    }

    /// Notes that what is known of the schedule holds at `at`.
    #[inline]
    fn look(&mut self, at: Timestamp) {
        if let Some((_, since, _)) = &mut self.baseline {
            *since = at;
        }
    }

    /// Whether somebody else has changed the replicas since the last evaluation.
    pub(super) fn is_foreign(&self, replicas: Replicas) -> bool {
        !self.ours.is_empty() && !self.ours.contains(&replicas)
    }
}

impl Samples {
    pub(super) fn get(&self, index: usize) -> Option<super::Reading> {
        match self {
            Self::NotDue => None,
            Self::Read(readings) => readings.get(index).copied(),
        }
    }
}

#[cfg(test)]
mod tests;
