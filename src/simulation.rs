//! The same decisions, offline: traffic meets a plant, a policy looks at it every tick, and the result is
//! scored. Byte-identical for the same scenario on every machine.
//!
//! The loop sees what the operator sees and nothing else. Evaluations are the operator's: one at the start
//! without metrics; then one without metrics at each instant at which the schedule changes, and one with
//! metrics at every multiple of the interval since the Unix epoch, the former first where both coincide.

pub mod chooser;
pub mod plant;
pub mod rivals;
pub mod scenario;
pub mod scores;
pub mod traffic;

mod synthetic;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{ScaleCalendar, ScalePolicy};
use crate::decision::{Decision, DesiredReason, Milli, MissingCause, Observation, Policy, Reading, Replicas};
use crate::manifest::Mistake;

use self::chooser::{Choice, Chooser, Due, Follower};
use self::plant::{Plant, PlantSpec, Served};
use self::scores::Scores;
use self::traffic::Traffic;

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
    /// What serves it.
    pub plant: PlantSpec,
}

/// What happened between one tick and the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The tick.
    pub at: Timestamp,
    /// Mean demand until the next tick, in requests per second.
    pub qps: f64,
    /// What the metric said at the tick; `None` when it was not read.
    pub measured: Option<f64>,
    /// The schedule's floor.
    pub floor: u32,
    /// The schedule's ceiling.
    pub ceiling: u32,
    /// What the load asks for before damping.
    pub recommendation: Option<u32>,
    /// The load's level.
    pub level: Option<u32>,
    /// What the decision asks for.
    pub desired: u32,
    /// `spec.replicas` after the decision.
    pub replicas: u32,
    /// Ready replicas at the tick.
    pub ready: u32,
    /// What the ready replicas can carry, in requests per second.
    pub capacity: f64,
    /// Requests that came until the next tick.
    pub requests: f64,
    /// Requests among them that found no capacity.
    pub dropped: f64,
    /// What determined `desired`.
    pub reason: DesiredReason,
}

/// A change of the workload's replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Before.
    pub from: u32,
    /// After.
    pub to: u32,
    /// What determined it.
    pub reason: DesiredReason,
    /// The same as a sentence.
    pub message: String,
}

/// A simulated (or watched) stretch of time.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// The first instant.
    pub from: Timestamp,
    /// The time between rows.
    pub interval: Duration,
    /// One row a tick.
    pub rows: Vec<Row>,
    /// Every change of the replicas.
    pub changes: Vec<Change>,
    /// How good it was.
    pub scores: Scores,
    /// The policy as YAML.
    pub policy_text: String,
}

/// Plays a scenario with its own policy.
#[must_use]
pub fn run(scenario: &Scenario) -> Run {
    run_with(scenario, Follower::new(&scenario.policy), scenario.plant.initial_replicas)
}

/// Plays a scenario in which `chooser` chooses, from `initial` ready replicas on.
#[must_use]
pub fn run_with(scenario: &Scenario, chooser: impl Chooser, initial: Replicas) -> Run {
    let end = end(scenario);
    play(scenario, end, chooser, initial).recorder.finish(end)
}

/// What was decided by `at`: the last decision, and the last one that read the metrics. `None` outside of
/// the scenario.
#[must_use]
pub fn decisions_by(scenario: &Scenario, at: Timestamp) -> Option<(Decision, Option<Decision>)> {
    if at < scenario.from || at >= end(scenario) {
        return None;
    }
    let end = at.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(at);
    let follower = Follower::new(&scenario.policy);
    play(scenario, end, follower, scenario.plant.initial_replicas).chooser.into_last()
}

/// The first instant after a scenario.
fn end(scenario: &Scenario) -> Timestamp {
    scenario.from.saturating_add(signed(scenario.length)).unwrap_or(Timestamp::MAX)
}

fn play<C: Chooser>(scenario: &Scenario, end: Timestamp, chooser: C, initial: Replicas) -> Player<'_, C> {
    let mut player = Player { scenario, chooser, recorder: Recorder::starting_with(scenario, initial) };
    let ticks = scenario.length.as_nanos() / scenario.interval.as_nanos().max(1);
    player.recorder.rows.reserve(usize::try_from(ticks).unwrap_or_default() + 1);
    player.evaluate(scenario.from, false, false);
    let mut tick = first_tick(scenario.from, scenario.interval);
    while tick < end {
        while let Some(due) = player.chooser.due().filter(|due| due.at <= tick) {
            player.evaluate(due.at, due.reads_metrics, false);
        }
        player.evaluate(tick, true, true);
        let Ok(next) = tick.checked_add(signed(scenario.interval)) else { break };
        tick = next;
    }
    while let Some(Due { at, reads_metrics }) = player.chooser.due().filter(|due| due.at < end) {
        player.evaluate(at, reads_metrics, false);
    }
    player
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

struct Player<'a, C> {
    scenario: &'a Scenario,
    chooser: C,
    recorder: Recorder<'a>,
}

