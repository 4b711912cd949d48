//! The operator from end to end: deploy/ through `kubectl`, `tidetable run` as a process with the token of
//! deploy/'s service account, a real Prometheus server. The cluster is a sandbox, unless
//! `TIDETABLE_TEST_KUBECONFIG` names another.

mod cases;
mod one_namespace;
pub(crate) mod stage;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use kube::Api;
use tidetable::sandbox::Sandbox;

use self::cases::{CASES, Case};
use self::stage::{ACCOUNT, Checked, HOME, Stage, write_config};
use crate::support::operator::scaled_object_kind;
use crate::support::process::Process;
use crate::support::prometheus::Prometheus;

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_does_its_work_with_what_deploy_gives_it() -> Checked {
    let stage = Arc::new(Stage::find().await?);
    let had = Box::pin(stage.had_an_operator()).await?;
    let result = match Box::pin(stage.deploy(had)).await {
        Ok(()) => played(&stage).await,
        Err(error) => Err(error),
    };
    // Also when something failed.
    let cleared = stage.clear(had).await;
    result.and(cleared)
}

/// Runs the operator and all cases in a cluster that has what the operator needs.
async fn played(stage: &Arc<Stage>) -> Checked {
    let prometheus = tokio::task::spawn_blocking(|| {
        let now = Timestamp::now();
        let (from, to) = (now - SignedDuration::from_mins(20), now + SignedDuration::from_mins(60));
        Prometheus::with_requests(from, to, |_| 100.0)
    })
    .await?;
    let config = stage.files.path().join("config.yaml");
    write_config(&config, prometheus.url())?;
    if let Some(sandbox) = &stage.sandbox {
        // So that it is watched, too.
        sandbox.create(scaled_object_kind())?;
    }
    let kubeconfig = stage.operators_kubeconfig().await?;
    let mut operator = Process::start(&kubeconfig, &config, &stage.namespace).await?;
    let failures = play(stage).await;
    if !failures.is_empty() {
        return Err(format!("{}\n\nthe operator's log:\n{}", failures.join("\n"), operator.log()).into());
    }
    operator.serves("/readyz").await?;
    let metrics = operator.serves("/metrics").await?;
    if !metrics.contains("tidetable_") {
        return Err(format!("no metrics of ours in\n{metrics}").into());
    }
    let status = operator.terminate().await?;
    if status.code() != Some(0) {
        return Err(format!("after SIGTERM: {status}\n{}", operator.log()).into());
    }
    match &stage.sandbox {
        Some(sandbox) => role_is_exact(stage, sandbox).await,
        None => Ok(()),
    }
}

/// Plays all cases at the same time and gives what went wrong.
async fn play(stage: &Arc<Stage>) -> Vec<String> {
    let running = CASES.iter().map(|(name, case): &Case| (name, tokio::spawn(case(Arc::clone(stage)))));
    let running: Vec<_> = running.collect();
    let mut failures = Vec::new();
    for (name, case) in running {
        match case.await {
            Ok(Ok(())) => eprintln!("cluster: {name}: ok"),
            Ok(Err(error)) => failures.push(format!("{name}: {error}")),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    failures
}

/// A verb, an API group, and a resource with its subresource.
type Permission = (String, String, String);

/// What the operator has asked for is what deploy/'s roles allow: no more, no less.
async fn role_is_exact(stage: &Stage, sandbox: &Sandbox) -> Checked {
    let role = Api::<ClusterRole>::all(stage.client.clone()).get(ACCOUNT).await?;
    let election = Api::<Role>::namespaced(stage.client.clone(), HOME).get("tidetable-election").await?;
    let user = format!("system:serviceaccount:{HOME}:{ACCOUNT}");
    let asked: BTreeSet<Permission> = sandbox
        .requests()
        .into_keys()
        .filter(|request| request.user == user && !request.resource.is_empty())
        .map(|request| {
            let part = if request.subresource.is_empty() { "" } else { "/" };
            (request.verb, request.group, format!("{}{part}{}", request.resource, request.subresource))
        })
        .collect();
    let (mut granted, mut unused) = (BTreeSet::<Permission>::new(), Vec::new());
    for rule in role.rules.into_iter().chain(election.rules).flatten() {
        let (groups, resources) = (rule.api_groups.unwrap_or_default(), rule.resources.unwrap_or_default());
        let permission = |verb: &String, group: &String, resource: &String| {
            (verb.clone(), group.clone(), resource.clone())
        };
        let is_asked = |verb: &String, resource: &String| {
            groups.iter().any(|group| asked.contains(&permission(verb, group, resource)))
        };
        // The kinds of one rule are alike: which of them has to be read again is a matter of timing.
        let needless = rule.verbs.iter().filter(|verb| !resources.iter().any(|of| is_asked(verb, of)));
        unused.extend(needless.map(|verb| format!("{verb} {resources:?}")));
        let needless = resources.iter().filter(|of| !rule.verbs.iter().any(|verb| is_asked(verb, of)));
        unused.extend(needless.map(|of| format!("{of}, to {:?}", rule.verbs)));
        for (group, resource) in groups.iter().flat_map(|group| resources.iter().map(move |of| (group, of))) {
            granted.extend(rule.verbs.iter().map(|verb| permission(verb, group, resource)));
        }
    }
    let lacking: Vec<_> = asked.difference(&granted).collect();
    if unused.is_empty() && lacking.is_empty() {
        return Ok(());
    }
    Err(format!("deploy/base/rbac.yaml: not needed: {unused:?}; missing: {lacking:?}").into())
}

#[tokio::test]
async fn each_way_to_deploy_is_accepted_by_the_api_server() -> Checked {
    let stage = Stage::in_a_sandbox().await?;
    stage.kubectl("create namespace shop").await?;
    for (way, kinds) in [
        ("deploy", ["ClusterRole", "Deployment", "replicas: 1"]),
        ("deploy/ha", ["PodDisruptionBudget", "podAntiAffinity", "replicas: 2"]),
        ("deploy/namespaced", ["Role", "Deployment", "namespace: shop"]),
    ] {
        let rendered = stage.kubectl(&format!("kustomize {way}")).await?;
        for kind in kinds {
            assert!(rendered.contains(kind), "{way} has no {kind}");
        }
        stage.kubectl(&format!("apply -k {way}")).await?;
    }
    Ok(())
}
