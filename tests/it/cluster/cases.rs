//! What users see of the operator, one case each. Cases share a cluster and an operator, and run at the
//! same time; the names of their objects are their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

use super::stage::{Checked, Stage, in_time};

/// A case, on the way.
type Running = Pin<Box<dyn Future<Output = Checked> + Send>>;

/// A name and what is done.
pub(super) type Case = (&'static str, fn(Arc<Stage>) -> Running);

pub(super) const CASES: &[Case] = &[
    ("a schedule scales each kind of workload, to zero and back", |stage| Box::pin(schedule(stage))),
    ("an autoscaler gets its bounds from the clock", |stage| Box::pin(autoscaler(stage))),
    ("a metric is followed", |stage| Box::pin(metric(stage))),
    ("a target value asks for ready replicas", |stage| Box::pin(target_value(stage))),
    ("an invalid cron is reported and changes nothing", |stage| Box::pin(invalid(stage))),
    ("the API server refuses what can't be", |stage| Box::pin(refused(stage))),
    ("status, events and field owners tell what was done", |stage| Box::pin(told(stage))),
    ("a dry run writes no replicas", |stage| Box::pin(dry_run(stage))),
    ("a deleted policy leaves the replicas", |stage| Box::pin(deleted(stage))),
];

const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "ReplicaSet"];

fn workload(kind: &str, name: &str, replicas: i64) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "registry.invalid/app:1"}]},
            },
        },
    });
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = json!(name);
    }
    object
}

/// A policy of the same name as its workload.
fn policy(kind: &str, name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tidetable.dev/v1alpha1", "kind": "ScalePolicy", "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
            "minReplicas": 0,
            "maxReplicas": 20,
        },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

/// A schedule that asks for the same replicas at all times.
fn always(replicas: i64) -> Value {
    json!({"schedule": {"entries": [{"name": "always", "cron": "0 0 * * *", "replicas": replicas}]}})
}

async fn edit(stage: &Stage, name: &str, spec: &Value) -> Checked {
    let patch = Patch::Merge(json!({"spec": spec}));
    stage.api("ScalePolicy").patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

async fn has_replicas(stage: &Stage, kind: &str, name: &str, replicas: i64) -> Checked {
    let what = format!("{replicas} replicas");
    stage.until(kind, name, &what, |object| object["spec"]["replicas"] == replicas).await.map(drop)
}

/// Waits for a condition of a policy: its type, status and reason.
async fn has_condition(stage: &Stage, name: &str, wanted: [&str; 3]) -> Checked<Value> {
    let fits = |condition: &Value| wanted == ["type", "status", "reason"].map(|key| text(&condition[key]));
    let find = |policy: &Value| {
        let conditions = policy["status"]["conditions"].as_array();
        conditions.into_iter().flatten().find(|condition| fits(condition)).cloned()
    };
    let what = format!("the condition {wanted:?}");
    let policy = stage.until("ScalePolicy", name, &what, |policy| find(policy).is_some()).await?;
    find(&policy).ok_or_else(|| what.into())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(what().into()) }
}

/// Whether the operator owns fields that it has written through the scale subresource.
fn is_ours(entry: &Value) -> bool {
    entry["manager"] == "tidetable" && entry["subresource"] == "scale"
}

fn owners(object: &Value) -> &[Value] {
    object["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default()
}

async fn schedule(stage: Arc<Stage>) -> Checked {
    for kind in KINDS {
        let name = format!("schedule-{}", kind.to_ascii_lowercase());
        stage.create(&workload(kind, &name, 2)).await?;
        stage.create(&policy(kind, &name, &always(4))).await?;
        has_replicas(&stage, kind, &name, 4).await?;
        for replicas in [0, 3] {
            edit(&stage, &name, &always(replicas)).await?;
            has_replicas(&stage, kind, &name, replicas).await?;
        }
    }
    Ok(())
}

async fn autoscaler(stage: Arc<Stage>) -> Checked {
    let (kind, name) = ("HorizontalPodAutoscaler", "bounded");
    let target = json!({"apiVersion": "autoscaling/v2", "kind": kind, "name": name});
    stage
        .create(&json!({
            "apiVersion": "autoscaling/v2", "kind": kind, "metadata": {"name": name},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "absent"},
                "minReplicas": 1,
                "maxReplicas": 5,
            },
        }))
        .await?;
    let mut spec = always(4);
    spec["scaleTargetRef"] = target;
    stage.create(&policy(kind, name, &spec)).await?;
    let has = async |min: i64, max: i64| {
        let what = format!("bounds of {min} and {max}");
        let fits =
            |object: &Value| object["spec"]["minReplicas"] == min && object["spec"]["maxReplicas"] == max;
        stage.until(kind, name, &what, fits).await.map(drop)
    };
    has(4, 20).await?;
    let entry = json!({"name": "always", "cron": "0 0 * * *", "for": "24h", "replicas": 2, "maxReplicas": 9});
    edit(&stage, name, &json!({"schedule": {"entries": [entry]}})).await?;
    has(2, 9).await?;
    let by_hand = Patch::Merge(json!({"spec": {"maxReplicas": 12}}));
    stage.api(kind).patch(name, &PatchParams::default(), &by_hand).await?;
    has(2, 9).await?;
    has_condition(&stage, name, ["AbleToScale", "True", "AsPlanned"]).await.map(drop)
}

