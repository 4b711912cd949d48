//! Firings of a five-field cron expression in a time zone, with Debian's meaning of clock changes.
//!
//! An expression whose minute or hour field begins with `*` follows elapsed time: it fires in both passes
//! of a repeated hour and not in a missing one. Any other is a fixed time of day and fires exactly once:
//! at the first pass of a repeated hour, and at the first instant after a missing one. Matching is done on
//! wall-clock minutes with bit sets; only whole days are stepped through.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::clocks::{Clocks, Constant};
use super::dates::Days;
use super::trigger::Firing;

/// The farthest that a matching day is looked for. The calendar repeats after 400 years, but every
/// day that exists (29 February on a given weekday at the latest) comes within 40.
const SEARCH_YEARS: i16 = 41;

/// A cron expression as sets of allowed values, one bit a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CronFields {
    /// Minutes 0 to 59.
    pub minutes: u64,
    /// Hours 0 to 23.
    pub hours: u32,
    /// Days of the month 1 to 31.
    pub days: u32,
    /// Months 1 to 12.
    pub months: u16,
    /// Days of the week, 0 (Sunday) to 6.
    pub weekdays: u8,
    /// The day-of-month field does not begin with `*`.
    pub days_restricted: bool,
    /// The day-of-week field does not begin with `*`.
    pub weekdays_restricted: bool,
    /// The minute or the hour field begins with `*`.
    pub follows_elapsed_time: bool,
}

/// A cron expression that fires some day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cron {
    fields: CronFields,
    /// The longest time between two firings of one day, in minutes of the wall clock.
    longest_gap: i64,
}

