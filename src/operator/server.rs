//! Health and metrics over HTTP.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use crate::clock::Clock;

/// What Prometheus wants to be told about the format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the endpoints show.
#[derive(Clone)]
pub(super) struct Shown {
    /// Whether all policies are known.
    pub(super) ready: Arc<AtomicBool>,
    /// The operator's own metrics.
    pub(super) metrics: Arc<Metrics>,
    /// The operator's time.
    pub(super) clock: Clock,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `shutdown`.
pub(super) async fn serve(
    listener: TcpListener,
    shown: Shown,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown);
    tokio::select! {
        result = axum::serve(listener, router).into_future() => result,
        () = shutdown.cancelled() => Ok(()),
    }
}

async fn readyz(State(shown): State<Shown>) -> (StatusCode, &'static str) {
    if shown.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the policies are not read yet\n")
    }
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], shown.metrics.encode(shown.clock.now()))
}
