//! What a policy needs to know of its workload: the present replicas and, where a metric is a ratio, how
//! many of them are ready.

use jiff::Timestamp;
use kube::core::ApiResource;

pub(super) use self::seen::Seen;
use super::Key;
use super::cluster::{CallError, ScaleSeen};
use super::pods::Unschedulable;
use super::reconcile::{Context, Due, Subject};
use super::setting::Setting;
use super::targets::{Standing, Told, is_known};
use crate::api::ScaleTargetRef;
use crate::decision::{Policy, Replicas, Samples, Target};
use crate::labels::LabelSelector;

mod search;
mod seen;

/// The workload at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Workload {
    /// What can be set on it.
    pub(super) setting: Setting,
    /// Ready replicas; the same as are set where nobody asks.
    pub(super) ready: Replicas,
    /// The workload's UID.
    pub(super) uid: Option<String>,
    /// Since when a pod of the workload has been unschedulable; or why that can't be said.
    pub(super) unschedulable_since: Result<Option<Timestamp>, String>,
}

impl Context {
    /// What is known of the workload without asking.
    pub(super) fn standing(&self, namespace: &str, target: &ScaleTargetRef) -> Standing {
        let kind = self.cluster.known_kind(target);
        kind.map_or(Standing::Unknown, |kind| self.targets.standing(&kind, namespace, &target.name))
    }

    /// Notes what was read of a workload that the watch has not told of.
    async fn note_read(
        &self,
        kind: &ApiResource,
        subject: &Subject<'_>,
        read: &Result<ScaleSeen, CallError>,
    ) {
        if !self.targets.are_told(kind) {
            // Each evaluation reads.
            return;
        }
        let (namespace, name) = (subject.key.namespace(), &*subject.target.name);
        let version = match read {
            Ok(read) => read.version.clone(),
            // It may be there, and have no scale subresource.
            Err(CallError::NotFound(_)) => match self.cluster.version(namespace, name, kind).await {
                Ok(version) => version,
                Err(_) => return,
            },
            Err(_) => return,
        };
        let is_claimed = |workload: &Key| self.is_claimed(kind, workload);
        self.targets.note(kind, &Key::new(namespace, name), version, is_claimed);
    }

    /// Reads the workload, and remembers what was found.
    async fn read(
        &self,
        subject: &Subject<'_>,
        kind: &ApiResource,
        seen: &mut Seen,
        standing: &Standing,
        at: Timestamp,
    ) -> Result<(), CallError> {
        let before = std::mem::replace(seen, Seen::InDoubt);
        let read = self.cluster.scale(subject.key.namespace(), subject.target).await;
        if *standing == Standing::Unknown {
            Box::pin(self.note_read(kind, subject, &read)).await;
        }
        *seen = match (read, standing) {
            (Ok(scale), _) => before.read(scale, standing, at),
            // Kubernetes' own kinds can be scaled: one of them is gone, as the watch will say.
            (Err(CallError::NotFound(said)), Standing::Version(version)) if !is_known(kind) => {
                before.unscalable(version, said, at)
            }
            (Err(error), _) => return Err(error),
        };
        Ok(())
    }

    /// Reads the workload, unless it is as it was when it was last read.
    pub(super) async fn observe(
        &self,
        subject: &Subject<'_>,
        seen: &mut Seen,
        due: &Due<'_>,
    ) -> Result<Workload, CallError> {
        let Subject { key, target, policy, .. } = subject;
        let namespace = key.namespace();
        let kind = self.cluster.kind(target).await?;
        let name = &*target.name;
        let standing = match seen {
            Seen::Never => self.targets.first_standing(&kind, namespace, name).await,
            Seen::InDoubt | Seen::As(_) | Seen::Unscalable(_) => {
                self.targets.standing(&kind, namespace, name)
            }
        };
        let is_shared = || self.rivals.is_shared(&Key::new(namespace, name), &kind.group, &kind.kind);
        let told = self.targets.tell(&kind, namespace, name, is_shared);
        let wants_pods = !policy.metrics.is_empty() && !policy.capacity.hold_after.is_zero();
        if let Some(told) = &told {
            seen.learn(told);
        }
        if standing == Standing::Absent {
            *seen = Seen::Never;
            return Err(absent(kind, name));
        }
        if !seen.holds(&standing, wants_pods, due.occasion, due.at) {
            self.read(subject, &kind, seen, &standing, due.at).await?;
            // Now that it was read, it may be known which generation of the spec that was.
            if let Some(told @ Told::Outline(_)) = &told {
                seen.learn(told);
            }
        }
        let known = match seen {
            Seen::As(known) => known,
            Seen::Unscalable(unscalable) => return Err(CallError::NotFound(unscalable.said.clone())),
            Seen::Never | Seen::InDoubt => return Err(CallError::NotFound(name.to_owned())),
        };
        let scale = &mut known.scale;
        let ready = match scale.ready {
            _ if !asks_for_ready(policy, &due.samples) => scale.setting.replicas(),
            Some(ready) => ready,
            None => {
                let ready = self.cluster.ready(namespace, target).await?;
                scale.ready = Some(ready);
                ready
            }
        };
        let unschedulable_since =
            if wants_pods { waiting(namespace, scale.selector.as_deref(), &self.pods) } else { Ok(None) };
        Ok(Workload { setting: scale.setting, ready, uid: scale.uid.clone(), unschedulable_since })
    }
}

fn absent(kind: ApiResource, name: &str) -> CallError {
    let ApiResource { group, plural, .. } = kind;
    let resource = if group.is_empty() { plural } else { format!("{plural}.{group}") };
    CallError::NotFound(format!("{resource} \"{name}\" not found"))
}

/// Since when a pod of a workload has been unschedulable. A scale subresource without a selector says nothing
/// of its pods.
fn waiting(
    namespace: &str,
    selector: Option<&str>,
    pods: &Unschedulable,
) -> Result<Option<Timestamp>, String> {
    let selector = selector.filter(|selector| !selector.trim().is_empty());
    let selector = selector.ok_or("the scale subresource does not say which pods are the workload's")?;
    let selector = LabelSelector::parse(selector)
        .map_err(|error| format!("the scale subresource's selector can't be read: {error}"))?;
    pods.since(namespace, &selector)
}

/// Only `target.value` multiplies by ready replicas, and only when metrics were read.
fn asks_for_ready(policy: &Policy, samples: &Samples) -> bool {
    let is_ratio = |target: Target| match target {
        Target::Value(_) => true,
        Target::AverageValue(_) => false,
    };
    match samples {
        Samples::NotDue => false,
        Samples::Read(_) => policy.metrics.iter().any(|metric| is_ratio(metric.target)),
    }
}
