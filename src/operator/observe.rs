//! What a policy needs to know of its workload: the present replicas and, where a metric is a ratio, how
//! many of them are ready.

use jiff::Timestamp;

use super::cluster::{CallError, ScaleSeen};
use super::pods::Unschedulable;
use super::reconcile::{Context, Subject};
use super::setting::Setting;
use super::targets::Standing;
use crate::decision::{Policy, Replicas, Samples, Target};
use crate::labels::LabelSelector;

/// What is remembered of a workload from one look to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody has looked yet.
    #[default]
    Never,
    /// It may be otherwise than a watch says, and has to be read.
    InDoubt,
    /// How it was when it was last read or written.
    As(ScaleSeen),
}

impl Seen {
    /// How it was, if anybody knows.
    pub(super) fn scale(&mut self) -> Option<&mut ScaleSeen> {
        match self {
            Self::Never | Self::InDoubt => None,
            Self::As(scale) => Some(scale),
        }
    }

    /// Takes what a watch says. A watch may be behind what was read or written, so of a workload that was looked at it is
    /// told no more than that nothing of what can be set has changed, only the rest of the object.
    fn learn(&mut self, watched: ScaleSeen) {
        match self {
            Self::Never => *self = Self::As(watched),
            Self::As(seen) if (seen.setting, &seen.uid) == (watched.setting, &watched.uid) => *seen = watched,
            Self::InDoubt | Self::As(_) => {}
        }
    }
}

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
    /// Whether the workload is known to exist.
    pub(super) async fn is_there(&self, subject: &Subject<'_>) -> bool {
        let Ok(kind) = self.cluster.kind(subject.target).await else { return false };
        let standing = self.targets.standing(&kind, subject.namespace, &subject.target.name);
        matches!(standing, Standing::Version(_))
    }

    /// Reads the workload, unless it is as it was when it was last read.
    pub(super) async fn observe(
        &self,
        subject: &Subject<'_>,
        seen: &mut Seen,
        samples: &Samples,
    ) -> Result<Workload, CallError> {
        let Subject { namespace, target, policy, .. } = subject;
        let kind = self.cluster.kind(target).await?;
        let name = &*target.name;
        let standing = match seen {
            Seen::Never => self.targets.first_standing(&kind, namespace, name).await,
            Seen::InDoubt | Seen::As(_) => self.targets.standing(&kind, namespace, name),
        };
        let is_known = match standing {
            Standing::Absent => {
                *seen = Seen::Never;
                let plural = if kind.group.is_empty() {
                    kind.plural
                } else {
                    format!("{}.{}", kind.plural, kind.group)
                };
                return Err(CallError::NotFound(format!("{plural} \"{name}\" not found")));
            }
            Standing::Unknown => false,
            Standing::Version(version) => {
                if let Some(watched) = self.targets.take_scale(&kind, namespace, name) {
                    seen.learn(watched);
                }
                seen.scale().is_some_and(|seen| seen.version.as_ref() == Some(&version))
            }
        };
        if !is_known {
            *seen = Seen::InDoubt;
            *seen = Seen::As(self.cluster.scale(namespace, target).await?);
        }
        let Some(scale) = seen.scale() else { return Err(CallError::NotFound(name.to_owned())) };
        let ready = match scale.ready {
            _ if !asks_for_ready(policy, samples) => scale.setting.replicas(),
            Some(ready) => ready,
            None => {
                let ready = self.cluster.ready(namespace, target).await?;
                scale.ready = Some(ready);
                ready
            }
        };
        let unschedulable_since = if policy.metrics.is_empty() || policy.capacity.hold_after.is_zero() {
            Ok(None)
        } else {
            waiting(namespace, scale.selector.as_deref(), &self.pods)
        };
        Ok(Workload { setting: scale.setting, ready, uid: scale.uid.clone(), unschedulable_since })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(version: &str, replicas: i32, ready: Option<i32>) -> ScaleSeen {
        ScaleSeen {
            version: Some(version.to_owned()),
            setting: Setting::Replicas(Replicas::new(replicas)),
            uid: Some("u".to_owned()),
            selector: None,
            ready: ready.map(Replicas::new),
        }
    }

    #[test]
    fn a_watch_tells_of_a_first_look_and_of_what_has_not_been_set() {
        let (watched, read) = (scale("7", 3, Some(2)), scale("5", 3, None));
        let other = ScaleSeen { uid: Some("v".to_owned()), ..read.clone() };
        for (seen, expected) in [
            (Seen::Never, Seen::As(watched.clone())),
            (Seen::InDoubt, Seen::InDoubt),
            (Seen::As(read), Seen::As(watched.clone())),
            (Seen::As(scale("5", 4, None)), Seen::As(scale("5", 4, None))),
            (Seen::As(other.clone()), Seen::As(other)),
        ] {
            let mut learned = seen.clone();
            learned.learn(watched.clone());
            assert_eq!(learned, expected, "{seen:?}");
        }
    }
}
