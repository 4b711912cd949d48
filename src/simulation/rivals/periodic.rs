//! Rivals that look at the world in a period of their own, at its multiples since the Unix epoch.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::decision::{DesiredReason, Observation, Replicas, Samples};
use crate::simulation::chooser::{Choice, Chooser, Due};
use crate::simulation::monitor::Quantity;
use crate::simulation::{Quantities, first_tick};

/// Something that looks at a workload now and then.
pub(in crate::simulation) trait Periodic {
    /// The time between two looks.
    const PERIOD: Duration;

    /// The least and the most replicas that it may choose.
    fn bounds(&self) -> (Replicas, Replicas);

    /// How many readings it wants to see.
    fn metrics(&self) -> usize;

    /// Looks and chooses.
    fn look(&mut self, observation: &Observation) -> Choice;

    /// Why it chose what it did, as a sentence.
    fn explain(&self) -> String;
}

/// Such a one, asked when its time has come.
#[derive(Debug)]
pub(in crate::simulation) struct Clocked<P> {
    inner: P,
    quantities: Quantities,
    next: Timestamp,
    last: Option<Choice>,
}

impl<P: Periodic> Clocked<P> {
    /// Begins at `from`; its readings are these quantities.
    pub(in crate::simulation) fn new(inner: P, from: Timestamp, quantities: Vec<Quantity>) -> Self {
        let quantities = Quantities { metrics: quantities, guards: Vec::new() };
        Self { inner, quantities, next: first_tick(from, P::PERIOD), last: None }
    }

    pub(in crate::simulation) fn inner(&self) -> &P {
        &self.inner
    }

    pub(in crate::simulation) fn inner_mut(&mut self) -> &mut P {
        &mut self.inner
    }
}

impl<P: Periodic> Chooser for Clocked<P> {
    fn metrics(&self) -> usize {
        self.inner.metrics()
    }

    fn quantities(&self) -> Option<&Quantities> {
        Some(&self.quantities)
    }

    fn due(&self) -> Option<Due> {
        Some(Due { at: self.next, reads_metrics: true })
    }

    fn choose(&mut self, observation: &Observation) -> Choice {
        let is_readable = self.inner.metrics() == 0 || observation.samples != Samples::NotDue;
        if observation.at >= self.next && is_readable {
            let after = observation.at.saturating_add(SignedDuration::from_nanos(1));
            self.next = first_tick(after.unwrap_or(Timestamp::MAX), P::PERIOD);
            self.last = Some(self.inner.look(observation));
        }
        let (floor, ceiling) = self.inner.bounds();
        // Until it has looked, it leaves things as they are.
        self.last.unwrap_or(Choice {
            desired: observation.replicas,
            writes: false,
            floor,
            ceiling,
            recommendation: None,
            level: None,
            reason: DesiredReason::Load,
        })
    }

    fn explain(&self) -> String {
        self.inner.explain()
    }
}
