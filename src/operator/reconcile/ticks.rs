//! A tick: the metrics are read, and the schedule goes on meanwhile.

use std::pin::pin;
use std::time::Duration;

use futures::future::maybe_done;
use jiff::Timestamp;

use super::super::Occasion;
use super::super::prometheus::{Answers, Problem};
use super::{Context, Due, Problems, State, Subject};
use crate::decision::{Milli, Policy, Reading, Samples};

/// How long a tick waits for what the metrics were, once it knows what they are.
const MOMENT: Duration = Duration::from_secs(3);

impl Context {
    /// Evaluates a tick. An edge that comes while the metrics are being read goes first.
    pub(super) async fn tick(&self, subject: &Subject<'_>, state: &mut State, tick: Timestamp) {
        let before = state.timetable.last_tick();
        state.timetable.ticked(tick);
        if !subject.decides() {
            return self
                .unmetered(subject, state, state.timetable.not_before_last(tick), Occasion::Tick)
                .await;
        }
        let rebuilding = state.rebuilding;
        let (answers, past) = {
            // On the heap, and no longer than they take: what follows may have to wait.
            let past = rebuilding.is_due(tick).then(|| {
                // Once after a restart.
                Box::pin(self.read_past(subject.key.namespace(), &subject.policy, tick))
            });
            let present = self.read_metrics(subject.key.namespace(), &subject.policy, tick);
            let mut queries = Box::pin(with_moment_of(present, past));
            loop {
                let edge = state.timetable.next_edge();
                tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return,
                    () = self.sleep_until(edge) => {
                        let now = self.clock.now();
                        let at = state.timetable.edge_due(self.grid, now).unwrap_or(now);
                        self.unmetered(subject, state, at, Occasion::Edge).await;
                        if state.is_interrupted {
                            // The edge is still due; whoever may act again begins with it.
                            return;
                        }
                    }
                    answers = &mut queries => break answers,
                }
            }
        };
        if let Some(past) = past {
            Self::rebuild(subject, state, &past);
        }
        let Answers { metrics, guards } = answers;
        let (samples, metrics) = split(metrics);
        let (guards, guard_problems) = split(guards);
        let problems = Problems { metrics: &metrics, guards: &guard_problems };
        let at = state.timetable.not_before_last(tick);
        let due = Due { at, occasion: Occasion::Tick, samples, guards, problems };
        Box::pin(self.evaluate(subject, state, due)).await;
        if state.is_interrupted {
            // Whoever begins anew asks for what counts by then.
            state.timetable.missed(before);
        }
    }

    async fn read_metrics(&self, namespace: &str, policy: &Policy, at: Timestamp) -> Answers {
        let answers = self.sources.read_all(namespace, policy, at).await;
        let metrics = policy.metrics.iter().map(|metric| (&metric.name, &metric.query));
        let guards = policy.guards.iter().map(|guard| (&guard.name, &guard.query));
        let results = answers.metrics.iter().chain(&answers.guards);
        for ((name, query), result) in metrics.chain(guards).zip(results) {
            if let Err(problem) = result {
                self.metrics.query_failed(&self.sources, &query.source, problem);
                let (cause, source) = (problem.cause.as_str(), &*query.source);
                tracing::debug!(query = &**name, source, cause, "{problem}");
            }
        }
        answers
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// What the present is, and what the past was if it can be known a moment later: the load may rise without it.
async fn with_moment_of<T, U>(
    present: impl Future<Output = T>,
    past: Option<impl Future<Output = Option<U>> + Unpin>,
) -> (T, Option<U>) {
    let Some(past) = past else { return (present.await, None) };
    let (mut present, mut past) = (pin!(present), pin!(maybe_done(past)));
    let answers = tokio::select! {
        answers = &mut present => answers,
        () = &mut past => present.await,
    };
    // Who asks for long is asked again at the next tick.
    let _ = Box::pin(tokio::time::timeout(MOMENT, past.as_mut())).await;
    (answers, past.take_output().flatten())
}

/// Results as a decision sees them, and what went wrong with each.
fn split(results: Vec<Result<Milli, Problem>>) -> (Samples, Vec<Option<Problem>>) {
    let readings = results.iter().map(|result| match result {
        Ok(value) => Reading::Value(*value),
        Err(problem) => Reading::Missing(problem.cause),
    });
    (Samples::Read(readings.collect()), results.into_iter().map(Result::err).collect())
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_the_past_was_is_waited_for_a_moment_longer_than_what_the_present_is() {
        for (present, past, known, took) in
            [(1, 0, true, 1), (0, 2, true, 2), (4, 6, true, 6), (0, 60, false, 3), (4, 60, false, 7)]
        {
            let begin = Instant::now();
            let after = async |seconds: u64| {
                sleep(Duration::from_secs(seconds)).await;
                seconds
            };
            let past = Box::pin(async { Some(after(past).await) });
            let (answers, past) = with_moment_of(after(present), Some(past)).await;
            assert_eq!((answers, past.is_some()), (present, known));
            assert_eq!(begin.elapsed().as_secs(), took);
        }
    }
}
