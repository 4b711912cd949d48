//! Which workloads have changed since they were read, so that none is read for nothing.
//!
//! Of each kind that policies scale, whatever it is, the metadata is watched, and the resource version of each
//! object is all that is kept. A workload whose version is the one that was read last is as it was, and is not
//! read again; one that has changed is read by a GET, which (unlike a watch) is never behind. Where a kind can't
//! be watched each evaluation reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::reconcile::Context;
use super::{Key, Sighted, watching};

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
}

/// Group and kind.
type ApiKind = (String, String);

type Meta = PartialObjectMeta<DynamicObject>;

#[derive(Default)]
struct Kind {
    /// Whether `versions` is complete.
    is_listed: bool,
    versions: HashMap<Key, String>,
    /// A list that is under way.
    listing: HashMap<Key, String>,
}

/// The kinds that are to be watched.
pub(super) type Wanted = UnboundedReceiver<ApiResource>;

impl Targets {
    /// Knows nothing yet; what is wanted has to be given to [`follow`].
    pub(super) fn new(sighted: Option<Sighted>) -> (Self, Wanted) {
        let (wanted, receiver) = unbounded_channel();
        (Self { kinds: Mutex::default(), wanted, sighted }, receiver)
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
        let key = Key { namespace: namespace.to_owned(), name: name.to_owned() };
        kind.versions.get(&key).map_or(Standing::Absent, |version| Standing::Version(version.clone()))
    }

    /// Takes what a watch says, and gives the objects that were not known before.
    fn take(&self, kind: &ApiKind, event: watcher::Event<Meta>) -> Vec<Key> {
        let mut kinds = self.kinds();
        let kind = kinds.entry(kind.clone()).or_default();
        let version = |object: &Meta| object.resource_version().unwrap_or_default();
        let sight = |object: &Meta| {
            if let Some(sighted) = &self.sighted {
                sighted(&object.namespace().unwrap_or_default(), &object.name_any(), &version(object));
            }
        };
        match event {
            watcher::Event::Init => kind.listing.clear(),
            watcher::Event::InitApply(object) => {
                kind.listing.insert(Key::of_parts(&object.metadata), version(&object));
                sight(&object);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut kind.listing);
                let before = std::mem::replace(&mut kind.versions, listed);
                kind.is_listed = true;
                return kind.versions.keys().filter(|key| !before.contains_key(*key)).cloned().collect();
            }
            watcher::Event::Apply(object) => {
                let (key, version) = (Key::of_parts(&object.metadata), version(&object));
                sight(&object);
                if kind.versions.insert(key.clone(), version).is_none() {
                    return vec![key];
                }
            }
            watcher::Event::Delete(object) => {
                kind.versions.remove(&Key::of_parts(&object.metadata));
            }
        }
        Vec::new()
    }

    /// Notes that a kind can't be watched.
    fn give_up(&self, kind: &ApiKind) {
        self.kinds().insert(kind.clone(), Kind::default());
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
    let api: Api<Meta> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let kind = (resource.group.clone(), resource.kind.clone());
    watching::follow(api, |event| match event {
        Ok(event) => {
            for appeared in context.targets.take(&kind, event) {
                context.wake(context.rivals.claimants(&appeared, &resource.group, &resource.kind));
            }
        }
        Err(failure) => {
            if failure.first {
                let (kind, error) = (&resource.kind, &failure.error);
                tracing::warn!(kind, %error, "can't be watched: each is read at each evaluation");
            }
            if failure.definite().is_some() {
                context.targets.give_up(&kind);
            }
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
        let key = |name: &str| Key { namespace: "shop".to_owned(), name: name.to_owned() };
        assert_eq!([standing("web"), standing("web")], [Standing::Unknown, Standing::Unknown]);
        assert_eq!(wanted.try_recv().map(|wanted| wanted.kind).as_deref(), Ok("Deployment"));
        assert!(wanted.try_recv().is_err(), "it is watched once");

        targets.take(&kind, Init);
        targets.take(&kind, InitApply(object("web", "7")));
        assert_eq!(standing("web"), Standing::Unknown, "the list is not complete");
        assert_eq!(targets.take(&kind, InitDone), [key("web")], "it may have been missed before");
        assert_eq!([standing("web"), standing("mail")], [version("7"), Standing::Absent]);
        assert_eq!(targets.take(&kind, Apply(object("web", "8"))), []);
        assert_eq!(targets.take(&kind, Apply(object("mail", "9"))), [key("mail")]);
        assert_eq!([standing("web"), standing("mail")], [version("8"), version("9")]);
        targets.take(&kind, Delete(object("web", "10")));
        assert_eq!(standing("web"), Standing::Absent);

        targets.take(&kind, Init);
        targets.take(&kind, InitApply(object("web", "11")));
        assert_eq!(standing("mail"), version("9"), "until the new list is complete");
        assert_eq!(targets.take(&kind, InitDone), [key("web")]);
        assert_eq!([standing("web"), standing("mail")], [version("11"), Standing::Absent]);
        targets.give_up(&kind);
        assert_eq!(standing("web"), Standing::Unknown);
    }
}
