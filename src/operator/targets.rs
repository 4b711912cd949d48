//! Which workloads have changed since they were read, so that none is read for nothing.
//!
//! Each kind that policies scale, whatever it is, is watched, and of each object that a policy names the resource
//! version is kept. A workload whose version is the one that was read last is as it was, and is not read again; one
//! that has changed is read by a GET, which (unlike a watch) is never behind. Where a kind can't be watched each
//! evaluation reads.
//!
//! The watch also says what of an object it can, and that is kept until somebody looks: so an operator which starts
//! before ten thousand workloads does not read each of them, nor one of which the status alone has moved.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, Semaphore};

use self::kept::{Kind, Known};
pub(super) use self::workload::{Outline, Told, is_known};
use self::workload::{Spec, Telling, Workload};
use super::reconcile::Context;
use super::{Key, Sighted, watching};
use crate::api::ScaleTargetRef;

mod kept;
mod workload;

/// How many kinds are sought at a time.
const MOST_SEARCHES: usize = 8;

/// How long a first look waits for the first list of a kind.
const FIRST_LIST: Duration = Duration::from_secs(5);

/// What is known of a workload without asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: nobody has read it since a policy named it, or its kind can't be watched.
    Unknown,
    /// It is not there.
    Absent,
    /// Its resource version.
    Version(String),
}

/// The workloads that policies name.
pub(super) struct Targets {
    kinds: Mutex<BTreeMap<ApiKind, Kind>>,
    /// The kinds that policies name.
    named: Mutex<BTreeSet<ApiKind>>,
    wanted: UnboundedSender<Sought>,
    sighted: Option<Sighted>,
    /// Told when the first list of a kind is there, or won't come.
    settled: Notify,
    /// What the search for a kind waits for: anybody may name any number of them.
    searches: Semaphore,
}

/// API version and kind.
type ApiKind = (String, String);

fn api_kind(resource: &ApiResource) -> ApiKind {
    (resource.api_version.clone(), resource.kind.clone())
}

fn named_kind(target: &ScaleTargetRef) -> ApiKind {
    (target.api_version.clone(), target.kind.clone())
}

/// The kinds that are to be watched.
pub(super) type Wanted = UnboundedReceiver<Sought>;

/// A kind that is to be watched.
#[derive(Debug)]
pub(super) enum Sought {
    Found(ApiResource),
    /// One that a policy names.
    Named(ScaleTargetRef),
}

impl Targets {
    /// Knows nothing yet; what is wanted has to be given to [`follow`].
    pub(super) fn new(sighted: Option<Sighted>) -> (Self, Wanted) {
        let (wanted, receiver) = unbounded_channel();
        (
            Self {
                kinds: Mutex::default(),
                named: Mutex::default(),
                wanted,
                sighted,
                settled: Notify::new(),
                searches: Semaphore::new(MOST_SEARCHES),
            },
            receiver,
        )
    }

    /// Takes notice of a kind that a policy names, so that what is known of its objects is as fresh as the policy, whoever leads.
    pub(super) fn name(&self, target: &ScaleTargetRef) {
        if self.named().insert(named_kind(target)) {
            let _ = self.wanted.send(Sought::Named(target.clone()));
        }
    }

    /// Notes that a kind that policies name was not found: who names it next has it sought anew.
    fn forget_name(&self, target: &ScaleTargetRef) {
        self.named().remove(&named_kind(target));
    }

    /// Begins to watch a kind, unless that has begun.
    fn begin(&self, resource: &ApiResource) {
        if let Entry::Vacant(kind) = self.kinds().entry(api_kind(resource)) {
            kind.insert(Kind::default());
            // Without anybody who watches, everything stays unknown.
            let _ = self.wanted.send(Sought::Found(resource.clone()));
        }
    }

    /// Forgets a kind that is not there any more, so that the next question begins a watch.
    fn forget(&self, kind: &ApiKind) {
        self.settle(kind);
        self.kinds().remove(kind);
    }

