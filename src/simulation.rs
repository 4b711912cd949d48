//! The same decisions, offline: traffic meets a plant, a policy looks at it every tick, and the result is
//! scored. Byte-identical for the same scenario on every machine.
//!
//! The loop sees what the operator sees and nothing else. Evaluations are the operator's: one at the start
//! without metrics; then one without metrics at each instant at which the schedule changes, and one with
//! metrics at every multiple of the interval since the Unix epoch, the former first where both coincide.

pub mod autoscaler;
pub mod chooser;
pub mod expectation;
pub mod measurement;
pub mod monitor;
pub mod plant;
pub mod rivals;
pub mod scenario;
pub mod scores;
pub mod service;
pub mod traffic;

mod books;
mod downstream;
mod player;
mod recorder;
mod rows;
pub mod synthetic;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{ScaleCalendar, ScalePolicy};
use crate::decision::{Decision, Metric, Policy, Replicas, Target};
use crate::manifest::Mistake;

use self::autoscaler::Autoscaler;
use self::chooser::{Chooser, Either, Follower, Scheduled};
use self::expectation::Expectation;
use self::monitor::Quantity;
use self::plant::{ClusterSpec, PlantSpec};
use self::player::Player;
pub use self::recorder::Recorder;
use self::rivals::hpa::HpaMetric;
pub use self::rows::{Change, Places, Row, Run};
use self::scores::{Price, Scores};
use self::traffic::{Gaps, Traffic};

/// Everything that a simulation needs.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: String,
    /// Who decides.
    pub policy: Policy,
    /// The same as a Kubernetes resource.
    pub resource: ScalePolicy,
    /// The calendars beside the policy in its file.
    pub calendars: Vec<ScaleCalendar>,
    /// The places at which the policy names a calendar that is not there.
    pub missing_calendars: Vec<Mistake>,
    /// The policy as YAML, for reports.
    pub policy_text: String,
    /// The autoscaler whose bounds a policy may set.
    pub autoscaler: Option<Autoscaler>,
    /// The first instant.
    pub from: Timestamp,
    /// How long it runs.
    pub length: Duration,
    /// How long it was meant to run, when its trace ends earlier.
    pub cut_from: Option<Duration>,
    /// The time between ticks.
    pub interval: Duration,
    /// What comes in.
    pub traffic: Traffic,
    /// Where what was recorded of it has no values; the value before holds through such a gap.
    pub gaps: Option<Gaps>,
    /// What serves it.
    pub plant: PlantSpec,
    /// What the pods of all tiers share.
    pub cluster: ClusterSpec,
    /// The tiers behind, each called by the one before.
    pub behind: Vec<Tier>,
    /// What metrics and guards are, by their names; those that are not named are requests per second.
    pub quantities: BTreeMap<String, Quantity>,
    /// When queries have no answer, from and until.
    pub outages: Vec<(Timestamp, Timestamp)>,
    /// When the operator restarts, in order.
    pub restarts: Vec<Timestamp>,
    /// What an hour costs, if that is known.
    pub price: Option<Price>,
    /// What its scores should be.
    pub expectations: Vec<Expectation>,
}

/// A workload behind another one, with a policy of its own.
#[derive(Clone, Debug)]
pub struct Tier {
    /// How many requests each request of the tier before makes to it, one after the other.
    pub calls: f64,
    /// Its plant and its policy. Time, cluster, outages and restarts are those of the first tier; the traffic is what
    /// would come if the tiers before served all of theirs.
    pub scenario: Scenario,
}

impl Scenario {
    /// The tiers from the first one on, each with the requests that one of the tier before makes to it.
    #[must_use]
    pub fn tiers(&self) -> impl DoubleEndedIterator<Item = (f64, &Self)> {
        std::iter::once((1.0, self)).chain(self.behind.iter().map(|tier| (tier.calls, &tier.scenario)))
    }

