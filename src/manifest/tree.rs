//! A YAML document as a tree in which every node knows its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

/// A node and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    place: (u64, u64),
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    /// Fields with the places of their keys.
    Fields(Vec<(String, (u64, u64), Node)>),
}

/// A text that is not YAML.
#[derive(Debug)]
pub(super) struct NotYaml {
    pub(super) place: Option<(u64, u64)>,
    pub(super) problem: String,
}

/// The documents of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, NotYaml> {
    let documents = serde_saphyr::from_multiple::<Spanned<Kind>>(text);
    let documents = documents.map_err(|error| NotYaml {
        place: error.location().map(place),
        problem: error.without_snippet().to_string(),
    })?;
    Ok(documents.into_iter().map(Node::from).collect())
}

fn place(location: Location) -> (u64, u64) {
    (location.line(), location.column())
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        Self { place: place(spanned.referenced), kind: spanned.value }
    }
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(Value::Null))
    }

    pub(super) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Fields(fields) => {
                let fields = fields.iter().map(|(key, _, node)| (key.clone(), node.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Where the field at `path` (`spec.schedule.entries[2].cron`) is named, or else the nearest parent.
    pub(super) fn place(&self, path: &str) -> (u64, u64) {
        let mut node = self;
        let mut place = self.place;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let found = match &node.kind {
                Kind::Scalar(_) => None,
                Kind::List(items) => {
                    let index = step.trim_end_matches(']').parse::<usize>().ok();
                    index.and_then(|index| items.get(index)).map(|item| (item.place, item))
                }
                Kind::Fields(fields) => {
                    let field = fields.iter().find(|(key, _, _)| key == step);
                    field.map(|(_, key_place, node)| (*key_place, node))
                }
            };
            match found {
                Some((here, child)) => (place, node) = (here, child),
                None => break,
            }
        }
        place
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        // JSON has no NaN and no infinity; as text they are refused by the field they stand in.
        let number = Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number);
        Ok(Kind::Scalar(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::String(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Kind>>()? {
            list.push(Node::from(item));
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Kind>>()? {
            fields.push((key.value, place(key.referenced), Node::from(value)));
        }
        Ok(Kind::Fields(fields))
    }
}
