//! Faults on demand, between a client and the sandbox: latency, errors, throttling, watches that are cut or
//! late, a server that freezes, a Prometheus that answers wrongly.
//!
//! Whether the nth request of a method and path fails is a function of the seed, the path and n alone, so the
//! same requests fail in every run, in whatever order concurrent ones arrive. Durations are real time, as
//! the timeouts of clients are. Faults know HTTP and nothing of what the server behind them does.

mod spec;

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::{Stream, StreamExt};
use http::{StatusCode, header};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

pub use spec::{Fault, FaultError, HowOften};

use super::error::ApiError;
use super::request::Parameters;

/// How many events of a late watch are on their way at once.
const ON_THEIR_WAY: usize = 1024;

/// Faults and the seed that they are drawn with.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Another seed makes other requests fail.
    pub seed: u64,
}

impl Faults {
    /// The routes of an API server, with these faults before them.
    pub(crate) fn before_api(&self, router: Router) -> Router {
        if self.faults.is_empty() {
            return router;
        }
        let suffering = Arc::new(Suffering::new(self));
        router.layer(axum::middleware::from_fn_with_state(suffering, api))
    }

    /// The routes of a Prometheus, with these faults before them.
    pub(crate) fn before_prometheus(&self, router: Router) -> Router {
        if !self.faults.iter().any(|fault| matches!(fault, Fault::Prometheus(_))) {
            return router;
        }
        let suffering = Arc::new(Suffering::new(self));
        router.layer(axum::middleware::from_fn_with_state(suffering, prometheus))
    }
}

/// Faults at work.
#[derive(Debug)]
struct Suffering {
    faults: Vec<Fault>,
    seed: u64,
    /// How many requests of each fault and of each method and path there were.
    asked: Mutex<BTreeMap<(usize, String), u64>>,
    frozen: watch::Receiver<bool>,
}

impl Suffering {
    fn new(faults: &Faults) -> Self {
        let times = faults.faults.iter().find_map(|fault| match fault {
            Fault::Frozen { after, length } => Some((*after, *length)),
            Fault::Latency(_)
            | Fault::Errors(_)
            | Fault::Busy(_)
            | Fault::CutWatches(_)
            | Fault::LateWatches(_)
            | Fault::Prometheus(_) => None,
        });
        // The first request may come before the task has run.
        let at_once = times.is_some_and(|(after, _)| after.is_zero());
        let (freeze, frozen) = watch::channel(at_once);
        if let Some((after, length)) = times {
            tokio::spawn(async move {
                tokio::select! {
                    // Nobody waits any more.
                    () = freeze.closed() => {}
                    () = async {
                        sleep(after).await;
                        freeze.send_replace(true);
                        sleep(length).await;
                        freeze.send_replace(false);
                    } => {}
                }
            });
        }
        Self { faults: faults.faults.clone(), seed: faults.seed, asked: Mutex::default(), frozen }
    }

    /// Whether this request is one of those that fail; if so, a number that is drawn with it.
    fn strikes(&self, index: usize, how_often: HowOften, request: &str) -> Option<u64> {
        // A count is of all requests, a rate of those of each kind.
        let key = match how_often {
            HowOften::First(_) => String::new(),
            HowOften::Share(_) => request.to_owned(),
        };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry((index, key)).or_default();
        *count += 1;
        let drawn = mixed(mixed(mixed(self.seed) ^ hashed(&format!("{index} {request}"))) ^ *count);
        let hit = match how_often {
            HowOften::First(most) => *count <= most,
            HowOften::Share(permille) => drawn % 1000 < u64::from(permille),
        };
        hit.then(|| mixed(drawn))
    }
}

