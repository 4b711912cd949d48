//! Dates, and calendars that have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::decision::Dates;

/// The dates of calendars, by the calendars' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendars(BTreeMap<Arc<str>, Dates>);

impl Calendars {
    /// The dates of a calendar; `None` when there is none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Dates> {
        self.0.get(name)
    }

    /// Adds or replaces a calendar.
    pub fn insert(&mut self, name: &str, dates: Dates) {
        self.0.insert(name.into(), dates);
    }
}

/// Reads a date, `YYYY-MM-DD`.
///
/// # Errors
/// When the text has another form, or when there is no such day.
pub fn parse_date(text: &str) -> Result<Date, String> {
    let is_shaped = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let date = is_shaped.then(|| text.parse().ok()).flatten();
    date.ok_or_else(|| format!("{text:?} is not a date: write YYYY-MM-DD, such as 2026-12-25"))
}
