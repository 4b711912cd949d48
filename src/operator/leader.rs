//! Leader election: of several operators one writes, and the others watch and wait.
//!
//! The leader's name stands in a Lease, which it renews. Another may take the Lease when it has seen no renewal
//! for the Lease's whole duration *by its own clock*, whatever times are written in it: clocks of two machines
//! need not agree. The leader stops writing earlier, a while after the last renewal that was *sent* and succeeded,
//! and no write may take longer than what is left of the Lease then: see [`Leadership`].
//!
//! ```text
//! sent                          sent + tenure                  sent + duration
//!  │ writes are begun             │ none is begun any more       │ none is under way any more;
//!  │                              │                              │ nobody else begins before
//! ```

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use crate::clock::Clock;

/// How an operator stands for election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOptions {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// What the operator is called in it; no two may be called the same.
    pub identity: String,
    /// How long after its last renewal the Lease may be taken by another. At least a second; a Lease counts
    /// in whole ones.
    pub duration: Duration,
}

impl LeaseOptions {
    /// The usual duration.
    pub const DURATION: Duration = Duration::from_secs(15);

    /// A name for this process that no other has, beginning with that of its host.
    #[must_use]
    pub fn identity_on(host: &str) -> String {
        // Two containers of one pod, or one before and after its restart, share a host name.
        format!("{host}_{:016x}", RandomState::new().build_hasher().finish())
    }

    /// How long after a renewal the leader still begins to write.
    fn tenure(&self) -> Duration {
        self.duration * 2 / 3
    }

    /// How often the leader renews.
    fn renewal(&self) -> Duration {
        self.duration / 3
    }

    /// How soon what failed is tried again.
    fn retry(&self) -> Duration {
        self.duration / 15
    }
}

/// Whether this process may write. What holds it has to ask before each write.
#[derive(Debug)]
pub(super) struct Leadership {
    clock: Clock,
    standing: Mutex<Standing>,
}

#[derive(Debug)]
enum Standing {
    /// Nobody else runs: so it was said.
    Alone,
    /// There are others.
    Elected {
        /// How often the leadership was gained.
        term: u64,
        until: Option<Tenure>,
        /// The term that others were told of.
        told: Option<u64>,
    },
}

/// The time in which the leader may write: by a clock that nobody steps, and by wall time as well, since
/// the former may stand still while a machine is suspended.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    sent: Duration,
    sent_wall: Timestamp,
    begin_within: Duration,
    end_within: Duration,
}

impl Tenure {
    fn age(&self, clock: &Clock) -> Duration {
        let by_wall = clock.now().duration_since(self.sent_wall);
        let by_wall = Duration::try_from(by_wall).unwrap_or_default();
        clock.elapsed().saturating_sub(self.sent).max(by_wall)
    }
}

impl Leadership {
    /// For an operator that stands for no election.
    pub(super) fn alone(clock: Clock) -> Self {
        Self { clock, standing: Mutex::new(Standing::Alone) }
    }

    /// For an operator that has to be elected first.
    pub(super) fn sought(clock: Clock) -> Self {
        Self { clock, standing: Mutex::new(Standing::Elected { term: 0, until: None, told: None }) }
    }

    /// How long a write that begins now may take; `None` when none may begin.
    pub(super) fn may_write(&self) -> Option<Duration> {
        match &*self.standing() {
            Standing::Alone => Some(Duration::MAX),
            Standing::Elected { until, .. } => {
                let tenure = until.as_ref()?;
                let age = tenure.age(&self.clock);
                (age < tenure.begin_within).then(|| tenure.end_within.saturating_sub(age))
            }
        }
    }

    /// A number that is another one each time that the leadership was gained.
    pub(super) fn term(&self) -> u64 {
        match *self.standing() {
            Standing::Alone => 0,
            Standing::Elected { term, .. } => term,
        }
    }

    /// Notes a renewal.
    fn renewed(&self, tenure: Tenure) {
        let is_new = self.may_write().is_none();
        match &mut *self.standing() {
            Standing::Alone => {}
            Standing::Elected { term, until, .. } => {
                *until = Some(tenure);
                *term += u64::from(is_new);
            }
        }
    }

    /// Notes that the leadership is over.
    fn lost(&self) {
        match &mut *self.standing() {
            Standing::Alone => {}
            Standing::Elected { until, .. } => *until = None,
        }
    }

