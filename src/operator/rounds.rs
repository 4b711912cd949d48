//! Who is attended to when: the policies that are due or have changed, all at the same time, and none of them twice
//! at a time.
//!
//! What is bounded is the number of calls (see [`super::cluster`] and [`super::prometheus`]) and not that of policies
//! that are attended to: a limit would let some that wait for a slow Prometheus keep another's edge waiting.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::Key;
use super::policies::News;
use super::reconcile::{Context, reconcile};

/// The policies that are attended to.
struct Rounds {
    context: Arc<Context>,
    running: FuturesUnordered<BoxFuture<'static, Key>>,
    /// Whether each of them has to be attended to once more.
    again: HashMap<Key, bool>,
}

/// How long statuses and events may take that are under way at the end: another operator waits to lead.
const FAREWELL: Duration = Duration::from_millis(500);

/// Attends to policies until `shutdown`, and then brings to an end what has begun: each scale write, but statuses and
/// events only for a moment. Nothing begins before all policies are known, which is when the operator is `ready`.
pub(super) async fn run(
    mut news: UnboundedReceiver<News>,
    ready: Arc<AtomicBool>,
    shutdown: CancellationToken,
    context: Arc<Context>,
) {
    let mut due = pin!(context.wakeups().due());
    let mut rounds = Rounds { context, running: FuturesUnordered::new(), again: HashMap::new() };
    let (mut is_open, mut is_ready, mut is_over) = (true, false, false);
    let mut over = pin!(async {
        shutdown.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    });
    while is_open || !rounds.running.is_empty() {
        // However many are due, others have their turn.
        tokio::task::coop::consume_budget().await;
        tokio::select! {
            () = shutdown.cancelled(), if is_open => is_open = false,
            () = &mut over, if !is_over => {
                is_over = true;
                rounds.context.cluster.stop();
            }
            Some(key) = rounds.running.next() => rounds.ended(&key, is_open),
            Some(key) = due.next(), if is_open && is_ready => rounds.begin(key),
            Some(told) = news.recv(), if is_open => match told {
                News::Changed(key) => rounds.begin(key),
                News::Gone(key) => rounds.context.forget(&key),
                News::Complete => {
                    if !std::mem::replace(&mut is_ready, true) {
                        ready.store(true, Ordering::Relaxed);
                        tracing::info!(policies = rounds.context.policies.len(), "the policies are read");
                    }
                }
            },
        }
    }
}

impl Rounds {
    /// Attends to a policy, or once more when that is under way.
    fn begin(&mut self, key: Key) {
        if let Some(again) = self.again.get_mut(&key) {
            *again = true;
            return;
        }
        let Some(policy) = self.context.policies.get(&key) else { return };
        self.again.insert(key, false);
        self.running.push(Box::pin(reconcile(policy, Arc::clone(&self.context))));
    }

    /// Notes that a policy has been attended to.
    fn ended(&mut self, key: &Key, may_begin: bool) {
        let Some((key, again)) = self.again.remove_entry(key) else { return };
        // It may be gone by now, and has left its state behind.
        if self.context.policies.get(&key).is_none() {
            self.context.forget(&key);
        } else if again && may_begin {
            self.begin(key);
        }
    }
}
