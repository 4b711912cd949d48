//! The operator: watches policies, and keeps each workload at the replicas that its policy asks for.
//!
//! ```text
//! wake-up → observe (/scale, Prometheus) → decide → apply (/scale) → status → event
//! ```
//!
//! A policy is woken by four things: a change of its spec or annotations, a change of a calendar that it
//! names, a tick (a multiple of the interval since the epoch) and an edge of its schedule. An edge is evaluated at its instant and never
//! waits for Prometheus; a tick asks the metrics as of its own instant. Where both coincide the edge goes
//! first. All of it runs on a [`Clock`], so a virtual clock drives exactly the operator that runs in a
//! cluster.

mod apply;
mod calendars;
mod cluster;
mod conditions;
pub mod config;
mod contest;
mod evaluate;
mod evaluation;
mod events;
pub mod leader;
mod ledger;
mod metrics;
mod observe;
mod pods;
pub mod prometheus;
mod rebuild;
mod reconcile;
mod reference;
mod reload;
mod rivals;
mod server;
mod setting;
mod shard;
mod status;
mod targets;
pub mod telemetry;
mod text;
mod timetable;
mod turns;
mod wakeups;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::WatchStreamExt;
use kube::runtime::{Controller, Predicate, controller, predicates, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

pub use self::evaluation::{Evaluation, Occasion, Outcome};
pub use self::leader::LeaseOptions;
use self::leader::{Campaign, News};
pub use self::prometheus::{Archive, Part, Problem, SourceError, Sources, install_crypto_provider};
use self::reconcile::{Context, reconcile};
pub use self::reference::reference;
pub use self::setting::Setting;
pub use self::shard::{Shard, ShardError};
use self::targets::{Targets, Wanted};
use crate::api::ScalePolicy;
use crate::clock::Clock;

/// The usual distance between ticks.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);

/// The usual deadline of a call to the Kubernetes API.
pub const DEFAULT_KUBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The usual number of calls to the Kubernetes API at a time.
pub const DEFAULT_CONCURRENCY: usize = 16;

/// What an operator works with.
pub struct OperatorOptions {
    /// The Kubernetes API. Its own retries should be off: the next tick is the retry.
    pub client: Client,
    /// What time it is.
    pub clock: Clock,
    /// Where metrics come from.
    pub sources: Sources,
    /// The distance between ticks.
    pub interval: Duration,
    /// The namespace whose policies are looked after; `None` is all of them.
    pub namespace: Option<String>,
    /// How many calls for scaling run at a time, and how many others.
    pub concurrency: usize,
    /// How long a call to the Kubernetes API may take.
    pub kube_timeout: Duration,
    /// Who is told of each evaluation.
    pub evaluations: Option<UnboundedSender<Evaluation>>,
    /// Where health and metrics are served; `None` is nowhere.
    pub listen: Option<SocketAddr>,
    /// The name of this process in events.
    pub instance: String,
    /// The election in which this operator stands; `None` when it is the only one.
    pub lease: Option<LeaseOptions>,
    /// The part of the policies that this operator looks after; `None` is all.
    pub shard: Option<Shard>,
    /// Who is told of each change of a workload that is seen: its namespace, name and resource version.
    pub sighted: Option<Sighted>,
}

/// Is told of each change of a workload that is seen: its namespace, name and resource version.
pub type Sighted = Arc<dyn Fn(&str, &str, &str) + Send + Sync>;

impl OperatorOptions {
    /// The usual options: all namespaces, no Prometheus, no server, real time.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            clock: Clock::real(),
            sources: Sources::default(),
            interval: DEFAULT_INTERVAL,
            namespace: None,
            concurrency: DEFAULT_CONCURRENCY,
            kube_timeout: DEFAULT_KUBE_TIMEOUT,
            evaluations: None,
            listen: None,
            instance: "tidetable".to_owned(),
            lease: None,
            shard: None,
            sighted: None,
        }
    }
}

