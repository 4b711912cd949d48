//! The policies as they were last seen in the cluster, and of each no more than is needed.
//!
//! A status is needed once, when a policy is looked at for the first time: from then on what the operator remembers
//! is ahead of it. So it is kept only of policies that are yet to be looked at, and while somebody else leads.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Resource};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::reconcile::Context;
use super::{Key, Shard, metadata, status, watching};
use crate::api::{OVERRIDE_ANNOTATION, ScalePolicy, ScalePolicySpec, ScalePolicyStatus};
use crate::policy::is_target;

/// The waits between two tries to read the policies: the first, and the longest. Until then nothing is written.
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// A policy as it is watched. One whose spec this version can't parse must not stop the others.
#[derive(Clone, Debug)]
pub(super) struct WatchedPolicy {
    metadata: ObjectMeta,
    spec: Result<Box<ScalePolicySpec>, String>,
    status: Value,
}

/// What is kept of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub(super) key: Key,
    pub(super) uid: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) created: Option<Timestamp>,
    /// What the annotation for an override says.
    pub(super) annotation: Option<String>,
    /// The spec, or why it can't be parsed.
    pub(super) spec: Result<Box<ScalePolicySpec>, String>,
}

/// All policies that this operator looks after.
#[derive(Debug, Default)]
pub(super) struct Policies(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    listed: BTreeMap<Key, Entry>,
    /// A list that is under way.
    listing: BTreeMap<Key, Entry>,
    /// Whether the watch tells what becomes of them.
    is_current: bool,
}

#[derive(Debug)]
struct Entry {
    listed: Arc<Listed>,
    /// The status, unless the operator knows better.
    status: Option<Box<ScalePolicyStatus>>,
    /// The term of leadership in which it was taken last.
    taken: Option<u64>,
}

/// What the watch brings for the operator to do.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// All policies are known.
    Complete,
    /// A policy is new, or its spec or annotation has changed.
    Changed(Key),
    /// A policy is gone.
    Gone(Key),
}

#[cfg(test)]
impl From<WatchedPolicy> for Listed {
    fn from(watched: WatchedPolicy) -> Self {
        Self::of(watched).0
    }
}

impl Listed {
    /// Splits a policy into what is kept and its status.
    fn of(watched: WatchedPolicy) -> (Self, Value) {
        let WatchedPolicy { metadata, spec, status } = watched;
        let key = Key::of_parts(&metadata);
        let annotation = metadata.annotations.and_then(|mut all| all.remove(OVERRIDE_ANNOTATION));
        let created = metadata.creation_timestamp.map(|created| created.0);
        let ObjectMeta { uid, generation, .. } = metadata;
        (Self { key, uid, generation, created, annotation, spec }, status)
    }

    /// Whether there is something to do that was not to be done for `other`.
    fn differs(&self, other: &Self) -> bool {
        // Whatever else changes in a spec changes the generation.
        self.uid != other.uid
            || self.generation != other.generation
            || self.annotation != other.annotation
            || self.spec.as_ref().err() != other.spec.as_ref().err()
    }
}

impl Policies {
    /// Whether they are as they are known: not from when their watch fails until they are listed again. Somebody may have
    /// changed one meanwhile.
    pub(super) fn are_current(&self) -> bool {
        self.records().is_current
    }

    /// Notes whether they are, and gives whether they were.
    fn set_current(&self, is_current: bool) -> bool {
        std::mem::replace(&mut self.records().is_current, is_current)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.records().listed.len()
    }

    /// A policy as it was last seen.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Listed>> {
        self.records().listed.get(key).map(|entry| Arc::clone(&entry.listed))
    }

    /// The status that a policy has, for who looks at it for the first time in a term of leadership; `None` when none
    /// was seen since it was last taken.
    pub(super) fn take_status(&self, key: &Key, term: u64) -> Option<Box<ScalePolicyStatus>> {
        let mut records = self.records();
        let entry = records.listed.get_mut(key)?;
        entry.taken = Some(term);
        entry.status.take()
    }

    /// Takes what the watch says. `term` is that of the leadership while there is one.
    fn take(&self, event: watcher::Event<WatchedPolicy>, term: Option<u64>) -> Vec<News> {
        let mut records = self.records();
        match event {
            watcher::Event::Init => records.listing.clear(),
            watcher::Event::InitApply(watched) => {
                let entry = records.entry(watched, term);
                records.listing.insert(entry.listed.key.clone(), entry);
            }
            watcher::Event::InitDone => {
                let listing = std::mem::take(&mut records.listing);
                let before = std::mem::replace(&mut records.listed, listing);
                let gone = before.keys().filter(|key| !records.listed.contains_key(*key));
                let mut news = vec![News::Complete];
                news.extend(gone.cloned().map(News::Gone));
                let is_new = |entry: &&Entry| {
                    let old = before.get(&entry.listed.key);
                    old.is_none_or(|old| entry.listed.differs(&old.listed))
                };
                let changed = records.listed.values().filter(is_new);
                news.extend(changed.map(|entry| News::Changed(entry.listed.key.clone())));
                return news;
            }
            watcher::Event::Apply(watched) => {
                let entry = records.entry(watched, term);
                let (key, listed) = (entry.listed.key.clone(), Arc::clone(&entry.listed));
                let old = records.listed.insert(key.clone(), entry);
                if old.is_none_or(|old| listed.differs(&old.listed)) {
                    return vec![News::Changed(key)];
                }
            }
            watcher::Event::Delete(watched) => {
                let key = Key::of_parts(&watched.metadata);
                if records.listed.remove(&key).is_some() {
                    return vec![News::Gone(key)];
                }
            }
        }
        Vec::new()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    /// A policy as it is kept now.
    fn entry(&self, watched: WatchedPolicy, term: Option<u64>) -> Entry {
        let (listed, status) = Listed::of(watched);
        let old = self.listed.get(&listed.key).filter(|old| old.listed.uid == listed.uid);
        let taken = old.and_then(|old| old.taken);
        // Whoever looks after it in this term has written this, or something later.
        let is_known = taken.is_some() && taken == term;
        let status = (!is_known && !status.is_null()).then(|| Box::new(status::understood(status)));
        // A status that has changed is no reason to keep the rest twice.
        let listed = match old {
            Some(old) if *old.listed == listed => Arc::clone(&old.listed),
            Some(_) | None => Arc::new(listed),
        };
        Entry { listed, status, taken }
    }
}

