//! Which workloads have changed since they were read, so that none is read for nothing.
//!
//! Of each kind that policies scale, whatever it is, the metadata is watched, and the resource version of each
//! object is all that is kept. A workload whose version is the one that was read last is as it was, and is not
//! read again; one that has changed is read by a GET, which (unlike a watch) is never behind. Where a kind can't
//! be watched each evaluation reads.
//!
//! Of the kinds that everybody has, the watch also says what a look has to know, so that an operator which
//! starts before ten thousand workloads does not read each of them, nor one of which the status alone has moved.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::workload::Workload;
use super::cluster::ScaleSeen;
use super::reconcile::Context;
use super::{Key, Sighted, watching};

mod workload;

/// How long a first look waits for the first list of a kind.
const FIRST_LIST: Duration = Duration::from_secs(5);

/// What is known of a workload without asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Unknown,
    /// It is not there.
    Absent,
    /// Its resource version.
    Version(String),
}

/// The versions of all objects of the kinds that policies scale.
pub(super) struct Targets {
    kinds: Mutex<BTreeMap<ApiKind, Kind>>,
    wanted: UnboundedSender<ApiResource>,
    sighted: Option<Sighted>,
    /// Told when the first list of a kind is there, or won't come.
    settled: Notify,
}

/// Group and kind.
type ApiKind = (String, String);

type Meta = PartialObjectMeta<DynamicObject>;

#[derive(Default)]
struct Kind {
    /// Whether `objects` is complete.
    is_listed: bool,
    /// Whether nobody need wait for the first list any more.
    is_settled: bool,
    objects: HashMap<Key, Known>,
    /// A list that is under way.
    listing: HashMap<Key, Known>,
}

/// What is kept of an object.
struct Known {
    version: String,
    /// How it is, for whoever looks next.
    scale: Option<Box<ScaleSeen>>,
}

/// The kinds that are to be watched.
pub(super) type Wanted = UnboundedReceiver<ApiResource>;

impl Targets {
    /// Knows nothing yet; what is wanted has to be given to [`follow`].
    pub(super) fn new(sighted: Option<Sighted>) -> (Self, Wanted) {
        let (wanted, receiver) = unbounded_channel();
        (Self { kinds: Mutex::default(), wanted, sighted, settled: Notify::new() }, receiver)
    }