impl Cron {
    /// The expression with these allowed values; `None` when no day has them, as in `0 0 30 2 *`.
    #[must_use]
    pub fn new(fields: CronFields) -> Option<Self> {
        let cron = Self { fields, longest_gap: longest_gap(&fields) };
        let start = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);
        let some_time = fields.minutes != 0 && fields.hours != 0;
        (some_time && cron.wall_at_or_after(start, &Days::ALL).is_some()).then_some(cron)
    }

    /// The allowed values.
    #[must_use]
    pub fn fields(&self) -> &CronFields {
        &self.fields
    }

    /// The first firing after `at`.
    #[must_use]
    pub fn next(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        self.next_on(&Days::ALL, &Clocks::new(zone), at).map(|firing| firing.at)
    }

    /// The last firing at or before `at`.
    #[must_use]
    pub fn latest(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        self.latest_on(&Days::ALL, &Clocks::new(zone), at).map(|firing| firing.at)
    }

    /// The first firing after `at` on one of `days`. Of several at the same instant (times of day that a
    /// clock change leaves out) the last on the wall clock.
    pub(super) fn next_on(&self, days: &Days, clocks: &Clocks<'_>, at: Timestamp) -> Option<Firing> {
        let search = Search { cron: self, days, clocks };
        if self.fields.follows_elapsed_time { search.next_elapsed(at) } else { search.next_fixed(at) }
    }

    /// The last firing at or before `at` on one of `days`.
    pub(super) fn latest_on(&self, days: &Days, clocks: &Clocks<'_>, at: Timestamp) -> Option<Firing> {
        let search = Search { cron: self, days, clocks };
        if self.fields.follows_elapsed_time { search.latest_elapsed(at) } else { search.latest_fixed(at) }
    }

    /// The expression's firings at this time of day alone; `None` when it has none.
    pub(super) fn only_at(&self, time: Time) -> Option<Self> {
        let minutes = self.fields.minutes & 1_u64.checked_shl(u32::from(time.minute().unsigned_abs()))?;
        let hours = self.fields.hours & bit32(time.hour());
        let on_the_minute = time.second() == 0 && time.subsec_nanosecond() == 0;
        (on_the_minute && minutes != 0 && hours != 0)
            .then_some(Self { fields: CronFields { minutes, hours, ..self.fields }, longest_gap: 0 })
    }

    /// The longest time between two firings of one day, in minutes of the wall clock.
    pub(super) fn longest_gap_in_a_day(&self) -> i64 {
        self.longest_gap
    }

    /// The first matching minute of the wall clock at or after `from`, which is a whole minute.
    fn wall_at_or_after(&self, from: DateTime, days: &Days) -> Option<DateTime> {
        let last_year = from.year().saturating_add(SEARCH_YEARS);
        let mut date = days.at_or_after(from.date())?;
        let mut earliest = if date == from.date() { from.time() } else { Time::midnight() };
        while date.year() <= last_year {
            let tomorrow = if self.fields.months & bit16(date.month()) == 0 {
                date.last_of_month().tomorrow()
            } else {
                if self.matches_day(date)
                    && let Some(time) = self.time_at_or_after(earliest)
                {
                    return Some(date.to_datetime(time));
                }
                date.tomorrow()
            };
            date = days.at_or_after(tomorrow.ok()?)?;
            earliest = Time::midnight();
        }
        None
    }

    /// The last matching minute of the wall clock at or before `from`, which is a whole minute.
    fn wall_at_or_before(&self, from: DateTime, days: &Days) -> Option<DateTime> {
        let first_year = from.year().saturating_sub(SEARCH_YEARS);
        let last_minute = Time::constant(23, 59, 0, 0);
        let mut date = days.at_or_before(from.date())?;
        let mut latest = if date == from.date() { from.time() } else { last_minute };
        while date.year() >= first_year {
            let yesterday = if self.fields.months & bit16(date.month()) == 0 {
                date.first_of_month().yesterday()
            } else {
                if self.matches_day(date)
                    && let Some(time) = self.time_at_or_before(latest)
                {
                    return Some(date.to_datetime(time));
                }
                date.yesterday()
            };
            date = days.at_or_before(yesterday.ok()?)?;
            latest = last_minute;
        }
        None
    }

    /// Day of month OR day of week when both are restricted, AND otherwise (Vixie cron).
    fn matches_day(&self, date: Date) -> bool {
        let fields = &self.fields;
        let weekday = date.weekday().to_sunday_zero_offset();
        let by_day = fields.days & bit32(date.day()) != 0;
        let by_weekday = u32::from(fields.weekdays) & bit32(weekday) != 0;
        if fields.days_restricted && fields.weekdays_restricted {
            by_day || by_weekday
        } else {
            by_day && by_weekday
        }
    }

    fn time_at_or_after(&self, from: Time) -> Option<Time> {
        let same_hour = self.fields.hours & bit32(from.hour()) != 0;
        let minutes = self.fields.minutes & (u64::MAX << from.minute());
        if same_hour && minutes != 0 {
            return time(u32::from(from.hour().unsigned_abs()), minutes.trailing_zeros());
        }
        let hours = self.fields.hours & u32::MAX.checked_shl(u32::from(from.hour().unsigned_abs()) + 1)?;
        (hours != 0).then(|| time(hours.trailing_zeros(), self.fields.minutes.trailing_zeros()))?
    }

    fn time_at_or_before(&self, from: Time) -> Option<Time> {
        let same_hour = self.fields.hours & bit32(from.hour()) != 0;
        let minutes = self.fields.minutes & (u64::MAX >> (63 - from.minute().unsigned_abs()));
        if same_hour && minutes != 0 {
            return time(u32::from(from.hour().unsigned_abs()), minutes.ilog2());
        }
        let hours = self.fields.hours & (bit32(from.hour()) - 1);
        (hours != 0).then(|| time(hours.ilog2(), self.fields.minutes.ilog2()))?
    }
}

/// An expression on the days of an entry, in its zone.
struct Search<'a> {
    cron: &'a Cron,
    days: &'a Days,
    clocks: &'a Clocks<'a>,
}

