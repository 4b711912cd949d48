//! A cluster with the operator at work in it: a sandbox, or the cluster that `TIDETABLE_TEST_KUBECONFIG`
//! names. Nothing is asked of that cluster but its API: neither nodes nor controllers.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidetable::clock::Clock;
pub(crate) use tidetable::sandbox::stage::HOME;
use tidetable::sandbox::{Sandbox, SandboxOptions};
use tokio::process::Command;

/// Why the suite, or one of its cases, failed.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What most steps give.
pub(crate) type Checked<T = ()> = Result<T, Failure>;

/// How long any step may take before it counts as failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a namespace that is going may take.
const FAREWELL: Duration = Duration::from_secs(15);

/// The name of the operator's service account and role in deploy/.
pub(super) const ACCOUNT: &str = "tidetable";

const DEFINITION: &str = "scalepolicies.tidetable.dev";

/// A cluster to test against, and a namespace of our own in it.
pub(super) struct Stage {
    /// The administrator.
    pub(super) client: Client,
    /// Where the cases make their objects.
    pub(super) namespace: String,
    /// The cluster itself, when it is ours.
    pub(super) sandbox: Option<Sandbox>,
    /// A directory for files.
    pub(super) files: TempDir,
    kubeconfig: PathBuf,
}

impl Stage {
    /// Finds or starts the cluster; nothing is made in it yet.
    pub(super) async fn find() -> Checked<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = tempfile::tempdir()?;
        let named = std::env::var_os("TIDETABLE_TEST_KUBECONFIG").filter(|path| !path.is_empty());
        match named {
            Some(path) => Self::new(None, std::path::absolute(path)?, files).await,
            None => Self::in_a_sandbox().await,
        }
    }

    /// Starts a sandbox; nothing is made in it yet.
    pub(super) async fn in_a_sandbox() -> Checked<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = tempfile::tempdir()?;
        let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
        let path = files.path().join("admin");
        sandbox.write_kubeconfig(&path).await?;
        Self::new(Some(sandbox), path, files).await
    }

    async fn new(sandbox: Option<Sandbox>, kubeconfig: PathBuf, files: TempDir) -> Checked<Self> {
        let config = Kubeconfig::read_from(&kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let namespace = format!("tidetable-test-{:x}", Timestamp::now().as_millisecond());
        Ok(Self { client, namespace, sandbox, files, kubeconfig })
    }

    /// Runs `kubectl` as the administrator and gives what it wrote to stdout.
    pub(super) async fn kubectl(&self, line: &str) -> Checked<String> {
        let call = Command::new(crate::support::kubectl())
            .args(line.split_whitespace())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.files.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = in_time(&format!("kubectl {line}"), async { Ok(call.await?) }).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("kubectl {line}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Whether the cluster has anything of deploy/ already.
    pub(super) async fn had_an_operator(&self) -> Checked<bool> {
        self.see_off_the_last_run().await?;
        let found = self.kubectl("get -k deploy/ -o name --ignore-not-found").await?;
        Ok(!found.trim().is_empty())
    }

    /// Applies deploy/ and makes the namespace.
    pub(super) async fn deploy(&self, had: bool) -> Checked {
        self.kubectl("apply -k deploy/").await?;
        if !had {
            // The operator under test is ours: another one in the cluster would write beside it.
            self.kubectl(&format!("scale deployment {ACCOUNT} -n {HOME} --replicas=0")).await?;
        }
        let definitions = Api::<CustomResourceDefinition>::all(self.client.clone());
        let established = await_condition(definitions, DEFINITION, conditions::is_crd_established());
        Box::pin(in_time("the CRD to be established", async { Ok(established.await?) })).await?;
        self.kubectl(&format!("create -f {}", self.namespace_file()?.display())).await?;
        Ok(())
    }

    fn namespace_file(&self) -> Checked<PathBuf> {
        let path = self.files.path().join("namespace.json");
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        std::fs::write(&path, object.to_string())?;
        Ok(path)
    }

    /// Waits for what an earlier run has deleted. Without controllers a namespace goes only when someone
    /// takes its finalizer away.
    async fn see_off_the_last_run(&self) -> Checked {
        let definitions = Api::<CustomResourceDefinition>::all(self.client.clone());
        if definitions.get_opt(DEFINITION).await?.is_some_and(|found| going(&found)) {
            let gone = await_condition(definitions, DEFINITION, |found: Option<&_>| found.is_none());
            Box::pin(in_time("the old CRD to go", async { Ok(gone.await?) })).await?;
        }
        let namespaces = Api::<Namespace>::all(self.client.clone());
        if !namespaces.get_opt(HOME).await?.is_some_and(|found| going(&found)) {
            return Ok(());
        }
        let gone = await_condition(namespaces.clone(), HOME, |found: Option<&_>| found.is_none());
        if tokio::time::timeout(FAREWELL, gone).await.is_ok() {
            return Ok(());
        }
        let Some(old) = namespaces.get_opt(HOME).await? else { return Ok(()) };
        let mut old = serde_json::to_value(old)?;
        old["spec"]["finalizers"] = json!([]);
        let path = format!("/api/v1/namespaces/{HOME}/finalize");
        let request = http::Request::put(path)
            .header("Content-Type", "application/json")
            .body(old.to_string().into_bytes())?;
        self.client.request::<Value>(request).await?;
        Ok(())
    }

    /// Writes a kubeconfig with a token of deploy/'s service account, and else like the administrator's.
    pub(super) async fn operators_kubeconfig(&self) -> Checked<PathBuf> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), HOME);
        let request = TokenRequest::default();
        let answer = accounts.create_token_request(ACCOUNT, &PostParams::default(), &request).await?;
        let token = answer.status.ok_or("a token request without a status")?.token;
        let admin = Kubeconfig::read_from(&self.kubeconfig)?;
        let current = admin.current_context.as_deref().ok_or("no current context")?;
        let context = admin.contexts.iter().find(|context| context.name == current);
        let name = context.and_then(|context| context.context.as_ref()).map(|context| &context.cluster);
        let cluster = admin.clusters.iter().find(|cluster| Some(&cluster.name) == name);
        let mut cluster = serde_json::to_value(cluster.and_then(|cluster| cluster.cluster.as_ref()))?;
        // The sandbox's administrator stands in the address.
        if let Some(sandbox) = &self.sandbox {
            cluster["server"] = json!(sandbox.url());
        }
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "operator",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "operator", "user": {"token": token}}],
            "contexts": [{"name": "operator", "context": {"cluster": "cluster", "user": "operator"}}],
        });
        let path = self.files.path().join("operator");
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// Deletes what the cases made, and what deploy/ added unless the cluster `had` it.
    pub(super) async fn clear(&self, had: bool) -> Checked {
        let namespace = &self.namespace;
        let mut problems = Vec::new();
        let mut lines = vec![
            format!(
                "delete scalepolicies,deployments,statefulsets,replicasets,events --all -n {namespace} --wait=false"
            ),
            format!("delete namespace {namespace} --wait=false --ignore-not-found"),
        ];
        if !had {
            lines.push("delete -k deploy/ --wait=false --ignore-not-found".to_owned());
        }
        for line in lines {
            problems.extend(self.kubectl(&line).await.err().map(|problem| problem.to_string()));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
    }

    /// The objects of a kind in the cases' namespace.
    pub(super) fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version, plural) = match kind {
            "ScalePolicy" => ("tidetable.dev", "v1alpha1", "scalepolicies".to_owned()),
            "HorizontalPodAutoscaler" => ("autoscaling", "v2", "horizontalpodautoscalers".to_owned()),
            _ => ("apps", "v1", format!("{}s", kind.to_ascii_lowercase())),
        };
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Makes an object.
    pub(super) async fn create(&self, object: &Value) -> Checked {
        let kind = object["kind"].as_str().ok_or("no kind")?;
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        let named = object.name_any();
        let made = self.api(kind).create(&PostParams::default(), &object).await;
        made.map(drop).map_err(|error| format!("{kind}/{named}: {error}").into())
    }

    /// Reads an object.
    pub(super) async fn get(&self, kind: &str, name: &str) -> Checked<Value> {
        Ok(serde_json::to_value(self.api(kind).get(name).await?)?)
    }

    /// Waits until an object is as wanted.
    pub(super) async fn until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Checked<Value> {
        let holds = |found: Option<&DynamicObject>| {
            found.and_then(|object| serde_json::to_value(object).ok()).is_some_and(|object| wanted(&object))
        };
        let result = tokio::time::timeout(PATIENCE, await_condition(self.api(kind), name, holds)).await;
        match result {
            Ok(Ok(found)) => Ok(serde_json::to_value(found)?),
            Ok(Err(error)) => Err(format!("{kind}/{name}: waiting for {what}: {error}").into()),
            Err(_) => {
                let mut found = self.get(kind, name).await?;
                found["metadata"] = Value::Null;
                Err(format!("{kind}/{name} never had {what}: {found:#}").into())
            }
        }
    }
}

fn going<K: kube::Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Waits for a step, but not for ever.
pub(crate) async fn in_time<T>(what: &str, step: impl Future<Output = Checked<T>>) -> Checked<T> {
    let result = tokio::time::timeout(PATIENCE, step).await;
    result.map_err(|_| format!("{what}: took more than {PATIENCE:?}"))?
}

/// Waits until something has come to be.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) -> Checked {
    in_time(what, async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    })
    .await
}

/// Writes the operator's configuration.
pub(super) fn write_config(path: &Path, prometheus: &str) -> Checked {
    let config = json!({"sources": [{"name": "default", "url": prometheus}]});
    Ok(std::fs::write(path, config.to_string())?)
}