    /// What is known of an object. The first question about a kind begins its watch.
    pub(super) fn standing(&self, resource: &ApiResource, namespace: &str, name: &str) -> Standing {
        let kinds = self.kinds();
        let Some(kind) = kinds.get(&api_kind(resource)) else {
            drop(kinds);
            self.begin(resource);
            return Standing::Unknown;
        };
        if !kind.is_listed {
            return Standing::Unknown;
        }
        let key = Key::new(namespace, name);
        match kind.objects.get(&key) {
            None => Standing::Unknown,
            Some(Known::Absent) => Standing::Absent,
            Some(Known::There { version, .. }) => Standing::Version(version.clone()),
        }
    }

    /// The same for a first look, which waits for the first list of the kind, for a moment.
    pub(super) async fn first_standing(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Standing {
        let standing = self.standing(resource, namespace, name);
        if standing != Standing::Unknown {
            return standing;
        }
        let kind = api_kind(resource);
        let is_settled = async {
            loop {
                let told = self.settled.notified();
                if self.kinds().get(&kind).is_some_and(|kind| kind.is_settled) {
                    return;
                }
                told.await;
            }
        };
        if tokio::time::timeout(FIRST_LIST, is_settled).await.is_err() {
            self.settle(&kind);
        }
        self.standing(resource, namespace, name)
    }

    /// What the watch says of the present version of an object. Told once, unless others want to hear it, too.
    pub(super) fn tell(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
        is_shared: impl FnOnce() -> bool,
    ) -> Option<Told> {
        let mut kinds = self.kinds();
        let kind = kinds.get_mut(&api_kind(resource))?;
        match kind.objects.get_mut(&Key::new(namespace, name))? {
            Known::There { told: told @ Some(_), .. } if is_shared() => told.as_deref().cloned(),
            Known::There { told, .. } => told.take().map(|told| *told),
            Known::Absent => None,
        }
    }

    /// Whether the watch tells of the objects of a kind.
    pub(super) fn are_told(&self, resource: &ApiResource) -> bool {
        self.kinds().get(&api_kind(resource)).is_some_and(|kind| kind.is_listed)
    }

    /// Notes what was read of an object that the watch has not told of since a policy named it: its version, or `None`
    /// when it is not there. From now on the watch tells what changes.
    pub(super) fn note(
        &self,
        resource: &ApiResource,
        workload: &Key,
        version: Option<String>,
        is_claimed: impl Fn(&Key) -> bool,
    ) {
        let mut kinds = self.kinds();
        let Some(kind) = kinds.get_mut(&api_kind(resource)) else { return };
        if !kind.is_listed {
            return;
        }
        let known = version.map_or(Known::Absent, |version| Known::There { version, told: None });
        kind.objects.entry(workload.clone()).or_insert(known);
        kind.let_go(is_claimed);
    }

    /// Takes what a watch says, and gives the objects that were not known to be there before. What no policy claims
    /// is not kept.
    fn take<K: Telling>(
        &self,
        resource: &ApiResource,
        event: watcher::Event<K>,
        is_claimed: impl Fn(&Key) -> bool,
    ) -> Vec<Key> {
        let mut kinds = self.kinds();
        let kind = kinds.entry(api_kind(resource)).or_default();
        let known = |object: &K| {
            let version = object.resource_version().unwrap_or_default();
            if let Some(sighted) = &self.sighted {
                sighted(&object.namespace().unwrap_or_default(), &object.name_any(), &version);
            }
            let key = Key::of_parts(object.meta());
            let told = is_claimed(&key).then(|| Box::new(object.told(resource)));
            (key, told.map(|told| Known::There { version, told: Some(told) }))
        };
        match event {
            watcher::Event::Init => kind.listing.clear(),
            watcher::Event::InitApply(object) => {
                if let (key, Some(known)) = known(&object) {
                    kind.listing.insert(key, known);
                }
            }
            watcher::Event::InitDone => {
                // What is not in the list may have been claimed after its place in it: whoever looks reads it.
                let listed = std::mem::take(&mut kind.listing);
                let before = std::mem::replace(&mut kind.objects, listed);
                (kind.is_listed, kind.is_settled, kind.kept) = (true, true, kind.objects.len());
                self.settled.notify_waiters();
                let is_new = |key: &&Key| !before.get(*key).is_some_and(Known::is_there);
                return kind.objects.keys().filter(is_new).cloned().collect();
            }
            watcher::Event::Apply(object) => {
                let (key, known) = known(&object);
                let Some(mut known) = known else {
                    // Who names it again has missed this.
                    kind.objects.remove(&key);
                    return Vec::new();
                };
                known.follow(kind.objects.get(&key));
                let before = kind.objects.insert(key.clone(), known);
                kind.let_go(is_claimed);
                if !before.is_some_and(|before| before.is_there()) {
                    return vec![key];
                }
            }
            watcher::Event::Delete(object) => {
                let key = Key::of_parts(object.meta());
                if is_claimed(&key) {
                    // Also of what is being read for the first time.
                    kind.objects.insert(key, Known::Absent);
                } else {
                    kind.objects.remove(&key);
                }
            }
        }
        Vec::new()
    }

    /// Notes that nobody need wait for a kind's first list any more.
    fn settle(&self, kind: &ApiKind) {
        self.kinds().entry(kind.clone()).or_default().is_settled = true;
        self.settled.notify_waiters();
    }

    /// Notes that what is known of a kind may be out of date, until there is a new list.
    fn doubt(&self, kind: &ApiKind) {
        self.kinds().entry(kind.clone()).or_default().is_listed = false;
        self.settle(kind);
    }

    fn named(&self) -> MutexGuard<'_, BTreeSet<ApiKind>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<ApiKind, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches each kind that is wanted, in the cluster or in one namespace, and wakes the policies whose workload
/// appears. Never ends.
pub(super) async fn follow(
    client: Client,
    namespace: Option<&str>,
    mut wanted: Wanted,
    context: Arc<Context>,
) {
    let mut watches = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(sought) = wanted.recv() => {
                watches.push(follow_kind(client.clone(), namespace, sought, Arc::clone(&context)));
            }
            Some(()) = watches.next(), if !watches.is_empty() => {}
            else => std::future::pending().await,
        }
    }
}

