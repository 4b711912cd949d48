//! Which cluster a command talks to: as `kubectl` has it.

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::Failure;
use crate::operator::install_crypto_provider;

/// Arguments of commands that talk to a cluster.
#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// The namespace [default: that of the kubeconfig's context]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(super) namespace: Option<String>,
    /// The kubeconfig's context [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The kubeconfig [default: what KUBECONFIG names, or ~/.kube/config, or the pod's own account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl ClusterArgs {
    /// A client, and the namespace that is meant.
    ///
    /// # Errors
    /// When no cluster is configured, or not so.
    pub(super) async fn client(&self) -> Result<(kube::Client, String), Failure> {
        install_crypto_provider();
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let refused =
            |error: &dyn std::fmt::Display| Failure::BadInput(format!("no cluster is configured: {error}"));
        let mut config = match &self.kubeconfig {
            Some(file) => {
                let kubeconfig = Kubeconfig::read_from(file).map_err(|error| refused(&error))?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(|error| refused(&error))?
            }
            None if self.context.is_some() => {
                kube::Config::from_kubeconfig(&options).await.map_err(|error| refused(&error))?
            }
            None => kube::Config::infer().await.map_err(|error| refused(&error))?,
        };
        config.default_retry = false;
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = kube::Client::try_from(config).map_err(|error| refused(&error))?;
        Ok((client, namespace))
    }
}

/// What an API server's refusal means to a person.
pub(super) fn refusal(what: &str, error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 404 => Failure::BadInput(format!("there is no {what}")),
        kube::Error::Api(status) => Failure::Runtime(format!("{what}: {}", status.message)),
        error => Failure::Runtime(format!("{what}: the cluster can't be reached: {error}")),
    }
}
