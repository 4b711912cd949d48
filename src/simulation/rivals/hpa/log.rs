//! How the controller remembers, and how it forgets. Source: `storeScaleEvent`, `stabilizeRecommendation`.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::age;
use crate::decision::{RateEvent, Rules};

/// What happened when. As upstream, something new takes the place of the last one that is old, so that the
/// list grows only as long as nothing in it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log<T> {
    entries: Vec<(Timestamp, T)>,
}

impl<T> Log<T> {
    /// A list of these, in this order.
    #[must_use]
    pub fn of(entries: Vec<(Timestamp, T)>) -> Self {
        Self { entries }
    }

    /// What is in it.
    #[must_use]
    pub fn entries(&self) -> &[(Timestamp, T)] {
        &self.entries
    }

    /// Adds something, in the place of the last one that `is_old`.
    pub fn put(&mut self, at: Timestamp, what: T, is_old: impl Fn(Timestamp) -> bool) {
        match self.entries.iter().rposition(|(then, _)| is_old(*then)) {
            Some(old) => self.entries[old] = (at, what),
            None => self.entries.push((at, what)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Log<i64> {
    /// Adds a change by so many replicas. What is older than all periods of `rules` is old.
    pub fn put_event(&mut self, now: Timestamp, replicas: i64, rules: &Rules) {
        let longest = rules.policies.iter().map(|policy| policy.period).max().unwrap_or_default();
        self.put(now, replicas, |then| age(now, then) > longest);
    }

    /// As rate policies want it: oldest first.
    pub(super) fn events(&self) -> VecDeque<RateEvent> {
        let mut events: Vec<RateEvent> =
            self.entries.iter().map(|&(at, replicas)| RateEvent { at, replicas }).collect();
        events.sort_by_key(|event| event.at);
        events.into()
    }
}
