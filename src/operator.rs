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
mod metadata;
mod metrics;
mod observe;
mod pods;
mod policies;
pub mod prometheus;
mod rebuild;
mod reconcile;
mod reference;
mod reload;
mod rivals;
mod rounds;
mod server;
mod setting;
mod shard;
mod status;
mod succession;
mod targets;
pub mod telemetry;
mod text;
mod timetable;
mod turns;
mod wakeups;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

pub use self::evaluation::{Evaluation, Occasion, Outcome};
pub use self::leader::LeaseOptions;
use self::leader::{Campaign, News};
pub use self::prometheus::{Archive, Part, Problem, SourceError, Sources, install_crypto_provider};
use self::reconcile::Context;
pub use self::reference::reference;
pub use self::setting::Setting;
pub use self::shard::{Shard, ShardError};
use self::targets::{Targets, Wanted};
pub use self::watching::DEAD as DEAD_CONNECTION;
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

/// The name of a namespaced object. Cheap to clone: what is known of a policy is kept in several places.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key(Arc<str>);

impl Key {
    fn new(namespace: &str, name: &str) -> Self {
        // Neither of them can have a slash.
        Self(format!("{namespace}/{name}").into())
    }

    fn of_parts(metadata: &ObjectMeta) -> Self {
        let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
        Self::new(namespace.unwrap_or_default(), name.unwrap_or_default())
    }

    fn namespace(&self) -> &str {
        self.0.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
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
                let (leadership, failures) =
                    (Arc::clone(&context.leadership), context.cluster.failures.clone());
                Campaign::new(client, clock, lease, leadership, failures)
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
        let client = || self.options.client.clone();
        let api = match &self.options.namespace {
            Some(namespace) => Api::namespaced(client(), namespace),
            None => Api::all(client()),
        };
        let (sender, news) = unbounded_channel();
        let policies = policies::follow(api, self.options.shard, sender, Arc::clone(&context));
        let pods = {
            let (client, namespace) = (self.options.client.clone(), self.options.namespace.as_deref());
            Arc::clone(&context.pods).watch(client, namespace, context.pace())
        };
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
        let rounds = rounds::run(news, ready, shutdown, Arc::clone(&context));
        // The rest has no end.
        tokio::select! {
            () = rounds => {}
            () = async { tokio::join!(policies, pods, calendars, rivals, targets, configuration); } => {}
        }
    }
}

/// Stands for election, if there is one. Never ends.
async fn stand(campaign: Option<&mut Campaign>, context: &Context) {
    let Some(campaign) = campaign else { return std::future::pending().await };
    let tell = |news| {
        // Who sees another lead knows nothing of how policies are now; who begins to lead finds out. While nobody seems to
        // lead, what was known of them grows older.
        if news != News::Lost {
            context.metrics.ledger.clear();
        }
        if news != News::Followed {
            context.metrics.leads(news == News::Gained);
            context.resume();
        }
    };
    Box::pin(campaign.run(tell)).await;
}
