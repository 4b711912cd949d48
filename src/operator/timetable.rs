//! When a policy is evaluated, as arithmetic on instants.
//!
//! There are two kinds of instants. *Ticks* are the multiples of one interval since the Unix epoch, the
//! same for every policy and every process, so that a restart does not move them. *Edges* are the changes
//! of a schedule. Both may be late. A lateness of less than an interval is a matter of scheduling, and the
//! evaluation is for the instant that was meant; after more than that the world has moved on, and the
//! evaluation is for the present. What was missed in between is skipped and never queued up.
//!
//! What failed for a passing reason is tried again after a second, then two, four and so on, and at the
//! next tick in any case. Each wait is shortened by up to a half, so that those who failed together don't
//! come back together; a server that says how long to wait is listened to.
//!
//! The status is written once in each quarter of a minute at most. What comes later than that is owed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How soon a failed evaluation is tried again at first.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait for another try.
const LAST_RETRY: SignedDuration = SignedDuration::from_secs(60);

/// In each of these the status of a policy is written once.
const STATUS_SLOT: Grid = Grid { interval: 15_000_000_000 };

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
    fn is_stale(self, then: Timestamp, now: Timestamp) -> bool {
        now.as_nanosecond() - then.as_nanosecond() > self.interval
    }
}

fn instant(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX)
}

/// Where one policy stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timetable {
    /// The last tick that was evaluated or skipped.
    tick: Option<Timestamp>,
    /// The next edge of the schedule; `None` when there is none.
    edge: Option<Timestamp>,
    /// The instant of the last evaluation.
    last: Option<Timestamp>,
    /// When a failed evaluation is tried again, and how long that waited.
    retry: Option<(Timestamp, SignedDuration)>,
    /// The slot in which the status was last written.
    told: Option<Timestamp>,
    /// A status that is owed can be written from then on.
    owed: Option<Timestamp>,
}

impl Timetable {
    /// Starts at `now`. When that is a tick, it is due.
    pub(crate) fn starting(grid: Grid, now: Timestamp) -> Self {
        let latest = grid.latest(now);
        let tick = if latest == now { None } else { Some(latest) };
        Self { tick, ..Self::default() }
    }

    /// The instant for which an edge has to be evaluated now.
    pub(crate) fn edge_due(&self, grid: Grid, now: Timestamp) -> Option<Timestamp> {
        let edge = self.edge.filter(|edge| *edge <= now)?;
        let at = if grid.is_stale(edge, now) { now } else { edge };
        Some(self.not_before_last(at))
    }

    /// The tick that has to be evaluated now.
    pub(crate) fn tick_due(&self, grid: Grid, now: Timestamp) -> Option<Timestamp> {
        let latest = grid.latest(now);
        self.tick.is_none_or(|tick| tick < latest).then_some(latest)
    }

    /// Notes that `tick` was evaluated or given up.
    pub(crate) fn ticked(&mut self, tick: Timestamp) {
        self.tick = Some(tick);
    }

    /// Whether a failed evaluation has to be tried again now.
    pub(crate) fn retry_due(&self, now: Timestamp) -> bool {
        self.retry.is_some_and(|(at, _)| at <= now)
    }

    /// Notes an evaluation at `at` and the edge that follows it.
    pub(crate) fn evaluated(&mut self, at: Timestamp, next_edge: Option<Timestamp>) {
        self.last = Some(self.not_before_last(at));
        self.edge = next_edge;
    }

    /// Notes that there is nothing to try again.
    pub(crate) fn succeeded(&mut self) {
        self.retry = None;
    }

