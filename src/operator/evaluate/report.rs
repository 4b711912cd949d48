//! What is told of an evaluation: a line of the log, the status, an event. None of it may keep the policy from what it has to do
//! next, however long the API server takes for it.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;

use super::settled::Settled;
use crate::api::{ConditionStatus, ScalePolicyStatus, ScaleTargetRef};
use crate::operator::cluster::CallError;
use crate::operator::conditions::{self, Aspect, Reason};
use crate::operator::events::{self, Allowance, EventReason};
use crate::operator::reconcile::{Context, Due, State, Subject};
use crate::operator::setting::Setting;
use crate::operator::status::{self, Report};
use crate::operator::timetable::Timetable;
use crate::operator::{Key, Outcome};

/// How long an evaluation may be told of, in real time, after the next tick has come.
const LEISURE: Duration = Duration::from_secs(5);

impl Context {
    /// Logs, status and event.
    pub(super) async fn report(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        due: &Due<'_>,
        settled: &Settled,
    ) {
        let mut away = pin!(self.called_away(state.timetable));
        let mut is_away = false;
        if matches!(settled.outcome, Outcome::Scaled { .. }) {
            // Of an edge that many share, the others' writes go ahead of all that can be said of this one.
            tokio::select! {
                biased;
                _ = self.cluster.calm() => {}
                () = &mut away => is_away = true,
            }
        }
        let (next, event) = words(subject, state, due, settled);
        let mut tell = pin!(async {
            self.write_status(subject.namespace, subject.name, state, next).await;
            if let Some((reason, note)) = &event {
                let (policy, target) = (subject.reference(), Some(subject.target));
                self.announce(&mut state.allowance, policy, target, *reason, note, due.at).await;
            }
        });
        if is_away {
            // What is not told by then is owed.
            let _ = tell.as_mut().now_or_never();
            return;
        }
        tokio::select! {
            biased;
            () = &mut tell => {}
            () = away => tracing::debug!("something else is due: what is not told yet is left for later"),
        }
    }

    /// Waits until a policy has more urgent things to do than to tell of what is done: for the next edge, or for a tick when the
    /// telling takes long.
    async fn called_away(&self, timetable: Timetable) {
        let tick = self.grid.after(self.clock.now());
        let tick = futures::future::join(self.clock.sleep_until(tick), tokio::time::sleep(LEISURE));
        tokio::select! {
            () = self.sleep_until(timetable.next_edge()) => {}
            _ = tick => {}
        }
    }

    /// Tells something of a policy, as far as that goes before the policy has more urgent things to do.
    pub(in crate::operator) async fn tell(&self, timetable: Timetable, telling: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = telling => {}
            () = self.called_away(timetable) => {}
        }
    }

    /// Writes a status when it says something new, or when the last one was not written. Within a quarter of a
    /// minute of the one before it is owed until that is over; and so is one that is given up.
    ///
    /// What is to be written is settled at once; only who has to write takes up room until it is done.
    pub(in crate::operator) fn write_status<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        state: &'a mut State,
        next: ScalePolicyStatus,
    ) -> OptionFuture<BoxFuture<'a, ()>> {
        let is_news = state.unwritten || status::meaningful_difference(&state.status, &next);
        state.status = next;
        if !is_news {
            return None.into();
        }
        state.unwritten = true;
        let now = self.clock.now();
        if !state.timetable.telling.may_tell(now) {
            return None.into();
        }
        state.timetable.telling.begun(now);
        let write = async move {
            let key = Key::new(namespace, name);
            let is_there = || self.policies.get(&key).is_some_and(|listed| listed.uid == state.uid);
            let written = self.cluster.apply_status(namespace, name, &state.status, is_there).await;
            // It may have waited for its turn.
            let now = self.clock.now();
            let Err(error) = written else {
                state.unwritten = false;
                return state.timetable.telling.told(now);
            };
            let is_news = !state.timetable.telling.is_failing();
            state.timetable.telling.failed(now, &error, state.uid_hash());
            // Not found: the policy was deleted meanwhile. Who stops leaves the rest to the next.
            if !matches!(error, CallError::NotFound(_) | CallError::Stopping) {
                let (category, cure) = (error.category(), error.cure().unwrap_or_default());
                if is_news {
                    tracing::warn!(category, "the status was not written: {error}{cure}");
                } else {
                    tracing::debug!(category, "the status was not written again: {error}{cure}");
                }
            }
        };
        Some(write.boxed()).into()
    }

    /// Creates an event, as long as the policy has not had too many. One that can't be created is logged and given up: the
    /// status says the same.
    pub(in crate::operator) fn announce<'a>(
        &'a self,
        allowance: &mut Allowance,
        policy: ObjectReference,
        target: Option<&'a ScaleTargetRef>,
        reason: EventReason,
        note: &'a str,
        at: Timestamp,
    ) -> OptionFuture<BoxFuture<'a, ()>> {
        if !allowance.use_up(reason.type_(), at) {
            tracing::debug!(
                reason = reason.as_str(),
                "the policy has had too many events for one more: {note}"
            );
            return None.into();
        }
        let create = async move {
            let namespace = policy.namespace.clone().unwrap_or_default();
            let who = (self.instance.as_str(), self.serial());
            let event = || events::event(policy, target, reason, note, at, who);
            match self.cluster.create_event(&namespace, event).await {
                Ok(()) | Err(CallError::Stopping) => {}
                Err(error) => {
                    tracing::warn!(category = error.category(), "the event was not created: {error}");
                }
            }
        };
        Some(create.boxed()).into()
    }
}

