//! The calendars of the cluster as last seen, and which policies name them.
//!
//! A policy that names a calendar waits until there is an answer to the question which ones there are: the
//! first list, or a definite no (403, 404). What was once read stays in force while the watch is
//! interrupted. Each policy notes here what it names *before* it looks, and looks again when it is done; so
//! no change falls in between.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt};

use super::reconcile::Context;
use super::{Key, watching};
use crate::api::ScaleCalendar;
use crate::decision::Dates;
use crate::policy::{Calendars, validate_calendar};

/// A calendar as it is watched: one that can't be parsed must not stop the others.
pub(super) type Guarded = DeserializeGuard<ScaleCalendar>;

/// What is known of a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its dates.
    Dates(Dates),
    /// It is there, and has these mistakes.
    Invalid(Arc<str>),
    /// There is none of this name.
    Absent,
    /// Calendars can't be read at all, for this reason.
    Unread(Arc<str>),
}

/// What is known of the calendars that one policy names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Consulted(Vec<(Arc<str>, Found)>);

impl Consulted {
    /// Those that have dates.
    pub(super) fn calendars(&self) -> Calendars {
        let mut calendars = Calendars::default();
        for (name, found) in &self.0 {
            match found {
                Found::Dates(dates) => calendars.insert(name, dates.clone()),
                Found::Invalid(_) | Found::Absent | Found::Unread(_) => {}
            }
        }
        calendars
    }

    /// What is missing, as a sentence.
    pub(super) fn lack(&self) -> Option<String> {
        let missing = self.0.iter().filter_map(|(name, found)| match found {
            Found::Dates(_) => None,
            Found::Invalid(mistakes) => Some(format!("the ScaleCalendar {name} has mistakes ({mistakes})")),
            Found::Absent => Some(format!("there is no ScaleCalendar {name}")),
            Found::Unread(reason) => Some(format!("the ScaleCalendar {name} can't be read: {reason}")),
        });
        let missing: Vec<String> = missing.collect();
        (!missing.is_empty())
            .then(|| format!("{}; the schedule runs as without its dates", missing.join("; ")))
    }
}

/// All calendars, and who names them.
#[derive(Debug, Default)]
pub(super) struct Almanac(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    answer: Answer,
    calendars: BTreeMap<String, Found>,
    /// A list that is under way.
    listing: BTreeMap<String, Found>,
    readers: BTreeMap<Key, BTreeSet<Arc<str>>>,
}

/// Whether there is an answer to the question which calendars there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Answer {
    /// Not yet.
    #[default]
    Awaited,
    /// They can't be read.
    Denied(Arc<str>),
    /// They were read.
    Read,
}

impl Almanac {
    /// What is known of the calendars that a policy names; `None` while nothing is. The policy is told of
    /// all that changes there until it names others or is forgotten.
    pub(super) fn consult(&self, key: &Key, names: &BTreeSet<Arc<str>>) -> Option<Consulted> {
        let mut pages = self.pages();
        if names.is_empty() {
            pages.readers.remove(key);
            return Some(Consulted::default());
        }
        if pages.readers.get(key) != Some(names) {
            pages.readers.insert(key.clone(), names.clone());
        }
        let found = match &pages.answer {
            Answer::Awaited => return None,
            Answer::Denied(reason) => {
                names.iter().map(|name| (Arc::clone(name), Found::Unread(Arc::clone(reason)))).collect()
            }
            Answer::Read => {
                let found = |name: &str| pages.calendars.get(name).cloned().unwrap_or(Found::Absent);
                names.iter().map(|name| (Arc::clone(name), found(name))).collect()
            }
        };
        Some(Consulted(found))
    }

    /// A policy that is gone names nothing any more.
    pub(super) fn forget(&self, key: &Key) {
        self.pages().readers.remove(key);
    }

