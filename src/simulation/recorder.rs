//! The books of a run.

use jiff::Timestamp;

use super::chooser::Choice;
use super::monitor::{Monitor, Quantity};
use super::plant::{Plant, PlantSpec};
use super::service::{Served, Service};
use super::{Change, Row, Run, Scenario, count, scores};
use crate::decision::{Decision, Replicas};

/// Keeps the books of a run: applies decisions to the plant and notes what came of them. The demo uses
/// it with the decisions of a live operator.
#[derive(Debug)]
pub struct Recorder<'a> {
    scenario: &'a Scenario,
    pub(super) plant: Plant,
    service: Option<(Service, Monitor)>,
    pub(super) rows: Vec<Row>,
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
    pub(super) fn starting_with(scenario: &'a Scenario, initial_replicas: Replicas) -> Self {
        let spec = PlantSpec { initial_replicas, ..scenario.plant.clone() };
        let service = scenario.plant.service.map(|spec| {
            let service = Service::new(spec, scenario.plant.capacity_per_replica);
            let monitor = Monitor::new(scenario.plant.measurement, scenario.from, &service);
            (service, monitor)
        });
        Self {
            scenario,
            plant: Plant::new(&spec, scenario.from),
            service,
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
    pub(super) fn note(
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
            capacity: match &self.service {
                Some((service, _)) => service.capacity(f64::from(ready)),
                None => f64::from(ready) * self.scenario.plant.capacity_per_replica,
            },
            requests: 0.0,
            dropped: 0.0,
            retried: 0.0,
            late: 0.0,
            service: self.service.as_ref().map(|(service, _)| service.standing),
            reason: choice.reason,
        });
    }

    /// Closes the books at `end` and scores them.
    #[must_use]
    pub fn finish(mut self, end: Timestamp) -> Run {
        self.account(end);
        let Self { scenario, mut rows, changes, .. } = self;
        let mut until = end;
        for row in rows.iter_mut().rev() {
            row.qps = scenario.traffic.mean(row.at, until);
            until = row.at;
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
    pub(super) fn account(&mut self, at: Timestamp) {
        if at <= self.accounted {
            return;
        }
        let traffic = &self.scenario.traffic;
        let mut now = self.accounted;
        while now < at {
            let (next, served) = match &mut self.service {
                None => (at, self.plant.serve(traffic, now, at)),
                Some((service, monitor)) => {
                    let ready = self.plant.next_ready(now).unwrap_or(at);
                    let next = at.min(ready).min(monitor.next_scrape(now));
                    let served = service.serve(traffic, now, next, f64::from(self.plant.ready(now).get()));
                    monitor.see(next, service);
                    (next, served)
                }
            };
            let Served { requests, retried, dropped, late } = served;
            if let Some(row) = self.rows.last_mut() {
                row.requests += requests;
                row.retried += retried;
                row.dropped += dropped;
                row.late += late;
            }
            now = next;
        }
        self.accounted = at;
    }

    /// Whether queries have no answer at `at`.
    pub(super) fn is_out(&self, at: Timestamp) -> bool {
        self.scenario.outages.iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// What a query for a quantity says at `at`, which is accounted for.
    pub(super) fn read(&self, quantity: Quantity, at: Timestamp) -> Option<f64> {
        let traffic = &self.scenario.traffic;
        match &self.service {
            Some((_, monitor)) => monitor.read(quantity, traffic, at),
            None => Some(self.scenario.plant.measurement.rate(traffic, at)),
        }
    }
}
