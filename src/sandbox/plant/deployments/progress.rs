//! What the status of a Deployment says: its counts and its conditions (Kubernetes, `pkg/controller/deployment`).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::rollout::Limits;
use super::super::{Set, whole_seconds};
use super::Rollout;

/// When the status of a Deployment says something else by itself for the next time.
pub(in super::super) fn deadline(deployment: &Value) -> Option<Timestamp> {
    let progressing = condition(deployment, "Progressing")?;
    if matches!(progressing["reason"].as_str(), Some("NewReplicaSetAvailable" | "ProgressDeadlineExceeded")) {
        return None;
    }
    let since: Timestamp = progressing["lastUpdateTime"].as_str()?.parse().ok()?;
    let seconds = deployment["spec"]["progressDeadlineSeconds"].as_i64()?;
    since.checked_add(SignedDuration::from_secs(seconds.saturating_add(1))).ok()
}

/// The status of a Deployment.
pub(super) fn status(rollout: &Rollout, now: Timestamp) -> Value {
    let deployment = &rollout.deployment;
    let limits = Limits::of(&deployment["spec"]);
    let new = rollout.new_set();
    let sum = |of: fn(&Set) -> i64| rollout.sets.iter().map(of).sum::<i64>();
    let (all, ready) = (sum(|set| set.pods), sum(|set| set.ready));
    let available = sum(|set| set.count.available);
    let asked = sum(|set| set.count.replicas);
    let updated = new.map_or(0, |new| rollout.sets[new].pods);
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    for (key, count) in [
        ("replicas", all),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", asked - available),
    ] {
        if count > 0 {
            status[key] = count.into();
        }
    }
    let enough = available >= limits.wanted - limits.unavailable;
    let mut conditions = vec![if enough {
        let message = "Deployment has minimum availability.";
        made(deployment, "Available", "True", "MinimumReplicasAvailable", message, now)
    } else {
        let message = "Deployment does not have minimum availability.";
        made(deployment, "Available", "False", "MinimumReplicasUnavailable", message, now)
    }];
    conditions.extend(progress(rollout, &status, now));
    let failure = rollout.sets.iter().rev().find_map(|set| set.failure.as_ref());
    if let Some(message) = failure {
        conditions.push(made(deployment, "ReplicaFailure", "True", "FailedCreate", message, now));
    }
    status["conditions"] = conditions.into();
    status
}

/// Whether the rollout gets anywhere.
fn progress(rollout: &Rollout, status: &Value, now: Timestamp) -> Option<Value> {
    let deployment = &rollout.deployment;
    let deadline = deployment["spec"]["progressDeadlineSeconds"].as_i64()?;
    let before = condition(deployment, "Progressing");
    let reason = before.and_then(|before| before["reason"].as_str()).unwrap_or_default();
    let count = |status: &Value, key: &str| status[key].as_i64().unwrap_or_default();
    if deployment["spec"]["paused"] == true && reason != "ProgressDeadlineExceeded" {
        let message = "Deployment is paused";
        return Some(made(deployment, "Progressing", "Unknown", "DeploymentPaused", message, now));
    }
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let new = rollout.new_set().map(|new| &rollout.sets[new]);
    let name = new.map_or(rollout.name(), |set| set.place().1);
    let is_updated = count(status, "replicas") == count(status, "updatedReplicas");
    if is_updated && reason == "NewReplicaSetAvailable" {
        return before.cloned();
    }
    let complete =
        ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|key| count(status, key) == wanted);
    if complete && new.is_some() {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        return Some(made(deployment, "Progressing", "True", "NewReplicaSetAvailable", &message, now));
    }
    let old = &deployment["status"];
    let outdated = |status: &Value| count(status, "replicas") - count(status, "updatedReplicas");
    let more = |key: &str| count(status, key) > count(old, key);
    let moves = ["updatedReplicas", "readyReplicas", "availableReplicas"].iter().any(|key| more(key))
        || outdated(status) < outdated(old);
    if before.is_none()
        || (moves && before.is_some())
        || matches!(reason, "NewReplicaSetAvailable" | "DeploymentPaused")
    {
        let (reason, message) = if before.is_none() && new.is_some_and(|set| set.count.available == 0) {
            ("NewReplicaSetCreated", format!("Created new replica set \"{name}\""))
        } else {
            ("ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing."))
        };
        let mut condition = made(deployment, "Progressing", "True", reason, &message, now);
        condition["lastUpdateTime"] = json!(whole_seconds(now));
        return Some(condition);
    }
    let since = before.and_then(|before| before["lastUpdateTime"].as_str()?.parse::<Timestamp>().ok());
    if since.is_some_and(|since| now.duration_since(since).as_secs() > deadline)
        && reason != "ProgressDeadlineExceeded"
    {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        return Some(made(deployment, "Progressing", "False", "ProgressDeadlineExceeded", &message, now));
    }
    before.cloned()
}

fn condition<'a>(deployment: &'a Value, kind: &str) -> Option<&'a Value> {
    deployment["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// A condition, with the times of the one before where it says the same.
fn made(deployment: &Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    let before = condition(deployment, kind);
    let time = |same: Option<&Value>, key: &str| {
        same.map_or_else(|| json!(whole_seconds(now)), |same| same[key].clone())
    };
    let changed = before.filter(|before| before["status"] == status);
    let updated = before.filter(|before| before["reason"] == reason && before["message"] == message);
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": time(changed, "lastTransitionTime"), "lastUpdateTime": time(updated, "lastUpdateTime"),
    })
}
