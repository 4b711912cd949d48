//! Leaders that are processes of their own: told to stop, and frozen.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::stage::{Checked, HOME, in_time};
use crate::support::operator::{day_and_night, definitions, deployment, policy, sandbox_for_processes};
use crate::support::process::Process;

/// A policy with an edge each second for a minute from `first` on.
fn restless(first: Timestamp) -> Value {
    let window = |i: i32| {
        let at =
            (first + SignedDuration::from_secs(i64::from(2 * i))).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        json!({"name": format!("w{i}"), "at": at, "for": "1s", "replicas": 2 + i % 10})
    };
    policy(&json!({"minReplicas": 1, "schedule": {"entries": (0..60).map(window).collect::<Vec<_>>()}}))
}

async fn metric(process: &Process, name: &str, wanted: impl Fn(u64) -> bool) -> Checked<u64> {
    in_time(name, async {
        loop {
            let value = process.metric(name).await?;
            if wanted(value) {
                return Ok(value);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

async fn operator(kubeconfig: &Path) -> Checked<Process> {
    let elected =
        ["--interval", "1s", "--leader-elect", "--lease-duration", "15s", "--lease-namespace", HOME];
    Process::start_with(kubeconfig, &elected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_stop_hands_over_long_before_its_lease_ends() -> Checked {
    let (sandbox, _directory, kubeconfig) = sandbox_for_processes().await;
    for object in definitions().into_iter().chain([deployment("web", 1), policy(&day_and_night())]) {
        sandbox.create(object)?;
    }
    // Whoever waits for the end of such a lease waits longer than this test.
    let elected = ["--leader-elect", "--lease-duration", "1h", "--lease-namespace", HOME];
    let mut one = Process::start_with(&kubeconfig, &elected).await?;
    metric(&one, "tidetable_leader", |leads| leads == 1).await?;
    let two = Process::start_with(&kubeconfig, &elected).await?;
    assert_eq!(two.metric("tidetable_leader").await?, 0);
    assert_eq!(one.terminate().await?.code(), Some(0), "{}", one.log());
    metric(&two, "tidetable_leader", |leads| leads == 1).await?;
    sandbox.shutdown().await;
    Ok(())
}

/// How often replicas were written, up and down.
async fn writes(process: &Process) -> Checked<u64> {
    let text = process.serves("/metrics").await?;
    let counts = text.lines().filter(|line| line.starts_with("tidetable_scale_writes_total{"));
    Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_frozen_for_longer_than_its_lease_writes_nothing_when_it_wakes() -> Checked {
    let (sandbox, _directory, kubeconfig) = sandbox_for_processes().await;
    for definition in definitions() {
        sandbox.create(definition)?;
    }
    sandbox.create(deployment("web", 1))?;
    sandbox.create(restless(Timestamp::now()))?;
    let one = operator(&kubeconfig).await?;
    metric(&one, "tidetable_leader", |leads| leads == 1).await?;
    let two = operator(&kubeconfig).await?;
    in_time("a write of the first", async {
        while writes(&one).await? == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?;
    let said = one.log().len();
    one.signal("STOP").await?;
    metric(&two, "tidetable_leader", |leads| leads == 1).await?;
    let before = writes(&two).await?;
    in_time("writes of the second", async {
        while writes(&two).await? < before + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?;
    one.signal("CONT").await?;
    metric(&one, "tidetable_leader", |leads| leads == 0).await?;
    let woken = writes(&one).await?;
    let theirs = writes(&two).await?;
    in_time("more writes of the second", async {
        while writes(&two).await? < theirs + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?;
    assert_eq!(writes(&one).await?, woken, "{}", one.log());
    let log = one.log();
    let (_, resumed) = log[said..].split_once("leads no longer").ok_or("the loss is not in the log")?;
    assert!(!resumed.contains("scaled:"), "{log}");
    Ok(())
}
