//! What runs behind the sandbox: rollouts, nodes, pods from their creation to their end. Time is virtual.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidetable::clock::Clock;
use tidetable::sandbox::{PlantOptions, Sandbox, SandboxOptions, Store};
use tidetable::simulation::plant::{ClusterSpec, NodesSpec, PodsSpec};

type Checked = Result<(), Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(60);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const NODES: NodesSpec =
    NodesSpec { pods_per_node: 2, count: 1, max: 2, provisioning: seconds(60), unneeded: seconds(120) };

struct Cluster {
    sandbox: Sandbox,
    clock: Clock,
    start: Timestamp,
}

impl Cluster {
    /// Pods take 30 s to start and 10 s to end.
    async fn start(cluster: ClusterSpec) -> Result<Self, Box<dyn Error>> {
        let start = "2026-11-23T12:00:00Z".parse()?;
        let clock = Clock::stopped_at(start);
        let sandbox = Sandbox::start(SandboxOptions::new(clock.clone())).await?;
        let others = PodsSpec { startup: seconds(30), termination: seconds(10), ..PodsSpec::default() };
        sandbox.run_workloads(PlantOptions { pods: BTreeMap::new(), others, cluster });
        Ok(Self { sandbox, clock, start })
    }

    fn store(&self) -> Store {
        self.sandbox.store()
    }

    fn advance_to(&self, seconds: i64) {
        self.clock.advance_to(self.start + SignedDuration::from_secs(seconds));
    }

    fn deploy(&self, replicas: i64, strategy: &Value) -> Checked {
        self.deploy_in("default", replicas, strategy)
    }

