//! Entries, and numbers of entries, without which the baseline would be the same.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::super::{Mistakes, parse_date};
use super::dates::is_over;
use super::{Subject, days, entry_path, is_window};
use crate::decision::{Bounds, Dates, Days, Edge, EdgeKind, Entry, EntryId, Schedule, Transition, Trigger};

/// How far ahead the baseline must be known for a judgement: every yearly date is in it.
const LEAST: SignedDuration = days(400);

/// How far ahead it is looked at: by then yearly dates have come on every day of the week.
const MOST: SignedDuration = days(12 * 366);

/// How many changes of a baseline are compared in one go.
const MOST_CHANGES: usize = 100_000;

/// How many searches that go to the end are allowed: each costs as much as all of the others.
const MOST_SEARCHES: usize = 16;

/// Entries that change nothing in the years to come, and numbers of theirs that don't. What is found is left out
/// of the search that follows, so that all of it together changes nothing.
pub(super) fn pointless(subject: &Subject, warnings: &mut Mistakes) {
    let Some(reach) = subject.reach(LEAST, MOST).filter(|_| subject.policy.missing_calendars.is_empty())
    else {
        return;
    };
    let mut entries = subject.schedule.entries().to_vec();
    let mut searches = 0;
    for index in (0..entries.len()).rev() {
        if searches == MOST_SEARCHES || !is_judged(subject, index, reach) {
            continue;
        }
        let whole = subject.with(entries.clone());
        let Some(entry) = entries.get(index).cloned() else { continue };
        for change in changes(&entry) {
            let mut fewer = entries.clone();
            fewer[index] = change.apply(&entry);
            let without = subject.with(fewer.clone());
            if !is_same(subject, &whole, &without, reach) {
                continue;
            }
            searches += 1;
            if let Some(problem) = problem(subject, index, change, &whole, &without) {
                let path = entry_path(index);
                warnings.add(&change.field().map_or(path.clone(), |field| path.field(field)), problem);
                entries = fewer;
                break;
            }
        }
    }
}

/// What is tried without.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Entry,
    Replicas,
    Ceiling,
}

impl Change {
    fn apply(self, entry: &Entry) -> Entry {
        let entry = entry.clone();
        match self {
            // It never fires: the others keep their places.
            Self::Entry => Entry { days: Days::Only(Dates::default()), ..entry },
            Self::Replicas => Entry { replicas: None, ..entry },
            Self::Ceiling => Entry { max_replicas: None, ..entry },
        }
    }

    fn field(self) -> Option<&'static str> {
        match self {
            Self::Entry => None,
            Self::Replicas => Some("replicas"),
            Self::Ceiling => Some("maxReplicas"),
        }
    }
}

/// The changes that an entry allows. The two numbers of a pin belong together, and a step needs its replicas.
fn changes(entry: &Entry) -> impl Iterator<Item = Change> {
    let has_both = entry.replicas.is_some() && entry.max_replicas.is_some();
    let is_pin = has_both && entry.replicas == entry.max_replicas;
    let numbers = [Change::Replicas, Change::Ceiling];
    let is_window = is_window(entry);
    let allowed = move |change: &Change| has_both && !is_pin && (is_window || *change == Change::Ceiling);
    std::iter::once(Change::Entry).chain(numbers.into_iter().filter(allowed))
}

/// Whether it is known when an entry fires: not from calendars, which change, and neither long past nor far off.
fn is_judged(subject: &Subject, index: usize, reach: SignedDuration) -> bool {
    let (Some(spec), Some(entry)) = (subject.spec.entries.get(index), subject.schedule.entries().get(index))
    else {
        return false;
    };
    let from_calendar = spec.on_dates.iter().flatten().any(|text| parse_date(text).is_err());
    let end = entry.zone.to_datetime(subject.ahead(reach));
    let is_far = matches!(&entry.trigger, Trigger::At(wall) if *wall >= end);
    !from_calendar && !is_far && !is_over(subject, entry)
}