    /// Begins with the replicas that every tier has at the end of a run.
    pub(crate) fn go_on_from(&mut self, run: &Run) {
        let tiers = self.behind.iter_mut().map(|tier| &mut tier.scenario.plant);
        for (plant, run) in std::iter::once(&mut self.plant).chain(tiers).zip(run.tiers()) {
            if let Some(row) = run.rows.last() {
                plant.initial_replicas = Replicas::saturating_from(row.replicas.into());
            }
        }
    }

    /// The same for another stretch of time.
    #[must_use]
    pub fn during(&self, from: Timestamp, length: Duration) -> Self {
        let during = |tier: &Tier| Tier { calls: tier.calls, scenario: tier.scenario.during(from, length) };
        Self { from, length, behind: self.behind.iter().map(during).collect(), ..self.clone() }
    }

    /// Whether the replicas change what the policy's metrics and guards see, so that it acts on its own effect: where a
    /// target is a `value`, which counts the ready replicas, where a metric or a guard is what becomes of requests, and where those
    /// that fail come again. Otherwise a load is followed that has its own course.
    #[must_use]
    pub fn is_loop(&self) -> bool {
        let comes_again = self.plant.service.is_some_and(|service| service.queue.retries > 0);
        let is_effect = |quantity: &Quantity| *quantity != Quantity::Qps || comes_again;
        let is_ratio = |metric: &Metric| matches!(metric.target, Target::Value(_));
        let is_ratio = match self.scheduled() {
            Some(autoscaler) => autoscaler.spec.metrics.iter().any(HpaMetric::is_ratio),
            None => self.policy.metrics.iter().any(is_ratio),
        };
        let guards = self.quantities(&self.policy).guards;
        is_ratio || self.followed().iter().chain(&guards).any(is_effect)
    }

    /// The autoscaler whose bounds the policy sets, if it sets any.
    #[must_use]
    pub fn scheduled(&self) -> Option<&Autoscaler> {
        self.autoscaler.as_ref().filter(|_| self.resource.spec.scale_target_ref.is_autoscaler())
    }

    /// What the metrics are that the replicas follow: those of the policy, or of its autoscaler.
    #[must_use]
    pub fn followed(&self) -> Vec<Quantity> {
        match self.scheduled() {
            Some(autoscaler) => autoscaler.quantities(self),
            None => self.quantities(&self.policy).metrics,
        }
    }

    /// What the metrics and the guards of a policy are in this scenario.
    #[must_use]
    pub fn quantities(&self, policy: &Policy) -> Quantities {
        let of = |name: &str| quantity(&self.quantities, name);
        Quantities {
            metrics: policy.metrics.iter().map(|metric| of(&metric.name)).collect(),
            guards: policy.guards.iter().map(|guard| of(&guard.name)).collect(),
        }
    }
}

/// What is called so in a scenario: requests per second, unless it says something else.
fn quantity(named: &BTreeMap<String, Quantity>, name: &str) -> Quantity {
    named.get(name).copied().unwrap_or_default()
}

/// What the metrics and the guards of a policy are, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantities {
    /// The metrics.
    pub metrics: Vec<Quantity>,
    /// The guards.
    pub guards: Vec<Quantity>,
}

/// Plays a scenario with its own policies.
#[must_use]
pub fn run(scenario: &Scenario) -> Run {
    if is_plain(scenario) {
        return play(scenario, |_, tier| (follower(tier), tier.plant.initial_replicas));
    }
    play(scenario, |_, tier| (own(tier), tier.plant.initial_replicas))
}

/// Plays a scenario in which `chooser` chooses for the first tier, from `initial` ready replicas on. The tiers behind
/// have their own policies.
#[must_use]
pub fn run_with(scenario: &Scenario, chooser: impl Chooser, initial: Replicas) -> Run {
    let chooser = Cell::new(Some(chooser));
    play(scenario, |index, tier| match chooser.take().filter(|_| index == 0) {
        Some(chooser) => (Either::This(chooser), initial),
        None => (Either::That(own(tier)), tier.plant.initial_replicas),
    })
}

fn play<'a, C: Chooser>(
    scenario: &'a Scenario,
    choosing: impl Fn(usize, &'a Scenario) -> (C, Replicas),
) -> Run {
    let end = end(scenario);
    let mut player = Player::new(scenario, choosing);
    player.recorder.reserve(ticks(scenario));
    player.play(end);
    player.recorder.finish(end)
}