    fn deploy_in(&self, namespace: &str, replicas: i64, strategy: &Value) -> Checked {
        self.sandbox.create(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "replicas": replicas, "strategy": strategy, "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "registry.invalid/web:1"}]},
                },
            },
        }))?;
        Ok(())
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) -> Checked {
        self.store().update("deployments.apps", "default", "web", |web| {
            change(web);
            web["metadata"]["generation"] = json!(web["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        })?;
        Ok(())
    }

    fn set_image(&self, image: &str) -> Checked {
        self.edit(|web| web["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image))
    }

    /// Waits until the objects of a resource are as they should be.
    async fn until(
        &self,
        what: &str,
        resource: &str,
        is: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut watch = self.store().watch(resource, self.store().version());
        loop {
            let objects: Vec<Value> =
                self.store().list(resource, None).0.iter().map(|object| (**object).clone()).collect();
            if is(&objects) {
                return Ok(objects);
            }
            if tokio::time::timeout(PATIENCE, watch.next()).await.is_err() {
                let shown: Vec<String> = objects.iter().map(|object| object["status"].to_string()).collect();
                return Err(format!("waited for {what}, and there is {}", shown.join("\n")).into());
            }
        }
    }

    /// Waits until the Deployment counts so many replicas, updated, ready and available ones.
    async fn counts(&self, wanted: [i64; 4]) -> Result<Value, Box<dyn Error>> {
        let is = |all: &[Value]| {
            let observed = |web: &Value| web["status"]["observedGeneration"] == web["metadata"]["generation"];
            all.iter().any(|web| counts(web) == wanted && observed(web))
        };
        let all = self.until(&format!("{wanted:?}"), "deployments.apps", is).await?;
        all.into_iter().next().ok_or_else(|| "no Deployment".into())
    }

    async fn pods(&self, what: &str, is: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>, Box<dyn Error>> {
        self.until(what, "pods", is).await
    }
}

fn counts(deployment: &Value) -> [i64; 4] {
    ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
        .map(|key| deployment["status"][key].as_i64().unwrap_or(0))
}

/// Reason and status of a condition.
fn condition<'a>(object: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let all = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = all.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null);
    (found["status"].as_str().unwrap_or_default(), found["reason"].as_str().unwrap_or_default())
}

fn is_ending(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn pods_are_created_run_and_are_ready_after_their_start_up() -> Checked {
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    cluster.deploy(2, &json!({}))?;
    let web = cluster.counts([2, 2, 0, 0]).await?;
    assert_eq!(condition(&web, "Available"), ("False", "MinimumReplicasUnavailable"));
    assert_eq!(condition(&web, "Progressing"), ("True", "NewReplicaSetCreated"));
    let phases = |pods: &[Value], phase: &str| {
        pods.len() == 2 && pods.iter().all(|pod| pod["status"]["phase"] == phase)
    };
    let pods = cluster.pods("two pending pods", |pods| phases(pods, "Pending")).await?;
    assert_eq!(pods[0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
    assert_eq!(pods[0]["spec"]["nodeName"], "node-1");
    cluster.advance_to(1);
    let pods = cluster.pods("two running pods", |pods| phases(pods, "Running")).await?;
    assert_eq!(condition(&pods[0], "Ready"), ("False", "ContainersNotReady"));
    assert_eq!(condition(&pods[0], "PodScheduled"), ("True", ""));
    cluster.advance_to(30);
    let web = cluster.counts([2, 2, 2, 2]).await?;
    assert_eq!(condition(&web, "Available"), ("True", "MinimumReplicasAvailable"));
    assert_eq!(condition(&web, "Progressing"), ("True", "NewReplicaSetAvailable"));
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    let pods = cluster
        .pods("two ready pods", |pods| pods.iter().all(|pod| condition(pod, "Ready").0 == "True"))
        .await?;
    let since = &pods[0]["status"]["conditions"][2]["lastTransitionTime"];
    assert_eq!(
        (since, &pods[0]["status"]["startTime"]),
        (&json!("2026-11-23T12:00:30Z"), &json!("2026-11-23T12:00:00Z"))
    );
    Ok(())
}

#[tokio::test]
async fn a_rollout_surges_and_never_has_too_many_pods_nor_too_few_available() -> Checked {
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    cluster.deploy(
        4,
        &json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}}),
    )?;
    cluster.counts([4, 4, 0, 0]).await?;
    cluster.advance_to(30);
    cluster.counts([4, 4, 4, 4]).await?;
    let mut watch = cluster.store().watch("deployments.apps", cluster.store().version());
    cluster.set_image("registry.invalid/web:2")?;
    // Two more than asked for; one old pod goes, and a new one takes its place at once.
    let web = cluster.counts([6, 3, 3, 3]).await?;
    assert_eq!(condition(&web, "Progressing"), ("True", "ReplicaSetUpdated"));
    let sets = cluster.until("two sets", "replicasets.apps", |sets| sets.len() == 2).await?;
    let revisions: Vec<&Value> =
        sets.iter().map(|set| &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]).collect();
    assert!(revisions.contains(&&json!("1")) && revisions.contains(&&json!("2")), "{revisions:?}");
    cluster.advance_to(60);
    cluster.counts([4, 4, 3, 3]).await?;
    cluster.advance_to(90);
    let web = cluster.counts([4, 4, 4, 4]).await?;
    assert_eq!(condition(&web, "Progressing"), ("True", "NewReplicaSetAvailable"));
    while let Some(event) = watch.poll()? {
        let [replicas, _, _, available] = counts(&event.object);
        assert!(replicas <= 6 && available >= 3, "{:#}", event.object["status"]);
    }
    // Back to the first template: the set that has it is the latest revision.
    cluster.set_image("registry.invalid/web:1")?;
    let is_third = |sets: &[Value]| {
        let third = |set: &Value| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3";
        sets.len() == 2
            && sets.iter().any(|set| {
                third(set)
                    && set["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.invalid/web:1"
            })
    };
    cluster.until("a third revision", "replicasets.apps", is_third).await?;
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_recreates_waits_for_the_last_old_pod() -> Checked {
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    cluster.deploy(2, &json!({"type": "Recreate"}))?;
    cluster.counts([2, 2, 0, 0]).await?;
    cluster.advance_to(30);
    cluster.counts([2, 2, 2, 2]).await?;
    cluster.set_image("registry.invalid/web:2")?;
    cluster.counts([0, 0, 0, 0]).await?;
    cluster.pods("two pods that end", |pods| pods.len() == 2 && pods.iter().all(is_ending)).await?;
    cluster.advance_to(40);
    cluster.counts([2, 2, 0, 0]).await?;
    cluster.advance_to(70);
    cluster.counts([2, 2, 2, 2]).await?;
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_gets_nowhere_says_so_after_its_deadline() -> Checked {
    let cluster = Cluster::start(ClusterSpec { quota: Some(1), nodes: None }).await?;
    cluster.deploy(2, &json!({}))?;
    let web = cluster.counts([1, 1, 0, 0]).await?;
    assert_eq!(condition(&web, "ReplicaFailure"), ("True", "FailedCreate"));
    cluster.advance_to(30);
    cluster.counts([1, 1, 1, 1]).await?;
    cluster.advance_to(30 + 601);
    let is_late = |all: &[Value]| {
        all.iter().any(|web| condition(web, "Progressing") == ("False", "ProgressDeadlineExceeded"))
    };
    cluster.until("a passed deadline", "deployments.apps", is_late).await?;
    Ok(())
}

#[tokio::test]
async fn pods_wait_for_nodes_which_come_and_are_given_back() -> Checked {
    let cluster = Cluster::start(ClusterSpec { nodes: Some(NODES), quota: None }).await?;
    cluster.deploy(5, &json!({}))?;
    let waits = |pod: &Value| condition(pod, "PodScheduled") == ("False", "Unschedulable");
    let waiting = |count: usize| {
        move |pods: &[Value]| pods.len() == 5 && pods.iter().filter(|pod| waits(pod)).count() == count
    };
    let pods = cluster.pods("three pods that wait", waiting(3)).await?;
    let message = "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 No preemption victims \
                   found for incoming pod.";
    let pod = pods.iter().find(|pod| waits(pod)).ok_or("no pod waits")?;
    assert_eq!(
        (&pod["status"]["conditions"][0]["message"], &pod["spec"]["nodeName"]),
        (&json!(message), &Value::Null)
    );
    let told = |reason: &'static str, about: String| {
        move |events: &[Value]| {
            events.iter().any(|event| event["reason"] == reason && event["involvedObject"]["name"] == about)
        }
    };
    let events = cluster.until("a failure", "events", told("FailedScheduling", name(pod))).await?;
    let failed = events.iter().find(|event| event["reason"] == "FailedScheduling").ok_or("no event")?;
    assert_eq!((&failed["type"], &failed["message"]), (&json!("Warning"), &json!(message)));
    cluster.until("an order", "events", told("TriggeredScaleUp", name(pod))).await?;
    cluster.advance_to(60);
    let nodes = cluster.until("two nodes", "nodes", |nodes| nodes.len() == 2).await?;
    assert_eq!(nodes.iter().map(name).collect::<Vec<_>>(), ["node-1", "node-2"]);
    assert_eq!(
        (condition(&nodes[1], "Ready"), &nodes[1]["status"]["allocatable"]["pods"]),
        (("True", "KubeletReady"), &json!("2"))
    );
    let pods = cluster.pods("one pod that waits", waiting(1)).await?;
    assert_eq!(pods.iter().filter(|pod| pod["spec"]["nodeName"] == "node-2").count(), 2);
    cluster.edit(|web| web["spec"]["replicas"] = json!(1))?;
    cluster.pods("one pod", |pods| pods.iter().filter(|pod| !is_ending(pod)).count() == 1).await?;
    cluster.advance_to(70);
    cluster.pods("no pod that ends", |pods| pods.len() == 1).await?;
    cluster.advance_to(190);
    cluster.until("one node", "nodes", |nodes| nodes.len() == 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_pod_has_its_grace_period_and_a_successor() -> Checked {
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    cluster.deploy(1, &json!({}))?;
    let pods = cluster.pods("a pod", |pods| pods.len() == 1).await?;
    cluster.advance_to(30);
    cluster.counts([1, 1, 1, 1]).await?;
    let client = cluster.sandbox.client()?;
    let api: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::default_namespaced(client);
    let deleted = name(&pods[0]);
    let answer = api.delete(&deleted, &kube::api::DeleteParams::default()).await?;
    let kept = answer.left().ok_or("it is gone at once")?.metadata;
    let until = kept.deletion_timestamp.map(|until| until.0.to_string());
    assert_eq!(
        (until.as_deref(), kept.deletion_grace_period_seconds),
        (Some("2026-11-23T12:01:00Z"), Some(30))
    );
    cluster.counts([1, 1, 0, 0]).await?;
    let pods = cluster.pods("two pods", |pods| pods.len() == 2).await?;
    let ending: Vec<String> = pods.iter().filter(|pod| is_ending(pod)).map(name).collect();
    assert_eq!(ending, [deleted]);
    cluster.advance_to(40);
    let pods = cluster.pods("one pod", |pods| pods.len() == 1).await?;
    assert!(!is_ending(&pods[0]), "its successor stays");
    // Without a grace period it goes at once.
    api.delete(&name(&pods[0]), &kube::api::DeleteParams::default().grace_period(0)).await?;
    assert!(api.get_opt(&name(&pods[0])).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_deletion_in_the_foreground_waits_for_pods_that_are_ending() -> Checked {
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    cluster.deploy(2, &json!({}))?;
    cluster.counts([2, 2, 0, 0]).await?;
    let client = cluster.sandbox.client()?;
    let web: kube::Api<k8s_openapi::api::apps::v1::Deployment> = kube::Api::default_namespaced(client);
    web.delete("web", &kube::api::DeleteParams::foreground()).await?;
    let held = web.get("web").await?.metadata;
    assert_eq!(held.finalizers, Some(vec!["foregroundDeletion".to_owned()]), "its pods are still ending");
    cluster.pods("two pods that end", |pods| pods.len() == 2 && pods.iter().all(is_ending)).await?;
    cluster.advance_to(10);
    cluster.until("no Deployment", "deployments.apps", <[Value]>::is_empty).await?;
    cluster.until("no pods", "pods", <[Value]>::is_empty).await?;
    assert!(cluster.store().list("replicasets.apps", None).0.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_namespace_waits_for_pods_that_are_ending() -> Checked {
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    cluster.sandbox.create(tidetable::sandbox::namespace("shop"))?;
    cluster.deploy_in("shop", 2, &json!({}))?;
    cluster.counts([2, 2, 0, 0]).await?;
    cluster.pods("two pods", |pods| pods.len() == 2).await?;
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
        kube::Api::all(cluster.sandbox.client()?);
    namespaces.delete("shop", &kube::api::DeleteParams::default()).await?;
    let waits = |all: &[Value]| {
        let shop = all.iter().find(|namespace| name(namespace) == "shop");
        let content = shop.map(|shop| shop["status"]["conditions"][3]["message"].clone());
        content == Some(json!("Some resources are remaining: pods. has 2 resource instances"))
    };
    cluster.until("a namespace that waits", "namespaces", waits).await?;
    cluster.advance_to(10);
    let is_gone = |all: &[Value]| !all.iter().any(|namespace| name(namespace) == "shop");
    cluster.until("no such namespace", "namespaces", is_gone).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_orphaning_deletion_leaves_goes_on_and_is_adopted() -> Checked {
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    cluster.deploy(2, &json!({}))?;
    cluster.counts([2, 2, 0, 0]).await?;
    cluster.advance_to(30);
    cluster.counts([2, 2, 2, 2]).await?;
    let before: Vec<String> =
        cluster.pods("two pods", |pods| pods.len() == 2).await?.iter().map(name).collect();
    let client = cluster.sandbox.client()?;
    let web: kube::Api<k8s_openapi::api::apps::v1::Deployment> = kube::Api::default_namespaced(client);
    let orphan = kube::api::DeleteParams {
        propagation_policy: Some(kube::api::PropagationPolicy::Orphan),
        ..kube::api::DeleteParams::default()
    };
    web.delete("web", &orphan).await?;
    let sets = cluster.store().list("replicasets.apps", None).0;
    assert!(sets.len() == 1 && sets[0]["metadata"]["ownerReferences"].is_null(), "{sets:?}");
    cluster.deploy(2, &json!({}))?;
    cluster.counts([2, 2, 2, 2]).await?;
    let after: Vec<String> =
        cluster.pods("two pods", |pods| pods.len() == 2).await?.iter().map(name).collect();
    assert_eq!(after, before, "nothing was started anew");
    Ok(())
}

#[test]
fn what_a_cluster_can_not_be_like_is_bad_input() {
    for (arguments, wanted) in [
        (vec!["--nodes", "2"], "--workloads"),
        (
            vec!["--workloads", "--nodes", "3", "--max-nodes", "2"],
            "--max-nodes must not be less than --nodes",
        ),
        (vec!["--workloads", "--nodes", "1", "--pods-per-node", "0"], "--pods-per-node"),
        (vec!["--workloads", "--startup", "soon"], "--startup"),
    ] {
        let mut tidetable = std::process::Command::new(env!("CARGO_BIN_EXE_tidetable"));
        let output = tidetable.args(["sandbox", "--kubeconfig", "never-written"]).args(&arguments).output();
        let output = output.expect("the binary starts");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(wanted), "{arguments:?}: {text}");
    }
}
