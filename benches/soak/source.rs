//! A Prometheus whose answers go up and down, and fail for the last sixth of each hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;

pub(crate) struct Source {
    url: String,
    answers: Arc<Answers>,
}

struct Answers {
    start: Instant,
    hour: Duration,
    requests: AtomicU64,
    failures: AtomicU64,
}

impl Source {
    /// Begins at a full hour, which is as long as `hour` in real time.
    pub(crate) async fn start(hour: Duration) -> Self {
        let answers = Arc::new(Answers {
            start: Instant::now(),
            hour,
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        let shared = Arc::clone(&answers);
        let answer = move || {
            let answer = shared.answer();
            async move { answer }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(any(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, answers }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn requests(&self) -> u64 {
        self.answers.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.answers.failures.load(Ordering::Relaxed)
    }
}

impl Answers {
    fn answer(&self) -> Response {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        let hours = self.start.elapsed().as_secs_f64() / self.hour.as_secs_f64();
        let vector = |result: serde_json::Value| {
            let data = json!({"resultType": "vector", "result": result});
            Json(json!({"status": "success", "data": data})).into_response()
        };
        if hours.fract() < 5.0 / 6.0 {
            let load = 300.0 + 200.0 * (hours / 24.0 * std::f64::consts::TAU).sin();
            return vector(json!([{"metric": {}, "value": [0, load.to_string()]}]));
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        match count % 4 {
            0 => vector(json!([])),
            1 => vector(json!([{"metric": {}, "value": [0, "NaN"]}])),
            2 => (StatusCode::SERVICE_UNAVAILABLE, "query timed out").into_response(),
            _ => (StatusCode::OK, "<html>a page of a proxy</html>").into_response(),
        }
    }
}
