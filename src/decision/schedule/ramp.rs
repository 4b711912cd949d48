//! Ramps: a straight line between two floors, climbed or descended in whole replicas and whole seconds.
//!
//! With R seconds from end to end, `low` and `high` and Δ = high − low:
//!
//! - **Up**, from R before the entry starts: the line is low + Δ·e/R after e seconds, and the floor is its
//!   value rounded up. So the climb to low + k (k = 1 to Δ) comes where the line leaves low + k − 1, at
//!   ⌊R·(k − 1)/Δ⌋ s, and the whole of `high` is there before the entry starts.
//! - **Down**, from the end of the entry: high − Δ·e/R, rounded up. So the descent to high − k comes where
//!   the line reaches it, at ⌈R·k/Δ⌉ s.

use jiff::{Timestamp, ToSpan};

use super::EntryId;
use crate::decision::Replicas;

/// One ramp. Always longer than nothing and with `low` below `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ramp {
    pub(super) entry: EntryId,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) low: Replicas,
    pub(super) high: Replicas,
    pub(super) up: bool,
}

impl Ramp {
    /// The floor that the ramp asks for at `at`, which lies on it.
    pub(super) fn floor(&self, at: Timestamp) -> Replicas {
        let (elapsed, length, rise) = (self.elapsed(at), self.length(), self.rise());
        let value = if self.up {
            let climbed = ceiling_of((elapsed + 1) * rise, length);
            self.low.wide() + climbed.min(rise)
        } else {
            self.high.wide() - elapsed * rise / length
        };
        Replicas::saturating_from(value.into())
    }

    /// The next instant after `at` at which this ramp may change the floor, where all things together ask
    /// for `floor` at `at`.
    pub(super) fn next_change(&self, at: Timestamp, floor: Replicas) -> Option<Timestamp> {
        let (length, rise) = (self.length(), self.rise());
        let seconds = if self.up {
            if floor >= self.high {
                return None;
            }
            length * (floor.wide() - self.low.wide()).max(0) / rise
        } else {
            if self.floor(at) < floor {
                return None;
            }
            let descended = self.elapsed(at) * rise / length;
            ceiling_of(length * (descended + 1), rise)
        };
        self.from.checked_add(seconds.seconds()).ok().filter(|next| *next > at)
    }

    /// Whole seconds since the ramp began.
    fn elapsed(&self, at: Timestamp) -> i64 {
        at.duration_since(self.from).as_secs().clamp(0, self.length())
    }

    fn length(&self) -> i64 {
        self.to.duration_since(self.from).as_secs().max(1)
    }

    fn rise(&self) -> i64 {
        (self.high.wide() - self.low.wide()).max(1)
    }
}

/// ⌈a / b⌉ for numbers that are not negative.
fn ceiling_of(a: i64, b: i64) -> i64 {
    (a + b - 1) / b
}
