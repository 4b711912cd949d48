//! Dates that are past, and dates on which nothing happens anyway.

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan};

use super::super::{Mistakes, parse_date};
use super::effect::Record;
use super::{SEASON, Subject, days, entry_path, schedule_path};
use crate::decision::{Dates, Days, Entry, Schedule, Trigger};

/// Dates of `exceptDates` that keep nothing from firing. Names of calendars are not judged.
pub(super) fn except_dates(subject: &Subject, warnings: &mut Mistakes) {
    let texts = subject.spec.except_dates.iter().flatten().enumerate();
    let dates: Vec<(usize, Date)> =
        texts.filter_map(|(index, text)| Some((index, parse_date(text).ok()?))).collect();
    let subjected = |(spec, _): &(&crate::api::EntrySpec, &Entry)| spec.on_dates.is_none();
    let entries: Vec<&Entry> = subject
        .spec
        .entries
        .iter()
        .zip(subject.schedule.entries())
        .filter(subjected)
        .map(|(_, entry)| entry)
        .collect();
    let path = schedule_path().field("exceptDates");
    let (useful, idle): (Vec<_>, Vec<_>) =
        dates.into_iter().partition(|(_, date)| entries.iter().any(|entry| fires_on(entry, *date)));
    for (index, date) in idle {
        let day = date.strftime("%A");
        let problem = format!("nothing would fire on {date}, a {day}, without this; remove it or correct it");
        warnings.add(&path.index(index), problem);
    }
    let is_past = |date: Date| entries.iter().all(|entry| date < entry.zone.to_datetime(subject.now).date());
    let past: Vec<(usize, Date)> = useful.into_iter().filter(|(_, date)| is_past(*date)).collect();
    let past_dates: Vec<Date> = past.iter().map(|(_, date)| *date).collect();
    // A step that did not fire may still be missing.
    if !past.is_empty() && same_without(subject, &past_dates) {
        for (index, date) in past {
            warnings.add(&path.index(index), format!("{date} is past; remove it"));
        }
    }
}

/// Whether the baseline from now on is the same without some of the `exceptDates`.
fn same_without(subject: &Subject, past: &[Date]) -> bool {
    let Some(reach) = subject.reach(days(9), SEASON) else { return false };
    let spared = |entry: &Entry| match &entry.days {
        Days::Except(dates) => {
            let dates: Dates = dates.iter().filter(|date| !past.contains(date)).collect();
            Entry { days: Days::Except(dates), ..entry.clone() }
        }
        Days::All | Days::Only(_) => entry.clone(),
    };
    let without: Schedule = subject.with(subject.schedule.entries().iter().map(spared).collect());
    let record = |schedule| Record::of(schedule, subject.now, subject.ahead(reach));
    record(subject.schedule).is_some_and(|with| record(&without) == Some(with))
}

/// An `at` that is past or on an excepted date, and dates of `onDates` on which the entry does not fire.
pub(super) fn entries(subject: &Subject, warnings: &mut Mistakes) {
    for (index, (spec, entry)) in subject.spec.entries.iter().zip(subject.schedule.entries()).enumerate() {
        let path = entry_path(index);
        if let (Some(text), Trigger::At(wall)) = (&spec.at, &entry.trigger) {
            if is_over(subject, entry) {
                let problem = format!("{text} is past, and so is all that the entry does; remove it");
                warnings.add(&path.field("at"), problem);
            } else if matches!(&entry.days, Days::Except(dates) if dates.contains(wall.date())) {
                let date = wall.date();
                let problem = format!(
                    "the entry never fires, since exceptDates has {date}; give it `onDates: [\"{date}\"]` if it should"
                );
                warnings.add(&path.field("at"), problem);
            }
        }
        for (number, text) in spec.on_dates.iter().flatten().enumerate() {
            let Ok(date) = parse_date(text) else { continue };
            if !fires_on(entry, date) {
                let (day, trigger) = (date.strftime("%A"), if spec.at.is_some() { "at" } else { "cron" });
                let problem =
                    format!("the entry's {trigger} does not fire on {date}, a {day}; correct one of the two");
                warnings.add(&path.field("onDates").index(number), problem);
            }
        }
    }
}

/// Whether a single window and its descent are over.
pub(super) fn is_over(subject: &Subject, entry: &Entry) -> bool {
    let descent = SignedDuration::try_from(entry.ramp_down).unwrap_or(SignedDuration::MAX);
    let end = entry.end_of_firings(subject.now).map(|end| end.saturating_add(descent));
    matches!(entry.trigger, Trigger::At(_)) && end.is_some_and(|end| end.is_ok_and(|end| end <= subject.now))
}

/// Whether an entry's trigger has this local date, whatever its days are.
fn fires_on(entry: &Entry, date: Date) -> bool {
    let start = |date: Date| Some(date.to_zoned(entry.zone.clone()).ok()?.timestamp());
    match &entry.trigger {
        Trigger::At(wall) => wall.date() == date,
        Trigger::Cron(cron) => {
            let tomorrow = date.tomorrow().ok().and_then(start);
            let (Some(today), Some(tomorrow)) = (start(date), tomorrow) else { return true };
            let before = today.checked_sub(1.nanosecond()).unwrap_or(today);
            cron.next(&entry.zone, before).is_some_and(|firing| firing < tomorrow)
        }
    }
}
