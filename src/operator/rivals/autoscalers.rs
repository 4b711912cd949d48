//! The autoscalers of the cluster as they are watched: of each no more than which workload it scales.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kube::core::{ApiResource, DeserializeGuard, GroupVersionKind, NotUsed, Object};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use smallvec::SmallVec;

use super::Goal;
use crate::operator::reconcile::Context;
use crate::operator::{Key, watching};

/// What of an autoscaler matters here; the rest is not kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScalerSpec {
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
pub(super) type Scaler = DeserializeGuard<Object<ScalerSpec, NotUsed>>;

/// The kinds of autoscalers that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ScaledObject,
    HorizontalPodAutoscaler,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::ScaledObject, Self::HorizontalPodAutoscaler];

    pub(super) const fn as_str(self) -> &'static str {
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

/// The autoscalers of one kind.
#[derive(Debug, Default)]
pub(super) struct Autoscalers {
    /// Whether there was any answer yet, and be it that they can't be read.
    answered: bool,
    goals: HashMap<Key, Goal>,
    /// In the order of their names.
    scalers: HashMap<Goal, SmallVec<[Key; 1]>>,
    /// A list that is under way.
    listing: HashMap<Key, Goal>,
}

/// Whom something that a watch says concerns.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Concerned {
    /// All policies: they waited for an answer.
    All,
    /// Those of these workloads.
    Of(BTreeSet<Goal>),
}

impl Autoscalers {
    /// Whether it is known who there is, or that it can't be known.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// The first that scales a workload.
    pub(super) fn first(&self, goal: &Goal) -> Option<&Key> {
        self.scalers.get(goal)?.first()
    }

    /// Takes what a watch says.
    pub(super) fn take(&mut self, event: watcher::Event<Scaler>) -> Concerned {
        Concerned::Of(match event {
            watcher::Event::Init => {
                self.listing.clear();
                BTreeSet::new()
            }
            watcher::Event::InitApply(scaler) => {
                self.listing.extend(goal_of(&scaler).map(|goal| (key_of(&scaler), goal)));
                BTreeSet::new()
            }
            watcher::Event::InitDone => {
                let changed = self.relist();
                if !std::mem::replace(&mut self.answered, true) {
                    return Concerned::All;
                }
                changed
            }
            watcher::Event::Apply(scaler) => self.put(key_of(&scaler), goal_of(&scaler)),
            watcher::Event::Delete(scaler) => self.put(key_of(&scaler), None),
        })
    }

    /// Goes on without an answer.
    pub(super) fn give_up(&mut self) -> Concerned {
        let waited = !std::mem::replace(&mut self.answered, true);
        if waited { Concerned::All } else { Concerned::Of(BTreeSet::new()) }
    }

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
pub(in crate::operator) async fn follow(client: Client, namespace: Option<&str>, context: Arc<Context>) {
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
