//! One evaluation: observe, decide, apply, then status and event, in this order. The scale write goes
//! first because it is what a workload waits for; a status can be late.

use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;

use self::settled::{Settled, contested, failed, paused, settled};
use super::apply::{Applied, apply};
use super::cluster::CallError;
use super::conditions::{self, Aspect, Finding, Reason};
use super::contest::Contest;
use super::events::{self, Allowance, EventReason};
use super::observe::Seen;
use super::reconcile::{Context, Due, Problems, State, Subject};
use super::setting::Setting;
use super::status::{self, Report};
use super::timetable::Retry;
use super::{Evaluation, Outcome, shard};
use crate::api::{ConditionStatus, ScalePolicyStatus, ScaleTargetRef};
use crate::decision::{History, Mode, Observation, Samples, decide};

mod lateness;
mod settled;

/// How often a decision is made anew because somebody else wrote first.
const ATTEMPTS: usize = 3;

impl Context {
    /// Evaluates a policy and brings the result to the cluster.
    pub(super) async fn evaluate(&self, subject: &Subject<'_>, state: &mut State, mut due: Due<'_>) {
        let asked = self.clock.now();
        let turn = self.cluster.turn(subject.policy.priority, state.timetable.backoff.is_failing()).await;
        // While it waited, for metrics before that, too, somebody may have paused the policy, changed or deleted it.
        state.is_interrupted = !self.may_act() || self.is_outdated(subject.key, state);
        if state.is_interrupted {
            return;
        }
        due.at = self.still_due(subject, state, due.at, asked);
        self.note_edge(subject, state, due.at);
        // What an evaluation needs is on the heap from here on: all others wait for a turn, or to report.
        let settled = Box::pin(self.cluster.hold(turn, self.conclude(subject, state, &due))).await;
        let Some(settled) = settled else {
            state.is_interrupted = true;
            return;
        };
        self.metrics.evaluated(settled.outcome, settled.decision.as_ref().map(|decision| decision.reason));
        Box::pin(self.report(subject, state, &due, &settled)).await;
        if let Some(evaluations) = &self.evaluations {
            // Nobody listens any more: that is their business.
            let _ = evaluations.send(Evaluation {
                namespace: subject.namespace.to_owned(),
                name: subject.name.to_owned(),
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
        state.missed = is_missed.then(|| self.standing(subject.namespace, subject.target));
        match settled.retry {
            Some(retry) => {
                let seed = shard::hash(subject.uid.unwrap_or(subject.name));
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
            let Subject { namespace, target, .. } = subject;
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
        let manager = self.cluster.foreign_manager(subject.namespace, subject.target).await;
        let manager = manager.unwrap_or_else(|error| {
            tracing::debug!(category = error.category(), "who wrote the replicas can't be read: {error}");
            None
        });
        let manager = manager.unwrap_or_else(|| "an unknown field manager".to_owned());
        state.contest.interfered(at, observed, &manager);
        Some(manager)
    }

    /// Logs, status and event.
    async fn report(&self, subject: &Subject<'_>, state: &mut State, due: &Due<'_>, settled: &Settled) {
        if matches!(settled.outcome, Outcome::Scaled { .. }) {
            // Of an edge that many share, the others' writes go ahead of all that can be said of this one.
            self.cluster.calm().await;
        }
        let previous_able = conditions::find(&state.status.conditions, Aspect::AbleToScale);
        let newly_failed = settled.able.status == ConditionStatus::False
            && previous_able.is_none_or(|able| able.reason != settled.able.reason.as_str());
        let next = {
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
            status::after_evaluation(&state.status, &report)
        };
        if let (Outcome::Scaled { from, to }, Some(decision)) = (settled.outcome, &settled.decision) {
            let why = decision.explain(&subject.policy).to_string();
            let (reason, workload) = (decision.reason.as_str(), status::target_name(subject.target));
            let occasion = due.occasion.as_str();
            tracing::info!(workload, %from, %to, reason, occasion, at = %due.at, "scaled: {why}");
            self.write_status(subject.namespace, subject.name, state, next).await;
            let event = if to > from { EventReason::ScaledUp } else { EventReason::ScaledDown };
            let foreign = settled.foreign.as_ref();
            let foreign =
                foreign.map(|manager| format!(" ({from} was set by {manager})")).unwrap_or_default();
            let note = format!("{workload} from {from} to {to}: {why}{foreign}");
            let policy = subject.reference();
            self.announce(&mut state.allowance, policy, Some(subject.target), event, &note, due.at).await;
            return;
        }
        if newly_failed {
            tracing::warn!(reason = settled.able.reason.as_str(), "can't scale: {}", settled.able.message);
        }
        self.write_status(subject.namespace, subject.name, state, next).await;
        if newly_failed {
            let event = match settled.able.reason {
                Reason::TargetNotFound => EventReason::TargetNotFound,
                Reason::Conflict => EventReason::Conflict,
                Reason::Contested => EventReason::Contested,
                _ => EventReason::ScalingFailed,
            };
            let (policy, note) = (subject.reference(), &settled.able.message);
            self.announce(&mut state.allowance, policy, Some(subject.target), event, note, due.at).await;
        }
    }

    /// Writes a status when it says something new, or when the last one was not written. Within a quarter of a
    /// minute of the one before it is owed until that is over.
    ///
    /// What is to be written is settled at once; only who has to write takes up room until it is done.
    pub(super) fn write_status<'a>(
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
        let now = self.clock.now();
        if !state.timetable.telling.may_tell(now) {
            state.unwritten = true;
            return None.into();
        }
        let write = async move {
            let written = self.cluster.apply_status(namespace, name, &state.status).await;
            // It may have waited for its turn.
            state.timetable.telling.told(self.clock.now());
            state.unwritten = written.is_err();
            if state.unwritten {
                state.timetable.telling.owe();
            }
            match written {
                // Not found: the policy was deleted meanwhile. Who stops leaves the rest to the next.
                Ok(()) | Err(CallError::NotFound(_) | CallError::Stopping) => {}
                Err(error) => {
                    let (category, cure) = (error.category(), error.cure().unwrap_or_default());
                    tracing::warn!(category, "the status was not written: {error}{cure}");
                }
            }
        };
        Some(write.boxed()).into()
    }

    /// Creates an event, as long as the policy has not had too many. One that can't be created is logged and given up: the
    /// status says the same.
    pub(super) fn announce<'a>(
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
            let event = || events::event(policy, target, reason, note, at, &self.instance);
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

impl Subject<'_> {
    /// Whether anything is decided for it.
    pub(super) fn decides(&self) -> bool {
        self.mode != Mode::Paused
    }

    pub(super) fn reference(&self) -> ObjectReference {
        events::reference(self.namespace, self.name, self.uid.map(str::to_owned))
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
