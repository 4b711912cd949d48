//! When what failed for a passing reason is tried again: after up to a second, then two, four and so on, and at the next
//! tick in any case. Each policy takes its own share of such a wait, from half of it to all, so that those that failed
//! together do not come back together. When the API server asks for a wait, nothing of the policy is due before that is
//! over.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How soon a failed evaluation is tried again at first.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait for another try.
const LAST_RETRY: SignedDuration = SignedDuration::from_secs(60);

/// How a failed evaluation may be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retry {
    /// How long the API server asks to be left alone.
    pub(crate) after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Again {
    at: Timestamp,
    /// The longest that this wait could have been, before the API server's wish.
    wait: SignedDuration,
    /// Until when nothing may be tried.
    held: Option<Timestamp>,
}

/// The tries of what failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    again: Option<Again>,
}

impl Backoff {
    /// Whether a failed evaluation has to be tried again now.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.again.is_some_and(|again| again.at <= now)
    }

    /// Notes that there is nothing to try again.
    pub(crate) fn succeeded(&mut self) {
        self.again = None;
    }

    /// Notes that the last evaluation failed for a passing reason. `seed` is the policy's own.
    pub(crate) fn failed(&mut self, now: Timestamp, retry: Retry, seed: u64) {
        let wait = self.again.map_or(FIRST_RETRY, |again| (again.wait * 2).min(LAST_RETRY));
        let asked = retry.after.map(|after| SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX));
        let asked = asked.map(|asked| asked.min(LAST_RETRY));
        let later = |by: SignedDuration| now.saturating_add(by).unwrap_or(Timestamp::MAX);
        let share = wait / 2 + share(seed, wait) / 2;
        let at = later(asked.unwrap_or(SignedDuration::ZERO).saturating_add(share));
        self.again = Some(Again { at, wait, held: asked.map(|_| at) });
    }

    /// Whether the API server has asked to be left alone for longer than this.
    pub(super) fn is_held(&self, now: Timestamp) -> bool {
        self.held().is_some_and(|held| now < held)
    }

    /// Until when nothing of the policy may be tried.
    pub(super) fn held(&self) -> Option<Timestamp> {
        self.again.and_then(|again| again.held)
    }

    /// When a failed evaluation is tried again.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.again.map(|again| again.at)
    }
}

/// A policy's own part of a wait, from none of it to all, and another one for each wait.
pub(super) fn share(seed: u64, wait: SignedDuration) -> SignedDuration {
    // The finalizer of SplitMix64: neighbouring seeds give unrelated numbers.
    let mut mixed = seed ^ wait.as_secs().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let thousandths = i32::try_from((mixed ^ (mixed >> 31)) % 1001).unwrap_or(1000);
    wait / 1000 * thousandths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::timetable::tests::at;

    #[test]
    fn a_failure_is_tried_again_after_ever_longer_waits_until_it_succeeds() {
        let mut backoff = Backoff::default();
        for (now, half, whole) in [
            ("07:00:01", "07:00:01.5", "07:00:02"),
            ("07:00:02", "07:00:03", "07:00:04"),
            ("07:00:04", "07:00:06", "07:00:08"),
        ] {
            backoff.failed(at(now), Retry::default(), 1);
            let again = backoff.at().expect("another try");
            assert!(at(half) <= again && again <= at(whole), "{now}: {again}");
            assert!(!backoff.is_due(at(now)), "{now}");
            assert!(backoff.is_due(again), "{now}");
        }
        backoff.succeeded();
        assert_eq!((backoff.is_due(at("07:00:08")), backoff.at()), (false, None));
    }

    #[test]
    fn policies_that_fail_together_come_back_apart() {
        let again = |seed| {
            let mut backoff = Backoff::default();
            backoff.failed(at("07:00:01"), Retry::default(), seed);
            backoff.at().expect("another try")
        };
        let tries: std::collections::BTreeSet<_> = (0..100).map(again).collect();
        assert!(tries.len() > 80, "{} different instants", tries.len());
        let middle = at("07:00:01.75");
        let early = tries.iter().filter(|again| **again < middle).count();
        assert!((30..70).contains(&early), "{early} in the first half");
    }
}
