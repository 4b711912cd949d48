//! The loop: who is asked at which instant, and what is seen there.

use jiff::Timestamp;

use super::chooser::{Choice, Chooser, Due};
use super::monitor::Quantity;
use super::recorder::Recorder;
use super::{Quantities, Scenario, first_tick, later, signed};
use crate::decision::{Milli, MissingCause, Reading, Readings, Replicas, Samples};

/// What is read during an outage.
const UNREACHABLE: Reading = Reading::Missing(MissingCause::Unreachable);

/// Plays a scenario for its choosers.
pub(super) struct Player<'a, C> {
    scenario: &'a Scenario,
    /// One a tier.
    pub(super) choosers: Vec<C>,
    pub(super) recorder: Recorder<'a>,
}

impl<'a, C: Chooser> Player<'a, C> {
    /// Begins.
    pub(super) fn new(
        scenario: &'a Scenario,
        choosing: impl Fn(usize, &'a Scenario) -> (C, Replicas),
    ) -> Self {
        let tiers = scenario.tiers().enumerate();
        let (choosers, initial): (_, Vec<_>) = tiers.map(|(index, (_, tier))| choosing(index, tier)).unzip();
        Self { scenario, choosers, recorder: Recorder::starting_with(scenario, &initial) }
    }

    /// Plays until `end`. What is due for several tiers at once is done from the first one on.
    pub(super) fn play(&mut self, end: Timestamp) {
        let interval = signed(self.scenario.interval);
        for tier in 0..self.choosers.len() {
            self.evaluate(tier, self.scenario.from, false, false);
        }
        let mut tick = first_tick(self.scenario.from, self.scenario.interval);
        while tick < end {
            self.play_edges(|at| at <= tick);
            let coasted = self.coast(tick, end);
            if coasted > tick {
                tick = coasted;
                continue;
            }
            for tier in 0..self.choosers.len() {
                if !self.pass(tier, tick) {
                    self.evaluate(tier, tick, true, true);
                }
            }
            let Some(next) = later(tick, interval) else { break };
            tick = next;
        }
        self.play_edges(|at| at < end);
    }

    /// Plays what is due besides ticks.
    #[inline]
    fn play_edges(&mut self, is_in_time: impl Fn(Timestamp) -> bool) {
        let due = |choosers: &[C]| {
            let due = choosers.iter().enumerate().filter_map(|(tier, chooser)| Some((chooser.due()?, tier)));
            due.min_by_key(|(due, tier)| (due.at, *tier)).filter(|(due, _)| is_in_time(due.at))
        };
        while let Some((Due { at, reads_metrics }, tier)) = due(&self.choosers) {
            self.evaluate(tier, at, reads_metrics, false);
        }
    }

    /// Does a tick at which nothing moves, if it is one.
    #[inline]
    fn pass(&mut self, tier: usize, at: Timestamp) -> bool {
        let chooser = &mut self.choosers[tier];
        let Some(quantity) = chooser.single() else { return false };
        self.recorder.account(at);
        if self.recorder.is_out(at) {
            return false;
        }
        let Some(replicas) = self.recorder.placed(tier) else { return false };
        let Some(measured) = self.recorder.read(tier, quantity, at) else { return false };
        let Ok(load) = Milli::from_f64(measured) else { return false };
        let Some(mut rest) = chooser.rest(at, replicas) else { return false };
        let Some(asked) = rest.pass(at, load) else { return false };
        let choice = Choice::quiet(rest.outcome(asked));
        self.recorder.open(tier, at, Some(measured), &choice);
        true
    }

    /// Does the ticks from `tick` on at which nothing moves, and gives the first one that is left.
    pub(super) fn coast(&mut self, tick: Timestamp, end: Timestamp) -> Timestamp {
        let interval = signed(self.scenario.interval);
        let [chooser] = self.choosers.as_mut_slice() else { return tick };
        let Some(replicas) = self.recorder.placed(0).filter(|_| chooser.single().is_some()) else {
            return tick;
        };
        let until = chooser.due().map_or(end, |due| due.at.min(end));
        let Some(mut rest) = chooser.rest(tick, replicas) else { return tick };
        let until = rest.until().map_or(until, |changes| changes.min(until));
        self.recorder.coast(tick, until, interval, &mut rest)
    }

    fn evaluate(&mut self, tier: usize, at: Timestamp, reads_metrics: bool, tick: bool) {
        self.recorder.account(at);
        let chooser = &mut self.choosers[tier];
        let mut observation = self.recorder.observe(tier, at);
        let mut measured = None;
        let metrics = chooser.metrics();
        if reads_metrics && metrics > 0 {
            let is_out = self.recorder.is_out(at);
            let read = |quantity: &Quantity| {
                if is_out { None } else { self.recorder.read(tier, *quantity, at) }
            };
            let reading = |measured| if is_out { UNREACHABLE } else { reading(measured) };
            match chooser.quantities() {
                None => {
                    measured = read(&Quantity::Qps);
                    let readings = std::iter::repeat_n(reading(measured), metrics);
                    observation.samples = Samples::Read(readings.collect());
                }
                Some(Quantities { metrics, guards }) => {
                    let mut readings = Readings::new();
                    for quantity in metrics {
                        let read = read(quantity);
                        if readings.is_empty() {
                            measured = read;
                        }
                        readings.push(reading(read));
                    }
                    observation.samples = Samples::Read(readings);
                    if !guards.is_empty() {
                        let guards = guards.iter().map(|of| reading(read(of)));
                        observation.guards = Samples::Read(guards.collect());
                    }
                }
            }
        }
        let choice = chooser.choose(&observation);
        self.recorder.note(tier, at, measured, &choice, tick, || chooser.explain());
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
