//! What the process before this one wrote and did not come to tell.
//!
//! A scale write goes ahead of the status, and of statuses one is written in a quarter of a minute. Who is stopped or
//! killed in between leaves replicas of which its status knows nothing, and perhaps a level of the load that they come from.
//!
//! The level is not the replicas. What the schedule or an override would have asked for at any time since the last status is
//! taken for theirs. Anything else above the level is the level, whoever wrote it, as it is when somebody scales up by hand.
//! Anything else below it may be the load's if an operator wrote it, since nobody else lowers the level: then it is not undone
//! before the metrics have been followed, or two ticks have passed. Who wrote it the workload's `managedFields` say. They say no time, so a move is
//! dated as late as it can have been.

use jiff::{SignedDuration, Timestamp};

use super::observe::Workload;
use super::reconcile::{Context, Due, State, Subject};
use super::setting::Setting;
use crate::api::ScalePolicyStatus;
use crate::decision::{Decision, Memory, Mode, Observation, Policy, Replicas, Samples, decide};

/// How many changes of the schedule since the last status are looked at.
const MOST_CHANGES: usize = 1000;

/// How long a rise may be put off at most.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What the last status says of the workload, until that has been looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastWord {
    /// When it was decided.
    at: Timestamp,
    /// The replicas after that.
    replicas: Replicas,
}

/// Replicas that an operator lowered and did not come to tell of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fallen {
    /// To how many.
    replicas: Replicas,
    /// Until when that is not undone, unless the metrics say so.
    until: Timestamp,
}

/// Whose a workload's replicas are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// An operator.
    Operator,
    /// Somebody else.
    Other,
    /// Nobody owns the field, or it can't be read.
    Unknown,
}

impl LastWord {
    /// What a status says from which this memory comes; `None` when it knows no level that a workload ever followed.
    pub(super) fn of(status: &ScalePolicyStatus, memory: &Memory) -> Option<Self> {
        let is_known = memory.level.is_some() && !memory.shadow;
        let (replicas, decision) = (status.current_replicas?, status.decision.as_ref()?);
        is_known.then(|| Self { at: decision.at, replicas: Replicas::new(replicas) })
    }
}

impl Context {
    /// Makes up for what the status lacks from which a policy's history was restored, if it lacks anything. Costs a request
    /// only when the workload has other replicas than it had by that status, and the schedule is not why.
    pub(super) async fn make_up(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        now: Timestamp,
        workload: &Workload,
    ) {
        let present = workload.setting.replicas();
        let Some(told) = state.last_word.take().filter(|told| told.replicas != present) else { return };
        let Some(level) = state.history.level().filter(|_| subject.policy.mode == Mode::Active) else {
            return;
        };
        if let Some(decision) = state.explanation(&subject.policy, told, now, present) {
            if decision.overridden.is_some() {
                state.history.overrode(present);
            }
            return;
        }
        let is_fall = present < level && present < told.replicas;
        // While there is an override, the level is nobody else's business.
        let is_overridden = state.overridden.is_some_and(|overridden| now < overridden.until);
        if is_overridden || present <= level && !is_fall {
            return;
        }
        let writer = self.cluster.writer(subject.key.namespace(), subject.target).await;
        let writer = writer.unwrap_or_else(|error| {
            tracing::debug!(category = error.category(), "who wrote the replicas can't be read: {error}");
            Writer::Unknown
        });
        if is_fall {
            // If there is no answer at the next tick, there may be one at the tick after that.
            let until = self.grid.after(self.grid.after(now));
            let is_soon = until.duration_since(now) <= PATIENCE;
            state.fallen =
                (writer == Writer::Operator && is_soon).then_some(Fallen { replicas: present, until });
        } else {
            let at = self.grid.latest(now).max(told.at).min(now);
            state.history.make_up(&subject.policy, [now, at], present, writer != Writer::Other);
        }
        tracing::info!(from = %told.replicas, to = %present, ?writer, "scaled before this operator was there, and not told of");
    }
}

impl State {
    /// Until when a rise waits for the metrics, since an operator lowered the replicas and nobody has followed any since; `None`
    /// when it does not wait. What the schedule or a person asks for never does.
    pub(super) fn puts_off(
        &self,
        due: &Due<'_>,
        observed: Setting,
        decision: &Decision,
    ) -> Option<Timestamp> {
        let present = observed.replicas();
        let waits = due.samples == Samples::NotDue
            && decision.desired > present
            && decision.baseline.floor <= present
            && decision.overridden.is_none();
        let fallen = self.fallen.filter(|fallen| fallen.replicas == present && due.at < fallen.until);
        fallen.filter(|_| waits).map(|fallen| fallen.until)
    }

    /// What the schedule or an override asked for at some time since the last status, when that was `present`.
    fn explanation(
        &self,
        policy: &Policy,
        told: LastWord,
        now: Timestamp,
        present: Replicas,
    ) -> Option<Decision> {
        let decided = |at, overridden| {
            decide(policy, &self.history, &Observation { overridden, ..Observation::new(at, told.replicas) })
        };
        let since = |overridden| {
            let first = decided(told.at, overridden);
            let after = move |last: &Decision| {
                last.until().filter(|until| *until <= now).map(|at| decided(at, overridden))
            };
            std::iter::successors(Some(first), after).take(MOST_CHANGES)
        };
        // An override may have come or gone meanwhile.
        since(self.overridden).chain(since(None)).find(|decision| decision.desired == present)
    }
}
