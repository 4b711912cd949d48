//! Texts of a bounded length: the API server refuses longer ones, and others write some of them.

/// At most `limit` bytes of a text; what is cut ends in an ellipsis.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}…", beginning(text, limit.saturating_sub('…'.len_utf8())))
}

/// At most the first `limit` bytes of a text, in whole characters.
pub(super) fn beginning(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for (text, limit, short) in
            [("abc", 3, "abc"), ("abcdef", 5, "ab…"), ("äöü", 5, "ä…"), ("äöü", 6, "äöü")]
        {
            assert_eq!(shorten(text, limit), short);
            assert!(shorten(text, limit).len() <= limit);
        }
    }
}
