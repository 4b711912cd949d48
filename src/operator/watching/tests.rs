use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use futures::stream::BoxStream;
use kube::runtime::watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
use kube::runtime::watcher::Event::{Apply, Init, InitDone};

use super::*;

type Told = watcher::Result<watcher::Event<()>>;

fn refusal(code: u16) -> Box<Status> {
    Box::new(Status { code, ..Status::default() })
}

fn refused(code: u16) -> kube::Error {
    kube::Error::Api(refusal(code))
}

fn unreachable() -> kube::Error {
    kube::Error::Service("no route".into())
}

fn cut() -> watcher::Error {
    WatchFailed(unreachable())
}

fn pace() -> Pace {
    Pace::new(Duration::from_secs(10), Arc::default())
}

/// What one run of a watch says, each so many seconds after the one before.
type Script = Vec<(u64, Told)>;

/// What is told of failures: after how many seconds, whether it is news, and whether all may be out of date. A watch ends
/// with its script only when it is begun anew; the last one is followed for an hour.
async fn failures(scripts: Vec<Script>) -> Vec<(u64, bool, bool)> {
    // The time that stands still.
    let (started, told) = (tokio::time::sleep(Duration::ZERO).deadline(), RefCell::new(Vec::new()));
    let scripts = RefCell::new(VecDeque::from(scripts));
    let begin = || -> BoxStream<'static, Told> {
        let script = scripts.borrow_mut().pop_front().unwrap_or_default();
        let events = futures::stream::iter(script).then(async |(after, event)| {
            tokio::time::sleep(Duration::from_secs(after)).await;
            event
        });
        Box::pin(events.chain(futures::stream::pending()))
    };
    let watch = follow(begin, pace(), |event| {
        if let Err(failure) = event {
            told.borrow_mut().push((started.elapsed().as_secs(), failure.is_news, failure.is_lost));
        }
    });
    let followed = timeout(Duration::from_secs(3600), watch).await;
    assert!(followed.is_err() && scripts.borrow().is_empty(), "every script is played: {told:?}");
    told.into_inner()
}

/// A list that is there at once, and what follows.
fn listed(then: Script) -> Script {
    let mut script = vec![(0, Ok(Init)), (0, Ok(InitDone))];
    script.extend(then);
    script
}

#[tokio::test(start_paused = true)]
async fn a_refused_watch_begins_anew_with_a_list_and_ever_later() {
    let refused_list = || vec![(0, Ok(Init)), (0, Err(InitialListFailed(refused(403))))];
    let told = failures(vec![
        listed(vec![(5, Err(cut())), (0, Err(WatchStartFailed(refused(403))))]),
        refused_list(),
        // It may be listed, and may not be watched.
        listed(vec![(0, Err(WatchStartFailed(refused(403))))]),
        listed(vec![(0, Err(WatchStartFailed(refused(405))))]),
        listed(vec![(1, Ok(Apply(()))), (5, Err(WatchStartFailed(refused(403))))]),
        listed(vec![]),
    ]);
    let expected = [
        (5, true, false),
        (6, true, true),
        (8, false, true),
        (12, false, true),
        (20, true, true),
        // All was well in between.
        (42, true, true),
    ];
    assert_eq!(told.await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_merely_fails_goes_on_from_where_it_was_and_begins_anew_when_it_lasts() {
    let waits = [0, 1, 3, 7, 15, 31, 63, 123, 183];
    let anew = |error: &dyn Fn() -> watcher::Error| {
        let mut scripts = vec![listed((0..3).map(|_| (0, Err(error()))).collect())];
        scripts.extend((3..9).map(|_| vec![(0, Err(error()))]));
        scripts.push(listed(vec![]));
        failures(scripts)
    };
    // What an API server that is there can't say for long may be out of date.
    for error in [WatchStartFailed as fn(kube::Error) -> watcher::Error, InitialListFailed] {
        let told = anew(&|| error(refused(503))).await;
        assert_eq!(told, waits.map(|at| (at, at == 0, at >= 15)));
    }
    assert_eq!(anew(&|| WatchStartFailed(unreachable())).await, waits.map(|at| (at, at == 0, false)));
    // Who asks to be left alone is not asked for more.
    let tries = (0..9).map(|_| (0, Err(WatchStartFailed(refused(429))))).collect();
    assert_eq!(failures(vec![listed(tries)]).await, waits.map(|at| (at, at == 0, false)));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_cut_now_and_then_goes_on_at_once() {
    let cuts = (0..4).map(|_| (5, Err(cut()))).collect();
    let told = failures(vec![listed(cuts)]).await;
    assert_eq!(told, [5, 11, 17, 23].map(|at| (at, at == 5, false)));
    // One that does not even begin waits, and so does one that always has to be listed anew.
    for error in [cut, || WatchError(refusal(410))] {
        let tries = (0..4).flat_map(|_| listed(vec![(0, Err(error()))])).collect();
        let told = failures(vec![tries]).await;
        assert_eq!(told, [0, 1, 3, 7].map(|at| (at, at == 0, false)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_without_an_answer_is_given_up_and_may_take_longer_the_next_time() {
    let silent = || vec![(0, Ok(Init))];
    let slow = || vec![(0, Ok(Init)), (75, Ok(InitDone))];
    let told = failures(vec![silent(), silent(), slow(), slow()]).await;
    assert_eq!(told, [(10, true, true), (31, false, true), (73, false, true)], "75 s are no longer too long");
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_gone_when_it_is_said_to_be_for_a_while() {
    let lists = Cell::new(0);
    let begin = || {
        lists.set(lists.get() + 1);
        let code = if lists.get() > 6 { 403 } else { 404 };
        futures::stream::iter([Ok(Init), Err(InitialListFailed(refused(code)))])
            .chain(futures::stream::pending::<Told>())
    };
    let gone = RefCell::new(Vec::new());
    let watch = follow(begin, pace(), |event| {
        gone.borrow_mut()
            .extend(event.err().map(|failure| (failure.definite().map(|said| said.0), failure.is_gone())));
    });
    assert!(timeout(Duration::from_secs(90), watch).await.is_err());
    let gone = gone.into_inner();
    let absent = [false, false, false, false, true, true].map(|is_gone| (Some(404), is_gone));
    assert_eq!(gone[..6], absent);
    assert_eq!(gone[6..], [(Some(403), false)]);
}

#[tokio::test(start_paused = true)]
async fn what_has_to_be_known_as_it_is_is_listed_after_each_failure_and_at_once_when_the_server_is_back() {
    let (lists, reached) = (Cell::new(0), Arc::new(Notify::new()));
    let begin = || {
        lists.set(lists.get() + 1);
        let failures = [Ok(Init), Ok(InitDone), Err(cut())];
        futures::stream::iter(failures).chain(futures::stream::pending::<Told>())
    };
    let pace = Pace::new(Duration::from_secs(10), Arc::clone(&reached))
        .urgent(Duration::from_millis(50), Duration::from_secs(2));
    let mut watch = pin!(follow(begin, pace, |_| {}));
    for (milliseconds, expected) in [(10, 1), (50, 2), (100, 3), (200, 4), (5_000, 8)] {
        assert!(timeout(Duration::from_millis(milliseconds), &mut watch).await.is_err());
        assert_eq!(lists.get(), expected, "after {milliseconds} ms more");
    }
    reached.notify_waiters();
    assert!(timeout(Duration::from_millis(1), &mut watch).await.is_err());
    assert_eq!(lists.get(), 9);
}
