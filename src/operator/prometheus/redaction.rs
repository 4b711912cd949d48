//! Words of a source, without the secrets that it may have repeated.
//!
//! A secret is looked for as it is, in either case of its letters, and as it looks in JSON, in a URL, in HTML,
//! in quotes of programs and in several of these at once. It would be safer to pass nothing on; but what a
//! source says is often all there is to find out what is wrong with a query.

use super::super::config::Secret;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// The characters that HTML has names for.
const ENTITIES: [(char, &str); 5] =
    [('"', "&quot;"), ('&', "&amp;"), ('\'', "&apos;"), ('<', "&lt;"), ('>', "&gt;")];

/// The longest row of backslashes before one character: three times in quotes.
const MOST_BACKSLASHES: usize = 7;

/// So many characters of a secret at the end of a text are no coincidence: somebody has cut the text.
const LEAST_OF_A_CUT: usize = 4;

/// Takes the secrets of a source out of texts.
pub(super) struct Redactor {
    secrets: Vec<Secret>,
}

impl Redactor {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        Self { secrets: secrets.to_vec() }
    }

    /// The text without secrets; at most a little more than `enough` bytes of it.
    pub(super) fn clean(&self, text: &str, enough: usize) -> String {
        let mut clean = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next().filter(|_| clean.len() <= enough) {
            let found = self.secrets.iter().filter_map(|secret| spelt(rest, secret.reveal())).max();
            if let Some(length) = found.filter(|length| *length > 0) {
                clean.push_str(REDACTED);
                rest = &rest[length..];
            } else {
                clean.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        clean
    }
}

/// How much of the beginning of `text` is a spelling of `secret`, or of its beginning when the text ends there.
/// All ways to read it are followed side by side, since a percent sign may be one and may begin an escape.
fn spelt(text: &str, secret: &str) -> Option<usize> {
    let mut ends = vec![0];
    for (index, wanted) in secret.chars().enumerate() {
        let mut next: Vec<usize> = Vec::new();
        for &end in &ends {
            next.extend(lengths(&text[end..], wanted).into_iter().map(|length| end + length));
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            let is_cut = index >= LEAST_OF_A_CUT && ends.last() == Some(&text.len());
            return is_cut.then_some(text.len());
        }
        ends = next;
    }
    ends.last().copied()
}

/// The lengths of the spellings of one character with which `text` begins.
fn lengths(text: &str, wanted: char) -> Vec<usize> {
    let mut lengths = Vec::new();
    if let Some(first) = text.chars().next().filter(|first| first.eq_ignore_ascii_case(&wanted)) {
        lengths.push(first.len_utf8());
    }
    match text.as_bytes().first() {
        Some(b'+') if wanted == ' ' => lengths.push(1),
        Some(b'\\') => {
            let most = text.bytes().take(MOST_BACKSLASHES).take_while(|byte| *byte == b'\\').count();
            for backslashes in 1..=most {
                lengths.extend(escaped(&text[backslashes..], wanted).map(|length| backslashes + length));
            }
        }
        Some(b'%') => lengths.extend(in_url(text, wanted)),
        Some(b'&') => lengths.extend(in_html(text, wanted)),
        _ => {}
    }
    lengths
}

/// What follows a backslash: the character itself, or its number.
fn escaped(text: &str, wanted: char) -> Option<usize> {
    if text.starts_with(wanted) {
        return Some(wanted.len_utf8());
    }
    let digits = match text.as_bytes().first()? {
        b'u' => 4,
        b'x' => 2,
        _ => return None,
    };
    let number = u32::from_str_radix(text.get(1..=digits)?, 16).ok()?;
    (number == u32::from(wanted)).then_some(1 + digits)
}

/// `%` and two digits for each byte; `%25` stands for the `%` of a text that was in a URL before.
fn in_url(text: &str, wanted: char) -> Option<usize> {
    let mut buffer = [0; 4];
    let mut rest = text;
    for byte in wanted.encode_utf8(&mut buffer).bytes() {
        rest = rest.strip_prefix('%')?;
        while byte != b'%' && rest.starts_with("25") {
            rest = &rest[2..];
        }
        let (digits, after) = rest.split_at_checked(2)?;
        if u8::from_str_radix(digits, 16) != Ok(byte) {
            return None;
        }
        rest = after;
    }
    Some(text.len() - rest.len())
}

/// A name or a number between `&` and `;`.
fn in_html(text: &str, wanted: char) -> Option<usize> {
    if let Some((_, name)) = ENTITIES.iter().find(|(of, name)| *of == wanted && text.starts_with(name)) {
        return Some(name.len());
    }
    let (number, _) = text.strip_prefix("&#")?.split_once(';')?;
    let value = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    (value.ok()? == u32::from(wanted)).then_some("&#;".len() + number.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_each_of_its_spellings() {
        let redactor = Redactor::new(&[Secret::new(r#"p"a ü%7/W"#), Secret::new("p\"a ü%7/W and more")]);
        for text in [
            r#"p"a ü%7/W"#,
            r#"P"A ü%7/w"#,
            r#"p\"a ü%7\/W"#,
            r#"p\\\"a ü%7/W"#,
            r"p\u0022a \u00fc%7/W",
            r"p\x22a ü%7/W",
            "p%22a%20%C3%BC%257%2FW",
            "p%22a+%c3%bc%257%2fW",
            "%70%22%61%20%C3%BC%25%37%2F%57",
            "p%2522a%2520%25C3%25BC%257%252FW",
            "p&quot;a ü%7/W",
            "p&#34;a&#x20;ü%7/W",
            "p\"a ü%7/W and more",
        ] {
            assert_eq!(
                redactor.clean(&format!("ä {text} {text}."), 1000),
                "ä [redacted] [redacted].",
                "{text}"
            );
        }
        for text in ["", "nothing of it", "p\"a and more", "100% of p%22", r"p\", "p&#", "p%2", "p%C3"] {
            assert_eq!(redactor.clean(text, 1000), text);
        }
    }

    #[test]
    fn a_secret_that_is_cut_at_the_end_is_none_the_less_one() {
        let redactor = Redactor::new(&[Secret::new("sesame, open")]);
        assert_eq!(redactor.clean("token sesame%2C", 1000), "token [redacted]");
        assert_eq!(redactor.clean("token ses", 1000), "token ses");
        assert_eq!(redactor.clean("a sesame, open, and so on", 3), "a [redacted]");
    }

    #[test]
    fn a_row_of_backslashes_takes_no_time_of_note() {
        let secret = "\\".repeat(200);
        let redactor = Redactor::new(&[Secret::new(&secret)]);
        assert_eq!(redactor.clean(&"\\".repeat(400), 1000), REDACTED);
    }
}
