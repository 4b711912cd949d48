//! The course of a run: time goes on for the plant, the service and the books of every tier alike.

mod coast;

use jiff::Timestamp;

use super::books::Books;
use super::chooser::Choice;
use super::monitor::{Monitor, Quantity};
use super::plant::{Plant, WorkloadId};
use super::scores::Scores;
use super::service::{Behind, STEP, Served, Service};
use super::{Row, Run, Scenario, later};
use crate::decision::{Decision, Observation, Replicas};

/// Keeps the books of a run: applies decisions to the plant and notes what came of them. The demo uses
/// it with the decisions of a live operator.
#[derive(Debug)]
pub struct Recorder<'a> {
    scenario: &'a Scenario,
    plant: Plant,
    /// The first one is where the traffic comes in.
    pub(super) tiers: Vec<Tier<'a>>,
    accounted: Timestamp,
    /// The same in milliseconds since the Unix epoch, and the requests before it.
    known: (i64, f64),
}

/// A workload at work.
#[derive(Debug)]
pub(super) struct Tier<'a> {
    pub(super) scenario: &'a Scenario,
    /// How many requests each request of the tier before makes to this one.
    calls: f64,
    id: WorkloadId,
    service: Option<(Service, Monitor)>,
    books: Books<'a>,
}

impl<'a> Recorder<'a> {
    /// Starts with the scenario's plant as it is at its first instant.
    #[must_use]
    pub fn new(scenario: &'a Scenario) -> Self {
        let initial: Vec<Replicas> = scenario.tiers().map(|(_, tier)| tier.plant.initial_replicas).collect();
        Self::starting_with(scenario, &initial)
    }

    /// The same with these replicas of the tiers at the start.
    pub(super) fn starting_with(scenario: &'a Scenario, initial: &[Replicas]) -> Self {
        let mut plant = Plant::new(&scenario.cluster, scenario.from);
        let mut tiers: Vec<Tier<'a>> = Vec::new();
        let mut behind = 0.0;
        for ((calls, tier), initial) in scenario.tiers().zip(initial).collect::<Vec<_>>().into_iter().rev() {
            let spec = &tier.plant;
            let service = spec.service.map(|service| {
                let service = Service::new(service, spec.capacity_per_replica, behind);
                behind = service.standing.latency * calls;
                let monitor = Monitor::new(spec.measurement, tier.from, &service);
                (service, monitor)
            });
            let books = Books::new(tier, tiers.len() == scenario.behind.len());
            let id = plant.add(spec.pods, *initial);
            tiers.push(Tier { scenario: tier, calls, id, service, books });
        }
        tiers.reverse();
        let from = scenario.from.as_millisecond();
        let known = (from, scenario.traffic.requests_before(from));
        Self { scenario, plant, tiers, accounted: scenario.from, known }
    }

    /// Makes room for so many rows a tier.
    pub(super) fn reserve(&mut self, rows: usize) {
        for tier in &mut self.tiers {
            tier.books.reserve(rows);
        }
    }

    /// Keeps no rows but the scores alone.
    pub(super) fn count(&mut self) {
        for tier in &mut self.tiers {
            tier.books.count();
        }
    }

