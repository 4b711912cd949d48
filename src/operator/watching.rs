//! Watching what may fail for long: a kind that is not installed, or one that the operator may not read.

use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};

/// How long the watch waits after a first failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The usual longest wait between two tries.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A watch from which nothing is heard for so long, and no failure either, is well.
const CALM: Duration = Duration::from_secs(120);

/// The objects of a kind in the cluster, or in one namespace.
pub(super) fn api<K>(client: Client, namespace: Option<&str>, resource: &ApiResource) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// Follows a watch until it is dropped, and waits ever longer between two tries while it fails, up to `longest`. (kube's own
/// back-off starts anew with each page of a list that fails.) `on` is told of everything; `first` is whether this
/// failure is the first since things went well.
pub(super) async fn follow<K>(
    watch: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
    longest: Duration,
    mut on: impl FnMut(Result<watcher::Event<K>, Failure>),
) {
    let mut events = pin!(watch);
    let (mut wait, mut first) = (FIRST_WAIT, true);
    loop {
        let Ok(event) = tokio::time::timeout(CALM, events.next()).await else {
            (wait, first) = (FIRST_WAIT, true);
            continue;
        };
        match event {
            None => return,
            Some(Ok(event)) => {
                // The pages of a list may yet fail.
                if !matches!(event, watcher::Event::Init | watcher::Event::InitApply(_)) {
                    (wait, first) = (FIRST_WAIT, true);
                }
                on(Ok(event));
            }
            Some(Err(error)) => {
                on(Err(Failure { error, first }));
                first = false;
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(longest);
            }
        }
    }
}

/// An interruption of a watch.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: watcher::Error,
    /// Whether all was well before.
    pub(super) first: bool,
}

impl Failure {
    /// What the API server says when it refuses the list for good, and does not merely fail: its code and its
    /// words.
    pub(super) fn definite(&self) -> Option<(u16, &str)> {
        let watcher::Error::InitialListFailed(kube::Error::Api(status)) = &self.error else { return None };
        matches!(status.code, 403 | 404).then_some((status.code, status.message.as_str()))
    }
}
