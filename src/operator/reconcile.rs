//! What is due for a policy, in its order.
//!
//! A wake-up says only *who*, never *why*: what is due follows from the clock and from the policy's
//! timetable, so a wake-up too many does nothing and two that fall together do no harm. No policy is attended to
//! twice at a time, so its state is taken out of the map for as long as it is worked on.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tracing::Instrument;

use super::calendars::Consulted;
use super::conditions::{self, Aspect, Finding, Reason};
use super::events::EventReason;
use super::policies::Listed;
use super::prometheus::Problem;
use super::rivals::Standing;
use super::targets;
use super::timetable::Timetable;
use super::wakeups::Urgency;
use super::{Key, Occasion};
use crate::api::{ConditionStatus, ScalePolicySpec, ScalePolicyStatus, ScaleTargetRef};
use crate::decision::{Mode, Policy, Samples};
use crate::policy::{self, References};
use crate::zones;

mod complaints;
mod context;
mod state;
mod telling;
mod ticks;

pub(super) use self::context::Context;
pub(super) use self::state::State;
pub(super) use self::telling::Untold;

/// The policy that is being worked on.
pub(super) struct Subject<'a> {
    pub(super) key: &'a Key,
    pub(super) uid: Option<&'a str>,
    pub(super) generation: Option<i64>,
    pub(super) target: &'a ScaleTargetRef,
    /// What it says; as a `DryRun` while a rival scales the workload.
    pub(super) policy: Arc<Policy>,
    /// What its spec says of the mode.
    pub(super) mode: Mode,
    /// Which of its calendars are missing.
    pub(super) lack: Option<Finding>,
    /// Where it stands among those who scale its workload.
    pub(super) standing: Standing,
}

/// Why and for when a policy is evaluated.
pub(super) struct Due<'a> {
    pub(super) at: Timestamp,
    pub(super) occasion: Occasion,
    pub(super) samples: Samples,
    pub(super) guards: Samples,
    pub(super) problems: Problems<'a>,
}

/// What went wrong with each query of a policy, in its order; empty when nothing was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Problems<'a> {
    pub(super) metrics: &'a [Option<Problem>],
    pub(super) guards: &'a [Option<Problem>],
}

/// Does what is due for a policy, and says which one it was. All policies tick at the same instant, so this exists
/// once for each of them at a time: what is not always needed is on the heap, and only while it is. Failures are
/// reported on the policy; the next wake-up is the retry.
pub(super) async fn reconcile(listed: Arc<Listed>, context: Arc<Context>) -> Key {
    let key = &listed.key;
    // Not `name`: in JSON that is what the span itself is called.
    let span = tracing::info_span!("reconcile", namespace = key.namespace(), policy = key.name());
    async {
        context.metrics.reconciled();
        let mut state = context.states().remove(key).unwrap_or_default();
        // Who does not lead waits for nothing but to lead, and who can't read the policies to read them: then all are woken.
        if context.may_act() {
            match &listed.spec {
                Ok(spec) => Box::pin(context.attend(&listed, spec, &mut state)).await,
                Err(mistake) => context.refuse_unparsable(&listed, mistake, &mut state),
            }
        }
        if context.may_act() {
            context.tell(key, &mut state).await;
            let wake = state.timetable.wake(context.grid, context.clock.now());
            context.wakeups.rank(key, state.policy.as_ref().map_or(0, |policy| policy.priority));
            let is_edge = state.timetable.next_edge() == Some(wake);
            context.wakeups.set(key.clone(), wake, if is_edge { Urgency::Edge } else { Urgency::Other });
            if context.has_news(&listed, &state) {
                context.wake([key.clone()]);
            }
            context.note(key, &mut state);
        }
        context.states().insert(key.clone(), state);
        context.metrics.policies(context.policies.len());
    }
    .instrument(span)
    .await;
    listed.key.clone()
}

/// A policy as it is followed, and the mode that its spec has. A rival forbids writes and not deciding.
fn under(policy: Arc<Policy>, standing: &Standing) -> (Arc<Policy>, Mode) {
    let mode = policy.mode;
    match (mode, standing) {
        (Mode::Active, Standing::Behind(_)) => {
            (Arc::new(Policy { mode: Mode::DryRun, ..Policy::clone(&policy) }), mode)
        }
        _ => (policy, mode),
    }
}

