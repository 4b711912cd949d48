//! Calls to the Kubernetes API: each with a deadline, each with an error that has a category, and few
//! at a time. Who scales waits for a turn; all other calls queue by themselves.
//!
//! Scale calls and all others (status, events) have permits of their own, so that a queue of status
//! writes never delays a scale write.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client, Resource};
use serde::de::IgnoredAny;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::leader::Leadership;
use super::setting::Setting;
use super::succession::Writer;
use super::turns::{Turn, Turns};
use crate::api::{ScalePolicy, ScalePolicyStatus, ScaleTargetRef};
use crate::clock::Clock;
use crate::decision::Replicas;

mod calls;
mod error;
mod failures;
mod kinds;

use self::calls::patch_request;
pub(super) use self::error::CallError;
pub(super) use self::failures::Failures;
use self::kinds::Kinds;

/// The field manager of writes to the scale subresource.
pub(super) const SCALE_MANAGER: &str = "tidetable";

/// How long status and events wait while scale writes queue.
pub(super) const MOST_PATIENCE: Duration = Duration::from_secs(3);

/// Calls that take longer than this are slow.
const LONG: Duration = Duration::from_secs(1);

/// Where in `managedFields` the replicas of a workload are, and the bounds of an autoscaler.
const REPLICAS: &[&str] = &["/f:spec/f:replicas"];
const BOUNDS: &[&str] = &["/f:spec/f:minReplicas", "/f:spec/f:maxReplicas"];

/// How many permits a status or event takes that has waited for so long in vain.
const IMPATIENT_SHARE: u32 = 4;

/// The field manager of writes to the status of policies.
pub(super) const STATUS_MANAGER: &str = "tidetable-status";

/// A target as it was read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScaleSeen {
    /// The workload's resource version.
    pub(super) version: Option<String>,
    /// What can be set on it.
    pub(super) setting: Setting,
    /// The UID of the workload.
    pub(super) uid: Option<String>,
    /// The generation of its spec, when a watch has told of this version.
    pub(super) generation: Option<i64>,
    /// Which pods are the workload's, as a label selector.
    pub(super) selector: Option<String>,
    /// How many replicas are ready, when that was asked for.
    pub(super) ready: Option<Replicas>,
}

impl From<Scale> for ScaleSeen {
    fn from(scale: Scale) -> Self {
        let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        Self {
            version: scale.metadata.resource_version,
            setting: Setting::Replicas(Replicas::new(replicas)),
            uid: scale.metadata.uid,
            generation: None,
            selector: scale.status.and_then(|status| status.selector),
            ready: None,
        }
    }
}

impl From<HorizontalPodAutoscaler> for ScaleSeen {
    fn from(autoscaler: HorizontalPodAutoscaler) -> Self {
        let (min, max) = autoscaler.spec.map_or((None, 1), |spec| (spec.min_replicas, spec.max_replicas));
        Self {
            version: autoscaler.metadata.resource_version,
            setting: Setting::bounds(min, max),
            uid: autoscaler.metadata.uid,
            generation: None,
            selector: None,
            ready: None,
        }
    }
}

/// The API server as the operator uses it.
pub(super) struct Cluster {
    client: Client,
    deadline: Duration,
    leadership: Arc<Leadership>,
    scales: Arc<Turns>,
    /// Turns of those that get no answer, or not soon: whoever waits for one takes none of the others'.
    slow: Arc<Turns>,
    others: Semaphore,
    /// Cancelled when nothing is waited for any more that scales nothing.
    stopping: CancellationToken,
    /// How many permits of `others` there are.
    most_others: u32,
    kinds: Kinds,
    /// The calls that failed.
    pub(super) failures: Failures,
}

impl Cluster {
    /// Uses `client` with a deadline per call, and at most `concurrency` calls at a time for scaling,
    /// as many that take long, and as many for all else.
    pub(super) fn new(
        client: Client,
        deadline: Duration,
        concurrency: usize,
        leadership: Arc<Leadership>,
        clock: Clock,
    ) -> Self {
        let (scales, slow) = (Turns::new(concurrency), Turns::new(concurrency));
        let others = Semaphore::new(concurrency.max(1));
        let most_others = u32::try_from(concurrency.max(1)).unwrap_or(u32::MAX);
        let (stopping, kinds) = (CancellationToken::new(), Kinds::new(clock));
        let failures = Failures::default();
        Self { client, deadline, leadership, scales, slow, others, stopping, most_others, kinds, failures }
    }