    /// What has happened since this was asked last.
    fn news(&self) -> Option<News> {
        let leads = self.may_write().is_some();
        match &mut *self.standing() {
            Standing::Alone => None,
            Standing::Elected { term, told, .. } => {
                let now = leads.then_some(*term);
                let before = std::mem::replace(told, now);
                match (before, now) {
                    (before, now) if before == now => None,
                    (_, Some(_)) => Some(News::Gained),
                    (_, None) => Some(News::Lost),
                }
            }
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happened to the leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// This process leads from now on.
    Gained,
    /// It does not any more.
    Lost,
}

/// Stands for election for as long as it is polled.
pub(super) struct Campaign {
    api: Api<Lease>,
    clock: Clock,
    options: LeaseOptions,
    leadership: Arc<Leadership>,
    /// The Lease as last seen, and when it was first seen so, by our clock.
    seen: Option<(Lease, Duration)>,
}

/// Why an attempt at a Lease came to nothing.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("{0}")]
    Refused(#[from] kube::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl Campaign {
    pub(super) fn new(
        client: Client,
        clock: Clock,
        options: LeaseOptions,
        leadership: Arc<Leadership>,
    ) -> Self {
        let api = Api::namespaced(client, &options.namespace);
        Self { api, clock, options, leadership, seen: None }
    }

    /// Wins, renews, loses and wins again. Never ends.
    pub(super) async fn run(&mut self, mut tell: impl FnMut(News)) {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.options.name));
        let mut changes = pin!(watcher(self.api.clone(), only).default_backoff().touched_objects());
        let mut fails = false;
        loop {
            let result = self.attempt().await;
            let (is_news, lease) = (!fails, &self.options.name);
            fails = result.is_err();
            let wait = match result {
                Ok(true) => self.options.renewal(),
                Ok(false) => self.until_expiry(),
                Err(error) => {
                    if is_news {
                        tracing::warn!(lease, "the lease can't be had or renewed: {error}");
                    }
                    self.options.retry()
                }
            };
            if let Some(news) = self.leadership.news() {
                let identity = &self.options.identity;
                match news {
                    News::Gained => tracing::info!(lease, identity, "this operator leads"),
                    News::Lost => tracing::warn!(lease, identity, "this operator leads no longer"),
                }
                tell(news);
            }
            let leads = self.leadership.may_write().is_some();
            let mut waited = pin!(self.clock.sleep(wait));
            loop {
                tokio::select! {
                    () = &mut waited => break,
                    // Somebody else's Lease has changed: perhaps it was given back. Our own we change ourselves.
                    Some(_) = changes.next() => if !leads { break },
                }
            }
        }
    }

    /// Gives the Lease back, so that another need not wait for its end.
    pub(super) async fn release(&mut self) {
        let deadline = self.leadership.may_write();
        self.leadership.lost();
        let (Some(deadline), Some((lease, _))) = (deadline, self.seen.take()) else { return };
        let mut free = lease;
        let spec = free.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(self.clock.now()));
        let lease = &self.options.name;
        match tokio::time::timeout(deadline, self.api.replace(lease, &PostParams::default(), &free)).await {
            Ok(Ok(_)) => tracing::info!(lease, "the lease is given back"),
            Ok(Err(error)) => tracing::warn!(lease, "the lease could not be given back: {error}"),
            Err(_) => tracing::warn!(lease, "the lease could not be given back in time"),
        }
    }

    /// Takes or renews the Lease. Gives whether it is ours.
    async fn attempt(&mut self) -> Result<bool, LeaseError> {
        let (sent, sent_wall) = (self.clock.elapsed(), self.clock.now());
        let ours = self.seen.as_ref().map(|(lease, _)| lease).filter(|lease| self.is_ours(lease)).cloned();
        let lease = match ours {
            Some(lease) => Some(lease),
            None => self.call(self.api.get_opt(&self.options.name)).await?,
        };
        let written = match lease {
            None => {
                let metadata = ObjectMeta { name: Some(self.options.name.clone()), ..ObjectMeta::default() };
                let lease = Lease { metadata, ..Lease::default() };
                self.call(self.api.create(&PostParams::default(), &self.signed(lease, sent_wall))).await
            }
            Some(lease) => {
                self.note(&lease);
                if !self.is_ours(&lease) && !is_free(&lease) && self.until_expiry() > Duration::ZERO {
                    self.leadership.lost();
                    return Ok(false);
                }
                let signed = self.signed(lease, sent_wall);
                self.call(self.api.replace(&self.options.name, &PostParams::default(), &signed)).await
            }
        };
        match written {
            Ok(lease) => self.note(&lease),
            Err(error) => {
                // Perhaps somebody else wrote: look again before the next attempt.
                if matches!(&error, LeaseError::Refused(kube::Error::Api(_))) {
                    self.seen = None;
                }
                return Err(error);
            }
        }
        let (begin_within, end_within) = (self.options.tenure(), self.options.duration);
        self.leadership.renewed(Tenure { sent, sent_wall, begin_within, end_within });
        Ok(true)
    }

    /// The Lease with our name.
    fn signed(&self, mut lease: Lease, now: Timestamp) -> Lease {
        let ours = self.is_ours(&lease);
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime(now));
        spec.lease_duration_seconds = i32::try_from(self.options.duration.as_secs()).ok();
        if !ours {
            let transitions = spec.lease_transitions.map_or(0, |transitions| transitions.saturating_add(1));
            spec.lease_transitions = Some(transitions);
            spec.acquire_time = Some(MicroTime(now));
            spec.holder_identity = Some(self.options.identity.clone());
        }
        lease
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        holder(lease) == Some(&*self.options.identity)
    }

    /// Keeps a Lease, and since when it has been as it is.
    fn note(&mut self, lease: &Lease) {
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        if self.seen.as_ref().is_none_or(|(seen, _)| version(seen) != version(lease)) {
            self.seen = Some((lease.clone(), self.clock.elapsed()));
        }
    }

    /// How long it is until the Lease of another may be taken.
    fn until_expiry(&self) -> Duration {
        let Some((lease, since)) = &self.seen else { return self.options.retry() };
        let theirs = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let theirs = theirs.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        let end = since.saturating_add(theirs.unwrap_or_default().max(self.options.duration));
        end.saturating_sub(self.clock.elapsed())
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, LeaseError> {
        let deadline = self.options.renewal();
        match tokio::time::timeout(deadline, call).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(LeaseError::Timeout(deadline)),
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref())
}

