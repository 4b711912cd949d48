//! What all reconciles share: the cluster, what is known of it, and what is remembered of each policy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::State;
use crate::clock::Clock;
use crate::operator::calendars::Almanac;
use crate::operator::cluster::Cluster;
use crate::operator::leader::Leadership;
use crate::operator::metrics::Metrics;
use crate::operator::pods::Unschedulable;
use crate::operator::policies::Policies;
use crate::operator::prometheus::Sources;
use crate::operator::rivals::Rivals;
use crate::operator::targets::Targets;
use crate::operator::timetable::Grid;
use crate::operator::wakeups::{Urgency, Wakeups};
use crate::operator::watching::Pace;
use crate::operator::{Evaluation, Key, OperatorOptions};

/// What all reconciles share.
pub(in crate::operator) struct Context {
    pub(in crate::operator) cluster: Cluster,
    pub(in crate::operator) clock: Clock,
    pub(in crate::operator) sources: Sources,
    pub(in crate::operator) grid: Grid,
    pub(in crate::operator) policies: Policies,
    /// On the heap each, so that a state which comes and goes moves no other.
    states: Mutex<BTreeMap<Key, Box<State>>>,
    pub(in crate::operator) almanac: Almanac,
    pub(in crate::operator) rivals: Rivals,
    pub(in crate::operator) targets: Targets,
    pub(super) wakeups: Arc<Wakeups>,
    /// Told when the API server can be reached again.
    reached: Arc<Notify>,
    pub(in crate::operator) leadership: Arc<Leadership>,
    pub(in crate::operator) pods: Arc<Unschedulable>,
    pub(in crate::operator) metrics: Arc<Metrics>,
    pub(in crate::operator) evaluations: Option<UnboundedSender<Evaluation>>,
    pub(in crate::operator) shutdown: CancellationToken,
    pub(in crate::operator) instance: String,
    pub(in crate::operator) started: Timestamp,
    /// The last number by which an event is known.
    serial: AtomicU64,
}

impl Context {
    pub(in crate::operator) fn new(
        options: &OperatorOptions,
        targets: Targets,
        shutdown: CancellationToken,
    ) -> Self {
        let clock = options.clock.clone();
        let leadership = Arc::new(match options.lease {
            None => Leadership::alone(clock),
            Some(_) => Leadership::sought(clock),
        });
        let client = options.client.clone();
        let for_calls = Arc::clone(&leadership);
        let cluster =
            Cluster::new(client, options.kube_timeout, options.concurrency, for_calls, options.clock.clone());
        Self {
            metrics: Arc::new(Metrics::new(&options.sources, &cluster.failures)),
            cluster,
            leadership,
            clock: options.clock.clone(),
            sources: options.sources.clone(),
            grid: Grid::new(options.interval),
            policies: Policies::default(),
            states: Mutex::default(),
            almanac: Almanac::default(),
            rivals: Rivals::default(),
            targets,
            wakeups: Arc::new(Wakeups::new(options.clock.clone())),
            reached: Arc::default(),
            pods: Arc::default(),
            evaluations: options.evaluations.clone(),
            shutdown,
            instance: options.instance.clone(),
            started: options.clock.now(),
            serial: AtomicU64::new(0),
        }
    }

    /// A number that nothing else of this operator is known by, and of another one hardly anything: nanoseconds of the Unix epoch,
    /// or a few more.
    pub(in crate::operator) fn serial(&self) -> u64 {
        let now = u64::try_from(self.clock.now().as_nanosecond()).unwrap_or(0);
        let next = |last: u64| now.max(last + 1);
        let (Ok(last) | Err(last)) =
            self.serial.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last)
    }

    pub(in crate::operator) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    pub(in crate::operator) fn wakeups(&self) -> Arc<Wakeups> {
        Arc::clone(&self.wakeups)
    }

    /// How patient the watches are.
    pub(in crate::operator) fn pace(&self) -> Pace {
        Pace::new(self.cluster.deadline(), Arc::clone(&self.reached))
    }

    /// Goes on after something that all policies wait for. Whatever has failed meanwhile is tried again.
    pub(in crate::operator) fn resume(&self) {
        self.reached.notify_waiters();
        self.wake_all();
    }

    /// Wakes policies at once.
    pub(in crate::operator) fn wake(&self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            self.wakeups.set(key, self.clock.now(), Urgency::Other);
        }
    }

    /// Whether anything may be begun.
    pub(in crate::operator) fn may_act(&self) -> bool {
        !self.shutdown.is_cancelled() && self.leadership.may_write().is_some() && self.policies.are_current()
    }

    /// Looks at all policies again.
    fn wake_all(&self) {
        let keys: Vec<Key> = self.states().keys().cloned().collect();
        self.wake(keys);
    }

    /// Forgets a policy that is gone. Its workload stays as it is.
    pub(in crate::operator) fn forget(&self, key: &Key) {
        self.wakeups.cancel(key);
        self.almanac.forget(key);
        self.metrics.ledger.forget(key);
        self.wake(self.rivals.forget(key));
        if self.states().remove(key).is_some() {
            tracing::info!(namespace = key.namespace(), policy = key.name(), "the policy is gone");
        }
        self.metrics.policies(self.policies.len());
    }

    /// Enters a policy in the ledger.
    pub(super) fn note(&self, key: &Key, state: &mut State) {
        // Of a policy that can't be followed nothing has to be known.
        let is_refused = state.policy.is_none() && state.generation.is_some();
        let observed = if is_refused { Some(true) } else { state.observed.take() };
        self.metrics.ledger.note(key, self.clock.now(), observed, &state.status.conditions);
    }

    pub(super) fn states(&self) -> MutexGuard<'_, BTreeMap<Key, Box<State>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
