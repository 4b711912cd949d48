//! One of two kinds of choosers.

use jiff::Timestamp;

use super::{Choice, Chooser, Due};
use crate::decision::{Observation, Replicas, Rest};
use crate::simulation::Quantities;
use crate::simulation::monitor::Quantity;

/// Who chooses for a tier of a scenario whose tiers have not all the same kind of chooser.
#[derive(Debug)]
pub(in crate::simulation) enum Either<A, B> {
    This(A),
    That(B),
}

impl<A: Chooser, B: Chooser> Chooser for Either<A, B> {
    fn metrics(&self) -> usize {
        match self {
            Self::This(chooser) => chooser.metrics(),
            Self::That(chooser) => chooser.metrics(),
        }
    }

    fn quantities(&self) -> Option<&Quantities> {
        match self {
            Self::This(chooser) => chooser.quantities(),
            Self::That(chooser) => chooser.quantities(),
        }
    }

    fn due(&self) -> Option<Due> {
        match self {
            Self::This(chooser) => chooser.due(),
            Self::That(chooser) => chooser.due(),
        }
    }

    fn choose(&mut self, observation: &Observation) -> Choice {
        match self {
            Self::This(chooser) => chooser.choose(observation),
            Self::That(chooser) => chooser.choose(observation),
        }
    }

    fn explain(&self) -> String {
        match self {
            Self::This(chooser) => chooser.explain(),
            Self::That(chooser) => chooser.explain(),
        }
    }

    fn single(&self) -> Option<Quantity> {
        match self {
            Self::This(chooser) => chooser.single(),
            Self::That(chooser) => chooser.single(),
        }
    }

    fn rest(&mut self, at: Timestamp, replicas: Replicas) -> Option<Rest<'_>> {
        match self {
            Self::This(chooser) => chooser.rest(at, replicas),
            Self::That(chooser) => chooser.rest(at, replicas),
        }
    }
}
