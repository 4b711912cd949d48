//! The books of a workload: a row a tick, and every change.

use jiff::Timestamp;

use super::chooser::Choice;
use super::plant::{Plant, WorkloadId};
use super::scores::{Scores, Tally};
use super::service::{Served, Service};
use super::{Change, Places, Row, Run, Scenario, count, first_tick, signed};
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
    /// What the scores need of the rows that are over.
    tally: Tally,
    /// Whether these are kept.
    keeps: bool,
}

impl<'a> Books<'a> {
    /// Of the tier that the traffic comes to, or of one behind.
    pub(super) fn new(scenario: &'a Scenario, is_first: bool) -> Self {
        let (rows, changes, tally) = (Vec::new(), Vec::new(), Tally::new(scenario));
        Self { scenario, is_first, rows, changes, opened: (0, 0.0), tally, keeps: true }
    }

    /// Has rows counted and not kept.
    pub(super) fn count(&mut self) {
        self.keeps = false;
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
        let message = if self.keeps { explain() } else { String::new() };
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
        self.rows.push(self.row(at, measured, choice, (plant, id), service));
    }

    /// A row of which nothing is known yet but how it begins.
    fn row(
        &self,
        at: Timestamp,
        measured: Option<f64>,
        choice: &Choice,
        (plant, id): (&Plant, WorkloadId),
        service: Option<&Service>,
    ) -> Row {
        let ready = count(plant.ready(id));
        Row {
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
        }
    }

    /// Begins a stretch of ticks at which nothing moves, all of whose rows are alike but for what comes in and what is
    /// measured.
    pub(super) fn stretch(&mut self, choice: &Choice, (plant, id): (&Plant, WorkloadId)) -> Stretch<'_, 'a> {
        let alike = self.row(Timestamp::UNIX_EPOCH, None, choice, (plant, id), None);
        Stretch { books: self, alike, is_alike: false }
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
            self.tally.add(row);
            if !self.keeps {
                self.rows.clear();
            }
        }
        if let Some(now) = now {
            self.opened = now;
        }
    }

    /// Closes the last row at the scenario's end, which may come before the next tick would.
    pub(super) fn end(&mut self, at: Timestamp, now: Option<(i64, f64)>) {
        let last = self.rows.last().copied();
        self.close(at, now);
        let Some(row) = last else { return };
        // As paid for, the time before the first tick is a part of the last row.
        let (from, interval) = (self.scenario.from, self.scenario.interval);
        let before = first_tick(from, interval).duration_since(from);
        let lasts = at.duration_since(row.at).saturating_add(before);
        self.tally.shorten(&row, signed(interval).saturating_sub(lasts));
    }

    /// The scores of what is closed.
    pub(super) fn scores(&self) -> Scores {
        self.tally.scores(&self.changes)
    }

    /// All of it, scored.
    pub(super) fn run(self) -> Run {
        let scores = self.scores();
        let Self { scenario, rows, changes, .. } = self;
        Run {
            name: scenario.name.clone(),
            from: scenario.from,
            interval: scenario.interval,
            rows,
            changes,
            scores,
            policy_text: match scenario.scheduled() {
                None => scenario.policy_text.clone(),
                Some(autoscaler) => format!("{}\n---\n{}", scenario.policy_text.trim_end(), autoscaler.text),
            },
            behind: Vec::new(),
        }
    }
}

/// A stretch of ticks at which nothing moves.
#[derive(Debug)]
pub(super) struct Stretch<'b, 'a> {
    books: &'b mut Books<'a>,
    alike: Row,
    /// Whether the open row is of this stretch.
    is_alike: bool,
}

impl Stretch<'_, '_> {
    /// What the ready replicas can carry, in requests per second.
    pub(super) fn capacity(&self) -> f64 {
        self.alike.capacity
    }

    /// Closes the row of the tick before, all of whose time is in `served`, and opens the next one.
    #[inline]
    pub(super) fn turn(
        &mut self,
        (qps, served): (f64, Served),
        at: Timestamp,
        measured: f64,
        asked: Replicas,
    ) {
        let Self { books: Books { rows, tally, keeps, .. }, alike, is_alike } = self;
        let Some(row) = rows.last_mut() else { return };
        (row.qps, row.requests, row.dropped) = (qps, served.requests, served.dropped);
        tally.add(row);
        let (measured, recommendation) = (Some(measured), Some(count(asked)));
        if *keeps {
            rows.push(Row { at, measured, recommendation, ..*alike });
        } else if *is_alike {
            // What is served until the next tick is not known yet, and nobody looks at it before that.
            (row.at, row.measured, row.recommendation) = (at, measured, recommendation);
        } else {
            *row = Row { at, measured, recommendation, ..*alike };
            *is_alike = true;
        }
    }

    /// Ends it; the last row was opened at this instant, in milliseconds, before which there were so many requests.
    pub(super) fn end(self, opened: (i64, f64)) {
        self.books.opened = opened;
        if let Some(row) = self.books.rows.last_mut().filter(|_| self.is_alike) {
            (row.qps, row.requests, row.dropped) = (0.0, 0.0, 0.0);
        }
    }
}
