//! Who else scales the same workload: a HorizontalPodAutoscaler, a ScaledObject of KEDA, or an older policy.
//!
//! Two that write one number undo each other's work for ever, so only one of them may. A policy gives way and
//! says to whom; it takes over by itself when the rival is gone. A policy that only tries (`DryRun`) is
//! nobody's rival.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Resource;
use kube::runtime::watcher;

pub(super) use self::autoscalers::follow;
use self::autoscalers::{Autoscalers, Concerned, Kind, Scaler};
use self::claims::{Age, Claim, Claims};
use super::Key;
use super::policies::{Listed, WatchedPolicy};
use crate::api::{Mode, ScalePolicySpec, ScaleTargetRef};

mod autoscalers;
mod claims;

/// A workload, whatever version its group has: namespace, group, kind and name, of which none can have a slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Goal(Arc<str>);

impl Goal {
    fn new(namespace: &str, api_version: &str, kind: &str, name: &str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self::of_group(namespace, group, kind, name)
    }

    fn of_group(namespace: &str, group: &str, kind: &str, name: &str) -> Self {
        Self(format!("{namespace}/{group}/{kind}/{name}").into())
    }

    fn of_policy(namespace: &str, target: &ScaleTargetRef) -> Self {
        Self::new(namespace, &target.api_version, &target.kind, &target.name)
    }
}

/// Somebody else who scales the same workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rival {
    kind: &'static str,
    name: String,
}

/// Where a policy stands among those who scale its workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody can say yet.
    #[default]
    Unknown,
    /// It may write.
    First,
    /// It has to give way.
    Behind(Rival),
}

/// How an older policy is spoken of.
const OLDER_POLICY: &str = "older ScalePolicy";

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.kind, self.name)
    }
}

/// All who scale, by workload.
#[derive(Debug, Default)]
pub(super) struct Rivals(Mutex<Field>);

#[derive(Debug, Default)]
struct Field {
    scaled_objects: Autoscalers,
    autoscalers: Autoscalers,
    claims: Claims,
}

impl Rivals {
    /// Takes notice of a policy, and gives the others that it concerns, of those that are looked after here:
    /// whether this one is says `own`.
    pub(super) fn claim(&self, policy: &WatchedPolicy, own: bool) -> Vec<Key> {
        let key = Key::of_parts(policy.meta());
        // A policy that this version can't parse writes nothing.
        let claim = policy.spec().map(|spec| Claim {
            goal: Goal::of_policy(key.namespace(), &spec.scale_target_ref),
            age: Age::of(policy.meta()),
            acts: spec.mode != Mode::DryRun,
            own,
        });
        self.field().claims.replace(&key, claim)
    }

    /// The policies of a workload that are looked after here.
    pub(super) fn claimants(&self, workload: &Key, group: &str, kind: &str) -> Vec<Key> {
        let goal = Goal::of_group(workload.namespace(), group, kind, workload.name());
        self.field().claims.of(&goal)
    }

    /// Whether there are any.
    pub(super) fn is_claimed(&self, workload: &Key, group: &str, kind: &str) -> bool {
        self.count(workload, group, kind) > 0
    }

    /// Whether there are several.
    pub(super) fn is_shared(&self, workload: &Key, group: &str, kind: &str) -> bool {
        self.count(workload, group, kind) > 1
    }

    fn count(&self, workload: &Key, group: &str, kind: &str) -> usize {
        let goal = Goal::of_group(workload.namespace(), group, kind, workload.name());
        self.field().claims.count(&goal)
    }

    /// Forgets a policy, and gives the others that it concerns.
    pub(super) fn forget(&self, key: &Key) -> Vec<Key> {
        self.field().claims.replace(key, None)
    }

    /// Forgets the policies that are not in a list of all, and gives the others that this concerns.
    pub(super) fn forget_all_but(&self, listed: &BTreeSet<Key>) -> Vec<Key> {
        self.field().claims.forget_all_but(listed)
    }

    /// Who has precedence over a policy.
    pub(super) fn of(&self, policy: &Listed, spec: &ScalePolicySpec) -> Standing {
        let field = self.field();
        let goal = Goal::of_policy(policy.key.namespace(), &spec.scale_target_ref);
        for kind in Kind::ALL {
            let autoscalers = field.autoscalers(kind);
            if !autoscalers.is_answered() {
                return Standing::Unknown;
            }
            if let Some(scaler) = autoscalers.first(&goal) {
                return Standing::Behind(Rival { kind: kind.as_str(), name: scaler.name().to_owned() });
            }
        }
        match field.claims.oldest_before(policy, &goal) {
            None => Standing::First,
            Some(key) => Standing::Behind(Rival { kind: OLDER_POLICY, name: key.name().to_owned() }),
        }
    }

    /// Takes what a watch says, and gives the policies that it concerns.
    fn take(&self, kind: Kind, event: watcher::Event<Scaler>) -> Vec<Key> {
        let mut field = self.field();
        let concerned = field.autoscalers_mut(kind).take(event);
        field.policies(concerned)
    }

    /// Goes on without an answer, since none is to be had now. Gives the policies that waited for it.
    fn give_up(&self, kind: Kind) -> Vec<Key> {
        let mut field = self.field();
        let concerned = field.autoscalers_mut(kind).give_up();
        field.policies(concerned)
    }

    fn field(&self) -> MutexGuard<'_, Field> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Field {
    fn autoscalers(&self, kind: Kind) -> &Autoscalers {
        match kind {
            Kind::ScaledObject => &self.scaled_objects,
            Kind::HorizontalPodAutoscaler => &self.autoscalers,
        }
    }

    fn autoscalers_mut(&mut self, kind: Kind) -> &mut Autoscalers {
        match kind {
            Kind::ScaledObject => &mut self.scaled_objects,
            Kind::HorizontalPodAutoscaler => &mut self.autoscalers,
        }
    }

    /// Those that are concerned, of the policies that are looked after here.
    fn policies(&self, concerned: Concerned) -> Vec<Key> {
        match concerned {
            Concerned::All => self.claims.all(),
            Concerned::Of(goals) => goals.iter().flat_map(|goal| self.claims.of(goal)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
