//! When a policy is evaluated, as arithmetic on instants.
//!
//! There are two kinds of instants. *Ticks* are the multiples of one interval since the Unix epoch, the
//! same for every policy and every process, so that a restart does not move them. *Edges* are the changes
//! of a schedule. Both may be late. A lateness of less than an interval is a matter of scheduling, and the
//! evaluation is for the instant that was meant; after more than that the world has moved on, and the
//! evaluation is for the present. What was missed in between is skipped and never queued up.
//!
//! Two more things make a policy due: what failed is tried again ([`backoff`]), and a status that is owed is written
//! ([`telling`]).

use jiff::Timestamp;

use self::backoff::Backoff;
pub(crate) use self::backoff::Retry;
pub(crate) use self::grid::Grid;
use self::telling::Telling;

mod backoff;
mod grid;
mod telling;

/// Where one policy stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timetable {
    /// The last tick that was evaluated or skipped.
    tick: Option<Timestamp>,
    /// The next edge of the schedule; `None` when there is none.
    edge: Option<Timestamp>,
    /// The last edge that has come, until its number is in place.
    open: Option<Open>,
    /// The instant of the last evaluation.
    last: Option<Timestamp>,
    /// When a failed evaluation is tried again.
    pub(crate) backoff: Backoff,
    /// When the status is written.
    pub(crate) telling: Telling,
}

/// An edge that has come and whose number is not in place yet, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// When it came.
    pub(crate) edge: Timestamp,
    /// The number was sent, and may have been written.
    pub(crate) is_sent: bool,
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
        let edge = self.edge.filter(|edge| *edge <= now && !self.backoff.is_held(now))?;
        let at = if grid.is_stale(edge, now) { now } else { edge };
        Some(self.not_before_last(at))
    }

    /// The tick that has to be evaluated now.
    pub(crate) fn tick_due(&self, grid: Grid, now: Timestamp) -> Option<Timestamp> {
        let latest = grid.latest(now);
        (self.tick.is_none_or(|tick| tick < latest) && !self.backoff.is_held(now)).then_some(latest)
    }

    /// Notes that `tick` was evaluated or given up.
    pub(crate) fn ticked(&mut self, tick: Timestamp) {
        self.tick = Some(tick);
    }

    /// Notes that the last tick is due after all; `before` is the one before it.
    pub(crate) fn missed(&mut self, before: Option<Timestamp>) {
        self.tick = before;
    }

    /// The last tick that was evaluated or skipped.
    pub(crate) fn last_tick(&self) -> Option<Timestamp> {
        self.tick
    }

    /// Notes an evaluation at `at` and the edge that follows it.
    pub(crate) fn evaluated(&mut self, at: Timestamp, next_edge: Option<Timestamp>) {
        self.last = Some(self.not_before_last(at));
        self.edge = next_edge;
    }

    /// Notes the next edge of a schedule that is another one.
    pub(crate) fn expects(&mut self, edge: Option<Timestamp>) {
        self.edge = edge;
        self.open = None;
    }

    /// Notes that an edge has come, `None` when it is one that does not count. One of before counts no more.
    pub(crate) fn came(&mut self, edge: Option<Timestamp>) {
        self.open = edge.map(|edge| Open { edge, is_sent: false });
    }

    /// Notes that a number was sent and may or may not have been written.
    pub(crate) fn sent(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_sent = true;
        }
    }

    /// Notes that the edge that is open counts no more, and gives it.
    pub(crate) fn close(&mut self) -> Option<Open> {
        self.open.take()
    }

    /// Whether the clock has been set back since the last evaluation, by more than a tick.
    pub(crate) fn is_ahead_of(&self, grid: Grid, now: Timestamp) -> bool {
        self.last.is_some_and(|last| grid.is_stale(now, last))
    }

    /// Leaves nothing but ticks: the policy can't be evaluated, and an edge that nobody takes would be due
    /// for ever.
    pub(crate) fn suspend(&mut self) {
        self.edge = None;
        self.backoff.succeeded();
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
        let others = [self.edge, self.backoff.at(), self.telling.at()];
        let next = others.into_iter().flatten().fold(tick, Timestamp::min);
        self.backoff.held().map_or(next, |held| next.max(held))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    pub(super) fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().expect("a timestamp")
    }

    pub(super) fn grid() -> Grid {
        Grid::new(Duration::from_secs(15))
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
    fn nothing_is_due_while_the_server_asks_to_be_left_alone() {
        let mut table = Timetable::starting(grid(), at("07:00:01"));
        table.evaluated(at("07:00:01"), Some(at("07:00:20")));
        table.backoff.failed(at("07:00:01"), Retry { after: Some(Duration::from_secs(30)) }, 1);
        for now in ["07:00:02", "07:00:15", "07:00:20", "07:00:30"] {
            let due = (table.edge_due(grid(), at(now)), table.tick_due(grid(), at(now)));
            assert_eq!((due, table.backoff.is_due(at(now))), ((None, None), false), "{now}");
        }
        let wake = table.wake(grid(), at("07:00:15"));
        assert!(at("07:00:31.5") <= wake && wake <= at("07:00:32"), "{wake}");
        assert!(table.backoff.is_due(wake));
        assert_eq!(table.edge_due(grid(), wake), Some(at("07:00:20")), "the edge is late and not lost");
        table.backoff.failed(at("07:00:32"), Retry { after: Some(Duration::from_secs(86_400)) }, 1);
        assert!(table.wake(grid(), at("07:00:32")) <= at("07:01:34"), "a day is not waited for");
    }

    #[test]
    fn a_clock_that_is_set_back_is_noticed_and_jitter_is_not() {
        let mut table = Timetable::starting(grid(), at("07:00:16"));
        assert!(!table.is_ahead_of(grid(), at("07:00:16")), "nothing was evaluated yet");
        table.evaluated(at("07:00:16"), None);
        assert!(!table.is_ahead_of(grid(), at("07:00:02")));
        assert!(table.is_ahead_of(grid(), at("06:00:16")));
    }

    #[test]
    fn a_policy_is_woken_for_another_try_and_for_a_status_that_is_owed() {
        let hourly = Grid::new(Duration::from_secs(3600));
        let mut table = Timetable::starting(hourly, at("07:00:16"));
        table.telling.told(at("07:00:16"));
        assert_eq!(table.wake(hourly, at("07:00:20")), at("08:00:00"), "nothing is owed");
        table.telling.begun(at("07:00:16"), Duration::ZERO);
        assert_eq!(table.wake(hourly, at("07:00:20")), at("07:00:31"));
        table.backoff.failed(at("07:00:20"), Retry::default(), 1);
        assert!(table.wake(hourly, at("07:00:20")) <= at("07:00:21"));
    }

    #[test]
    fn a_policy_that_became_invalid_sleeps_through_its_edges() {
        let mut table = Timetable::starting(grid(), at("06:59:50"));
        table.evaluated(at("06:59:50"), Some(at("07:00:00")));
        table.backoff.failed(at("06:59:50"), Retry::default(), 1);
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
