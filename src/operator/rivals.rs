//! Who else scales the same workload: a HorizontalPodAutoscaler, a ScaledObject of KEDA, or an older policy.
//!
//! Two that write one number undo each other's work for ever, so only one of them may. A policy gives way and
//! says to whom; it takes over by itself when the rival is gone. A policy that only tries (`DryRun`) is
//! nobody's rival.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, DeserializeGuard, GroupVersionKind, NotUsed, Object};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use smallvec::SmallVec;

use super::policies::{Listed, WatchedPolicy};
use super::reconcile::Context;
use super::{Key, watching};
use crate::api::{Mode, ScalePolicySpec, ScaleTargetRef};

/// What of an autoscaler matters here; the rest is not kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScalerSpec {
    scale_target_ref: Reference,
}

/// A workload as autoscalers name it. What KEDA lets out is a Deployment.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    api_version: Option<String>,
    kind: Option<String>,
    name: String,
}

/// An autoscaler as it is watched: one that can't be parsed must not stop the others.
type Scaler = DeserializeGuard<Object<ScalerSpec, NotUsed>>;

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

/// The kinds of autoscalers that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ScaledObject,
    HorizontalPodAutoscaler,
}

impl Kind {
    const ALL: [Self; 2] = [Self::ScaledObject, Self::HorizontalPodAutoscaler];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ScaledObject => "ScaledObject",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
        }
    }

    fn resource(self) -> ApiResource {
        let (group, version, plural) = match self {
            Self::ScaledObject => ("keda.sh", "v1alpha1", "scaledobjects"),
            Self::HorizontalPodAutoscaler => ("autoscaling", "v2", "horizontalpodautoscalers"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.as_str()), plural)
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
    scaled_objects: Watched,
    autoscalers: Watched,
    claims: BTreeMap<Key, Claim>,
    /// Seldom more than one each.
    claimants: BTreeMap<Goal, SmallVec<[Key; 1]>>,
}

/// The autoscalers of one kind.
#[derive(Debug, Default)]
struct Watched {
    /// Whether there was any answer yet, and be it that they can't be read.
    answered: bool,
    goals: HashMap<Key, Goal>,
    /// In the order of their names.
    scalers: HashMap<Goal, SmallVec<[Key; 1]>>,
    /// A list that is under way.
    listing: HashMap<Key, Goal>,
}

/// What a policy wants to scale.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    goal: Goal,
    age: Age,
    /// It writes, or did and will.
    acts: bool,
    /// It is looked after by this operator.
    own: bool,
}

/// Policies in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    created: Option<Timestamp>,
    uid: Option<Arc<str>>,
}

impl Age {
    fn of(metadata: &ObjectMeta) -> Self {
        let created = metadata.creation_timestamp.as_ref().map(|created| created.0);
        Self { created, uid: metadata.uid.as_deref().map(Arc::from) }
    }

