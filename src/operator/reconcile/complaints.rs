//! What is said of policies that can't be followed, or not quite.

use super::super::conditions::{Finding, Reason};
use super::super::events::EventReason;
use super::super::policies::Listed;
use super::super::status;
use super::{Context, State};
use crate::api::{ConditionStatus, OVERRIDE_ANNOTATION};
use crate::policy::parse_override;

impl Context {
    /// Reads the annotation for an override. One that can't be read is said so, and the policy goes on
    /// without it: a typing error must not stop what works.
    pub(super) fn read_override(&self, state: &mut State) {
        let read = state.annotation.as_deref().map(parse_override).transpose();
        state.overridden = read.as_ref().ok().copied().flatten();
        state.complaint = None;
        let Err(error) = read else { return };
        let message = format!("the annotation {OVERRIDE_ANNOTATION} counts for nothing: {error}");
        tracing::warn!("{message}");
        self.announce(state, EventReason::InvalidAnnotation, message.clone(), self.clock.now());
        state.complaint = Some(Finding::new(ConditionStatus::False, Reason::InvalidAnnotation, message));
    }

    /// Reports that a policy can't be followed. The workload stays as it is.
    pub(super) fn refuse(&self, state: &mut State, mistake: &str) {
        state.policy = None;
        tracing::warn!(generation = state.generation, "the policy is not followed: {mistake}");
        self.report_mistake(state, mistake);
    }

    /// Reports a policy that this version can't parse, such as one of a later version's CRD.
    pub(super) fn refuse_unparsable(&self, listed: &Listed, mistake: &str, state: &mut State) {
        self.begin_anew(listed, state, self.clock.now());
        if state.generation.is_some() && state.generation == listed.generation {
            return self.idle(state);
        }
        state.generation = listed.generation;
        state.policy = None;
        state.timetable.suspend();
        tracing::warn!(generation = state.generation, "the policy can't be parsed: {mistake}");
        self.report_mistake(state, mistake);
    }

    fn report_mistake(&self, state: &mut State, mistake: &str) {
        let now = self.clock.now();
        let known = status::knows_mistake(&state.status, state.generation);
        let next = status::after_mistake(&state.status, state.generation, now, mistake);
        Self::note_status(state, next);
        if !known {
            self.announce(state, EventReason::InvalidSpec, mistake.to_owned(), now);
        }
    }
}
