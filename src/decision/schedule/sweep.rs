//! Starts and ends of entries in a range of time, and floor and ceiling between them. Ramps are left out.

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::clocks::Clocks;
use super::cron::first_instant;
use super::{Bounds, Edge, EdgeKind, Entry, EntryId, Extent, Schedule, Trigger};
use crate::decision::Cause;

/// Floor and ceiling from an instant on, until the next piece.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) at: Timestamp,
    pub(super) bounds: Bounds,
}

/// What happens in a range of time.
pub(super) struct Sweep {
    /// At least one, sorted; the first begins with the range.
    pub(super) pieces: Vec<Piece>,
    /// Where entries come into force that were not.
    pub(super) starts: Vec<(Timestamp, EntryId)>,
    /// Where windows end.
    pub(super) ends: Vec<(Timestamp, EntryId)>,
    /// All starts and ends, sorted by instant and entry.
    pub(super) edges: Vec<Edge>,
    /// How many starts and ends were looked at, with those of steps that bring nothing into force.
    pub(super) looked_at: usize,
}

impl Schedule {
    /// Sweeps over all starts and ends in (low, high].
    pub(super) fn sweep(&self, low: Timestamp, high: Timestamp) -> Sweep {
        let mut active = Active { schedule: self, step: self.step_at(low), windows: Vec::new() };
        let mut edges = self.step_firings(low, high);
        for (index, entry) in self.entries.iter().enumerate() {
            let entry_id = EntryId(index);
            entry.windows(low, high, |start, end| {
                if start <= low {
                    active.windows.push(index);
                } else {
                    edges.push(Edge { at: start, entry: entry_id, kind: EdgeKind::Start });
                }
                if end <= high {
                    edges.push(Edge { at: end, entry: entry_id, kind: EdgeKind::End });
                }
            });
        }
        edges.sort_unstable_by_key(|edge| (edge.at, edge.entry, edge.kind));
        let mut sweep = Sweep {
            pieces: vec![Piece { at: low, bounds: active.bounds() }],
            starts: Vec::new(),
            ends: Vec::new(),
            edges: Vec::new(),
            looked_at: edges.len(),
        };
        for together in edges.chunk_by(|a, b| a.at == b.at) {
            let at = together[0].at;
            let step = active.step;
            for edge in together {
                active.apply(*edge);
            }
            for edge in together {
                let id = edge.entry;
                match (edge.kind, self.is_step(id)) {
                    (EdgeKind::End, _) => sweep.ends.push((at, id)),
                    (EdgeKind::Start, false) => sweep.starts.push((at, id)),
                    // Of steps that fire together the last in the list comes into force; one that is in
                    // force already does not start.
                    (EdgeKind::Start, true) if active.step == Some(id.0) && step != Some(id.0) => {
                        sweep.starts.push((at, id));
                    }
                    (EdgeKind::Start, true) => continue,
                }
                sweep.edges.push(*edge);
            }
            let bounds = active.bounds();
            if sweep.pieces.last().is_none_or(|piece| piece.bounds != bounds) {
                sweep.pieces.push(Piece { at, bounds });
            }
        }
        sweep
    }

    fn is_step(&self, id: EntryId) -> bool {
        self.entry(id).is_some_and(|entry| entry.extent == Extent::Step)
    }

    fn steps(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate().filter(|(_, entry)| entry.extent == Extent::Step)
    }

    /// The step in force: the one that fired last, and of several at the same instant the last in the list.
    fn step_at(&self, at: Timestamp) -> Option<usize> {
        let fired = self
            .steps()
            .filter_map(|(index, entry)| Some((entry.latest(&Clocks::new(&entry.zone), at)?.at, index)));
        fired.max().map(|(_, index)| index)
    }

    /// The firings of steps in (low, high]. A step alone is in force from its first firing on.
    fn step_firings(&self, low: Timestamp, high: Timestamp) -> Vec<Edge> {
        let alone = self.steps().nth(1).is_none();
        let mut edges = Vec::new();
        for (index, entry) in self.steps() {
            let clocks = Clocks::new(&entry.zone);
            if alone && entry.latest(&clocks, low).is_some() {
                break;
            }
            let mut now = low;
            while let Some(firing) = entry.next(&clocks, now).filter(|firing| firing.at <= high) {
                edges.push(Edge { at: firing.at, entry: EntryId(index), kind: EdgeKind::Start });
                now = firing.at;
                if alone {
                    break;
                }
            }
        }
        edges
    }
}

/// What is in force, while a sweep goes on.
struct Active<'a> {
    schedule: &'a Schedule,
    step: Option<usize>,
    /// Indices of active windows, sorted.
    windows: Vec<usize>,
}

