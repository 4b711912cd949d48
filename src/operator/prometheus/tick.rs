//! What policies that look at a source at the same instant have in common.
//!
//! Equal queries are one request, whose answer all of them get, also those that ask while it is under way.
//! And a source that can't be reached fails for all of them at once: when it failed before, a cheap query of
//! our own goes ahead of the policies', so that a dead source costs one attempt a tick and not one a query.
//! The probe is not a policy's query, since one that takes too long would then speak for all others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use super::{Problem, unreachable_because};
use crate::decision::Milli;

/// How many instants are remembered: the present one, and the one before for those that are late.
const REMEMBERED: usize = 2;

/// What came, or comes, of a query.
pub(super) type Answer = Result<Milli, Problem>;

type Pending = Shared<BoxFuture<'static, Answer>>;

/// The latest instants at which a source was asked.
#[derive(Default)]
pub(super) struct Ticks(Mutex<State>);

#[derive(Default)]
struct State {
    ticks: BTreeMap<Timestamp, Arc<Tick>>,
    /// The last attempt got no answer at all.
    is_suspect: bool,
}

impl Ticks {
    /// The tick of an instant.
    pub(super) fn at(&self, at: Timestamp) -> Arc<Tick> {
        let mut state = lock(&self.0);
        let probe = state.is_suspect.then(OnceCell::new);
        let tick = state.ticks.entry(at).or_insert_with(|| Arc::new(Tick::new(at, probe)));
        let tick = Arc::clone(tick);
        while state.ticks.len() > REMEMBERED {
            state.ticks.pop_first();
        }
        tick
    }

    /// Notes that the source answered, whatever it said. Gives whether it had not before.
    pub(super) fn answered(&self, tick: &Tick) -> bool {
        let was_suspect = std::mem::replace(&mut lock(&self.0).is_suspect, false);
        *lock(&tick.health) = Health::Answers;
        was_suspect
    }

    /// Notes that a request was not answered, in time or at all. It may have been the query's fault, or that
    /// of an old connection, unless nothing else was answered either. Gives whether that is news.
    pub(super) fn unanswered(&self, tick: &Tick, problem: &Problem) -> bool {
        let answers = matches!(*lock(&tick.health), Health::Answers);
        !answers && self.failed(tick, problem)
    }

    /// Notes that there is no connection to the source. Gives whether that is news.
    pub(super) fn failed(&self, tick: &Tick, problem: &Problem) -> bool {
        let was_suspect = std::mem::replace(&mut lock(&self.0).is_suspect, true);
        *lock(&tick.health) = Health::Down(problem.clone());
        !was_suspect
    }
}

/// One instant.
pub(super) struct Tick {
    pub(super) at: Timestamp,
    answers: Mutex<BTreeMap<Arc<str>, Pending>>,
    probe: Option<OnceCell<()>>,
    health: Mutex<Health>,
}

enum Health {
    /// Nothing came back yet.
    Unknown,
    Answers,
    Down(Problem),
}

impl Tick {
    fn new(at: Timestamp, probe: Option<OnceCell<()>>) -> Self {
        Self { at, answers: Mutex::default(), probe, health: Mutex::new(Health::Unknown) }
    }

    /// The answer to a query; `ask` is called by the first who wants it. It runs as a task of its own, so
    /// that no policy waits for another one's turn, and ends with the last who is interested.
    pub(super) fn share<F>(&self, expression: &Arc<str>, ask: impl FnOnce() -> F) -> Pending
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut answers = lock(&self.answers);
        let pending = answers.entry(Arc::clone(expression)).or_insert_with(|| {
            let task = AbortOnDropHandle::new(tokio::spawn(ask()));
            let given_up = |_| Err(unreachable_because("the query was given up"));
            task.map(move |joined| joined.unwrap_or_else(given_up)).boxed().shared()
        });
        pending.clone()
    }

    /// Why the source can't be asked at this instant any more.
    pub(super) fn problem(&self) -> Option<Problem> {
        match &*lock(&self.health) {
            Health::Down(problem) => Some(problem.clone()),
            Health::Unknown | Health::Answers => None,
        }
    }

    /// Waits until it is known whether the source is there, if there is doubt; the first to come finds out.
    pub(super) async fn probed(&self, probe: impl Future<Output = ()>) {
        if let Some(cell) = &self.probe {
            cell.get_or_init(|| probe).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
