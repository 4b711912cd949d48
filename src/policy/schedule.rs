//! Schedule entries: triggers, extents, zones.

use jiff::tz::TimeZone;

use crate::api::{EntrySpec, ScheduleSpec};
use crate::decision::{Entry, Extent, Replicas, Trigger};

use super::{Mistakes, Path, duration, parse_cron, parse_duration, replicas, unique_names};

pub(super) fn entries(
    spec: &ScheduleSpec,
    max: Replicas,
    path: &Path,
    mistakes: &mut Mistakes,
) -> Vec<Entry> {
    let zone = zone(&spec.time_zone, &path.field("timeZone"), mistakes);
    if spec.except_dates.as_ref().is_some_and(|dates| !dates.is_empty()) {
        mistakes.unsupported(&path.field("exceptDates"));
    }
    let path = path.field("entries");
    if spec.entries.is_empty() {
        mistakes.add(&path, "a schedule needs at least one entry");
    }
    unique_names(spec.entries.iter().map(|entry| entry.name.as_str()), &path, mistakes);
    let entries = spec.entries.iter().enumerate();
    entries
        .filter_map(|(index, entry)| self::entry(entry, &zone, max, &path.index(index), mistakes))
        .collect()
}

fn entry(
    spec: &EntrySpec,
    zone: &TimeZone,
    max: Replicas,
    path: &Path,
    mistakes: &mut Mistakes,
) -> Option<Entry> {
    shape(spec, path, mistakes);
    for (field, present) in [
        ("at", spec.at.is_some()),
        ("until", spec.until.is_some()),
        ("rampUp", spec.ramp_up.is_some()),
        ("rampDown", spec.ramp_down.is_some()),
    ] {
        if present {
            mistakes.unsupported(&path.field(field));
        }
    }
    let extent = spec.r#for.as_ref().map_or(Extent::Step, |text| {
        let path = path.field("for");
        if parse_duration(text).is_ok_and(|length| length.is_zero()) {
            mistakes.add(&path, format!("{text:?} must be longer than nothing"));
        }
        Extent::For(duration(text, &path, mistakes))
    });
    let mut count = |count: Option<i32>, field| {
        let count = replicas(count?, &path.field(field), mistakes);
        if count > max {
            mistakes
                .add(&path.field(field), format!("{count} is more than spec.maxReplicas, which is {max}"));
        }
        Some(count)
    };
    let (replicas, max_replicas) =
        (count(spec.replicas, "replicas"), count(spec.max_replicas, "maxReplicas"));
    let zone = match &spec.time_zone {
        Some(name) => self::zone(name, &path.field("timeZone"), mistakes),
        None => zone.clone(),
    };
    let trigger = match parse_cron(spec.cron.as_deref()?) {
        Ok(cron) => Trigger::Cron { cron, zone },
        Err(error) => {
            mistakes.add(&path.field("cron"), error.to_string());
            return None;
        }
    };
    Some(Entry { name: spec.name.as_str().into(), trigger, extent, replicas, max_replicas })
}

/// Which fields go together; the same rules as the CRD's.
fn shape(spec: &EntrySpec, path: &Path, mistakes: &mut Mistakes) {
    let window = spec.r#for.is_some() || spec.until.is_some();
    let has_replicas = spec.replicas.is_some();
    for (broken, problem) in [
        (spec.cron.is_some() == spec.at.is_some(), "exactly one of cron and at is needed"),
        (spec.r#for.is_some() && spec.until.is_some(), "for and until exclude each other"),
        (spec.at.is_some() && !window, "at needs for or until"),
        (!has_replicas && spec.max_replicas.is_none(), "an entry needs replicas, maxReplicas, or both"),
        (
            !has_replicas && spec.max_replicas.is_some() && !window,
            "a step (an entry without for or until) needs replicas",
        ),
        (
            spec.replicas.zip(spec.max_replicas).is_some_and(|(least, most)| least > most),
            "replicas must not be more than the entry's own maxReplicas",
        ),
        (spec.ramp_down.is_some() && !window, "rampDown needs for or until: a step has no end of its own"),
        ((spec.ramp_up.is_some() || spec.ramp_down.is_some()) && !has_replicas, "a ramp needs replicas"),
    ] {
        if broken {
            mistakes.add(path, problem);
        }
    }
}

fn zone(name: &str, path: &Path, mistakes: &mut Mistakes) -> TimeZone {
    TimeZone::get(name).unwrap_or_else(|_| {
        let problem =
            format!("{name:?} is not a time zone of the IANA database, such as Europe/Berlin or UTC");
        mistakes.add(path, problem);
        TimeZone::UTC
    })
}
