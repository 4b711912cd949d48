//! Names as RFC 1123 and RFC 1035 have them, however long they are.

/// Whether this is a lower-case label.
pub(crate) fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether this is a lower-case label that begins with a letter.
pub(crate) fn is_letter_label(text: &str) -> bool {
    is_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase())
}

/// Whether these are lower-case labels between dots.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}