/// Whether two schedules ask for the same from now on, as far as is looked.
fn is_same(subject: &Subject, one: &Schedule, other: &Schedule, reach: SignedDuration) -> bool {
    let mut from = subject.now;
    // Most differences show in days.
    for reach in [days(9), days(70), LEAST, reach] {
        let to = subject.ahead(reach);
        if from < to && differ(one, other, from, to) != Some(false) {
            return false;
        }
        from = to;
    }
    true
}

/// Whether two schedules differ somewhere in a range of time; `None` when there is too much to compare.
pub(super) fn differ(one: &Schedule, other: &Schedule, from: Timestamp, to: Timestamp) -> Option<bool> {
    let (one, other) = (one.timeline(from, to), other.timeline(from, to));
    let begin = |bounds: Bounds| (bounds.floor, bounds.ceiling);
    if begin(one.at(from)) != begin(other.at(from)) {
        return Some(true);
    }
    let key = |change: Transition| (change.at, change.floor, change.ceiling);
    let mut changes = one.transitions_after(from).map(key);
    let mut others = other.transitions_after(from).map(key);
    for _ in 0..MOST_CHANGES {
        match (changes.next(), others.next()) {
            (None, None) => return Some(false),
            (change, other) if change != other => return Some(true),
            (Some(_) | None, _) => {}
        }
    }
    None
}

/// Why an entry (or one of its numbers) changes nothing; `None` when that can't be told.
fn problem(
    subject: &Subject,
    index: usize,
    change: Change,
    whole: &Schedule,
    without: &Schedule,
) -> Option<String> {
    let entry = subject.schedule.entries().get(index)?;
    let (now, end) = (subject.now, subject.ahead(LEAST));
    let timeline = whole.timeline(now, end);
    let is_start = |edge: &&Edge| edge.entry == EntryId(index) && edge.kind == EdgeKind::Start;
    let mut starts: Vec<Timestamp> =
        timeline.edges_between(now, end).iter().filter(is_start).map(|edge| edge.at).collect();
    let is_only_step =
        !is_window(entry) && whole.entries().iter().filter(|entry| !is_window(entry)).count() == 1;
    if is_only_step {
        // It has started long ago and does not start again.
        starts.push(now);
    }
    if starts.is_empty() {
        let is_over = matches!(&entry.days, Days::Only(dates) if !dates.iter().any(|date| date >= entry.zone.to_datetime(now).date()));
        return (is_over && change == Change::Entry).then(|| {
            "none of its onDates is still to come, and the entry changes nothing; remove it".to_owned()
        });
    }
    let is_ceiling = change == Change::Ceiling || entry.replicas.is_none();
    let others = without.timeline(now, end);
    let bounds: Vec<Bounds> = starts.iter().map(|start| others.at(*start)).collect();
    let (what, own, causes): (_, _, BTreeSet<Option<EntryId>>) = if is_ceiling {
        ("ceiling", entry.max_replicas?, bounds.iter().map(|bounds| bounds.ceiling_cause.entry()).collect())
    } else {
        ("floor", entry.replicas?, bounds.iter().map(|bounds| bounds.floor_cause.entry()).collect())
    };
    let causes: Vec<Option<EntryId>> = causes.into_iter().collect();
    let advice =
        if change == Change::Entry { "change it or remove the entry" } else { "change it or remove it" };
    Some(match (causes.as_slice(), is_ceiling) {
        ([None], false) => {
            format!("{own} replicas change nothing: minReplicas is {} already; {advice}", subject.policy.min)
        }
        ([None], true) => format!(
            "the ceiling {own} changes nothing: spec.maxReplicas is {} already; {advice}",
            subject.policy.max
        ),
        ([Some(id)], _) => {
            let kind =
                whole.entry(*id).map_or("entry", |other| if is_window(other) { "window" } else { "step" });
            let name = subject.name(*id);
            format!(
                "its {what} {own} changes nothing: the {kind} {name} asks for as much whenever it starts; {advice}"
            )
        }
        (_, _) => format!(
            "its {what} {own} changes nothing: other entries ask for as much whenever it starts; {advice}"
        ),
    })
}
