//! The same decisions, offline: traffic meets a plant, a policy looks at it every tick, and the result is
//! scored. Byte-identical for the same scenario on every machine.
//!
//! The loop sees what the operator sees and nothing else. Evaluations are the operator's: one at the start
//! without metrics; then one without metrics at each instant at which the schedule changes, and one with
//! metrics at every multiple of the interval since the Unix epoch, the former first where both coincide.

pub mod plant;
pub mod scenario;
pub mod scores;
pub mod traffic;

mod synthetic;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{ScaleCalendar, ScalePolicy};
use crate::decision::{
    Decision, DesiredReason, History, Milli, MissingCause, Mode, Observation, Policy, Reading, Replicas,
    decide,
};
use crate::manifest::Mistake;

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

/// Plays a scenario.
#[must_use]
pub fn run(scenario: &Scenario) -> Run {
    let end = end(scenario);
    play(scenario, end).recorder.finish(end)
}

/// What was decided by `at`: the last decision, and the last one that read the metrics. `None` outside of
/// the scenario.
#[must_use]
pub fn decisions_by(scenario: &Scenario, at: Timestamp) -> Option<(Decision, Option<Decision>)> {
    if at < scenario.from || at >= end(scenario) {
        return None;
    }
    let player = play(scenario, at.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(at));
    Some((player.last?, player.last_read))
}

/// The first instant after a scenario.
fn end(scenario: &Scenario) -> Timestamp {
    scenario.from.saturating_add(signed(scenario.length)).unwrap_or(Timestamp::MAX)
}

fn play(scenario: &Scenario, end: Timestamp) -> Player<'_> {
    let mut player = Player::new(scenario);
    let ticks = scenario.length.as_nanos() / scenario.interval.as_nanos().max(1);
    player.recorder.rows.reserve(usize::try_from(ticks).unwrap_or_default() + 1);
    player.evaluate(scenario.from, false);
    let mut tick = first_tick(scenario.from, scenario.interval);
    while tick < end {
        while let Some(edge) = player.next_edge.filter(|edge| *edge <= tick) {
            player.evaluate(edge, false);
        }
        player.evaluate(tick, true);
        let Ok(next) = tick.checked_add(signed(scenario.interval)) else { break };
        tick = next;
    }
    while let Some(edge) = player.next_edge.filter(|edge| *edge < end) {
        player.evaluate(edge, false);
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

struct Player<'a> {
    scenario: &'a Scenario,
    history: History,
    next_edge: Option<Timestamp>,
    recorder: Recorder<'a>,
    last: Option<Decision>,
    last_read: Option<Decision>,
}

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let recorder = Recorder::new(scenario);
        Self { scenario, history: History::default(), next_edge: None, recorder, last: None, last_read: None }
    }

    fn evaluate(&mut self, at: Timestamp, reads_metrics: bool) {
        let policy = &self.scenario.policy;
        let plant = &self.recorder.plant;
        let mut observation = Observation::new(at, plant.replicas()).with_ready(plant.ready(at));
        let mut measured = None;
        if reads_metrics && !policy.metrics.is_empty() {
            measured = Some(self.scenario.plant.measurement.rate(&self.scenario.traffic, at));
            let reading = reading(measured);
            // Every metric of the policy is the traffic itself.
            observation = observation.with_readings(policy.metrics.iter().map(|_| reading));
        }
        let decision = decide(policy, &self.history, &observation);
        self.next_edge = decision.baseline.until();
        if policy.mode == Mode::Paused {
            self.recorder.record(at, None, measured, &decision, reads_metrics);
            return;
        }
        self.history.record(policy, &decision);
        let applied = (policy.mode == Mode::Active).then_some(decision.desired);
        self.recorder.record(at, applied, measured, &decision, reads_metrics);
        if measured.is_some() {
            self.last_read = Some(decision.clone());
        }
        self.last = Some(decision);
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
        Self {
            scenario,
            plant: Plant::new(&scenario.plant, scenario.from),
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
        self.account(at);
        let before = self.plant.replicas();
        if let Some(replicas) = applied.filter(|replicas| *replicas != before) {
            self.plant.scale(at, replicas);
            self.changes.push(Change {
                at,
                from: count(before),
                to: count(replicas),
                reason: decision.reason,
                message: decision.explain(&self.scenario.policy).to_string(),
            });
        }
        let replicas = count(self.plant.replicas());
        if tick {
            let ready = count(self.plant.ready(at));
            self.rows.push(Row {
                at,
                qps: self.scenario.traffic.qps(at),
                measured,
                floor: count(decision.baseline.floor),
                ceiling: count(decision.baseline.ceiling),
                recommendation: decision.load.as_ref().and_then(|load| load.recommendation).map(count),
                level: decision.level().map(count),
                desired: count(decision.desired),
                replicas,
                ready,
                capacity: f64::from(ready) * self.scenario.plant.capacity_per_replica,
                requests: 0.0,
                dropped: 0.0,
                reason: decision.reason,
            });
        }
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