impl<C: Chooser> Player<'_, C> {
    fn evaluate(&mut self, at: Timestamp, reads_metrics: bool, tick: bool) {
        let plant = &self.recorder.plant;
        let mut observation = Observation::new(at, plant.replicas()).with_ready(plant.ready(at));
        let mut measured = None;
        let metrics = self.chooser.metrics();
        if reads_metrics && metrics > 0 {
            measured = Some(self.scenario.plant.measurement.rate(&self.scenario.traffic, at));
            // Every metric is the traffic itself.
            observation = observation.with_readings(std::iter::repeat_n(reading(measured), metrics));
        }
        let choice = self.chooser.choose(&observation);
        self.recorder.note(at, measured, &choice, tick, || self.chooser.explain());
    }
}

fn reading(measured: Option<f64>) -> Reading {
    let value = measured.map(Milli::from_f64);
    match value {
        Some(Ok(value)) => Reading::Value(value),
        Some(Err(_)) => Reading::Missing(MissingCause::Invalid),
        None => Reading::Missing(MissingCause::NoSample),
    }
}

/// Keeps the books of a run: applies decisions to the plant and notes what came of them. The demo uses
/// it with the decisions of a live operator.
#[derive(Debug)]
pub struct Recorder<'a> {
    scenario: &'a Scenario,
    plant: Plant,
    rows: Vec<Row>,
    changes: Vec<Change>,
    accounted: Timestamp,
}

impl<'a> Recorder<'a> {
    /// Starts with the scenario's plant as it is at its first instant.
    #[must_use]
    pub fn new(scenario: &'a Scenario) -> Self {
        Self::starting_with(scenario, scenario.plant.initial_replicas)
    }

    /// The same with another number of replicas at the start.
    fn starting_with(scenario: &'a Scenario, initial_replicas: Replicas) -> Self {
        let spec = PlantSpec { initial_replicas, ..scenario.plant.clone() };
        Self {
            scenario,
            plant: Plant::new(&spec, scenario.from),
            rows: Vec::new(),
            changes: Vec::new(),
            accounted: scenario.from,
        }
    }

    /// The plant as it is now.
    #[must_use]
    pub fn plant(&self) -> &Plant {
        &self.plant
    }

    /// The rows so far; the last one is still open.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Notes a decision. `applied` is the number that was written, if any; `tick` opens a new row.
    pub fn record(
        &mut self,
        at: Timestamp,
        applied: Option<Replicas>,
        measured: Option<f64>,
        decision: &Decision,
        tick: bool,
    ) {
        let policy = &self.scenario.policy;
        let choice = Choice::of(decision, policy.mode);
        self.apply(at, applied, &choice, || decision.explain(policy).to_string());
        if tick {
            self.open(at, measured, &choice);
        }
    }

    /// Notes a choice and carries it out; `tick` opens a new row.
    fn note(
        &mut self,
        at: Timestamp,
        measured: Option<f64>,
        choice: &Choice,
        tick: bool,
        explain: impl FnOnce() -> String,
    ) {
        self.apply(at, choice.writes.then_some(choice.desired), choice, explain);
        if tick {
            self.open(at, measured, choice);
        }
    }

    /// Brings the plant to `at`, and to the replicas that were written.
    fn apply(
        &mut self,
        at: Timestamp,
        applied: Option<Replicas>,
        choice: &Choice,
        explain: impl FnOnce() -> String,
    ) {
        self.account(at);
        let before = self.plant.replicas();
        if let Some(replicas) = applied.filter(|replicas| *replicas != before) {
            self.plant.scale(at, replicas);
            self.changes.push(Change {
                at,
                from: count(before),
                to: count(replicas),
                reason: choice.reason,
                message: explain(),
            });
        }
    }

    /// Opens the row of a tick.
    fn open(&mut self, at: Timestamp, measured: Option<f64>, choice: &Choice) {
        let ready = count(self.plant.ready(at));
        self.rows.push(Row {
            at,
            qps: self.scenario.traffic.qps(at),
            measured,
            floor: count(choice.floor),
            ceiling: count(choice.ceiling),
            recommendation: choice.recommendation.map(count),
            level: choice.level.map(count),
            desired: count(choice.desired),
            replicas: count(self.plant.replicas()),
            ready,
            capacity: f64::from(ready) * self.scenario.plant.capacity_per_replica,
            requests: 0.0,
            dropped: 0.0,
            reason: choice.reason,
        });
    }

    /// Closes the books at `end` and scores them.
    #[must_use]
    pub fn finish(mut self, end: Timestamp) -> Run {
        self.account(end);
        let Self { scenario, mut rows, changes, .. } = self;
        let ends: Vec<Timestamp> = rows.iter().skip(1).map(|row| row.at).chain([end]).collect();
        for (row, end) in rows.iter_mut().zip(ends) {
            row.qps = scenario.traffic.mean(row.at, end);
        }
        let scores = scores::score(scenario, &rows, &changes);
        Run {
            name: scenario.name.clone(),
            from: scenario.from,
            interval: scenario.interval,
            rows,
            changes,
            scores,
            policy_text: scenario.policy_text.clone(),
        }
    }

    /// Serves the traffic up to `at`, for the open row.
    fn account(&mut self, at: Timestamp) {
        if at <= self.accounted {
            return;
        }
        let Served { requests, dropped } = self.plant.serve(&self.scenario.traffic, self.accounted, at);
        self.accounted = at;
        if let Some(row) = self.rows.last_mut() {
            row.requests += requests;
            row.dropped += dropped;
        }
    }
}

fn count(replicas: Replicas) -> u32 {
    replicas.get().unsigned_abs()
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
