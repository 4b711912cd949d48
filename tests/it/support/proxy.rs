//! A network that fails: what stands between an operator and its API server, and what goes wrong there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::{Stream, StreamExt};
use http::{Method, StatusCode, header};
use kube::Client;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What goes wrong. Whenever it is set, be it to the same, watches end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    /// Connections break, and none can be made.
    Gone,
    /// Connections stay, and nothing comes through them any more, then or later. Nor through new ones.
    HalfOpen,
    /// Each answer comes so much later.
    Slow(Duration),
    /// Every watch breaks after so long.
    CutWatches(Duration),
    /// What a watch wants to go on from is too old to be known.
    Expired,
    /// Writes of a `/scale` are refused.
    RefusedWrites(StatusCode),
    /// All requests are refused, with `Retry-After`.
    Overload,
    /// The answer to a write of a `/scale` gets lost after it was carried out.
    LostAnswers,
    /// A write of this workload's `/scale` gets no answer before the trouble is over.
    HangingWrites(&'static str),
    /// A write of a status or an event gets no answer.
    IgnoredReports,
    /// A write of a Lease is carried out, and its answer comes when the trouble is over.
    HeldLeases,
    /// A list of `horizontalpodautoscalers` gets no answer.
    UnansweredRivals,
    /// Among the objects of each list is one that nobody can read; watches have to begin with a list.
    Garbage,
}

/// A way to an API server.
pub(crate) struct Proxy {
    pub(crate) trouble: watch::Sender<Trouble>,
    url: String,
    struck: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Behind {
    client: Client,
    trouble: watch::Receiver<Trouble>,
    /// Whether a list with garbage has been handed out.
    handed_out: Arc<AtomicBool>,
    struck: Arc<AtomicUsize>,
}

impl Proxy {
    /// A way to `client`'s server.
    pub(crate) async fn before(client: Client) -> Self {
        let (trouble, observed) = watch::channel(Trouble::Nothing);
        let struck = Arc::<AtomicUsize>::default();
        let inner = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = inner.local_addr().expect("an address");
        let behind = Behind {
            client,
            trouble: observed.clone(),
            handed_out: Arc::default(),
            struck: Arc::clone(&struck),
        };
        let router = Router::new().fallback(answer).with_state(behind);
        tokio::spawn(async move { axum::serve(inner, router).await });
        let outer = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}", outer.local_addr().expect("an address"));
        let ended = Arc::clone(&struck);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = outer.accept().await else { return };
                tokio::spawn(pass(stream, address, observed.clone(), Arc::clone(&ended)));
            }
        });
        Self { trouble, url, struck }
    }

    /// How many requests and connections have suffered.
    pub(crate) fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }

    /// The configuration of a client that goes this way.
    pub(crate) fn config(&self) -> kube::Config {
        let mut config = kube::Config::new(self.url.parse().expect("a URL"));
        config.default_retry = false;
        config
    }

    pub(crate) fn client(&self) -> Client {
        Client::try_from(self.config()).expect("a client")
    }
}

/// One connection, for as long as the network carries it.
async fn pass(
    mut stream: TcpStream,
    to: std::net::SocketAddr,
    mut trouble: watch::Receiver<Trouble>,
    struck: Arc<AtomicUsize>,
) {
    let Ok(mut inner) = TcpStream::connect(to).await else { return };
    let ends = |trouble: &Trouble| matches!(trouble, Trouble::Gone | Trouble::HalfOpen);
    tokio::select! {
        biased;
        _ = trouble.wait_for(ends) => {}
        _ = copy_bidirectional(&mut stream, &mut inner) => return,
    }
    struck.fetch_add(1, Ordering::Relaxed);
    if *trouble.borrow() == Trouble::HalfOpen {
        // Nobody says that it is over.
        std::future::pending::<()>().await;
    }
}

async fn answer(State(behind): State<Behind>, request: Request) -> Response {
    let mut changes = behind.trouble.clone();
    let trouble = *changes.borrow_and_update();
    let is_scaling = request.method() == Method::PATCH && request.uri().path().ends_with("/scale");
    let path = request.uri().path();
    let is_reporting =
        request.method() != Method::GET && (path.ends_with("/status") || path.ends_with("/events"));
    let is_leasing = request.method() != Method::GET && path.contains("/leases");
    let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let is_list = request.method() == Method::GET && !is_watch;
    let is_about_rivals = path.ends_with("/horizontalpodautoscalers");
    let strikes = match trouble {
        Trouble::Nothing => false,
        Trouble::Gone | Trouble::HalfOpen | Trouble::Slow(_) | Trouble::Overload => true,
        Trouble::CutWatches(_) | Trouble::Expired => is_watch,
        Trouble::RefusedWrites(_) | Trouble::LostAnswers => is_scaling,
        Trouble::HangingWrites(name) => is_scaling && path.ends_with(&format!("/{name}/scale")),
        Trouble::IgnoredReports => is_reporting,
        Trouble::HeldLeases => is_leasing,
        Trouble::UnansweredRivals => is_list && is_about_rivals,
        Trouble::Garbage => is_list || is_watch && !behind.handed_out.load(Ordering::Relaxed),
    };
    if strikes {
        behind.struck.fetch_add(1, Ordering::Relaxed);
        return behind.fail(trouble, is_watch, request).await;
    }
    let answer = behind.forward(request).await;
    if !is_watch {
        return answer;
    }
    answer.map(|body| until(body, async move { drop(changes.changed().await) }))
}

