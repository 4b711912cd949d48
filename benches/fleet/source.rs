//! A Prometheus that answers every query with one number and counts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;

pub(crate) struct Source {
    url: String,
    requests: Arc<AtomicU64>,
}

impl Source {
    pub(crate) async fn start(value: f64) -> Self {
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        let answer = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let sample = json!({"metric": {}, "value": [0, value.to_string()]});
            let data = json!({"resultType": "vector", "result": [sample]});
            async move { Json(json!({"status": "success", "data": data})) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/api/v1/query", any(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, requests }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}
