//! Events: what happened to a policy, for people who ask `kubectl describe` or `kubectl events`.
//!
//! They are written directly and not through kube's recorder, which reads wall time: here each event
//! bears the instant of its evaluation.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Resource;

pub(super) use self::allowance::Allowance;
use super::text::{beginning, shorten};
use crate::api::{ScalePolicy, ScaleTargetRef};
use crate::decision::closed_list;

mod allowance;

/// The longest note that the API server takes.
const LONGEST_NOTE: usize = 1024;

/// The longest name of an instance that the API server takes.
const LONGEST_INSTANCE: usize = 128;

/// The type of an event that is nobody's concern.
const NORMAL: &str = "Normal";

/// Who reports.
const CONTROLLER: &str = "tidetable.dev/operator";

closed_list! {
    /// What happened.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum EventReason {
        /// The replicas were raised.
        ScaledUp,
        /// The replicas were lowered.
        ScaledDown,
        /// The spec has mistakes.
        InvalidSpec,
        /// The policy bears an annotation that can't be read.
        InvalidAnnotation,
        /// A calendar that the policy names is not there, or has mistakes.
        CalendarMissing,
        /// Somebody else scales the same workload and has precedence.
        Conflict,
        /// Somebody keeps changing the replicas back.
        Contested,
        /// The workload does not exist.
        TargetNotFound,
        /// The workload could not be read or scaled for another reason.
        ScalingFailed,
    }
}

impl EventReason {
    pub(super) const fn type_(self) -> &'static str {
        match self {
            Self::ScaledUp | Self::ScaledDown => NORMAL,
            Self::InvalidSpec
            | Self::InvalidAnnotation
            | Self::CalendarMissing
            | Self::Conflict
            | Self::Contested
            | Self::TargetNotFound
            | Self::ScalingFailed => "Warning",
        }
    }

    /// Whether it is about the workload, too.
    pub(super) const fn concerns_target(self) -> bool {
        !matches!(self, Self::InvalidSpec | Self::InvalidAnnotation)
    }

    const fn action(self) -> &'static str {
        match self {
            Self::ScaledUp | Self::ScaledDown | Self::Conflict | Self::Contested | Self::ScalingFailed => {
                "Scale"
            }
            Self::InvalidSpec | Self::InvalidAnnotation | Self::CalendarMissing => "Validate",
            Self::TargetNotFound => "Observe",
        }
    }
}

/// An event about a policy, and about its workload where that is known.
pub(super) fn event(
    policy: ObjectReference,
    target: Option<&ScaleTargetRef>,
    reason: EventReason,
    note: &str,
    at: Timestamp,
    (instance, serial): (&str, u64),
) -> Event {
    let namespace = policy.namespace.clone();
    // A name must be a DNS subdomain of at most 253 characters; the rest makes it unique: of one instant there may be several.
    let prefix =
        beginning(policy.name.as_deref().unwrap_or("policy"), 200).trim_end_matches(['.', '-']).to_owned();
    let name = format!("{prefix}.{serial:x}.{}", reason.as_str().to_ascii_lowercase());
    let related = target.map(|target| ObjectReference {
        api_version: Some(target.api_version.clone()),
        kind: Some(target.kind.clone()),
        name: Some(target.name.clone()),
        namespace: namespace.clone(),
        ..ObjectReference::default()
    });
    Event {
        metadata: ObjectMeta { name: Some(name), namespace, ..ObjectMeta::default() },
        action: Some(reason.action().to_owned()),
        event_time: Some(MicroTime(at)),
        note: Some(shorten(note, LONGEST_NOTE)),
        reason: Some(reason.as_str().to_owned()),
        regarding: Some(policy),
        related,
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(shorten(instance, LONGEST_INSTANCE)),
        type_: Some(reason.type_().to_owned()),
        ..Event::default()
    }
}

/// A policy as events refer to it.
pub(super) fn reference(namespace: &str, name: &str, uid: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some(ScalePolicy::api_version(&()).into_owned()),
        kind: Some(ScalePolicy::kind(&()).into_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        uid,
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_policy_and_workload_and_bears_the_instant_of_the_evaluation() {
        let at: Timestamp = "2026-11-23T07:00:00Z".parse().expect("a timestamp");
        let target =
            ScaleTargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() };
        let policy = reference("shop", "web", Some("u-1".into()));
        let who = ("me", 0x18ea_9a6e_4da0_6000);
        let event = event(policy, Some(&target), EventReason::ScaledUp, &"x".repeat(2000), at, who);
        // A real API server reads six digits and no others.
        let time = serde_json::to_value(&event.event_time).expect("JSON");
        assert_eq!(time, "2026-11-23T07:00:00.000000Z");
        assert_eq!(event.type_.as_deref(), Some("Normal"));
        assert_eq!(event.note.map(|note| note.len()), Some(LONGEST_NOTE));
        assert_eq!(event.metadata.namespace.as_deref(), Some("shop"));
        assert_eq!(event.metadata.name.as_deref(), Some("web.18ea9a6e4da06000.scaledup"));
        assert_eq!(event.related.and_then(|related| related.kind).as_deref(), Some("Deployment"));
    }
}