    /// How long a call may take.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Gives up all status and events that are not written yet: somebody waits for this operator to end.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits for one's turn to scale: to read a workload and to write it. One turn serves for both, so
    /// that of many policies with the same edge the first are written before the last are read. The higher
    /// the priority, the sooner.
    ///
    /// Whoever took long the last time has to share the turns of those that do.
    ///
    /// The wait has no deadline: a write that has to queue is late, one that is given up is lost.
    pub(super) async fn turn(&self, priority: i32, is_slow: bool) -> Turn {
        if is_slow { self.slow.next(priority).await } else { self.scales.next(priority).await }
    }

    /// Makes calls with a turn, and gives whether they take long. Then the turn is for others as soon as there is one of the
    /// slow ones: of many workloads, an admission webhook that hangs may stand before a few.
    pub(super) async fn hold<T>(&self, turn: Turn, calls: impl Future<Output = T>) -> (T, bool) {
        let mut calls = std::pin::pin!(calls);
        if let Ok(done) = tokio::time::timeout(LONG, &mut calls).await {
            return (done, false);
        }
        if turn.is_of(&self.slow) {
            return (calls.await, true);
        }
        let done = tokio::select! {
            done = &mut calls => done,
            slow = self.slow.next(0) => {
                drop(turn);
                let done = calls.await;
                drop(slow);
                done
            }
        };
        (done, true)
    }

    /// Waits until nobody waits for a turn to scale, but not for long: too late is better than never. Gives whether it
    /// is so.
    pub(super) async fn calm(&self) -> bool {
        tokio::time::timeout(MOST_PATIENCE, self.scales.calm()).await.is_ok()
    }

