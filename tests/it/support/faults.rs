//! An API server that does what it is told, but whose answer gets lost on the way, or that refuses.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use kube::Client;

/// What becomes of a write of `/scale`, which itself is carried out unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Another one takes its place.
    Status(StatusCode),
    /// The connection breaks in the middle of it.
    Cut,
    /// It never comes.
    Silence,
    /// Nothing is carried out: the server is overloaded, and asks to be left alone for so many seconds.
    Overload(u16),
    /// Somebody else sets so many replicas a moment before.
    Forestalled(i32),
}

/// A client that talks to `client`'s server through a proxy. The next write of a `/scale` takes `fault`
/// out and suffers from it.
pub(crate) async fn between(client: Client, fault: Arc<Mutex<Option<Fault>>>) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router =
        axum::Router::new().fallback(move |request| forward(client.clone(), Arc::clone(&fault), request));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut config = kube::Config::new(url.parse().expect("a URL"));
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

async fn forward(client: Client, fault: Arc<Mutex<Option<Fault>>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let is_scaling = head.method == Method::PATCH && head.uri.path().ends_with("/scale");
    let fault = if is_scaling { fault.lock().expect("not poisoned").take() } else { None };
    if let Some(Fault::Overload(seconds)) = fault {
        let header = [(http::header::RETRY_AFTER, seconds.to_string())];
        return (StatusCode::TOO_MANY_REQUESTS, header, "Too many requests, please try again later.")
            .into_response();
    }
    if let Some(Fault::Forestalled(replicas)) = fault {
        let theirs = serde_json::json!({"spec": {"replicas": replicas}}).to_string();
        let write = http::Request::patch(format!("{}?fieldManager=person", head.uri.path()))
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(theirs.into_bytes().into());
        let written = client.send(write.expect("a request")).await.expect("an answer");
        assert!(written.status().is_success(), "{written:?}");
    }
    head.headers.remove(http::header::HOST);
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let answer = client.send(http::Request::from_parts(head, body.to_vec().into())).await.expect("an answer");
    match fault {
        None | Some(Fault::Overload(_) | Fault::Forestalled(_)) => answer.map(Body::new),
        Some(Fault::Status(code)) => code.into_response(),
        Some(Fault::Cut) => {
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Body::from_stream(futures::stream::iter([Err::<Vec<u8>, _>(broken)])).into_response()
        }
        Some(Fault::Silence) => std::future::pending().await,
    }
}