impl Context {
    /// Whether a policy's calendars or rivals have changed since it was last looked at, or its workload has come, or it could not be
    /// looked at.
    fn has_news(&self, listed: &Listed, state: &State) -> bool {
        let Ok(spec) = &listed.spec else { return false };
        let standing = self.rivals.of(listed, spec);
        let consulted = self.consult(&listed.key, spec);
        // Without either nothing is evaluated; whoever has an answer wakes it.
        let may_go_on = consulted.is_some() && standing != Standing::Unknown;
        let has_appeared = || {
            state.policy.is_some() && self.has_appeared(listed.key.namespace(), &spec.scale_target_ref, state)
        };
        let is_news = state.is_interrupted
            || has_appeared()
            || consulted.is_some_and(|consulted| consulted != state.consulted);
        may_go_on && is_news || self.leadership.term() != state.term || standing != state.standing
    }

    /// Whether a policy is another one by now, or stands elsewhere, than what is under way began with.
    pub(super) fn is_outdated(&self, key: &Key, state: &State) -> bool {
        let Some(listed) = self.policies.get(key) else { return true };
        let Ok(spec) = &listed.spec else { return true };
        listed.uid != state.uid
            || listed.generation != state.generation
            || listed.annotation != state.annotation
            || self.rivals.of(&listed, spec) != state.standing
            || self.consult(key, spec).is_some_and(|consulted| consulted != state.consulted)
    }

    /// What is known of the calendars that a policy names; `None` while nothing is.
    fn consult(&self, key: &Key, spec: &ScalePolicySpec) -> Option<Consulted> {
        self.almanac.consult(key, &spec.schedule.as_ref().map(policy::calendar_names).unwrap_or_default())
    }

    async fn attend(&self, listed: &Listed, spec: &ScalePolicySpec, state: &mut State) {
        let now = self.clock.now();
        self.begin_anew(listed, state, now);
        let key = &listed.key;
        let standing = self.rivals.of(listed, spec);
        let consulted = self.consult(key, spec).filter(|_| standing != Standing::Unknown);
        let Some(consulted) = consulted else {
            // Without its dates the schedule would be another one, and a rival would be fought: the first
            // answers wake the policy.
            state.standing = standing;
            return state.timetable.postpone(self.grid, now);
        };
        let is_respecified = state.generation != listed.generation || state.consulted != consulted;
        let is_changed =
            is_respecified || state.annotation != listed.annotation || state.standing != standing;
        state.standing = standing;
        let target = &spec.scale_target_ref;
        if is_respecified {
            state.generation = listed.generation;
            state.consulted = consulted;
            let calendars = state.consulted.calendars();
            let references = References { zones: zones::current(), calendars: &calendars };
            // A policy that is valid takes up no room while what follows is waited for.
            let mistake = match policy::validate_with(spec, references) {
                Ok(policy) => {
                    state.adopt(policy, target, now);
                    None
                }
                Err(invalid) => Some(invalid.to_string()),
            };
            if let Some(mistake) = mistake {
                self.refuse(state, &mistake);
            }
        }
        if state.annotation != listed.annotation {
            state.annotation.clone_from(&listed.annotation);
            self.read_override(state);
        }
        let Some(policy) = state.policy.clone() else {
            // There is nothing to evaluate any more.
            state.is_interrupted = false;
            return self.idle(state);
        };
        let (policy, mode) = under(policy, &state.standing);
        if policy.mode == Mode::Active {
            state.leave_shadow();
        }
        let subject = Subject {
            key,
            uid: listed.uid.as_deref(),
            generation: listed.generation,
            target,
            policy,
            mode,
            standing: state.standing.clone(),
            lack: state
                .consulted
                .lack()
                .map(|lack| Finding::new(ConditionStatus::False, Reason::CalendarMissing, lack)),
        };
        if is_changed {
            state.is_interrupted = false;
            Box::pin(self.begin(&subject, state, now)).await;
            if state.is_interrupted {
                return;
            }
        }
        Box::pin(self.continue_with(&subject, state, now)).await;
    }

    /// Whether a policy was made before this operator was there to wait for.
    fn was_there_before(&self, listed: &Listed) -> bool {
        listed.created.is_some_and(|created| created.as_second() < self.started.as_second())
    }