    /// Takes what the watch says, and gives the policies that it concerns.
    fn take(&self, event: watcher::Event<Guarded>) -> Vec<Key> {
        let mut pages = self.pages();
        match event {
            watcher::Event::Init => pages.listing.clear(),
            watcher::Event::InitApply(calendar) => {
                pages.listing.insert(calendar.name_any(), read(&calendar));
            }
            watcher::Event::InitDone => {
                let listed = mem::take(&mut pages.listing);
                let before = mem::replace(&mut pages.calendars, listed);
                if pages.answer != Answer::Read {
                    pages.answer = Answer::Read;
                    tracing::info!(calendars = pages.calendars.len(), "the calendars are read");
                    return pages.readers.keys().cloned().collect();
                }
                let names = before.keys().chain(pages.calendars.keys());
                let changed = names.filter(|name| before.get(*name) != pages.calendars.get(*name));
                let changed: BTreeSet<&str> = changed.map(String::as_str).collect();
                return pages.naming(|name| changed.contains(name));
            }
            watcher::Event::Apply(calendar) => {
                let (name, found) = (calendar.name_any(), read(&calendar));
                if pages.calendars.get(&name) != Some(&found) {
                    tracing::info!(calendar = name, "the calendar is new or has changed");
                    pages.calendars.insert(name.clone(), found);
                    return pages.naming(|candidate| *candidate == *name);
                }
            }
            watcher::Event::Delete(calendar) => {
                let name = calendar.name_any();
                if pages.calendars.remove(&name).is_some() {
                    tracing::info!(calendar = name, "the calendar is gone");
                    return pages.naming(|candidate| *candidate == *name);
                }
            }
        }
        Vec::new()
    }

    /// Takes a definite no, and gives the policies that it concerns. What was read before stays.
    fn deny(&self, reason: &str) -> Vec<Key> {
        let mut pages = self.pages();
        let denied = Answer::Denied(reason.into());
        if pages.answer == Answer::Read || pages.answer == denied {
            return Vec::new();
        }
        pages.answer = denied;
        pages.readers.keys().cloned().collect()
    }

