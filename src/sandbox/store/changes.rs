//! What happened to objects: a bounded log for each resource, and watches that read it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::{FIRST_VERSION, Store, StoreError};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was replaced.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Event {
    /// The version at which it happened.
    pub version: u64,
    /// What happened.
    pub change: Change,
    /// The object after the change; its last state, at the new version, when it was deleted.
    pub object: Arc<Value>,
    /// The object before a modification or a deletion.
    pub previous: Option<Arc<Value>>,
}

impl Store {
    /// Ends when something has happened at `version` or later.
    pub(crate) async fn reached(&self, version: u64) {
        let mut news = self.0.changed.subscribe();
        while self.version() < version {
            // The sender lives in the store, which `self` holds.
            let _ = news.changed().await;
        }
    }
}

/// The changes of one resource, in order.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    resource: String,
    version: u64,
    news: watch::Receiver<u64>,
}

impl Watch {
    pub(super) fn new(store: &Store, resource: &str, version: u64, news: watch::Receiver<u64>) -> Self {
        Self { store: store.clone(), resource: resource.to_owned(), version, news }
    }

    /// The next change, waited for.
    ///
    /// # Errors
    /// [`StoreError::Forgotten`] when the watcher is too far behind; it has to list again.
    pub async fn next(&mut self) -> Result<Arc<Event>, StoreError> {
        loop {
            if let Some(event) = self.poll()? {
                return Ok(event);
            }
            // The sender lives in the store, which `self` holds.
            let _ = self.news.changed().await;
        }
    }

    /// The next change if it has happened.
    ///
    /// # Errors
    /// As for [`Watch::next`].
    pub fn poll(&mut self) -> Result<Option<Arc<Event>>, StoreError> {
        self.news.mark_unchanged();
        let state = self.store.state();
        let forgotten = state.logs.get(&self.resource).map_or(FIRST_VERSION - 1, |log| log.forgotten);
        if self.version < forgotten {
            return Err(StoreError::Forgotten { requested: self.version, oldest: forgotten });
        }
        let Some(log) = state.logs.get(&self.resource) else {
            self.version = self.version.max(state.version);
            return Ok(None);
        };
        let next = log.events.partition_point(|event| event.version <= self.version);
        if let Some(event) = log.events.get(next) {
            self.version = event.version;
            return Ok(Some(Arc::clone(event)));
        }
        self.version = self.version.max(state.version);
        Ok(None)
    }

    /// The version up to which everything has been seen.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

/// The recent changes of one resource.
#[derive(Debug)]
pub(super) struct Log {
    /// The newest version whose events are forgotten.
    pub(super) forgotten: u64,
    pub(super) events: VecDeque<Arc<Event>>,
}

impl Default for Log {
    fn default() -> Self {
        Self { forgotten: FIRST_VERSION - 1, events: VecDeque::new() }
    }
}

impl Log {
    /// Adds the latest event and forgets the oldest of more than `most`.
    pub(super) fn remember(&mut self, event: Event, most: usize) {
        self.events.push_back(Arc::new(event));
        if self.events.len() > most
            && let Some(oldest) = self.events.pop_front()
        {
            self.forgotten = oldest.version;
        }
    }
}
