//! The baseline over a range of time, worked out once: pieces between the starts and ends of entries, and
//! the ramps across them. Lookups are a binary search; nothing steps through time.

use jiff::{SignedDuration, Timestamp};
use smallvec::SmallVec;

use super::ramp::Ramp;
use super::sweep::{Piece, Sweep};
use super::{Edge, EdgeKind, EntryId, Schedule, Transition};
use crate::decision::{Cause, Replicas};

/// Floor and ceiling at an instant, and where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least replicas.
    pub floor: Replicas,
    /// The most replicas that the load may ask for. Where it is below the floor, the floor wins.
    pub ceiling: Replicas,
    /// Where the floor comes from.
    pub floor_cause: Cause,
    /// Where the ceiling comes from.
    pub ceiling_cause: Cause,
    /// An entry pins the workload to `floor`, whatever else is asked.
    pub pinned: bool,
}

/// A schedule compiled for a range of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    from: Timestamp,
    to: Timestamp,
    /// Sorted; the first begins before `from`.
    stretches: Vec<Stretch>,
    ramps: Vec<Ramp>,
    edges: Vec<Edge>,
    looked_at: usize,
}

/// A time in which no entry and no ramp starts or ends.
#[derive(Clone, Debug, PartialEq)]
struct Stretch {
    at: Timestamp,
    plain: Bounds,
    /// The ramps across it, by their index.
    ramps: SmallVec<[usize; 2]>,
}

impl Schedule {
    /// The baseline from `from` until `to`.
    #[must_use]
    pub fn timeline(&self, from: Timestamp, to: Timestamp) -> Timeline {
        let to = to.max(from);
        let reach = self.longest_ramp().max(SignedDuration::from_secs(1));
        let low = from.saturating_sub(reach).unwrap_or(Timestamp::MIN);
        let high = to.saturating_add(reach).unwrap_or(Timestamp::MAX);
        let Sweep { pieces, starts, ends, edges, looked_at } = self.sweep(low, high);
        let floor_at = |at: Timestamp| {
            let index = pieces.partition_point(|piece| piece.at <= at).saturating_sub(1);
            pieces.get(index).map_or(Replicas::ZERO, |piece| piece.bounds.floor)
        };
        let mut ramps = Vec::new();
        let mut ramp = |id: EntryId, begin: Option<Timestamp>, end: Option<Timestamp>, up: bool| {
            let (Some(begin), Some(end)) = (begin, end) else { return };
            let Some(high) = self.entry(id).and_then(|entry| entry.replicas) else { return };
            let low = floor_at(if up { begin } else { end });
            if low < high && begin < to && end > from {
                ramps.push(Ramp { entry: id, from: begin, to: end, low, high, up });
            }
        };
        for (at, id) in starts {
            let Some(entry) = self.entry(id).filter(|entry| !entry.ramp_up.is_zero()) else { continue };
            ramp(id, at.checked_sub(entry.ramp_up).ok(), Some(at), true);
        }
        for (at, id) in ends {
            let Some(entry) = self.entry(id).filter(|entry| !entry.ramp_down.is_zero()) else { continue };
            ramp(id, Some(at), at.checked_add(entry.ramp_down).ok(), false);
        }
        Timeline { from, to, stretches: stretches(&pieces, &ramps), ramps, edges, looked_at }
    }
}

/// Cuts the pieces where ramps begin and end.
fn stretches(pieces: &[Piece], ramps: &[Ramp]) -> Vec<Stretch> {
    if ramps.is_empty() {
        let stretch = |piece: &Piece| Stretch { at: piece.at, plain: piece.bounds, ramps: SmallVec::new() };
        return pieces.iter().map(stretch).collect();
    }
    let mut cuts: Vec<Timestamp> = pieces.iter().map(|piece| piece.at).collect();
    let Some(&begin) = cuts.first() else { return Vec::new() };
    cuts.extend(ramps.iter().flat_map(|ramp| [ramp.from, ramp.to]).filter(|cut| *cut > begin));
    cuts.sort_unstable();
    cuts.dedup();
    let mut waiting: Vec<usize> = (0..ramps.len()).collect();
    waiting.sort_by_key(|index| std::cmp::Reverse(ramps[*index].from));
    let mut across: SmallVec<[usize; 2]> = SmallVec::new();
    let mut coming = pieces.iter().peekable();
    let mut stretches = Vec::with_capacity(cuts.len());
    let mut plain = pieces[0].bounds;
    for at in cuts {
        while let Some(piece) = coming.next_if(|piece| piece.at <= at) {
            plain = piece.bounds;
        }
        while let Some(index) = waiting.pop_if(|index| ramps[*index].from <= at) {
            across.push(index);
        }
        across.retain(|index| ramps[*index].to > at);
        stretches.push(Stretch { at, plain, ramps: across.clone() });
    }
    stretches
}

impl Timeline {
    /// The range that this was made for.
    #[must_use]
    pub fn range(&self) -> (Timestamp, Timestamp) {
        (self.from, self.to)
    }

