//! Somebody who keeps changing the replicas back. Whoever scales by hand is put right; with a program that
//! insists, tidetable does not race: it says whose writes they are, and tries again every five minutes.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::setting::Setting;

/// So many writes of one manager within [`WITHIN`] are no accident.
const TOO_MANY: usize = 3;

/// The time in which writes are counted.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// The time between two attempts while the replicas are contested.
const PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// What is known of others who write a workload's replicas.
#[derive(Debug, Default)]
pub(super) struct Contest {
    /// What was last written or seen; `None` when that isn't known.
    last: Option<Setting>,
    /// Writes of others that were not what the policy wants: when, and whose.
    writes: VecDeque<(Timestamp, String)>,
    /// Who the replicas are contested by, and when the next attempt is due.
    pause: Option<(String, Timestamp)>,
}

impl Contest {
    /// Whether somebody else has written since the replicas were last written or seen.
    pub(super) fn is_foreign(&self, observed: Setting) -> bool {
        self.last.is_some_and(|last| last != observed)
    }

    /// Notes a write of somebody else that is not what the policy wants.
    pub(super) fn interfered(&mut self, at: Timestamp, observed: Setting, manager: &str) {
        self.last = Some(observed);
        self.writes.retain(|(then, _)| at.duration_since(*then) < WITHIN);
        self.writes.push_back((at, manager.to_owned()));
        let theirs = self.writes.iter().filter(|(_, writer)| writer == manager).count();
        if self.pause.is_some() || theirs >= TOO_MANY {
            let next = at.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
            self.pause = Some((manager.to_owned(), next));
        }
    }

    /// Who the replicas are contested by, while no attempt is due. The contest is over when nobody has
    /// written for the time between two attempts.
    pub(super) fn holds(&mut self, at: Timestamp, is_change: bool) -> Option<&str> {
        if !is_change && self.pause.as_ref().is_some_and(|(_, next)| *next <= at) {
            *self = Self { last: self.last, ..Self::default() };
        }
        self.pause.as_ref().filter(|(_, next)| is_change && at < *next).map(|(manager, _)| manager.as_str())
    }

    /// Notes what is set after an evaluation; `None` when a write may or may not have come
    /// through.
    pub(super) fn settled(&mut self, at: Timestamp, setting: Option<Setting>, is_written: bool) {
        self.last = setting;
        if let Some((_, next)) = self.pause.as_mut().filter(|_| is_written) {
            *next = at.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Replicas;

    fn replicas(count: i32) -> Setting {
        Setting::Replicas(Replicas::new(count))
    }

    /// What each write of ours in turn is followed by: seconds since the last, and who writes 5 where 12
    /// are wanted; and whether the replicas are then put right at once.
    #[test]
    fn three_writes_within_ten_minutes_by_one_manager_are_a_contest() {
        for (writes, expected) in [
            (&[(0, "a"), (60, "a"), (60, "a")][..], [true, true, false].as_slice()),
            (&[(0, "a"), (60, "b"), (60, "a")], &[true, true, true]),
            (&[(0, "a"), (60, "b"), (60, "a"), (60, "a")], &[true, true, true, false]),
            (&[(0, "a"), (300, "a"), (300, "a"), (299, "a")], &[true, true, true, false]),
            (&[(0, "a"), (1, "a"), (1, "a"), (300, "a")], &[true, true, false, false]),
        ] {
            let mut contest = Contest::default();
            let mut at = Timestamp::UNIX_EPOCH;
            let (wanted, theirs) = (replicas(12), replicas(5));
            let mut put_right = Vec::new();
            for (seconds, manager) in writes {
                contest.settled(at, Some(wanted), true);
                at += SignedDuration::from_secs(*seconds);
                assert!(contest.is_foreign(theirs));
                contest.interfered(at, theirs, manager);
                put_right.push(contest.holds(at, true).is_none());
            }
            assert_eq!(put_right, expected, "{writes:?}");
        }
    }

    #[test]
    fn attempts_are_five_minutes_apart_and_a_contest_ends_when_one_of_them_lasts() {
        let mut contest = Contest::default();
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let (wanted, theirs) = (replicas(12), replicas(5));
        for seconds in [0, 15, 30] {
            contest.settled(at(seconds), Some(wanted), true);
            contest.interfered(at(seconds), theirs, "robot");
        }
        assert_eq!(contest.holds(at(329), true), Some("robot"));
        assert!(!contest.is_foreign(theirs), "it is known already");
        assert_eq!(contest.holds(at(330), true), None, "the next attempt");
        contest.settled(at(330), Some(wanted), true);
        assert_eq!(contest.holds(at(345), false), None, "all is as it should be");
        assert_eq!(contest.holds(at(345), true), Some("robot"), "but nothing else is tried");
        contest.interfered(at(360), theirs, "robot");
        assert_eq!(contest.holds(at(659), true), Some("robot"));
        contest.settled(at(660), Some(wanted), true);
        assert_eq!(contest.holds(at(960), false), None);
        assert_eq!(contest.holds(at(961), true), None, "it is over");
    }
}
