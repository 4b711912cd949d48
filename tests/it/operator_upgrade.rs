//! An operator that is newer than the cluster's CRDs.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::Value;

use crate::cluster::stage::{Checked, in_time};
use crate::support::operator::{
    Stage, at, day_and_night, definitions, deployment, policy, sandbox_for_processes, scaled,
};
use crate::support::process::Process;

/// The definition of policies as it would have been before their status had one of its fields.
fn older() -> Checked<Value> {
    let [mut policies, _] = definitions();
    let schema = &mut policies["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let fields = schema["properties"]["status"]["properties"].as_object_mut().ok_or("no fields")?;
    fields.remove("baselineReplicas").ok_or("no such field")?;
    Ok(policies)
}

/// A field of the policy's status, if it has one.
fn told(stage: &Stage, field: &str) -> Value {
    let policy = stage.sandbox.store().get("scalepolicies.tidetable.dev", "default", "web");
    policy.map_or(Value::Null, |policy| policy["status"][field].clone())
}

#[tokio::test]
async fn before_older_crds_workloads_are_scaled_and_status_follows_when_the_crds_do() -> Checked {
    let objects = [deployment("web", 3), policy(&day_and_night())];
    let mut stage = Stage::with_crd("2026-11-23T12:00:01Z", &older()?, &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    // The next tick tries again, and is refused again.
    stage.clock.advance_to(at("2026-11-23T12:00:16Z"));
    stage.next().await;
    assert_eq!(told(&stage, "currentReplicas"), Value::Null);
    let [newer, _] = definitions();
    let crds = Api::<CustomResourceDefinition>::all(stage.client.clone());
    let apply = PatchParams::apply("administrator").force();
    crds.patch("scalepolicies.tidetable.dev", &apply, &Patch::Apply(newer)).await?;
    let mut now = at("2026-11-23T12:00:16Z");
    in_time("a status", async {
        while told(&stage, "baselineReplicas") != 12 {
            now += SignedDuration::from_secs(15);
            stage.clock.advance_to(now);
            stage.next().await;
        }
        Ok(())
    })
    .await?;
    stage.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_that_the_crds_are_too_old() -> Checked {
    let (sandbox, _directory, kubeconfig) = sandbox_for_processes().await;
    let [_, calendars] = definitions();
    for object in [older()?, calendars, deployment("web", 3), policy(&day_and_night())] {
        sandbox.create(object)?;
    }
    let operator = Process::start_with(&kubeconfig, &["--interval", "1s"]).await?;
    in_time("the warning", async {
        while !operator.log().contains("field not declared in schema; the CRDs are older than this operator")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?;
    sandbox.shutdown().await;
    Ok(())
}
