//! What names may look like, and what a real server says of one that doesn't (apimachinery,
//! `pkg/util/validation`).

use crate::dns;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LETTER_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                            alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', \
                            regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation \
                         is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                           and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
                           '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
                          'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// What is wrong with a name of lower-case labels between dots.
pub(crate) fn subdomain(name: &str) -> Vec<String> {
    judge(name, 253, SUBDOMAIN, dns::is_subdomain)
}

/// What is wrong with a name that is one lower-case label.
pub(crate) fn label(name: &str) -> Vec<String> {
    judge(name, 63, LABEL, dns::is_label)
}

/// What is wrong with a name that is one lower-case label and begins with a letter.
pub(crate) fn letter_label(name: &str) -> Vec<String> {
    judge(name, 63, LETTER_LABEL, dns::is_letter_label)
}

/// What is wrong with a name that is part of a path and nothing more.
pub(crate) fn path_segment(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|part| name.contains(**part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// What is wrong with the key of a label or an annotation, or with the name of a finalizer.
pub(crate) fn qualified(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts: Vec<&str> = name.split('/').collect();
    let part = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(subdomain(prefix).into_iter().map(|message| format!("prefix part {message}")));
            }
            *name
        }
        _ => {
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a qualified name {QUALIFIED} {optional}")];
        }
    };
    if part.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if part.len() > 63 {
        wrong.push(format!("name part {}", too_long(63)));
    }
    if !is_word(part) {
        wrong.push(format!("name part {QUALIFIED}"));
    }
    wrong
}

/// What is wrong with the value of a label.
pub(crate) fn label_value(value: &str) -> Vec<String> {
    judge(value, 63, LABEL_VALUE, |value| value.is_empty() || is_word(value))
}

/// What is wrong with a key of a `ConfigMap` or a Secret.
pub(crate) fn config_key(key: &str) -> Vec<String> {
    let fits = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let mut wrong = judge(key, 253, CONFIG_KEY, fits);
    match key {
        "." => wrong.push("must not be '.'".to_owned()),
        ".." => wrong.push("must not be '..'".to_owned()),
        _ if key.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// What is wrong with the name of a port.
pub(crate) fn port_name(name: &str) -> Vec<String> {
    let rules = [
        (name.len() > 15, "must be no more than 15 characters"),
        (
            !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                || name.is_empty(),
            "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (!name.bytes().any(|byte| byte.is_ascii_lowercase()), "must contain at least one letter (a-z)"),
        (name.contains("--"), "must not contain consecutive hyphens"),
        (name.starts_with('-') || name.ends_with('-'), "must not begin or end with a hyphen"),
    ];
    rules.into_iter().filter(|(broken, _)| *broken).map(|(_, rule)| rule.to_owned()).collect()
}

fn judge(name: &str, longest: usize, rule: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let long = (name.len() > longest).then(|| too_long(longest));
    let odd = (!fits(name)).then(|| rule.to_owned());
    long.into_iter().chain(odd).collect()
}

fn too_long(longest: usize) -> String {
    format!("must be no more than {longest} characters")
}

fn is_word(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let inner = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    inner && edge(text.bytes().next()) && edge(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_what_they_lack() {
        let long = "a".repeat(64);
        for (wrong, count) in [
            (subdomain("a.b-c.9"), 0),
            (subdomain("A"), 1),
            (subdomain(&"a".repeat(254)), 1),
            (label("a.b"), 1),
            (label(&long), 1),
            (letter_label("9a"), 1),
            (path_segment("system:x"), 0),
            (path_segment("a/%"), 2),
            (qualified("example.com/MyName"), 0),
            (qualified("/x"), 1),
            (qualified("a/b/c"), 1),
            (qualified("Bad/ x"), 2),
            (qualified(""), 2),
            (label_value(""), 0),
            (label_value("-x"), 1),
            (label_value(&long), 1),
            (config_key("app.properties"), 0),
            (config_key("a/b"), 1),
            (config_key("..a"), 1),
            (config_key(""), 1),
            (port_name("http-2"), 0),
            (port_name("80"), 1),
            (port_name("Much-Too-Long--Name-"), 4),
        ] {
            assert_eq!(wrong.len(), count, "{wrong:?}");
        }
    }
}
