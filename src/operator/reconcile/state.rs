//! What the operator remembers of a policy from one evaluation to the next.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::calendars::Consulted;
use super::super::conditions::Finding;
use super::super::contest::Contest;
use super::super::events::Allowance;
use super::super::observe::Seen;
use super::super::rebuild::Rebuilding;
use super::super::rivals::Standing;
use super::super::succession::{Fallen, LastWord};
use super::super::timetable::Timetable;
use super::super::{shard, status, targets};
use super::Untold;
use crate::api::{ScalePolicyStatus, ScaleTargetRef};
use crate::decision::{History, Override, Policy};

/// What the operator remembers of a policy.
#[derive(Debug, Default)]
pub(in crate::operator) struct State {
    /// The term of leadership in which it was begun.
    pub(super) term: u64,
    pub(in crate::operator) uid: Option<String>,
    pub(super) generation: Option<i64>,
    /// What the annotation for an override says.
    pub(super) annotation: Option<String>,
    /// The override, when it could be read, also after its end.
    pub(in crate::operator) overridden: Option<Override>,
    /// Why it can't be said whether the workload's pods can be scheduled.
    pub(in crate::operator) pods_unknown: Option<String>,
    /// Why the policy is not quite in force although it is followed.
    pub(in crate::operator) complaint: Option<Finding>,
    /// The calendars that it names, as they were when it was last validated.
    pub(super) consulted: Consulted,
    /// Where it stands among those who scale its workload.
    pub(super) standing: Standing,
    pub(in crate::operator) contest: Contest,
    /// The target, once the policy was valid.
    pub(super) target: Option<ScaleTargetRef>,
    pub(in crate::operator) target_uid: Option<String>,
    /// The target as it was last read or written.
    pub(in crate::operator) seen: Seen,
    /// The target was not there when it was last looked for, or could not be scaled; and what was known of it then.
    pub(in crate::operator) missed: Option<targets::Standing>,
    pub(super) policy: Option<Arc<Policy>>,
    pub(in crate::operator) history: History,
    /// What the status says from which the history was restored, until the workload has been looked at.
    pub(in crate::operator) last_word: Option<LastWord>,
    /// The replicas that an operator before this one set and did not come to tell why, until metrics are followed.
    pub(in crate::operator) fallen: Option<Fallen>,
    /// Whether the history lacks what a range query can give.
    pub(in crate::operator) rebuilding: Rebuilding,
    pub(in crate::operator) timetable: Timetable,
    /// How many events it may still cause.
    pub(in crate::operator) allowance: Allowance,
    /// The status as last read or reported.
    pub(in crate::operator) status: ScalePolicyStatus,
    /// Whether all that had to be known was known, at the last evaluation that is not in the ledger yet.
    pub(in crate::operator) observed: Option<bool>,
    /// An evaluation was due when nothing might be begun, or began with what counts no more.
    pub(in crate::operator) is_interrupted: bool,
    /// The API server took long for evaluations that failed, and has since.
    pub(in crate::operator) is_slow: bool,
    /// The last status that said something new is not written yet.
    pub(in crate::operator) unwritten: bool,
    /// The events that are not created yet, oldest first.
    pub(in crate::operator) untold: Vec<Untold>,
}

impl State {
    /// A number that differs between policies.
    pub(in crate::operator) fn uid_hash(&self) -> u64 {
        self.uid.as_deref().map_or(0, shard::hash)
    }

    /// Takes a valid spec over, with as much of the history as still counts.
    pub(super) fn adopt(&mut self, mut policy: Policy, target: &ScaleTargetRef, now: Timestamp) {
        if self.uid.is_some() {
            policy.schedule.spread_by(self.uid_hash());
        }
        self.timetable.expects(self.missed_edge(now));
        match &self.target {
            None => {
                let memory = status::memory(&self.status, target);
                self.rebuilding = Rebuilding::starting(&memory, &policy, now);
                self.last_word = LastWord::of(&self.status, &memory);
                self.history = History::restore(memory, &policy, now);
            }
            // Another workload: the past was about something else.
            Some(old) if old != target => {
                self.history = History::default();
                self.rebuilding = Rebuilding::default();
                (self.last_word, self.fallen) = (None, None);
                (self.target_uid, self.missed) = (None, None);
                self.seen = Seen::Never;
                self.contest = Contest::default();
                self.timetable.backoff.succeeded();
            }
            Some(_) => {}
        }
        if policy.metrics.is_empty() {
            self.history.forget_load();
        }
        self.target = Some(target.clone());
        self.policy = Some(Arc::new(policy));
    }

    /// An edge that whoever evaluated the policy before us was still to come to.
    fn missed_edge(&self, now: Timestamp) -> Option<Timestamp> {
        let is_new = self.target.is_none() && self.status.observed_generation == self.generation;
        let next = self.status.next_change.as_ref().filter(|_| is_new)?.at;
        (next <= now).then_some(next)
    }

    /// Forgets what was decided while nothing was written: no workload ever followed that.
    pub(super) fn leave_shadow(&mut self) {
        if self.history.is_shadow() {
            self.history = History::default();
            self.rebuilding = Rebuilding::default();
        }
    }
}
