//! Entries, and numbers of entries, without which the baseline would be the same.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::super::{Mistakes, parse_date};
use super::dates::is_over;
use super::{SEASON, Subject, days, entry_path, is_window};
use crate::api::EntrySpec;
use crate::decision::{Bounds, Cause, Dates, Days, EdgeKind, Entry, EntryId, Replicas, Schedule, Trigger};

/// How far ahead the baseline must be known for a judgement: every yearly date is in it.
const LEAST: SignedDuration = days(400);

/// How far ahead it is looked at: by then yearly dates have come on every day of the week.
const MOST: SignedDuration = days(12 * 366);

/// How many changes of a baseline are compared in one go.
const MOST_CHANGES: usize = 100_000;

/// How many firings are gone through in all.
const MOST_WORK: i64 = 200_000;

/// Entries that change nothing in the years to come, and numbers of theirs that don't. What is found is left out
/// of the search that follows, so that all of it together changes nothing.
pub(super) fn pointless(subject: &Subject, warnings: &mut Mistakes) {
    let Some(reach) = subject.reach(LEAST, MOST).filter(|_| knows_calendars(subject)) else { return };
    let mut search = Search { subject, reach, stages: Vec::new(), work: 0 };
    let mut entries = subject.schedule.entries().to_vec();
    for index in (0..entries.len()).rev().filter(|index| is_judged(subject, *index, reach)) {
        let Some(entry) = entries.get(index).cloned() else { continue };
        for change in changes(&entry) {
            let mut fewer = entries.clone();
            fewer[index] = change.apply(&entry);
            let without = subject.with(fewer.clone());
            if search.is_same(&without)
                && let Some(problem) =
                    problem(subject, index, change, &subject.with(entries.clone()), &without)
            {
                let path = entry_path(index);
                warnings.add(&change.field().map_or(path.clone(), |field| path.field(field)), problem);
                entries = fewer;
                break;
            }
        }
    }
}

/// The baseline of the years to come, stage by stage, to compare others with.
struct Search<'a> {
    subject: &'a Subject<'a>,
    reach: SignedDuration,
    /// Filled as far as it was needed.
    stages: Vec<Option<Record>>,
    /// Firings gone through until now.
    work: i64,
}

impl Search<'_> {
    /// Whether a schedule asks for the same from now on, as far as is looked; also no when that would take too long.
    fn is_same(&mut self, other: &Schedule) -> bool {
        let mut from = self.subject.now;
        // Most differences show in days.
        for (stage, reach) in [days(9), days(70), LEAST, self.reach].into_iter().enumerate() {
            let to = self.subject.ahead(reach);
            let days = to.duration_since(from).as_hours() / 24;
            self.work += self.subject.firings_a_day() * days;
            if self.work > MOST_WORK {
                return false;
            }
            if stage == self.stages.len() {
                self.stages.push(Record::of(self.subject.schedule, from, to));
            }
            let record = self.stages.get(stage).and_then(Option::as_ref);
            if record.is_none() || record != Record::of(other, from, to).as_ref() {
                return false;
            }
            from = to;
        }
        true
    }
}

/// Floor and ceiling over a range of time.
#[derive(PartialEq, Eq)]
pub(super) struct Record {
    begin: (Replicas, Replicas),
    changes: Vec<(Timestamp, Replicas, Replicas)>,
}

