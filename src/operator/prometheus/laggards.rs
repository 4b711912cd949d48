//! Queries that a source did not answer in time. Of those there may be many, each of which takes up the source for as long as a
//! query may take: they share a few turns, so that those of other policies are not late for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long it is remembered of a query that nobody asks any more.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);

/// The queries, and as of when each was asked last.
#[derive(Default)]
pub(super) struct Laggards(Mutex<BTreeMap<Arc<str>, Timestamp>>);

impl Laggards {
    /// Notes that a query was not answered in time.
    pub(super) fn note(&self, expression: &str, at: Timestamp) {
        let mut known = self.known();
        known.retain(|_, last| at.duration_since(*last) <= REMEMBERED);
        known.insert(expression.into(), at);
    }

    /// Notes that a query was answered.
    pub(super) fn forget(&self, expression: &str) {
        self.known().remove(expression);
    }

    pub(super) fn contains(&self, expression: &str) -> bool {
        self.known().contains_key(expression)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
