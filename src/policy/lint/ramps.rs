//! Ramps that nobody sees, or sees only in part.

use jiff::{SignedDuration, Timestamp};

use super::super::Mistakes;
use super::{SEASON, Subject, days, entry_path, span};
use crate::decision::{EdgeKind, Entry, EntryId, Replicas, Timeline};

/// The longest ramp.
const WEEK: SignedDuration = days(7);

/// What becomes of a ramp.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// All of it is seen.
    Seen,
    /// Its other end is no lower than the entry, so that there is none: the floor there.
    Idle(Replicas),
    /// Another change comes in the middle: the floor before and after, and the time between that and the entry.
    Cut(Replicas, Replicas, SignedDuration),
}

/// Ramps that do nothing, and ramps that another change cuts, if that is what usually happens.
pub(super) fn ramps(subject: &Subject, warnings: &mut Mistakes) {
    let has_ramp = |entry: &Entry| !(entry.ramp_up.is_zero() && entry.ramp_down.is_zero());
    let Some(reach) = subject.reach(days(9), SEASON) else { return };
    if !subject.schedule.entries().iter().any(has_ramp) {
        return;
    }
    let (from, to) = (subject.now, subject.ahead(reach));
    let plain = subject.plain().timeline(
        from.saturating_sub(WEEK).unwrap_or(Timestamp::MIN),
        to.saturating_add(WEEK).unwrap_or(Timestamp::MAX),
    );
    for (index, entry) in subject.schedule.entries().iter().enumerate() {
        let Some(high) = entry.replicas else { continue };
        let at = |kind| {
            let edges = plain.edges_between(from, to).iter();
            edges.filter(move |edge| (edge.entry, edge.kind) == (EntryId(index), kind)).map(|edge| edge.at)
        };
        let path = entry_path(index);
        if let Ok(length) = SignedDuration::try_from(entry.ramp_up)
            && let Some(fate) = usual(at(EdgeKind::Start).map(|start| up(&plain, start, length, high)))
            && let Some(problem) = climb(fate, length, high)
        {
            warnings.add(&path.field("rampUp"), problem);
        }
        if let Ok(length) = SignedDuration::try_from(entry.ramp_down)
            && let Some(fate) = usual(at(EdgeKind::End).map(|end| down(&plain, end, length, high)))
            && let Some(problem) = descent(fate, length, high)
        {
            warnings.add(&path.field("rampDown"), problem);
        }
    }
}

fn climb(fate: Fate, length: SignedDuration, high: Replicas) -> Option<String> {
    let length = span(length);
    match fate {
        Fate::Seen => None,
        Fate::Idle(low) => Some(format!(
            "does nothing: {length} before the start the floor is {low}, which is no less than {high}; a ramp climbs \
             from the floor at its beginning, so shorten it or remove it"
        )),
        Fate::Cut(before, after, gap) => Some(format!(
            "is cut short: within the {length} before the start the floor changes from {before} to {after}, and then only \
             {gap} are left; make it {gap} or shorter",
            gap = span(gap)
        )),
    }
}

fn descent(fate: Fate, length: SignedDuration, high: Replicas) -> Option<String> {
    let length = span(length);
    match fate {
        Fate::Seen => None,
        Fate::Idle(low) => Some(format!(
            "does nothing: {length} after the end the floor is {low}, which is no less than {high}; shorten it or remove it"
        )),
        Fate::Cut(before, after, gap) => Some(format!(
            "is cut short: {gap} after the end the floor rises from {before} to {after}, over what is left of the {length}; \
             make it {gap} or shorter",
            gap = span(gap)
        )),
    }
}

/// What happens to more than half of the ramps; the first of its kind stands for them.
fn usual(fates: impl Iterator<Item = Fate>) -> Option<Fate> {
    let fates: Vec<Fate> = fates.collect();
    let most = |is: fn(&Fate) -> bool| {
        let alike = || fates.iter().filter(|fate| is(fate));
        alike().next().copied().filter(|_| alike().count() * 2 > fates.len())
    };
    most(|fate| matches!(fate, Fate::Idle(_))).or_else(|| most(|fate| matches!(fate, Fate::Cut(..))))
}

fn up(plain: &Timeline, start: Timestamp, length: SignedDuration, high: Replicas) -> Fate {
    let Ok(begin) = start.checked_sub(length) else { return Fate::Seen };
    let low = plain.at(begin).floor;
    if length.is_zero() {
        return Fate::Seen;
    }
    if low >= high {
        return Fate::Idle(low);
    }
    let line = Line { from: (begin, low), to: (start, high) };
    let change = floors(plain, begin, start).filter(|(at, before, after)| {
        // A fall leaves the floor on a line that began above it; a rise hides the line if it goes over it.
        after < before || line.is_at_most(*at, *after)
    });
    change.last().map_or(Fate::Seen, |(at, before, after)| Fate::Cut(before, after, start.duration_since(at)))
}

fn down(plain: &Timeline, end: Timestamp, length: SignedDuration, high: Replicas) -> Fate {
    let Ok(last) = end.checked_add(length) else { return Fate::Seen };
    let low = plain.at(last).floor;
    if length.is_zero() {
        return Fate::Seen;
    }
    if low >= high {
        return Fate::Idle(low);
    }
    let line = Line { from: (end, high), to: (last, low) };
    let mut changes = floors(plain, end, last);
    let change = changes.find(|(at, before, after)| after > before && line.is_at_most(*at, *after));
    change.map_or(Fate::Seen, |(at, before, after)| Fate::Cut(before, after, at.duration_since(end)))
}

/// The changes of the plain floor between two instants: when, from what, to what.
fn floors(
    plain: &Timeline,
    after: Timestamp,
    before: Timestamp,
) -> impl Iterator<Item = (Timestamp, Replicas, Replicas)> {
    let mut floor = plain.at(after).floor;
    let changes = plain.transitions_after(after).take_while(move |change| change.at < before);
    changes.filter_map(move |change| {
        let old = std::mem::replace(&mut floor, change.floor);
        (old != change.floor).then_some((change.at, old, change.floor))
    })
}

/// A straight line between two floors.
struct Line {
    from: (Timestamp, Replicas),
    to: (Timestamp, Replicas),
}

impl Line {
    /// Whether the line at `at` is no higher than `floor`.
    fn is_at_most(&self, at: Timestamp, floor: Replicas) -> bool {
        let ((begin, first), (end, last)) = (self.from, self.to);
        let (elapsed, length) = (at.duration_since(begin).as_secs(), end.duration_since(begin).as_secs());
        (floor.wide() - first.wide()) * length >= elapsed * (last.wide() - first.wide())
    }
}
