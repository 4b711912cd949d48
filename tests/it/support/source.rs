//! A source of metrics that answers as a test tells it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::serve::Listener;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A value at a time in Unix seconds.
type Curve = Arc<dyn Fn(i64) -> Option<f64> + Send + Sync>;

/// An instant query that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) query: String,
    pub(crate) time: String,
    pub(crate) authorization: Option<String>,
}

#[derive(Default)]
struct Known {
    curves: BTreeMap<String, Curve>,
    asked: Vec<Asked>,
    is_away: bool,
    turned_away: usize,
    /// How many range queries were answered.
    ranges: usize,
    refuses_ranges: bool,
}

type Shared = Arc<Mutex<Known>>;

/// Answers instant and range queries over HTTP. A query without a value has no result.
pub(crate) struct Source {
    url: String,
    known: Shared,
    /// Whether instant queries wait for their answer.
    held: watch::Sender<bool>,
}

impl Source {
    pub(crate) async fn start() -> Self {
        let known = Shared::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/api/v1/query", get(instant))
            .route("/api/v1/query_range", get(range))
            .with_state(Arc::clone(&known));
        let held = watch::Sender::new(false);
        let router = router.layer(Extension(held.subscribe()));
        let door = Door { listener, known: Arc::clone(&known) };
        tokio::spawn(async move { axum::serve(door, router).await });
        Self { url, known, held }
    }

    /// Whether instant queries wait for their answer from now on, or get it now.
    pub(crate) fn hold(&self, whether: bool) {
        self.held.send_replace(whether);
    }

    /// From now on a query has this result, or none.
    pub(crate) fn set(&self, query: &str, value: Option<f64>) {
        self.play(query, move |_| value);
    }

    /// A query has this result at each time in Unix seconds.
    pub(crate) fn play(&self, query: &str, value: impl Fn(i64) -> Option<f64> + Send + Sync + 'static) {
        lock(&self.known).curves.insert(query.to_owned(), Arc::new(value));
    }

    /// Whether range queries are answered.
    pub(crate) fn answer_ranges(&self, whether: bool) {
        lock(&self.known).refuses_ranges = !whether;
    }

    /// How many range queries have been answered.
    pub(crate) fn ranges(&self) -> usize {
        lock(&self.known).ranges
    }

    /// Whether new connections end at once.
    pub(crate) fn away(&self, is_away: bool) {
        lock(&self.known).is_away = is_away;
    }

    /// How many connections have ended at once since this was last asked.
    pub(crate) fn turned_away(&self) -> usize {
        std::mem::take(&mut lock(&self.known).turned_away)
    }

    /// What was asked since this was last asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.known).asked)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A configuration of the operator with this source as `default`.
    pub(crate) fn config(&self) -> String {
        format!("sources: [{{name: default, url: '{}', timeout: 60s}}]", self.url)
    }
}

/// Lets connections in, or not.
struct Door {
    listener: TcpListener,
    known: Shared,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let mut known = lock(&self.known);
            if !known.is_away {
                return (stream, address);
            }
            known.turned_away += 1;
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn instant(
    State(known): State<Shared>,
    Extension(mut held): Extension<watch::Receiver<bool>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Json<Value> {
    let answer = answered(&mut lock(&known), &query, &headers);
    // Without a test there is nobody to hold it.
    let _ = held.wait_for(|held| !held).await;
    answer
}

/// Notes an instant query, and gives its result.
fn answered(known: &mut Known, query: &BTreeMap<String, String>, headers: &HeaderMap) -> Json<Value> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    known.asked.push(Asked {
        query: query["query"].clone(),
        time: query["time"].clone(),
        authorization: authorization.map(str::to_owned),
    });
    let curve = known.curves.get(&query["query"]).cloned();
    let value = curve.and_then(|curve| curve(seconds(query, "time")));
    let sample = value.map(|value| json!({"metric": {}, "value": [0, value.to_string()]}));
    success("vector", sample.as_slice())
}

async fn range(
    State(known): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let mut known = lock(&known);
    if known.refuses_ranges {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    known.ranges += 1;
    let curve = known.curves.get(&query["query"]).cloned();
    let (start, end, step) = (seconds(&query, "start"), seconds(&query, "end"), seconds(&query, "step"));
    let times = std::iter::successors(Some(start), |at| Some(at + step)).take_while(|at| *at <= end);
    let values: Vec<Value> =
        times.filter_map(|at| Some(json!([at, curve.as_ref()?(at)?.to_string()]))).collect();
    let series = (!values.is_empty()).then(|| json!({"metric": {}, "values": values}));
    Ok(success("matrix", series.as_slice()))
}

fn success(kind: &str, result: &[Value]) -> Json<Value> {
    Json(json!({"status": "success", "data": {"resultType": kind, "result": result}}))
}

/// A parameter in Unix seconds.
#[expect(clippy::cast_possible_truncation, reason = "seconds of this century fit")]
fn seconds(query: &BTreeMap<String, String>, name: &str) -> i64 {
    query[name].parse::<f64>().expect("a number") as i64
}

fn lock(known: &Shared) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
