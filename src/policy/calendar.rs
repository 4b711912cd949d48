//! Dates, and calendars that have them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;

use super::{InvalidPolicy, Mistakes, Path};
use crate::api::ScaleCalendarSpec;
use crate::decision::Dates;

/// The most dates of a calendar, as in the CRD.
const MOST_DATES: usize = 1000;

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

/// Turns a calendar's spec into its dates.
///
/// # Errors
/// All the mistakes at once, each with the path of its field.
pub fn validate_calendar(spec: &ScaleCalendarSpec) -> Result<Dates, InvalidPolicy> {
    let mut mistakes = Mistakes::default();
    let path = Path::root("spec").field("dates");
    if spec.dates.len() > MOST_DATES {
        let problem = format!("{} dates; a calendar has at most {MOST_DATES}", spec.dates.len());
        mistakes.add(&path, problem);
    }
    let mut dates = BTreeSet::new();
    for (index, entry) in spec.dates.iter().enumerate() {
        let path = path.index(index).field("date");
        match parse_date(&entry.date) {
            Ok(date) if !dates.insert(date) => {
                mistakes.add(&path, format!("{date} is in this calendar already"));
            }
            Ok(_) => {}
            Err(problem) => mistakes.add(&path, problem),
        }
    }
    mistakes.finish()?;
    Ok(dates.into_iter().collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CalendarDate;

    fn calendar(dates: &[&str]) -> ScaleCalendarSpec {
        let entry = |date: &&str| CalendarDate { date: (*date).to_owned(), name: None };
        ScaleCalendarSpec { dates: dates.iter().map(entry).collect() }
    }

    #[test]
    fn the_dates_of_a_calendar_are_in_order_whatever_the_order_of_the_list() {
        let dates = validate_calendar(&calendar(&["2027-01-01", "2026-12-25"])).expect("a calendar");
        let texts: Vec<String> = dates.iter().map(|date| date.to_string()).collect();
        assert_eq!(texts, ["2026-12-25", "2027-01-01"]);
        assert_eq!(validate_calendar(&calendar(&[])), Ok(Dates::default()));
    }

    #[test]
    fn every_mistake_of_a_calendar_is_reported_at_its_date() {
        let spec = calendar(&["2026-12-25", "2026-02-29", "2026-12-25", "25.12.2026"]);
        let said = validate_calendar(&spec).expect_err("mistakes").to_string();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 3, "{said}");
        for (line, wanted) in lines.iter().zip([
            "spec.dates[1].date: \"2026-02-29\" is not a date",
            "spec.dates[2].date: 2026-12-25 is in this calendar already",
            "spec.dates[3].date: \"25.12.2026\" is not a date",
        ]) {
            assert!(line.starts_with(wanted), "{line}");
        }
    }

    #[test]
    fn a_calendar_has_at_most_a_thousand_dates() {
        let first = Date::constant(2026, 1, 1);
        let dates = |count: i64| -> Vec<String> {
            (0..count).map(|day| (first + jiff::Span::new().days(day)).to_string()).collect()
        };
        for (count, allowed) in [(1000, true), (1001, false)] {
            let texts = dates(count);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            assert_eq!(validate_calendar(&calendar(&texts)).is_ok(), allowed, "{count}");
        }
    }
}