    /// Forgets what was known of a policy that is another one, or has been somebody else's meanwhile.
    fn begin_anew(&self, listed: &Listed, state: &mut State, now: Timestamp) {
        let term = self.leadership.term();
        let is_same = state.uid.is_some() && state.uid == listed.uid;
        // Another leader may have gone on with it: what it said in the status counts, not what we remember. And
        // what was decided for a time that is yet to come says nothing of now.
        if is_same && state.term == term && !state.timetable.is_ahead_of(self.grid, now) {
            return;
        }
        let told = self.policies.take_status(&listed.key, term).map(|status| *status);
        // None was seen since we wrote the last one.
        let (status, unwritten) = match told {
            Some(status) => (status, false),
            None if is_same => (std::mem::take(&mut state.status), state.unwritten),
            None => (ScalePolicyStatus::default(), false),
        };
        let mut timetable = Timetable::starting(self.grid, now);
        if status.observed_generation.is_some() {
            // Nobody knows when it was written: perhaps a moment ago.
            timetable.telling.told(now);
        } else if self.was_there_before(listed) {
            // Nobody waits for a word: what the first tick says comes with it.
            timetable.telling.silent(self.grid, now);
        }
        // Whether the workload is as it was, its version says.
        let (seen, allowance, untold) = if is_same {
            (std::mem::take(&mut state.seen), state.allowance, std::mem::take(&mut state.untold))
        } else {
            Default::default()
        };
        let uid = listed.uid.clone();
        *state =
            State { term, uid, seen, timetable, allowance, status, unwritten, untold, ..State::default() };
    }

    /// Evaluates a policy that is new, or whose spec or calendars have changed.
    async fn begin(&self, subject: &Subject<'_>, state: &mut State, now: Timestamp) {
        let ready = conditions::find(&state.status.conditions, Aspect::Ready);
        let is_known = ready.is_some_and(|ready| ready.reason == Reason::CalendarMissing.as_str());
        let at = state.timetable.not_before_last(now);
        self.unmetered(subject, state, at, Occasion::First).await;
        if let Some(lack) = subject.lack.as_ref().filter(|_| !is_known) {
            tracing::warn!(generation = state.generation, "{}", lack.message);
            let event = EventReason::CalendarMissing;
            self.announce(state, event, lack.message.clone().into_owned(), at);
        }
    }

    /// Evaluates what else is due: what was interrupted, an edge, another try, a tick; until that is interrupted.
    async fn continue_with(&self, subject: &Subject<'_>, state: &mut State, now: Timestamp) {
        let mut was_interrupted = std::mem::take(&mut state.is_interrupted);
        if let Some(at) = state.timetable.edge_due(self.grid, now) {
            self.unmetered(subject, state, at, Occasion::Edge).await;
            was_interrupted = false;
        }
        let has_appeared = self.has_appeared(subject.key.namespace(), subject.target, state);
        let is_due = was_interrupted || state.timetable.backoff.is_due(now) || has_appeared;
        if is_due && !state.is_interrupted {
            let at = state.timetable.not_before_last(now);
            self.unmetered(subject, state, at, Occasion::Retry).await;
        }
        if state.is_interrupted {
            return;
        }
        if let Some(tick) = state.timetable.tick_due(self.grid, now) {
            Box::pin(self.tick(subject, state, tick)).await;
        }
    }

    /// Whether a workload that was missed is there now, or is another one.
    fn has_appeared(&self, namespace: &str, target: &ScaleTargetRef, state: &State) -> bool {
        state.missed.as_ref().is_some_and(|missed| {
            let standing = self.standing(namespace, target);
            matches!(standing, targets::Standing::Version(_)) && standing != *missed
        })
    }

    /// Evaluates without asking for metrics.
    fn unmetered<'a>(
        &'a self,
        subject: &'a Subject<'_>,
        state: &'a mut State,
        at: Timestamp,
        occasion: Occasion,
    ) -> BoxFuture<'a, ()> {
        let (samples, guards, problems) = (Samples::NotDue, Samples::NotDue, Problems::default());
        self.evaluate(subject, state, Due { at, occasion, samples, guards, problems }).boxed()
    }

    /// Lets a tick pass for a policy that can't be evaluated.
    fn idle(&self, state: &mut State) {
        state.timetable.suspend();
        if let Some(tick) = state.timetable.tick_due(self.grid, self.clock.now()) {
            state.timetable.ticked(tick);
        }
    }
}
