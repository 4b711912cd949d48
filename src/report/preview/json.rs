//! A preview for programs.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{ClockChange, Preview};
use crate::decision::{EntryId, Replicas};

/// The preview as JSON text, with the version of the time zone database that it was worked out with.
///
/// # Errors
/// Never in practice: everything in it has a JSON form.
pub fn text(preview: &Preview<'_>, tzdb: &str) -> serde_json::Result<String> {
    let moment = |at, floor: Replicas, ceiling: Replicas, entries| Moment {
        at,
        local: Local(preview, at),
        floor: floor.get(),
        ceiling: ceiling.get(),
        entries,
    };
    let names = |ids: &mut dyn Iterator<Item = EntryId>| ids.map(|id| preview.entry(id)).collect();
    let (start, in_force) = (&preview.start, preview.in_force());
    let changes = preview.changes.iter();
    let document = Document {
        policy: &preview.name,
        tzdb,
        from: preview.from,
        to: preview.to,
        start: moment(preview.from, start.floor, start.ceiling, names(&mut in_force.into_iter())),
        transitions: changes
            .map(|change| moment(change.at, change.floor, change.ceiling, names(&mut change.entries())))
            .collect(),
        clock_changes: preview
            .clock_changes
            .iter()
            .map(|change| ClockChangeRow::of(preview, change))
            .collect(),
    };
    serde_json::to_string_pretty(&document)
}

#[derive(Serialize)]
struct Document<'a> {
    policy: &'a str,
    tzdb: &'a str,
    from: Timestamp,
    to: Timestamp,
    start: Moment<'a>,
    transitions: Vec<Moment<'a>>,
    clock_changes: Vec<ClockChangeRow<'a>>,
}

#[derive(Serialize)]
struct Moment<'a> {
    at: Timestamp,
    local: Local<'a>,
    floor: i32,
    ceiling: i32,
    entries: Vec<&'a str>,
}

#[derive(Serialize)]
struct ClockChangeRow<'a> {
    date: jiff::civil::Date,
    zone: &'a str,
    at: Timestamp,
    shift: String,
    entries: Vec<Touched<'a>>,
}

#[derive(Serialize)]
struct Touched<'a> {
    name: &'a str,
    effect: &'a str,
}

impl<'a> ClockChangeRow<'a> {
    fn of(preview: &Preview<'a>, change: &'a ClockChange) -> Self {
        let touched =
            |effect: &'a super::Effect| Touched { name: preview.entry(effect.entry), effect: &effect.words };
        Self {
            date: change.date,
            zone: &change.zone,
            at: change.at,
            shift: change.shift(),
            entries: change.effects.iter().map(touched).collect(),
        }
    }
}

/// An instant with the offset of the zone shown.
struct Local<'a>(&'a Preview<'a>, Timestamp);

impl Serialize for Local<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(preview, at) = self;
        serializer.collect_str(&at.display_with_offset(preview.zone.to_offset(*at)))
    }
}
