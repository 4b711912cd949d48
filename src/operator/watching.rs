//! Watching what may fail for long: a kind that is not installed, or one that the operator may not read, from the start
//! or since somebody has changed that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::core::{ApiResource, DynamicResourceScope, Status};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// How long the watch waits after a first failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// After so many seconds the API server ends a watch, and a new one goes on where it ended.
const TERM: u32 = 60;

/// A connection from which nothing comes for so long is dead: by then the API server has ended each watch.
pub const DEAD: Duration = Duration::from_secs(75);

/// How many objects a page of a list has at most. It is held as a whole, and objects may be large.
const PAGE: u32 = 100;

/// The usual longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A watch from which nothing is heard for so long, and no failure either, is well.
const CALM: Duration = Duration::from_secs(120);

/// A failure that is the so manieth in a row lasts.
const LASTING: u32 = 5;

/// With the so manieth failure in a row a watch begins anew, whatever it is that fails.
const ANEW: u32 = 3;

/// How everything is listed and watched.
pub(super) fn config() -> watcher::Config {
    watcher::Config::default().timeout(TERM).page_size(PAGE)
}

/// The objects of a kind in the cluster, or in one namespace.
pub(super) fn api<K>(client: Client, namespace: Option<&str>, resource: &ApiResource) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// How patient a watch is.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// How long a page of a list may take at first; the next try waits twice as long, and so on.
    patience: Duration,
    /// The wait after a first failure.
    first: Duration,
    /// The longest wait between two tries.
    longest: Duration,
    /// Whether it begins anew with a list, whatever it was that failed.
    lists: bool,
    /// Told when the API server can be reached again.
    reached: Arc<Notify>,
}

impl Pace {
    /// The usual one; a call may take so long.
    pub(super) fn new(patience: Duration, reached: Arc<Notify>) -> Self {
        Self { patience, first: FIRST_WAIT, longest: LONGEST_WAIT, lists: false, reached }
    }

    /// Of what has to be known as it is: with other waits between two tries, and a list after each failure, since nobody
    /// says when a watch goes on.
    pub(super) fn urgent(self, first: Duration, longest: Duration) -> Self {
        Self { first, longest, lists: true, ..self }
    }
}

/// Follows a watch until it is dropped, and waits ever longer between two tries while it fails. (kube's own back-off starts
/// anew with each page of a list that fails.) What is refused begins anew, with a list: kube itself would ask for ever for
/// what came after the version that it knows, and not say when it is answered. `begin` makes the watch, and `on` is told
/// of everything.
pub(super) async fn follow<K, S>(
    begin: impl Fn() -> S,
    pace: Pace,
    mut on: impl FnMut(Result<watcher::Event<K>, Failure>),
) where
    S: Stream<Item = watcher::Result<watcher::Event<K>>>,
{
    let mut spell = Spell::new(&pace);
    loop {
        let mut events = pin!(begin());
        let (mut is_listing, mut is_alive) = (true, false);
        loop {
            let quiet = match (is_listing, is_alive) {
                (true, _) => spell.patience(),
                (false, false) => FIRST_WAIT,
                (false, true) => CALM,
            };
            let cause = match timeout(quiet, events.next()).await {
                Ok(None) => return,
                Ok(Some(Ok(event))) => {
                    is_listing = matches!(event, watcher::Event::Init | watcher::Event::InitApply(_));
                    // After a list the watch may yet be refused.
                    if matches!(event, watcher::Event::Apply(_) | watcher::Event::Delete(_)) {
                        spell = Spell::new(&pace);
                    }
                    on(Ok(event));
                    continue;
                }
                Ok(Some(Err(error))) => Cause::Watch(error),
                Err(_) if is_listing => Cause::Silence(quiet),
                Err(_) if !is_alive => {
                    is_alive = true;
                    continue;
                }
                Err(_) => {
                    spell = Spell::new(&pace);
                    continue;
                }
            };
            let failure = spell.failure(cause, std::mem::take(&mut is_alive));
            let (begins_anew, wait) = (pace.lists || failure.begins_anew(), spell.wait);
            on(Err(failure));
            tokio::select! {
                () = sleep(wait) => {}
                () = pace.reached.notified() => {}
            }
            if begins_anew {
                break;
            }
        }
    }
}

/// Failures in a row.
#[derive(Debug)]
struct Spell<'a> {
    pace: &'a Pace,
    tries: u32,
    /// Lists that were not answered.
    silences: u32,
    /// How long is waited after the last of them.
    wait: Duration,
    /// What the API server answered to the last of them, if it did.
    code: Option<u16>,
}