    /// How many replicas the workload has that the traffic meets first.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        self.plant.wanted(self.tiers[0].id)
    }

    /// What an autoscaler sees of a tier besides its metrics.
    #[inline]
    pub(super) fn observe(&self, tier: usize, at: Timestamp) -> Observation {
        let id = self.tiers[tier].id;
        let mut observation = Observation::new(at, self.plant.wanted(id));
        observation.ready = self.plant.ready(id).min(observation.replicas);
        observation.unschedulable_since = self.plant.unschedulable_since(id);
        observation
    }

    /// The rows so far; the last one is still open.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.tiers[0].books.rows
    }

    /// Notes a decision for a tier, from 0 on. `applied` is the number that was written, if any; `tick` opens a new row.
    pub fn record(
        &mut self,
        tier: usize,
        at: Timestamp,
        applied: Option<Replicas>,
        measured: Option<f64>,
        decision: &Decision,
        tick: bool,
    ) {
        let Some(scenario) = self.tiers.get(tier).map(|tier| tier.scenario) else { return };
        let policy = &scenario.policy;
        let choice = Choice::of(decision, policy.mode);
        self.account(at);
        self.apply(tier, at, applied, &choice, || decision.explain(policy).to_string());
        if tick {
            self.open(tier, at, measured, &choice);
            if let Some(row) = self.tiers[tier].books.rows.last_mut() {
                // Until it is over, and its mean is known.
                row.qps = scenario.traffic.qps(at);
            }
        }
    }

    /// Notes a choice for a tier and carries it out; `tick` opens a new row.
    pub(super) fn note(
        &mut self,
        tier: usize,
        at: Timestamp,
        measured: Option<f64>,
        choice: &Choice,
        tick: bool,
        explain: impl FnOnce() -> String,
    ) {
        self.apply(tier, at, choice.writes.then_some(choice.desired), choice, explain);
        if tick {
            self.open(tier, at, measured, choice);
        }
    }

    /// Brings a tier to the replicas that were written.
    fn apply(
        &mut self,
        tier: usize,
        at: Timestamp,
        applied: Option<Replicas>,
        choice: &Choice,
        explain: impl FnOnce() -> String,
    ) {
        let Tier { id, books, .. } = &mut self.tiers[tier];
        let before = self.plant.wanted(*id);
        if let Some(replicas) = applied.filter(|replicas| *replicas != before) {
            self.plant.scale(*id, replicas);
            books.change(at, (before, replicas), choice.reason, explain);
        }
    }

    /// The replicas of a tier, if none of its pods waits for a node.
    #[inline]
    pub(super) fn placed(&self, tier: usize) -> Option<Replicas> {
        let id = self.tiers[tier].id;
        self.plant.unschedulable_since(id).is_none().then(|| self.plant.wanted(id))
    }

    /// Opens the row of a tick.
    #[inline]
    pub(super) fn open(&mut self, index: usize, at: Timestamp, measured: Option<f64>, choice: &Choice) {
        let now = if index == 0 { Some(self.requests_before(at)) } else { None };
        let Tier { id, books, service, .. } = &mut self.tiers[index];
        books.close(at, now);
        let service = service.as_ref().map(|(service, _)| service);
        books.open(at, measured, choice, (&self.plant, *id), service);
    }

    /// An instant in milliseconds, and the requests before it. Mostly it is the one that was asked for last.
    #[inline]
    fn requests_before(&mut self, at: Timestamp) -> (i64, f64) {
        let at = at.as_millisecond();
        if self.known.0 != at {
            self.known = (at, self.scenario.traffic.requests_before(at));
        }
        self.known
    }

    /// Closes the books at `end` and scores the first tier.
    #[must_use]
    pub(super) fn finish_counting(mut self, end: Timestamp) -> Scores {
        self.close(end);
        self.tiers.swap_remove(0).books.scores()
    }

    /// Closes the books at `end` and scores them.
    #[must_use]
    pub fn finish(mut self, end: Timestamp) -> Run {
        self.close(end);
        let mut runs = self.tiers.into_iter().map(|tier| tier.books.run());
        let first = runs.next().unwrap_or_else(|| Books::new(self.scenario, true).run());
        Run { behind: runs.collect(), ..first }
    }

    fn close(&mut self, end: Timestamp) {
        self.account(end);
        let now = self.requests_before(end);
        for (index, tier) in self.tiers.iter_mut().enumerate() {
            tier.books.end(end, (index == 0).then_some(now));
        }
    }

    /// Serves the traffic up to `at`, for the open rows.
    #[inline]
    pub fn account(&mut self, at: Timestamp) {
        if at <= self.accounted {
            return;
        }
        while self.accounted < at {
            let now = self.accounted;
            let mut next = self.plant.next().map_or(at, |next| next.min(at));
            if self.tiers[0].service.is_some() {
                next = self.serve(now, next);
            } else {
                let served = self.serve_at_once(now, next);
                self.tiers[0].books.add(served);
            }
            self.accounted = next;
            self.plant.advance(next);
        }
    }

    /// What a plain plant does with the traffic, while nothing happens to it.
    #[inline]
    fn serve_at_once(&mut self, now: Timestamp, next: Timestamp) -> Served {
        let before = self.requests_before(now);
        let demand = self.scenario.traffic.mean_of(before, self.requests_before(next));
        let seconds = next.duration_since(now).as_secs_f64();
        let ready = self.plant.ready(self.tiers[0].id);
        let capacity = f64::from(ready.get()) * self.scenario.plant.capacity_per_replica;
        let dropped = (demand - capacity).max(0.0) * seconds;
        Served { requests: demand * seconds, dropped, ..Served::default() }
    }

    /// Serves one step of the traffic, from `now` until `next` or earlier, and says until when.
    fn serve(&mut self, now: Timestamp, next: Timestamp) -> Timestamp {
        let step = self.step(now).unwrap_or(next);
        let monitors = self.tiers.iter().filter_map(|tier| tier.service.as_ref());
        let scrapes = monitors.map(|(_, monitor)| monitor.next_scrape(now));
        let next = scrapes.chain([step]).fold(next, Timestamp::min);
        let demand = self.scenario.traffic.mean(now, next);
        serve(&mut self.tiers, &self.plant, demand, (now, next));
        for tier in &mut self.tiers {
            if let Some((service, monitor)) = &mut tier.service {
                monitor.see(next, service);
            }
        }
        next
    }

    /// When a step ends that begins `now`, at the latest: after a second, or when the demand changes that is served as it
    /// comes.
    fn step(&self, now: Timestamp) -> Option<Timestamp> {
        if let [Tier { service: Some((service, _)), id, .. }] = self.tiers.as_slice() {
            let ready = f64::from(self.plant.ready(*id).get());
            let (demand, holds_until) = self.scenario.traffic.holds(now);
            if service.is_calm(demand, ready) {
                return Some(holds_until);
            }
        }
        later(now, STEP)
    }

    /// Whether queries have no answer at `at`.
    #[inline]
    #[must_use]
    pub fn is_out(&self, at: Timestamp) -> bool {
        self.scenario.outages.iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// What a query for a quantity of a tier says at `at`, which is accounted for; `None` when it has no result.
    #[inline]
    #[must_use]
    pub fn read(&self, tier: usize, quantity: Quantity, at: Timestamp) -> Option<f64> {
        let Tier { scenario, service, .. } = &self.tiers[tier];
        if let Some((_, monitor)) = service {
            return monitor.read(quantity, &scenario.traffic, at);
        }
        let traffic = &scenario.traffic;
        let range = scenario.plant.measurement.range(at.as_millisecond())?;
        let last =
            if range.last == self.known.0 { self.known.1 } else { traffic.requests_before(range.last) };
        Some(range.rate(last - traffic.requests_before(range.first)))
    }
}

/// Has the first of these tiers serve `demand` requests per second for a step, and those behind it what it makes of
/// them. Says what came of it.
fn serve(tiers: &mut [Tier<'_>], plant: &Plant, demand: f64, step: (Timestamp, Timestamp)) -> Behind {
    let Some((Tier { service: Some((service, _)), books, id, .. }, rest)) = tiers.split_first_mut() else {
        return Behind::default();
    };
    let ready = f64::from(plant.ready(*id).get());
    let served = service.step(demand, step, ready, |rate| {
        let calls = rest.first().map_or(0.0, |tier| tier.calls);
        serve(rest, plant, rate * calls, step).called(calls)
    });
    books.add(served);
    service.seen()
}
