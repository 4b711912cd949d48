//! Lists as they were: what has happened since a version is undone, as far as it is remembered. The pages
//! of one list show one state, whatever is written between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Store, StoreError, key_of};

impl Store {
    /// The objects of a resource as they were at `version`, ordered as in [`Store::list`].
    ///
    /// # Errors
    /// [`StoreError::Forgotten`] when changes since then are no longer remembered.
    pub(crate) fn list_at(
        &self,
        resource: &str,
        namespace: Option<&str>,
        version: u64,
    ) -> Result<Vec<Arc<Value>>, StoreError> {
        let state = self.state();
        let present = super::range(&state, resource, namespace);
        let mut objects: BTreeMap<_, _> =
            present.map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
        let Some(log) = state.logs.get(resource) else { return Ok(objects.into_values().collect()) };
        if version < log.forgotten {
            return Err(StoreError::Forgotten { requested: version, oldest: log.forgotten });
        }
        for event in log.events.iter().rev().take_while(|event| event.version > version) {
            let key = key_of(resource, &event.object);
            if namespace.is_some_and(|wanted| key.1 != wanted) {
                continue;
            }
            match &event.previous {
                Some(previous) => objects.insert(key, Arc::clone(previous)),
                None => objects.remove(&key),
            };
        }
        Ok(objects.into_values().collect())
    }
}
