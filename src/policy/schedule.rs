//! Schedule entries: triggers, extents, zones, dates, ramps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::api::{EntrySpec, ScheduleSpec};
use crate::decision::{Dates, Days, Entry, Extent, Replicas, Trigger};
use crate::dns;

use super::{
    Mistakes, Path, References, duration, parse_cron, parse_date, parse_duration, replicas, unique_names,
};

/// The longest ramp: a week.
const LONGEST_RAMP: Duration = Duration::from_secs(7 * 24 * 3600);

/// The widest spread.
const WIDEST_SPREAD: Duration = Duration::from_secs(3600);

/// What is needed to read a schedule.
pub(super) struct Reading<'a> {
    /// `spec.maxReplicas`.
    pub(super) max: Replicas,
    pub(super) references: References<'a>,
    /// Gets the names of calendars that are not there.
    pub(super) missing: &'a mut Vec<Arc<str>>,
}

impl Reading<'_> {
    pub(super) fn entries(mut self, spec: &ScheduleSpec, path: &Path, mistakes: &mut Mistakes) -> Vec<Entry> {
        let zone = self.zone(&spec.time_zone, &path.field("timeZone"), mistakes);
        let except = spec.except_dates.as_deref().unwrap_or_default();
        let days = if except.is_empty() {
            Days::All
        } else {
            Days::Except(self.dates(except, &path.field("exceptDates"), mistakes))
        };
        let path = path.field("entries");
        if spec.entries.is_empty() {
            mistakes.add(&path, "a schedule needs at least one entry");
        }
        unique_names(spec.entries.iter().map(|entry| entry.name.as_str()), &path, mistakes);
        let entries = spec.entries.iter().enumerate();
        entries
            .filter_map(|(index, entry)| self.entry(entry, &zone, &days, &path.index(index), mistakes))
            .collect()
    }

    fn entry(
        &mut self,
        spec: &EntrySpec,
        zone: &TimeZone,
        days: &Days,
        path: &Path,
        mistakes: &mut Mistakes,
    ) -> Option<Entry> {
        shape(spec, path, mistakes);
        let trigger = trigger(spec, path, mistakes);
        let days = match &spec.on_dates {
            Some(dates) => Days::Only(self.dates(dates, &path.field("onDates"), mistakes)),
            None => days.clone(),
        };
        let zone = match &spec.time_zone {
            Some(name) => self.zone(name, &path.field("timeZone"), mistakes),
            None => zone.clone(),
        };
        let extent = extent(spec, path, mistakes);
        let mut count = |count: Option<i32>, field| {
            let count = replicas(count?, &path.field(field), mistakes);
            if count > self.max {
                let problem = format!("{count} is more than spec.maxReplicas, which is {}", self.max);
                mistakes.add(&path.field(field), problem);
            }
            Some(count)
        };
        let (replicas, max_replicas) =
            (count(spec.replicas, "replicas"), count(spec.max_replicas, "maxReplicas"));
        let ramp_up = ramp(spec.ramp_up.as_deref(), &path.field("rampUp"), mistakes);
        let ramp_down = ramp(spec.ramp_down.as_deref(), &path.field("rampDown"), mistakes);
        let (name, trigger) = (spec.name.as_str().into(), trigger?);
        Some(Entry { name, trigger, extent, zone, days, replicas, max_replicas, ramp_up, ramp_down })
    }

    fn zone(&self, name: &str, path: &Path, mistakes: &mut Mistakes) -> TimeZone {
        self.references.zones.get(name).unwrap_or_else(|problem| {
            mistakes.add(path, problem);
            TimeZone::UTC
        })
    }

    /// Dates, and names of calendars that have dates.
    fn dates(&mut self, texts: &[String], path: &Path, mistakes: &mut Mistakes) -> Dates {
        let mut dates: Vec<Date> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if is_calendar_name(text) {
                match self.references.calendars.get(text) {
                    Some(calendar) => dates.extend(calendar.iter()),
                    None if self.missing.iter().any(|name| **name == **text) => {}
                    None => self.missing.push(text.as_str().into()),
                }
                continue;
            }
            match parse_date(text) {
                Ok(date) => dates.push(date),
                Err(problem) => {
                    let problem = format!("{problem}, or the name of a ScaleCalendar");
                    mistakes.add(&path.index(index), problem);
                }
            }
        }
        dates.into_iter().collect()
    }
}

