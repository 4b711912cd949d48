//! The course of a scenario whose operator is a real one: what it decides is carried out in the plant of the
//! simulation, and what it asks of Prometheus is answered from there.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::prometheus::{Asked, Question, Said};
use crate::decision::{Decision, Replicas};
use crate::simulation::monitor::Quantity;
use crate::simulation::{Recorder, Row, Run, Scenario};

/// A scenario on its way.
#[derive(Debug)]
pub struct Course<'a> {
    scenario: &'a Scenario,
    recorder: Recorder<'a>,
    /// Which tier's metric or guard a query is.
    queries: BTreeMap<String, (usize, Quantity)>,
    /// What queries said, by the instants for which they were asked.
    said: BTreeMap<String, BTreeMap<Timestamp, Option<f64>>>,
}

impl<'a> Course<'a> {
    /// Starts at the first instant of a scenario.
    #[must_use]
    pub fn new(scenario: &'a Scenario) -> Self {
        let mut queries = BTreeMap::new();
        for (index, (_, tier)) in scenario.tiers().enumerate() {
            let spec = &tier.resource.spec;
            let of = |name: &str| tier.quantities.get(name).copied().unwrap_or_default();
            let metrics =
                spec.metrics.iter().flatten().map(|metric| (&metric.name, &metric.prometheus.query));
            let guards = spec.guards.iter().flatten().map(|guard| (&guard.name, &guard.prometheus.query));
            queries.extend(metrics.chain(guards).map(|(name, query)| (query.clone(), (index, of(name)))));
        }
        Self { scenario, recorder: Recorder::new(scenario), queries, said: BTreeMap::new() }
    }

    /// The rows of the first tier so far; the last one is still open.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        self.recorder.rows()
    }

    /// Notes what was decided for the policy of this name. `applied` is the number that was written, if any; `tick`
    /// opens a new row.
    pub fn note(
        &mut self,
        name: &str,
        at: Timestamp,
        applied: Option<Replicas>,
        decision: &Decision,
        tick: bool,
    ) {
        let mut tiers = self.scenario.tiers().map(|(_, tier)| tier).enumerate();
        let named = |tier: &Scenario| tier.resource.metadata.name.as_deref() == Some(name);
        let Some((index, tier)) = tiers.find(|(_, tier)| named(tier)) else { return };
        let first = tier.resource.spec.metrics.iter().flatten().next();
        let said = first.filter(|_| tick).and_then(|metric| self.said.get(&metric.prometheus.query));
        let measured = said.and_then(|said| said.get(&at).copied().flatten());
        self.recorder.record(index, at, applied, measured, decision, tick);
    }

    /// Answers a question.
    pub fn answer(&mut self, question: Question) {
        let Question { query, asked, reply } = question;
        let said = match asked {
            _ if self.recorder.is_out(asked.at()) => Said::Away,
            Asked::At(at) => {
                let value = self.value(&query, at);
                self.said.entry(query).or_default().insert(at, value);
                Said::Values(value.map(|value| (at, value)).into_iter().collect())
            }
            Asked::Range { from, until } => {
                let said = self.said.get(&query).into_iter().flat_map(|said| said.range(from..=until));
                Said::Values(said.filter_map(|(at, value)| Some((*at, (*value)?))).collect())
            }
        };
        // Who asked may have gone.
        let _ = reply.send(said);
    }

    fn value(&mut self, query: &str, at: Timestamp) -> Option<f64> {
        let (tier, quantity) = *self.queries.get(query)?;
        self.recorder.account(at);
        self.recorder.read(tier, quantity, at)
    }

    /// Closes the books at `end` and scores them.
    #[must_use]
    pub fn finish(self, end: Timestamp) -> Run {
        self.recorder.finish(end)
    }
}
