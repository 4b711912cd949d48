//! When a policy's status may be written. Between two writes lies a quarter of a minute at least, whatever they say and
//! whoever has asked for it. What comes sooner is owed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Grid;
use super::backoff::share;
use crate::operator::cluster::CallError;

/// The least time between two writes of the status of a policy.
const STATUS_GAP: SignedDuration = SignedDuration::from_secs(15);

/// The longest wait for another try after a failure that passes, and after any other.
const LONGEST_PASSING: SignedDuration = SignedDuration::from_secs(60);
const LONGEST: SignedDuration = SignedDuration::from_secs(200);

/// When the status may be written, and whether it has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Telling {
    /// When it may be written again.
    quiet_until: Option<Timestamp>,
    /// One that is owed can be written from then on.
    owed: Option<Timestamp>,
    /// How long it may not be written after the last one at least, once one has failed.
    wait: Option<SignedDuration>,
    /// When one was sent that is not answered yet.
    sent: Option<Duration>,
}

impl Telling {
    /// Whether it may be written now. Until it is, it is owed.
    pub(crate) fn may_tell(&mut self, now: Timestamp) -> bool {
        // A wait that is longer than the gap is that of a clock which was set back.
        self.quiet_until = self.quiet_until.map(|until| until.min(self.latest(now)));
        let may_tell = self.quiet_until.is_none_or(|until| until <= now);
        self.owed = if may_tell { Some(now) } else { self.quiet_until };
        may_tell
    }

    /// Notes that the status was written, or that it may have been.
    pub(crate) fn told(&mut self, now: Timestamp) {
        *self = Self { quiet_until: Some(after(now, STATUS_GAP)), ..Self::default() };
    }

    /// Notes that the status is sent, `elapsed` on a clock that nobody sets. Until it is written it is owed.
    pub(crate) fn begun(&mut self, now: Timestamp, elapsed: Duration) {
        self.quiet_until = Some(after(now, STATUS_GAP));
        self.owed = self.quiet_until;
        self.sent = Some(elapsed);
    }

    /// Whether a status that was sent, and that nobody waits for any more, had so much time.
    pub(crate) fn is_given_up(&mut self, elapsed: Duration, time: Duration) -> bool {
        self.sent.take().is_some_and(|sent| elapsed.saturating_sub(sent) >= time)
    }

    /// Whether the last one could not be written.
    pub(crate) fn is_failing(&self) -> bool {
        self.wait.is_some()
    }

    /// Notes that a status could not be written: the next try is after a quarter of a minute, then twice that and so on, for
    /// each policy up to half as long again. `seed` is the policy's own.
    pub(crate) fn failed(&mut self, now: Timestamp, error: &CallError, seed: u64) {
        let is_passing = error.is_passing() && error.cure().is_none();
        let longest = if is_passing { LONGEST_PASSING } else { LONGEST };
        let wait = self.wait.map_or(STATUS_GAP, |wait| (wait * 2).min(longest));
        let asked = error.retry_after().and_then(|after| SignedDuration::try_from(after).ok());
        let least = wait.max(asked.unwrap_or_default().min(LONGEST));
        (self.wait, self.sent) = (Some(wait), None);
        self.quiet_until = Some(after(now, least + share(seed, wait) / 2));
        self.owed = self.quiet_until;
    }

    /// Notes that nobody waits for a word before the next tick.
    pub(crate) fn silent(&mut self, grid: Grid, now: Timestamp) {
        self.told(now);
        self.quiet_until = self.quiet_until.min(Some(grid.after(now)));
    }

    /// The latest instant at which a status may be written again, whatever has happened before now.
    fn latest(&self, now: Timestamp) -> Timestamp {
        after(now, if self.wait.is_some() { LONGEST + LONGEST / 2 } else { STATUS_GAP })
    }

    /// When a status that is owed can be written.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.owed
    }
}

fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::operator::timetable::tests::at;

    #[test]
    fn between_two_writes_lies_a_quarter_of_a_minute_and_what_comes_sooner_is_owed() {
        let mut telling = Telling::default();
        assert!(telling.may_tell(at("07:00:14")));
        telling.told(at("07:00:14"));
        assert_eq!(telling.at(), None, "nothing new");
        assert!(!telling.may_tell(at("07:00:20")));
        assert_eq!(telling.at(), Some(at("07:00:29")));
        assert!(!telling.may_tell(at("07:00:28.9")) && telling.may_tell(at("07:00:29")));
        telling.told(at("07:00:29"));
        assert_eq!(telling.at(), None, "it is paid");
        assert!(!telling.may_tell(at("06:00:30")));
        assert!(
            telling.may_tell(at("06:00:45")),
            "a clock that is set back by an hour silences nobody for one"
        );
        assert!(!telling.may_tell(at("05:00:00")) && telling.may_tell(at("05:00:15")), "nor once it is owed");
    }

    #[test]
    fn what_can_not_be_written_is_tried_again_after_ever_longer_waits_until_it_is() {
        let refused = || CallError::Forbidden("no".to_owned());
        let away = || CallError::Timeout(Duration::from_secs(10));
        let asks = || CallError::Refused {
            code: 429,
            message: "slow down".to_owned(),
            retry_after: Some(Duration::from_secs(40)),
        };
        for (error, waits) in [
            (&refused as &dyn Fn() -> CallError, [15, 30, 60, 120, 200, 200, 200]),
            (&away, [15, 30, 60, 60, 60, 60, 60]),
            (&asks, [40, 40, 60, 60, 60, 60, 60]),
        ] {
            let (mut telling, mut now) = (Telling::default(), at("07:00:00"));
            for wait in waits.map(SignedDuration::from_secs) {
                assert!(telling.may_tell(now));
                telling.begun(now, Duration::ZERO);
                telling.failed(now, &error(), 7);
                let next = telling.at().expect("it is owed");
                assert!(now + wait <= next && next <= now + wait + wait / 2, "{wait:?} after {now}: {next}");
                assert!(!telling.may_tell(next - SignedDuration::from_millis(1)) && telling.may_tell(next));
                now = next;
            }
            telling.told(now);
            assert!(!telling.is_failing());
            assert!(!telling.may_tell(now + SignedDuration::from_secs(14)));
            assert!(telling.may_tell(now + SignedDuration::from_secs(15)), "as ever");
        }
    }

    #[test]
    fn whoever_is_not_waited_for_is_silent_until_the_next_tick() {
        let mut telling = Telling::default();
        telling.silent(Grid::new(Duration::from_secs(15)), at("07:00:05"));
        assert!(!telling.may_tell(at("07:00:14.9")) && telling.may_tell(at("07:00:15")));
        telling.silent(Grid::new(Duration::from_secs(3600)), at("07:00:05"));
        assert!(!telling.may_tell(at("07:00:19.9")) && telling.may_tell(at("07:00:20")));
    }
}
