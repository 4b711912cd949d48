//! How kinds are addressed. Those of Kubernetes itself are known; any other is asked for, once for all who name it, and so
//! is one that is not there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::core::{ApiResource, GroupVersionKind};

use super::{CallError, Cluster};
use crate::api::ScaleTargetRef;
use crate::clock::Clock;

/// What was found holds for so long at least, and so does that nothing was.
const FRESH: Duration = Duration::from_secs(10);

/// From so many kinds on, those that were not found are forgotten.
const MANY: usize = 256;

/// What is known of kinds, by API version and kind.
pub(super) struct Kinds {
    clock: Clock,
    entries: Mutex<BTreeMap<(String, String), Arc<Entry>>>,
}

/// A kind. Who asks while somebody looks it up waits for that.
type Entry = tokio::sync::Mutex<Option<Looked>>;

/// What was found, and when.
struct Looked {
    at: Duration,
    found: Result<ApiResource, CallError>,
}

impl Kinds {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, entries: Mutex::default() }
    }

    fn entry(&self, target: &ScaleTargetRef) -> Arc<Entry> {
        let key = (target.api_version.clone(), target.kind.clone());
        let mut entries = self.entries();
        if entries.len() >= MANY && !entries.contains_key(&key) {
            // Of kinds that are not there anybody may name any number.
            entries.retain(|_, entry| !self.is_of_no_use(entry));
        }
        Arc::clone(entries.entry(key).or_default())
    }

    /// Whether nobody has found a kind, nor looks for it, nor has just looked.
    fn is_of_no_use(&self, entry: &Arc<Entry>) -> bool {
        let Ok(looked) = entry.try_lock() else { return false };
        let is_in_vain = |looked: &Looked| looked.found.is_err() && !self.is_fresh(looked);
        Arc::strong_count(entry) == 1 && looked.as_ref().is_none_or(is_in_vain)
    }

    fn is_fresh(&self, looked: &Looked) -> bool {
        self.clock.elapsed().saturating_sub(looked.at) < FRESH
    }

    /// Forgets how a kind is addressed, unless that was found out just now: perhaps it is served under another name.
    pub(super) fn doubt(&self, target: &ScaleTargetRef) {
        if let Ok(mut looked) = self.entry(target).try_lock()
            && looked.as_ref().is_some_and(|looked| !self.is_fresh(looked))
        {
            *looked = None;
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// How a kind is addressed, if that is known.
    pub(in crate::operator) fn known_kind(&self, target: &ScaleTargetRef) -> Option<ApiResource> {
        well_known(target).or_else(|| {
            let entry = self.kinds.entry(target);
            let looked = entry.try_lock().ok()?;
            looked.as_ref()?.found.as_ref().ok().cloned()
        })
    }

    /// How a kind is addressed.
    pub(in crate::operator) async fn kind(&self, target: &ScaleTargetRef) -> Result<ApiResource, CallError> {
        if let Some(known) = well_known(target) {
            return Ok(known);
        }
        let entry = self.kinds.entry(target);
        let mut looked = entry.lock().await;
        let told = match &*looked {
            Some(Looked { found: Ok(found), .. }) => return Ok(found.clone()),
            Some(failed) if self.kinds.is_fresh(failed) => failed.found.as_ref().err().map(CallError::retold),
            Some(_) | None => None,
        };
        if let Some(told) = told {
            return Err(told);
        }
        let found = self.look_up(target).await;
        let answer = found.as_ref().map(Clone::clone).map_err(CallError::retold);
        *looked = Some(Looked { at: self.kinds.clock.elapsed(), found });
        answer
    }

    async fn look_up(&self, target: &ScaleTargetRef) -> Result<ApiResource, CallError> {
        let (group, version) = target.api_version.split_once('/').unwrap_or(("", &target.api_version));
        let kind = GroupVersionKind::gvk(group, version, &target.kind);
        let found = self.call(kube::discovery::pinned_kind(&self.client, &kind)).await;
        let (resource, _) = found.map_err(|error| {
            // The version of the group is not served (a 404 in plain text), or has no such kind.
            let is_unknown = match &error {
                CallError::NotFound(_) => true,
                CallError::Forbidden(_)
                | CallError::Unprocessable(_)
                | CallError::NotLeading
                | CallError::Stopping
                | CallError::Refused { .. }
                | CallError::Timeout(_)
                | CallError::Transport(_) => false,
            };
            let said = || format!("the API server does not know {} in {}", target.kind, target.api_version);
            if is_unknown { CallError::NotFound(said()) } else { error }
        })?;
        Ok(resource)
    }
}

/// The workloads of Kubernetes itself, which need no discovery.
fn well_known(target: &ScaleTargetRef) -> Option<ApiResource> {
    let (group, version, plural) = match (target.api_version.as_str(), target.kind.as_str()) {
        ("apps/v1", "Deployment") => ("apps", "v1", "deployments"),
        ("apps/v1", "StatefulSet") => ("apps", "v1", "statefulsets"),
        ("apps/v1", "ReplicaSet") => ("apps", "v1", "replicasets"),
        _ if target.is_autoscaler() => ("autoscaling", "v2", "horizontalpodautoscalers"),
        _ => return None,
    };
    Some(ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &target.kind), plural))
}