/// Why an operator could not run.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The address for health and metrics is not to be had.
    #[error("can't listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The server for health and metrics broke.
    #[error("the server for health and metrics stopped: {0}")]
    Server(std::io::Error),
}

impl OperatorError {
    /// A short word for the kind of error.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "listen",
            Self::Server(_) => "server",
        }
    }
}

/// A policy as it is watched: one that can't be parsed must not stop the others.
type Guarded = DeserializeGuard<ScalePolicy>;

/// The name of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    namespace: String,
    name: String,
}

impl Key {
    fn of(object: &Guarded) -> Self {
        Self::of_parts(object.meta())
    }

    fn of_parts(metadata: &ObjectMeta) -> Self {
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }

    fn object_ref(&self) -> ObjectRef<Guarded> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

/// An operator that can be run once.
pub struct Operator {
    options: OperatorOptions,
}

impl Operator {
    /// Prepares an operator; nothing happens yet.
    #[must_use]
    pub fn new(options: OperatorOptions) -> Self {
        Self { options }
    }

    /// Runs until `shutdown`. No evaluation starts after that; one that has begun is brought to its end.
    ///
    /// # Errors
    /// When health and metrics can't be served.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), OperatorError> {
        let listener = match self.options.listen {
            None => None,
            Some(address) => {
                let failed = |error| OperatorError::Listen { address, error };
                Some(TcpListener::bind(address).await.map_err(failed)?)
            }
        };
        let (targets, wanted) = Targets::new(self.options.sighted.clone());
        let context = Arc::new(Context::new(&self.options, targets, shutdown.clone()));
        context.metrics.leads(self.options.lease.is_none());
        let ready = Arc::new(AtomicBool::new(false));
        let shown = server::Shown {
            ready: Arc::clone(&ready),
            metrics: context.metrics(),
            clock: context.clock.clone(),
        };
        // The server outlives the controller, so that a pod that is finishing is still seen to live.
        let finished = CancellationToken::new();
        let server = async {
            if let Some(listener) = listener {
                return server::serve(listener, shown, finished.clone()).await;
            }
            finished.cancelled().await;
            Ok(())
        };
        let controller = async {
            let mut campaign = self.options.lease.clone().map(|lease| {
                let (client, clock) = (self.options.client.clone(), self.options.clock.clone());
                Campaign::new(client, clock, lease, Arc::clone(&context.leadership))
            });
            tokio::select! {
                () = Box::pin(self.control(Arc::clone(&context), wanted, ready, shutdown)) => {}
                () = stand(campaign.as_mut(), &context) => {}
            }
            if let Some(campaign) = &mut campaign {
                campaign.release().await;
            }
            finished.cancel();
        };
        let (result, ()) = tokio::join!(server, controller);
        result.map_err(OperatorError::Server)
    }

