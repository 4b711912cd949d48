//! What the process before this one wrote and did not come to tell.
//!
//! A scale write goes ahead of the status, and of statuses one is written in a quarter of a minute. Who is stopped or
//! killed in between leaves replicas of which its status knows nothing, and perhaps a level of the load that they come from.
//!
//! The level is not the replicas. What the schedule or an override would have asked for at any time since the last status is
//! taken for theirs. Anything else above the last status is taken for the load's, whoever wrote it: who scales up by hand
//! raises the level, too. Anything else below it is the load's only if an operator wrote it, since nobody else lowers
//! the level. That the workload's `managedFields` say, and they say no time, so the move is dated as late as it can
//! have been.

use jiff::Timestamp;

use super::observe::Workload;
use super::reconcile::{Context, State, Subject};
use crate::api::ScalePolicyStatus;
use crate::decision::{Decision, Memory, Mode, Observation, Policy, Replicas, decide};

/// How many changes of the schedule since the last status are looked at.
const MOST_CHANGES: usize = 1000;

/// What the last status says of the workload, until that has been looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastWord {
    /// When it was decided.
    at: Timestamp,
    /// The replicas after that.
    replicas: Replicas,
    /// Whether it is of the spec that the policy has now, and of no override.
    is_of_now: bool,
}

impl LastWord {
    /// What a status says from which this memory comes; `None` when it knows no level that a workload ever followed.
    pub(super) fn of(status: &ScalePolicyStatus, memory: &Memory, generation: Option<i64>) -> Option<Self> {
        let is_known = memory.level.is_some() && !memory.shadow;
        let is_of_now = status.observed_generation == generation && memory.overridden.is_none();
        let (replicas, decision) = (status.current_replicas?, status.decision.as_ref()?);
        is_known.then(|| Self { at: decision.at, replicas: Replicas::new(replicas), is_of_now })
    }
}

impl Context {
    /// Makes up for what the status lacks from which a policy's history was restored, if it lacks anything. Costs a request
    /// only when the workload has fewer replicas than it had by that status.
    pub(super) async fn make_up(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        now: Timestamp,
        workload: &Workload,
    ) {
        let present = workload.setting.replicas();
        let Some(told) = state.last_word.take().filter(|told| told.replicas != present) else { return };
        if subject.policy.mode != Mode::Active {
            return;
        }
        if let Some(decision) = state.explanation(&subject.policy, told, now, present) {
            if decision.overridden.is_some() {
                state.history.overrode(present);
            }
            return;
        }
        let is_ours = present > told.replicas || told.is_of_now && self.lowered(subject).await;
        if is_ours {
            let at = self.grid.latest(now).max(told.at);
            state.history.make_up(&subject.policy, now, at, present);
            tracing::info!(from = %told.replicas, to = %present, "scaled before this operator was there, and not told of");
        }
    }

    /// Whether an operator wrote the replicas as they are, as far as anybody says.
    async fn lowered(&self, subject: &Subject<'_>) -> bool {
        let own = self.cluster.is_own_write(subject.namespace, subject.target).await;
        own.unwrap_or_else(|error| {
            tracing::debug!(category = error.category(), "who wrote the replicas can't be read: {error}");
            false
        })
    }
}

impl State {
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