/// 100 requests a second, and from an instant on twice as many.
async fn metric(stage: Arc<Stage>) -> Checked {
    let name = "metric";
    // Late enough for a busy machine to see the load before it doubles.
    let double = (Timestamp::now() + SignedDuration::from_secs(25)).as_second();
    let query = format!("sum(rate(http_requests_total{{app=\"web\"}}[2m])) * (1 + (time() > bool {double}))");
    let limits = json!([{"type": "Pods", "value": 100, "periodSeconds": 1}]);
    let spec = json!({
        "metrics": [{
            "name": "requests", "prometheus": {"query": query}, "target": {"averageValue": "20"},
        }],
        "damping": {"scaleUp": {"policies": limits}},
    });
    stage.create(&workload("Deployment", name, 2)).await?;
    stage.create(&policy("Deployment", name, &spec)).await?;
    has_replicas(&stage, "Deployment", name, 5).await?;
    has_condition(&stage, name, ["ScalingActive", "True", "MetricsRead"]).await?;
    has_replicas(&stage, "Deployment", name, 10).await?;
    let status = stage.until("ScalePolicy", name, "a load of 10", |policy| {
        policy["status"]["load"]["level"] == 10 && policy["status"]["currentReplicas"] == 10
    });
    status.await.map(drop)
}

/// Nothing runs in the cluster, so the test says what is ready. Where a controller takes that back, the
/// operator must at least see that nothing is.
async fn target_value(stage: Arc<Stage>) -> Checked {
    for kind in KINDS {
        let name = format!("value-{}", kind.to_ascii_lowercase());
        let query = "sum(rate(http_requests_total[2m]))";
        let mut spec = always(3);
        spec["metrics"] =
            json!([{"name": "requests", "prometheus": {"query": query}, "target": {"value": "50"}}]);
        stage.create(&workload(kind, &name, 2)).await?;
        let ready = Patch::Merge(json!({"status": {"replicas": 2, "readyReplicas": 2}}));
        stage.api(kind).patch_status(&name, &PatchParams::default(), &ready).await?;
        stage.create(&policy(kind, &name, &spec)).await?;
        let read = |policy: &Value| {
            let metric = &policy["status"]["decision"]["metrics"][0];
            metric["replicas"] == 4 || metric["problem"] == "NoReadyReplicas"
        };
        let policy = stage.until("ScalePolicy", &name, "a metric that was read", read).await?;
        let seen = policy["status"]["decision"]["metrics"][0]["replicas"] == 4;
        has_replicas(&stage, kind, &name, if seen { 4 } else { 3 }).await?;
    }
    Ok(())
}

async fn invalid(stage: Arc<Stage>) -> Checked {
    let name = "invalid";
    let spec = json!({"schedule": {"entries": [{"name": "day", "cron": "61 7 * * *", "replicas": 12}]}});
    stage.create(&workload("Deployment", name, 3)).await?;
    stage.create(&policy("Deployment", name, &spec)).await?;
    let ready = has_condition(&stage, name, ["Ready", "False", "InvalidSpec"]).await?;
    let message = text(&ready["message"]);
    check(message.starts_with("spec.schedule.entries[0].cron: "), || message.to_owned())?;
    has_event(&stage, name, "InvalidSpec").await?;
    let replicas = stage.get("Deployment", name).await?["spec"]["replicas"].clone();
    check(replicas == 3, || format!("{replicas} replicas"))?;
    edit(&stage, name, &always(5)).await?;
    has_replicas(&stage, "Deployment", name, 5).await
}

async fn refused(stage: Arc<Stage>) -> Checked {
    let entry = |fields: &Value| {
        let mut entry = json!({"name": "day", "replicas": 5});
        for (key, value) in fields.as_object().into_iter().flatten() {
            entry[key] = value.clone();
        }
        json!({"schedule": {"entries": [entry]}})
    };
    let cron = "0 7 * * *";
    let mut low = always(5);
    low["minReplicas"] = json!(21);
    for (spec, wanted) in [
        (low, "minReplicas must not be more than maxReplicas"),
        (entry(&json!({"cron": cron, "for": "2h", "until": "09:00"})), "for and until exclude each other"),
        (
            entry(&json!({"cron": cron, "at": "2026-11-27T00:00", "for": "2h"})),
            "exactly one of cron and at is needed",
        ),
        (always(21), "an entry's replicas must not be more than spec.maxReplicas"),
        (json!({}), "a policy needs a schedule, metrics, or both"),
    ] {
        match stage.create(&policy("Deployment", "refused", &spec)).await {
            Ok(()) => return Err(format!("not refused for {wanted:?}").into()),
            Err(error) => check(error.to_string().contains(wanted), || format!("{wanted:?}: {error}"))?,
        }
    }
    Ok(())
}