    /// Waits until a call that scales nothing may be made: one of few at a time, and none while somebody waits
    /// for a turn to scale. When that takes long, a quarter as many are made all the same.
    async fn leave(&self) -> Option<SemaphorePermit<'_>> {
        let share = if self.calm().await { 1 } else { IMPATIENT_SHARE.min(self.most_others) };
        self.others.acquire_many(share).await.ok()
    }

    /// Reads the scale subresource of a workload, or a HorizontalPodAutoscaler.
    pub(super) async fn scale(
        &self,
        namespace: &str,
        target: &ScaleTargetRef,
    ) -> Result<ScaleSeen, CallError> {
        if target.is_autoscaler() {
            let api = Api::<HorizontalPodAutoscaler>::namespaced(self.client.clone(), namespace);
            return self.call(api.get(&target.name)).await.map(ScaleSeen::from);
        }
        let kind = self.kind(target).await?;
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &kind);
        let result = self.call(api.get_scale(&target.name)).await;
        if let Err(CallError::NotFound(_)) = result {
            self.kinds.doubt(target);
        }
        result.map(ScaleSeen::from)
    }

    /// The resource version of an object; `None` when it is not there.
    pub(super) async fn version(
        &self,
        namespace: &str,
        name: &str,
        kind: &ApiResource,
    ) -> Result<Option<String>, CallError> {
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, kind);
        let found = self.call(api.get_metadata_opt(name)).await?;
        Ok(found.and_then(|found| found.metadata.resource_version))
    }

    /// `status.readyReplicas` of a workload; absent means 0.
    pub(super) async fn ready(
        &self,
        namespace: &str,
        target: &ScaleTargetRef,
    ) -> Result<Replicas, CallError> {
        let kind = self.kind(target).await?;
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &kind);
        let workload = self.call(api.get(&target.name)).await?;
        let ready = workload.data.pointer("/status/readyReplicas").and_then(serde_json::Value::as_i64);
        Ok(Replicas::saturating_from(i128::from(ready.unwrap_or(0))))
    }

    /// The field manager that wrote a target's replicas or bounds last, of those that are not the operator.
    pub(super) async fn foreign_manager(
        &self,
        namespace: &str,
        target: &ScaleTargetRef,
    ) -> Result<Option<String>, CallError> {
        let paths = if target.is_autoscaler() { BOUNDS } else { REPLICAS };
        let entries = self.managers(namespace, target).await?;
        let entries = entries.into_iter().filter(|entry| owns(entry, paths));
        let latest = entries
            .filter(|entry| entry.manager.as_deref() != Some(SCALE_MANAGER))
            .max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
        Ok(latest.and_then(|entry| entry.manager))
    }

    /// Who wrote a workload's replicas as they are: who writes others takes the field over. It can't be told when, since the
    /// API server leaves out the time of what is written through `/scale`.
    pub(super) async fn writer(&self, namespace: &str, target: &ScaleTargetRef) -> Result<Writer, CallError> {
        let managers = self.managers(namespace, target).await?;
        let is_of_scale = |entry: &&ManagedFieldsEntry| entry.subresource.as_deref() == Some("scale");
        let is_own = |entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some(SCALE_MANAGER);
        Ok(if managers.iter().filter(is_of_scale).any(is_own) {
            Writer::Operator
        } else if managers.iter().any(|entry| is_of_scale(&entry) || owns(entry, REPLICAS)) {
            Writer::Other
        } else {
            Writer::Unknown
        })
    }

    /// Who owns which fields of a target.
    async fn managers(
        &self,
        namespace: &str,
        target: &ScaleTargetRef,
    ) -> Result<Vec<ManagedFieldsEntry>, CallError> {
        let kind = self.kind(target).await?;
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &kind);
        let metadata = self.call(api.get_metadata(&target.name)).await?.metadata;
        Ok(metadata.managed_fields.unwrap_or_default())
    }

    /// Sends a JSON patch to the scale subresource of a workload, or to a HorizontalPodAutoscaler.
    pub(super) async fn patch_scale(
        &self,
        namespace: &str,
        target: &ScaleTargetRef,
        patch: &serde_json::Value,
    ) -> Result<ScaleSeen, CallError> {
        let kind = self.kind(target).await?;
        let collection = DynamicObject::url_path(&kind, Some(namespace));
        let is_autoscaler = target.is_autoscaler();
        let subresource = if is_autoscaler { "" } else { "/scale" };
        let url = format!("{collection}/{}{subresource}?fieldManager={SCALE_MANAGER}", target.name);
        let request = patch_request(&url, "application/json-patch+json", patch)?;
        if is_autoscaler {
            return self
                .write(Box::pin(self.send::<HorizontalPodAutoscaler>(request)))
                .await
                .map(ScaleSeen::from);
        }
        self.write(Box::pin(self.send::<Scale>(request))).await.map(ScaleSeen::from)
    }

    /// Applies a policy's status, which the operator owns as a whole; unless it turns out at `begin`, when it is its turn, that there
    /// is no such policy any more.
    pub(super) async fn apply_status(
        &self,
        namespace: &str,
        name: &str,
        status: &ScalePolicyStatus,
        begin: impl FnOnce() -> bool,
    ) -> Result<(), CallError> {
        self.unless_stopping(async {
            // What is to be sent is put together when it can be.
            let _permit = self.leave().await;
            if !begin() {
                return Err(CallError::NotFound("the policy is gone, or another one".to_owned()));
            }
            let collection = ScalePolicy::url_path(&(), Some(namespace));
            let url = format!("{collection}/{name}/status?fieldManager={STATUS_MANAGER}&force=true");
            let body = serde_json::json!({
                "apiVersion": ScalePolicy::api_version(&()),
                "kind": ScalePolicy::kind(&()),
                "metadata": {"name": name, "namespace": namespace},
                "status": status,
            });
            let request = patch_request(&url, "application/apply-patch+yaml", &body)?;
            // The answer is not read as a policy: it may hold one that this version can't parse.
            self.write(Box::pin(self.send::<IgnoredAny>(request))).await.map(drop)
        })
        .await
    }

    /// Creates an event.
    pub(super) async fn create_event(
        &self,
        namespace: &str,
        event: impl FnOnce() -> Event + Send,
    ) -> Result<(), CallError> {
        self.unless_stopping(async {
            let _permit = self.leave().await;
            let api = Api::<Event>::namespaced(self.client.clone(), namespace);
            let params =
                PostParams { field_manager: Some(SCALE_MANAGER.to_owned()), ..PostParams::default() };
            let event = event();
            self.write(Box::pin(api.create(&params, &event))).await.map(drop)
        })
        .await
    }

    async fn unless_stopping(
        &self,
        call: impl Future<Output = Result<(), CallError>>,
    ) -> Result<(), CallError> {
        self.stopping.run_until_cancelled(call).await.unwrap_or(Err(CallError::Stopping))
    }
}

/// Whether somebody owns one of these fields.
fn owns(entry: &ManagedFieldsEntry, paths: &[&str]) -> bool {
    let fields = entry.fields_v1.as_ref().map(|FieldsV1(fields)| fields);
    paths.iter().any(|path| fields.is_some_and(|fields| fields.pointer(path).is_some()))
}
