//! The override annotation: a person's number for a while, in the place of every decision.

use jiff::Timestamp;

use crate::decision::{Override, Replicas};

/// A text that is no override.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an override: write a number of replicas and until when, such as \"40 until 2026-11-22T18:00:00Z\", with \"force\" behind it to go over maxReplicas"
)]
pub struct OverrideError {
    text: String,
}

/// Reads the annotation's value: `40 until 2026-11-22T18:00:00Z`, with or without `force` behind it.
///
/// # Errors
/// When the text has another form.
pub fn parse_override(text: &str) -> Result<Override, OverrideError> {
    parse(text).ok_or_else(|| OverrideError { text: text.chars().take(100).collect() })
}

fn parse(text: &str) -> Option<Override> {
    let mut words = text.split_ascii_whitespace();
    let count = words.next()?;
    let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let replicas: i32 = is_number.then(|| count.parse().ok()).flatten()?;
    let until: Timestamp = (words.next()? == "until").then(|| words.next()?.parse().ok()).flatten()?;
    let force = match words.next() {
        None => false,
        Some("force") => true,
        Some(_) => return None,
    };
    let is_all = words.next().is_none() && replicas <= super::MOST_REPLICAS;
    is_all.then_some(Override { replicas: Replicas::new(replicas), until, force })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_is_a_number_and_an_end() {
        let good = |replicas, force| {
            let until = "2026-11-22T18:00:00Z".parse().expect("an instant");
            Ok(Override { replicas: Replicas::new(replicas), until, force })
        };
        for (text, expected) in [
            ("40 until 2026-11-22T18:00:00Z", good(40, false)),
            (" 0  until 2026-11-22T19:00:00+01:00 ", good(0, false)),
            ("40 until 2026-11-22T18:00:00Z force", good(40, true)),
        ] {
            assert_eq!(parse_override(text), expected, "{text}");
        }
        for text in [
            "",
            "40",
            "40 until",
            "40 until tomorrow",
            "40 until 2026-11-22T18:00:00",
            "-1 until 2026-11-22T18:00:00Z",
            "100001 until 2026-11-22T18:00:00Z",
            "99999999999 until 2026-11-22T18:00:00Z",
            "4.5 until 2026-11-22T18:00:00Z",
            "forty until 2026-11-22T18:00:00Z",
            "40 till 2026-11-22T18:00:00Z",
            "40 until 2026-11-22T18:00:00Z please",
            "40 until 2026-11-22T18:00:00Z force force",
        ] {
            let error = parse_override(text).expect_err(text).to_string();
            assert!(error.contains("40 until 2026-11-22T18:00:00Z"), "{error}");
        }
    }
}
