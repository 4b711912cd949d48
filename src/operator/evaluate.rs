//! One evaluation: observe, decide, apply, then status and event, in this order. The scale write goes
//! first because it is what a workload waits for; a status can be late.

use jiff::Timestamp;

use self::settled::{Settled, contested, failed, paused, settled};
use super::apply::{Applied, apply};
use super::cluster::CallError;
use super::conditions::{Finding, Reason};
use super::contest::Contest;
use super::observe::Seen;
use super::reconcile::{Context, Due, Problems, State, Subject};
use super::setting::Setting;
use super::timetable::Retry;
use super::{Evaluation, Outcome, shard};
use crate::api::ConditionStatus;
use crate::decision::{History, Mode, Observation, Samples, decide};

mod lateness;
mod report;
mod settled;

/// How often a decision is made anew because somebody else wrote first.
const ATTEMPTS: usize = 3;

impl Context {
    /// Evaluates a policy and brings the result to the cluster.
    pub(super) async fn evaluate(&self, subject: &Subject<'_>, state: &mut State, mut due: Due<'_>) {
        let asked = self.clock.now();
        let turn = self.cluster.turn(subject.policy.priority, state.is_slow).await;
        // While it waited, for metrics before that, too, somebody may have paused the policy, changed or deleted it.
        state.is_interrupted = !self.may_act() || self.is_outdated(subject.key, state);
        if state.is_interrupted {
            return;
        }
        due.at = self.still_due(subject, state, due.at, asked);
        self.note_edge(subject, state, due.at);
        // What an evaluation needs is on the heap from here on: all others wait for a turn, or to report.
        let (settled, is_slow) = Box::pin(self.cluster.hold(turn, self.conclude(subject, state, &due))).await;
        // One answer that was late and good says nothing of the next.
        let has_failed = settled.as_ref().is_some_and(|settled| settled.retry.is_some());
        state.is_slow = is_slow && (state.is_slow || has_failed);
        let Some(settled) = settled else {
            state.is_interrupted = true;
            return;
        };
        self.metrics.evaluated(settled.outcome, settled.decision.as_ref().map(|decision| decision.reason));
        Box::pin(self.report(subject, state, &due, &settled)).await;
        if let Some(evaluations) = &self.evaluations {
            // Nobody listens any more: that is their business.
            let _ = evaluations.send(Evaluation {
                namespace: subject.key.namespace().to_owned(),
                name: subject.key.name().to_owned(),
                at: due.at,
                occasion: due.occasion,
                decision: settled.decision,
                policy: subject.policy.clone(),
                outcome: settled.outcome,
            });
        }
    }

    /// The instant of an evaluation that has waited for its turn since `asked`. When that was long, or the schedule has
    /// gone on meanwhile, the number that was meant may not be written any more.
    fn still_due(&self, subject: &Subject<'_>, state: &State, at: Timestamp, asked: Timestamp) -> Timestamp {
        let now = self.clock.now();
        let has_gone_on = || {
            let until = subject.policy.schedule.baseline(at).until();
            until.is_some_and(|until| asked < until && until <= now)
        };
        let is_late = self.grid.is_stale(at, now) || has_gone_on();
        if is_late { state.timetable.not_before_last(now) } else { at }
    }

    /// Observes, decides and applies as the policy's mode has it, and says when to do so again. `None` when the policy turned
    /// out to be another one by now.
    async fn conclude(&self, subject: &Subject<'_>, state: &mut State, due: &Due<'_>) -> Option<Settled> {
        if subject.policy.mode != Mode::Active {
            state.contest = Contest::default();
        }
        let settled = match subject.policy.mode {
            Mode::Paused => self.look(subject, state, due).await.map(Some),
            Mode::Active | Mode::DryRun => self.settle(subject, state, due).await,
        };
        let settled = settled.unwrap_or_else(|error| Some(failed(&error)))?;
        self.measure_edge(state, &settled);
        let next_edge = match &settled.decision {
            _ if !subject.decides() => None,
            Some(decision) => decision.until(),
            None => {
                let known = state.timetable.next_edge().filter(|edge| *edge > due.at);
                known.or_else(|| subject.policy.schedule.baseline(due.at).until())
            }
        };
        state.timetable.evaluated(due.at, next_edge);
        let is_missed = settled.able.reason == Reason::TargetNotFound;
        state.missed = is_missed.then(|| self.standing(subject.key.namespace(), subject.target));
        match settled.retry {
            Some(retry) => {
                let seed = shard::hash(subject.uid.unwrap_or(subject.key.name()));
                state.timetable.backoff.failed(self.clock.now(), retry, seed);
            }
            None => state.timetable.backoff.succeeded(),
        }
        state.observed = observed(state.observed, subject, due, &settled);
        Some(settled)
    }

    /// Observes without deciding.
    async fn look(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        due: &Due<'_>,
    ) -> Result<Settled, CallError> {
        let current = Some(self.observe(subject, &mut state.seen, due).await?.setting);
        let (outcome, able) = (Outcome::Paused, paused());
        Ok(Settled { decision: None, current, outcome, able, foreign: None, retry: None })
    }

