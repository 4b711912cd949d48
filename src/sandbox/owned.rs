//! Sets of fields, as `metadata.managedFields` writes them, and what changed between two objects.
//!
//! A set is a tree. A node's key is a path element (`f:spec`, `k:{"name":"a"}`, `v:"x"`), and a node can
//! be a member itself, which is written `.` when it has children too.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::json::fields;
use super::typing::{ListType, Typing, item_key};

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    member: bool,
    children: BTreeMap<String, Fields>,
}

impl Fields {
    /// Reads a `fieldsV1` object.
    pub(crate) fn parse(value: &Value) -> Self {
        let Some(map) = value.as_object() else { return Self::default() };
        let children: BTreeMap<String, Self> = map
            .iter()
            .filter(|(key, _)| *key != ".")
            .map(|(key, child)| {
                let mut child_fields = Self::parse(child);
                child_fields.member |= child.as_object().is_none_or(Map::is_empty);
                (key.clone(), child_fields)
            })
            .collect();
        Self { member: map.contains_key("."), children }
    }

    /// Writes a `fieldsV1` object.
    pub(crate) fn write(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), json!({}));
        }
        map.extend(self.children.iter().map(|(key, child)| (key.clone(), child.write())));
        Value::Object(map)
    }

    /// Whether the set has no fields.
    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// The fields that an applied configuration speaks of.
    pub(crate) fn applied(value: &Value, typing: Typing<'_>) -> Self {
        let mut set = Self::default();
        match value {
            Value::Object(map) if !map.is_empty() && !typing.is_atomic_map() => {
                for (name, child) in map {
                    set.children.insert(field(name), Self::applied(child, typing.child(name)));
                }
            }
            Value::Array(items) if !items.is_empty() => match typing.list() {
                ListType::Atomic => set.member = true,
                ListType::Set => set.children.extend(items.iter().map(|item| (member(item), Self::leaf()))),
                ListType::Map(keys) => {
                    for item in items {
                        let mut inner = Self::applied(item, typing.items());
                        inner.member = true;
                        set.children.insert(key_element(&keys, item), inner);
                    }
                }
            },
            _ => set.member = true,
        }
        set
    }

    /// The fields in both sets.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let both = |(key, child): (&String, &Self)| {
            let common = child.intersection(other.children.get(key)?);
            (!common.is_empty()).then(|| (key.clone(), common))
        };
        Self {
            member: self.member && other.member,
            children: self.children.iter().filter_map(both).collect(),
        }
    }

    /// The fields in either set.
    pub(crate) fn union(mut self, other: &Self) -> Self {
        self.member |= other.member;
        for (key, child) in &other.children {
            let mine = self.children.remove(key).unwrap_or_default();
            self.children.insert(key.clone(), mine.union(child));
        }
        self
    }

    /// The fields of this set that aren't in `other`.
    pub(crate) fn difference(mut self, other: &Self) -> Self {
        self.member &= !other.member;
        let children = std::mem::take(&mut self.children);
        let kept = children.into_iter().map(|(key, child)| match other.children.get(&key) {
            Some(theirs) => (key, child.difference(theirs)),
            None => (key, child),
        });
        self.children = kept.filter(|(_, child)| !child.is_empty()).collect();
        self
    }

    /// The paths of the members, as messages about conflicts show them.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    /// Removes from `value` what is in `self` but in no part of `owned`.
    pub(crate) fn remove_from(&self, owned: &Self, value: &mut Value, typing: Typing<'_>) {
        match value {
            Value::Object(map) => {
                for (element, child) in &self.children {
                    let Some(name) = element.strip_prefix("f:") else { continue };
                    match owned.children.get(element) {
                        None => {
                            map.remove(name);
                        }
                        Some(theirs) => {
                            if let Some(inner) = map.get_mut(name) {
                                child.remove_from(theirs, inner, typing.child(name));
                            }
                        }
                    }
                }
            }
            Value::Array(items) => {
                let list = typing.list();
                items.retain_mut(|item| {
                    let element = match &list {
                        ListType::Atomic => return true,
                        ListType::Set => member(item),
                        ListType::Map(keys) => key_element(keys, item),
                    };
                    let Some(mine) = self.children.get(&element) else { return true };
                    let Some(theirs) = owned.children.get(&element) else { return false };
                    mine.remove_from(theirs, item, typing.items());
                    true
                });
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    fn insert(&mut self, path: &[String]) {
        let mut node = self;
        for element in path {
            node = node.children.entry(element.clone()).or_default();
        }
        node.member = true;
    }

    /// Members of a level come before what is below them.
    fn collect_paths(&self, at: &str, paths: &mut Vec<String>) {
        let inner = |element: &String| format!("{at}{}", shown(element));
        let members = self.children.iter().filter(|(_, child)| child.member);
        paths.extend(members.map(|(element, _)| inner(element)));
        for (element, child) in &self.children {
            child.collect_paths(&inner(element), paths);
        }
    }
}

/// What changed between two objects.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Fields that are new.
    pub(crate) added: Fields,
    /// Fields with another value.
    pub(crate) modified: Fields,
    /// Fields that are gone.
    pub(crate) removed: Fields,
}

/// Compares two objects, without what the server itself keeps in them.
pub(crate) fn compare(old: &Value, new: &Value, typing: Typing<'_>) -> Comparison {
    let mut comparison = Comparison::default();
    let (old, new) = (tracked(old), tracked(new));
    comparison.visit(Some(&old), Some(&new), typing, &mut Vec::new());
    comparison
}

/// A copy of an object without what no manager owns: its type, its identity, its version.
pub(crate) fn tracked(object: &Value) -> Value {
    let mut copy = object.clone();
    let map = fields(&mut copy);
    map.remove("apiVersion");
    map.remove("kind");
    let metadata = fields(map.entry("metadata").or_insert_with(|| json!({})));
    for name in [
        "name",
        "namespace",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        metadata.remove(name);
    }
    copy
}

impl Comparison {
    fn visit(
        &mut self,
        old: Option<&Value>,
        new: Option<&Value>,
        typing: Typing<'_>,
        path: &mut Vec<String>,
    ) {
        let object = |value: Option<&Value>| value.is_none_or(Value::is_object);
        let list = |value: Option<&Value>| value.is_none_or(Value::is_array);
        if object(old) && object(new) && !is_leaf(old, new) && !typing.is_atomic_map() {
            self.note_parent(old, new, path);
            let names: std::collections::BTreeSet<&String> =
                [old, new].into_iter().flatten().filter_map(Value::as_object).flat_map(Map::keys).collect();
            for name in names {
                let pick = |value: Option<&'_ Value>| value.and_then(|v| v.get(name)).cloned();
                let (before, after) = (pick(old), pick(new));
                path.push(field(name));
                self.visit(before.as_ref(), after.as_ref(), typing.child(name), path);
                path.pop();
            }
        } else if list(old) && list(new) && !is_leaf(old, new) {
            self.visit_list(old, new, typing, path);
        } else {
            self.note(old, new, path);
        }
    }

    fn visit_list(
        &mut self,
        old: Option<&Value>,
        new: Option<&Value>,
        typing: Typing<'_>,
        path: &mut Vec<String>,
    ) {
        let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let (before, after) = (items(old), items(new));
        let list = typing.list();
        let element = |item: &Value| match &list {
            ListType::Atomic => None,
            ListType::Set => Some(member(item)),
            ListType::Map(keys) => Some(key_element(keys, item)),
        };
        if list == ListType::Atomic {
            self.note(old, new, path);
            return;
        }
        self.note_parent(old, new, path);
        let keyed = |items: Vec<Value>| -> BTreeMap<String, Value> {
            items.into_iter().filter_map(|item| Some((element(&item)?, item))).collect()
        };
        let (before, after) = (keyed(before), keyed(after));
        let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            path.push(key.clone());
            self.visit(before.get(key), after.get(key), typing.items(), path);
            path.pop();
        }
    }

    fn note(&mut self, old: Option<&Value>, new: Option<&Value>, path: &[String]) {
        match (old, new) {
            (None, Some(_)) => self.added.insert(path),
            (Some(_), None) => self.removed.insert(path),
            (Some(old), Some(new)) if old != new => self.modified.insert(path),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// A map or list that is wholly new or wholly gone counts itself, besides what is in it.
    fn note_parent(&mut self, old: Option<&Value>, new: Option<&Value>, path: &[String]) {
        if old.is_none() || new.is_none() {
            self.note(old, new, path);
        }
    }
}

fn is_leaf(old: Option<&Value>, new: Option<&Value>) -> bool {
    let empty = |value: Option<&Value>| match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
        None => true,
    };
    empty(old) && empty(new)
}

fn field(name: &str) -> String {
    format!("f:{name}")
}

fn member(item: &Value) -> String {
    format!("v:{item}")
}

fn key_element(keys: &[String], item: &Value) -> String {
    format!("k:{}", item_key(keys, item))
}

fn shown(element: &str) -> String {
    match element.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("v", value)) => format!("[={value}]"),
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let parts: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", parts.join(","))
        }
        _ => element.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_as_they_were_read() {
        let text =
            json!({"f:spec": {".": {}, "f:max": {}, "f:e": {"k:{\"name\":\"a\"}": {".": {}, "f:n": {}}}}});
        let set = Fields::parse(&text);
        assert_eq!(set.write(), text);
        assert_eq!(set.paths(), [".spec", ".spec.max", ".spec.e[name=\"a\"]", ".spec.e[name=\"a\"].n"]);
    }

    #[test]
    fn a_new_map_counts_itself_and_a_known_one_does_not() {
        let schema = json!({});
        let typing = Typing::Schema(&schema, true);
        let new = json!({"kind": "K", "metadata": {"name": "x"}, "spec": {"max": 5}});
        let made = compare(&json!({}), &new, typing);
        assert_eq!(made.added.write(), json!({"f:spec": {".": {}, "f:max": {}}}));
        let later = compare(&new, &json!({"metadata": {}, "spec": {"max": 6, "min": 1}}), typing);
        assert_eq!(later.added.write(), json!({"f:spec": {"f:min": {}}}));
        assert_eq!(later.modified.write(), json!({"f:spec": {"f:max": {}}}));
    }
}
