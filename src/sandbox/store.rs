//! Objects, one counter of changes, and a bounded memory of events for watches.
//!
//! The store knows nothing of HTTP, schemas or kinds: it keeps JSON objects by (resource, namespace,
//! name), stamps `metadata.resourceVersion`, and remembers recent changes so that a watch can start at
//! any version that isn't too old. Watchers pull from that memory; one that falls too far behind is
//! told so and starts over, so a slow reader costs no memory.
//!
//! One lock guards everything. It is held for lookups and inserts alone, never across an `.await`.

mod changes;
mod past;
mod stamps;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::json::object_at;
use crate::clock::Clock;

use changes::Log;
pub use changes::{Change, Event, Watch};

/// The version of a fresh store. Anything below has been forgotten before anyone asked.
const FIRST_VERSION: u64 = 100;

/// How many events of one resource are remembered.
const REMEMBERED_EVENTS: usize = 4096;

/// A handle to the objects. Cheap to clone; clones see the same objects.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    clock: Clock,
    remembered: usize,
}

#[derive(Debug)]
struct State {
    version: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    logs: BTreeMap<String, Log>,
    /// How many objects name an owner, by its UID.
    owned: BTreeMap<String, usize>,
    made: u64,
}

type Key = (String, String, String);

/// Why the store didn't do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("{0} not found")]
    NotFound(String),
    /// There is such an object already.
    #[error("{0} already exists")]
    Exists(String),
    /// The object isn't at the version the caller has seen.
    #[error("{0} has been modified")]
    Conflict(String),
    /// The events since that version are forgotten.
    #[error("too old resource version: {requested} ({oldest})")]
    Forgotten {
        /// Where the caller wanted to start.
        requested: u64,
        /// The oldest version to start at.
        oldest: u64,
    },
}

impl Store {
    /// An empty store, whose creation times come from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::remembering(clock, REMEMBERED_EVENTS)
    }

    fn remembering(clock: Clock, remembered: usize) -> Self {
        let state = State {
            version: FIRST_VERSION,
            objects: BTreeMap::new(),
            logs: BTreeMap::new(),
            owned: BTreeMap::new(),
            made: 0,
        };
        let changed = watch::Sender::new(FIRST_VERSION);
        Self(Arc::new(Shared { state: Mutex::new(state), changed, clock, remembered }))
    }

    /// The clock that stamps new objects.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The version of the latest change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.state().version
    }

    /// One object. Resources are named as in messages: `pods`, `deployments.apps`; objects without a
    /// namespace have the empty one.
    #[must_use]
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.state().objects.get(&key(resource, namespace, name)).cloned()
    }

    /// The objects of a resource, in one namespace or in all, ordered by namespace and name, and the
    /// version at which they were read.
    #[must_use]
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let state = self.state();
        let objects = range(&state, resource, namespace).map(|(_, object)| Arc::clone(object)).collect();
        (objects, state.version)
    }

    /// Whether a resource has an object of some kind in a namespace.
    pub(crate) fn any(&self, resource: &str, namespace: &str, is: impl Fn(&Value) -> bool) -> bool {
        let state = self.state();
        range(&state, resource, Some(namespace)).any(|(_, object)| is(object))
    }

    /// Whether any object names the one with this UID as an owner.
    pub(crate) fn is_owner(&self, uid: &str) -> bool {
        self.state().owned.contains_key(uid)
    }

    /// Adds an object under its `metadata.namespace` and `metadata.name`. What is missing of
    /// `metadata.uid` and `metadata.creationTimestamp` is filled in.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one of that name.
    pub fn create(&self, resource: &str, mut object: Value) -> Result<Arc<Value>, StoreError> {
        self.stamp(&mut object);
        let mut state = self.state();
        let key = key_of(resource, &object);
        if state.objects.contains_key(&key) {
            return Err(StoreError::Exists(describe(&key)));
        }
        Ok(self.put(&mut state, key, object, Change::Added))
    }

    /// Changes an object in one step: `change` sees the present object and edits it. Nothing is written
    /// when it leaves the object as it was.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub fn update(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, StoreError> {
        let mut state = self.state();
        let key = key(resource, namespace, name);
        let Some(present) = state.objects.get(&key) else {
            return Err(StoreError::NotFound(describe(&key)));
        };
        let mut object = Value::clone(present);
        change(&mut object);
        if object == **present {
            return Ok(Arc::clone(present));
        }
        Ok(self.put(&mut state, key, object, Change::Modified))
    }

    /// Sets the status of an object.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such object.
    pub fn update_status(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        status: Value,
    ) -> Result<Arc<Value>, StoreError> {
        self.update(resource, namespace, name, |object| object["status"] = status)
    }

    /// Replaces `present` by `object`, which has the same name.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the stored object isn't `present` any more, and
    /// [`StoreError::NotFound`] when it is gone.
    pub fn replace(
        &self,
        resource: &str,
        present: &Arc<Value>,
        object: Value,
    ) -> Result<Arc<Value>, StoreError> {
        let mut state = self.state();
        let key = key_of(resource, present);
        check_unchanged(&state, &key, present)?;
        Ok(self.put(&mut state, key, object, Change::Modified))
    }

    /// Removes an object and returns its last state.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<Arc<Value>, StoreError> {
        let mut state = self.state();
        let key = key(resource, namespace, name);
        let Some(last) = state.objects.get(&key).map(|object| Value::clone(object)) else {
            return Err(StoreError::NotFound(describe(&key)));
        };
        Ok(self.put(&mut state, key, last, Change::Deleted))
    }

    /// Removes an object that is still `present`; `last` is what watchers see of it.
    pub(crate) fn delete_unchanged(
        &self,
        resource: &str,
        present: &Arc<Value>,
        last: Value,
    ) -> Result<Arc<Value>, StoreError> {
        let mut state = self.state();
        let key = key_of(resource, present);
        check_unchanged(&state, &key, present)?;
        Ok(self.put(&mut state, key, last, Change::Deleted))
    }

    /// Follows the changes of a resource after `version` (the one a list was read at).
    #[must_use]
    pub fn watch(&self, resource: &str, version: u64) -> Watch {
        Watch::new(self, resource, version, self.0.changed.subscribe())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, state: &mut State, key: Key, mut object: Value, change: Change) -> Arc<Value> {
        state.version += 1;
        let version = state.version;
        object_at(&mut object, "metadata").insert("resourceVersion".to_owned(), json!(version.to_string()));
        let object = Arc::new(object);
        let resource = key.0.clone();
        let previous = match change {
            Change::Added | Change::Modified => state.objects.insert(key, Arc::clone(&object)),
            Change::Deleted => state.objects.remove(&key),
        };
        for uid in previous.iter().flat_map(|previous| owners(previous)) {
            if let Some(count) = state.owned.get_mut(uid).filter(|count| **count > 1) {
                *count -= 1;
            } else {
                state.owned.remove(uid);
            }
        }
        if change != Change::Deleted {
            for uid in owners(&object) {
                *state.owned.entry(uid.to_owned()).or_default() += 1;
            }
        }
        let event = Event { version, change, object: Arc::clone(&object), previous };
        state.logs.entry(resource).or_default().remember(event, self.0.remembered);
        self.0.changed.send_replace(version);
        object
    }
}

