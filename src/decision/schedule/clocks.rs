//! The clocks of a zone, for those who ask again and again: instants that are asked for one after the other
//! mostly lie between the same two clock changes, and a zone is slow to say which offset it has.

use std::cell::Cell;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// No offset is as large, and no clock change moves clocks as far. What is farther from a clock change
/// does not feel it.
const FAR: SignedDuration = SignedDuration::from_hours(48);

/// A zone that remembers the time between two changes in which it was asked last.
pub(super) struct Clocks<'a> {
    zone: &'a TimeZone,
    last: Cell<Constant>,
}

/// A time in which the offset does not change: from an instant, or the beginning of time, until another
/// (exclusively), or the end of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constant {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) offset: Offset,
}

impl<'a> Clocks<'a> {
    pub(super) fn new(zone: &'a TimeZone) -> Self {
        let never = Constant { from: Timestamp::MAX, to: Timestamp::MIN, offset: Offset::UTC };
        Self { zone, last: Cell::new(never) }
    }

    /// The time around `at` in which clocks don't change.
    pub(super) fn constant(&self, at: Timestamp) -> Constant {
        let last = self.last.get();
        if last.from <= at && at < last.to {
            return last;
        }
        let before = at.checked_add(1.nanosecond()).ok().and_then(|after| self.zone.preceding(after).next());
        let now = Constant {
            from: before.map_or(Timestamp::MIN, |change| change.timestamp()),
            to: self.zone.following(at).next().map_or(Timestamp::MAX, |change| change.timestamp()),
            offset: self.zone.to_offset(at),
        };
        self.last.set(now);
        now
    }

    /// What clocks show at `at`.
    pub(super) fn wall(&self, at: Timestamp) -> DateTime {
        self.constant(at).offset.to_datetime(at)
    }

    /// The offset, or offsets, with which clocks show `wall`.
    pub(super) fn offset(&self, wall: DateTime) -> AmbiguousOffset {
        let Constant { from, to, offset } = self.last.get();
        if let Ok(at) = offset.to_timestamp(wall)
            && at.duration_since(from) >= FAR
            && to.duration_since(at) >= FAR
        {
            return AmbiguousOffset::Unambiguous { offset };
        }
        self.zone.to_ambiguous_timestamp(wall).offset()
    }

    /// The first clock change after `at`.
    pub(super) fn change_after(&self, at: Timestamp) -> Option<Timestamp> {
        Some(self.constant(at).to).filter(|to| *to != Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_show_what_the_zone_shows_whatever_was_asked_before(
            name in prop::sample::select(tz::db().available().map(|name| name.to_string()).collect::<Vec<_>>()),
            asked in prop::collection::vec(0_i64..4_000_000_000, 1..20),
        ) {
            let zone = tz::db().get(&name).expect("it is available");
            let clocks = Clocks::new(&zone);
            for second in asked {
                let at = Timestamp::from_second(second).expect("in range");
                let wall = clocks.wall(at);
                prop_assert_eq!(wall, zone.to_datetime(at));
                for days in [-3, -1, 0, 1, 3] {
                    let near = wall + jiff::Span::new().days(days);
                    prop_assert_eq!(clocks.offset(near), zone.to_ambiguous_timestamp(near).offset());
                }
                let after = zone.following(at).next().map(|change| change.timestamp());
                prop_assert_eq!(clocks.change_after(at), after);
            }
        }
    }
}
