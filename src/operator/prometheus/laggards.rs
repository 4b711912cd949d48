//! Queries that a source did not answer in time. Of those there may be many, each of which takes up the source for as long as a
//! query may take: they share a few turns, so that those of other policies are not late for them, and who has waited longest goes
//! first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long it is remembered of a query that nobody asks any more.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);

/// After so long without a turn a query waits half as long for the others to come as after a turn.
const HALF: Duration = Duration::from_secs(60);

/// The queries.
#[derive(Default)]
pub(super) struct Laggards(Mutex<BTreeMap<Arc<str>, Laggard>>);

#[derive(Clone, Copy)]
struct Laggard {
    /// As of when somebody wanted to know it last.
    wanted: Timestamp,
    /// As of when it was sent last.
    sent: Timestamp,
}

impl Laggards {
    /// Notes that a query was sent and not answered in time.
    pub(super) fn note(&self, expression: &str, at: Timestamp) {
        let mut known = self.known();
        known.retain(|_, laggard| at.duration_since(laggard.wanted) <= REMEMBERED);
        known.insert(expression.into(), Laggard { wanted: at, sent: at });
    }

    /// Notes that a query was answered.
    pub(super) fn forget(&self, expression: &str) {
        self.known().remove(expression);
    }

    /// For how long of `most` a query lets those go first that have waited longer; `None` when it is no laggard.
    pub(super) fn delay(&self, expression: &str, at: Timestamp, most: Duration) -> Option<Duration> {
        let mut known = self.known();
        let laggard = known.get_mut(expression)?;
        laggard.wanted = at;
        let waited = Duration::try_from(at.duration_since(laggard.sent)).unwrap_or_default();
        Some(most.mul_f64(HALF.as_secs_f64() / (HALF + waited).as_secs_f64()))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Laggard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
