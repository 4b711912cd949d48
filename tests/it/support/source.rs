//! A source of metrics that answers as a test tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;

type Values = Arc<Mutex<BTreeMap<String, f64>>>;

/// Answers instant queries over HTTP. A query without a value has no result.
pub(crate) struct Source {
    url: String,
    values: Values,
}

impl Source {
    pub(crate) async fn start() -> Self {
        let values = Values::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/api/v1/query", get(answer)).with_state(Arc::clone(&values));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, values }
    }

    /// From now on a query has this result, or none.
    pub(crate) fn set(&self, query: &str, value: Option<f64>) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => values.insert(query.to_owned(), value),
            None => values.remove(query),
        };
    }

    /// A configuration of the operator with this source as `default`.
    pub(crate) fn config(&self) -> String {
        format!("sources: [{{name: default, url: '{}'}}]", self.url)
    }
}

async fn answer(
    State(values): State<Values>,
    Query(query): Query<BTreeMap<String, String>>,
) -> (StatusCode, String) {
    let value = values.lock().unwrap_or_else(PoisonError::into_inner).get(&query["query"]).copied();
    let samples: Vec<_> =
        value.iter().map(|value| json!({"metric": {}, "value": [0, value.to_string()]})).collect();
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": samples}});
    (StatusCode::OK, body.to_string())
}
