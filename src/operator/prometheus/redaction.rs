//! Words of a source, without the secrets that it may have repeated.

use std::fmt::Write as _;

use super::super::config::Secret;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Takes the secrets of a source out of texts, in each form in which they may be repeated.
pub(super) struct Redactor {
    /// Longest first, so that none leaves a rest of another.
    forms: Vec<String>,
}

impl Redactor {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let mut forms: Vec<String> = secrets.iter().flat_map(|secret| spellings(secret.reveal())).collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        let clean = |text: String, form: &String| text.replace(form.as_str(), REDACTED);
        self.forms.iter().filter(|form| !form.is_empty()).fold(text.to_owned(), clean)
    }
}

/// A text as it is, in a JSON string, in a URL (in both cases of its hexadecimal digits), and in capitals
/// and small letters.
fn spellings(text: &str) -> Vec<String> {
    let in_json = serde_json::to_string(text).unwrap_or_default();
    let mut in_url = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            in_url.push(byte.into());
        } else {
            // Writing to a string can't fail.
            let _ = write!(in_url, "%{byte:02X}");
        }
    }
    let lower_hex =
        in_url.split('%').enumerate().map(|(index, part)| match (index, part.split_at_checked(2)) {
            (0, _) | (_, None) => part.to_owned(),
            (_, Some((hex, rest))) => format!("%{}{rest}", hex.to_ascii_lowercase()),
        });
    let lower_hex: String = lower_hex.collect();
    vec![
        text.to_owned(),
        text.to_ascii_lowercase(),
        text.to_ascii_uppercase(),
        in_json.trim_matches('"').to_owned(),
        in_url.replace("%20", "+"),
        in_url,
        lower_hex,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_each_of_its_spellings() {
        let redactor = Redactor::new(&[Secret::new("p\"a ss/W"), Secret::new("p\"a ss/W and more")]);
        for text in [
            "p\"a ss/W",
            r#"{"token":"p\"a ss/W"}"#,
            "p%22a%20ss%2FW",
            "p%22a%20ss%2fW",
            "p%22a+ss%2FW",
            "P\"A SS/W",
            "p\"a ss/W and more",
        ] {
            let clean = redactor.clean(&format!("before {text} after"));
            assert!(clean.starts_with("before ") && clean.ends_with(" after"), "{clean}");
            assert!(clean.contains(REDACTED) && !clean.to_lowercase().contains("ss"), "{clean}");
            assert!(!clean.contains("more"), "{clean}");
        }
        assert_eq!(redactor.clean("nothing of it"), "nothing of it");
    }
}