/// Logs an evaluation, and gives the status and the event that tell of it.
fn words(
    subject: &Subject<'_>,
    state: &State,
    due: &Due<'_>,
    settled: &Settled,
) -> (ScalePolicyStatus, Option<(EventReason, String)>) {
    let previous_able = conditions::find(&state.status.conditions, Aspect::AbleToScale);
    let newly_failed = settled.able.status == ConditionStatus::False
        && previous_able.is_none_or(|able| able.reason != settled.able.reason.as_str());
    let wanted = settled.current.zip(settled.decision.as_ref());
    let report = Report {
        at: due.at,
        target: subject.target,
        generation: subject.generation,
        policy: &subject.policy,
        mode: subject.mode,
        current: settled.current.map(Setting::replicas),
        decision: settled.decision.as_ref().map(|decision| (decision, state.history.memory())),
        problems: due.problems,
        samples: &due.samples,
        scaled: matches!(settled.outcome, Outcome::Scaled { .. }),
        waits: wanted.and_then(|(current, decision)| state.puts_off(due, current, decision)),
        able: settled.able.clone(),
        pods_unknown: state.pods_unknown.as_deref(),
        complaint: state.complaint.as_ref().or(subject.lack.as_ref()),
    };
    let next = status::after_evaluation(&state.status, &report);
    if let (Outcome::Scaled { from, to }, Some(decision)) = (settled.outcome, &settled.decision) {
        let why = decision.explain(&subject.policy).to_string();
        let (reason, workload) = (decision.reason.as_str(), status::target_name(subject.target));
        let occasion = due.occasion.as_str();
        tracing::info!(workload, %from, %to, reason, occasion, at = %due.at, "scaled: {why}");
        let event = if to > from { EventReason::ScaledUp } else { EventReason::ScaledDown };
        let foreign = settled.foreign.as_ref();
        let foreign = foreign.map(|manager| format!(" ({from} was set by {manager})")).unwrap_or_default();
        return (next, Some((event, format!("{workload} from {from} to {to}: {why}{foreign}"))));
    }
    if !newly_failed {
        return (next, None);
    }
    let note = &settled.able.message;
    tracing::warn!(reason = settled.able.reason.as_str(), "can't scale: {note}");
    let event = match settled.able.reason {
        Reason::TargetNotFound => EventReason::TargetNotFound,
        Reason::Conflict => EventReason::Conflict,
        Reason::Contested => EventReason::Contested,
        _ => EventReason::ScalingFailed,
    };
    (next, Some((event, note.clone().into_owned())))
}
