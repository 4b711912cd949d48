//! How the Lease is taken, renewed and given back.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};

use super::{Leadership, LeaseOptions, News, Tenure};
use crate::clock::Clock;
use crate::operator::cluster::{CallError, Failures};
use crate::operator::{shard, watching};

/// Stands for election for as long as it is polled.
pub(in crate::operator) struct Campaign {
    api: Api<Lease>,
    clock: Clock,
    options: LeaseOptions,
    leadership: Arc<Leadership>,
    failures: Failures,
    /// The Lease as last seen, and when it was first seen so, by our clock.
    seen: Option<(Lease, Duration)>,
    /// Whether the Lease may have been written in our name without our knowing it.
    is_in_doubt: bool,
    /// The versions of Leases of those who share the policies out otherwise, and when they were first seen so, by our clock.
    others: BTreeMap<String, (Option<String>, Duration)>,
}

/// Why an attempt at a Lease came to nothing.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("{0}")]
    Refused(#[from] kube::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error(
        "{holder} holds {lease}, and shares the same policies out otherwise: all of them have to stop first"
    )]
    Divided { lease: String, holder: String },
}

impl From<LeaseError> for CallError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Refused(error) => error.into(),
            LeaseError::Timeout(deadline) => Self::Timeout(deadline),
            LeaseError::Divided { .. } => Self::NotLeading,
        }
    }
}

impl Campaign {
    pub(in crate::operator) fn new(
        client: Client,
        clock: Clock,
        options: LeaseOptions,
        leadership: Arc<Leadership>,
        failures: Failures,
    ) -> Self {
        let api = Api::namespaced(client, &options.namespace);
        Self {
            api,
            clock,
            options,
            leadership,
            failures,
            seen: None,
            is_in_doubt: false,
            others: BTreeMap::new(),
        }
    }

