//! What a schema asks for and what stands there, in words for those who write the files.

use serde_json::{Map, Value};

use super::shape::{alternatives, bounds};
use crate::api;

/// How much of a text is quoted.
const QUOTED: usize = 60;

/// The forms of texts in our schemas, in words.
const FORMS: [(&str, &str); 11] = [
    (DURATION, "a duration of whole numbers with h, m, s or ms, such as 90s or 1h30m"),
    ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "a date such as 2026-12-25"),
    (
        "^([0-9]{4}-[0-9]{2}-[0-9]{2}|[a-z]([-a-z0-9]*[a-z0-9])?)$",
        "a date such as 2026-12-25, or the name of a ScaleCalendar",
    ),
    (
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$",
        "a local date and time such as 2026-11-27T00:00",
    ),
    (TIME, "a time of day from 00:00 to 23:59"),
    (
        r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        "a number with an optional suffix, such as 150, 0.85, 1500m or 2k",
    ),
    (
        api::NAME,
        "lower-case letters, digits, \"-\" and \".\", with a letter or digit at the beginning and the end",
    ),
    (
        CALENDAR,
        "lower-case letters, digits and \"-\", with a letter at the beginning and no \"-\" at the end",
    ),
    (LABEL, "lower-case letters, digits and \"-\", with a letter or digit at the beginning and the end"),
    (api::API_VERSION, "`group/version` or `version`, such as apps/v1"),
    (api::KIND, "letters, digits and \"-\", such as Deployment"),
];

const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
const TIME: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";

/// The name of a calendar: a label that begins with a letter.
pub(super) const CALENDAR: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";

/// The name of a namespace, as RFC 1123 has labels.
pub(super) const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// What a pattern asks for.
pub(super) fn form(pattern: &str) -> String {
    let known = FORMS.iter().find(|(known, _)| *known == pattern);
    known.map_or_else(|| format!("of the form {pattern}"), |(_, words)| (*words).to_owned())
}

/// What a schema asks for: completes "must be …".
pub(super) fn wanted(schema: &Value) -> String {
    if let Some(allowed) = schema["enum"].as_array() {
        let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        return if names.len() > 1 { format!("one of {}", list(&names, "or")) } else { names.concat() };
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return "a whole number, or in quotes a number such as \"0.85\" or \"1500m\"".to_owned();
    }
    match schema["type"].as_str() {
        Some("integer") => format!("a whole number{}", range(schema)),
        Some("number") => format!("a number{}", range(schema)),
        Some("string") => text(schema),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("object") => object(schema),
        Some(_) | None => "something else".to_owned(),
    }
}

/// What stands in the file, in the place of what `schema` asks for. What is `writeOnly` is not repeated.
pub(super) fn found(schema: &Value, value: &Value) -> String {
    let is_hidden = schema["writeOnly"] == true;
    match value {
        Value::Number(_) if is_hidden => "a number".to_owned(),
        Value::String(_) if is_hidden => "a text".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) if schema["type"] == "string" => format!("the number {number}"),
        Value::Number(number) => number.to_string(),
        Value::String(text) if schema["enum"].is_array() => quoted(text),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a group of fields".to_owned(),
    }
}

/// Names in a row, the last one after `word`.
pub(super) fn list(names: &[&str], word: &str) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} {word} {last}", names.join(", ")),
    }
}

/// What to say of an unknown field: the one that was likely meant, or all of them.
pub(super) fn unknown_field(meant: Option<&str>, known: &Map<String, Value>) -> String {
    if let Some(name) = meant {
        return format!("unknown field; did you mean {name}?");
    }
    if known.is_empty() {
        return "unknown field; there are none here".to_owned();
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    format!("unknown field; there are {}", list(&names, "and"))
}

/// The known name that is so near to `field` that it was likely meant.
pub(super) fn nearest<'a>(field: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (steps, name) = known.map(|name| (distance(field, name), name)).min()?;
    (steps <= 2 || steps * 3 <= name.len()).then_some(name)
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED).collect();
    if short.len() < text.len() { format!("{:?}", format!("{short}…")) } else { format!("{text:?}") }
}

fn text(schema: &Value) -> String {
    match (schema["pattern"].as_str(), schema["format"].as_str()) {
        (Some(pattern), _) => form(pattern),
        (None, Some("duration")) => form(DURATION),
        (None, Some("time")) => form(TIME),
        (None, Some("date-time")) => "an RFC 3339 instant, such as 2026-11-23T00:00:00+01:00".to_owned(),
        (None, Some(_) | None) => "a text".to_owned(),
    }
}

fn range(schema: &Value) -> String {
    match bounds(schema) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    }
}

fn object(schema: &Value) -> String {
    let choice = alternatives(schema);
    if !choice.is_empty() {
        return format!("a group of fields with exactly one of {}", list(&choice, "and"));
    }
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
    if names.is_empty() {
        "a group of fields".to_owned()
    } else {
        format!("a group of fields with {}", list(&names, "and"))
    }
}

/// Edit distance (Levenshtein), ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn every_form_in_our_schemas_has_words() {
        fn walk(schema: &Value, unknown: &mut Vec<String>) {
            if let Some(pattern) = schema["pattern"].as_str()
                && FORMS.iter().all(|(known, _)| *known != pattern)
            {
                unknown.push(pattern.to_owned());
            }
            for child in schema.as_object().into_iter().flat_map(Map::values) {
                walk(child, unknown);
            }
        }
        let mut unknown = Vec::new();
        walk(&schema::policy(), &mut unknown);
        assert_eq!(unknown, Vec::<String>::new());
    }
}