/// Nobody holds it, or it was given back.
fn is_free(lease: &Lease) -> bool {
    holder(lease).is_none_or(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leadership(clock: &Clock) -> Leadership {
        Leadership::sought(clock.clone())
    }

    fn tenure(clock: &Clock) -> Tenure {
        let (begin_within, end_within) = (Duration::from_secs(10), Duration::from_secs(15));
        Tenure { sent: clock.elapsed(), sent_wall: clock.now(), begin_within, end_within }
    }

    #[test]
    fn writes_begin_for_two_thirds_of_a_lease_and_end_with_it() {
        let origin: Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
        let clock = Clock::stopped_at(origin);
        let leadership = leadership(&clock);
        assert_eq!((leadership.may_write(), leadership.news()), (None, None));
        leadership.renewed(tenure(&clock));
        assert_eq!((leadership.news(), leadership.term()), (Some(News::Gained), 1));
        for (second, left) in [(0, Some(15)), (4, Some(11)), (9, Some(6)), (10, None), (3600, None)] {
            clock.advance_to(origin + jiff::SignedDuration::from_secs(second));
            assert_eq!(leadership.may_write(), left.map(Duration::from_secs), "after {second} s");
        }
        assert_eq!((leadership.news(), leadership.news()), (Some(News::Lost), None));
        leadership.renewed(tenure(&clock));
        assert_eq!((leadership.news(), leadership.term()), (Some(News::Gained), 2));
        leadership.renewed(tenure(&clock));
        assert_eq!((leadership.news(), leadership.term()), (None, 2), "it goes on");
        leadership.lost();
        leadership.renewed(tenure(&clock));
        assert_eq!(leadership.news(), Some(News::Gained), "a loss that nobody was told of counts");
    }

    #[test]
    fn wall_time_that_jumps_ahead_ends_a_tenure_and_one_that_falls_back_does_not_prolong_it() {
        let clock = Clock::stopped_at(Timestamp::UNIX_EPOCH);
        let leadership = leadership(&clock);
        let hour = jiff::SignedDuration::from_hours(1);
        let skewed = |by| Tenure { sent_wall: clock.now() + by, ..tenure(&clock) };
        leadership.renewed(skewed(-hour));
        assert_eq!(leadership.may_write(), None);
        leadership.renewed(skewed(hour));
        assert!(leadership.may_write().is_some());
        clock.advance_to(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(10));
        assert_eq!(leadership.may_write(), None);
    }

    #[test]
    fn no_two_processes_are_called_the_same() {
        let [one, two] = [(); 2].map(|()| LeaseOptions::identity_on("pod"));
        assert!(one.starts_with("pod_") && one != two, "{one} {two}");
    }
}
