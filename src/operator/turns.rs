//! Turns to talk to the API server, given to the most important first.
//!
//! An edge that thousands of policies share makes more writes than the server takes at a time. Those of a
//! higher `spec.priority` go first, and of the same priority those who came first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

/// So many turns at a time, and a queue.
#[derive(Debug)]
pub(super) struct Turns {
    queue: Mutex<Queue>,
    /// Told when nobody waits any more.
    calm: Notify,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    arrivals: u64,
    waiting: BTreeMap<(Reverse<i32>, u64), oneshot::Sender<Turn>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// `count` turns at a time, at least one.
    pub(super) fn new(count: usize) -> Arc<Self> {
        let queue = Mutex::new(Queue { free: count.max(1), arrivals: 0, waiting: BTreeMap::new() });
        Arc::new(Self { queue, calm: Notify::new() })
    }

    /// Waits for a turn.
    pub(super) async fn next(self: &Arc<Self>, priority: i32) -> Turn {
        let waiting = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Turn(Some(Arc::clone(self)));
            }
            let (sender, receiver) = oneshot::channel();
            queue.arrivals += 1;
            let place = (Reverse(priority), queue.arrivals);
            queue.waiting.insert(place, sender);
            receiver
        };
        // Nobody drops a sender without a turn; and then one more at a time would do no harm.
        waiting.await.unwrap_or(Turn(None))
    }

    /// Waits until nobody waits for a turn: what is less urgent then stands in nobody's way.
    pub(super) async fn calm(&self) {
        loop {
            let told = self.calm.notified();
            if self.queue().waiting.is_empty() {
                return;
            }
            told.await;
        }
    }

    /// Gives a turn that has ended to who waits, and still wants it.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let next = {
                let mut queue = self.queue();
                let Some((_, next)) = queue.waiting.pop_first() else {
                    queue.free += 1;
                    return;
                };
                if queue.waiting.is_empty() {
                    self.calm.notify_waiters();
                }
                next
            };
            match next.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Whether it is one of these.
    pub(super) fn is_of(&self, turns: &Arc<Turns>) -> bool {
        self.0.as_ref().is_some_and(|of| Arc::ptr_eq(of, turns))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_important_go_first_and_of_the_others_who_came_first() {
        let turns = Turns::new(1);
        let first = turns.next(0).now_or_never().expect("nobody is before it");
        let mut waiting: Vec<_> = [0, 5, -1, 5, 0]
            .into_iter()
            .map(|priority| {
                let turns = Arc::clone(&turns);
                async move { turns.next(priority).await }.boxed()
            })
            .collect();
        for turn in &mut waiting {
            assert!(turn.now_or_never().is_none(), "there is one turn");
        }
        let mut order = Vec::new();
        let mut held = Some(first);
        while order.len() < waiting.len() {
            drop(held.take());
            for (index, turn) in waiting.iter_mut().enumerate() {
                if !order.contains(&index)
                    && let Some(turn) = turn.now_or_never()
                {
                    order.push(index);
                    held = Some(turn);
                }
            }
        }
        assert_eq!(order, [1, 3, 0, 4, 2]);
    }

    #[test]
    fn it_is_calm_when_nobody_waits() {
        let turns = Turns::new(1);
        assert!(turns.calm().now_or_never().is_some(), "from the start");
        let first = turns.next(0).now_or_never().expect("a turn");
        assert!(turns.calm().now_or_never().is_some(), "whoever has a turn does not wait");
        let mut waiting = turns.next(0).boxed();
        assert!((&mut waiting).now_or_never().is_none());
        let mut calm = Box::pin(turns.calm());
        assert!((&mut calm).now_or_never().is_none());
        drop(first);
        assert!((&mut calm).now_or_never().is_some(), "the last one has got a turn");
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn a_turn_that_is_not_wanted_any_more_is_not_lost() {
        let turns = Turns::new(2);
        let held = [0, 0].map(|priority| turns.next(priority).now_or_never().expect("a turn"));
        let mut given_up = turns.next(9).boxed();
        let mut given_up_late = turns.next(9).boxed();
        assert!((&mut given_up).now_or_never().is_none() && (&mut given_up_late).now_or_never().is_none());
        drop(given_up);
        drop(held);
        drop(given_up_late);
        let again = [0, 0].map(|priority| turns.next(priority).now_or_never());
        assert!(again.iter().all(Option::is_some), "both are free");
        assert!(turns.next(0).now_or_never().is_none(), "and no more than both");
    }
}
