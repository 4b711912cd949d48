//! A source of metrics that answers as a test tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// A value at a time in Unix seconds.
type Curve = Arc<dyn Fn(i64) -> Option<f64> + Send + Sync>;

#[derive(Clone, Default)]
struct Answers {
    curves: Arc<Mutex<BTreeMap<String, Curve>>>,
    /// How many range queries were answered, and whether they are.
    ranges: Arc<Mutex<(usize, bool)>>,
}

/// Answers instant and range queries over HTTP. A query without a value has no result.
pub(crate) struct Source {
    url: String,
    answers: Answers,
}

impl Source {
    pub(crate) async fn start() -> Self {
        let answers = Answers::default();
        lock(&answers.ranges).1 = true;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/api/v1/query", get(instant))
            .route("/api/v1/query_range", get(range))
            .with_state(answers.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, answers }
    }

    /// From now on a query has this result, or none.
    pub(crate) fn set(&self, query: &str, value: Option<f64>) {
        self.play(query, move |_| value);
    }

    /// A query has this result at each time in Unix seconds.
    pub(crate) fn play(&self, query: &str, value: impl Fn(i64) -> Option<f64> + Send + Sync + 'static) {
        lock(&self.answers.curves).insert(query.to_owned(), Arc::new(value));
    }

    /// Whether range queries are answered.
    pub(crate) fn answer_ranges(&self, whether: bool) {
        lock(&self.answers.ranges).1 = whether;
    }

    /// How many range queries have been answered.
    pub(crate) fn ranges(&self) -> usize {
        lock(&self.answers.ranges).0
    }

    /// A configuration of the operator with this source as `default`.
    pub(crate) fn config(&self) -> String {
        format!("sources: [{{name: default, url: '{}'}}]", self.url)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn success(kind: &str, result: &[Value]) -> Json<Value> {
    Json(json!({"status": "success", "data": {"resultType": kind, "result": result}}))
}

/// A parameter in Unix seconds.
#[expect(clippy::cast_possible_truncation, reason = "seconds of this century fit")]
fn seconds(query: &BTreeMap<String, String>, name: &str) -> i64 {
    query[name].parse::<f64>().expect("a number") as i64
}

async fn instant(
    State(answers): State<Answers>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    let curve = lock(&answers.curves).get(&query["query"]).cloned();
    let value = curve.and_then(|curve| curve(seconds(&query, "time")));
    let sample = value.map(|value| json!({"metric": {}, "value": [0, value.to_string()]}));
    success("vector", sample.as_slice())
}

async fn range(
    State(answers): State<Answers>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    {
        let mut ranges = lock(&answers.ranges);
        if !ranges.1 {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        ranges.0 += 1;
    }
    let curve = lock(&answers.curves).get(&query["query"]).cloned();
    let (start, end, step) = (seconds(&query, "start"), seconds(&query, "end"), seconds(&query, "step"));
    let times = std::iter::successors(Some(start), |at| Some(at + step)).take_while(|at| *at <= end);
    let values: Vec<Value> =
        times.filter_map(|at| Some(json!([at, curve.as_ref()?(at)?.to_string()]))).collect();
    let series = (!values.is_empty()).then(|| json!({"metric": {}, "values": values}));
    Ok(success("matrix", series.as_slice()))
}