impl Behind {
    /// The answer to a request that `trouble` strikes.
    async fn fail(&self, trouble: Trouble, is_watch: bool, request: Request) -> Response {
        match trouble {
            Trouble::Overload => {
                let header = [(header::RETRY_AFTER, "1")];
                (StatusCode::TOO_MANY_REQUESTS, header, "Too many requests.").into_response()
            }
            Trouble::RefusedWrites(code) => refusal(code).into_response(),
            Trouble::Expired => expired(),
            Trouble::Garbage if is_watch => expired(),
            Trouble::Garbage => self.with_garbage(self.forward(request).await).await,
            Trouble::Slow(by) => {
                tokio::time::sleep(by).await;
                self.forward(request).await
            }
            Trouble::CutWatches(after) => {
                self.forward(request).await.map(|body| until(body, tokio::time::sleep(after)))
            }
            Trouble::LostAnswers => {
                self.forward(request).await;
                let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                Body::from_stream(futures::stream::iter([Err::<Vec<u8>, _>(broken)])).into_response()
            }
            Trouble::HangingWrites(_) => {
                drop(self.trouble.clone().wait_for(|now| *now != trouble).await);
                self.forward(request).await
            }
            Trouble::HeldLeases => {
                let mut changes = self.trouble.clone();
                let answer = self.forward(request).await;
                drop(changes.wait_for(|now| *now != trouble).await);
                answer
            }
            Trouble::IgnoredReports | Trouble::UnansweredRivals => std::future::pending().await,
            // The connection itself is what fails.
            Trouble::Gone | Trouble::HalfOpen | Trouble::Nothing => self.forward(request).await,
        }
    }

    async fn forward(&self, request: Request) -> Response {
        let (mut head, body) = request.into_parts();
        head.headers.remove(header::HOST);
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let request = http::Request::from_parts(head, body.to_vec().into());
        self.client.send(request).await.expect("an answer").map(Body::new)
    }

    /// A list with one object more.
    async fn with_garbage(&self, answer: Response) -> Response {
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let Ok(mut list) = serde_json::from_slice::<Value>(&body) else {
            return Response::from_parts(head, body.into());
        };
        let kind = list["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
        let api_version = list["apiVersion"].clone();
        let (Some(items), Some(kind)) = (list["items"].as_array_mut(), kind) else {
            return Response::from_parts(head, body.into());
        };
        self.handed_out.store(true, Ordering::Relaxed);
        items.push(json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": "garbage", "namespace": "default", "uid": "garbage", "resourceVersion": "1"},
            "spec": {"replicas": "many", "minReplicas": "few", "scaleTargetRef": 7},
            "status": "broken",
        }));
        Json(list).into_response()
    }
}

/// The body until `end`, when the connection breaks.
fn until(body: Body, end: impl Future<Output = ()> + Send + 'static) -> Body {
    let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let lines = body.into_data_stream().map(|line| line.map_err(std::io::Error::other));
    let end = futures::stream::once(end).map(move |()| Err(broken()));
    Body::from_stream(up_to_error(futures::stream::select(lines, end)))
}

fn up_to_error<T>(
    stream: impl Stream<Item = Result<T, std::io::Error>>,
) -> impl Stream<Item = Result<T, std::io::Error>> {
    stream.scan(false, |over, item| {
        let before = std::mem::replace(over, item.is_err());
        std::future::ready((!before).then_some(item))
    })
}

/// What an API server says of a version that it no longer knows.
fn expired() -> Response {
    let mut status = status(StatusCode::GONE, "Expired", "too old resource version: 1 (2)");
    status["metadata"] = json!({});
    Json(json!({"type": "ERROR", "object": status})).into_response()
}

fn refusal(code: StatusCode) -> (StatusCode, Json<Value>) {
    let (reason, message) = match code {
        StatusCode::CONFLICT => ("Conflict", "the object has been modified; please apply your changes"),
        StatusCode::UNPROCESSABLE_ENTITY => ("Invalid", "the server rejected our request: test failed"),
        _ => ("InternalError", "an error"),
    };
    (code, Json(status(code, reason, message)))
}

fn status(code: StatusCode, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code.as_u16()})
}
