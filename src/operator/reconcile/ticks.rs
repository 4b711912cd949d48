//! A tick: the metrics are read, and the schedule goes on meanwhile.

use jiff::Timestamp;

use super::super::Occasion;
use super::super::prometheus::{Answers, Problem};
use super::{Context, Due, Problems, State, Subject};
use crate::decision::{Milli, Policy, Reading, Samples};

impl Context {
    /// Evaluates a tick. An edge that comes while the metrics are being read goes first.
    pub(super) async fn tick(&self, subject: &Subject<'_>, state: &mut State, tick: Timestamp) {
        state.timetable.ticked(tick);
        if !subject.decides() {
            return self
                .unmetered(subject, state, state.timetable.not_before_last(tick), Occasion::Tick)
                .await;
        }
        let rebuilding = state.rebuilding;
        let (answers, past) = {
            // On the heap, and no longer than they take: what follows may have to wait.
            let mut queries = Box::pin(futures::future::join(
                self.read_metrics(subject.namespace, &subject.policy, tick),
                self.read_past(subject.namespace, &subject.policy, rebuilding, tick),
            ));
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

/// Results as a decision sees them, and what went wrong with each.
fn split(results: Vec<Result<Milli, Problem>>) -> (Samples, Vec<Option<Problem>>) {
    let readings = results.iter().map(|result| match result {
        Ok(value) => Reading::Value(*value),
        Err(problem) => Reading::Missing(problem.cause),
    });
    (Samples::Read(readings.collect()), results.into_iter().map(Result::err).collect())
}
