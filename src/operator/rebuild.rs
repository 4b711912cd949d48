//! After a restart: the past of a load, asked of Prometheus and decided once more.
//!
//! The status says what the level is and how it came about; the windows of stabilization and what smoothing
//! remembers come from range queries over the ticks of the past ([`History::rebuild`]). They are sent with
//! the queries of the first tick, and again at each tick until they are answered, or until the windows have
//! filled up by themselves. Until then the level may rise but not fall.
//!
//! [`History::rebuild`]: crate::decision::History::rebuild

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::prometheus::range::MOST_TICKS;
use super::reconcile::{Context, State, Subject};
use super::timetable::Grid;
use crate::decision::{Memory, Policy, Readings};

/// Whether a history has yet to be rebuilt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rebuilding {
    /// After this instant there is nothing left to rebuild.
    until: Option<Timestamp>,
}

impl Rebuilding {
    /// From now on, for as long as decisions look back; never when nothing is known of the level's past.
    pub(super) fn starting(memory: &Memory, policy: &Policy, now: Timestamp) -> Self {
        let is_known = memory.level.is_some() && !memory.trace.changes().is_empty();
        Self { until: is_known.then(|| earlier_or_later(now, policy.memory_span(), 1)) }
    }

    /// Whether it has to be asked for what was, at a tick.
    pub(super) fn is_due(self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| at < until)
    }
}

impl Context {
    /// What the metrics of a policy were at the ticks before `tick`, if its sources can say.
    pub(super) async fn read_past(
        &self,
        namespace: &str,
        policy: &Policy,
        tick: Timestamp,
    ) -> Option<Vec<(Timestamp, Readings)>> {
        let (ticks, step) = past(self.grid, policy, tick)?;
        match self.sources.read_past(namespace, policy, &ticks, step).await {
            Ok(past) => Some(past),
            Err(problem) => {
                let cause = problem.cause.as_str();
                tracing::debug!(cause, "the past of the load is not known yet: {problem}");
                None
            }
        }
    }

    /// Takes over what the metrics were.
    pub(super) fn rebuild(subject: &Subject<'_>, state: &mut State, past: &[(Timestamp, Readings)]) {
        state.history.rebuild(&subject.policy, past);
        state.rebuilding = Rebuilding::default();
        tracing::debug!(ticks = past.len(), "the history of the load is rebuilt");
    }
}

/// The ticks before `tick` as far as decisions look back, and how far they are apart; `None` when a range
/// query can't name them.
fn past(grid: Grid, policy: &Policy, tick: Timestamp) -> Option<(Vec<Timestamp>, Duration)> {
    let step = grid.whole_seconds()?;
    let start = earlier_or_later(tick, policy.memory_span(), -1);
    let mut ticks: Vec<Timestamp> =
        std::iter::successors(Some(grid.latest(start)), |last| Some(grid.after(*last)))
            .take_while(|then| *then < tick)
            .collect();
    ticks.drain(..ticks.len().saturating_sub(MOST_TICKS));
    Some((ticks, step))
}

fn earlier_or_later(at: Timestamp, span: Duration, sign: i32) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    let limit = if sign < 0 { Timestamp::MIN } else { Timestamp::MAX };
    at.checked_add(span.saturating_mul(sign)).unwrap_or(limit)
}

#[cfg(test)]
mod tests;
