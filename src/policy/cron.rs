//! The text of a cron expression: the standard five fields in Vixie cron's meaning, and its macros.
//!
//! Refused with a reason: six and seven fields, Quartz's `L`, `W`, `#` and `?`, Jenkins' `H`, ranges that
//! run backwards, and expressions that match no day at all.

use crate::decision::{Cron, CronFields};

/// A text that is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Nothing but blanks.
    #[error(
        "must not be empty: write five fields (minute hour day-of-month month day-of-week), such as \"0 7 * * mon-fri\""
    )]
    Empty,
    /// Six or seven fields.
    #[error("{given:?} has {count} fields, of which the first would be seconds{year}, as in Quartz; cron has five (minute hour day-of-month month day-of-week), here perhaps {shorter:?}", year = if *count == 7 { " and the last years" } else { "" })]
    Seconds {
        /// The expression.
        given: String,
        /// 6 or 7.
        count: usize,
        /// The five fields in the middle.
        shorter: String,
    },
    /// Any other number of fields.
    #[error("{given:?} has {count} field{}, but cron has five: minute hour day-of-month month day-of-week", if *count == 1 { "" } else { "s" })]
    FieldCount {
        /// The expression.
        given: String,
        /// How many fields it has.
        count: usize,
    },
    /// A word with `@` in front that is no macro.
    #[error(
        "{0:?} is not a macro; there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually"
    )]
    Macro(String),
    /// One field is wrong.
    #[error("{field} field {text:?}: {problem}")]
    Field {
        /// Which field.
        field: &'static str,
        /// Its text.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No day matches.
    #[error("{0:?} never fires: no day matches")]
    Never(String),
}

struct FieldKind {
    name: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
    /// The value of the first of `names`.
    first: u8,
}

const FIELDS: [FieldKind; 5] = [
    FieldKind { name: "minute", least: 0, most: 59, names: &[], first: 0 },
    FieldKind { name: "hour", least: 0, most: 23, names: &[], first: 0 },
    FieldKind { name: "day-of-month", least: 1, most: 31, names: &[], first: 0 },
    FieldKind {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        first: 1,
    },
    FieldKind {
        name: "day-of-week",
        least: 0,
        most: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        first: 0,
    },
];

const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Reads a cron expression.
///
/// # Errors
/// When it is not one of Vixie cron's, or matches no day at all.
pub fn parse_cron(text: &str) -> Result<Cron, CronError> {
    let trimmed = text.trim_matches([' ', '\t']);
    if trimmed.starts_with('@') {
        let known = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed));
        return match known {
            Some((_, expression)) => parse_cron(expression),
            None => Err(CronError::Macro(trimmed.to_owned())),
        };
    }
    let fields: Vec<&str> = trimmed.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
    let [minutes, hours, days, months, weekdays] = fields[..] else {
        return Err(field_count(trimmed, &fields));
    };
    let [minute, hour, day, month, weekday] = &FIELDS;
    let weekday_bits = parse_field(weekday, weekdays)?;
    let fields = CronFields {
        minutes: parse_field(minute, minutes)?,
        hours: low32(parse_field(hour, hours)?),
        days: low32(parse_field(day, days)?),
        months: low16(parse_field(month, months)?),
        // Sunday is 0 and 7.
        weekdays: low8((weekday_bits | weekday_bits >> 7) & 0x7f),
        days_restricted: !days.starts_with('*'),
        weekdays_restricted: !weekdays.starts_with('*'),
        follows_elapsed_time: minutes.starts_with('*') || hours.starts_with('*'),
    };
    Cron::new(fields).ok_or_else(|| CronError::Never(trimmed.to_owned()))
}

fn field_count(given: &str, fields: &[&str]) -> CronError {
    let given = given.to_owned();
    match fields {
        [] => CronError::Empty,
        [_, five @ ..] if five.len() == 5 || five.len() == 6 => {
            CronError::Seconds { given, count: fields.len(), shorter: five[..5].join(" ") }
        }
        _ => CronError::FieldCount { given, count: fields.len() },
    }
}

/// The values that a field allows, one bit a value.
fn parse_field(kind: &FieldKind, text: &str) -> Result<u64, CronError> {
    let mut bits = 0;
    for item in text.split(',') {
        let field = |problem| CronError::Field { field: kind.name, text: text.to_owned(), problem };
        bits |= parse_item(kind, item).map_err(field)?;
    }
    Ok(bits)
}

/// One item of a list: `*`, `a`, `a-b`, each with an optional `/step`. `a/step` runs to the field's end.
fn parse_item(kind: &FieldKind, item: &str) -> Result<u64, String> {
    if item.is_empty() {
        return Err("a list has an empty item; write values with single commas between them".to_owned());
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(parse_step(kind, step)?)),
        None => (item, None),
    };
    let (first, last) = if range == "*" {
        (kind.least, kind.most)
    } else if let Some((first, last)) = range.split_once('-') {
        (kind.value(first)?, kind.value(last)?)
    } else {
        let value = kind.value(range)?;
        (value, if step.is_some() { kind.most } else { value })
    };
    if first > last {
        let (low, high) = (kind.least, kind.most);
        return Err(format!(
            "the range {range:?} runs backwards; write {first}-{high},{low}-{last} if you mean both ends"
        ));
    }
    Ok((first..=last).step_by(step.unwrap_or(1)).fold(0, |bits, value| bits | 1 << value))
}

fn parse_step(kind: &FieldKind, step: &str) -> Result<usize, String> {
    let number = whole(step).filter(|step| *step > 0);
    let number = number.ok_or_else(|| format!("the step {step:?} must be a whole number of at least 1"))?;
    // A step over the field's length takes the first value alone.
    Ok(usize::from(number.min(u16::from(kind.most) + 1)))
}

impl FieldKind {
    fn value(&self, text: &str) -> Result<u8, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(position) = named.and_then(|position| u8::try_from(position).ok()) {
            return Ok(self.first + position);
        }
        let (low, high) = (self.least, self.most);
        let allowed = match self.names {
            [first, .., last] => format!("{low} to {high} or {first} to {last}"),
            _ => format!("{low} to {high}"),
        };
        let Some(number) = whole(text) else {
            return Err(match text {
                "?" => format!("\"?\" is Quartz's, not standard; write \"*\" (allowed: {allowed})"),
                _ if text.bytes().any(|byte| matches!(byte, b'L' | b'W' | b'#')) => {
                    format!("{text:?} has L, W or #, which are Quartz's, not standard (allowed: {allowed})")
                }
                _ if text.starts_with('H') => {
                    format!("{text:?}: H is Jenkins', not standard (allowed: {allowed})")
                }
                _ => format!("{text:?} is not one of the values {allowed}"),
            });
        };
        match u8::try_from(number) {
            Ok(value) if (low..=high).contains(&value) => Ok(value),
            Ok(_) | Err(_) => Err(format!("{text} is out of range (allowed: {allowed})")),
        }
    }
}

/// A number of plain digits; very large ones saturate.
fn whole(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u16::MAX))
}

fn low32(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0)
}

fn low16(bits: u64) -> u16 {
    u16::try_from(bits & u64::from(u16::MAX)).unwrap_or(0)
}

fn low8(bits: u64) -> u8 {
    u8::try_from(bits & u64::from(u8::MAX)).unwrap_or(0)
}