impl Search<'_> {
    fn after(&self, from: DateTime) -> Option<DateTime> {
        self.cron.wall_at_or_after(from, self.days)
    }

    fn before(&self, from: DateTime) -> Option<DateTime> {
        self.cron.wall_at_or_before(from, self.days)
    }

    fn next_fixed(&self, at: Timestamp) -> Option<Firing> {
        let mut wall = self.after(minute_of(self.clocks.wall(at)))?;
        loop {
            // In the second pass of a repeated hour the matches ahead on the wall clock have been.
            let (fires, moved) = first_instant(self.clocks, wall)?;
            if fires > at {
                let firing = Firing { at: fires, wall };
                return if moved { self.latest_fixed(fires) } else { Some(firing) };
            }
            wall = self.after(wall.checked_add(1.minute()).ok()?)?;
        }
    }

    fn latest_fixed(&self, at: Timestamp) -> Option<Firing> {
        let now = self.clocks.wall(at);
        // In the second pass of a repeated hour, matches of the first pass lie ahead on the wall clock.
        let repeated = match self.clocks.offset(now) {
            AmbiguousOffset::Fold { before, after } => {
                i64::from(before.seconds()) - i64::from(after.seconds())
            }
            AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => 0,
        };
        let start = now.checked_add(repeated.seconds()).ok()?;
        let mut wall = self.before(minute_of(start))?;
        loop {
            let (fired, _) = first_instant(self.clocks, wall)?;
            if fired <= at {
                return Some(Firing { at: fired, wall });
            }
            wall = self.before(wall.checked_sub(1.minute()).ok()?)?;
        }
    }

    fn next_elapsed(&self, at: Timestamp) -> Option<Firing> {
        // Between two clock changes, wall time is the instant plus a constant.
        let mut from = at.checked_add(1.nanosecond()).ok()?;
        let mut is_over = false;
        loop {
            let Constant { to, offset, .. } = self.clocks.constant(from);
            let Some(wall) = self.after(up_to_minute(offset.to_datetime(from))?) else {
                // Clocks that go back show the last of these dates again.
                if is_over || to == Timestamp::MAX {
                    return None;
                }
                (is_over, from) = (true, to);
                continue;
            };
            let fires = offset.to_timestamp(wall).ok()?;
            if fires < to {
                return Some(Firing { at: fires, wall });
            }
            from = to;
        }
    }

    fn latest_elapsed(&self, at: Timestamp) -> Option<Firing> {
        let mut now = at;
        let mut is_before = false;
        loop {
            let Constant { from, offset, .. } = self.clocks.constant(now);
            let Some(wall) = self.before(minute_of(offset.to_datetime(now))) else {
                // Clocks that went back have shown the first of these dates before.
                if is_before || from == Timestamp::MIN {
                    return None;
                }
                (is_before, now) = (true, from.checked_sub(1.nanosecond()).ok()?);
                continue;
            };
            let fired = offset.to_timestamp(wall).ok()?;
            if fired >= from {
                return Some(Firing { at: fired, wall });
            }
            now = from.checked_sub(1.nanosecond()).ok()?;
        }
    }
}

/// The instant at which a fixed wall time comes: its first pass, or the end of the gap it falls into; and
/// whether a gap moved it.
pub(super) fn first_instant(clocks: &Clocks<'_>, wall: DateTime) -> Option<(Timestamp, bool)> {
    match clocks.offset(wall) {
        AmbiguousOffset::Unambiguous { offset } => Some((offset.to_timestamp(wall).ok()?, false)),
        AmbiguousOffset::Fold { before, .. } => Some((before.to_timestamp(wall).ok()?, false)),
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the offset that holds after the gap, the wall time lies before the gap's end.
            let before_end = after.to_timestamp(wall).ok()?;
            Some((clocks.change_after(before_end)?, true))
        }
    }
}

fn longest_gap(fields: &CronFields) -> i64 {
    let fires =
        |minute: &i64| fields.hours >> (minute / 60) & 1 == 1 && fields.minutes >> (minute % 60) & 1 == 1;
    let (mut longest, mut previous) = (0, None);
    for minute in (0..24 * 60).filter(fires) {
        longest = longest.max(previous.map_or(0, |previous| minute - previous));
        previous = Some(minute);
    }
    longest
}

fn minute_of(wall: DateTime) -> DateTime {
    let time = wall.time();
    wall.date().at(time.hour(), time.minute(), 0, 0)
}

/// The first whole minute at or after `wall`.
fn up_to_minute(wall: DateTime) -> Option<DateTime> {
    let minute = minute_of(wall);
    if minute == wall { Some(wall) } else { minute.checked_add(1.minute()).ok() }
}

fn time(hour: u32, minute: u32) -> Option<Time> {
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
}

fn bit32(value: i8) -> u32 {
    1_u32.checked_shl(u32::from(value.unsigned_abs())).unwrap_or(0)
}

fn bit16(value: i8) -> u16 {
    1_u16.checked_shl(u32::from(value.unsigned_abs())).unwrap_or(0)
}
