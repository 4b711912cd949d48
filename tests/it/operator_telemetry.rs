//! What `tidetable run` says of itself: its metrics and its log.

mod lateness;
mod outage;

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions};

use crate::cluster::stage::{Checked, in_time};
use crate::support::operator::{
    admitted, day_and_night, definitions, deployment, policy, sandbox_for_processes,
};
use crate::support::process::Process;
use crate::support::proxy::{Proxy, Trouble};
use crate::support::sample;
use crate::support::source::Source;

/// A policy for a deployment of its own name.
fn named(name: &str, spec: &Value) -> Value {
    let mut object = policy(spec);
    object["metadata"]["name"] = json!(name);
    object["spec"]["scaleTargetRef"]["name"] = json!(name);
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_and_a_failing_query_show_in_the_metrics_and_each_change_in_one_line_of_the_log() -> Checked {
    let (sandbox, directory, kubeconfig) = sandbox_for_processes().await;
    let source = Source::start().await;
    source.set("qps", Some(40.0));
    let config = directory.path().join("config.yaml");
    std::fs::write(&config, source.config())?;

    let now = Timestamp::now();
    // Every other second, for as long as the machine may need.
    let opening = |second: i64| {
        let at = (now + SignedDuration::from_secs(2 * second)).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        json!({"name": format!("w{second}"), "at": at, "for": "1s", "replicas": 3})
    };
    let openings = json!({"entries": (0..60).map(opening).collect::<Vec<_>>()});
    let metric = |query: &str| json!([{"name": "load", "prometheus": {"query": query}, "target": {"averageValue": "10"}}]);
    let objects = [
        deployment("web", 1),
        named("web", &json!({"minReplicas": 1, "schedule": openings})),
        deployment("api", 4),
        named("api", &json!({"metrics": metric("qps")})),
        deployment("mail", 2),
        named("mail", &json!({"minReplicas": 2, "metrics": metric("nothing")})),
        named("lost", &json!({"minReplicas": 2, "schedule": openings})),
    ];
    for object in definitions().into_iter().chain(objects) {
        sandbox.create(object)?;
    }
    let config = config.display().to_string();
    let arguments = ["--interval", "1s", "--log-format", "json", "--config", &config];
    let mut operator = Process::start_with(&kubeconfig, &arguments).await?;
    let wanted = |text: &str| {
        sample(text, "tidetable_edge_to_write_seconds_count").is_some_and(|count| count > 1.0)
            && sample(text, "tidetable_decisions_total{reason=\"Load\"}").is_some_and(|count| count > 1.0)
            && sample(text, "tidetable_oldest_observation_age_seconds").is_some_and(|age| age > 1.0)
    };
    let text = in_time("what was done to show", async {
        loop {
            let text = operator.serves("/metrics").await?;
            if wanted(&text) {
                return Ok(text);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await?;
    for (name, value) in [
        ("tidetable_policies", 4.0),
        ("tidetable_leader", 1.0),
        ("tidetable_policies_by_condition{type=\"Ready\",status=\"True\"}", 3.0),
        ("tidetable_policies_by_condition{type=\"Ready\",status=\"False\"}", 1.0),
        ("tidetable_policies_by_condition{type=\"ScalingActive\",status=\"False\"}", 1.0),
    ] {
        assert_eq!(sample(&text, name), Some(value), "{name} in\n{text}");
    }
    for name in [
        "tidetable_scale_writes_total{direction=\"up\"}",
        "tidetable_decisions_total{reason=\"Baseline\"}",
        "tidetable_evaluations_total{outcome=\"failed\"}",
        "tidetable_query_failures_total{source=\"default\",cause=\"NoSample\"}",
        "tidetable_query_duration_seconds_count{source=\"default\"}",
    ] {
        assert!(sample(&text, name).is_some_and(|count| count > 0.0), "{name} in\n{text}");
    }
    let zones = tidetable::zones::current().version();
    assert!(text.contains(&format!("tidetable_tz_database_info{{version=\"{zones}\"}} 1")), "{text}");
    let names = ["web", "api", "mail", "lost"].map(|name| format!("=\"{name}\""));
    assert!(!names.iter().any(|name| text.contains(name)), "no label is a policy's name:\n{text}");

    assert_eq!(operator.terminate().await?.code(), Some(0), "{}", operator.log());
    let log = operator.log();
    let lines: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let changes: Vec<&Value> = lines.iter().filter(|line| line["workload"].is_string()).collect();
    let asked = sandbox.requests().into_iter();
    let writes = asked.filter(|(request, _)| request.verb == "patch" && request.subresource == "scale");
    assert_eq!(changes.len(), usize::try_from(writes.map(|(_, count)| count).sum::<u64>())?, "{log}");
    let change = changes.iter().find(|line| line["to"] == "3" && line["occasion"] == "edge");
    let change = change.ok_or_else(|| format!("no edge in\n{log}"))?;
    for (field, value) in
        [("level", "INFO"), ("workload", "Deployment/web"), ("from", "1"), ("reason", "Baseline")]
    {
        assert_eq!(change[field], value, "{field} of {change}");
    }
    let span = &change["span"];
    assert_eq!((&span["policy"], &span["namespace"]), (&json!("web"), &json!("default")), "{change}");
    let quiet = |line: &&Value| line["span"]["policy"] == "api";
    assert_eq!(lines.iter().filter(quiet).count(), 0, "nothing to say of what stays as it is: {log}");
    sandbox.shutdown().await;
    Ok(())
}

/// A kubeconfig by which a process goes through a proxy, and the directory that it is in.
fn kubeconfig_for(proxy: &Proxy) -> Checked<(TempDir, PathBuf)> {
    let directory = tempfile::tempdir()?;
    let kubeconfig = directory.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": proxy.config().cluster_url.to_string()}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(&kubeconfig, config.to_string())?;
    Ok((directory, kubeconfig))
}

/// A sandbox with a policy, a proxy before it, and a kubeconfig for a process that goes through that.
async fn behind_a_proxy() -> Checked<(Sandbox, Proxy, (TempDir, PathBuf))> {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    for object in definitions().into_iter().chain([deployment("web", 1), policy(&day_and_night())]) {
        sandbox.create(object)?;
    }
    let proxy = Proxy::before(admitted(&sandbox)).await;
    let kubeconfig = kubeconfig_for(&proxy)?;
    Ok((sandbox, proxy, kubeconfig))
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_are_cut_are_not_worth_a_warning() -> Checked {
    let (sandbox, proxy, (_directory, kubeconfig)) = behind_a_proxy().await?;
    proxy.trouble.send_replace(Trouble::CutWatches(Duration::from_millis(100)));
    let mut operator = Process::start_with(&kubeconfig, &["--log-format", "json"]).await?;
    in_time("watches to be cut", async {
        while proxy.struck() < 40 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?;
    assert_eq!(operator.terminate().await?.code(), Some(0), "{}", operator.log());
    let log = operator.log();
    let lines: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let warnings: Vec<&Value> = lines.iter().filter(|line| line["level"] != "INFO").collect();
    assert!(!lines.is_empty() && warnings.is_empty(), "{warnings:#?}");
    sandbox.shutdown().await;
    Ok(())
}