    /// What is known of an object. The first question about a kind begins its watch.
    pub(super) fn standing(&self, resource: &ApiResource, namespace: &str, name: &str) -> Standing {
        let mut kinds = self.kinds();
        let kind = (resource.group.clone(), resource.kind.clone());
        let Some(kind) = kinds.get(&kind) else {
            kinds.insert(kind, Kind::default());
            // Without anybody who watches, everything stays unknown.
            let _ = self.wanted.send(resource.clone());
            return Standing::Unknown;
        };
        if !kind.is_listed {
            return Standing::Unknown;
        }
        let key = Key::new(namespace, name);
        kind.objects.get(&key).map_or(Standing::Absent, |known| Standing::Version(known.version.clone()))
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
        let kind = (resource.group.clone(), resource.kind.clone());
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

    /// How an object is, if that is known of its present version and nobody has taken it yet.
    pub(super) fn take_scale(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Option<ScaleSeen> {
        let mut kinds = self.kinds();
        let kind = kinds.get_mut(&(resource.group.clone(), resource.kind.clone()))?;
        let key = Key::new(namespace, name);
        kind.objects.get_mut(&key)?.scale.take().map(|scale| *scale)
    }

    /// Takes what a watch says, and gives the objects that were not known before. `read` says how an object is.
    fn take<K: Resource>(
        &self,
        kind: &ApiKind,
        event: watcher::Event<K>,
        read: impl Fn(&K) -> Option<ScaleSeen>,
    ) -> Vec<Key> {
        let mut kinds = self.kinds();
        let kind = kinds.entry(kind.clone()).or_default();
        let known = |object: &K| {
            let version = object.resource_version().unwrap_or_default();
            if let Some(sighted) = &self.sighted {
                sighted(&object.namespace().unwrap_or_default(), &object.name_any(), &version);
            }
            (Key::of_parts(object.meta()), Known { version, scale: read(object).map(Box::new) })
        };
        match event {
            watcher::Event::Init => kind.listing.clear(),
            watcher::Event::InitApply(object) => {
                let (key, known) = known(&object);
                kind.listing.insert(key, known);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut kind.listing);
                let before = std::mem::replace(&mut kind.objects, listed);
                kind.is_listed = true;
                kind.is_settled = true;
                self.settled.notify_waiters();
                return kind.objects.keys().filter(|key| !before.contains_key(*key)).cloned().collect();
            }
            watcher::Event::Apply(object) => {
                let (key, known) = known(&object);
                if kind.objects.insert(key.clone(), known).is_none() {
                    return vec![key];
                }
            }
            watcher::Event::Delete(object) => {
                kind.objects.remove(&Key::of_parts(object.meta()));
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
            Some(resource) = wanted.recv() => {
                watches.push(follow_kind(client.clone(), namespace, resource, Arc::clone(&context)));
            }
            Some(()) = watches.next(), if !watches.is_empty() => {}
            else => std::future::pending().await,
        }
    }
}

async fn follow_kind(client: Client, namespace: Option<&str>, resource: ApiResource, context: Arc<Context>) {
    let config = watcher::Config::default();
    if workload::is_known(&resource) {
        let (claimed, kind) = (Arc::clone(&context), resource.clone());
        let read = move |object: &Workload| {
            let claimants =
                claimed.rivals.claimants(&Key::of_parts(&object.metadata), &kind.group, &kind.kind);
            (!claimants.is_empty()).then(|| object.scale(&kind))
        };
        let api: Api<Workload> = watching::api(client, namespace, &resource);
        watch(|| watcher(api.clone(), config.clone()), resource, context, read).await;
    } else {
        // Of such a type the API server sends the metadata alone.
        let api: Api<Meta> = watching::api(client, namespace, &resource);
        watch(|| watcher(api.clone(), config.clone()), resource, context, |_| None).await;
    }
}

async fn watch<K: Resource, S: Stream<Item = watcher::Result<watcher::Event<K>>>>(
    begin: impl Fn() -> S,
    resource: ApiResource,
    context: Arc<Context>,
    read: impl Fn(&K) -> Option<ScaleSeen>,
) {
    let kind = (resource.group.clone(), resource.kind.clone());
    watching::follow(begin, context.pace(), |event| match event {
        Ok(event) => {
            for appeared in context.targets.take(&kind, event, &read) {
                context.wake(context.rivals.claimants(&appeared, &resource.group, &resource.kind));
            }
        }
        Err(failure) => {
            failure.report(&resource.kind, "each is read at each evaluation");
            if failure.is_lost {
                context.targets.doubt(&kind);
            }
            context.targets.settle(&kind);
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use kube::core::GroupVersionKind;
    use kube::runtime::watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    use serde_json::json;

    use super::*;

    fn object(name: &str, version: &str) -> Meta {
        let meta = json!({"metadata": {"namespace": "shop", "name": name, "resourceVersion": version}});
        serde_json::from_value(meta).expect("metadata")
    }

    #[test]
    fn a_workload_is_unknown_until_its_kind_was_listed_and_then_as_its_version_says() {
        let (targets, mut wanted) = Targets::new(None);
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
        let kind = ("apps".to_owned(), "Deployment".to_owned());
        let standing = |name: &str| targets.standing(&resource, "shop", name);
        let version = |version: &str| Standing::Version(version.to_owned());
        let key = |name: &str| Key::new("shop", name);
        assert_eq!([standing("web"), standing("web")], [Standing::Unknown, Standing::Unknown]);
        assert_eq!(wanted.try_recv().map(|wanted| wanted.kind).as_deref(), Ok("Deployment"));
        assert!(wanted.try_recv().is_err(), "it is watched once");

        targets.take::<Meta>(&kind, Init, |_| None);
        targets.take(&kind, InitApply(object("web", "7")), |_| None);
        assert_eq!(standing("web"), Standing::Unknown, "the list is not complete");
        assert_eq!(
            targets.take::<Meta>(&kind, InitDone, |_| None),
            [key("web")],
            "it may have been missed before"
        );
        assert_eq!([standing("web"), standing("mail")], [version("7"), Standing::Absent]);
        assert_eq!(targets.take(&kind, Apply(object("web", "8")), |_| None), []);
        assert_eq!(targets.take(&kind, Apply(object("mail", "9")), |_| None), [key("mail")]);
        assert_eq!([standing("web"), standing("mail")], [version("8"), version("9")]);
        targets.take(&kind, Delete(object("web", "10")), |_| None);
        assert_eq!(standing("web"), Standing::Absent);

        targets.take::<Meta>(&kind, Init, |_| None);
        targets.take(&kind, InitApply(object("web", "11")), |_| None);
        assert_eq!(standing("mail"), version("9"), "until the new list is complete");
        assert_eq!(targets.take::<Meta>(&kind, InitDone, |_| None), [key("web")]);
        assert_eq!([standing("web"), standing("mail")], [version("11"), Standing::Absent]);
        targets.doubt(&kind);
        assert_eq!([standing("web"), standing("mail")], [Standing::Unknown, Standing::Unknown]);
        targets.take::<Meta>(&kind, Init, |_| None);
        targets.take(&kind, InitApply(object("web", "12")), |_| None);
        assert_eq!(targets.take::<Meta>(&kind, InitDone, |_| None), [], "it was there before");
        assert_eq!(standing("web"), version("12"));
    }
}
