//! Leader election: of several operators one writes, and the others watch and wait.
//!
//! The leader's name stands in a Lease, which it renews. Another may take the Lease when it has seen no renewal
//! for the Lease's whole duration *by its own clock*, whatever times are written in it: clocks of two machines
//! need not agree. The leader stops writing earlier, a while after the last renewal that was *sent* and succeeded,
//! and no write may take longer than what is left of the Lease then: see `Leadership`.
//!
//! ```text
//! sent                          sent + tenure                  sent + duration
//!  │ writes are begun             │ none is begun any more       │ none is under way any more;
//!  │                              │                              │ nobody else begins before
//! ```

mod campaign;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

pub(super) use self::campaign::Campaign;
use super::shard::Shard;
use crate::clock::Clock;

/// How an operator stands for election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOptions {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name; that of a shard adds its own number.
    pub name: String,
    /// The part of the policies that the leader looks after; without it, all.
    pub shard: Option<Shard>,
    /// What the operator is called in it; no two may be called the same.
    pub identity: String,
    /// How long after its last renewal the Lease may be taken by another. At least a second; a Lease counts
    /// in whole ones.
    pub duration: Duration,
}

impl LeaseOptions {
    /// The usual duration.
    pub const DURATION: Duration = Duration::from_secs(15);

    /// A name for this process that no other has, beginning with that of its host.
    #[must_use]
    pub fn identity_on(host: &str) -> String {
        // Two containers of one pod, or one before and after its restart, share a host name.
        format!("{host}_{:016x}", RandomState::new().build_hasher().finish())
    }

    /// The name of the Lease.
    fn lease(&self) -> String {
        let Self { name, shard, .. } = self;
        shard.map_or_else(|| name.clone(), |shard| format!("{name}-{}-of-{}", shard.index(), shard.count()))
    }

    /// Whether a Lease is that of an operator which shares the same policies out otherwise: among more or fewer, or not at
    /// all.
    fn is_otherwise(&self, lease: &str) -> bool {
        let Some(rest) = lease.strip_prefix(&self.name) else { return false };
        let ours = self.shard.map(Shard::count);
        if rest.is_empty() {
            return ours.is_some();
        }
        let parts = rest.strip_prefix('-').and_then(|rest| rest.split_once("-of-"));
        let shard = parts.and_then(|(index, count)| format!("{index}/{count}").parse::<Shard>().ok());
        shard.is_some_and(|shard| Some(shard.count()) != ours)
    }

    /// How long after a renewal the leader still begins to write.
    fn tenure(&self) -> Duration {
        self.duration * 2 / 3
    }

    /// How often the leader renews.
    fn renewal(&self) -> Duration {
        self.duration / 3
    }

    /// How soon what failed is tried again.
    fn retry(&self) -> Duration {
        self.duration / 15
    }
}

/// Whether this process may write. What holds it has to ask before each write.
#[derive(Debug)]
pub(super) struct Leadership {
    clock: Clock,
    standing: Mutex<Standing>,
}

#[derive(Debug)]
enum Standing {
    /// Nobody else runs: so it was said.
    Alone,
    /// There are others.
    Elected {
        /// How often the leadership was gained.
        term: u64,
        until: Option<Tenure>,
        /// The term that others were told of.
        told: Option<u64>,
    },
}

/// The time in which the leader may write: by a clock that nobody steps, and by wall time as well, since
/// the former may stand still while a machine is suspended.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    sent: Duration,
    sent_wall: Timestamp,
    begin_within: Duration,
    end_within: Duration,
}

impl Tenure {
    fn age(&self, clock: &Clock) -> Duration {
        let by_wall = clock.now().duration_since(self.sent_wall);
        let by_wall = Duration::try_from(by_wall).unwrap_or_default();
        clock.elapsed().saturating_sub(self.sent).max(by_wall)
    }
}

impl Leadership {
    /// For an operator that stands for no election.
    pub(super) fn alone(clock: Clock) -> Self {
        Self { clock, standing: Mutex::new(Standing::Alone) }
    }

    /// For an operator that has to be elected first.
    pub(super) fn sought(clock: Clock) -> Self {
        Self { clock, standing: Mutex::new(Standing::Elected { term: 0, until: None, told: None }) }
    }

    /// For an operator that was elected just now.
    #[cfg(test)]
    pub(super) fn elected_for(clock: &Clock, [begin_within, end_within]: [Duration; 2]) -> Self {
        let leadership = Self::sought(clock.clone());
        let (sent, sent_wall) = (clock.elapsed(), clock.now());
        leadership.renewed(Tenure { sent, sent_wall, begin_within, end_within });
        leadership
    }

    /// How long a write that begins now may take; `None` when none may begin.
    pub(super) fn may_write(&self) -> Option<Duration> {
        match &*self.standing() {
            Standing::Alone => Some(Duration::MAX),
            Standing::Elected { until, .. } => {
                let tenure = until.as_ref()?;
                let age = tenure.age(&self.clock);
                (age < tenure.begin_within).then(|| tenure.end_within.saturating_sub(age))
            }
        }
    }

    /// Whether a write that was begun in a term may still be under way.
    pub(super) fn may_finish(&self, begun_in: u64) -> bool {
        match &*self.standing() {
            Standing::Alone => true,
            Standing::Elected { term, until, .. } => {
                let is_over = |tenure: &Tenure| tenure.age(&self.clock) >= tenure.end_within;
                *term == begun_in && until.as_ref().is_some_and(|tenure| !is_over(tenure))
            }
        }
    }

    /// A number that is another one each time that the leadership was gained.
    pub(super) fn term(&self) -> u64 {
        match *self.standing() {
            Standing::Alone => 0,
            Standing::Elected { term, .. } => term,
        }
    }

