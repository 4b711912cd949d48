//! What is said of an evaluation: a line of the log, the status, an event.

use futures::future::OptionFuture;
use jiff::Timestamp;

use super::settled::Settled;
use crate::api::{ConditionStatus, ScalePolicyStatus};
use crate::operator::Outcome;
use crate::operator::cluster::MOST_PATIENCE;
use crate::operator::conditions::{self, Aspect, Reason};
use crate::operator::events::EventReason;
use crate::operator::reconcile::{Context, Due, State, Subject};
use crate::operator::setting::Setting;
use crate::operator::status::{self, Report};

impl Context {
    /// Logs, status and event.
    pub(super) async fn report(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        due: &Due<'_>,
        settled: &Settled,
    ) {
        if matches!(settled.outcome, Outcome::Scaled { .. }) {
            // Of an edge that many share, the others' writes go ahead of all that can be said of this one, for a moment. Few
            // have another edge within that.
            let soon = self.clock.now().saturating_add(MOST_PATIENCE).unwrap_or(Timestamp::MAX);
            let next_edge = state.timetable.next_edge().filter(|edge| *edge < soon);
            let next_edge = next_edge.map(|edge| Box::pin(self.clock.sleep_until(edge)));
            tokio::select! {
                biased;
                _ = self.cluster.calm() => {}
                Some(()) = OptionFuture::from(next_edge) => {}
            }
        }
        self.say(subject, state, due, settled);
        self.tell(subject.key, state).await;
    }

    /// Logs an evaluation, and notes what is to be told of it.
    fn say(&self, subject: &Subject<'_>, state: &mut State, due: &Due<'_>, settled: &Settled) {
        let (next, event) = words(subject, state, due, settled);
        Self::note_status(state, next);
        if let Some((reason, note)) = event {
            self.announce(state, reason, note, due.at);
        }
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
