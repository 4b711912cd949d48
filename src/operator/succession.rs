//! What the process before this one wrote and did not come to tell.
//!
//! A scale write goes ahead of the status, and of statuses one is written in a quarter of a minute. Who is stopped or
//! killed in between leaves replicas of which its status knows nothing, and with them a level and a move that rate
//! policies have to count. What became of the workload its `managedFields` say: who wrote the replicas that it has, and when.
//!
//! The level is not the replicas. So what the schedule or an override would have asked for at that time is taken for theirs, and
//! anything else for the load's. Replicas that somebody else wrote count as at any other time: who scales up raises the level.

use jiff::Timestamp;

use super::reconcile::{Context, State, Subject};
use crate::decision::{Mode, Observation, Policy, Replicas, decide};

impl Context {
    /// Makes up for what the status lacks from which a policy's history was restored, if it lacks anything. Costs a request
    /// only when the workload has other replicas than it had by that status.
    pub(super) async fn make_up(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        now: Timestamp,
        present: Replicas,
    ) {
        let Some(told) = state.told.take().filter(|told| *told != present) else { return };
        if subject.policy.mode != Mode::Active {
            return;
        }
        let own = self.cluster.own_write(subject.namespace, subject.target).await;
        let own = own.unwrap_or_else(|error| {
            tracing::debug!(category = error.category(), "who wrote the replicas can't be read: {error}");
            None
        });
        match own.map(|at| at.min(now)) {
            None => state.history.expect(told),
            Some(at) => {
                state.wrote(&subject.policy, [at, now], told, present);
                tracing::info!(from = %told, to = %present, %at, "scaled before this operator was there, and not told of");
            }
        }
    }
}

impl State {
    /// Notes that an operator scaled from `told` to `present` at the first of two instants; the second one is now.
    fn wrote(&mut self, policy: &Policy, [at, now]: [Timestamp; 2], told: Replicas, present: Replicas) {
        let observation = Observation { overridden: self.overridden, ..Observation::new(at, told) };
        let decision = decide(policy, &self.history, &observation);
        if decision.desired == present {
            self.history.record(policy, &decision);
        } else {
            self.history.make_up(policy, now, at, present);
        }
        let last = self.status.last_scale_time;
        self.status.last_scale_time = last.max(Timestamp::from_second(at.as_second()).ok());
    }
}
