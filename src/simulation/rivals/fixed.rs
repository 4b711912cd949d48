//! A number of replicas that nobody ever changes.

use crate::decision::{DesiredReason, Observation, Replicas};
use crate::simulation::chooser::{Choice, Chooser, Due};

/// Always that many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed(pub(super) Replicas);

impl Chooser for Fixed {
    fn metrics(&self) -> usize {
        0
    }

    fn due(&self) -> Option<Due> {
        None
    }

    fn choose(&mut self, _: &Observation) -> Choice {
        Choice {
            desired: self.0,
            writes: true,
            floor: self.0,
            ceiling: self.0,
            recommendation: None,
            level: None,
            reason: DesiredReason::Pinned,
        }
    }

    fn explain(&self) -> String {
        format!("always {}", self.0)
    }
}
