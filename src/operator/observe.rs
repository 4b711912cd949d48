//! What a policy needs to know of its workload: the present replicas and, where a metric is a ratio, how
//! many of them are ready.

use jiff::Timestamp;
use kube::core::ApiResource;

use super::Key;
use super::cluster::{CallError, ScaleSeen};
use super::pods::Unschedulable;
use super::reconcile::{Context, Subject};
use super::setting::Setting;
use super::targets::{Outline, Standing, Told};
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
    /// told no more than that nothing of what can be set has changed, only the rest of the object. Where somebody asks for
    /// the workload's pods, one that does not say which they are has to be read: that may stand in its status, and come late.
    fn learn(&mut self, told: &Told, wants_pods: bool) {
        match (&mut *self, told) {
            (Self::Never, Told::Whole(watched)) => *self = Self::As(watched.clone()),
            (Self::As(seen), Told::Whole(watched))
                if (seen.setting, &seen.uid) == (watched.setting, &watched.uid) =>
            {
                seen.clone_from(watched);
            }
            (Self::As(seen), Told::Outline(watched)) => {
                if seen.selector.is_some() || !wants_pods || seen.version == watched.version {
                    seen.follow(watched);
                }
            }
            (Self::Never | Self::InDoubt | Self::As(_), _) => {}
        }
    }
}

impl ScaleSeen {
    /// Whether it is of this version.
    fn is_of(&self, version: &str) -> bool {
        self.version.as_deref() == Some(version)
    }

    /// Takes what a watch says, when the spec is as it was.
    fn follow(&mut self, watched: &Outline) {
        let has_old_spec = self.generation.is_some() && self.generation == watched.generation;
        if self.version == watched.version || has_old_spec && self.uid == watched.uid {
            self.version.clone_from(&watched.version);
            (self.generation, self.ready) = (watched.generation, Some(watched.ready));
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
    /// What is known of the workload without asking.
    pub(super) fn standing(&self, subject: &Subject<'_>) -> Standing {
        let kind = self.cluster.known_kind(subject.target);
        kind.map_or(Standing::Unknown, |kind| {
            self.targets.standing(&kind, subject.namespace, &subject.target.name)
        })
    }

    /// Notes what was read of a workload that the watch has not told of.
    async fn note_read(
        &self,
        kind: &ApiResource,
        subject: &Subject<'_>,
        read: &Result<ScaleSeen, CallError>,
    ) {
        let (namespace, name) = (subject.namespace, &*subject.target.name);
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
        let is_shared = || self.rivals.is_shared(&Key::new(namespace, name), &kind.group, &kind.kind);
        let told = self.targets.tell(&kind, namespace, name, is_shared);
        let wants_pods = !policy.metrics.is_empty() && !policy.capacity.hold_after.is_zero();
        if let Some(told) = &told {
            seen.learn(told, wants_pods);
        }
        let is_known = match &standing {
            Standing::Absent => {
                *seen = Seen::Never;
                return Err(absent(kind, name));
            }
            Standing::Unknown => false,
            Standing::Version(version) => seen.scale().is_some_and(|seen| seen.is_of(version)),
        };
        if !is_known {
            *seen = Seen::InDoubt;
            let read = self.cluster.scale(namespace, target).await;
            if standing == Standing::Unknown {
                Box::pin(self.note_read(&kind, subject, &read)).await;
            }
            *seen = Seen::As(read?);
            // Now that it was read, it may be known which generation of the spec that was.
            if let Some(told @ Told::Outline(_)) = &told {
                seen.learn(told, wants_pods);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(version: &str, replicas: i32, ready: Option<i32>) -> ScaleSeen {
        ScaleSeen {
            version: Some(version.to_owned()),
            setting: Setting::Replicas(Replicas::new(replicas)),
            uid: Some("u".to_owned()),
            generation: None,
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
            learned.learn(&Told::Whole(watched.clone()), true);
            assert_eq!(learned, expected, "{seen:?}");
        }
    }

    #[test]
    fn of_other_kinds_a_watch_tells_of_what_was_read_and_of_each_status_since() {
        let outline = |version: &str, generation, ready| {
            let (version, uid) = (Some(version.to_owned()), Some("u".to_owned()));
            Told::Outline(Outline { version, uid, generation, ready: Replicas::new(ready) })
        };
        let read = ScaleSeen { selector: Some("app=web".to_owned()), ..scale("5", 3, None) };
        let dated = ScaleSeen { generation: Some(2), ..read.clone() };
        let told = |version: &str, generation, ready| {
            let ready = Some(Replicas::new(ready));
            ScaleSeen { version: Some(version.to_owned()), generation, ready, ..read.clone() }
        };
        for (seen, watched, expected) in [
            (&read, outline("5", Some(2), 1), told("5", Some(2), 1)),
            (&read, outline("6", Some(2), 1), read.clone()),
            (&read, outline("6", None, 1), read.clone()),
            (&dated, outline("6", Some(2), 1), told("6", Some(2), 1)),
            (&dated, outline("6", Some(3), 1), dated.clone()),
            (&dated, outline("6", None, 1), dated.clone()),
        ] {
            let mut learned = Seen::As(seen.clone());
            learned.learn(&watched, true);
            assert_eq!(learned, Seen::As(expected), "{seen:?} {watched:?}");
        }
        let other = ScaleSeen { uid: Some("v".to_owned()), ..dated.clone() };
        // It may come with the next status.
        let without_selector = ScaleSeen { selector: None, ..dated };
        let followed = ScaleSeen { selector: None, ..told("6", Some(2), 1) };
        for (seen, wants_pods, expected) in [
            (&other, true, &other),
            (&without_selector, true, &without_selector),
            (&without_selector, false, &followed),
        ] {
            let mut learned = Seen::As(seen.clone());
            learned.learn(&outline("6", Some(2), 1), wants_pods);
            assert_eq!(learned, Seen::As(expected.clone()));
        }
        for seen in [Seen::Never, Seen::InDoubt] {
            let mut learned = seen.clone();
            learned.learn(&outline("6", Some(2), 1), true);
            assert_eq!(learned, seen, "the replicas are not told");
        }
    }
}