    /// Floor and ceiling at `at`; the nearest end of the range answers for instants outside of it.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> Bounds {
        let at = at.clamp(self.from, self.to);
        self.stretch(at).map_or(Bounds::NOTHING, |(_, stretch)| self.bounds(stretch, at))
    }

    /// The first instant after `at` and before the range's end at which floor, ceiling or their causes
    /// change.
    #[must_use]
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let (first, stretch) = self.stretch(at)?;
        let before = self.bounds(stretch, at);
        let mut now = at;
        for (index, stretch) in self.stretches.iter().enumerate().skip(first) {
            now = now.max(stretch.at);
            if now >= self.to {
                return None;
            }
            if self.bounds(stretch, now) != before {
                return Some(now);
            }
            let end = self.stretches.get(index + 1).map_or(self.to, |next| next.at.min(self.to));
            while let Some(step) = self.next_ramp_step(stretch, now).filter(|step| *step < end) {
                now = step;
                if self.bounds(stretch, now) != before {
                    return Some(now);
                }
            }
        }
        None
    }

    /// The first instant after `now` at which a ramp across this stretch may change the floor.
    fn next_ramp_step(&self, stretch: &Stretch, now: Timestamp) -> Option<Timestamp> {
        let floor = self.bounds(stretch, now).floor;
        let ramps = stretch.ramps.iter().filter(|_| !stretch.plain.pinned);
        ramps.filter_map(|index| self.ramps[*index].next_change(now, floor)).min()
    }

    /// The changes of floor or ceiling after `at` and before the range's end.
    pub fn transitions_after(&self, at: Timestamp) -> impl Iterator<Item = Transition> {
        let mut now = at;
        let mut before = self.stretch(at).map(|(_, stretch)| self.bounds(stretch, at));
        std::iter::from_fn(move || {
            loop {
                now = self.next_change(now)?;
                let after = self.at(now);
                let old = before.replace(after)?;
                if (old.floor, old.ceiling) != (after.floor, after.ceiling) {
                    let entry = self.author(now, &old, &after);
                    return Some(Transition { at: now, floor: after.floor, ceiling: after.ceiling, entry });
                }
            }
        })
    }

    /// The changes of floor or ceiling in the range, with one at its very beginning.
    pub fn transitions(&self) -> impl Iterator<Item = Transition> {
        self.transitions_after(self.from.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(self.from))
    }

    /// The starts and ends of entries at `at`, in the policy's order.
    #[must_use]
    pub fn edges_at(&self, at: Timestamp) -> &[Edge] {
        let first = self.edges.partition_point(|edge| edge.at < at);
        let last = self.edges.partition_point(|edge| edge.at <= at);
        self.edges.get(first..last).unwrap_or_default()
    }

    /// The starts and ends of entries after one instant and before another, in their order. Those that lie
    /// outside of the range are there as far as the longest ramp reaches.
    #[must_use]
    pub fn edges_between(&self, after: Timestamp, before: Timestamp) -> &[Edge] {
        let first = self.edges.partition_point(|edge| edge.at <= after);
        let last = self.edges.partition_point(|edge| edge.at < before);
        self.edges.get(first..last).unwrap_or_default()
    }

    /// How many firings and ends of windows the range has, also of steps that bring nothing into force.
    pub(super) fn looked_at(&self) -> usize {
        self.looked_at
    }

    fn stretch(&self, at: Timestamp) -> Option<(usize, &Stretch)> {
        let index = self.stretches.partition_point(|stretch| stretch.at <= at).saturating_sub(1);
        self.stretches.get(index).map(|stretch| (index, stretch))
    }

    fn bounds(&self, stretch: &Stretch, at: Timestamp) -> Bounds {
        let mut bounds = stretch.plain;
        for ramp in stretch.ramps.iter().filter(|_| !stretch.plain.pinned).map(|index| self.ramps[*index]) {
            let floor = ramp.floor(at);
            if floor > bounds.floor {
                (bounds.floor, bounds.floor_cause) = (floor, Cause::Ramp(ramp.entry));
            }
        }
        bounds
    }

    /// The entry that brings a change, by starting, ending or its ramp.
    fn author(&self, at: Timestamp, before: &Bounds, after: &Bounds) -> EntryId {
        let edges = self.edges_at(at);
        let starts = |id: EntryId| edges.iter().any(|edge| edge.entry == id && edge.kind == EdgeKind::Start);
        let (old, new) = if before.floor == after.floor {
            (before.ceiling_cause, after.ceiling_cause)
        } else {
            (before.floor_cause, after.floor_cause)
        };
        let brought = match new {
            Cause::Ramp(id) => Some(id),
            Cause::Entry(id) => starts(id).then_some(id),
            Cause::Policy => None,
        };
        let fallback = edges.last().map_or(EntryId(0), |edge| edge.entry);
        brought.or(old.entry()).unwrap_or(fallback)
    }
}

impl Bounds {
    /// What an empty timeline answers; there is none, since a sweep has at least one piece.
    const NOTHING: Self = Self {
        floor: Replicas::ZERO,
        ceiling: Replicas::MAX,
        floor_cause: Cause::Policy,
        ceiling_cause: Cause::Policy,
        pinned: false,
    };
}
