//! `kubectl` with workloads that run, as their users would.

use std::time::Duration;

use tidetable::clock::Clock;
use tidetable::sandbox::{PlantOptions, Sandbox, SandboxOptions};
use tidetable::simulation::plant::{ClusterSpec, NodesSpec, PodsSpec};

use super::{Checked, Kubectl};

/// Six places on a node, and no second node.
const NODES: NodesSpec = NodesSpec {
    pods_per_node: 6,
    count: 1,
    max: 1,
    provisioning: Duration::from_secs(60),
    unneeded: Duration::from_secs(60),
};

#[tokio::test(flavor = "multi_thread")]
async fn rollouts_pods_and_nodes_are_shown_awaited_undone_and_deleted() -> Checked {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    let others = PodsSpec { startup: Duration::from_millis(300), ..PodsSpec::default() };
    let cluster = ClusterSpec { nodes: Some(NODES), quota: None };
    sandbox.run_workloads(PlantOptions { others, cluster, ..PlantOptions::default() });
    let kubectl = Kubectl::new(&sandbox).await?;
    kubectl
        .follow(&[
            ("create deployment web --image=registry.invalid/web:1 --replicas=3", &["created"]),
            ("rollout status deploy/web --timeout=60s", &["deployment \"web\" successfully rolled out"]),
            ("wait --for=condition=Available deploy/web --timeout=60s", &["condition met"]),
            ("wait --for=condition=Ready pod -l app=web --timeout=60s", &["condition met"]),
            ("get deploy web", &["web 3/3 3 3"]),
            ("get rs -l app=web", &["DESIRED CURRENT READY AGE", "3 3 3"]),
            ("get pods -o wide", &["1/1 Running 0", "node-1"]),
            ("get nodes -o wide", &["STATUS ROLES AGE VERSION INTERNAL-IP", "node-1 Ready <none>", "10.0.0.1"]),
            ("cordon node-1", &["cordoned"]),
            ("get no", &["Ready,SchedulingDisabled"]),
            ("uncordon node-1", &["uncordoned"]),
            ("describe node node-1", &["KubeletReady", "HolderIdentity: node-1", "Non-terminated Pods: (3 in total)", "pods: 6"]),
            ("set image deploy/web web=registry.invalid/web:2", &["image updated"]),
            ("rollout status deploy/web --timeout=60s", &["successfully rolled out"]),
            ("rollout history deploy/web", &["REVISION CHANGE-CAUSE 1 <none> 2 <none>"]),
            ("rollout undo deploy/web", &["rolled back"]),
            ("rollout status deploy/web --timeout=60s", &["successfully rolled out"]),
            ("get deploy web -o jsonpath={..image}", &["registry.invalid/web:1"]),
            ("rollout restart deploy/web", &["restarted"]),
            ("rollout status deploy/web --timeout=60s", &["successfully rolled out"]),
            ("rollout pause deploy/web", &["paused"]),
            ("set image deploy/web web=registry.invalid/web:3", &["image updated"]),
            ("get deploy web -o jsonpath={.spec.paused}", &["true"]),
            ("rollout resume deploy/web", &["resumed"]),
            ("rollout status deploy/web --timeout=60s", &["successfully rolled out"]),
            ("describe deploy web", &["OldReplicaSets:", "NewReplicaSet:", "ScalingReplicaSet", "Scaled up replica set"]),
            ("scale deploy web --replicas=7", &["scaled"]),
            ("wait --for=jsonpath={.status.readyReplicas}=6 deploy/web --timeout=60s", &["condition met"]),
            ("get pods --field-selector status.phase=Pending", &["0/1 Pending 0"]),
            ("events --types=Warning", &["FailedScheduling", "0/1 nodes are available: 1 Too many pods."]),
            ("autoscale deploy web --min=2 --max=9 --cpu-percent=70", &["autoscaled"]),
            (
                "get horizontalpodautoscalers.v1.autoscaling web -o jsonpath={.spec.targetCPUUtilizationPercentage}",
                &["70"],
            ),
            (
                "get horizontalpodautoscalers.v2.autoscaling web -o jsonpath={.spec.metrics[0].resource.target}",
                &["{\"averageUtilization\":70,\"type\":\"Utilization\"}"],
            ),
            ("!top pods", &["Metrics API not available"]),
            ("delete deploy web --cascade=foreground --timeout=60s", &["\"web\" deleted"]),
            ("get pods", &["No resources found"]),
            ("get rs", &["No resources found"]),
            ("apply -f web.deployment.yaml", &["created"]),
            ("rollout status deploy/web --timeout=60s", &["successfully rolled out"]),
            ("replace --force -f web.deployment.yaml", &["\"web\" deleted", "deployment.apps/web replaced"]),
            ("rollout status deploy/web --timeout=60s", &["successfully rolled out"]),
            ("delete deploy web --cascade=orphan", &["\"web\" deleted"]),
            ("get rs", &["2 2 2"]),
            ("delete rs --all --timeout=60s", &["deleted"]),
            ("wait --for=delete pod -l app=web --timeout=60s", &[]),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_stuck_says_why_and_can_be_finalized() -> Checked {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    let kubectl = Kubectl::new(&sandbox).await?;
    kubectl
        .follow(&[
            ("create ns stuck", &["created"]),
            ("create cm held -n stuck", &["created"]),
            (
                "patch cm held -n stuck --type=merge -p '{\"metadata\":{\"finalizers\":[\"a.b/c\"]}}'",
                &["patched"],
            ),
            ("delete ns stuck --wait=false", &["deleted"]),
            (
                "get ns stuck -o jsonpath={.status.phase}{.status.conditions[*].message}",
                &[
                    "Terminating",
                    "Some resources are remaining: configmaps. has 1 resource instances",
                    "Some content in the namespace has finalizers remaining: a.b/c in 1 resource instances",
                ],
            ),
            ("!create cm other -n stuck", &["because it is being terminated"]),
            (
                "replace --raw /api/v1/namespaces/stuck/finalize -f stuck.namespace.json",
                &["\"finalizers\":[]"],
            ),
            ("!get ns stuck", &["not found"]),
        ])
        .await
}
