//! Watches: changes as they happen, one JSON object a line.
//!
//! The stream pulls from the store's memory when the connection takes more, so a reader that doesn't
//! read costs nothing; when it comes back too late it is told that its version is forgotten (410).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use super::present::Presenter;
use super::selectors::Selector;
use super::store::{Change, Event, Store, StoreError, Watch};

/// How often a watch without events tells the version it has reached.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);

/// How long a watch lasts when the client doesn't say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);

/// What a watch shows.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The resource's name in the store.
    pub(crate) storage: String,
    /// The one namespace to watch.
    pub(crate) namespace: Option<String>,
    /// What is selected.
    pub(crate) selector: Selector,
    /// How objects are shown.
    pub(crate) presenter: Presenter,
}

/// How a watch starts and ends.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The version to start after; `None` begins with all objects.
    pub(crate) version: Option<u64>,
    /// Whether the client takes bookmarks.
    pub(crate) bookmarks: bool,
    /// Whether a bookmark marks the end of the first objects.
    pub(crate) initial_bookmark: bool,
    /// How long it lasts.
    pub(crate) timeout: Option<Duration>,
}

/// Starts a watch.
pub(crate) fn stream(
    store: &Store,
    scope: Scope,
    terms: &Terms,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let mut ready = VecDeque::new();
    let start = terms.version.unwrap_or_else(|| {
        let (objects, version) = store.list(&scope.storage, scope.namespace.as_deref());
        for object in objects.iter().filter(|object| scope.selector.matches(object)) {
            ready.push_back(line("ADDED", &scope.presenter.event_object(object, ready.is_empty())));
        }
        if terms.initial_bookmark {
            ready.push_back(line("BOOKMARK", &scope.presenter.bookmark(version, true)));
        }
        version
    });
    let state = Watching {
        watch: store.watch(&scope.storage, start),
        headed: !ready.is_empty(),
        scope,
        ready,
        deadline: Box::pin(sleep(terms.timeout.unwrap_or(DEFAULT_TIMEOUT))),
        bookmark: terms.bookmarks.then(|| Box::pin(sleep(BOOKMARK_INTERVAL))),
        stop,
        done: false,
    };
    futures::stream::unfold(state, |mut state| async move {
        let chunk = state.next().await?;
        Some((Ok(chunk), state))
    })
}

struct Watching {
    watch: Watch,
    scope: Scope,
    ready: VecDeque<Bytes>,
    /// Whether the heading of a table has been sent.
    headed: bool,
    deadline: Pin<Box<Sleep>>,
    bookmark: Option<Pin<Box<Sleep>>>,
    stop: CancellationToken,
    done: bool,
}

enum News {
    Event(Result<Arc<Event>, StoreError>),
    Bookmark,
    End,
}

impl Watching {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.done {
                return None;
            }
            let bookmark = async {
                match &mut self.bookmark {
                    Some(bookmark) => bookmark.await,
                    None => std::future::pending().await,
                }
            };
            let news = tokio::select! {
                biased;
                () = self.stop.cancelled() => News::End,
                event = self.watch.next() => News::Event(event),
                () = &mut self.deadline => News::End,
                () = bookmark => News::Bookmark,
            };
            self.take(news);
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Event(Ok(event)) => {
                if let Some((kind, object)) = self.seen(&event) {
                    let object = self.scope.presenter.event_object(&object, !self.headed);
                    self.headed = true;
                    self.ready.push_back(line(kind, &object));
                }
            }
            News::Event(Err(error)) => {
                self.done = true;
                let error = match error {
                    StoreError::Forgotten { requested, oldest } => ApiError::expired(requested, oldest),
                    StoreError::NotFound(what) | StoreError::Exists(what) | StoreError::Conflict(what) => {
                        ApiError::internal(&what)
                    }
                };
                self.ready.push_back(line("ERROR", &error.status()));
            }
            News::Bookmark => {
                self.bookmark = Some(Box::pin(sleep(BOOKMARK_INTERVAL)));
                self.push_bookmark();
            }
            News::End => {
                self.done = true;
                if self.bookmark.is_some() {
                    self.push_bookmark();
                }
            }
        }
    }

    fn push_bookmark(&mut self) {
        let bookmark = self.scope.presenter.bookmark(self.watch.version(), false);
        self.ready.push_back(line("BOOKMARK", &bookmark));
    }

    /// What an event is to someone who sees only what is selected: an object that begins to match is
    /// new, and one that ceases to match is gone.
    fn seen(&self, event: &Event) -> Option<(&'static str, Arc<Value>)> {
        let here = |object: &Value| {
            let namespace = object["metadata"]["namespace"].as_str();
            self.scope.namespace.as_deref().is_none_or(|wanted| namespace == Some(wanted))
        };
        if !here(&event.object) {
            return None;
        }
        let selected = |object: &Value| self.scope.selector.matches(object);
        let is = selected(&event.object);
        let was = event.previous.as_deref().is_some_and(selected);
        match (event.change, was, is) {
            (Change::Added, _, true) | (Change::Modified, false, true) => {
                Some(("ADDED", Arc::clone(&event.object)))
            }
            (Change::Modified, true, true) => Some(("MODIFIED", Arc::clone(&event.object))),
            (Change::Deleted, true, _) | (Change::Deleted, _, true) => {
                Some(("DELETED", Arc::clone(&event.object)))
            }
            (Change::Modified, true, false) => {
                let mut last = event.previous.as_deref().cloned().unwrap_or_default();
                last["metadata"]["resourceVersion"] = json!(event.version.to_string());
                Some(("DELETED", Arc::new(last)))
            }
            (Change::Added | Change::Modified | Change::Deleted, _, false) => None,
        }
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    // In the order of the real server: a reader that knows the type first need not keep the object until then.
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}