impl<'a> Spell<'a> {
    fn new(pace: &'a Pace) -> Self {
        Self { pace, tries: 0, silences: 0, wait: Duration::ZERO, code: None }
    }

    /// How long a page of a list may take now.
    fn patience(&self) -> Duration {
        // While what is urgent is waited for, nothing is written.
        let most = if self.pace.lists { 1 } else { LASTING };
        self.pace.patience.saturating_mul(1 << self.silences.min(most))
    }

    /// Takes notice of a failure. `was_alive` is whether nothing failed for as long as the first wait.
    fn failure(&mut self, cause: Cause, was_alive: bool) -> Failure {
        // A watch that is cut now and then goes on at once, so that nobody is blind for longer than they see.
        let is_cut = cause.is_cut() && was_alive;
        self.silences += u32::from(matches!(cause, Cause::Silence(_)));
        let code = cause.code();
        let is_news = self.tries == 0 || self.code != code;
        self.code = code;
        (self.tries, self.wait) = match self.tries {
            tries if tries > 0 && !is_cut => (tries + 1, (self.wait * 2).min(self.pace.longest)),
            _ => (1, self.pace.first),
        };
        Failure { is_lost: cause.is_lost(self.tries >= LASTING), cause, is_news, tries: self.tries }
    }
}

/// An interruption of a watch.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    /// Whether all was well before, or the API server answered something else.
    pub(super) is_news: bool,
    /// Whether what is known may be out of date until there is a new list.
    pub(super) is_lost: bool,
    tries: u32,
}

/// Why a watch was interrupted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error(transparent)]
    Watch(watcher::Error),
    #[error("a list was not answered within {0:?}")]
    Silence(Duration),
}

impl Cause {
    /// What the API server answered to a list or to the beginning of a watch.
    fn answer(&self) -> Option<&Status> {
        match self {
            Self::Watch(
                watcher::Error::InitialListFailed(kube::Error::Api(status))
                | watcher::Error::WatchStartFailed(kube::Error::Api(status)),
            ) => Some(status),
            Self::Watch(_) | Self::Silence(_) => None,
        }
    }

    /// The code with which the API server answered, if it did.
    fn code(&self) -> Option<u16> {
        match self {
            Self::Watch(watcher::Error::WatchError(status)) => Some(status.code),
            Self::Watch(_) | Self::Silence(_) => self.answer().map(|status| status.code),
        }
    }

    /// Whether a watch ended that had begun.
    fn is_cut(&self) -> bool {
        matches!(self, Self::Watch(watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_)))
    }

    fn is_lost(&self, lasts: bool) -> bool {
        let error = match self {
            Self::Silence(_) => return true,
            Self::Watch(
                watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error),
            ) => error,
            Self::Watch(_) => return false,
        };
        match error {
            kube::Error::Api(status) if status.code == 429 => false,
            kube::Error::Api(status) => (400..500).contains(&status.code) || lasts,
            // Who can't be reached can't be read either, and has forgotten nothing when it is back.
            kube::Error::Service(_) | kube::Error::HyperError(_) => false,
            _ => lasts,
        }
    }
}

impl Failure {
    /// Logs it when it is news; `consequence` is what it means for objects of this kind that nothing is known of them.
    pub(super) fn report(&self, kind: &str, consequence: &str) {
        let error = &self.cause;
        match (self.is_news, self.is_lost) {
            (false, _) => {}
            (true, true) => tracing::warn!(kind, %error, "can't be watched: {consequence}"),
            (true, false) => tracing::warn!(kind, %error, "the watch was interrupted"),
        }
    }

    /// What the API server says when it refuses the list or the watch for good, and does not merely fail: its code and
    /// its words.
    pub(super) fn definite(&self) -> Option<(u16, &str)> {
        let status = self.cause.answer()?;
        matches!(status.code, 403..=405).then_some((status.code, status.message.as_str()))
    }

    /// Whether kube's watch is dropped for a new one. A list costs more than to go on, so it is no answer to who asks to
    /// be left alone.
    fn begins_anew(&self) -> bool {
        let lasts = self.tries >= ANEW && !self.cause.is_cut() && self.cause.code() != Some(429);
        self.is_lost || lasts
    }

    /// Whether the kind is not there. An API server that has just started may say so by mistake, of what was there
    /// before: such a thing does not last.
    pub(super) fn is_gone(&self) -> bool {
        self.tries >= LASTING && self.definite().is_some_and(|(code, _)| code == 404)
    }
}

#[cfg(test)]
mod tests;
