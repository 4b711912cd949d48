//! What fields the messages have: `messages.txt`, read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Its number on the wire.
    pub(super) number: u64,
    /// Its name in JSON; `^` when its own fields stand in its place.
    pub(super) name: &'static str,
    /// Whether JSON shows it when it is zero.
    pub(super) keeps_zero: bool,
    /// One value, a list or a map.
    pub(super) shape: Shape,
    /// The type of a value.
    pub(super) value: Type,
}

/// How many values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    Map,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Bool,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrText,
    Status,
    Message(&'static str),
}

/// The rows of a message; `None` when the table doesn't have it.
pub(super) fn rows(message: &str) -> Option<&'static [Row]> {
    static TABLE: LazyLock<BTreeMap<&'static str, Vec<Row>>> = LazyLock::new(table);
    TABLE.get(message).map(Vec::as_slice)
}

fn table() -> BTreeMap<&'static str, Vec<Row>> {
    let lines = include_str!("messages.txt").lines().filter(|line| !line.starts_with('#'));
    let messages = lines.filter_map(|line| line.split_once(": "));
    messages.map(|(name, fields)| (name, fields.split(", ").filter_map(row).collect())).collect()
}

fn row(field: &'static str) -> Option<Row> {
    let mut words = field.split(' ');
    let (number, name, kind) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let listed = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']'));
    let mapped = kind.strip_prefix('{').and_then(|kind| kind.strip_suffix('}'));
    let (shape, kind) = match (listed, mapped) {
        (Some(kind), _) => (Shape::List, kind),
        (None, Some(kind)) => (Shape::Map, kind),
        (None, None) => (Shape::One, kind),
    };
    let value = match kind {
        "text" => Type::Text,
        "int" => Type::Int,
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "quantity" => Type::Quantity,
        "int-or-text" => Type::IntOrText,
        "status" => Type::Status,
        message => Type::Message(message),
    };
    let keeps_zero = name.ends_with('?');
    Some(Row { number, name: name.trim_end_matches('?'), keeps_zero, shape, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_whole_and_every_message_that_it_names_is_there() {
        let table = table();
        let lines = include_str!("messages.txt").lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let (name, fields) = line.split_once(": ").expect("a message");
            let rows = &table[name];
            assert_eq!(rows.len(), fields.split(", ").count(), "{line}");
            assert!(rows.windows(2).all(|pair| pair[0].number < pair[1].number), "{line}");
            for row in rows {
                if let Type::Message(message) = row.value {
                    assert!(table.contains_key(message), "{name}.{} is of unknown type {message}", row.name);
                }
            }
        }
    }
}