impl Active<'_> {
    fn apply(&mut self, edge: Edge) {
        let EntryId(index) = edge.entry;
        match edge.kind {
            EdgeKind::Start if self.schedule.is_step(edge.entry) => self.step = Some(index),
            EdgeKind::Start => {
                if let Err(place) = self.windows.binary_search(&index) {
                    self.windows.insert(place, index);
                }
            }
            EdgeKind::End => self.windows.retain(|window| *window != index),
        }
    }

    /// The highest floor and the lowest ceiling of what is in force; the highest pin goes over both.
    fn bounds(&self) -> Bounds {
        let mut bounds = Bounds {
            floor: self.schedule.min,
            ceiling: self.schedule.max,
            floor_cause: Cause::Policy,
            ceiling_cause: Cause::Policy,
            pinned: false,
        };
        let mut pin = None;
        for index in self.step.iter().chain(&self.windows).copied() {
            let (entry, cause) = (&self.schedule.entries[index], Cause::Entry(EntryId(index)));
            if let Some(replicas) = entry.replicas
                && replicas > bounds.floor
            {
                (bounds.floor, bounds.floor_cause) = (replicas, cause);
            }
            if let Some(max) = entry.max_replicas
                && max < bounds.ceiling
            {
                (bounds.ceiling, bounds.ceiling_cause) = (max, cause);
            }
            if let Some(replicas) = entry.replicas
                && entry.max_replicas == Some(replicas)
                && pin.is_none_or(|(highest, _)| replicas > highest)
            {
                pin = Some((replicas, cause));
            }
        }
        if let Some((replicas, cause)) = pin {
            bounds = Bounds {
                floor: replicas,
                ceiling: replicas,
                floor_cause: cause,
                ceiling_cause: cause,
                pinned: true,
            };
        }
        bounds
    }
}

impl Entry {
    /// The times in which a window is active, as far as they touch (low, high], in their order: `each` gets
    /// the start (`low` at the earliest) and the end, which is right up to `high` and else beyond it.
    fn windows(&self, low: Timestamp, high: Timestamp, mut each: impl FnMut(Timestamp, Timestamp)) {
        if self.extent == Extent::Step {
            return;
        }
        let clocks = &Clocks::new(&self.zone);
        let mut now = low;
        if let Some(end) = self.end_of_firings_by(clocks, low).filter(|end| *end > low) {
            now = self.end_of_chain(clocks, end, high);
            each(low, now);
        }
        while now < high {
            let Some(firing) = self.next(clocks, now).filter(|firing| firing.at <= high) else { return };
            let end = self.end_of_firings_by(clocks, firing.at).filter(|end| *end > firing.at);
            now = match end {
                Some(end) => {
                    let end = self.end_of_chain(clocks, end, high);
                    each(firing.at, end);
                    end
                }
                // It ends where it starts, because both fall into the same gap.
                None => firing.at,
            };
        }
    }

    /// The end of a window that would end at `end` if it did not fire again until then. Firing at its very
    /// end, it goes on. Beyond `high` nobody wants to know.
    fn end_of_chain(&self, clocks: &Clocks<'_>, mut end: Timestamp, high: Timestamp) -> Timestamp {
        while end <= high {
            let skipped = self.end_of_dense_day(clocks, end).unwrap_or(end);
            match self.end_of_firings_by(clocks, skipped) {
                Some(later) if later > end => end = later,
                Some(_) | None => break,
            }
        }
        end
    }

    /// The last instant of the local day of `at`, when a window that is active at `at` surely stays so until
    /// the day's last firing: it fires again and again within its length, and clocks don't change.
    fn end_of_dense_day(&self, clocks: &Clocks<'_>, at: Timestamp) -> Option<Timestamp> {
        let (Trigger::Cron(cron), Extent::For(length)) = (&self.trigger, self.extent) else { return None };
        let gap = SignedDuration::from_mins(cron.longest_gap_in_a_day());
        if SignedDuration::try_from(length).ok()? < gap {
            return None;
        }
        let today = clocks.wall(at).date();
        let latest = self.latest(clocks, at)?;
        if latest.wall.date() != today {
            return None;
        }
        let midnight = start_of(clocks, today.tomorrow().ok()?)?;
        // Also between the latest firing and `at`, where the next one may be missing.
        let clocks_change = clocks.change_after(latest.at).is_some_and(|change| change <= midnight);
        if clocks_change { None } else { midnight.checked_sub(1.nanosecond()).ok() }
    }
}

/// The first instant of a local date.
fn start_of(clocks: &Clocks<'_>, date: jiff::civil::Date) -> Option<Timestamp> {
    Some(first_instant(clocks, date.to_datetime(Time::midnight()))?.0)
}
