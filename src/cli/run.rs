//! `tidetable run`: the operator, in a cluster or on a desk.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::{Failure, runtime};
use crate::operator::telemetry::{self, LogFormat};
use crate::operator::{
    DEAD_CONNECTION, LeaseOptions, Operator, OperatorOptions, Shard, Sources, install_crypto_provider,
};
use crate::policy::parse_duration;

/// Arguments of `tidetable run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file with the Prometheus sources
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Look after the policies of one namespace; without it, of all
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The time between two looks at the metrics
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    interval: std::time::Duration,
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// How long a call to the Kubernetes API may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    kube_timeout: std::time::Duration,
    /// How many calls for scaling run at a time, and how many others
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Stand for election: of several operators one writes, and the others wait
    #[arg(long)]
    leader_elect: bool,
    /// The namespace of the election's Lease [default: the pod's, or that of the kubeconfig's context]
    #[arg(long, value_name = "NAMESPACE", requires = "leader_elect")]
    lease_namespace: Option<String>,
    /// The name of the election's Lease; a shard adds its own number
    #[arg(long, value_name = "NAME", default_value = "tidetable", requires = "leader_elect")]
    lease_name: String,
    /// How long after its last renewal the Lease may be taken by another, in whole seconds from 3s on
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = lease_duration, requires = "leader_elect")]
    lease_duration: std::time::Duration,
    /// Look after one part of the policies alone, such as 2/3: the second of three. For another N stop all operators first: two that
    /// differ in N, or have none, look after some of the same policies
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged, as in `RUST_LOG`, which it overrides [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    match parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err("must be more than 0s".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

fn lease_duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = duration(text)?;
    if duration.as_secs() < 3 || duration.subsec_nanos() > 0 {
        return Err("must be whole seconds, and at least 3s".to_owned());
    }
    Ok(duration)
}

fn lease(args: &Args, namespace: &str, instance: &str) -> Option<LeaseOptions> {
    args.leader_elect.then(|| LeaseOptions {
        namespace: args.lease_namespace.clone().unwrap_or_else(|| namespace.to_owned()),
        name: args.lease_name.clone(),
        shard: args.shard,
        identity: LeaseOptions::identity_on(instance),
        duration: args.lease_duration,
    })
}

/// Runs until Ctrl-C or SIGTERM. Logs go to stderr; there is nothing for stdout.
pub(super) fn run(args: Args, _: &mut dyn Write) -> Result<(), Failure> {
    let level = args.log_level.clone().or_else(|| std::env::var("RUST_LOG").ok());
    telemetry::init(args.log_format, level.as_deref().unwrap_or(telemetry::DEFAULT_LEVEL))
        .map_err(|error| Failure::BadInput(error.to_string()))?;
    let sources = match &args.config {
        None => Sources::default(),
        Some(path) => Sources::load(path).map_err(|mistakes| Failure::BadInput(mistakes.to_string()))?,
    };
    runtime()?.block_on(async {
        install_crypto_provider();
        let failed = |what: &str, error: &dyn std::fmt::Display| Failure::Runtime(format!("{what}: {error}"));
        let mut kube = kube::Config::infer()
            .await
            .map_err(|error| failed("no cluster is configured (KUBECONFIG or in a pod)", &error))?;
        // The next tick is the retry; fifteen retries of a write that is late would be fifteen too many.
        kube.default_retry = false;
        // Calls have their own deadline; a watch that is never answered has no other.
        kube.read_timeout = Some(DEAD_CONNECTION);
        kube.reset_reader_on_write = true;
        let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
        let instance = host.unwrap_or_else(|| "tidetable".to_owned());
        let lease = lease(&args, &kube.default_namespace, &instance);
        let client = kube::Client::try_from(kube).map_err(|error| failed("no client", &error))?;
        let options = OperatorOptions {
            sources,
            interval: args.interval,
            namespace: args.namespace,
            concurrency: args.concurrency.into(),
            kube_timeout: args.kube_timeout,
            listen: Some(args.listen),
            instance,
            lease,
            shard: args.shard,
            ..OperatorOptions::new(client)
        };
        let shutdown = CancellationToken::new();
        let operator = Operator::new(options).run(shutdown.clone());
        let stop = async {
            super::interrupted().await;
            tracing::info!("stopping");
            shutdown.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = operator => result.map_err(|error| failed("the operator stopped", &error)),
            () = stop => Ok(()),
        }
    })
}
