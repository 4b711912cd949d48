//! When a policy is evaluated, as arithmetic on instants.
//!
//! There are two kinds of instants. *Ticks* are the multiples of one interval since the Unix epoch, the
//! same for every policy and every process, so that a restart does not move them. *Edges* are the changes
//! of a schedule. Both may be late. A lateness of less than an interval is a matter of scheduling, and the
//! evaluation is for the instant that was meant; after more than that the world has moved on, and the
//! evaluation is for the present. What was missed in between is skipped and never queued up.
//!
//! What failed for a passing reason is tried again after up to a second, then two, four and so on, and at
//! the next tick in any case. Each policy takes its own share of such a wait, from half of it to all, so that
//! those that failed together do not come back together. When the API server asks for a wait, nothing of the
//! policy is due before that is over.
//!
//! Between two writes of the status lies a quarter of a minute at least, whatever they say and whoever has asked for
//! it. What comes sooner is owed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How soon a failed evaluation is tried again at first.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait for another try.
const LAST_RETRY: SignedDuration = SignedDuration::from_secs(60);

/// The least time between two writes of the status of a policy.
const STATUS_GAP: SignedDuration = SignedDuration::from_secs(15);

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
    retry: Option<Again>,
    /// When the status may be written again.
    quiet_until: Option<Timestamp>,
    /// A status that is owed can be written from then on.
    owed: Option<Timestamp>,
}

/// An edge that has come and whose number is not in place yet, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// When it came.
    pub(crate) edge: Timestamp,
    /// The number was sent, and may have been written.
    pub(crate) is_sent: bool,
}

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

impl Timetable {
    /// Starts at `now`. When that is a tick, it is due.
    pub(crate) fn starting(grid: Grid, now: Timestamp) -> Self {
        let latest = grid.latest(now);
        let tick = if latest == now { None } else { Some(latest) };
        Self { tick, ..Self::default() }
    }

    /// The instant for which an edge has to be evaluated now.
    pub(crate) fn edge_due(&self, grid: Grid, now: Timestamp) -> Option<Timestamp> {
        let edge = self.edge.filter(|edge| *edge <= now && !self.is_held(now))?;
        let at = if grid.is_stale(edge, now) { now } else { edge };
        Some(self.not_before_last(at))
    }

    /// The tick that has to be evaluated now.
    pub(crate) fn tick_due(&self, grid: Grid, now: Timestamp) -> Option<Timestamp> {
        let latest = grid.latest(now);
        (self.tick.is_none_or(|tick| tick < latest) && !self.is_held(now)).then_some(latest)
    }

    /// Notes that `tick` was evaluated or given up.
    pub(crate) fn ticked(&mut self, tick: Timestamp) {
        self.tick = Some(tick);
    }

    /// Whether a failed evaluation has to be tried again now.
    pub(crate) fn retry_due(&self, now: Timestamp) -> bool {
        self.retry.is_some_and(|retry| retry.at <= now)
    }

    /// Whether the last evaluation failed for a passing reason.
    pub(crate) fn is_failing(&self) -> bool {
        self.retry.is_some()
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

    /// Notes that there is nothing to try again.
    pub(crate) fn succeeded(&mut self) {
        self.retry = None;
    }

    /// Notes that the last evaluation failed for a passing reason. `seed` is the policy's own.
    pub(crate) fn failed(&mut self, now: Timestamp, retry: Retry, seed: u64) {
        let wait = self.retry.map_or(FIRST_RETRY, |retry| (retry.wait * 2).min(LAST_RETRY));
        let asked = retry.after.map(|after| SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX));
        let asked = asked.map(|asked| asked.min(LAST_RETRY));
        let later = |by: SignedDuration| now.saturating_add(by).unwrap_or(Timestamp::MAX);
        let share = wait / 2 + share(seed, wait) / 2;
        let at = later(asked.unwrap_or(SignedDuration::ZERO).saturating_add(share));
        self.retry = Some(Again { at, wait, held: asked.map(|_| at) });
    }

    /// Whether the API server has asked to be left alone for longer than this.
    fn is_held(&self, now: Timestamp) -> bool {
        self.retry.and_then(|retry| retry.held).is_some_and(|held| now < held)
    }

    /// Whether the status may be written now. If not, it is owed.
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

    /// Whether the clock has been set back since the last evaluation, by more than a tick.
    pub(crate) fn is_ahead_of(&self, grid: Grid, now: Timestamp) -> bool {
        self.last.is_some_and(|last| grid.is_stale(now, last))
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
        let retry = self.retry.map(|retry| retry.at);
        let next = [self.edge, retry, self.owed].into_iter().flatten().fold(tick, Timestamp::min);
        self.retry.and_then(|retry| retry.held).map_or(next, |held| next.max(held))
    }
}

