//! A small Kubernetes API server inside the process: real HTTP on loopback, and nothing behind it.
//!
//! Tests of the operator and `tidetable demo` talk to it as they would to a cluster, with `kube` and with
//! `kubectl`. It keeps objects, checks them, merges patches, tracks who owns which field, serves watches
//! and renders tables; it runs no controllers. What moves in it is moved through [`Store`] (in the
//! process) or over HTTP.
//!
//! Times that objects carry come from the sandbox's [`Clock`]; only the timeouts of the protocol itself
//! run on real time.

mod access;
mod admission;
mod autoscalers;
mod builtin;
mod columns;
pub mod course;
mod custom;
mod definition;
mod deletion;
mod dependents;
mod discovery;
mod error;
mod escalation;
mod events;
mod faces;
pub mod faults;
mod gotext;
mod health;
mod json;
mod jsonpath;
mod listing;
mod managers;
mod metadata;
mod names;
mod namespaces;
mod negotiation;
mod objects;
mod openapi;
mod owned;
mod patch;
mod plant;
mod present;
pub mod prometheus;
mod protobuf;
mod quantity;
mod rbac;
mod reading;
mod request;
mod resources;
mod respond;
mod roles;
mod scale;
mod schema;
mod selectors;
mod server;
mod shape;
pub mod stage;
mod store;
mod table;
mod tokens;
mod typing;
mod upstream;
mod versions;
mod watch;
mod writing;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use access::{ADMIN, RequestSeen};
pub use custom::CustomSchema;
pub use error::{ApiError, FieldError};
pub use plant::PlantOptions;
pub use resources::{Registry, ResourceType, ScalePaths};
pub use store::{Change, Event, Store, StoreError, Watch};

use access::Access;
use admission::Strictness;
use custom::Part;
use faults::Faults;
use managers::Manager;
use objects::{Objects, Write};
use server::Server;

use crate::clock::Clock;

/// The name of the field manager of objects that are made in the process.
const MANAGER: &str = "tidetable-sandbox";

/// How a sandbox is started.
#[derive(Debug)]
pub struct SandboxOptions {
    /// What time it is in the sandbox.
    pub clock: Clock,
    /// The port on 127.0.0.1; 0 chooses a free one.
    pub port: u16,
    /// Routes that are served without a token under `/prometheus`.
    pub extra_routes: Option<Router>,
    /// What goes wrong on purpose.
    pub faults: Faults,
}

impl SandboxOptions {
    /// A free port, no further routes and no faults.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, port: 0, extra_routes: None, faults: Faults::default() }
    }
}

/// Why a sandbox didn't start or can't be talked to.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The port can't be had.
    #[error("can't listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kubeconfig can't be written.
    #[error("can't write {path}: {source}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The client can't be built.
    #[error("can't build a client: {0}")]
    Client(#[from] kube::Error),
    /// The server's address isn't a URL.
    #[error("not a URL: {0}")]
    Url(#[from] http::uri::InvalidUri),
}

impl SandboxError {
    /// A short name for logs and metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "listen",
            Self::Kubeconfig { .. } => "kubeconfig",
            Self::Client(_) => "client",
            Self::Url(_) => "url",
        }
    }
}

/// A running API server. It stops when it is dropped or told to.
#[derive(Debug)]
pub struct Sandbox {
    server: Arc<Server>,
    address: SocketAddr,
    token: String,
    task: Option<JoinHandle<std::io::Result<()>>>,
}