impl Record {
    /// `None` when there are too many changes.
    pub(super) fn of(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Option<Self> {
        let timeline = schedule.timeline(from, to);
        let bounds = timeline.at(from);
        let changes =
            timeline.transitions_after(from).map(|change| (change.at, change.floor, change.ceiling));
        let changes: Vec<_> = changes.take(MOST_CHANGES + 1).collect();
        (changes.len() <= MOST_CHANGES).then_some(Self { begin: (bounds.floor, bounds.ceiling), changes })
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

/// Whether the calendars that the schedule names are there, and have dates to come: what matters on holidays alone
/// can't be judged from a calendar of last year.
fn knows_calendars(subject: &Subject) -> bool {
    let names_calendar =
        |texts: &Option<Vec<String>>| texts.iter().flatten().any(|text| parse_date(text).is_err());
    let excepts = names_calendar(&subject.spec.except_dates);
    let is_known = |(spec, entry): (&EntrySpec, &Entry)| {
        let today = entry.zone.to_datetime(subject.now).date();
        match &entry.days {
            Days::All => true,
            Days::Except(dates) => !excepts || dates.iter().any(|date| date >= today),
            Days::Only(dates) => !names_calendar(&spec.on_dates) || dates.iter().any(|date| date >= today),
        }
    };
    let mut entries = subject.spec.entries.iter().zip(subject.schedule.entries());
    subject.policy.missing_calendars.is_empty() && entries.all(is_known)
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

/// Why an entry (or one of its numbers) changes nothing; `None` when that can't be told.
fn problem(
    subject: &Subject,
    index: usize,
    change: Change,
    whole: &Schedule,
    without: &Schedule,
) -> Option<String> {
    let entry = subject.schedule.entries().get(index)?;
    let near = subject.ahead(SEASON);
    let mut starts = starts(subject, index, whole, near);
    let mut end = near;
    if starts.is_empty() {
        end = subject.ahead(LEAST);
        starts = self::starts(subject, index, whole, end);
    }
    if starts.is_empty() {
        let today = entry.zone.to_datetime(subject.now).date();
        let is_over = matches!(&entry.days, Days::Only(dates) if dates.iter().all(|date| date < today));
        let problem = "none of its onDates is still to come, and the entry changes nothing; remove it";
        return (is_over && change == Change::Entry).then(|| problem.to_owned());
    }
    let others = without.timeline(subject.now, end);
    let bounds: Vec<Bounds> = starts.iter().map(|start| others.at(*start)).collect();
    let is_ceiling = change == Change::Ceiling || entry.replicas.is_none();
    let causes = |of: fn(&Bounds) -> Cause| bounds.iter().map(|bounds| of(bounds).entry()).collect();
    let (what, own, field, causes): (_, _, _, BTreeSet<Option<EntryId>>) = if is_ceiling {
        let field = format!("spec.maxReplicas is {}", subject.policy.max);
        ("ceiling", entry.max_replicas?, field, causes(|bounds| bounds.ceiling_cause))
    } else {
        let field = format!("minReplicas is {}", subject.policy.min);
        ("floor", entry.replicas?, field, causes(|bounds| bounds.floor_cause))
    };
    let why = match causes.into_iter().collect::<Vec<_>>().as_slice() {
        [None] => format!("{field} already"),
        [Some(id)] => {
            let is_window = whole.entry(*id).is_some_and(is_window);
            let kind = if is_window { "window" } else { "step" };
            format!("the {kind} {} asks for as much whenever it starts", subject.name(*id))
        }
        _ => "others ask for as much whenever it starts".to_owned(),
    };
    let whole = if change == Change::Entry { "the entry" } else { "it" };
    Some(format!("its {what} {own} changes nothing: {why}; change it or remove {whole}"))
}

/// When an entry comes into force from now on. A step that is the only one has done so long ago.
fn starts(subject: &Subject, index: usize, schedule: &Schedule, end: Timestamp) -> Vec<Timestamp> {
    let entries = schedule.entries();
    let is_step = |entry: &&Entry| !is_window(entry);
    let is_only_step =
        entries.get(index).as_ref().is_some_and(is_step) && entries.iter().filter(is_step).count() == 1;
    if is_only_step {
        return vec![subject.now];
    }
    let timeline = schedule.timeline(subject.now, end);
    let starts = timeline.edges_between(subject.now, end).iter();
    let starts = starts.filter(|edge| edge.entry == EntryId(index) && edge.kind == EdgeKind::Start);
    starts.map(|edge| edge.at).collect()
}