/// Watches the policies. Never ends.
pub(super) async fn follow(
    api: Api<WatchedPolicy>,
    shard: Option<Shard>,
    news: UnboundedSender<News>,
    context: Arc<Context>,
) {
    let (mut told_missing, mut listed) = (false, BTreeSet::new());
    let rivals = &context.rivals;
    let begin = || watcher(api.clone(), watching::config());
    let [first, longest] = WAITS;
    watching::follow(begin, context.pace().urgent(first, longest), |event| {
        let event = match event {
            // Somebody has deleted it, and somebody else keeps it for a while: it counts no more.
            Ok(watcher::Event::InitApply(policy)) if policy.is_going() => return,
            Ok(watcher::Event::Apply(policy)) if policy.is_going() => watcher::Event::Delete(policy),
            Ok(event) => event,
            Err(failure) => {
                let stay_in_force = failure.definite().is_some_and(|(code, _)| code != 404);
                if context.policies.set_current(stay_in_force) != stay_in_force && stay_in_force {
                    context.resume();
                }
                return report(&failure, &mut told_missing, context.policies.len());
            }
        };
        let is_complete = matches!(event, watcher::Event::InitDone);
        // Of conflicts one has to know about the policies of all shards.
        let is_held = match &event {
            watcher::Event::Init => {
                listed.clear();
                true
            }
            watcher::Event::InitDone => {
                context.wake(rivals.forget_all_but(&std::mem::take(&mut listed)));
                true
            }
            watcher::Event::InitApply(policy) => {
                listed.insert(Key::of_parts(&policy.metadata));
                claimed(policy, shard, &context)
            }
            watcher::Event::Apply(policy) => claimed(policy, shard, &context),
            watcher::Event::Delete(policy) => {
                context.wake(rivals.forget(&Key::of_parts(&policy.metadata)));
                policy.is_held(shard)
            }
        };
        if is_held {
            for told in context.policies.take(event, context.leadership.present_term()) {
                // Without anybody who listens the operator is at its end.
                let _ = news.send(told);
            }
        }
        if is_complete && !context.policies.set_current(true) {
            context.resume();
        }
    })
    .await;
}

/// Takes notice of what a policy wants to scale. Gives whether it is looked after here.
fn claimed(policy: &WatchedPolicy, shard: Option<Shard>, context: &Context) -> bool {
    let own = policy.is_held(shard);
    context.wake(context.rivals.claim(policy, own));
    // What is no target is not asked for: its fields become a path.
    if let Some(spec) = policy.spec().filter(|spec| own && is_target(&spec.scale_target_ref)) {
        context.targets.name(&spec.scale_target_ref);
    }
    own
}

/// Logs an interruption: once, and not at each try. So many policies are known.
fn report(failure: &watching::Failure, told_missing: &mut bool, known: usize) {
    match failure.definite() {
        Some((404, _)) => {
            if !std::mem::replace(told_missing, true) {
                tracing::warn!(
                    "the cluster has no ScalePolicies: apply the definitions (kubectl apply -k crds/); waiting for them"
                );
            }
        }
        Some((_, message)) if failure.is_news && known > 0 => {
            tracing::warn!(error = %message, known, "the policies can't be read; those that are known stay in force");
        }
        Some(_) | None if failure.is_news && known == 0 => {
            tracing::warn!(error = %failure.cause, "the policies can't be watched");
        }
        Some(_) | None if failure.is_news => {
            let error = &failure.cause;
            tracing::warn!(%error, known, "the watch of policies was interrupted; nothing is written until they are read again");
        }
        Some(_) | None => {}
    }
}

impl WatchedPolicy {
    /// Whether it belongs to this shard.
    fn is_held(&self, shard: Option<Shard>) -> bool {
        shard.is_none_or(|shard| shard.holds(self.metadata.uid.as_deref().unwrap_or_default()))
    }

    /// Whether it is deleted, and merely not gone.
    fn is_going(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// The spec, when it can be parsed.
    pub(super) fn spec(&self) -> Option<&ScalePolicySpec> {
        self.spec.as_deref().ok()
    }
}

/// What is read of a policy.
#[derive(Deserialize)]
struct Object {
    #[serde(deserialize_with = "metadata::narrow")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

impl<'de> Deserialize<'de> for WatchedPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object { metadata, spec, status } = Object::deserialize(deserializer)?;
        let spec = serde_json::from_value(spec).map(Box::new).map_err(|error| error.to_string());
        Ok(Self { metadata, spec, status })
    }
}

impl Resource for WatchedPolicy {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        ScalePolicy::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ScalePolicy::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ScalePolicy::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ScalePolicy::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests;
