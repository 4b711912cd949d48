//! The books of a workload: a row a tick, and every change.

use jiff::Timestamp;

use super::chooser::Choice;
use super::plant::{Plant, WorkloadId};
use super::scores::{Scores, Tally};
use super::service::{Served, Service};
use super::{Change, Places, Row, Run, Scenario, count};
use crate::decision::{DesiredReason, Replicas};

/// What happened to a workload.
#[derive(Debug)]
pub(super) struct Books<'a> {
    scenario: &'a Scenario,
    is_first: bool,
    pub(super) rows: Vec<Row>,
    changes: Vec<Change>,
    /// When the last row was opened, in milliseconds since the Unix epoch, and the requests before it.
    opened: (i64, f64),
    /// Whether rows are counted as soon as they are over, and not kept.
    counted: Option<Tally>,
}

impl<'a> Books<'a> {
    /// Of the tier that the traffic comes to, or of one behind.
    pub(super) fn new(scenario: &'a Scenario, is_first: bool) -> Self {
        Self { scenario, is_first, rows: Vec::new(), changes: Vec::new(), opened: (0, 0.0), counted: None }
    }

    /// Has rows counted, of which there will be so many, and not kept.
    pub(super) fn count(&mut self, rows: usize) {
        self.counted = Some(Tally::new(self.scenario, rows));
    }

    /// Makes room for so many rows.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.rows.reserve(rows);
    }

    /// Adds to the open row what was served.
    #[inline]
    pub(super) fn add(&mut self, served: Served) {
        if let Some(row) = self.rows.last_mut() {
            row.requests += served.requests;
            row.retried += served.retried;
            row.dropped += served.dropped;
            row.late += served.late;
        }
    }

    /// Notes a change of the replicas.
    pub(super) fn change(
        &mut self,
        at: Timestamp,
        (from, to): (Replicas, Replicas),
        reason: DesiredReason,
        explain: impl FnOnce() -> String,
    ) {
        let message = if self.counted.is_some() { String::new() } else { explain() };
        self.changes.push(Change { at, from: count(from), to: count(to), reason, message });
    }

    /// Opens the row of a tick.
    pub(super) fn open(
        &mut self,
        at: Timestamp,
        measured: Option<f64>,
        choice: &Choice,
        (plant, id): (&Plant, WorkloadId),
        service: Option<&Service>,
    ) {
        let ready = count(plant.ready(id));
        self.rows.push(Row {
            at,
            qps: 0.0,
            measured,
            floor: count(choice.floor),
            ceiling: count(choice.ceiling),
            recommendation: choice.recommendation.map(count),
            level: choice.level.map(count),
            desired: count(choice.desired),
            replicas: count(plant.wanted(id)),
            ready,
            capacity: match service {
                Some(service) => service.capacity(f64::from(ready)),
                None => f64::from(ready) * self.scenario.plant.capacity_per_replica,
            },
            requests: 0.0,
            dropped: 0.0,
            retried: 0.0,
            late: 0.0,
            service: service.map(|service| service.standing),
            places: self.scenario.cluster.is_bounded().then(|| Places {
                waiting: count(plant.without_place(id)),
                // All tiers are on them; they are in the books once.
                nodes: plant.nodes().filter(|_| self.is_first),
            }),
            reason: choice.reason,
        });
    }

    /// Gives the last row its mean demand, and begins a stretch of time at `at`. `now` is that in milliseconds, and
    /// the requests before it, for the tier that the traffic comes to.
    #[inline]
    pub(super) fn close(&mut self, at: Timestamp, now: Option<(i64, f64)>) {
        if let Some(row) = self.rows.last_mut() {
            row.qps = match now {
                Some(now) => self.scenario.traffic.mean_of(self.opened, now),
                None => row.requests / at.duration_since(row.at).as_secs_f64().max(1e-9),
            };
            if let Some(tally) = &mut self.counted {
                tally.add(row);
                self.rows.clear();
            }
        }
        if let Some(now) = now {
            self.opened = now;
        }
    }

    /// The scores of what is closed.
    pub(super) fn scores(&mut self) -> Scores {
        let tally = self.counted.take().unwrap_or_else(|| Tally::new(self.scenario, self.rows.len()));
        let tally = self.rows.iter().fold(tally, |mut tally, row| {
            tally.add(row);
            tally
        });
        tally.scores(&self.changes)
    }

    /// All of it, scored.
    pub(super) fn run(mut self) -> Run {
        let scores = self.scores();
        let Self { scenario, rows, changes, .. } = self;
        Run {
            name: scenario.name.clone(),
            from: scenario.from,
            interval: scenario.interval,
            rows,
            changes,
            scores,
            policy_text: scenario.policy_text.clone(),
            behind: Vec::new(),
        }
    }
}
