//! How far a search is.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::Clock;

/// How far the search is, on a line of stderr that is written over; nothing where nobody watches.
pub(super) struct Progress {
    clock: Clock,
    total: usize,
    done: AtomicUsize,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        let is_shown = std::io::stderr().is_terminal();
        Self { clock: Clock::real(), total, done: AtomicUsize::new(0), is_shown }
    }

    pub(super) fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_shown && done <= self.total {
            let left = u32::try_from(self.total - done).unwrap_or(u32::MAX);
            let each = self.clock.elapsed() / u32::try_from(done).unwrap_or(u32::MAX);
            let left = each.saturating_mul(left).as_secs();
            // Nothing else may fail because nobody reads this.
            let part = 100 * done / self.total;
            let _ = write!(std::io::stderr(), "\r{part} % of the search, {left} s left \x1b[K");
        }
    }

    pub(super) fn finish(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
