//! A server that misbehaves in as many ways as it has paths.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures::{StreamExt, stream};
use http::StatusCode;
use http::header::CONTENT_TYPE;

const GOOD: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#;

/// A running server.
pub(super) struct Scripted {
    url: String,
    strayed: Arc<AtomicUsize>,
}

impl Scripted {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let strayed = Arc::<AtomicUsize>::default();
        let router = Router::new()
            .route("/{script}/api/v1/query", get(play))
            .fallback(|State(strayed): State<Arc<AtomicUsize>>| async move {
                strayed.fetch_add(1, Ordering::Relaxed);
                GOOD
            })
            .with_state(Arc::clone(&strayed));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, strayed }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many requests came to where a redirect leads.
    pub(super) fn strayed(&self) -> usize {
        self.strayed.load(Ordering::Relaxed)
    }
}

async fn play(Path(script): Path<String>) -> Response {
    let json = |body: &str| ([(CONTENT_TYPE, "application/json")], body.to_owned()).into_response();
    match script.as_str() {
        "good" => json(GOOD),
        // Some gateways forget what they carry; what it is shows.
        "plain-text" => GOOD.into_response(),
        "silent" => std::future::pending().await,
        "drip" => Body::from_stream(drip()).into_response(),
        "cut" => {
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            let parts = [Ok(Bytes::from_static(b"{\"status\"")), Err(broken)];
            Body::from_stream(stream::iter(parts)).into_response()
        }
        "huge" => {
            let chunk = Bytes::from_static(&[b' '; 1024]);
            let chunks = stream::iter(vec![Ok::<_, Infallible>(chunk); 10 * 1024]);
            Body::from_stream(chunks).into_response()
        }
        "redirect" => {
            (StatusCode::FOUND, Redirect::to("/elsewhere").into_response().headers().clone()).into_response()
        }
        "truncated" => json(&GOOD[..GOOD.len() - 10]),
        "html" => ([(CONTENT_TYPE, "text/html")], "<html>Log in</html>").into_response(),
        "empty" => StatusCode::OK.into_response(),
        "unavailable" => (StatusCode::SERVICE_UNAVAILABLE, "upstream connect error").into_response(),
        "timeout" => {
            let body = r#"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#;
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
        "success-with-503" => (StatusCode::SERVICE_UNAVAILABLE, GOOD).into_response(),
        "no-data" => json(r#"{"status":"success"}"#),
        "no-value" => json(r#"{"status":"success","data":{"resultType":"scalar","result":[1]}}"#),
        "forbidden" => (StatusCode::FORBIDDEN, GOOD).into_response(),
        other => panic!("no script {other}"),
    }
}

/// A byte now and then, for ever.
fn drip() -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    let interval = tokio::time::interval(Duration::from_millis(20));
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        Some((Bytes::from_static(b" "), interval))
    })
    .map(Ok)
}