/// What the faults do to a request of the API.
async fn api(State(suffering): State<Arc<Suffering>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if matches!(path, "/healthz" | "/livez" | "/readyz") || path.starts_with("/prometheus/") {
        return next.run(request).await;
    }
    // The sender is gone once the freeze is over.
    let _ = suffering.frozen.clone().wait_for(|frozen| !frozen).await;
    let name = format!("{} {path}", request.method());
    let watching = Parameters::of(request.uri()).is_set("watch");
    for (index, fault) in suffering.faults.iter().enumerate() {
        match fault {
            Fault::Latency(latency) => sleep(*latency).await,
            Fault::Errors(how_often) if suffering.strikes(index, *how_often, &name).is_some() => {
                let error = ApiError::internal("a fault that was asked for");
                return (StatusCode::INTERNAL_SERVER_ERROR, Json(error.status())).into_response();
            }
            Fault::Busy(how_often) if suffering.strikes(index, *how_often, &name).is_some() => {
                let text = "Too many requests, please try again later.\n";
                return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], text).into_response();
            }
            Fault::Errors(_)
            | Fault::Busy(_)
            | Fault::CutWatches(_)
            | Fault::LateWatches(_)
            | Fault::Frozen { .. }
            | Fault::Prometheus(_) => {}
        }
    }
    let answer = next.run(request).await;
    // One that is refused has not begun.
    let watches = watching && answer.status().is_success();
    if watches { suffering.watched(answer) } else { answer }
}

impl Suffering {
    fn watched(&self, answer: Response) -> Response {
        let mut answer = answer;
        for fault in &self.faults {
            match fault {
                Fault::CutWatches(after) => answer = answer.map(|body| cut(body, *after)),
                Fault::LateWatches(by) => answer = answer.map(|body| late(body, *by)),
                Fault::Latency(_)
                | Fault::Errors(_)
                | Fault::Busy(_)
                | Fault::Frozen { .. }
                | Fault::Prometheus(_) => {}
            }
        }
        answer
    }
}

/// The body until `after`, when the connection breaks.
fn cut(body: Body, after: Duration) -> Body {
    let broken = || Error::from(ErrorKind::ConnectionReset);
    let end = futures::stream::once(sleep(after)).map(move |()| Err(broken()));
    let lines = body.into_data_stream().map(|line| line.map_err(Error::other));
    Body::from_stream(ends_with_error(futures::stream::select(lines, end)))
}

/// The stream up to its first error.
fn ends_with_error<T>(stream: impl Stream<Item = Result<T, Error>>) -> impl Stream<Item = Result<T, Error>> {
    stream.scan(false, |over, item| {
        let before = std::mem::replace(over, item.is_err());
        std::future::ready((!before).then_some(item))
    })
}

/// The body, every line of it late.
fn late(body: Body, by: Duration) -> Body {
    let lines = body.into_data_stream().map(move |line| async move {
        sleep(by).await;
        line
    });
    Body::from_stream(lines.buffered(ON_THEIR_WAY))
}

/// What the faults do to a query.
async fn prometheus(State(suffering): State<Arc<Suffering>>, request: Request, next: Next) -> Response {
    let name = format!("{} {}", request.method(), request.uri().path());
    for (index, fault) in suffering.faults.iter().enumerate() {
        if let Fault::Prometheus(how_often) = fault
            && let Some(drawn) = suffering.strikes(index, *how_often, &name)
        {
            return wrong(drawn);
        }
    }
    next.run(request).await
}

/// One of the wrong answers that Prometheus and what stands before it give.
fn wrong(drawn: u64) -> Response {
    let vector = |result: serde_json::Value| {
        let data = json!({"resultType": "vector", "result": result});
        Json(json!({"status": "success", "data": data})).into_response()
    };
    match drawn % 4 {
        0 => vector(json!([])),
        1 => vector(json!([{"metric": {}, "value": [0, "NaN"]}])),
        2 => {
            let body = json!({"status": "error", "errorType": "timeout", "error": "query timed out"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
        _ => (StatusCode::OK, "<html>a page of a proxy</html>").into_response(),
    }
}

/// FNV-1a.
fn hashed(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The step and the output function of `SplitMix64`.
fn mixed(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