    /// Notes that the last evaluation failed for a passing reason. `at_least` is what the server asks to wait,
    /// and `chance` any number that differs between policies.
    pub(crate) fn failed(&mut self, now: Timestamp, at_least: Option<Duration>, chance: u64) {
        let wait = self.retry.map_or(FIRST_RETRY, |(_, wait)| (wait * 2).min(LAST_RETRY));
        let asked = at_least.and_then(|asked| SignedDuration::try_from(asked).ok()).unwrap_or_default();
        // Another share at each try.
        let mixed = (chance ^ wait.as_secs().unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let share = i64::try_from((mixed >> 32) % 501).unwrap_or(0);
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let next = asked.min(LAST_RETRY) + SignedDuration::from_millis(millis - millis / 1000 * share);
        self.retry = Some((now.saturating_add(next).unwrap_or(Timestamp::MAX), wait));
    }

    /// Whether the status may be written now. If not, it is owed.
    pub(crate) fn may_tell(&mut self, now: Timestamp) -> bool {
        let slot = STATUS_SLOT.latest(now);
        let may = self.told.is_none_or(|told| told < slot);
        self.owed = (!may).then(|| STATUS_SLOT.after(slot));
        may
    }

    /// Notes that the status was written, or that it was tried.
    pub(crate) fn told(&mut self, now: Timestamp) {
        self.told = Some(STATUS_SLOT.latest(now));
        self.owed = None;
    }

    /// Whether a status is owed and can be written now.
    pub(crate) fn owes(&self, now: Timestamp) -> bool {
        self.owed.is_some_and(|owed| owed <= now)
    }

    /// Leaves nothing but ticks: the policy can't be evaluated, and an edge that nobody takes would be due
    /// for ever.
    pub(crate) fn suspend(&mut self) {
        self.edge = None;
        self.retry = None;
    }

    /// Lets what was due go by, but for a tick at `now`: the policy can't be evaluated yet, and may be at once.
    pub(crate) fn postpone(&mut self, grid: Grid, now: Timestamp) {
        self.suspend();
        if self.tick_due(grid, now).is_some() {
            self.tick = Self::starting(grid, now).tick;
        }
    }

    /// The next edge of the schedule.
    pub(crate) fn next_edge(&self) -> Option<Timestamp> {
        self.edge
    }

    /// `at`, or the last evaluation's instant when that is later: time never runs backwards for a history.
    pub(crate) fn not_before_last(&self, at: Timestamp) -> Timestamp {
        self.last.map_or(at, |last| last.max(at))
    }

    /// The next instant at which anything is due.
    pub(crate) fn wake(&self, grid: Grid, now: Timestamp) -> Timestamp {
        let tick = grid.after(self.tick.unwrap_or(now));
        let retry = self.retry.map(|(at, _)| at);
        [self.edge, retry, self.owed].into_iter().flatten().fold(tick, Timestamp::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().expect("a timestamp")
    }

    fn grid() -> Grid {
        Grid::new(Duration::from_secs(15))
    }

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

    #[test]
    fn the_first_tick_is_due_at_once_only_on_the_grid() {
        let on = Timetable::starting(grid(), at("07:00:15"));
        assert_eq!(on.tick_due(grid(), at("07:00:15")), Some(at("07:00:15")));
        let off = Timetable::starting(grid(), at("07:00:16"));
        assert_eq!(off.tick_due(grid(), at("07:00:16")), None);
        assert_eq!(off.wake(grid(), at("07:00:16")), at("07:00:30"));
    }

    #[test]
    fn missed_ticks_are_skipped_and_not_queued_up() {
        let mut table = Timetable::starting(grid(), at("07:00:16"));
        assert_eq!(table.tick_due(grid(), at("07:10:02")), Some(at("07:10:00")));
        table.ticked(at("07:10:00"));
        assert_eq!(table.tick_due(grid(), at("07:10:02")), None);
        assert_eq!(table.wake(grid(), at("07:10:02")), at("07:10:15"));
    }

    #[test]
    fn a_late_edge_is_evaluated_at_its_instant_and_a_very_late_one_at_the_present() {
        let mut table = Timetable::starting(grid(), at("06:59:50"));
        table.evaluated(at("06:59:50"), Some(at("07:00:00")));
        assert_eq!(table.edge_due(grid(), at("06:59:59.9")), None);
        assert_eq!(table.edge_due(grid(), at("07:00:00")), Some(at("07:00:00")));
        assert_eq!(table.edge_due(grid(), at("07:00:04")), Some(at("07:00:00")));
        assert_eq!(table.edge_due(grid(), at("07:00:16")), Some(at("07:00:16")));
        assert_eq!(table.wake(grid(), at("06:59:50")), at("07:00:00"), "the edge at 07:00 is also a tick");
    }

    #[test]
    fn a_failure_is_tried_again_after_ever_longer_waits_until_it_succeeds() {
        let mut table = Timetable::starting(grid(), at("07:00:01"));
        for (now, retry) in [("07:00:01", "07:00:02"), ("07:00:02", "07:00:04"), ("07:00:04", "07:00:08")] {
            table.failed(at(now), None, 7);
            let half = at(retry).duration_since(at(now)) / 2;
            assert!(!table.retry_due(at(retry) - half - SignedDuration::from_millis(1)), "{now}");
            assert!(table.retry_due(at(retry)), "{now}");
            let wake = table.wake(grid(), at(now));
            assert!((at(retry) - half..=at(retry)).contains(&wake), "{wake}");
        }
        table.succeeded();
        assert!(!table.retry_due(at("07:00:08")));
        assert_eq!(table.wake(grid(), at("07:00:08")), at("07:00:15"));
    }

    #[test]
    fn who_failed_together_does_not_come_back_together_and_nobody_before_the_server_wants_it() {
        let now = at("07:00:01");
        let wait = |at_least: Option<u64>, chance: u64| {
            let mut table = Timetable::starting(grid(), now);
            table.failed(now, at_least.map(Duration::from_secs), chance);
            table.retry.expect("another try").0.duration_since(now).as_millis()
        };
        let waits: std::collections::BTreeSet<i128> = (0..200).map(|chance| wait(None, chance)).collect();
        assert!(waits.len() > 100 && waits.iter().all(|wait| (500..=1000).contains(wait)), "{waits:?}");
        assert!((0..200).all(|chance| (5500..=6000).contains(&wait(Some(5), chance))));
        assert!((0..200).all(|chance| wait(Some(3600), chance) <= 61_000), "but not for ever");
    }

    #[test]
    fn the_status_is_written_once_in_a_quarter_of_a_minute_and_what_comes_later_is_owed() {
        let mut table = Timetable::starting(grid(), at("07:00:16"));
        assert!(table.may_tell(at("07:00:16")));
        table.told(at("07:00:16"));
        assert!(!table.owes(at("07:00:20")), "nothing new");
        assert!(!table.may_tell(at("07:00:20")));
        assert_eq!(table.wake(Grid::new(Duration::from_secs(60)), at("07:00:20")), at("07:00:30"));
        assert!(!table.owes(at("07:00:29.9")) && table.owes(at("07:00:30")));
        assert!(table.may_tell(at("07:00:30")));
        table.told(at("07:00:30"));
        assert!(!table.owes(at("07:00:45")), "it is paid");
    }

    #[test]
    fn a_policy_that_became_invalid_sleeps_through_its_edges() {
        let mut table = Timetable::starting(grid(), at("06:59:50"));
        table.evaluated(at("06:59:50"), Some(at("07:00:00")));
        table.failed(at("06:59:50"), None, 0);
        table.suspend();
        table.ticked(at("07:00:00"));
        assert_eq!(table.wake(grid(), at("07:00:01")), at("07:00:15"));
    }

    #[test]
    fn a_policy_that_waits_for_answers_misses_ticks_but_not_the_one_of_the_instant_at_which_they_come() {
        let mut table = Timetable::starting(grid(), at("07:00:00"));
        for (now, due, wake) in [
            ("07:00:00", Some("07:00:00"), "07:00:15"),
            ("07:00:15", Some("07:00:15"), "07:00:30"),
            ("07:00:31", None, "07:00:45"),
            ("07:00:45", Some("07:00:45"), "07:01:00"),
        ] {
            table.postpone(grid(), at(now));
            assert_eq!(table.tick_due(grid(), at(now)), due.map(at), "{now}");
            assert_eq!(table.wake(grid(), at(now)), at(wake), "{now}");
        }
        table.ticked(at("07:00:45"));
        table.postpone(grid(), at("07:00:45"));
        assert_eq!(table.tick_due(grid(), at("07:00:45")), None, "it was evaluated");
    }

    #[test]
    fn a_tick_that_was_overtaken_by_an_edge_is_evaluated_at_the_edge() {
        let mut table = Timetable::starting(grid(), at("06:59:45"));
        table.evaluated(at("06:59:45"), Some(at("06:59:47")));
        table.evaluated(at("06:59:47"), None);
        assert_eq!(table.not_before_last(at("06:59:45")), at("06:59:47"));
    }
}
