//! What is told of a policy: its status and events. None of it keeps the policy from what it has to do next, however long the API
//! server takes: what is not told by then is told later.

use std::time::Duration;

use jiff::Timestamp;

use super::{Context, State};
use crate::api::ScalePolicyStatus;
use crate::operator::cluster::CallError;
use crate::operator::events::{self, EventReason};
use crate::operator::{Key, status};

/// How long may be told of a policy, in real time, when the next tick has come.
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
        let is_due = state.unwritten && state.timetable.telling.may_tell(self.clock.now());
        if !is_due && state.untold.is_empty() {
            return;
        }
        let (next_edge, next_tick) = (state.timetable.next_edge(), self.grid.after(self.clock.now()));
        // On the heap, and only while there is something to tell.
        let telling = Box::pin(async {
            let urgent = Box::pin(self.sleep_until(next_edge));
            let leisurely =
                futures::future::join(self.clock.sleep_until(next_tick), tokio::time::sleep(LEISURE));
            tokio::select! {
                biased;
                () = self.tell_all(key, state, is_due) => return,
                () = urgent => {}
                _ = leisurely => {}
            }
            tracing::debug!("something else is due: what is not told yet is told later");
            let error = CallError::Timeout(LEISURE);
            if state.timetable.telling.is_given_up(self.clock.elapsed(), LEISURE) {
                self.cluster.failures.count(&error);
                self.status_failed(state, &error);
            }
        });
        telling.await;
    }

    /// The status first, which says more.
    async fn tell_all(&self, key: &Key, state: &mut State, is_due: bool) {
        if is_due {
            self.write_status(key, state).await;
        }
        while let Some(untold) = state.untold.first() {
            let namespace = key.namespace();
            let event = || {
                let policy = events::reference(namespace, key.name(), state.uid.clone());
                let target = untold.reason.concerns_target().then_some(state.target.as_ref()).flatten();
                let who = (self.instance.as_str(), untold.serial);
                events::event(policy, target, untold.reason, &untold.note, untold.at, who)
            };
            match self.cluster.create_event(namespace, event).await {
                Ok(()) | Err(CallError::Stopping) => {}
                // It was created by a request whose answer did not come in time.
                Err(CallError::Refused { code: 409, .. }) => {}
                // The status says the same.
                Err(error) => {
                    tracing::warn!(category = error.category(), "the event was not created: {error}");
                }
            }
            state.untold.remove(0);
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