    /// Wins, renews, loses and wins again. Never ends.
    pub(in crate::operator) async fn run(&mut self, mut tell: impl FnMut(News)) {
        let name = self.options.lease();
        let only = watching::config().fields(&format!("metadata.name={name}"));
        let mut changes = pin!(watcher(self.api.clone(), only).default_backoff().touched_objects());
        let (mut fails, mut rounds) = (false, 0_u64);
        loop {
            let result = self.attempt().await;
            let gives_way = matches!(result, Err(LeaseError::Divided { .. }));
            let (is_news, lease) = (!fails, &name);
            fails = result.is_err();
            let others_lead = matches!(result, Ok(None));
            let wait = match result {
                // The tenure counts from when the renewal was sent, however long the answer took.
                Ok(Some(sent)) => {
                    self.options.renewal().saturating_sub(self.clock.elapsed().saturating_sub(sent))
                }
                Ok(None) => self.until_expiry(),
                Err(error) => {
                    if is_news {
                        tracing::warn!(lease, "the lease can't be had or renewed: {error}");
                    }
                    self.failures.count(&error.into());
                    self.options.retry()
                }
            };
            if let Some(news) = self.leadership.news() {
                let identity = &self.options.identity;
                match news {
                    News::Gained => tracing::info!(lease, identity, "this operator leads"),
                    News::Lost => tracing::warn!(lease, identity, "this operator leads no longer"),
                    News::Followed => {}
                }
                tell(news);
            }
            if others_lead {
                tell(News::Followed);
            }
            if gives_way {
                // Two who give way to each other come back apart, each time otherwise. What changes meanwhile is their own doing.
                rounds += 1;
                let share = shard::hash(&format!("{}{rounds}", self.options.identity)) % 1024;
                let apart = self.options.renewal() * u32::try_from(share).unwrap_or(0) / 1024;
                self.clock.sleep(wait + apart).await;
                continue;
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
    pub(in crate::operator) async fn release(&mut self) {
        let deadline = self.leadership.may_write().or(self.is_in_doubt.then(|| self.options.renewal()));
        self.leadership.lost();
        let Some(deadline) = deadline else { return };
        let seen = self.seen.take().map(|(lease, _)| lease).filter(|lease| self.is_ours(lease));
        let lease = &self.options.lease();
        match tokio::time::timeout(deadline, self.give_back(seen)).await {
            Ok(Ok(true)) => tracing::info!(lease, "the lease is given back"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(lease, "the lease could not be given back: {error}"),
            Err(_) => tracing::warn!(lease, "the lease could not be given back in time"),
        }
    }

    /// Gives whether there was something to give back. A write that was under way when we were told to stop may
    /// have been carried out: then the Lease is another one than we saw, and still ours.
    async fn give_back(&self, seen: Option<Lease>) -> Result<bool, kube::Error> {
        if let Some(lease) = seen {
            match self.free(lease).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                result => return result.map(|_| true),
            }
        }
        match self.api.get_opt(&self.options.lease()).await? {
            Some(lease) if self.is_ours(&lease) => self.free(lease).await.map(|_| true),
            Some(_) | None => Ok(false),
        }
    }

    async fn free(&self, mut lease: Lease) -> Result<Lease, kube::Error> {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(self.clock.now()));
        self.api.replace(&self.options.lease(), &PostParams::default(), &lease).await
    }

    /// Takes or renews the Lease. Gives when that was sent, if the Lease is ours.
    async fn attempt(&mut self) -> Result<Option<Duration>, LeaseError> {
        let ours = self.seen.as_ref().map(|(lease, _)| lease).filter(|lease| self.is_ours(lease)).cloned();
        let lease = match ours {
            Some(lease) => Some(lease),
            None => self.call(self.api.get_opt(&self.options.lease())).await?,
        };
        if let Some(lease) = &lease {
            self.note(lease);
        }
        // Also of one that was deleted: whoever held it does not know yet, and leads until it would have ended.
        let is_others = |(seen, _): &(Lease, Duration)| !self.is_ours(seen) && !is_free(seen);
        if self.seen.as_ref().is_some_and(is_others) && self.until_expiry() > Duration::ZERO {
            self.leadership.lost();
            return Ok(None);
        }
        let gains = self.leadership.may_write().is_none();
        if gains {
            self.expect_undivided().await?;
        }
        let (sent, sent_wall) = (self.clock.elapsed(), self.clock.now());
        self.is_in_doubt = true;
        let written = match lease {
            None => {
                let metadata = ObjectMeta { name: Some(self.options.lease()), ..ObjectMeta::default() };
                let lease = Lease { metadata, ..Lease::default() };
                self.call(self.api.create(&PostParams::default(), &self.signed(lease, sent_wall))).await
            }
            Some(lease) => {
                let signed = self.signed(lease, sent_wall);
                self.call(self.api.replace(&self.options.lease(), &PostParams::default(), &signed)).await
            }
        };
        match written {
            Ok(lease) => self.note(&lease),
            Err(error) => {
                // Perhaps somebody else wrote: look again before the next attempt.
                if let LeaseError::Refused(kube::Error::Api(status)) = &error {
                    self.seen = None;
                    self.is_in_doubt = status.code >= 500;
                }
                return Err(error);
            }
        }
        self.is_in_doubt = false;
        // Of two who take their Leases at the same time at least one sees the other's.
        if gains && let Err(error) = self.expect_undivided().await {
            if let Some((lease, _)) = self.seen.take() {
                self.call(self.free(lease)).await?;
            }
            return Err(error);
        }
        let (begin_within, end_within) = (self.options.tenure(), self.options.duration);
        self.leadership.renewed(Tenure { sent, sent_wall, begin_within, end_within });
        Ok(Some(sent))
    }

    /// Fails while somebody leads who shares the same policies out otherwise.
    async fn expect_undivided(&mut self) -> Result<(), LeaseError> {
        let leases = self.call(self.api.list(&ListParams::default())).await?;
        let now = self.clock.elapsed();
        for lease in leases {
            let name = lease.name_any();
            let Some(holder) = holder(&lease).filter(|holder| !holder.is_empty()) else { continue };
            if !self.options.is_otherwise(&name) {
                continue;
            }
            let version = lease.resource_version();
            let known = self.others.entry(name.clone()).or_insert_with(|| (version.clone(), now));
            if known.0 != version {
                *known = (version, now);
            }
            let since = known.1;
            if self.remaining(&lease, since) > Duration::ZERO {
                return Err(LeaseError::Divided { lease: name, holder: holder.to_owned() });
            }
        }
        Ok(())
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
        self.remaining(lease, *since)
    }

    /// How long a Lease that has been as it is `since` an instant of our clock may still be that of a leader.
    fn remaining(&self, lease: &Lease, since: Duration) -> Duration {
        let end = since.saturating_add(lasts(lease).max(self.options.duration));
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

/// How long its holder says that it lasts after a renewal.
fn lasts(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs).unwrap_or_default()
}

/// Nobody holds it, or it was given back.
fn is_free(lease: &Lease) -> bool {
    holder(lease).is_none_or(str::is_empty)
}
