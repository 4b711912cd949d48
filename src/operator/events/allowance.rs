//! How many events of either type a policy may cause: 25 at a time, and one more each five minutes. That is what the recorder of
//! Kubernetes' own components allows each of them per object, so that nobody who makes something come and go all the
//! time fills the API server's store with it.
//!
//! A bucket of tokens is kept as one instant, that at which it is full again (the theoretical arrival time of the
//! generic cell rate algorithm), since there are two for each policy.

use jiff::{SignedDuration, Timestamp};

use super::NORMAL;

/// How many events may come at once.
const BURST: i32 = 25;

/// How long it takes until one more may come.
const EACH: SignedDuration = SignedDuration::from_mins(5);

/// What a policy may still cause. What is normal never takes the place of a warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::operator) struct Allowance {
    normal: Bucket,
    warning: Bucket,
}

impl Allowance {
    /// Uses it for an event of this type at `at`, unless it is used up.
    pub(in crate::operator) fn use_up(&mut self, type_: &str, at: Timestamp) -> bool {
        if type_ == NORMAL { self.normal.take(at) } else { self.warning.take(at) }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    /// When it is full again; `None` before the first event.
    full_at: Option<Timestamp>,
}

impl Bucket {
    /// Takes a token, unless there is none left.
    fn take(&mut self, at: Timestamp) -> bool {
        let later = |from: Timestamp, by| from.saturating_add(by).unwrap_or(Timestamp::MAX);
        // It is never further away than from an empty bucket, unless the clock was set back: then it tells nothing.
        let full_at =
            self.full_at.filter(|full_at| *full_at <= later(at, EACH * BURST)).unwrap_or(at).max(at);
        let is_left = full_at.duration_since(at) <= EACH * (BURST - 1);
        self.full_at = Some(if is_left { later(full_at, EACH) } else { full_at });
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row goes on from the one before: so many events at that second, and so many of them may come.
    #[test]
    fn twenty_five_may_come_at_once_and_one_more_each_five_minutes() {
        let mut bucket = Bucket::default();
        for (second, events, expected) in [
            (0, 40, 25),
            (299, 1, 0),
            (300, 2, 1),
            // Two have become possible by then, and not more for those that were left out.
            (900, 9, 2),
            (901, 9, 0),
            (901 + 10 * 300, 99, 10),
            // For a day nothing, and no more than 25 for that.
            (100_000, 99, 25),
            // The clock is set back by a day: it takes no day until there are more.
            (13_600, 99, 25),
            (13_899, 1, 0),
            (13_900, 2, 1),
        ] {
            let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
            let came = (0..events).filter(|_| bucket.take(at)).count();
            assert_eq!(came, expected, "at {second}");
        }
    }

    #[test]
    fn at_the_end_of_time_there_is_some_left() {
        let mut bucket = Bucket::default();
        assert!((0..30).filter(|_| bucket.take(Timestamp::MAX)).count() >= 25);
    }

    #[test]
    fn what_is_normal_takes_the_place_of_no_warning() {
        let mut allowance = Allowance::default();
        let now = Timestamp::UNIX_EPOCH;
        let scaled = (0..99).filter(|_| allowance.use_up(NORMAL, now)).count();
        let warned = (0..99).filter(|_| allowance.use_up("Warning", now)).count();
        assert_eq!((scaled, warned), (25, 25));
    }

    #[test]
    fn it_takes_up_no_more_than_two_instants() {
        assert!(size_of::<Allowance>() <= 4 * size_of::<i128>());
    }
}