/// How widely the edges of policies with this schedule are spread.
pub(super) fn spread(spec: &ScheduleSpec, path: &Path, mistakes: &mut Mistakes) -> Duration {
    let Some(text) = &spec.spread else { return Duration::ZERO };
    let width = duration(text, path, mistakes);
    if width > WIDEST_SPREAD {
        mistakes.add(path, format!("{text:?} must be at most 1h"));
    }
    width.min(WIDEST_SPREAD)
}

/// The names of the calendars that a schedule refers to.
#[must_use]
pub fn calendar_names(spec: &ScheduleSpec) -> BTreeSet<Arc<str>> {
    let of_entries = spec.entries.iter().filter_map(|entry| entry.on_dates.as_ref());
    let texts = spec.except_dates.iter().chain(of_entries).flatten();
    texts.filter(|text| is_calendar_name(text)).map(|text| text.as_str().into()).collect()
}

/// Whether this is meant as a calendar's name: those begin with a letter.
fn is_calendar_name(text: &str) -> bool {
    dns::is_letter_label(text)
}

fn trigger(spec: &EntrySpec, path: &Path, mistakes: &mut Mistakes) -> Option<Trigger> {
    if let Some(text) = &spec.at {
        let path = path.field("at");
        let Some(at) = parse_local(text) else {
            let problem = format!(
                "{text:?} is not a local date and time: write YYYY-MM-DDTHH:MM, such as 2026-11-27T00:00"
            );
            mistakes.add(&path, problem);
            return None;
        };
        return Some(Trigger::At(at));
    }
    parse_cron(spec.cron.as_deref()?)
        .map(Trigger::Cron)
        .map_err(|error| mistakes.add(&path.field("cron"), error.to_string()))
        .ok()
}

/// `YYYY-MM-DDTHH:MM`, with or without seconds.
fn parse_local(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once('T')?;
    let is_shaped = matches!(time.len(), 5 | 8)
        && time.bytes().enumerate().all(|(index, byte)| match index {
            2 | 5 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    // A leap second is no time of day that a schedule could mean.
    let time: Time = time.parse().ok().filter(|_| is_shaped && !time.ends_with(":60"))?;
    Some(parse_date(date).ok()?.to_datetime(time))
}

fn extent(spec: &EntrySpec, path: &Path, mistakes: &mut Mistakes) -> Extent {
    if let Some(text) = &spec.until {
        let path = path.field("until");
        let time: Option<Time> = (text.len() == 5).then(|| text.parse().ok()).flatten();
        if time.is_none() {
            mistakes.add(&path, format!("{text:?} is not a time of day: write HH:MM, such as 18:30"));
        }
        return Extent::Until(time.unwrap_or_default());
    }
    let Some(text) = &spec.r#for else { return Extent::Step };
    let path = path.field("for");
    if parse_duration(text).is_ok_and(|length| length.is_zero()) {
        mistakes.add(&path, format!("{text:?} must be longer than nothing"));
    }
    Extent::For(duration(text, &path, mistakes))
}

fn ramp(text: Option<&str>, path: &Path, mistakes: &mut Mistakes) -> Duration {
    let Some(text) = text else { return Duration::ZERO };
    let length = duration(text, path, mistakes);
    if length.subsec_nanos() != 0 || length > LONGEST_RAMP {
        mistakes.add(path, format!("{text:?} must be whole seconds, and at most a week (168h)"));
    }
    length.min(LONGEST_RAMP)
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