impl Sandbox {
    /// Starts a server on loopback.
    ///
    /// # Errors
    /// [`SandboxError::Listen`] when the port can't be had.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let SandboxOptions { clock, port, extra_routes, faults } = options;
        let listen = |source| SandboxError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let store = Store::new(clock.clone());
        let objects = Objects { store, registry: Registry::built_in() };
        objects.create_first_namespaces();
        roles::create_first(&objects.store);
        let stop = CancellationToken::new();
        let server = Arc::new(Server { objects, access: Access::new(), clock, stop: stop.clone() });
        let token = server.access.add_token(ADMIN);
        let mut router = Router::new().fallback(server::handle).with_state(Arc::clone(&server));
        if let Some(extra) = extra_routes {
            router = router.nest("/prometheus", extra);
        }
        let router = faults.before_api(router);
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        let task = tokio::spawn(serving.into_future());
        Ok(Self { server, address, token, task: Some(task) })
    }

    /// Where the server listens, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A further token, for another user, who may do what the roles in the sandbox allow. A user with the
    /// name of a service account is one.
    #[must_use]
    pub fn add_token(&self, user: &str) -> String {
        self.server.access.add_token(user)
    }

    /// A kubeconfig for the administrator.
    ///
    /// `kubectl` sends no token from a kubeconfig to a server without TLS. What it does send are the
    /// user and password of the URL itself, so the token stands there too, as a password.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_for(ADMIN, &self.token)
    }

    /// A kubeconfig for a user with a token.
    #[must_use]
    pub fn kubeconfig_for(&self, user: &str, token: &str) -> String {
        let url = format!("http://{user}:{token}@{}", self.address);
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: sandbox\n  cluster:\n    server: {url}\n\
             users:\n- name: {user}\n  user:\n    token: {token}\n\
             contexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: {user}\n    namespace: default\n\
             current-context: sandbox\n"
        )
    }

    /// Writes the administrator's kubeconfig to a file.
    ///
    /// # Errors
    /// [`SandboxError::Kubeconfig`] when the file can't be written.
    pub async fn write_kubeconfig(&self, path: &Path) -> Result<(), SandboxError> {
        tokio::fs::write(path, self.kubeconfig())
            .await
            .map_err(|source| SandboxError::Kubeconfig { path: path.display().to_string(), source })
    }

    /// The configuration of a client for the administrator.
    ///
    /// # Errors
    /// Never in practice: the address is a URL.
    pub fn client_config(&self) -> Result<kube::Config, SandboxError> {
        self.client_config_for(&self.token)
    }

    /// The configuration of a client with some user's token.
    ///
    /// # Errors
    /// As for [`Sandbox::client_config`].
    pub fn client_config_for(&self, token: &str) -> Result<kube::Config, SandboxError> {
        let mut config = kube::Config::new(self.url().parse()?);
        config.auth_info.token = Some(token.to_owned().into());
        Ok(config)
    }

    /// A client for the administrator.
    ///
    /// # Errors
    /// [`SandboxError::Client`] when it can't be built.
    pub fn client(&self) -> Result<kube::Client, SandboxError> {
        self.client_for(&self.token)
    }

    /// A client with some user's token.
    ///
    /// # Errors
    /// As for [`Sandbox::client`].
    pub fn client_for(&self, token: &str) -> Result<kube::Client, SandboxError> {
        Ok(kube::Client::try_from(self.client_config_for(token)?)?)
    }

    /// The objects, without HTTP and without the rules of the API.
    #[must_use]
    pub fn store(&self) -> Store {
        self.server.objects.store.clone()
    }

    /// The kinds that are served.
    #[must_use]
    pub fn registry(&self) -> Registry {
        self.server.objects.registry.clone()
    }

    /// Adds an object by the rules of the API (checks, defaults, owners), without HTTP.
    ///
    /// # Errors
    /// What a client would be told.
    pub fn create(&self, object: Value) -> Result<Arc<Value>, ApiError> {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let objects = &self.server.objects;
        let resource = objects.registry.find_kind(api_version, kind).ok_or_else(ApiError::no_such_path)?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
        let namespace = if resource.namespaced { namespace } else { String::new() };
        let write = Write {
            manager: Manager {
                name: MANAGER.to_owned(),
                applies: false,
                api_version: resource.api_version(),
                subresource: String::new(),
            },
            part: Part::Main,
            dry_run: false,
            strictness: Strictness::Strict,
            patched: false,
        };
        let body = json::Parsed { value: object, duplicates: Vec::new() };
        Ok(objects.create(&resource, &namespace, body, &write)?.object)
    }

    /// Runs Deployments: their pods come, are ready and go as the plant of the simulation has it. The pods of what is
    /// there already are ready at once. Ends when the sandbox does.
    pub fn run_workloads(&self, options: PlantOptions) {
        plant::start(self.server.objects.clone(), options, self.server.stop.clone());
    }

    /// What has been asked over HTTP, by whom, and how often.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<RequestSeen, u64> {
        self.server.access.seen()
    }

    /// Stops the server: watches end, and no more connections are taken.
    pub async fn shutdown(mut self) {
        self.server.stop.cancel();
        if let Some(mut task) = self.task.take() {
            // A client that keeps its connection open must not keep the server.
            if tokio::time::timeout(SHUTDOWN_PATIENCE, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.stop.cancel();
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// How long idle connections are waited for at the end.
const SHUTDOWN_PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// A namespace, ready to be created.
#[must_use]
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}