    /// Whether it is less than that of a policy.
    fn is_before(&self, policy: &Listed) -> bool {
        (self.created, self.uid.as_deref()) < (policy.created, policy.uid.as_deref())
    }
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
        self.field().replace(&key, claim)
    }

    /// The policies of a workload that are looked after here.
    pub(super) fn claimants(&self, workload: &Key, group: &str, kind: &str) -> Vec<Key> {
        let goal = Goal::of_group(workload.namespace(), group, kind, workload.name());
        let field = self.field();
        field.own(field.claimants.get(&goal).into_iter().flatten())
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
        let field = self.field();
        field.claimants.get(&goal).into_iter().flatten().filter(|key| field.is_own(key)).count()
    }

    /// Forgets a policy, and gives the others that it concerns.
    pub(super) fn forget(&self, key: &Key) -> Vec<Key> {
        self.field().replace(key, None)
    }

    /// Forgets the policies that are not in a list of all, and gives the others that this concerns.
    pub(super) fn forget_all_but(&self, listed: &BTreeSet<Key>) -> Vec<Key> {
        let mut field = self.field();
        let gone: Vec<Key> = field.claims.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        gone.iter().flat_map(|key| field.replace(key, None)).collect()
    }

    /// Who has precedence over a policy.
    pub(super) fn of(&self, policy: &Listed, spec: &ScalePolicySpec) -> Standing {
        let field = self.field();
        let goal = Goal::of_policy(policy.key.namespace(), &spec.scale_target_ref);
        for kind in Kind::ALL {
            let watched = field.watched(kind);
            if !watched.answered {
                return Standing::Unknown;
            }
            if let Some(scaler) = watched.scalers.get(&goal).and_then(|scalers| scalers.first()) {
                return Standing::Behind(Rival { kind: kind.as_str(), name: scaler.name().to_owned() });
            }
        }
        let claims = field.claimants.get(&goal).into_iter().flatten();
        let claims = claims.filter_map(|key| field.claims.get(key).map(|claim| (key, claim)));
        let older = claims.filter(|(_, claim)| claim.acts && claim.age.is_before(policy));
        let oldest = older.min_by_key(|(_, claim)| &claim.age);
        match oldest {
            None => Standing::First,
            Some((key, _)) => Standing::Behind(Rival { kind: OLDER_POLICY, name: key.name().to_owned() }),
        }
    }

    /// Takes what a watch says, and gives the policies that it concerns.
    fn take(&self, kind: Kind, event: watcher::Event<Scaler>) -> Vec<Key> {
        let mut field = self.field();
        let watched = field.watched_mut(kind);
        let changed: BTreeSet<Goal> = match event {
            watcher::Event::Init => {
                watched.listing.clear();
                BTreeSet::new()
            }
            watcher::Event::InitApply(scaler) => {
                watched.listing.extend(goal_of(&scaler).map(|goal| (key_of(&scaler), goal)));
                BTreeSet::new()
            }
            watcher::Event::InitDone => {
                let changed = watched.relist();
                if !std::mem::replace(&mut watched.answered, true) {
                    return field.own(field.claims.keys());
                }
                changed
            }
            watcher::Event::Apply(scaler) => watched.put(key_of(&scaler), goal_of(&scaler)),
            watcher::Event::Delete(scaler) => watched.put(key_of(&scaler), None),
        };
        let concerned = changed.iter().filter_map(|goal| field.claimants.get(goal));
        field.own(concerned.flatten())
    }

    /// Goes on without an answer, since none is to be had now. Gives the policies that waited for it.
    fn give_up(&self, kind: Kind) -> Vec<Key> {
        let mut field = self.field();
        let waited = !std::mem::replace(&mut field.watched_mut(kind).answered, true);
        if waited { field.own(field.claims.keys()) } else { Vec::new() }
    }

    fn field(&self) -> MutexGuard<'_, Field> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Field {
    fn watched(&self, kind: Kind) -> &Watched {
        match kind {
            Kind::ScaledObject => &self.scaled_objects,
            Kind::HorizontalPodAutoscaler => &self.autoscalers,
        }
    }

    fn watched_mut(&mut self, kind: Kind) -> &mut Watched {
        match kind {
            Kind::ScaledObject => &mut self.scaled_objects,
            Kind::HorizontalPodAutoscaler => &mut self.autoscalers,
        }
    }

    /// Those of the policies that are looked after here.
    fn own<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Vec<Key> {
        keys.into_iter().filter(|key| self.is_own(key)).cloned().collect()
    }

    fn is_own(&self, key: &Key) -> bool {
        self.claims.get(key).is_some_and(|claim| claim.own)
    }

    /// Puts a policy's claim in the place of its old one, and gives the other policies of both workloads.
    fn replace(&mut self, key: &Key, claim: Option<Claim>) -> Vec<Key> {
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

impl Watched {
    /// Takes an autoscaler's workload over, or that it has none, and gives the workloads that this changes.
    fn put(&mut self, key: Key, goal: Option<Goal>) -> BTreeSet<Goal> {
        if self.goals.get(&key) == goal.as_ref() {
            return BTreeSet::new();
        }
        let mut changed = BTreeSet::new();
        if let Some(old) = self.goals.remove(&key) {
            if let Some(scalers) = self.scalers.get_mut(&old) {
                scalers.retain(|scaler| *scaler != key);
                if scalers.is_empty() {
                    self.scalers.remove(&old);
                }
            }
            changed.insert(old);
        }
        if let Some(goal) = goal {
            let scalers = self.scalers.entry(goal.clone()).or_default();
            let place = scalers.partition_point(|scaler| *scaler < key);
            scalers.insert(place, key.clone());
            changed.insert(goal.clone());
            self.goals.insert(key, goal);
        }
        changed
    }

    /// Takes a list that is complete in the place of all that was known.
    fn relist(&mut self) -> BTreeSet<Goal> {
        let listed = std::mem::take(&mut self.listing);
        let gone: Vec<Key> = self.goals.keys().filter(|key| !listed.contains_key(*key)).cloned().collect();
        let gone = gone.into_iter().map(|key| (key, None));
        let all = gone.chain(listed.into_iter().map(|(key, goal)| (key, Some(goal))));
        all.collect::<Vec<_>>().into_iter().flat_map(|(key, goal)| self.put(key, goal)).collect()
    }
}

/// Watches the autoscalers of the cluster, or of one namespace, and wakes the policies that they concern.
/// Never ends.
pub(super) async fn follow(client: Client, namespace: Option<&str>, context: Arc<Context>) {
    let [scaled_objects, autoscalers] =
        Kind::ALL.map(|kind| follow_kind(kind, client.clone(), namespace, Arc::clone(&context)));
    tokio::join!(scaled_objects, autoscalers);
}

async fn follow_kind(kind: Kind, client: Client, namespace: Option<&str>, context: Arc<Context>) {
    let resource = kind.resource();
    let api: Api<Scaler> = watching::api(client, namespace, &resource);
    let begin = || watcher(api.clone(), watching::config());
    watching::follow(begin, context.pace(), |event| match event {
        Ok(event) => context.wake(context.rivals.take(kind, event)),
        Err(failure) => {
            let is_absent = failure.definite().is_some_and(|(code, _)| code == 404);
            if !is_absent {
                failure.report(kind.as_str(), "a conflict with one goes unnoticed");
            }
            context.wake(context.rivals.give_up(kind));
            if failure.is_gone() {
                // A kind that is not there has no objects.
                context.wake(context.rivals.take(kind, watcher::Event::Init));
                context.wake(context.rivals.take(kind, watcher::Event::InitDone));
            }
        }
    })
    .await;
}

fn key_of(scaler: &Scaler) -> Key {
    Key::of_parts(scaler.meta())
}

fn goal_of(scaler: &Scaler) -> Option<Goal> {
    let scaler = scaler.0.as_ref().ok()?;
    let namespace = scaler.metadata.namespace.as_deref().unwrap_or_default();
    let Reference { api_version, kind, name } = &scaler.spec.scale_target_ref;
    let text = |text: &Option<String>, usual: &'static str| match text.as_deref() {
        None | Some("") => usual.to_owned(),
        Some(text) => text.to_owned(),
    };
    Some(Goal::new(namespace, &text(api_version, "apps/v1"), &text(kind, "Deployment"), name))
}

#[cfg(test)]
mod tests;
