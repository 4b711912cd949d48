//! When a workload is asked again for what it did not have: a scale subresource, or which pods are its own.
//!
//! Either may come a moment later: a selector may stand in the status and come with the next one, so it does just after the
//! workload was made; and an API server may not know yet how a kind is scaled. Or the kind says nothing of it, and never
//! will. So the longer it has been looked for in vain, the longer it is left alone: as long again as since the first time.

use jiff::{SignedDuration, Timestamp};

/// The least and the most time between two looks for a selector. A full cluster holds nothing back within the first two
/// minutes, as a rule.
const OF_SELECTOR: [SignedDuration; 2] = [SignedDuration::from_mins(1), SignedDuration::from_mins(10)];

/// When something was looked for in vain: the first and the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Vain(Option<(Timestamp, Timestamp)>);

impl Vain {
    /// The same after another time.
    pub(super) fn again(self, at: Timestamp) -> Self {
        Self(Some((self.0.map_or(at, |(first, _)| first.min(at)), at)))
    }

    /// Whether it need not be looked for yet, with that much time between two looks at least and at most.
    pub(super) fn is_left_alone(&self, at: Timestamp, [shortest, longest]: [SignedDuration; 2]) -> bool {
        self.0.is_some_and(|(first, last)| {
            let wait = last.duration_since(first).clamp(shortest, longest);
            // A last time that is yet to come is that of a clock which was set back.
            (SignedDuration::ZERO..wait).contains(&at.duration_since(last))
        })
    }
}

/// The search for a selector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    vain: Vain,
    /// The status has moved since, so that it may be there.
    has_moved: bool,
}

impl Search {
    /// Notes that the status has moved.
    pub(super) fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Notes that it was looked for in vain.
    pub(super) fn failed(self, at: Timestamp) -> Self {
        Self { vain: self.vain.again(at), has_moved: false }
    }

    /// Whether it has to be looked for.
    pub(super) fn is_due(&self, at: Timestamp) -> bool {
        self.has_moved && !self.vain.is_left_alone(at, OF_SELECTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn it_is_left_alone_for_as_long_as_it_has_been_looked_for_but_not_for_longer_than_ten_minutes() {
        let mut search = Search::default().failed(at(0));
        let mut looks = Vec::new();
        for second in (15..3600).step_by(15) {
            search.moved();
            if search.is_due(at(second)) {
                looks.push(second);
                search = search.failed(at(second));
            }
        }
        assert_eq!(looks, [60, 120, 240, 480, 960, 1560, 2160, 2760, 3360]);
    }

    #[test]
    fn it_is_looked_for_when_the_status_has_moved_however_long_ago_and_not_otherwise() {
        let mut search = Search::default();
        assert!(!search.is_due(at(0)), "what was read just now");
        search.moved();
        assert!(search.is_due(at(0)), "nobody has looked since it moved");
        search = search.failed(at(0));
        assert!(!search.is_due(at(3600)), "it is as it was");
        search.moved();
        assert!(!search.is_due(at(59)) && search.is_due(at(60)) && search.is_due(at(3600)));
        assert!(search.is_due(at(-1)), "the clock was set back");
        let back = search.failed(at(-100));
        assert_eq!(back, Search::default().failed(at(-100)));
    }
}
