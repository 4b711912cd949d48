//! A YAML document as a tree in which every node knows its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};

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
    /// Fields with the places of their keys; and keys that were there before, which don't count.
    Fields {
        fields: Vec<(String, (u64, u64), Node)>,
        repeated: Vec<(String, (u64, u64))>,
    },
}

/// A key that its object has twice.
#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) path: String,
    pub(super) key: String,
    pub(super) place: (u64, u64),
    /// The line in which it is for the first time.
    pub(super) first: u64,
}

/// A text that is not YAML.
#[derive(Debug)]
pub(super) struct NotYaml {
    pub(super) place: Option<(u64, u64)>,
    pub(super) problem: String,
}

/// The documents of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, NotYaml> {
    // Keys that are there twice and infinite numbers come to us, so that one run can report all of them.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Kind>>(text, options);
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
            Kind::Fields { fields, .. } => {
                let fields = fields.iter().map(|(key, _, node)| (key.clone(), node.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// All keys that their objects have twice.
    pub(super) fn repeated_keys(&self) -> Vec<Repeated> {
        let mut found = Vec::new();
        self.find_repeated("", &mut found);
        found
    }

    fn find_repeated(&self, path: &str, found: &mut Vec<Repeated>) {
        match &self.kind {
            Kind::Scalar(_) => {}
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.find_repeated(&format!("{path}[{index}]"), found);
                }
            }
            Kind::Fields { fields, repeated } => {
                let child =
                    |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                for (key, place) in repeated {
                    let first = fields.iter().find(|(earlier, _, _)| earlier == key);
                    let first = first.map_or(place.0, |(_, place, _)| place.0);
                    found.push(Repeated { path: child(key), key: key.clone(), place: *place, first });
                }
                for (key, _, node) in fields {
                    node.find_repeated(&child(key), found);
                }
            }
        }
    }

    /// The scalar at `path`, and where it begins.
    pub(super) fn scalar(&self, path: &str) -> Option<(&Value, (u64, u64))> {
        let mut node = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            node = match &node.kind {
                Kind::Scalar(_) => return None,
                Kind::List(items) => items.get(step.trim_end_matches(']').parse::<usize>().ok()?)?,
                Kind::Fields { fields, .. } => &fields.iter().find(|(key, _, _)| key == step)?.2,
            };
        }
        match &node.kind {
            Kind::Scalar(value) => Some((value, node.place)),
            Kind::List(_) | Kind::Fields { .. } => None,
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
                Kind::Fields { fields, .. } => {
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
        let text = || match value {
            f64::INFINITY => ".inf",
            f64::NEG_INFINITY => "-.inf",
            _ => ".nan",
        };
        let number = Number::from_f64(value).map_or_else(|| Value::String(text().to_owned()), Value::Number);
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
        let (mut fields, mut repeated) = (Vec::<(String, _, _)>::new(), Vec::new());
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Kind>>()? {
            let at = place(key.referenced);
            if fields.iter().any(|(earlier, _, _)| *earlier == key.value) {
                repeated.push((key.value, at));
            } else {
                fields.push((key.value, at, Node::from(value)));
            }
        }
        Ok(Kind::Fields { fields, repeated })
    }
}
