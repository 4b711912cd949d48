//! How far a search is.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

use crate::clock::Clock;

/// The length of the bar, in characters.
const WIDTH: usize = 30;

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
        // Whoever counts writes before anybody else does, so that it never goes back.
        let mut terminal = std::io::stderr().lock();
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_shown && done <= self.total {
            // Nothing else may fail because nobody reads this.
            let _ = write!(terminal, "\r{} \x1b[K", line(done, self.total, self.clock.elapsed()));
        }
    }

    pub(super) fn finish(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A bar, and how long the rest takes if it goes on like that.
fn line(done: usize, total: usize, elapsed: Duration) -> String {
    let [full, percent] = [WIDTH, 100].map(|whole| whole * done / total.max(1));
    let left = u32::try_from(total - done).unwrap_or(u32::MAX);
    let each = elapsed / u32::try_from(done).unwrap_or(u32::MAX).max(1);
    let left = i64::try_from(each.saturating_mul(left).as_secs()).unwrap_or(i64::MAX);
    format!(
        "[{:<WIDTH$}] {percent} % of the search, {:#} left",
        "#".repeat(full),
        SignedDuration::from_secs(left)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        for (done, total, seconds, expected) in [
            (1, 3, 60, "[##########                    ] 33 % of the search, 2m left"),
            (2, 3, 5, "[####################          ] 66 % of the search, 2s left"),
            (3, 3, 7, "[##############################] 100 % of the search, 0s left"),
        ] {
            assert_eq!(line(done, total, Duration::from_secs(seconds)), expected);
        }
    }
}
