//! A stand-in for a Prometheus server behind the sandbox: `/api/v1/query` in Prometheus' format, answered
//! from a simulation's traffic. It is no PromQL engine: a query that names `http_requests_total` gets the
//! traffic's rate as the simulation measures it, and any other an empty vector.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Form, Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::faults::Faults;
use crate::clock::Clock;
use crate::simulation::measurement::Measurement;
use crate::simulation::traffic::Traffic;

/// The metric that the traffic is counted in.
const METRIC: &str = "http_requests_total";

/// What the endpoint answers from.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What comes in.
    pub traffic: Arc<Traffic>,
    /// How it is measured.
    pub measurement: Measurement,
    /// What time it is when a query names none.
    pub clock: Clock,
}

/// A running endpoint. It stops when dropped.
#[derive(Debug)]
pub struct PrometheusEndpoint {
    address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

impl PrometheusEndpoint {
    /// Starts an endpoint on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(measured: Measured) -> std::io::Result<Self> {
        Self::start_with(measured, &Faults::default()).await
    }

    /// Starts an endpoint that answers wrongly when it is told to.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_with(measured: Measured, faults: &Faults) -> std::io::Result<Self> {
        let router = faults.before_prometheus(router(measured));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { address, task })
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

fn router(measured: Measured) -> Router {
    let instant = get(|State(measured), Query(question)| async move { answer(&measured, &question) })
        .post(|State(measured), Form(question)| async move { answer(&measured, &question) });
    Router::new().route("/api/v1/query", instant).with_state(Arc::new(measured))
}

#[derive(Deserialize)]
struct Question {
    query: Option<String>,
    time: Option<String>,
}

fn answer(measured: &Arc<Measured>, question: &Question) -> (StatusCode, Json<Value>) {
    let refuse = |error: String| {
        let body = json!({"status": "error", "errorType": "bad_data", "error": error});
        (StatusCode::BAD_REQUEST, Json(body))
    };
    let Some(query) = question.query.as_deref().filter(|query| !query.trim().is_empty()) else {
        return refuse(
            "invalid parameter \"query\": unknown position: parse error: no expression found".to_owned(),
        );
    };
    let at = match question.time.as_deref() {
        None => measured.clock.now(),
        Some(text) => match parse_time(text) {
            Some(at) => at,
            None => {
                return refuse(format!(
                    "invalid parameter \"time\": cannot parse {text:?} to a valid timestamp"
                ));
            }
        },
    };
    let result = if query.contains(METRIC) {
        let rate = measured.measurement.rate(&measured.traffic, at);
        let sample =
            |rate: f64| json!({"metric": {}, "value": [at.as_duration().as_secs_f64(), rate.to_string()]});
        rate.map(sample).into_iter().collect()
    } else {
        json!([])
    };
    (StatusCode::OK, Json(json!({"status": "success", "data": {"resultType": "vector", "result": result}})))
}

/// Unix seconds or RFC 3339, as in Prometheus' API.
fn parse_time(text: &str) -> Option<Timestamp> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.abs() < 1e11);
    match seconds {
        Some(seconds) => Timestamp::from_duration(SignedDuration::from_secs_f64(seconds)).ok(),
        None => text.parse().ok(),
    }
}
