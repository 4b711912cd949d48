//! How late an edge is written, whatever it is that it is written for in the end: when the API server was away, that may
//! be another try, a tick, or the first look of whoever leads next.

use jiff::{SignedDuration, Timestamp};

use super::super::Outcome;
use super::super::conditions::Reason;
use super::super::reconcile::{Context, State, Subject};
use super::settled::Settled;

/// An edge that is noticed later than this tells nothing of writes: a clock was set, or a machine slept.
const LATEST: SignedDuration = SignedDuration::from_hours(24);

impl Context {
    /// Notes the last edge up to `at`, when one has come since the last evaluation. Of one that came before this operator
    /// was there nobody knows what became of it.
    pub(super) fn note_edge(&self, subject: &Subject<'_>, state: &mut State, at: Timestamp) {
        let Some(edge) = state.timetable.next_edge().filter(|edge| *edge <= at) else { return };
        let is_recent = at.duration_since(edge) <= LATEST;
        let edge = is_recent.then(|| subject.policy.schedule.last_change(edge, at));
        state.timetable.came(edge.filter(|edge| *edge >= self.started));
    }

    /// Measures how late an edge was, once its number is in place.
    pub(super) fn measure_edge(&self, state: &mut State, settled: &Settled) {
        let is_failed = matches!(settled.outcome, Outcome::Failed { .. });
        if is_failed && settled.able.reason != Reason::TargetNotFound {
            // It is still to be written.
            return;
        }
        let Some(open) = state.timetable.close() else { return };
        let is_written = matches!(settled.outcome, Outcome::Scaled { .. });
        if is_written || settled.outcome == Outcome::Unchanged && open.is_sent {
            self.metrics.edge_written(open.edge, self.clock.now());
        }
    }
}