    /// Logs an interruption of the watch.
    fn report(&self, failure: &watching::Failure) {
        let error = &failure.cause;
        if self.pages().answer == Answer::Read {
            tracing::warn!(%error, "the calendars can't be watched; those that were read stay in force");
        } else if failure.definite().is_some_and(|(code, _)| code == 404) {
            tracing::warn!("the cluster has no ScaleCalendars; policies that name none don't care");
        } else {
            tracing::warn!(%error, "the calendars can't be watched; policies that name none don't care");
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// The policies that name one of these.
    fn naming(&self, wanted: impl Fn(&str) -> bool) -> Vec<Key> {
        let readers = self.readers.iter().filter(|(_, names)| names.iter().any(|name| wanted(name)));
        readers.map(|(key, _)| key.clone()).collect()
    }
}

/// Watches the calendars and wakes the policies that name those that change. Never ends.
pub(super) async fn follow(api: Api<Guarded>, context: Arc<Context>) {
    let begin = || watcher(api.clone(), watching::config());
    watching::follow(begin, context.pace(), |event| match event {
        Ok(event) => context.wake(context.almanac.take(event)),
        Err(failure) => {
            if failure.is_news {
                context.almanac.report(&failure);
            }
            if let Some(refusal) = failure.definite() {
                context.wake(context.almanac.deny(reason(refusal)));
            }
        }
    })
    .await;
}

/// The dates of a calendar, or what is wrong with it.
fn read(calendar: &Guarded) -> Found {
    match &calendar.0 {
        Ok(calendar) => match validate_calendar(&calendar.spec) {
            Ok(dates) => Found::Dates(dates),
            Err(invalid) => Found::Invalid(invalid.to_string().replace('\n', "; ").into()),
        },
        Err(invalid) => Found::Invalid(invalid.error.as_str().into()),
    }
}

/// Why calendars can't be read.
fn reason((code, message): (u16, &str)) -> &str {
    match code {
        404 => "the API server does not know the kind; is its CRD installed?",
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CalendarDate, ScaleCalendarSpec};

    fn calendar(name: &str, date: &str) -> Guarded {
        let dates = vec![CalendarDate { date: date.to_owned(), name: None }];
        DeserializeGuard(Ok(ScaleCalendar::new(name, ScaleCalendarSpec { dates })))
    }

    fn key(name: &str) -> Key {
        Key::new("shop", name)
    }

    fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn list(almanac: &Almanac, calendars: Vec<Guarded>) -> Vec<Key> {
        let mut woken = almanac.take(watcher::Event::Init);
        for calendar in calendars {
            woken.extend(almanac.take(watcher::Event::InitApply(calendar)));
        }
        assert_eq!(woken, [], "a list counts when it is complete");
        almanac.take(watcher::Event::InitDone)
    }

    #[test]
    fn a_policy_that_names_a_calendar_waits_for_the_first_answer_and_is_then_woken() {
        let almanac = Almanac::default();
        assert_eq!(almanac.consult(&key("none"), &names(&[])), Some(Consulted::default()));
        assert_eq!(almanac.consult(&key("web"), &names(&["de"])), None);
        assert_eq!(list(&almanac, vec![]), [key("web")]);
        let lack = almanac.consult(&key("web"), &names(&["de"])).and_then(|consulted| consulted.lack());
        let said = "there is no ScaleCalendar de; the schedule runs as without its dates";
        assert_eq!(lack.as_deref(), Some(said));
    }

    #[test]
    fn a_definite_no_is_an_answer_until_there_is_a_list_and_never_after_it() {
        let almanac = Almanac::default();
        let consult = || almanac.consult(&key("web"), &names(&["de"]));
        assert_eq!(consult(), None);
        assert_eq!(almanac.deny("forbidden"), [key("web")]);
        assert_eq!(almanac.deny("forbidden"), [], "nobody is woken twice for the same");
        let lack = consult().and_then(|consulted| consulted.lack()).expect("it is missing");
        assert!(lack.starts_with("the ScaleCalendar de can't be read: forbidden;"), "{lack}");
        assert_eq!(list(&almanac, vec![calendar("de", "2026-12-25")]), [key("web")]);
        let read = consult();
        assert_eq!(almanac.deny("forbidden"), []);
        assert_eq!((read.as_ref().and_then(Consulted::lack), consult()), (None, read));
    }

    #[test]
    fn those_are_woken_who_name_a_calendar_whose_dates_change() {
        use watcher::Event::{Apply, Delete};
        let almanac = Almanac::default();
        list(&almanac, vec![calendar("de", "2026-12-25"), calendar("fr", "2026-07-14")]);
        for (reader, named) in [("web", &["de", "fr"][..]), ("shop", &["de"]), ("mail", &["at"])] {
            almanac.consult(&key(reader), &names(named)).expect("they are read");
        }
        let (web, shop, mail) = (key("web"), key("shop"), key("mail"));
        assert_eq!(almanac.take(Apply(calendar("de", "2026-12-25"))), [], "nothing has changed");
        assert_eq!(almanac.take(Apply(calendar("de", "2026-12-26"))), [shop.clone(), web.clone()]);
        assert_eq!(almanac.take(Apply(calendar("at", "2026-10-26"))), std::slice::from_ref(&mail));
        assert_eq!(almanac.take(Delete(calendar("fr", "2026-07-14"))), std::slice::from_ref(&web));
        // After an interruption: `de` is the same, `at` has gone.
        assert_eq!(list(&almanac, vec![calendar("de", "2026-12-26")]), [mail]);
        almanac.forget(&shop);
        assert_eq!(almanac.take(Delete(calendar("de", "2026-12-26"))), [web]);
    }

    #[test]
    fn a_calendar_with_mistakes_has_no_dates_and_says_why() {
        let almanac = Almanac::default();
        list(&almanac, vec![calendar("de", "2026-02-29")]);
        let consulted = almanac.consult(&key("web"), &names(&["de"])).expect("they are read");
        assert_eq!(consulted.calendars(), Calendars::default());
        let lack = consulted.lack().expect("it is missing");
        let said = "the ScaleCalendar de has mistakes (spec.dates[0].date: \"2026-02-29\" is not a date";
        assert!(lack.starts_with(said), "{lack}");
    }
}
