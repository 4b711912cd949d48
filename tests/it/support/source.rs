//! A source of metrics that answers as a test tells it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::serve::Listener;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) query: String,
    pub(crate) time: String,
    pub(crate) authorization: Option<String>,
}

#[derive(Default)]
struct Known {
    values: BTreeMap<String, f64>,
    asked: Vec<Asked>,
    is_away: bool,
    turned_away: usize,
}

type Shared = Arc<Mutex<Known>>;

/// Answers instant queries over HTTP. A query without a value has no result.
pub(crate) struct Source {
    url: String,
    known: Shared,
}

impl Source {
    pub(crate) async fn start() -> Self {
        let known = Shared::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/api/v1/query", get(answer)).with_state(Arc::clone(&known));
        let door = Door { listener, known: Arc::clone(&known) };
        tokio::spawn(async move { axum::serve(door, router).await });
        Self { url, known }
    }

    /// From now on a query has this result, or none.
    pub(crate) fn set(&self, query: &str, value: Option<f64>) {
        let mut known = lock(&self.known);
        match value {
            Some(value) => known.values.insert(query.to_owned(), value),
            None => known.values.remove(query),
        };
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
        format!("sources: [{{name: default, url: '{}'}}]", self.url)
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

async fn answer(
    State(known): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let mut known = lock(&known);
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    known.asked.push(Asked {
        query: query["query"].clone(),
        time: query["time"].clone(),
        authorization: authorization.map(str::to_owned),
    });
    let samples: Vec<_> = known
        .values
        .get(&query["query"])
        .iter()
        .map(|value| json!({"metric": {}, "value": [0, value.to_string()]}))
        .collect();
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": samples}});
    (StatusCode::OK, body.to_string())
}

fn lock(known: &Shared) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
