//! From a decision to the target: a compare-and-set on the one number that matters, or on the two bounds of a
//! HorizontalPodAutoscaler. If somebody else has written in between, nothing is overwritten, and the caller
//! looks again.

use super::cluster::{CallError, Cluster, ScaleSeen};
use super::setting::Setting;
use crate::api::ScaleTargetRef;
use crate::decision::Mode;

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The workload already has the replicas that it should have.
    Unchanged,
    /// They were written, and this is how the workload is since.
    Scaled(ScaleSeen),
    /// They were not written because the policy only tries.
    DryRun,
    /// Somebody else has written since they were observed; nothing was changed.
    Overtaken,
}

/// Turns what was observed into what was decided, if there is anything to write.
pub(super) async fn apply(
    cluster: &Cluster,
    namespace: &str,
    target: &ScaleTargetRef,
    mode: Mode,
    observed: Setting,
    desired: Setting,
) -> Result<Applied, CallError> {
    match mode {
        Mode::DryRun | Mode::Paused => return Ok(Applied::DryRun),
        Mode::Active => {}
    }
    if observed == desired {
        return Ok(Applied::Unchanged);
    }
    let patch = observed.compare_and_set(desired);
    match cluster.patch_scale(namespace, target, &patch).await {
        Ok(seen) => Ok(Applied::Scaled(seen)),
        Err(CallError::Unprocessable(message)) => {
            // An admission rule answers with the same code as a failed test: the number tells them apart.
            let now = cluster.scale(namespace, target).await?;
            if now.setting == observed {
                Err(CallError::Unprocessable(message))
            } else {
                Ok(Applied::Overtaken)
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Json;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use serde_json::json;

    use super::super::leader::Leadership;
    use super::*;
    use crate::clock::Clock;
    use crate::decision::Replicas;

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
        Cluster::new(client, Duration::from_secs(5), 1, leadership, Clock::real())
    }

    fn target() -> ScaleTargetRef {
        ScaleTargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() }
    }

    fn replicas(count: i32) -> Setting {
        Setting::Replicas(Replicas::new(count))
    }

    #[tokio::test]
    async fn a_refused_patch_is_a_lost_race_only_when_the_number_has_changed() {
        for (code, now, expected) in [
            (422, 4, Ok(Applied::Overtaken)),
            (422, 3, Err("unprocessable")),
            (403, 3, Err("forbidden")),
            (404, 3, Err("not-found")),
            (429, 3, Err("refused")),
            (503, 3, Err("refused")),
        ] {
            let cluster = refusing(code, now).await;
            let applied = apply(&cluster, "shop", &target(), Mode::Active, replicas(3), replicas(5)).await;
            assert_eq!(applied.map_err(|error| error.category()), expected, "{code} at {now}");
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_in_a_dry_run_or_without_a_change() {
        let cluster = refusing(503, 3).await;
        for (mode, observed, expected) in [
            (Mode::DryRun, 3, Applied::DryRun),
            (Mode::Paused, 3, Applied::DryRun),
            (Mode::Active, 5, Applied::Unchanged),
        ] {
            let applied = apply(&cluster, "shop", &target(), mode, replicas(observed), replicas(5)).await;
            assert_eq!(applied.map_err(|error| error.category()), Ok(expected), "{mode:?}");
        }
    }
}