/// The UIDs of the owners that an object names.
fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let references = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    references.filter_map(|reference| reference["uid"].as_str())
}

fn range<'a>(
    state: &'a State,
    resource: &'a str,
    namespace: Option<&'a str>,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
    let from = key(resource, namespace.unwrap_or_default(), "");
    let within = move |(r, n, _): &Key| r == resource && namespace.is_none_or(|wanted| n == wanted);
    state.objects.range(from..).take_while(move |(key, _)| within(key))
}

fn key(resource: &str, namespace: &str, name: &str) -> Key {
    (resource.to_owned(), namespace.to_owned(), name.to_owned())
}

fn key_of(resource: &str, object: &Value) -> Key {
    let meta = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (resource.to_owned(), meta("namespace"), meta("name"))
}

fn describe((resource, _, name): &Key) -> String {
    format!("{resource} \"{name}\"")
}

fn check_unchanged(state: &State, key: &Key, present: &Arc<Value>) -> Result<(), StoreError> {
    match state.objects.get(key) {
        None => Err(StoreError::NotFound(describe(key))),
        Some(stored) if Arc::ptr_eq(stored, present) => Ok(()),
        Some(_) => Err(StoreError::Conflict(describe(key))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(remembered: usize) -> Store {
        let clock = Clock::stopped_at("2026-11-22T07:00:00Z".parse().expect("a timestamp"));
        Store::remembering(clock, remembered)
    }

    fn pod(name: &str) -> Value {
        json!({"metadata": {"namespace": "a", "name": name}})
    }

    #[test]
    fn objects_are_stamped_listed_in_order_and_versioned() {
        let store = store(10);
        let b = store.create("pods", pod("b")).expect("created");
        let a = store.create("pods", pod("a")).expect("created");
        assert_eq!(b["metadata"]["creationTimestamp"], "2026-11-22T07:00:00Z");
        assert_ne!(a["metadata"]["uid"], b["metadata"]["uid"]);
        let (listed, version) = store.list("pods", Some("a"));
        assert_eq!(listed, [a, b]);
        assert_eq!(version, FIRST_VERSION + 2);
        assert_eq!(store.list("pods", Some("other")).0.len(), 0);
        assert!(matches!(store.create("pods", pod("a")), Err(StoreError::Exists(_))));
    }

    #[test]
    fn a_replacement_loses_against_a_change_in_between() {
        let store = store(10);
        let seen = store.create("pods", pod("a")).expect("created");
        store.update_status("pods", "a", "a", json!({"phase": "Running"})).expect("updated");
        let late = store.replace("pods", &seen, pod("a"));
        assert!(matches!(late, Err(StoreError::Conflict(_))));
        let version = store.version();
        store.update("pods", "a", "a", |_| ()).expect("no change");
        assert_eq!(store.version(), version, "a change that changes nothing writes nothing");
    }

    #[tokio::test]
    async fn a_watch_sees_what_came_after_its_version_and_is_told_when_that_is_forgotten() {
        let store = store(3);
        let start = store.version();
        let mut early = store.watch("pods", start);
        store.create("pods", pod("a")).expect("created");
        store.create("configmaps", pod("a")).expect("created");
        store.delete("pods", "a", "a").expect("deleted");
        assert_eq!(early.next().await.expect("event").change, Change::Added);
        assert_eq!(early.next().await.expect("event").change, Change::Deleted);
        assert!(early.poll().expect("nothing new").is_none());
        for name in ["b", "c", "d"] {
            store.create("pods", pod(name)).expect("created");
        }
        let forgotten = store.watch("pods", start).next().await;
        assert!(matches!(forgotten, Err(StoreError::Forgotten { .. })));
        assert_eq!(early.next().await.expect("event").object["metadata"]["name"], "b");
    }
}
