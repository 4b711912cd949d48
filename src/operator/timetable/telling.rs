//! When a policy's status may be written. Between two writes lies a quarter of a minute at least, whatever they say and
//! whoever has asked for it. What comes sooner is owed.

use jiff::{SignedDuration, Timestamp};

use super::Grid;

/// The least time between two writes of the status of a policy.
const STATUS_GAP: SignedDuration = SignedDuration::from_secs(15);

/// When the status may be written, and whether it has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Telling {
    /// When it may be written again.
    quiet_until: Option<Timestamp>,
    /// One that is owed can be written from then on.
    owed: Option<Timestamp>,
}

impl Telling {
    /// Whether it may be written now. If not, it is owed.
    pub(crate) fn may_tell(&mut self, now: Timestamp) -> bool {
        // A wait that is longer than the gap is that of a clock which was set back.
        self.quiet_until = self.quiet_until.map(|until| until.min(after_gap(now)));
        self.owed = self.quiet_until.filter(|until| *until > now);
        self.owed.is_none()
    }

    /// Notes that the status was written, that it was tried, or that it may have been.
    pub(crate) fn told(&mut self, now: Timestamp) {
        self.quiet_until = Some(after_gap(now));
        self.owed = None;
    }

    /// Notes that nobody waits for a word before the next tick.
    pub(crate) fn silent(&mut self, grid: Grid, now: Timestamp) {
        self.told(now);
        self.quiet_until = self.quiet_until.min(Some(grid.after(now)));
    }

    /// Notes that a status could not be written.
    pub(crate) fn owe(&mut self) {
        self.owed = self.quiet_until;
    }

    /// Whether a status is owed and can be written now.
    pub(crate) fn owes(&mut self, now: Timestamp) -> bool {
        // As in [`Self::may_tell`].
        self.owed = self.owed.map(|owed| owed.min(after_gap(now)));
        self.owed.is_some_and(|owed| owed <= now)
    }

    /// When a status that is owed can be written.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.owed
    }
}

/// When a status may be written again after one that was written now.
fn after_gap(now: Timestamp) -> Timestamp {
    now.saturating_add(STATUS_GAP).unwrap_or(Timestamp::MAX)
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
        assert!(!telling.owes(at("07:00:20")), "nothing new");
        assert!(!telling.may_tell(at("07:00:20")));
        assert_eq!(telling.at(), Some(at("07:00:29")));
        assert!(!telling.owes(at("07:00:28.9")) && telling.owes(at("07:00:29")));
        assert!(telling.may_tell(at("07:00:29")));
        telling.told(at("07:00:29"));
        assert!(!telling.owes(at("07:00:45")), "it is paid");
        assert!(!telling.may_tell(at("06:00:30")));
        assert!(telling.owes(at("06:00:45")), "a clock that is set back by an hour silences nobody for one");
        assert!(!telling.owes(at("05:00:00")) && telling.owes(at("05:00:15")), "nor once it is owed");
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
