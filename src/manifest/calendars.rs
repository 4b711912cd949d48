//! The calendars of files: every reader of policies from files sees them through here.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Document, Mistake, Mistakes, schema};
use crate::api::{ScaleCalendar, ScalePolicy};
use crate::decision::{Dates, Policy};
use crate::policy::{Calendars, validate_calendar};

/// A `ScaleCalendar` from a file, as written and as validated.
#[derive(Clone, Debug)]
pub struct CalendarManifest {
    /// The resource.
    pub resource: ScaleCalendar,
    /// Its dates.
    pub dates: Dates,
}

/// The calendars of some documents, which may be those of several files.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    calendars: Calendars,
    resources: Vec<ScaleCalendar>,
    /// Where each name stands first.
    named: BTreeMap<String, Mistake>,
    mistakes: Vec<Mistake>,
}

impl Shelf {
    /// The calendars among the documents, and what is wrong with them.
    #[must_use]
    pub fn of<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        let mut shelf = Self::default();
        for document in documents.into_iter().filter(|document| document.is_calendar()) {
            shelf.add(document);
        }
        shelf
    }

    /// What policies may refer to. A calendar with mistakes is there, with no dates: whoever names it is
    /// not to blame.
    #[must_use]
    pub fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// What is wrong with the calendars of a file.
    #[must_use]
    pub fn mistakes_in(&self, file: &Path) -> Vec<Mistake> {
        self.mistakes.iter().filter(|mistake| mistake.file == file).cloned().collect()
    }

    /// The calendars as resources.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn finish(self) -> Result<Vec<ScaleCalendar>, Mistakes> {
        if self.mistakes.is_empty() { Ok(self.resources) } else { Err(Mistakes(self.mistakes)) }
    }

    fn add(&mut self, document: &Document) {
        if let Some(name) = document.value["metadata"]["name"].as_str() {
            let here = document.mistake("metadata.name", "");
            if let Some(first) = self.named.get(name) {
                if (&first.file, first.place) == (&here.file, here.place) {
                    // The same file, given twice.
                    return;
                }
                let (line, _) = first.place.unwrap_or_default();
                let problem =
                    format!("{name:?} is the name of another calendar, in {}:{line}", first.file.display());
                self.mistakes.push(Mistake { problem, ..here });
            } else {
                self.named.insert(name.to_owned(), here);
                self.calendars.insert(name, Dates::default());
            }
        }
        match document.calendar() {
            Ok(calendar) => {
                let name = calendar.resource.metadata.name.as_deref().unwrap_or_default();
                self.calendars.insert(name, calendar.dates);
                self.resources.push(calendar.resource);
            }
            Err(Mistakes(found)) => self.mistakes.extend(found),
        }
    }
}

impl Document {
    /// Whether this says that it is a `ScaleCalendar`.
    #[must_use]
    pub fn is_calendar(&self) -> bool {
        self.kind() == Some("ScaleCalendar")
    }

    /// The document as a validated calendar.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn calendar(&self) -> Result<CalendarManifest, Mistakes> {
        let judge =
            |resource: &ScaleCalendar| validate_calendar(&resource.spec).map_err(|invalid| invalid.errors);
        let (resource, dates) = self.examine(&schema::calendar(), judge)?;
        Ok(CalendarManifest { resource, dates })
    }

    /// Where a policy names calendars that are not there.
    pub(super) fn missing_calendars(&self, resource: &ScalePolicy, policy: &Policy) -> Vec<Mistake> {
        let Some(schedule) = &resource.spec.schedule else { return Vec::new() };
        let mut lists = vec![("spec.schedule.exceptDates".to_owned(), &schedule.except_dates)];
        for (index, entry) in schedule.entries.iter().enumerate() {
            lists.push((format!("spec.schedule.entries[{index}].onDates"), &entry.on_dates));
        }
        let mut missing = Vec::new();
        for (path, texts) in lists {
            for (index, text) in texts.iter().flatten().enumerate() {
                if policy.missing_calendars.iter().any(|name| **name == **text) {
                    let problem = format!(
                        "the ScaleCalendar {text} is not among these files; the schedule counts as without its dates"
                    );
                    missing.push(self.mistake(&format!("{path}[{index}]"), problem));
                }
            }
        }
        missing
    }
}