/// When a status may be written again after one that was written now.
fn after_gap(now: Timestamp) -> Timestamp {
    now.saturating_add(STATUS_GAP).unwrap_or(Timestamp::MAX)
}

/// A policy's own part of a wait, from none of it to all, and another one for each wait.
fn share(seed: u64, wait: SignedDuration) -> SignedDuration {
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
        for (now, half, whole) in [
            ("07:00:01", "07:00:01.5", "07:00:02"),
            ("07:00:02", "07:00:03", "07:00:04"),
            ("07:00:04", "07:00:06", "07:00:08"),
        ] {
            table.failed(at(now), Retry::default(), 1);
            let wake = table.wake(grid(), at(now));
            assert!(at(half) <= wake && wake <= at(whole), "{now}: {wake}");
            assert!(!table.retry_due(at(now)), "{now}");
            assert!(table.retry_due(wake), "{now}");
        }
        table.succeeded();
        assert!(!table.retry_due(at("07:00:08")));
        assert_eq!(table.wake(grid(), at("07:00:08")), at("07:00:15"));
    }

    #[test]
    fn policies_that_fail_together_come_back_apart() {
        let wake = |seed| {
            let mut table = Timetable::starting(grid(), at("07:00:01"));
            table.failed(at("07:00:01"), Retry::default(), seed);
            table.wake(grid(), at("07:00:01"))
        };
        let wakes: std::collections::BTreeSet<_> = (0..100).map(wake).collect();
        assert!(wakes.len() > 80, "{} different instants", wakes.len());
        let middle = at("07:00:01.75");
        let early = wakes.iter().filter(|wake| **wake < middle).count();
        assert!((30..70).contains(&early), "{early} in the first half");
    }

    #[test]
    fn nothing_is_due_while_the_server_asks_to_be_left_alone() {
        let mut table = Timetable::starting(grid(), at("07:00:01"));
        table.evaluated(at("07:00:01"), Some(at("07:00:20")));
        table.failed(at("07:00:01"), Retry { after: Some(Duration::from_secs(30)) }, 1);
        for now in ["07:00:02", "07:00:15", "07:00:20", "07:00:30"] {
            let due = (table.edge_due(grid(), at(now)), table.tick_due(grid(), at(now)));
            assert_eq!((due, table.retry_due(at(now))), ((None, None), false), "{now}");
        }
        let wake = table.wake(grid(), at("07:00:15"));
        assert!(at("07:00:31.5") <= wake && wake <= at("07:00:32"), "{wake}");
        assert!(table.retry_due(wake));
        assert_eq!(table.edge_due(grid(), wake), Some(at("07:00:20")), "the edge is late and not lost");
        table.failed(at("07:00:32"), Retry { after: Some(Duration::from_secs(86_400)) }, 1);
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
    fn a_status_that_could_not_be_written_is_owed() {
        let mut table = Timetable::starting(grid(), at("07:00:16"));
        table.told(at("07:00:16"));
        table.owe();
        assert_eq!(table.wake(Grid::new(Duration::from_secs(3600)), at("07:00:16")), at("07:00:31"));
    }

    #[test]
    fn between_two_writes_of_the_status_lies_a_quarter_of_a_minute_and_what_comes_sooner_is_owed() {
        let mut table = Timetable::starting(grid(), at("07:00:14"));
        assert!(table.may_tell(at("07:00:14")));
        table.told(at("07:00:14"));
        assert!(!table.owes(at("07:00:20")), "nothing new");
        assert!(!table.may_tell(at("07:00:20")));
        assert_eq!(table.wake(Grid::new(Duration::from_secs(60)), at("07:00:20")), at("07:00:29"));
        assert!(!table.owes(at("07:00:28.9")) && table.owes(at("07:00:29")));
        assert!(table.may_tell(at("07:00:29")));
        table.told(at("07:00:29"));
        assert!(!table.owes(at("07:00:45")), "it is paid");
        assert!(!table.may_tell(at("06:00:30")));
        assert!(table.owes(at("06:00:45")), "a clock that is set back by an hour silences nobody for one");
    }

    #[test]
    fn whoever_is_not_waited_for_is_silent_until_the_next_tick() {
        let mut table = Timetable::starting(grid(), at("07:00:05"));
        table.silent(grid(), at("07:00:05"));
        assert!(!table.may_tell(at("07:00:14.9")) && table.may_tell(at("07:00:15")));
        let hourly = Grid::new(Duration::from_secs(3600));
        table.silent(hourly, at("07:00:05"));
        assert!(!table.may_tell(at("07:00:19.9")) && table.may_tell(at("07:00:20")));
    }

    #[test]
    fn a_policy_that_became_invalid_sleeps_through_its_edges() {
        let mut table = Timetable::starting(grid(), at("06:59:50"));
        table.evaluated(at("06:59:50"), Some(at("07:00:00")));
        table.failed(at("06:59:50"), Retry::default(), 1);
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
