//! Pods that no node has room for, of the whole cluster, through one watch.
//!
//! Asked for are pending pods alone, and kept of them is what the scheduler finds no place for: their
//! labels and since when. In a cluster that is well this is nothing at all.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};

use super::watching::{self, Failure, Pace};
use crate::labels::LabelSelector;

/// The pods that can't be scheduled.
#[derive(Debug, Default)]
pub(super) struct Unschedulable(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// By namespace, then by name.
    pods: HashMap<String, BTreeMap<String, Waiting>>,
    /// Pods of a list that is not complete yet; they take the place of `pods` at its end.
    listing: HashMap<String, BTreeMap<String, Waiting>>,
    /// Why nothing can be said, or may be out of date.
    problem: Option<String>,
    is_complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    labels: BTreeMap<String, String>,
    since: Timestamp,
}

impl Unschedulable {
    /// Watches until it is dropped; `namespace` narrows it down to one.
    pub(super) async fn watch(self: Arc<Self>, client: Client, namespace: Option<&str>, pace: Pace) {
        let api = match namespace {
            Some(namespace) => Api::<Pod>::namespaced(client, namespace),
            None => Api::<Pod>::all(client),
        };
        let pending = watching::config().fields("status.phase=Pending");
        watching::follow(|| watcher(api.clone(), pending.clone()), pace, |event| self.take(event)).await;
    }

    fn take(&self, event: Result<watcher::Event<Pod>, Failure>) {
        let mut seen = self.seen();
        match event {
            Ok(event) => seen.apply(event),
            Err(failure) => {
                let error = &failure.cause;
                let is_blind = failure.is_lost || !seen.is_complete;
                if failure.is_news && is_blind {
                    tracing::warn!(%error, "pods can't be watched, so a full cluster holds nothing");
                } else if failure.is_news {
                    tracing::warn!(%error, "the watch of pods was interrupted");
                }
                if is_blind {
                    seen.problem = Some(super::text::shorten(&error.to_string(), 300));
                }
            }
        }
    }

    /// Since when a pod that `selector` selects has been unschedulable, if any is.
    ///
    /// # Errors
    /// Why nothing can be said: the pods can't be watched, or were not listed yet.
    pub(super) fn since(
        &self,
        namespace: &str,
        selector: &LabelSelector,
    ) -> Result<Option<Timestamp>, String> {
        let seen = self.seen();
        if let Some(problem) = &seen.problem {
            return Err(problem.clone());
        }
        if !seen.is_complete {
            return Err("the pods were not listed yet".to_owned());
        }
        let pods = seen.pods.get(namespace).into_iter().flat_map(BTreeMap::values);
        let own = pods.filter(|pod| selector.matches(|key| pod.labels.get(key).map(String::as_str)));
        Ok(own.map(|pod| pod.since).min())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn apply(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(pod) => put(&mut self.listing, &pod),
            watcher::Event::InitDone => {
                self.pods = std::mem::take(&mut self.listing);
                self.is_complete = true;
                self.problem = None;
            }
            watcher::Event::Apply(pod) => put(&mut self.pods, &pod),
            watcher::Event::Delete(pod) => remove(&mut self.pods, &pod),
        }
    }
}

fn put(pods: &mut HashMap<String, BTreeMap<String, Waiting>>, pod: &Pod) {
    match unschedulable_since(pod) {
        Some(since) => {
            let labels = pod.labels().clone();
            let namespace = pods.entry(pod.namespace().unwrap_or_default()).or_default();
            namespace.insert(pod.name_any(), Waiting { labels, since });
        }
        None => remove(pods, pod),
    }
}

fn remove(pods: &mut HashMap<String, BTreeMap<String, Waiting>>, pod: &Pod) {
    let namespace = pod.namespace().unwrap_or_default();
    if let Some(waiting) = pods.get_mut(&namespace) {
        waiting.remove(&pod.name_any());
        if waiting.is_empty() {
            pods.remove(&namespace);
        }
    }
}

/// What the scheduler says: `PodScheduled` is False, for the reason `Unschedulable`.
fn unschedulable_since(pod: &Pod) -> Option<Timestamp> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
    let is_unschedulable =
        condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable");
    let since = condition.last_transition_time.as_ref().or(pod.metadata.creation_timestamp.as_ref())?;
    is_unschedulable.then_some(since.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SINCE: &str = "2026-11-23T12:00:00Z";

    fn pod(name: &str, status: &str, reason: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
            "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": status, "reason": reason, "lastTransitionTime": SINCE},
            ]},
        }))
        .expect("a pod")
    }

    #[test]
    fn only_pods_without_a_place_are_kept_and_a_new_list_takes_the_place_of_the_old() {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let selector = |text| LabelSelector::parse(text).expect("a selector");
        let since = SINCE.parse().ok();
        let pods = Unschedulable::default();
        assert!(pods.since("shop", &selector("")).is_err(), "nothing is known before the first list");
        let follow = |events: Vec<watcher::Event<Pod>>| {
            for event in events {
                pods.take(Ok(event));
            }
        };
        let full = || pod("web", "False", "Unschedulable");
        follow(vec![Init, InitApply(full()), InitApply(pod("gated", "False", "SchedulingGated")), InitDone]);
        for (namespace, text, expected) in [
            ("shop", "app=web", since),
            ("shop", "app in (web,api)", since),
            ("shop", "app=gated", None),
            ("shop", "app=api", None),
            ("other", "app=web", None),
        ] {
            assert_eq!(pods.since(namespace, &selector(text)), Ok(expected), "{namespace} {text}");
        }
        follow(vec![Apply(pod("web", "True", ""))]);
        assert_eq!(pods.since("shop", &selector("app=web")), Ok(None), "it found its place");
        follow(vec![Apply(full()), Delete(full())]);
        assert_eq!(pods.since("shop", &selector("app=web")), Ok(None), "it is gone");
        follow(vec![Apply(full()), Init, InitDone]);
        assert_eq!(pods.since("shop", &selector("app=web")), Ok(None), "it is not in the new list");
        assert!(pods.seen().pods.is_empty());
    }
}
