//! Durations as Kubernetes writes them (GEP-2257): whole numbers with the units `h`, `m`, `s`, `ms`.

use std::time::Duration;

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: write whole numbers with h, m, s or ms, such as 90s, 2h or 1h30m{hint}")]
pub struct DurationError {
    text: String,
    hint: String,
}

impl DurationError {
    fn new(text: &str) -> Self {
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok());
        let hours =
            days.map(|days| format!("{}h", 24 * u32::from(days))).filter(|hours| parse(hours).is_some());
        let hint = hours.map(|hours| format!("; {text} is {hours}")).unwrap_or_default();
        Self { text: text.to_owned(), hint }
    }
}

/// Reads one to four whole numbers of up to five digits, each with a unit.
///
/// # Errors
/// When the text has any other form.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    parse(text).ok_or_else(|| DurationError::new(text))
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).filter(|_| (1..=5).contains(&digits))?;
        let number: u64 = number.parse().ok()?;
        let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let (unit, milliseconds) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        total += Duration::from_millis(number * milliseconds);
        rest = &after[unit.len()..];
        if rest.is_empty() {
            return Some(total);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up_and_everything_else_is_refused() {
        let seconds = |text: &str| parse_duration(text).ok().map(|duration| duration.as_secs_f64());
        for (text, expected) in [
            ("0s", Some(0.0)),
            ("30s", Some(30.0)),
            ("2h", Some(7200.0)),
            ("1h30m", Some(5400.0)),
            ("250ms", Some(0.25)),
            ("99999h", Some(359_996_400.0)),
            ("", None),
            ("2", None),
            ("h", None),
            ("1.5h", None),
            ("-1h", None),
            ("1d", None),
            ("2h ", None),
            ("1h1h1h1h1h", None),
            ("100000s", None),
            ("1µs", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn of_days_it_is_said_what_they_are_in_hours() {
        for (text, expected) in [
            ("2d", "such as 90s, 2h or 1h30m; 2d is 48h"),
            ("4167d", "such as 90s, 2h or 1h30m"),
            ("d", "such as 90s, 2h or 1h30m"),
        ] {
            let error = parse_duration(text).expect_err(text).to_string();
            assert!(error.ends_with(expected), "{error}");
        }
    }
}
