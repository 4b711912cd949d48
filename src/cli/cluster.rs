//! How commands for people get to a cluster: as kubectl does.

use std::path::PathBuf;

use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::{Failure, time};
use crate::api::ScalePolicy;
use crate::clock::Clock;
use crate::operator::install_crypto_provider;

/// Which cluster, and where in it.
#[derive(Clone, Debug, clap::Args)]
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
    /// Where the API server is, for people.
    server: String,
}

/// The name of a policy as kubectl takes it: `web`, `sp/web`, `scalepolicy/web`.
pub(super) fn policy_name(text: &str) -> Result<&str, Failure> {
    let Some((kind, name)) = text.split_once('/') else { return Ok(text) };
    let known =
        ["sp", "scalepolicy", "scalepolicies", "scalepolicies.tidetable.dev", "scalepolicy.tidetable.dev"];
    if known.contains(&kind.to_ascii_lowercase().as_str()) && !name.is_empty() && !name.contains('/') {
        return Ok(name);
    }
    Err(Failure::BadInput(format!(
        "{text:?} is not a policy's name; write NAME or sp/NAME, and its namespace with --namespace"
    )))
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
            (None, None) => kube::Config::infer().await.map_err(|_| {
                let file = std::env::var("KUBECONFIG").unwrap_or("~/.kube/config".to_owned());
                let problem =
                    format!("no cluster: {file} can't be read, and this is no pod with an account of its own; name a kubeconfig with --kubeconfig or KUBECONFIG");
                Failure::BadInput(problem)
            })?,
        };
        // A person would rather know at once.
        config.default_retry = false;
        let namespace = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        // Without what may stand in a URL besides: a kubeconfig's address can hold a token.
        let server = config.cluster_url.authority().map_or(String::new(), |address| {
            address.as_str().rsplit('@').next().unwrap_or_default().to_owned()
        });
        let client = kube::Client::try_from(config).map_err(|error| failed(&error))?;
        Ok(Self { client, namespace, server })
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
            error => Failure::Runtime(format!(
                "the cluster at {} can't be reached: {}",
                self.server,
                deepest(&error)
            )),
        }
    }
}

/// What is at the bottom of an error: what is above it are layers of libraries.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}
