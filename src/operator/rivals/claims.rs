//! What policies want to scale, and in which order of precedence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use smallvec::SmallVec;

use super::Goal;
use crate::operator::Key;
use crate::operator::policies::Listed;

/// All that policies want to scale.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: BTreeMap<Key, Claim>,
    /// Seldom more than one each.
    claimants: BTreeMap<Goal, SmallVec<[Key; 1]>>,
}

/// What a policy wants to scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) goal: Goal,
    pub(super) age: Age,
    /// It writes, or did and will.
    pub(super) acts: bool,
    /// It is looked after by this operator.
    pub(super) own: bool,
}

/// Policies in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    created: Option<Timestamp>,
    uid: Option<Arc<str>>,
}

impl Age {
    pub(super) fn of(metadata: &ObjectMeta) -> Self {
        let created = metadata.creation_timestamp.as_ref().map(|created| created.0);
        Self { created, uid: metadata.uid.as_deref().map(Arc::from) }
    }

    /// Whether it is less than that of a policy.
    fn is_before(&self, policy: &Listed) -> bool {
        (self.created, self.uid.as_deref()) < (policy.created, policy.uid.as_deref())
    }
}

impl Claims {
    /// All policies that are looked after here.
    pub(super) fn all(&self) -> Vec<Key> {
        self.own(self.claims.keys())
    }

    /// The policies of a workload that are looked after here.
    pub(super) fn of(&self, goal: &Goal) -> Vec<Key> {
        self.own(self.claimants.get(goal).into_iter().flatten())
    }

    /// How many there are.
    pub(super) fn count(&self, goal: &Goal) -> usize {
        self.claimants.get(goal).into_iter().flatten().filter(|key| self.is_own(key)).count()
    }

    /// The oldest policy of a workload that writes and is older than this one, wherever it is looked after.
    pub(super) fn oldest_before(&self, policy: &Listed, goal: &Goal) -> Option<&Key> {
        let claims = self.claimants.get(goal).into_iter().flatten();
        let claims = claims.filter_map(|key| self.claims.get(key).map(|claim| (key, claim)));
        let older = claims.filter(|(_, claim)| claim.acts && claim.age.is_before(policy));
        older.min_by_key(|(_, claim)| &claim.age).map(|(key, _)| key)
    }

    /// Forgets the policies that are not in a list of all, and gives the others that this concerns.
    pub(super) fn forget_all_but(&mut self, listed: &BTreeSet<Key>) -> Vec<Key> {
        let gone: Vec<Key> = self.claims.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        gone.iter().flat_map(|key| self.replace(key, None)).collect()
    }

    /// Those of the policies that are looked after here.
    fn own<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Vec<Key> {
        keys.into_iter().filter(|key| self.is_own(key)).cloned().collect()
    }

    fn is_own(&self, key: &Key) -> bool {
        self.claims.get(key).is_some_and(|claim| claim.own)
    }

    /// Puts a policy's claim in the place of its old one, and gives the other policies of both workloads.
    pub(super) fn replace(&mut self, key: &Key, claim: Option<Claim>) -> Vec<Key> {
        if self.claims.get(key) == claim.as_ref() {
            return Vec::new();
        }
        let mut concerned = BTreeSet::new();
        if let Some(old) = self.claims.remove(key)
            && let Some(claimants) = self.claimants.get_mut(&old.goal)
        {
            claimants.retain(|claimant| claimant != key);
            concerned.extend(claimants.iter().cloned());
            if claimants.is_empty() {
                self.claimants.remove(&old.goal);
            }
        }
        if let Some(claim) = claim {
            let claimants = self.claimants.entry(claim.goal.clone()).or_default();
            concerned.extend(claimants.iter().cloned());
            claimants.push(key.clone());
            self.claims.insert(key.clone(), claim);
        }
        self.own(&concerned)
    }
}
