//! Stabilization and rate policies, to the semantics of a HorizontalPodAutoscaler's `behavior`.
//!
//! Both work on the load's level alone. A recommendation or an event of the past counts while its age is
//! strictly below the window or period. Source: Kubernetes 1.36 `pkg/controller/podautoscaler`, checked
//! against outputs of that code.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::{LoadLimit, Replicas};

/// Damping in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// For how long recommendations of the past count.
    pub stabilization: Duration,
    /// Which rate policy counts.
    pub select: Select,
    /// The rate policies. With none of them the rate is not limited.
    pub policies: Vec<RatePolicy>,
    /// How far load / target may be from 1 in this direction without a change.
    pub tolerance: f64,
    /// How many replicas a recommendation may be from the level in this direction without a change.
    pub deadband: Replicas,
}

/// Which of several rate policies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The one that allows the most change.
    Max,
    /// The one that allows the least change.
    Min,
    /// None: the direction is forbidden.
    Disabled,
}

/// At most this much change within any period of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePolicy {
    /// Pods or percent.
    pub unit: RateUnit,
    /// How many.
    pub value: i32,
    /// Length of the period.
    pub period: Duration,
}

/// The unit of a rate policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// A number of pods.
    Pods,
    /// A percentage of the replicas at the start of the period.
    Percent,
}

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// A change of the level that rate policies count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateEvent {
    /// When.
    pub at: Timestamp,
    /// By how much, never negative.
    pub replicas: i64,
}

/// The changes of the level in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateEvents {
    /// Rises, oldest first.
    pub up: VecDeque<RateEvent>,
    /// Falls, oldest first.
    pub down: VecDeque<RateEvent>,
}

impl RateEvents {
    /// Notes that the level went from `before` to `after`, and forgets what no period of `keep` reaches.
    pub(super) fn record(&mut self, at: Timestamp, before: Replicas, after: Replicas, keep: Duration) {
        for events in [&mut self.up, &mut self.down] {
            while events.front().is_some_and(|event| !within(at, event.at, keep)) {
                events.pop_front();
            }
        }
        let change = after.wide() - before.wide();
        match change.signum() {
            1 => self.up.push_back(RateEvent { at, replicas: change }),
            -1 => self.down.push_back(RateEvent { at, replicas: -change }),
            _ => {}
        }
    }

    /// The level at the start of the period that ends at `now`.
    fn level_before(&self, now: Timestamp, level: Replicas, period: Duration) -> i64 {
        let sum = |events: &VecDeque<RateEvent>| -> i64 {
            let recent = events.iter().rev().take_while(|event| within(now, event.at, period));
            recent.map(|event| event.replicas).sum()
        };
        level.wide() - sum(&self.up) + sum(&self.down)
    }
}

/// What rate policies and bounds leave of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    /// The furthest that rate policies allow; `None` when there is no move.
    pub furthest: Option<Replicas>,
    /// The level that is allowed.
    pub level: Replicas,
    /// What kept it from the wish.
    pub limit: Option<LoadLimit>,
}

impl Rules {
    /// The longest period of the rate policies.
    pub(super) fn longest_period(&self) -> Duration {
        self.policies.iter().map(|policy| policy.period).max().unwrap_or_default()
    }

    /// The furthest level that the rate policies allow from `level` in `direction`, never behind `level`.
    ///
    /// The base of a period is the level at its start. A percentage up rounds up, so that one pod can
    /// always be added; a percentage down cuts the *remaining* number, so that one can always go.
    #[must_use]
    pub fn rate_limit(
        &self,
        direction: Direction,
        now: Timestamp,
        level: Replicas,
        events: &RateEvents,
    ) -> Replicas {
        let allowed = self.policies.iter().map(|policy| {
            let base = events.level_before(now, level, policy.period);
            policy.bound(direction, base)
        });
        let bound = match (self.select, direction) {
            (Select::Disabled, _) => return level,
            (Select::Max, Direction::Up) | (Select::Min, Direction::Down) => allowed.max(),
            (Select::Min, Direction::Up) | (Select::Max, Direction::Down) => allowed.min(),
        };
        let unlimited = match direction {
            Direction::Up => i64::from(i32::MAX),
            Direction::Down => 0,
        };
        let bound = Replicas::saturating_from(i128::from(bound.unwrap_or(unlimited)));
        match direction {
            Direction::Up => bound.max(level),
            Direction::Down => bound.min(level),
        }
    }
}

impl RatePolicy {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "replica counts fit 53 bits; the reference rounds in binary floating point too"
    )]
    fn bound(&self, direction: Direction, base: i64) -> i64 {
        let value = i64::from(self.value);
        match (self.unit, direction) {
            (RateUnit::Pods, Direction::Up) => base.saturating_add(value),
            (RateUnit::Pods, Direction::Down) => base.saturating_sub(value),
            (RateUnit::Percent, Direction::Up) => {
                (base as f64 * (1.0 + f64::from(self.value) / 100.0)).ceil() as i64
            }
            (RateUnit::Percent, Direction::Down) => {
                (base as f64 * (1.0 - f64::from(self.value) / 100.0)) as i64
            }
        }
    }
}

