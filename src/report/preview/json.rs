//! A preview for programs.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use super::{ClockChange, Preview};
use crate::decision::EntryId;

/// The preview as JSON text, with the version of the time zone database that it was worked out with.
///
/// # Errors
/// Never in practice: everything in it has a JSON form.
pub fn text(preview: &Preview<'_>, tzdb: &str) -> serde_json::Result<String> {
    let start = &preview.start;
    let document = Document {
        policy: &preview.name,
        tzdb,
        from: preview.from,
        to: preview.to,
        start: Moment {
            at: preview.from,
            local: Local(preview, preview.from),
            floor: start.floor.get(),
            ceiling: start.ceiling.get(),
            entries: Names(preview, preview.in_force()),
        },
        transitions: Transitions(preview),
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
    transitions: Transitions<'a>,
    clock_changes: Vec<ClockChangeRow<'a>>,
}

#[derive(Serialize)]
struct Moment<'a> {
    at: Timestamp,
    local: Local<'a>,
    floor: i32,
    ceiling: i32,
    entries: Names<'a>,
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

/// The changes, one at a time: five years may have a hundred thousand of them.
struct Transitions<'a>(&'a Preview<'a>);

impl Serialize for Transitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(preview) = *self;
        serializer.collect_seq(preview.changes.iter().map(|change| Moment {
            at: change.at,
            local: Local(preview, change.at),
            floor: change.floor.get(),
            ceiling: change.ceiling.get(),
            entries: Names(preview, change.entries().collect()),
        }))
    }
}

/// The names of entries.
struct Names<'a>(&'a Preview<'a>, SmallVec<[EntryId; 2]>);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(preview, entries) = self;
        serializer.collect_seq(entries.iter().map(|entry| preview.entry(*entry)))
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