async fn told(stage: Arc<Stage>) -> Checked {
    let name = "told";
    let mut spec = always(6);
    let later = (Timestamp::now() + SignedDuration::from_hours(12)).strftime("%M %H * * *").to_string();
    spec["schedule"]["entries"].as_array_mut().ok_or("no entries")?.push(json!({
        "name": "later", "cron": later, "for": "1h", "replicas": 9}));
    stage.create(&workload("Deployment", name, 2)).await?;
    stage.create(&policy("Deployment", name, &spec)).await?;
    let event = has_event(&stage, name, "ScaledUp").await?;
    let note = event.note.unwrap_or_default();
    check(note.starts_with("Deployment/told from 2 to 6: "), || note.clone())?;

    for wanted in [["Ready", "True", "AsPlanned"], ["AbleToScale", "True", "AsPlanned"]] {
        has_condition(&stage, name, wanted).await?;
    }
    let policy = stage
        .until("ScalePolicy", name, "its replicas", |policy| {
            let status = &policy["status"];
            status["currentReplicas"] == 6 && status["observedGeneration"] == policy["metadata"]["generation"]
        })
        .await?;
    let status = &policy["status"];
    check(status["nextChange"]["entry"] == "later" && status["nextChange"]["floor"] == 9, || {
        format!("{:#}", status["nextChange"])
    })?;
    check(status["lastScaleTime"].is_string(), || "no lastScaleTime".to_owned())?;
    let table = stage.kubectl(&format!("get scalepolicies {name} -n {}", stage.namespace)).await?;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let titles = "NAME TARGET MODE BASELINE LOAD DESIRED CURRENT NEXT REASON AGE";
    check(rows.first().is_some_and(|row| row.join(" ") == titles), || table.clone())?;
    for cell in ["told", "Deployment/told", "Active", "6", text(&status["decision"]["reason"])] {
        check(rows.get(1).is_some_and(|row| row.contains(&cell)), || format!("no {cell:?} in\n{table}"))?;
    }

    let deployment = stage.get("Deployment", name).await?;
    let owner = owners(&deployment).iter().find(|entry| is_ours(entry)).ok_or("no owner `tidetable`")?;
    let fields = &owner["fieldsV1"];
    check(*fields == json!({"f:spec": {"f:replicas": {}}}), || fields.to_string())
}

async fn dry_run(stage: Arc<Stage>) -> Checked {
    let name = "dry-run";
    let mut spec = always(6);
    spec["mode"] = json!("DryRun");
    stage.create(&workload("Deployment", name, 3)).await?;
    stage.create(&policy("Deployment", name, &spec)).await?;
    let wanted = |policy: &Value| policy["status"]["desiredReplicas"] == 6;
    stage.until("ScalePolicy", name, "a wish for 6 replicas", wanted).await?;
    let deployment = stage.get("Deployment", name).await?;
    let untouched = deployment["spec"]["replicas"] == 3 && !owners(&deployment).iter().any(is_ours);
    check(untouched, || format!("written to: {deployment:#}"))?;
    edit(&stage, name, &json!({"mode": "Active"})).await?;
    has_replicas(&stage, "Deployment", name, 6).await
}

async fn deleted(stage: Arc<Stage>) -> Checked {
    let (name, witness) = ("deleted", "witness");
    for name in [name, witness] {
        stage.create(&workload("Deployment", name, 2)).await?;
        stage.create(&policy("Deployment", name, &always(4))).await?;
        has_replicas(&stage, "Deployment", name, 4).await?;
    }
    stage.api("ScalePolicy").delete(name, &DeleteParams::default()).await?;
    // One that is still looked after shows that the operator has seen the deletion and gone on.
    edit(&stage, witness, &always(5)).await?;
    has_replicas(&stage, "Deployment", witness, 5).await?;
    let unchanged = stage.get("Deployment", name).await?["spec"]["replicas"] == 4;
    check(unchanged, || "the deletion changed the replicas".to_owned())?;
    for name in [name, witness] {
        let by_hand = Patch::Merge(json!({"spec": {"replicas": 7}}));
        stage.api("Deployment").patch_scale(name, &PatchParams::default(), &by_hand).await?;
    }
    has_replicas(&stage, "Deployment", witness, 5).await?;
    let replicas = stage.get("Deployment", name).await?["spec"]["replicas"].clone();
    check(replicas == 7, || format!("{replicas} replicas, and 7 were set by hand"))
}

/// Waits for an event about a policy.
async fn has_event(stage: &Stage, policy: &str, reason: &str) -> Checked<Event> {
    let api = Api::<Event>::namespaced(stage.client.clone(), &stage.namespace);
    let about = |event: &Event| {
        let regarding = event.regarding.as_ref().and_then(|object| object.name.as_deref());
        regarding == Some(policy) && event.reason.as_deref() == Some(reason)
    };
    in_time(&format!("an event {reason} about {policy}"), async {
        let events = watcher(api, watcher::Config::default()).applied_objects();
        let mut events = std::pin::pin!(events.try_filter(|event| std::future::ready(about(event))));
        events.try_next().await?.ok_or_else(|| "the watch ended".into())
    })
    .await
}
