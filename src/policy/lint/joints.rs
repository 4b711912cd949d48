//! Where one window ends and another entry starts, a few minutes apart.

use jiff::{SignedDuration, Timestamp};

use super::super::Mistakes;
use super::{SEASON, Subject, days, entry_path, is_window, span};
use crate::decision::{Edge, EdgeKind, Entry, EntryId, Extent, Timeline};

/// What is apart by this much or more is meant.
const NEAR: SignedDuration = SignedDuration::from_mins(15);

/// A gap is short beside a window that is at least this many times as long.
const TIMES: i32 = 8;

/// How a window's end misses the start of another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Miss {
    other: EntryId,
    /// The other one's start.
    start: Timestamp,
    end: Timestamp,
}

impl Miss {
    fn is_gap(&self) -> bool {
        self.start > self.end
    }
}

/// Windows that end shortly before or shortly after another entry starts, most of the times.
pub(super) fn joints(subject: &Subject, warnings: &mut Mistakes) {
    let Some(reach) = subject.reach(days(9), SEASON) else { return };
    let (from, to) = (subject.now, subject.ahead(reach));
    let plain = subject.plain().timeline(from, to);
    let edges = plain.edges_between(from, to);
    let windows = subject.schedule.entries().iter().enumerate().filter(|(_, entry)| is_window(entry));
    for (index, entry) in windows {
        let mut begin = None;
        let mut ends = 0;
        let mut misses: Vec<Miss> = Vec::new();
        for edge in edges.iter().filter(|edge| edge.entry == EntryId(index)) {
            match (edge.kind, begin.take()) {
                (EdgeKind::Start, _) => begin = Some(edge.at),
                (EdgeKind::End, Some(begin)) => {
                    ends += 1;
                    let window = Window { id: EntryId(index), begin, end: edge.at };
                    misses.extend(window.miss(subject, &plain));
                }
                (EdgeKind::End, None) => {}
            }
        }
        let Some(first) = misses.first().copied() else { continue };
        let alike = |miss: &&Miss| (miss.other, miss.is_gap()) == (first.other, first.is_gap());
        if misses.iter().filter(alike).count() * 2 > ends {
            let field = if matches!(entry.extent, Extent::Until(_)) { "until" } else { "for" };
            let problem = words(subject, &plain, entry, EntryId(index), first);
            warnings.add(&entry_path(index).field(field), problem);
        }
    }
}

/// One time in which a window was in force.
struct Window {
    id: EntryId,
    begin: Timestamp,
    end: Timestamp,
}

impl Window {
    fn miss(&self, subject: &Subject, plain: &Timeline) -> Option<Miss> {
        let Self { begin, end, .. } = *self;
        let is_short = |time: SignedDuration| {
            time < NEAR && time.checked_mul(TIMES).is_some_and(|times| times <= end.duration_since(begin))
        };
        let soon = end.saturating_add(NEAR).unwrap_or(Timestamp::MAX);
        let recent = end.saturating_sub(NEAR).unwrap_or(Timestamp::MIN).max(begin);
        let is_start = |edge: &&Edge| edge.kind == EdgeKind::Start;
        let miss = |edge: &Edge| Miss { other: edge.entry, start: edge.at, end };
        let another_at_end = plain.edges_at(end).iter().any(|edge| edge.kind == EdgeKind::Start);
        let gap = plain.edges_between(end, soon).iter().find(is_start).map(miss).filter(|miss| {
            !another_at_end && is_short(miss.start.duration_since(end)) && self.is_dip(subject, plain, miss)
        });
        let overlaps = plain.edges_between(recent, end).iter().filter(is_start).map(miss);
        gap.or_else(|| {
            let mut overlaps = overlaps.filter(|miss| is_short(end.duration_since(miss.start)));
            overlaps.find(|miss| self.outlasts(subject, plain, miss))
        })
    }

    /// Whether what is in force in a gap is looser than what is in force on both sides of it.
    fn is_dip(&self, subject: &Subject, plain: &Timeline, miss: &Miss) -> bool {
        let entry = |id| subject.schedule.entry(id);
        let ramps = entry(self.id).is_some_and(|entry| !entry.ramp_down.is_zero())
            || entry(miss.other).is_some_and(|entry| !entry.ramp_up.is_zero());
        let before = plain.at(self.end.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(self.end));
        let (during, after) = (plain.at(self.end), plain.at(miss.start));
        !ramps
            && (during.floor < before.floor.min(after.floor)
                || during.ceiling > before.ceiling.max(after.ceiling))
    }

    /// Whether another window has come before this one's end, and this one kept its number from counting.
    fn outlasts(&self, subject: &Subject, plain: &Timeline, miss: &Miss) -> bool {
        let (Some(own), Some(other)) = (subject.schedule.entry(self.id), subject.schedule.entry(miss.other))
        else {
            return false;
        };
        let goes_on = !plain
            .edges_between(miss.start, self.end.saturating_add(NEAR).unwrap_or(Timestamp::MAX))
            .iter()
            .any(|edge| edge.entry == miss.other && edge.kind == EdgeKind::End);
        let over = match (own.replicas, other.replicas, own.max_replicas, other.max_replicas) {
            (Some(own), Some(other), None, None) => own > other,
            (None, None, Some(own), Some(other)) => own < other,
            _ => false,
        };
        let before = plain.at(self.end.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(self.end));
        let after = plain.at(self.end);
        let shows = (before.floor, before.ceiling) != (after.floor, after.ceiling);
        self.id != miss.other && is_window(other) && goes_on && over && shows
    }
}

fn words(subject: &Subject, plain: &Timeline, entry: &Entry, id: EntryId, miss: Miss) -> String {
    let start = entry.zone.to_datetime(miss.start).strftime("%H:%M").to_string();
    let name = subject.name(miss.other);
    if !miss.is_gap() {
        let time = span(miss.end.duration_since(miss.start));
        return format!(
            "it goes on for {time} after {name} has started, and keeps its number from counting; end it at {start} if \
             that is not meant"
        );
    }
    let time = span(miss.start.duration_since(miss.end));
    let between = plain.at(miss.end);
    let what = format!("in between, floor and ceiling are {}..{}", between.floor, between.ceiling);
    if id == miss.other {
        format!(
            "it ends {time} before it fires again, and {what}; make it {time} longer if that is not meant"
        )
    } else {
        format!("it ends {time} before {name} starts, and {what}; end it at {start} if that is not meant")
    }
}