/// Moves `level` towards `wish` as far as rate policies and `[min, max]` allow.
///
/// A limit never reverses the direction. Source: `convertDesiredReplicasWithBehaviorRate`.
#[must_use]
pub fn limit_rate(
    (up, down): (&Rules, &Rules),
    now: Timestamp,
    level: Replicas,
    wish: Replicas,
    (min, max): (Replicas, Replicas),
    events: &RateEvents,
) -> RateLimited {
    match wish.cmp(&level) {
        std::cmp::Ordering::Greater => {
            let rate = up.rate_limit(Direction::Up, now, level, events);
            let (most, limit) =
                if max > rate { (rate, LoadLimit::ScaleUpRate) } else { (max, LoadLimit::MaxReplicas) };
            RateLimited { level: wish.min(most), furthest: Some(rate), limit: (wish > most).then_some(limit) }
        }
        std::cmp::Ordering::Less => {
            let rate = down.rate_limit(Direction::Down, now, level, events);
            let (least, limit) =
                if min < rate { (rate, LoadLimit::ScaleDownRate) } else { (min, LoadLimit::MinReplicas) };
            RateLimited {
                level: wish.max(least),
                furthest: Some(rate),
                limit: (wish < least).then_some(limit),
            }
        }
        std::cmp::Ordering::Equal => RateLimited { level, furthest: None, limit: None },
    }
}

/// The extreme recommendation of a sliding window, at amortised constant cost: a queue that keeps only
/// recommendations which no later one outdoes. Memory is bounded by the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    kept: VecDeque<(Timestamp, Replicas)>,
}

impl Window {
    /// Adds a recommendation; `outdone(old, new)` says that `old` can no longer be the extreme.
    #[inline]
    pub(super) fn push(
        &mut self,
        at: Timestamp,
        recommendation: Replicas,
        window: Duration,
        outdone: impl Fn(Replicas, Replicas) -> bool,
    ) {
        if window.is_zero() && self.kept.is_empty() {
            return;
        }
        // Mostly one takes the place of the last one.
        match self.kept.back_mut() {
            Some(last) if outdone(last.1, recommendation) => *last = (at, recommendation),
            Some(_) | None => self.kept.push_back((at, recommendation)),
        }
        while let Some(before) = self.kept.len().checked_sub(2)
            && outdone(self.kept[before].1, recommendation)
        {
            self.kept.remove(before);
        }
        while self.kept.front().is_some_and(|&(then, _)| !within(at, then, window)) {
            self.kept.pop_front();
        }
    }

    /// The extreme among those younger than `window`.
    #[inline]
    pub(super) fn extreme(&self, now: Timestamp, window: Duration) -> Option<Replicas> {
        // Those that are too old have nearly all been dropped by `push`: looking is faster than searching.
        let mut young = self.kept.iter().filter(|&&(then, _)| within(now, then, window));
        young.next().map(|&(_, recommendation)| recommendation)
    }
}

/// Bounds a move from `level` to `wish` by recommendations of the past, given as (when, how many) in any
/// order: by the lowest of the upward window and the highest of the downward one.
///
/// This is the definition, in time proportional to `past`; [`super::decide`] keeps sorted windows and
/// gives the same. Source: `stabilizeRecommendationWithBehaviors`.
#[must_use]
pub fn stabilize(
    (up, down): (&Rules, &Rules),
    now: Timestamp,
    level: Replicas,
    wish: Replicas,
    past: &[(Timestamp, Replicas)],
) -> Replicas {
    let young = |window: Duration| {
        past.iter().filter(move |&&(then, _)| within(now, then, window)).map(|&(_, replicas)| replicas)
    };
    let (lowest, highest) = (young(up.stabilization).min(), young(down.stabilization).max());
    bound(level, wish, lowest, highest).0
}

/// Bounds a move from `level` to `raw`, and says what did.
#[inline]
pub(super) fn bound(
    level: Replicas,
    raw: Replicas,
    lowest: Option<Replicas>,
    highest: Option<Replicas>,
) -> (Replicas, Option<LoadLimit>) {
    let up_to = lowest.map_or(raw, |lowest| lowest.min(raw));
    let down_to = highest.map_or(raw, |highest| highest.max(raw));
    let stabilized = level.max(up_to).min(down_to);
    let limit = match stabilized.cmp(&raw) {
        std::cmp::Ordering::Less => Some(LoadLimit::StabilizationUp),
        std::cmp::Ordering::Greater => Some(LoadLimit::StabilizationDown),
        std::cmp::Ordering::Equal => None,
    };
    (stabilized, limit)
}

/// Whether `then` is less than `span` before `now`. An instant in the future is young.
#[inline]
pub(super) fn within(now: Timestamp, then: Timestamp, span: Duration) -> bool {
    const SECOND: i128 = 1_000_000_000;
    let seconds = i128::from(now.as_second() - then.as_second());
    let rest = i128::from(now.subsec_nanosecond() - then.subsec_nanosecond());
    // The longest duration is shorter than 2⁹⁴ nanoseconds.
    seconds * SECOND + rest < i128::from(span.as_secs()) * SECOND + i128::from(span.subsec_nanos())
}
