//! Who has to be woken when.
//!
//! The queue sleeps on the operator's [`Clock`] and not on the runtime's timers, so that a scaled or a
//! virtual clock drives the operator exactly as the real one does. It holds one instant per policy. Of
//! those with the same instant the ones come first that have an edge (the full hour is also a tick of everybody),
//! and then the ones with the highest priority. When the clock is set back,
//! everyone is woken: what they wait for may be hours ahead, and they know best what it means to them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::Key;
use crate::clock::Clock;

/// Clocks are nudged back by less than this without anybody being late for it.
const NUDGE: SignedDuration = SignedDuration::from_secs(1);

/// The wake-ups of all policies.
#[derive(Debug)]
pub(super) struct Wakeups {
    clock: Clock,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    in_order: BTreeSet<Place>,
    of: BTreeMap<Key, (Timestamp, Urgency)>,
    /// The priorities that are not 0.
    priorities: BTreeMap<Key, i32>,
    /// What the clock showed last.
    seen: Option<Timestamp>,
}

type Place = (Timestamp, Urgency, Reverse<i32>, Key);

/// What somebody is woken for, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// An edge of the schedule.
    Edge,
    /// Anything else.
    Other,
}

impl Wakeups {
    /// An empty queue.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, queue: Mutex::default(), changed: Notify::new() }
    }

    /// Wakes `key` at `at`, and no longer when it was to be woken before.
    pub(super) fn set(&self, key: Key, at: Timestamp, urgency: Urgency) {
        {
            let mut queue = self.lock();
            queue.remove(&key);
            queue.insert(key, (at, urgency));
        }
        self.changed.notify_one();
    }

    /// Says how important `key` is from its next wake-up on.
    pub(super) fn rank(&self, key: &Key, priority: i32) {
        let mut queue = self.lock();
        if queue.priority(key) == priority {
            return;
        }
        let place = queue.remove(key);
        if priority == 0 {
            queue.priorities.remove(key);
        } else {
            queue.priorities.insert(key.clone(), priority);
        }
        if let Some(place) = place {
            queue.insert(key.clone(), place);
        }
    }

    /// Lets `key` sleep, and forgets how important it is.
    pub(super) fn cancel(&self, key: &Key) {
        let mut queue = self.lock();
        queue.remove(key);
        queue.priorities.remove(key);
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
                    () = self.clock.nap_until(first) => {}
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
        if self.seen.replace(now).is_some_and(|seen| seen.duration_since(now) > NUDGE) {
            self.hasten(now);
        }
        let first = self.in_order.first().map(|(at, ..)| *at);
        if first.is_none_or(|at| at > now) {
            return (None, first);
        }
        let key = self.in_order.pop_first().map(|(.., key)| key);
        if let Some(key) = &key {
            self.of.remove(key);
        }
        (key, first)
    }

    /// Makes everything due at `now`.
    fn hasten(&mut self, now: Timestamp) {
        let keys: Vec<Key> = std::mem::take(&mut self.of).into_keys().collect();
        self.in_order.clear();
        for key in keys {
            self.insert(key, (now, Urgency::Other));
        }
    }

    fn insert(&mut self, key: Key, (at, urgency): (Timestamp, Urgency)) {
        self.in_order.insert((at, urgency, Reverse(self.priority(&key)), key.clone()));
        self.of.insert(key, (at, urgency));
    }

    /// Takes a key out, and says when it was to be woken, and for what.
    fn remove(&mut self, key: &Key) -> Option<(Timestamp, Urgency)> {
        let (at, urgency) = self.of.remove(key)?;
        self.in_order.remove(&(at, urgency, Reverse(self.priority(key)), key.clone()));
        Some((at, urgency))
    }

    fn priority(&self, key: &Key) -> i32 {
        self.priorities.get(key).copied().unwrap_or(0)
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
        Key::new("shop", name)
    }

    #[tokio::test]
    async fn keys_come_in_the_order_of_their_instants_when_the_clock_shows_them() {
        let clock = Clock::stopped_at(at("2026-11-23T07:00:00Z"));
        let wakeups = Arc::new(Wakeups::new(clock.clone()));
        wakeups.set(key("late"), at("2026-11-23T07:00:30Z"), Urgency::Other);
        wakeups.set(key("soon"), at("2026-11-23T07:00:15Z"), Urgency::Other);
        wakeups.set(key("never"), at("2026-11-23T07:00:15Z"), Urgency::Other);
        wakeups.set(key("moved"), at("2026-11-23T07:00:15Z"), Urgency::Other);
        wakeups.set(key("moved"), at("2026-11-23T07:00:20Z"), Urgency::Other);
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
    async fn when_the_clock_is_set_back_everyone_is_woken() {
        let clock = Clock::scaled(at("2026-11-23T07:00:00Z"), 1.0);
        let wakeups = Arc::new(Wakeups::new(clock.clone()));
        wakeups.set(key("a"), at("2026-11-23T07:00:15Z"), Urgency::Other);
        wakeups.set(key("b"), at("2026-11-23T09:00:00Z"), Urgency::Other);
        let mut due = std::pin::pin!(wakeups.due());
        assert_eq!(due.next().now_or_never(), None, "nothing is due yet");
        clock.step(-1);
        assert_eq!(due.next().now_or_never(), None, "nor after a nudge");
        clock.step(-3600);
        assert_eq!(due.next().await, Some(key("a")));
        assert_eq!(due.next().await, Some(key("b")));
    }

    #[tokio::test]
    async fn of_those_with_the_same_instant_edges_come_first_and_then_the_important() {
        let clock = Clock::stopped_at(at("2026-11-23T07:00:00Z"));
        let wakeups = Arc::new(Wakeups::new(clock.clone()));
        for (name, priority) in [("a", 0), ("b", -5), ("c", 7), ("d", 7), ("e", 9), ("f", 0), ("h", -9)] {
            let urgency = if name == "h" { Urgency::Edge } else { Urgency::Other };
            wakeups.set(key(name), at("2026-11-23T07:00:15Z"), urgency);
            wakeups.rank(&key(name), priority);
        }
        wakeups.rank(&key("f"), 8);
        wakeups.rank(&key("e"), 0);
        wakeups.set(key("g"), at("2026-11-23T07:00:14Z"), Urgency::Other);
        clock.advance_to(at("2026-11-23T07:00:40Z"));
        let mut due = std::pin::pin!(wakeups.due());
        for name in ["g", "h", "f", "c", "d", "a", "e", "b"] {
            assert_eq!(due.next().await, Some(key(name)));
        }
        assert_eq!(due.next().now_or_never(), None, "each wakes once");
    }

    #[tokio::test]
    async fn an_earlier_wake_up_cuts_a_sleep_short() {
        let clock = Clock::stopped_at(at("2026-11-23T07:00:00Z"));
        let wakeups = Arc::new(Wakeups::new(clock.clone()));
        wakeups.set(key("a"), at("2026-11-23T08:00:00Z"), Urgency::Other);
        let reader = tokio::spawn({
            let wakeups = Arc::clone(&wakeups);
            async move { std::pin::pin!(wakeups.due()).next().await }
        });
        tokio::task::yield_now().await;
        wakeups.set(key("b"), at("2026-11-23T07:00:00Z"), Urgency::Other);
        assert_eq!(reader.await.expect("reader"), Some(key("b")));
    }
}