    /// Observes, decides and applies, and again when somebody else wrote in between, unless the policy is another one by then.
    async fn settle(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        due: &Due<'_>,
    ) -> Result<Option<Settled>, CallError> {
        let policy = &*subject.policy;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            if last.is_some() && self.is_outdated(subject.key, state) {
                return Ok(None);
            }
            let workload = self.observe(subject, &mut state.seen, due).await?;
            if state.target_uid.is_some() && state.target_uid != workload.uid {
                state.history = History::default();
                state.contest = Contest::default();
            }
            self.make_up(subject, state, due.at, &workload).await;
            state.target_uid = workload.uid;
            let (unschedulable_since, unknown) = match workload.unschedulable_since {
                Ok(since) => (since, None),
                Err(why) => (None, Some(why)),
            };
            state.pods_unknown = unknown;
            let observation = Observation {
                samples: due.samples.clone(),
                guards: due.guards.clone(),
                unschedulable_since,
                overridden: state.overridden,
                ..Observation::new(due.at, workload.setting.replicas()).with_ready(workload.ready)
            };
            let decision = decide(policy, &state.history, &observation);
            let observed = workload.setting;
            let waits = state.puts_off(due, observed, &decision).is_some();
            let desired = if waits { observed } else { observed.wanted(&decision) };
            let foreign = self.foreign(subject, state, due.at, observed, desired).await;
            if let Some(manager) = state.contest.holds(due.at, observed != desired) {
                return Ok(Some(contested(decision, observed, manager)));
            }
            let (namespace, target) = (subject.key.namespace(), subject.target);
            let applied = apply(&self.cluster, namespace, target, policy.mode, observed, desired).await;
            let outcome = match applied {
                Ok(Applied::Unchanged) => Outcome::Unchanged,
                Ok(Applied::Scaled(now)) => {
                    state.seen.written(now, due.at);
                    Outcome::Scaled { from: observed, to: desired }
                }
                Ok(Applied::DryRun) if subject.mode == Mode::Active => Outcome::Conflict,
                Ok(Applied::DryRun) => Outcome::DryRun,
                Ok(Applied::Overtaken) => {
                    last = Some((decision, observed));
                    state.seen = Seen::InDoubt;
                    continue;
                }
                Err(error) => {
                    state.seen = Seen::InDoubt;
                    if error.leaves_doubt() {
                        state.history.attempted(policy, &decision);
                        state.timetable.sent();
                        state.contest.settled(due.at, None, true);
                    }
                    let current = Some(observed);
                    return Ok(Some(Settled { decision: Some(decision), current, ..failed(&error) }));
                }
            };
            state.history.record(policy, &decision);
            state.fallen = state.fallen.filter(|_| due.samples == Samples::NotDue);
            let settled = Settled { foreign, ..settled(decision, observed, outcome, subject) };
            let is_written = matches!(outcome, Outcome::Scaled { .. });
            state.contest.settled(due.at, settled.current, is_written);
            return Ok(Some(settled));
        }
        let message = "others changed the replicas each time before they could be written";
        Ok(Some(Settled {
            current: last.as_ref().map(|(_, observed)| *observed),
            decision: last.map(|(decision, _)| decision),
            outcome: Outcome::Failed { category: "overtaken" },
            able: Finding::new(ConditionStatus::False, Reason::Overtaken, message),
            foreign: None,
            retry: Some(Retry::default()),
        }))
    }

    /// Whose write the observed replicas are, when it was neither the operator's nor what the policy wants.
    async fn foreign(
        &self,
        subject: &Subject<'_>,
        state: &mut State,
        at: Timestamp,
        observed: Setting,
        desired: Setting,
    ) -> Option<String> {
        let is_active = subject.policy.mode == Mode::Active;
        if !is_active || observed == desired || !state.contest.is_foreign(observed) {
            return None;
        }
        let manager = self.cluster.foreign_manager(subject.key.namespace(), subject.target).await;
        let manager = manager.unwrap_or_else(|error| {
            tracing::debug!(category = error.category(), "who wrote the replicas can't be read: {error}");
            None
        });
        let manager = manager.unwrap_or_else(|| "an unknown field manager".to_owned());
        state.contest.interfered(at, observed, &manager);
        Some(manager)
    }
}

impl Subject<'_> {
    /// Whether anything is decided for it.
    pub(super) fn decides(&self) -> bool {
        self.mode != Mode::Paused
    }
}

/// Whether all that the policy needs to know is known; an edge says nothing of metrics.
fn observed(before: Option<bool>, subject: &Subject<'_>, due: &Due<'_>, settled: &Settled) -> Option<bool> {
    if matches!(settled.outcome, Outcome::Failed { .. }) {
        return Some(false);
    }
    let Subject { policy, .. } = subject;
    let asks_nobody = policy.metrics.is_empty() && policy.guards.is_empty();
    if matches!(due.samples, Samples::NotDue) && !asks_nobody && subject.decides() {
        return before;
    }
    let Problems { metrics, guards } = due.problems;
    Some(metrics.iter().chain(guards).all(Option::is_none))
}
