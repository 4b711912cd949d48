//! The instants of the ticks: the multiples of one interval since the Unix epoch.

use std::time::Duration;

use jiff::Timestamp;

/// The instants of the ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    interval: i128,
}

impl Grid {
    /// Ticks every `interval`; an interval below a millisecond counts as one.
    pub(crate) fn new(interval: Duration) -> Self {
        let nanoseconds = i128::try_from(interval.as_nanos()).unwrap_or(i128::MAX);
        Self { interval: nanoseconds.max(1_000_000) }
    }

    /// The last tick at or before `at`.
    pub(crate) fn latest(self, at: Timestamp) -> Timestamp {
        let at = at.as_nanosecond();
        instant(at - at.rem_euclid(self.interval))
    }

    /// The tick after `tick`.
    pub(crate) fn after(self, tick: Timestamp) -> Timestamp {
        instant(self.latest(tick).as_nanosecond().saturating_add(self.interval))
    }

    /// The interval, when it is a whole number of seconds.
    pub(crate) fn whole_seconds(self) -> Option<Duration> {
        let seconds = u64::try_from(self.interval / 1_000_000_000).ok()?;
        (self.interval % 1_000_000_000 == 0).then(|| Duration::from_secs(seconds))
    }

    /// Whether `then` is more than an interval before `now`.
    pub(crate) fn is_stale(self, then: Timestamp, now: Timestamp) -> bool {
        now.as_nanosecond() - then.as_nanosecond() > self.interval
    }
}

fn instant(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::timetable::tests::{at, grid};

    #[test]
    fn ticks_are_multiples_of_the_interval_since_the_epoch() {
        for (now, latest, after) in [
            ("07:00:00", "07:00:00", "07:00:15"),
            ("07:00:14.999999999", "07:00:00", "07:00:15"),
            ("07:00:16", "07:00:15", "07:00:30"),
        ] {
            assert_eq!(grid().latest(at(now)), at(latest), "{now}");
            assert_eq!(grid().after(at(now)), at(after), "{now}");
        }
        let uneven = Grid::new(Duration::from_secs(7));
        assert_eq!(uneven.latest(at("07:00:03")).as_second().rem_euclid(7), 0);
        let before_the_epoch = Timestamp::from_second(-1).expect("a timestamp");
        assert_eq!(grid().latest(before_the_epoch).as_second(), -15);
    }
}
