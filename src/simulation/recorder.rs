//! The books of a run.

use jiff::Timestamp;

use super::chooser::Choice;
use super::monitor::{Monitor, Quantity};
use super::plant::{Plant, PlantSpec};
use super::scores::{Scores, Tally};
use super::service::{Served, Service};
use super::{Change, Row, Run, Scenario, count};
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
    /// The same in milliseconds since the Unix epoch, and the requests before it.
    known: (i64, f64),
    /// The same of the instant at which the last row was opened.
    opened: (i64, f64),
    /// Whether rows are counted as soon as they are over, and not kept.
    counted: Option<Tally>,
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
        let from = scenario.from.as_millisecond();
        let known = (from, scenario.traffic.requests_before(from));
        Self {
            scenario,
            known,
            opened: known,
            counted: None,
            plant: Plant::new(&spec, scenario.from),
            service,
            rows: Vec::new(),
            changes: Vec::new(),
            accounted: scenario.from,
        }
    }

    /// The same for the scores alone: it keeps no rows, of which there will be so many.
    pub(super) fn counting(self, rows: usize) -> Self {
        Self { counted: Some(Tally::new(self.scenario, rows)), ..self }
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
            if let Some(row) = self.rows.last_mut() {
                // Until it is over, and its mean is known.
                row.qps = self.scenario.traffic.qps(at);
            }
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
                message: if self.counted.is_some() { String::new() } else { explain() },
            });
        }
    }

    /// Opens the row of a tick.
    fn open(&mut self, at: Timestamp, measured: Option<f64>, choice: &Choice) {
        self.close(at);
        let ready = count(self.plant.ready(at));
        self.rows.push(Row {
            at,
            qps: 0.0,
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

    /// Gives the last row its mean demand, and begins a stretch of time at `at`, which is accounted for.
    fn close(&mut self, at: Timestamp) {
        let now = self.requests_before(at);
        if let Some(row) = self.rows.last_mut() {
            row.qps = self.scenario.traffic.mean_of(self.opened, now);
            if let Some(tally) = &mut self.counted {
                tally.add(row);
                self.rows.clear();
            }
        }
        self.opened = now;
    }

    /// An instant in milliseconds, and the requests before it. Mostly it is the one that was asked for last.
    fn requests_before(&mut self, at: Timestamp) -> (i64, f64) {
        let at = at.as_millisecond();
        if self.known.0 != at {
            self.known = (at, self.scenario.traffic.requests_before(at));
        }
        self.known
    }

    /// Closes the books at `end` and scores them.
    #[must_use]
    pub(super) fn finish_counting(mut self, end: Timestamp) -> Scores {
        self.account(end);
        self.close(end);
        let mut tally = self.counted.unwrap_or_else(|| Tally::new(self.scenario, self.rows.len()));
        for row in &self.rows {
            tally.add(row);
        }
        tally.scores(&self.changes)
    }

    /// Closes the books at `end` and scores them.
    #[must_use]
    pub fn finish(mut self, end: Timestamp) -> Run {
        self.account(end);
        self.close(end);
        let Self { scenario, rows, changes, .. } = self;
        let mut tally = Tally::new(scenario, rows.len());
        for row in &rows {
            tally.add(row);
        }
        let scores = tally.scores(&changes);
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
        let mut now = self.accounted;
        while now < at {
            let (next, served) = self.serve(now, at);
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

    /// Serves the traffic from `now` on, until `at` or earlier.
    fn serve(&mut self, now: Timestamp, at: Timestamp) -> (Timestamp, Served) {
        let traffic = &self.scenario.traffic;
        if let Some((service, monitor)) = &mut self.service {
            let ready = self.plant.next_ready(now).unwrap_or(at);
            let next = at.min(ready).min(monitor.next_scrape(now));
            let served = service.serve(traffic, now, next, f64::from(self.plant.ready(now).get()));
            monitor.see(next, service);
            return (next, served);
        }
        if self.plant.next_ready(now).is_some_and(|ready| ready < at) {
            return (at, self.plant.serve(traffic, now, at));
        }
        // The same with nobody becoming ready, which is nearly always: what is known of `now` is made use of.
        let before = self.requests_before(now);
        let demand = traffic.mean_of(before, self.requests_before(at));
        let seconds = at.duration_since(now).as_secs_f64();
        let capacity = f64::from(self.plant.ready(now).get()) * self.scenario.plant.capacity_per_replica;
        let dropped = (demand - capacity).max(0.0) * seconds;
        (at, Served { requests: demand * seconds, dropped, ..Served::default() })
    }

    /// Whether queries have no answer at `at`.
    pub(super) fn is_out(&self, at: Timestamp) -> bool {
        self.scenario.outages.iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// What a query for a quantity says at `at`, which is accounted for.
    pub(super) fn read(&self, quantity: Quantity, at: Timestamp) -> Option<f64> {
        let traffic = &self.scenario.traffic;
        if let Some((_, monitor)) = &self.service {
            return monitor.read(quantity, traffic, at);
        }
        let measurement = &self.scenario.plant.measurement;
        Some(match measurement.window_millis(at) {
            Some((from, scraped)) if scraped == self.known.0 => {
                traffic.mean_of((from, traffic.requests_before(from)), self.known)
            }
            Some(_) | None => measurement.rate(traffic, at),
        })
    }
}