    async fn control(
        &self,
        context: Arc<Context>,
        wanted: Wanted,
        ready: Arc<AtomicBool>,
        shutdown: CancellationToken,
    ) {
        let api = match &self.options.namespace {
            Some(namespace) => Api::<Guarded>::namespaced(self.options.client.clone(), namespace),
            None => Api::<Guarded>::all(self.options.client.clone()),
        };
        let (store, writer) = reflector::store();
        let policies = watch(api, writer, Arc::clone(&context), self.options.shard);
        // Before the first policy is read there is nothing to bring to an end, and the controller would wait
        // for the API server even so.
        let given_up = {
            let (ready, shutdown) = (Arc::clone(&ready), shutdown.clone());
            async move {
                shutdown.cancelled().await;
                if ready.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
            }
        };
        let synced = {
            let store = store.clone();
            async move {
                if store.wait_until_ready().await.is_ok() {
                    ready.store(true, Ordering::Relaxed);
                    tracing::info!(policies = store.len(), "the policies are read");
                }
            }
        };
        let pods =
            Arc::clone(&context.pods).watch(self.options.client.clone(), self.options.namespace.as_deref());
        let calendars = calendars::follow(Api::all(self.options.client.clone()), Arc::clone(&context));
        let rivals = {
            let (client, namespace) = (self.options.client.clone(), self.options.namespace.as_deref());
            rivals::follow(client, namespace, Arc::clone(&context))
        };
        let targets = {
            let (client, namespace) = (self.options.client.clone(), self.options.namespace.as_deref());
            targets::follow(client, namespace, wanted, Arc::clone(&context))
        };
        let configuration = reload::follow(Arc::clone(&context));
        let due = context.wakeups().due().map(|key| key.object_ref());
        let results = Controller::for_stream(policies, store)
            // Policies wait for the API server and for Prometheus most of the time. What is bounded is the
            // number of calls: see `cluster` and `prometheus`. A slow source so never keeps an edge waiting.
            .with_config(controller::Config::default().concurrency(0))
            .reconcile_on(due)
            .graceful_shutdown_on(shutdown.cancelled_owned())
            .run(reconcile, |_, never, _| match *never {}, Arc::clone(&context))
            .for_each(|result| {
                if let Err(error) = result {
                    context.missed(&error);
                }
                std::future::ready(())
            });
        // The first to end is the controller: to be ready is no end, and the rest has none.
        tokio::select! {
            () = results => {}
            () = given_up => {}
            () = async { tokio::join!(synced, pods, calendars, rivals, targets, configuration); std::future::pending().await } => {}
        }
    }
}

/// Stands for election, if there is one. Never ends.
async fn stand(campaign: Option<&mut Campaign>, context: &Context) {
    let Some(campaign) = campaign else { return std::future::pending().await };
    let tell = |news| {
        context.metrics.leads(news == News::Gained);
        // Who does not lead knows nothing of how policies are now; who begins to lead finds out.
        context.metrics.ledger.clear();
        context.wake_all();
    };
    Box::pin(campaign.run(tell)).await;
}

/// The policies whose spec or annotations changed. Our own status writes change neither.
fn watch(
    api: Api<Guarded>,
    writer: reflector::store::Writer<Guarded>,
    context: Arc<Context>,
    shard: Option<Shard>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static {
    let rivals = Arc::clone(&context);
    watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(|policy| policy.managed_fields_mut().clear())
        // Of conflicts one has to know about the policies of all shards.
        .inspect_ok(move |event| match event {
            watcher::Event::Delete(policy) => rivals.wake(rivals.rivals.forget(&Key::of(policy))),
            watcher::Event::Apply(policy) | watcher::Event::InitApply(policy) => {
                rivals.wake(rivals.rivals.claim(policy, is_held(shard, policy)));
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        })
        .try_filter(move |event| {
            std::future::ready(match event {
                watcher::Event::Delete(policy)
                | watcher::Event::Apply(policy)
                | watcher::Event::InitApply(policy) => is_held(shard, policy),
                watcher::Event::Init | watcher::Event::InitDone => true,
            })
        })
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::Delete(policy) => context.forget(&Key::of(policy)),
            watcher::Event::Apply(_)
            | watcher::Event::Init
            | watcher::Event::InitApply(_)
            | watcher::Event::InitDone => {}
        })
        .applied_objects()
        .predicate_filter(predicates::generation.combine(predicates::annotations), predicates_config())
}

/// Whether a policy belongs to this shard.
fn is_held(shard: Option<Shard>, policy: &Guarded) -> bool {
    shard.is_none_or(|shard| shard.holds(policy.meta().uid.as_deref().unwrap_or_default()))
}

/// A policy counts as new when nothing was heard of it for so long.
fn predicates_config() -> kube::runtime::PredicateConfig {
    kube::runtime::PredicateConfig::default().ttl(Duration::from_secs(24 * 3600))
}
