//! From a decision to the scale subresource: a compare-and-set on the one number that matters.
//!
//! The patch tests for the number that was observed and sets the one that is desired. If somebody else
//! has written in between, the test fails, nothing is overwritten, and the caller looks again. At zero
//! the API server leaves the field out, so there the test is for `null`; `add` sets it either way.

use serde_json::{Value, json};

use super::cluster::{CallError, Cluster};
use crate::api::ScaleTargetRef;
use crate::decision::{Decision, Mode, Replicas};

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The workload already has the replicas that it should have.
    Unchanged,
    /// They were written.
    Scaled,
    /// They were not written because the policy only tries.
    DryRun,
    /// Somebody else has written since they were observed; nothing was changed.
    Overtaken,
}

/// Writes the decision, if there is anything to write.
pub(super) async fn apply(
    cluster: &Cluster,
    namespace: &str,
    target: &ScaleTargetRef,
    mode: Mode,
    decision: &Decision,
) -> Result<Applied, CallError> {
    match mode {
        Mode::DryRun | Mode::Paused => return Ok(Applied::DryRun),
        Mode::Active => {}
    }
    if !decision.is_change() {
        return Ok(Applied::Unchanged);
    }
    let patch = compare_and_set(decision.observed, decision.desired);
    match cluster.patch_scale(namespace, target, &patch).await {
        Ok(()) => Ok(Applied::Scaled),
        Err(CallError::Unprocessable(message)) => {
            // An admission rule answers with the same code as a failed test: the number tells them apart.
            let now = cluster.scale(namespace, target).await?;
            if now.replicas == decision.observed {
                Err(CallError::Unprocessable(message))
            } else {
                Ok(Applied::Overtaken)
            }
        }
        Err(error) => Err(error),
    }
}

/// The JSON patch that turns `seen` into `desired` and anything else into an error.
fn compare_and_set(seen: Replicas, desired: Replicas) -> Value {
    let seen = if seen == Replicas::ZERO { Value::Null } else { json!(seen.get()) };
    json!([
        {"op": "test", "path": "/spec/replicas", "value": seen},
        {"op": "add", "path": "/spec/replicas", "value": desired.get()},
    ])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Json;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;

    use super::super::leader::Leadership;
    use super::*;
    use crate::clock::Clock;
    use crate::decision::{History, Observation, Policy, decide};

    /// An API server whose workload has `now` replicas and that refuses each patch with `code`.
    async fn refusing(code: u16, now: i32) -> Cluster {
        let scale =
            move || async move { Json(json!({"metadata": {"name": "web"}, "spec": {"replicas": now}})) };
        let refuse = move || async move {
            let status = json!({"kind": "Status", "status": "Failure", "code": code, "message": "no"});
            (StatusCode::from_u16(code).expect("a code"), Json(status)).into_response()
        };
        let path = "/apis/apps/v1/namespaces/shop/deployments/web/scale";
        let router = axum::Router::new().route(path, get(scale).patch(refuse));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        super::super::install_crypto_provider();
        let mut config = kube::Config::new(url.parse().expect("a URL"));
        config.default_retry = false;
        let client = kube::Client::try_from(config).expect("a client");
        let leadership = Arc::new(Leadership::alone(Clock::real()));
        Cluster::new(client, Duration::from_secs(5), 1, leadership)
    }

    fn three_to_five() -> (Policy, ScaleTargetRef, Decision) {
        let spec: crate::api::ScalePolicySpec = serde_saphyr::from_str(
            "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\nmaxReplicas: 9\n\
             schedule: {entries: [{name: all, cron: '0 0 * * *', replicas: 5}]}\n",
        )
        .expect("a spec");
        let policy = crate::policy::validate(&spec).expect("a policy");
        let at = "2026-11-23T07:00:00Z".parse().expect("a timestamp");
        let decision = decide(&policy, &History::default(), &Observation::new(at, Replicas::new(3)));
        (policy, spec.scale_target_ref, decision)
    }

    #[tokio::test]
    async fn a_refused_patch_is_a_lost_race_only_when_the_number_has_changed() {
        let (policy, target, decision) = three_to_five();
        for (code, now, expected) in [
            (422, 4, Ok(Applied::Overtaken)),
            (422, 3, Err("unprocessable")),
            (403, 3, Err("forbidden")),
            (404, 3, Err("not-found")),
            (429, 3, Err("refused")),
            (503, 3, Err("refused")),
        ] {
            let cluster = refusing(code, now).await;
            let applied = apply(&cluster, "shop", &target, policy.mode, &decision).await;
            assert_eq!(applied.map_err(|error| error.category()), expected, "{code} at {now}");
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_in_a_dry_run_or_without_a_change() {
        let (_, target, decision) = three_to_five();
        let cluster = refusing(503, 3).await;
        let same = Decision { observed: decision.desired, ..decision.clone() };
        for (mode, decision, expected) in [
            (Mode::DryRun, &decision, Applied::DryRun),
            (Mode::Paused, &decision, Applied::DryRun),
            (Mode::Active, &same, Applied::Unchanged),
        ] {
            let applied = apply(&cluster, "shop", &target, mode, decision).await;
            assert_eq!(applied.map_err(|error| error.category()), Ok(expected), "{mode:?}");
        }
    }

    #[test]
    fn the_patch_tests_for_the_number_that_was_seen_and_for_null_at_zero() {
        for (seen, desired, text) in [
            (
                2,
                5,
                r#"[{"op":"test","path":"/spec/replicas","value":2},{"op":"add","path":"/spec/replicas","value":5}]"#,
            ),
            (
                0,
                1,
                r#"[{"op":"test","path":"/spec/replicas","value":null},{"op":"add","path":"/spec/replicas","value":1}]"#,
            ),
            (
                1,
                0,
                r#"[{"op":"test","path":"/spec/replicas","value":1},{"op":"add","path":"/spec/replicas","value":0}]"#,
            ),
        ] {
            let expected: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(compare_and_set(Replicas::new(seen), Replicas::new(desired)), expected);
        }
    }
}
