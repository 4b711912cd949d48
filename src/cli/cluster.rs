//! How commands for people get to a cluster: as kubectl does.

use std::path::PathBuf;

use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::{Failure, time};
use crate::api::ScalePolicy;
use crate::clock::Clock;
use crate::operator::install_crypto_provider;

/// Which cluster, and where in it.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The namespace of the policy [default: the context's]
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The kubeconfig file [default: KUBECONFIG, ~/.kube/config, or the pod's own account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig file [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// A connection, and the namespace that is meant.
pub(super) struct Cluster {
    pub(super) client: kube::Client,
    pub(super) namespace: String,
}

impl Cluster {
    pub(super) async fn connect(place: &Place) -> Result<Self, Failure> {
        install_crypto_provider();
        let failed = |error: &dyn std::fmt::Display| Failure::Runtime(format!("no cluster: {error}"));
        let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
        let mut config = match (&place.kubeconfig, &place.context) {
            (Some(file), _) => {
                let bad = |error: &dyn std::fmt::Display| {
                    Failure::BadInput(format!("--kubeconfig {}: {error}", file.display()))
                };
                let kubeconfig = Kubeconfig::read_from(file).map_err(|error| bad(&error))?;
                let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
                config.map_err(|error| bad(&error))?
            }
            (None, Some(context)) => {
                let config = kube::Config::from_kubeconfig(&options).await;
                config.map_err(|error| Failure::BadInput(format!("--context {context}: {error}")))?
            }
            (None, None) => kube::Config::infer().await.map_err(|error| failed(&error))?,
        };
        // A person would rather know at once.
        config.default_retry = false;
        let namespace = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = kube::Client::try_from(config).map_err(|error| failed(&error))?;
        Ok(Self { client, namespace })
    }

    pub(super) fn policies(&self) -> kube::Api<ScalePolicy> {
        kube::Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The time, as the API server has it: a laptop's clock may be off, and the one of a demo runs by itself. This
    /// machine's time where the server doesn't say.
    pub(super) async fn now(&self) -> Timestamp {
        let request = http::Request::get("/version").body(kube::client::Body::empty());
        let answer = match request {
            Ok(request) => self.client.send(request).await.ok(),
            Err(_) => None,
        };
        let date = answer.and_then(|answer| {
            answer.headers().get(http::header::DATE)?.to_str().ok().and_then(time::of_http)
        });
        date.unwrap_or_else(|| time::whole_second(Clock::real().now()))
    }

    /// Why a call about a policy failed, in words.
    pub(super) fn failed(&self, policy: &str, error: kube::Error) -> Failure {
        let namespace = &self.namespace;
        match error {
            kube::Error::Api(status) if status.code == 404 && status.message.contains(policy) => {
                Failure::BadInput(format!("there is no ScalePolicy {policy} in the namespace {namespace}"))
            }
            kube::Error::Api(status) if status.code == 404 => Failure::Runtime(
                "the cluster does not know ScalePolicies: is tidetable installed?".to_owned(),
            ),
            kube::Error::Api(status) if status.code == 403 => {
                Failure::Runtime(format!("not allowed: {}", status.message))
            }
            kube::Error::Api(status) => Failure::Runtime(status.message),
            kube::Error::SerdeError(error) => {
                Failure::Runtime(format!("this version can't read {namespace}/{policy}: {error}"))
            }
            error => Failure::Runtime(format!("the cluster can't be reached: {error}")),
        }
    }
}
