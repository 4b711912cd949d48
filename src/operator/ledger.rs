//! What is counted of policies: how many are in which condition, and how old the oldest observation is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Key;
use super::conditions::{self, Aspect};
use crate::api::{Condition, ConditionStatus};

/// A line for each policy that this operator looks after.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<BTreeMap<Key, Line>>);

#[derive(Debug)]
struct Line {
    /// When all that the policy needs to know was last known.
    observed: Timestamp,
    /// In the order of [`Aspect::ALL`]; `None` for a condition that it doesn't have.
    conditions: [Option<ConditionStatus>; Aspect::ALL.len()],
}

/// How many policies have a condition with this status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) aspect: Aspect,
    pub(super) status: ConditionStatus,
    pub(super) policies: usize,
}

impl Ledger {
    /// Notes how a policy stands after it was attended to at `now`. `observed` is whether all that it needs to
    /// know was known then, or `None` when it was not due.
    pub(super) fn note(&self, key: &Key, now: Timestamp, observed: Option<bool>, conditions: &[Condition]) {
        let conditions = std::array::from_fn(|index| {
            conditions::find(conditions, Aspect::ALL[index]).map(|condition| condition.status)
        });
        let mut lines = self.lines();
        let line = lines.entry(key.clone()).or_insert(Line { observed: now, conditions });
        line.conditions = conditions;
        if observed == Some(true) {
            line.observed = now;
        }
    }

    /// Strikes a policy out.
    pub(super) fn forget(&self, key: &Key) {
        self.lines().remove(key);
    }

    /// Strikes all policies out: somebody else looks after them.
    pub(super) fn clear(&self) {
        self.lines().clear();
    }

    /// How many policies have which condition with which status, zeros too.
    pub(super) fn counts(&self) -> Vec<Count> {
        let lines = self.lines();
        let mut counts = Vec::new();
        for (index, aspect) in Aspect::ALL.iter().enumerate() {
            for status in [ConditionStatus::True, ConditionStatus::False, ConditionStatus::Unknown] {
                let policies = lines.values().filter(|line| line.conditions[index] == Some(status)).count();
                counts.push(Count { aspect: *aspect, status, policies });
            }
        }
        counts
    }

    /// How long ago the policy that waits longest was last known in full; zero when there is none.
    pub(super) fn oldest(&self, now: Timestamp) -> SignedDuration {
        let oldest = self.lines().values().map(|line| line.observed).min();
        oldest.map_or(SignedDuration::ZERO, |oldest| now.duration_since(oldest).max(SignedDuration::ZERO))
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<Key, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn ready(status: ConditionStatus) -> Vec<Condition> {
        let condition = Condition {
            r#type: Aspect::Ready.as_str().into(),
            status,
            reason: "AsPlanned".into(),
            message: "".into(),
            last_transition_time: at(0),
            observed_generation: None,
        };
        vec![condition]
    }

    #[test]
    fn policies_are_counted_by_condition_and_the_oldest_observation_is_that_of_the_one_in_trouble() {
        let ledger = Ledger::default();
        let key = |name: &str| Key::new("shop", name);
        assert_eq!(ledger.oldest(at(100)), SignedDuration::ZERO);
        ledger.note(&key("web"), at(0), Some(true), &ready(ConditionStatus::True));
        ledger.note(&key("mail"), at(10), Some(false), &ready(ConditionStatus::True));
        ledger.note(&key("web"), at(15), Some(true), &ready(ConditionStatus::True));
        ledger.note(&key("mail"), at(25), Some(false), &ready(ConditionStatus::False));
        ledger.note(&key("mail"), at(26), None, &ready(ConditionStatus::False));
        assert_eq!(ledger.oldest(at(40)), SignedDuration::from_secs(30), "mail, since it was first seen");
        let counts: Vec<(ConditionStatus, usize)> = ledger
            .counts()
            .into_iter()
            .filter(|count| count.aspect == Aspect::Ready)
            .map(|count| (count.status, count.policies))
            .collect();
        assert_eq!(
            counts,
            [(ConditionStatus::True, 1), (ConditionStatus::False, 1), (ConditionStatus::Unknown, 0)]
        );
        ledger.forget(&key("mail"));
        assert_eq!(ledger.oldest(at(40)), SignedDuration::from_secs(25));
        ledger.clear();
        assert!(ledger.counts().iter().all(|count| count.policies == 0));
    }
}
