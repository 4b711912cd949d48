//! What is told of a policy: its status and events. None of it keeps the policy from what it has to do next, however long the API
//! server takes: what is not told by then is told later.

use std::time::Duration;

use futures::future::OptionFuture;
use jiff::Timestamp;

use super::{Context, State};
use crate::api::ScalePolicyStatus;
use crate::operator::cluster::CallError;
use crate::operator::events::{self, EventReason};
use crate::operator::{Key, status};

/// How long may be told of a policy at least before it has to do with the next tick. All of this is real time.
const LEISURE: Duration = Duration::from_secs(5);

/// How many events of a policy may wait; of more the oldest are left out.
const MOST_UNTOLD: usize = 8;

/// An event that is yet to be created.
#[derive(Clone, Debug)]
pub(in crate::operator) struct Untold {
    /// By which it is known, however often it is sent.
    serial: u64,
    reason: EventReason,
    note: Box<str>,
    at: Timestamp,
}

impl Context {
    /// Notes a status, which has to be written when it says something new.
    pub(in crate::operator) fn note_status(state: &mut State, next: ScalePolicyStatus) {
        state.unwritten |= status::meaningful_difference(&state.status, &next);
        state.status = next;
    }

    /// Notes an event, as long as the policy has not had too many.
    pub(in crate::operator) fn announce(
        &self,
        state: &mut State,
        reason: EventReason,
        note: String,
        at: Timestamp,
    ) {
        if !state.allowance.use_up(reason.type_(), at) {
            tracing::debug!(
                reason = reason.as_str(),
                "the policy has had too many events for one more: {note}"
            );
            return;
        }
        if state.untold.len() == MOST_UNTOLD {
            let oldest = state.untold.remove(0);
            tracing::warn!(
                reason = oldest.reason.as_str(),
                "the event was not created in time: {}",
                oldest.note
            );
        }
        state.untold.push(Untold { serial: self.serial(), reason, note: note.into(), at });
    }

    /// Writes the status and creates the events that are due, until the policy has more urgent things to do.
    pub(in crate::operator) async fn tell(&self, key: &Key, state: &mut State) {
        let now = self.clock.now();
        let is_due = state.unwritten && state.timetable.telling.may_tell(now);
        if !is_due && state.untold.is_empty() {
            return;
        }
        let edge = state.timetable.next_edge().map(|edge| Box::pin(self.clock.sleep_until(edge)));
        let tick = Duration::try_from(self.grid.after(now).duration_since(now)).unwrap_or_default();
        // Very many policies wait here for their turn at a time, and each takes up no more than it needs.
        let tell = Box::pin(async {
            if is_due {
                Box::pin(self.write_status(key, state)).await;
            }
            while !state.untold.is_empty() {
                Box::pin(self.create_event(key, state)).await;
                state.untold.remove(0);
            }
        });
        tokio::select! {
            biased;
            () = tell => return,
            Some(()) = OptionFuture::from(edge) => {}
            () = tokio::time::sleep(tick.max(LEISURE)) => {}
        }
        tracing::debug!("something else is due: what is not told yet is told later");
        let error = CallError::Timeout(LEISURE);
        if state.timetable.telling.is_given_up(self.clock.elapsed(), LEISURE) {
            self.cluster.failures.count(&error);
            self.status_failed(state, &error);
        }
    }

    /// Creates the oldest event that is not told.
    async fn create_event(&self, key: &Key, state: &State) {
        let Some(untold) = state.untold.first() else { return };
        let event = || {
            let policy = events::reference(key.namespace(), key.name(), state.uid.clone());
            let target = untold.reason.concerns_target().then_some(state.target.as_ref()).flatten();
            let who = (self.instance.as_str(), untold.serial);
            events::event(policy, target, untold.reason, &untold.note, untold.at, who)
        };
        match self.cluster.create_event(key.namespace(), event).await {
            // A conflict: it was created by a request whose answer did not come in time.
            Ok(()) | Err(CallError::Stopping | CallError::Refused { code: 409, .. }) => {}
            // The status says the same.
            Err(error) => tracing::warn!(category = error.category(), "the event was not created: {error}"),
        }
    }

    async fn write_status(&self, key: &Key, state: &mut State) {
        let (telling, uid) = (&mut state.timetable.telling, &state.uid);
        let begin = || {
            let is_there = self.policies.get(key).is_some_and(|listed| listed.uid == *uid);
            if is_there {
                telling.begun(self.clock.now(), self.clock.elapsed());
            }
            is_there
        };
        match self.cluster.apply_status(key.namespace(), key.name(), &state.status, begin).await {
            Ok(()) => {
                state.unwritten = false;
                // It may have waited for its turn.
                state.timetable.telling.told(self.clock.now());
            }
            Err(error) => self.status_failed(state, &error),
        }
    }

    fn status_failed(&self, state: &mut State, error: &CallError) {
        let is_news = !state.timetable.telling.is_failing();
        state.timetable.telling.failed(self.clock.now(), error, state.uid_hash());
        // Not found: the policy was deleted meanwhile. Who stops leaves the rest to the next.
        if matches!(error, CallError::NotFound(_) | CallError::Stopping) {
            return;
        }
        let (category, cure) = (error.category(), error.cure().unwrap_or_default());
        if is_news {
            tracing::warn!(category, "the status was not written: {error}{cure}");
        } else {
            tracing::debug!(category, "the status was not written again: {error}{cure}");
        }
    }
}