async fn follow_kind(client: Client, namespace: Option<&str>, sought: Sought, context: Arc<Context>) {
    match sought {
        Sought::Named(target) => {
            // Never closed.
            let _permit = context.targets.searches.acquire().await.ok();
            match context.cluster.kind(&target).await {
                Ok(resource) => context.targets.begin(&resource),
                // Whoever leads says so of each policy, and looks again.
                Err(_) => context.targets.forget_name(&target),
            }
        }
        Sought::Found(resource) if is_known(&resource) => {
            watch::<Workload<Spec>>(client, namespace, resource, context).await;
        }
        Sought::Found(resource) => {
            watch::<Workload<IgnoredAny>>(client, namespace, resource, context).await;
        }
    }
}

async fn watch<K>(client: Client, namespace: Option<&str>, resource: ApiResource, context: Arc<Context>)
where
    K: Telling
        + Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let kind = api_kind(&resource);
    let api: Api<K> = watching::api(client, namespace, &resource);
    let begin = || watcher(api.clone(), watching::config());
    let gone = Notify::new();
    let watch = watching::follow(begin, context.pace(), |event| match event {
        Ok(event) => {
            let is_claimed = |key: &Key| context.is_claimed(&resource, key);
            for appeared in context.targets.take(&resource, event, is_claimed) {
                context.wake(context.rivals.claimants(&appeared, &resource.group, &resource.kind));
            }
        }
        Err(failure) => {
            failure.report(&resource.kind, "each is read at each evaluation");
            if failure.is_lost {
                context.targets.doubt(&kind);
            }
            context.targets.settle(&kind);
            if failure.is_gone() {
                gone.notify_one();
            }
        }
    });
    tokio::select! {
        () = watch => {}
        () = gone.notified() => context.targets.forget(&kind),
    }
}

impl Context {
    /// Whether a policy that is looked after here names a workload.
    pub(super) fn is_claimed(&self, resource: &ApiResource, workload: &Key) -> bool {
        self.rivals.is_claimed(workload, &resource.group, &resource.kind)
    }
}

#[cfg(test)]
mod tests;