/// The scores of [`run`] alone, with less work and without keeping a row for each tick.
#[must_use]
pub fn score(scenario: &Scenario) -> Scores {
    if is_plain(scenario) {
        return play_counting(scenario, |_, tier| (follower(tier), tier.plant.initial_replicas));
    }
    play_counting(scenario, |_, tier| (own(tier), tier.plant.initial_replicas))
}

fn play_counting<'a, C: Chooser>(
    scenario: &'a Scenario,
    choosing: impl Fn(usize, &'a Scenario) -> (C, Replicas),
) -> Scores {
    let end = end(scenario);
    let mut player = Player::new(scenario, choosing);
    player.recorder.count();
    player.play(end);
    player.recorder.finish_counting(end)
}

/// What was decided for the first tier by `at`: the last decision, and the last one that read the metrics. `None`
/// outside of the scenario.
#[must_use]
pub fn decisions_by(scenario: &Scenario, at: Timestamp) -> Option<(Decision, Option<Decision>)> {
    if at < scenario.from || at >= end(scenario) {
        return None;
    }
    let end = at.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(at);
    let mut player = Player::new(scenario, |index, tier| {
        // Of an autoscaler's bounds no metric decides.
        let is_first = index == 0;
        let chooser = if is_first { Either::This(follower(tier).keeping()) } else { Either::That(own(tier)) };
        (chooser, tier.plant.initial_replicas)
    });
    player.play(end);
    match player.choosers.into_iter().next()? {
        Either::This(follower) => follower.into_last(),
        Either::That(_) => None,
    }
}

/// Whether each tier's policy chooses the replicas itself.
fn is_plain(scenario: &Scenario) -> bool {
    scenario.tiers().all(|(_, tier)| tier.scheduled().is_none())
}

/// Who chooses for a tier: its policy, or an autoscaler between the bounds that its policy sets.
fn own(scenario: &Scenario) -> Either<Scheduled<'_>, Follower<'_>> {
    match scenario.scheduled() {
        Some(autoscaler) => Either::This(Scheduled::new(follower(scenario), autoscaler.acting(scenario))),
        None => Either::That(follower(scenario)),
    }
}

fn follower(scenario: &Scenario) -> Follower<'_> {
    Follower::new(&scenario.policy, scenario.quantities(&scenario.policy)).restarting(&scenario.restarts)
}

/// The first instant after a scenario.
#[must_use]
pub fn end(scenario: &Scenario) -> Timestamp {
    scenario.from.saturating_add(signed(scenario.length)).unwrap_or(Timestamp::MAX)
}

/// How many rows a scenario has, at most.
fn ticks(scenario: &Scenario) -> usize {
    let ticks = scenario.length.as_nanos() / scenario.interval.as_nanos().max(1);
    usize::try_from(ticks).unwrap_or_default().saturating_add(1)
}

/// `at` plus `by`; `None` when that is no instant any more.
#[inline]
fn later(at: Timestamp, by: SignedDuration) -> Option<Timestamp> {
    const SECOND: i32 = 1_000_000_000;
    let second = at.as_second().checked_add(by.as_secs())?;
    // Each is less than a second.
    let rest = at.subsec_nanosecond() + by.subsec_nanos();
    let carry = i64::from(rest >= SECOND) - i64::from(rest <= -SECOND);
    Timestamp::new(second.checked_add(carry)?, rest % SECOND).ok()
}

/// The first multiple of `interval` since the Unix epoch at or after `from`.
#[must_use]
pub fn first_tick(from: Timestamp, interval: Duration) -> Timestamp {
    let interval = i128::try_from(interval.as_nanos().max(1)).unwrap_or(i128::MAX);
    let since = from.as_nanosecond();
    let past = since.rem_euclid(interval);
    let next = if past == 0 { since } else { since.saturating_add(interval - past) };
    Timestamp::from_nanosecond(next).unwrap_or(Timestamp::MAX)
}

fn count(replicas: Replicas) -> u32 {
    replicas.get().unsigned_abs()
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
