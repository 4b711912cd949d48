//! A stand-in for a Prometheus server behind the sandbox: `/api/v1/query` and `/api/v1/query_range` in Prometheus'
//! format. It is no PromQL engine: whoever runs a scenario says what a query says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::faults::Faults;
use crate::clock::Clock;

/// A query, and where its answer goes.
#[derive(Debug)]
pub struct Question {
    /// The expression.
    pub query: String,
    /// For when.
    pub asked: Asked,
    /// Who waits for it.
    pub reply: oneshot::Sender<Said>,
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// At one instant.
    At(Timestamp),
    /// From one instant to another, both included.
    Range {
        /// The first one.
        from: Timestamp,
        /// The last one.
        until: Timestamp,
    },
}

impl Asked {
    /// The instant, or the last one.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::At(at) | Self::Range { until: at, .. } => *at,
        }
    }
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The values of one series, or none.
    Values(Vec<(Timestamp, f64)>),
    /// Nothing: the connection breaks.
    Away,
}

/// A running endpoint. It stops when dropped.
#[derive(Debug)]
pub struct PrometheusEndpoint {
    address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

/// What the endpoint works with.
#[derive(Debug)]
struct Desk {
    questions: mpsc::UnboundedSender<Question>,
    /// What time it is when a query names none.
    clock: Clock,
}

impl PrometheusEndpoint {
    /// Starts an endpoint on a free port of loopback that answers wrongly when it is told to. What it is asked comes
    /// out of the receiver.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(
        clock: Clock,
        faults: &Faults,
    ) -> std::io::Result<(Self, mpsc::UnboundedReceiver<Question>)> {
        let (questions, asked) = mpsc::unbounded_channel();
        let router = faults.before_prometheus(router(Desk { questions, clock }));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(axum::serve(listener, router).into_future());
        Ok((Self { address, task }, asked))
    }

    /// The base URL of the endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for PrometheusEndpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(desk: Desk) -> Router {
    let instant = get(|State(desk), Query(asked)| async move { instant(&desk, asked).await })
        .post(|State(desk), Form(asked)| async move { instant(&desk, asked).await });
    let range = get(|State(desk), Query(asked)| async move { range(&desk, asked).await })
        .post(|State(desk), Form(asked)| async move { range(&desk, asked).await });
    Router::new()
        .route("/api/v1/query", instant)
        .route("/api/v1/query_range", range)
        .with_state(Arc::new(desk))
}

#[derive(Deserialize)]
struct Parameters {
    query: Option<String>,
    time: Option<String>,
    start: Option<String>,
    end: Option<String>,
}

async fn instant(desk: &Arc<Desk>, parameters: Parameters) -> Response {
    let at = match parameters.time.as_deref() {
        None => Ok(desk.clock.now()),
        Some(text) => time("time", Some(text)),
    };
    match at {
        Ok(at) => ask(desk, parameters.query, Asked::At(at)).await,
        Err(problem) => refuse(&problem),
    }
}

async fn range(desk: &Arc<Desk>, parameters: Parameters) -> Response {
    match (time("start", parameters.start.as_deref()), time("end", parameters.end.as_deref())) {
        (Ok(from), Ok(until)) if from <= until => {
            ask(desk, parameters.query, Asked::Range { from, until }).await
        }
        (Ok(_), Ok(_)) => {
            refuse("invalid parameter \"end\": end timestamp must not be before start timestamp")
        }
        (Err(problem), _) | (_, Err(problem)) => refuse(&problem),
    }
}

async fn ask(desk: &Arc<Desk>, query: Option<String>, asked: Asked) -> Response {
    let Some(query) = query.filter(|query| !query.trim().is_empty()) else {
        return refuse("invalid parameter \"query\": unknown position: parse error: no expression found");
    };
    let (reply, said) = oneshot::channel();
    // Who answers may have gone: then the server has, too.
    let _ = desk.questions.send(Question { query, asked, reply });
    let Ok(Said::Values(values)) = said.await else { return broken() };
    let sample = |(at, value): &(Timestamp, f64)| json!([at.as_duration().as_secs_f64(), value.to_string()]);
    let (kind, result): (_, Vec<Value>) = match asked {
        Asked::At(_) => {
            ("vector", values.iter().map(|value| json!({"metric": {}, "value": sample(value)})).collect())
        }
        Asked::Range { .. } if values.is_empty() => ("matrix", Vec::new()),
        Asked::Range { .. } => {
            let samples: Vec<Value> = values.iter().map(sample).collect();
            ("matrix", vec![json!({"metric": {}, "values": samples})])
        }
    };
    Json(json!({"status": "success", "data": {"resultType": kind, "result": result}})).into_response()
}

fn refuse(problem: &str) -> Response {
    let body = json!({"status": "error", "errorType": "bad_data", "error": problem});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// An answer in the middle of which the connection breaks.
fn broken() -> Response {
    let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Body::from_stream(futures::stream::iter([Err::<Vec<u8>, _>(cut)])).into_response()
}

fn time(parameter: &str, text: Option<&str>) -> Result<Timestamp, String> {
    let text = text.unwrap_or_default();
    let problem = || format!("invalid parameter {parameter:?}: cannot parse {text:?} to a valid timestamp");
    parse_time(text).ok_or_else(problem)
}

/// Unix seconds or RFC 3339, as in Prometheus' API.
fn parse_time(text: &str) -> Option<Timestamp> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.abs() < 1e11);
    match seconds {
        Some(seconds) => Timestamp::from_duration(SignedDuration::from_secs_f64(seconds)).ok(),
        None => text.parse().ok(),
    }
}
