//! Who has to be woken when.
//!
//! The queue sleeps on the operator's [`Clock`] and not on the runtime's timers, so that a scaled or a
//! virtual clock drives the operator exactly as the real one does. It holds one instant per policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::Key;
use crate::clock::Clock;

/// The wake-ups of all policies.
#[derive(Debug)]
pub(super) struct Wakeups {
    clock: Clock,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    in_order: BTreeSet<(Timestamp, Key)>,
    of: BTreeMap<Key, Timestamp>,
}

impl Wakeups {
    /// An empty queue.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, queue: Mutex::default(), changed: Notify::new() }
    }

    /// Wakes `key` at `at`, and no longer when it was to be woken before.
    pub(super) fn set(&self, key: Key, at: Timestamp) {
        {
            let mut queue = self.lock();
            queue.remove(&key);
            queue.in_order.insert((at, key.clone()));
            queue.of.insert(key, at);
        }
        self.changed.notify_one();
    }

    /// Lets `key` sleep.
    pub(super) fn cancel(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// The keys that are due, each when it is. Has one reader.
    pub(super) fn due(self: Arc<Self>) -> impl Stream<Item = Key> + Send + 'static {
        futures::stream::unfold(self, |wakeups| async {
            let key = wakeups.next().await;
            Some((key, wakeups))
        })
    }

    async fn next(&self) -> Key {
        loop {
            let now = self.clock.now();
            let (due, first) = self.lock().pop(now);
            match (due, first) {
                (Some(key), _) => return key,
                (None, None) => self.changed.notified().await,
                (None, Some(first)) => tokio::select! {
                    () = self.clock.sleep_until(first) => {}
                    () = self.changed.notified() => {}
                },
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes out the first key that is due at `now`, or says when the first one will be.
    fn pop(&mut self, now: Timestamp) -> (Option<Key>, Option<Timestamp>) {
        let first = self.in_order.first().map(|(at, _)| *at);
        if first.is_none_or(|at| at > now) {
            return (None, first);
        }
        let key = self.in_order.pop_first().map(|(_, key)| key);
        if let Some(key) = &key {
            self.of.remove(key);
        }
        (key, first)
    }

    fn remove(&mut self, key: &Key) {
        if let Some(at) = self.of.remove(key) {
            self.in_order.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn key(name: &str) -> Key {
        Key { namespace: "shop".to_owned(), name: name.to_owned() }
    }

    #[tokio::test]
    async fn keys_come_in_the_order_of_their_instants_when_the_clock_shows_them() {
        let clock = Clock::stopped_at(at("2026-11-23T07:00:00Z"));
        let wakeups = Arc::new(Wakeups::new(clock.clone()));
        wakeups.set(key("late"), at("2026-11-23T07:00:30Z"));
        wakeups.set(key("soon"), at("2026-11-23T07:00:15Z"));
        wakeups.set(key("never"), at("2026-11-23T07:00:15Z"));
        wakeups.set(key("moved"), at("2026-11-23T07:00:15Z"));
        wakeups.set(key("moved"), at("2026-11-23T07:00:20Z"));
        wakeups.cancel(&key("never"));
        let mut due = std::pin::pin!(wakeups.due());
        assert_eq!(due.next().now_or_never(), None, "nothing is due yet");
        clock.advance_to(at("2026-11-23T07:00:40Z"));
        for name in ["soon", "moved", "late"] {
            assert_eq!(due.next().await, Some(key(name)));
        }
        assert_eq!(due.next().now_or_never(), None, "each wakes once");
    }

    #[tokio::test]
    async fn an_earlier_wake_up_cuts_a_sleep_short() {
        let clock = Clock::stopped_at(at("2026-11-23T07:00:00Z"));
        let wakeups = Arc::new(Wakeups::new(clock.clone()));
        wakeups.set(key("a"), at("2026-11-23T08:00:00Z"));
        let reader = tokio::spawn({
            let wakeups = Arc::clone(&wakeups);
            async move { std::pin::pin!(wakeups.due()).next().await }
        });
        tokio::task::yield_now().await;
        wakeups.set(key("b"), at("2026-11-23T07:00:00Z"));
        assert_eq!(reader.await.expect("reader"), Some(key("b")));
    }
}