    /// The present term; `None` while this operator does not lead.
    pub(super) fn present_term(&self) -> Option<u64> {
        self.may_write().map(|_| self.term())
    }

    /// Notes a renewal.
    fn renewed(&self, tenure: Tenure) {
        let is_new = self.may_write().is_none();
        match &mut *self.standing() {
            Standing::Alone => {}
            Standing::Elected { term, until, .. } => {
                *until = Some(tenure);
                *term += u64::from(is_new);
            }
        }
    }

    /// Notes that the leadership is over.
    fn lost(&self) {
        match &mut *self.standing() {
            Standing::Alone => {}
            Standing::Elected { until, .. } => *until = None,
        }
    }

    /// What has happened since this was asked last.
    fn news(&self) -> Option<News> {
        let leads = self.may_write().is_some();
        match &mut *self.standing() {
            Standing::Alone => None,
            Standing::Elected { term, told, .. } => {
                let now = leads.then_some(*term);
                let before = std::mem::replace(told, now);
                match (before, now) {
                    (before, now) if before == now => None,
                    (_, Some(_)) => Some(News::Gained),
                    (_, None) => Some(News::Lost),
                }
            }
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happened to the leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// This process leads from now on.
    Gained,
    /// It does not any more.
    Lost,
    /// Somebody else leads. This is told each time that it is seen.
    Followed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leadership(clock: &Clock) -> Leadership {
        Leadership::sought(clock.clone())
    }

    fn tenure(clock: &Clock) -> Tenure {
        let (begin_within, end_within) = (Duration::from_secs(10), Duration::from_secs(15));
        Tenure { sent: clock.elapsed(), sent_wall: clock.now(), begin_within, end_within }
    }

    #[test]
    fn writes_begin_for_two_thirds_of_a_lease_and_end_with_it() {
        let origin: Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
        let clock = Clock::stopped_at(origin);
        let leadership = leadership(&clock);
        assert_eq!((leadership.may_write(), leadership.news()), (None, None));
        leadership.renewed(tenure(&clock));
        assert_eq!((leadership.news(), leadership.term()), (Some(News::Gained), 1));
        for (second, left) in [(0, Some(15)), (4, Some(11)), (9, Some(6)), (10, None), (3600, None)] {
            clock.advance_to(origin + jiff::SignedDuration::from_secs(second));
            assert_eq!(leadership.may_write(), left.map(Duration::from_secs), "after {second} s");
        }
        assert_eq!((leadership.news(), leadership.news()), (Some(News::Lost), None));
        leadership.renewed(tenure(&clock));
        assert_eq!((leadership.news(), leadership.term()), (Some(News::Gained), 2));
        leadership.renewed(tenure(&clock));
        assert_eq!((leadership.news(), leadership.term()), (None, 2), "it goes on");
        leadership.lost();
        leadership.renewed(tenure(&clock));
        assert_eq!(leadership.news(), Some(News::Gained), "a loss that nobody was told of counts");
    }

    #[test]
    fn what_was_begun_is_under_way_until_the_lease_ends_and_not_in_a_later_term() {
        let origin: Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
        let clock = Clock::stopped_at(origin);
        assert!(Leadership::alone(clock.clone()).may_finish(0));
        let leadership = leadership(&clock);
        assert!(!leadership.may_finish(0), "it never led");
        leadership.renewed(tenure(&clock));
        for (second, may) in [(0, true), (12, true), (15, false)] {
            clock.advance_to(origin + jiff::SignedDuration::from_secs(second));
            assert_eq!(leadership.may_finish(1), may, "after {second} s");
        }
        leadership.renewed(tenure(&clock));
        assert_eq!((leadership.may_finish(1), leadership.may_finish(2)), (false, true));
        leadership.lost();
        assert!(!leadership.may_finish(2));
    }

    #[test]
    fn wall_time_that_jumps_ahead_ends_a_tenure_and_one_that_falls_back_does_not_prolong_it() {
        let clock = Clock::stopped_at(Timestamp::UNIX_EPOCH);
        let leadership = leadership(&clock);
        let hour = jiff::SignedDuration::from_hours(1);
        let skewed = |by| Tenure { sent_wall: clock.now() + by, ..tenure(&clock) };
        leadership.renewed(skewed(-hour));
        assert_eq!(leadership.may_write(), None);
        leadership.renewed(skewed(hour));
        assert!(leadership.may_write().is_some());
        clock.advance_to(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(10));
        assert_eq!(leadership.may_write(), None);
    }

    #[test]
    fn leases_of_the_same_name_and_another_number_of_shards_are_known() {
        let options = |shard: Option<&str>| LeaseOptions {
            namespace: "ops".to_owned(),
            name: "tidetable".to_owned(),
            shard: shard.map(|shard| shard.parse().expect("a shard")),
            identity: "one".to_owned(),
            duration: LeaseOptions::DURATION,
        };
        let leases =
            ["tidetable", "tidetable-1-of-2", "tidetable-1-of-3", "tidetable-a-of-b", "tidetable-x", "tide"];
        for (shard, lease, otherwise) in [
            (None, "tidetable", [false, true, true, false, false, false]),
            (Some("2/2"), "tidetable-2-of-2", [true, false, true, false, false, false]),
        ] {
            let options = options(shard);
            assert_eq!(
                (options.lease().as_str(), leases.map(|lease| options.is_otherwise(lease))),
                (lease, otherwise)
            );
        }
    }

    #[test]
    fn no_two_processes_are_called_the_same() {
        let [one, two] = [(); 2].map(|()| LeaseOptions::identity_on("pod"));
        assert!(one.starts_with("pod_") && one != two, "{one} {two}");
    }
}
