//! What is said of policies that can't be followed, or not quite.

use kube::ResourceExt;
use kube::core::error_boundary::InvalidObject;

use super::super::conditions::{Finding, Reason};
use super::super::events::{self, EventReason};
use super::super::timetable::Timetable;
use super::super::{Key, status};
use super::{Context, State};
use crate::api::{ConditionStatus, OVERRIDE_ANNOTATION, ScalePolicy};
use crate::policy::parse_override;

impl Context {
    /// Reads the annotation for an override. One that can't be read is said so, and the policy goes on
    /// without it: a typing error must not stop what works.
    pub(super) async fn read_override(&self, resource: &ScalePolicy, state: &mut State) {
        let read = state.annotation.as_deref().map(parse_override).transpose();
        state.overridden = read.as_ref().ok().copied().flatten();
        state.complaint = None;
        let Err(error) = read else { return };
        let message = format!("the annotation {OVERRIDE_ANNOTATION} counts for nothing: {error}");
        tracing::warn!("{message}");
        let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
        let policy = events::reference(&namespace, &name, resource.metadata.uid.clone());
        self.announce(policy, None, EventReason::InvalidAnnotation, &message, self.clock.now()).await;
        state.complaint = Some(Finding::new(ConditionStatus::False, Reason::InvalidAnnotation, message));
    }

    /// Reports that a policy can't be followed. The workload stays as it is.
    pub(super) async fn refuse(&self, resource: &ScalePolicy, state: &mut State, mistake: &str) {
        state.policy = None;
        tracing::warn!(generation = state.generation, "the policy is not followed: {mistake}");
        let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
        self.report_mistake((&namespace, &name, resource.metadata.uid.clone()), state, mistake).await;
    }

    /// Reports a policy that this version can't parse, such as one of a later version's CRD.
    pub(super) async fn refuse_unparsable(&self, invalid: &InvalidObject, state: &mut State) {
        let metadata = &invalid.metadata;
        let key = Key::of_parts(metadata);
        let is_same = state.uid.is_some() && state.uid == metadata.uid;
        if is_same && state.generation == metadata.generation {
            return self.idle(&key, state).await;
        }
        if !is_same {
            let timetable = Timetable::starting(self.grid, self.clock.now());
            *state = State { timetable, ..State::default() };
            // Unread, the status would be lost with the next write, and the load's level with it.
            match self.cluster.status(&key.namespace, &key.name).await {
                Ok(status) => state.status = status::understood(status),
                Err(error) => {
                    // The next tick tries again.
                    tracing::warn!(
                        category = error.category(),
                        "the policy can't be parsed or read: {error}"
                    );
                    return;
                }
            }
            state.uid.clone_from(&metadata.uid);
        }
        state.generation = metadata.generation;
        state.is_awaited = true;
        state.policy = None;
        state.timetable.suspend();
        tracing::warn!(generation = state.generation, "the policy can't be parsed: {}", invalid.error);
        let name = (key.namespace.as_str(), key.name.as_str(), metadata.uid.clone());
        self.report_mistake(name, state, &invalid.error).await;
    }

    async fn report_mistake(
        &self,
        (namespace, name, uid): (&str, &str, Option<String>),
        state: &mut State,
        mistake: &str,
    ) {
        let now = self.clock.now();
        let known = status::knows_mistake(&state.status, state.generation);
        let next = status::after_mistake(&state.status, state.generation, now, mistake);
        self.write_status(namespace, name, state, next).await;
        if !known {
            let policy = events::reference(namespace, name, uid);
            self.announce(policy, None, EventReason::InvalidSpec, mistake, now).await;
        }
    }
}
