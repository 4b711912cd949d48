//! Who owns which fields: `metadata.managedFields` after updates and server-side applies.
//!
//! Follows the structured merge of a real server: an update owns what it adds or changes, and takes it
//! from others; an apply owns what its configuration says, loses what it says no longer, and conflicts
//! with others unless it is forced.

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::json::fields;
use super::owned::{Comparison, Fields, compare, tracked};
use super::typing::{ListType, Typing, item_key};

/// Who makes a change, and through which door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    /// The field manager's name.
    pub(crate) name: String,
    /// Whether it applies (or updates).
    pub(crate) applies: bool,
    /// The version of the API it speaks.
    pub(crate) api_version: String,
    /// The subresource it goes through; empty for the object itself.
    pub(crate) subresource: String,
}

#[derive(Clone, Debug)]
struct Owner {
    manager: Manager,
    /// When it last changed; what is written through `/scale` has none.
    time: Option<String>,
    set: Fields,
}

/// Records in `new` that `manager` turned `old` into it.
pub(crate) fn record_update(old: &Value, new: &mut Value, manager: &Manager, now: &str, typing: Typing<'_>) {
    let mut owners = read(old);
    let changes = compare(old, new, typing);
    let taken = changes.added.clone().union(&changes.modified);
    let is_scale = manager.subresource == "scale";
    if is_scale && owners.iter().all(|owner| owner.set.intersection(&taken).is_empty()) {
        // As in upstream's `skipNonAppliedManager`: what the subresource shows has no owner, so it gets none.
        write(new, owners);
        return;
    }
    take_from_others(&mut owners, manager, &changes);
    let position = owners.iter().position(|owner| owner.manager == *manager);
    let mut mine = position.map_or_else(|| fresh(manager, now), |index| owners.remove(index));
    let set = mine.set.clone().difference(&changes.removed).union(&taken);
    if set != mine.set {
        mine.time = Some(now.to_owned());
        mine.set = set;
    }
    if is_scale {
        // `ToParent` in upstream's scalehandler.go looks for it among the times of the other API version.
        mine.time = None;
    }
    owners.push(mine);
    write(new, owners);
}

/// The object that applying `config` to `live` makes, with its owners recorded.
///
/// # Errors
/// A conflict when other managers own what would change, unless `force` is set.
pub(crate) fn apply(
    live: &Value,
    config: &Value,
    manager: &Manager,
    force: bool,
    now: &str,
    typing: Typing<'_>,
) -> Result<Value, ApiError> {
    let mut owners = read(live);
    let position = owners.iter().position(|owner| owner.manager == *manager);
    let mut mine = position.map_or_else(|| fresh(manager, now), |index| owners.remove(index));
    let set = prune_empty_metadata(Fields::applied(&tracked(config), typing));
    let mut merged = live.clone();
    merge(&mut merged, config, typing);
    let owned = owners.iter().fold(set.clone(), |all, owner| all.union(&owner.set));
    mine.set.remove_from(&owned, &mut merged, typing);
    let changes = compare(live, &merged, typing);
    if !force {
        refuse_conflicts(&owners, &changes)?;
    }
    take_from_others(&mut owners, manager, &changes);
    if set != mine.set {
        mine.time = Some(now.to_owned());
        mine.set = set;
    }
    owners.push(mine);
    write(&mut merged, owners);
    Ok(merged)
}

fn fresh(manager: &Manager, now: &str) -> Owner {
    Owner { manager: manager.clone(), time: Some(now.to_owned()), set: Fields::default() }
}

fn take_from_others(owners: &mut [Owner], manager: &Manager, changes: &Comparison) {
    let touched = changes.added.clone().union(&changes.modified);
    for owner in owners.iter_mut().filter(|owner| owner.manager != *manager) {
        let lost = owner.set.intersection(&touched);
        owner.set = owner.set.clone().difference(&lost).difference(&changes.removed);
    }
}

fn refuse_conflicts(owners: &[Owner], changes: &Comparison) -> Result<(), ApiError> {
    let touched = changes.added.clone().union(&changes.modified);
    let conflicts: Vec<(String, String)> = owners
        .iter()
        .flat_map(|owner| {
            let paths = owner.set.intersection(&touched).paths();
            paths.into_iter().map(|path| (describe(owner), path))
        })
        .collect();
    if conflicts.is_empty() { Ok(()) } else { Err(ApiError::apply_conflicts(&conflicts)) }
}

fn describe(owner: &Owner) -> String {
    let Owner { manager, time, .. } = owner;
    let mut text = format!("{:?}", manager.name);
    if !manager.subresource.is_empty() {
        text = format!("{text} with subresource {:?}", manager.subresource);
    }
    if !manager.applies {
        text = format!("{text} using {}", manager.api_version);
        if let Some(time) = time {
            text = format!("{text} at {time}");
        }
    }
    text
}

/// An empty `metadata` in a configuration is a matter of form and nobody's field.
fn prune_empty_metadata(set: Fields) -> Fields {
    set.difference(&Fields::parse(&json!({"f:metadata": {}})))
}

/// Lays `config` over `live`.
fn merge(live: &mut Value, config: &Value, typing: Typing<'_>) {
    match config {
        Value::Object(map) if !typing.is_atomic_map() => {
            let target = fields(live);
            for (name, child) in map {
                merge(target.entry(name.clone()).or_insert(Value::Null), child, typing.child(name));
            }
        }
        Value::Array(items) => match typing.list() {
            ListType::Atomic => *live = config.clone(),
            ListType::Set => merge_items(live, items, |mine, theirs| mine == theirs, typing),
            ListType::Map(keys) => {
                let same = |mine: &Value, theirs: &Value| item_key(&keys, mine) == item_key(&keys, theirs);
                merge_items(live, items, same, typing);
            }
        },
        _ => *live = config.clone(),
    }
}

/// Merges two lists of items with identities. What both have stands in the order of the configuration;
/// what only the live object has keeps its place among its neighbours.
fn merge_items(live: &mut Value, items: &[Value], same: impl Fn(&Value, &Value) -> bool, typing: Typing<'_>) {
    let mine = live.as_array().cloned().unwrap_or_default();
    let mut merged = Vec::with_capacity(mine.len() + items.len());
    let mut mine_left = mine.iter().peekable();
    for item in items {
        let shared = mine.iter().find(|candidate| same(candidate, item));
        // Live items that stand before this one, or at the end of what both know, come first.
        while let Some(candidate) = mine_left.peek() {
            let elsewhere = items.iter().any(|other| same(candidate, other));
            if same(candidate, item) {
                mine_left.next();
                break;
            }
            if !elsewhere {
                merged.push((*candidate).clone());
            } else if shared.is_none() {
                break;
            }
            mine_left.next();
        }
        let mut result = shared.cloned().unwrap_or(Value::Null);
        merge(&mut result, item, typing.items());
        merged.push(result);
    }
    merged.extend(mine_left.filter(|left| !items.iter().any(|item| same(left, item))).cloned());
    *live = Value::Array(merged);
}

fn read(object: &Value) -> Vec<Owner> {
    let entries = object["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|entry| Owner {
            manager: Manager {
                name: text(entry, "manager"),
                applies: entry["operation"] == "Apply",
                api_version: text(entry, "apiVersion"),
                subresource: text(entry, "subresource"),
            },
            time: entry["time"].as_str().map(str::to_owned),
            set: Fields::parse(&entry["fieldsV1"]),
        })
        .collect()
}

fn write(object: &mut Value, mut owners: Vec<Owner>) {
    owners.retain(|owner| !owner.set.is_empty());
    owners.sort_by(|a, b| {
        let order = |owner: &Owner| (!owner.manager.applies, owner.time.clone(), owner.manager.name.clone());
        order(a).cmp(&order(b))
    });
    let entries: Vec<Value> = owners.into_iter().map(entry).collect();
    let metadata = fields(object).entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if entries.is_empty() {
        fields(metadata).remove("managedFields");
    } else {
        fields(metadata).insert("managedFields".to_owned(), Value::Array(entries));
    }
}

fn entry(owner: Owner) -> Value {
    let Owner { manager, time, set } = owner;
    let mut entry = json!({
        "manager": manager.name,
        "operation": if manager.applies { "Apply" } else { "Update" },
        "apiVersion": manager.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": set.write(),
    });
    if let Some(time) = time {
        entry["time"] = json!(time);
    }
    if !manager.subresource.is_empty() {
        entry["subresource"] = json!(manager.subresource);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applier(name: &str) -> Manager {
        Manager {
            name: name.to_owned(),
            applies: true,
            api_version: "g/v1".to_owned(),
            subresource: String::new(),
        }
    }

    fn schema() -> Value {
        json!({"properties": {"spec": {"properties": {"entries": {
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {}}}}}})
    }

    #[test]
    fn an_apply_owns_what_it_says_and_loses_what_it_no_longer_says() {
        let schema = schema();
        let typing = Typing::Schema(&schema, true);
        let apply = |live: &Value, spec: Value, name: &str, force: bool| {
            apply(live, &json!({"spec": spec}), &applier(name), force, "t", typing)
        };
        let live = apply(&json!({}), json!({"max": 5, "entries": [{"name": "a", "n": 1}]}), "m1", false);
        let live = live.expect("nobody to conflict with");
        let live = apply(&live, json!({"max": 5, "entries": [{"name": "b"}]}), "m2", false).expect("agrees");
        assert_eq!(live["spec"]["entries"], json!([{"name": "a", "n": 1}, {"name": "b"}]));
        let conflict = apply(&live, json!({"max": 6}), "m2", false).expect_err("m1 owns it");
        assert_eq!(conflict.message, "Apply failed with 1 conflict: conflict with \"m1\": .spec.max");
        let live = apply(&live, json!({"max": 6}), "m2", true).expect("forced");
        assert_eq!(live["spec"], json!({"max": 6, "entries": [{"name": "a", "n": 1}]}));
        let live = apply(&live, json!({"name": "z"}), "m1", false).expect("no conflict");
        assert_eq!(live["spec"], json!({"max": 6, "name": "z"}));
    }

    #[test]
    fn an_update_takes_what_it_changes() {
        let schema = schema();
        let typing = Typing::Schema(&schema, true);
        let live = apply(&json!({}), &json!({"spec": {"max": 5}}), &applier("m1"), false, "t", typing);
        let live = live.expect("applied");
        let mut new = live.clone();
        new["spec"]["max"] = json!(9);
        let editor = Manager { applies: false, ..applier("edit") };
        record_update(&live, &mut new, &editor, "t", typing);
        let entries = new["metadata"]["managedFields"].as_array().expect("entries");
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0]["manager"], "edit");
    }

    #[test]
    fn who_scales_takes_the_replicas_over_without_a_time_and_gets_none_that_nobody_owns() {
        let schema = schema();
        let typing = Typing::Schema(&schema, true);
        let hand = Manager { applies: false, subresource: "scale".to_owned(), ..applier("scaler") };
        let scaled = |spec: Value| {
            let live = apply(&json!({}), &json!({"spec": spec}), &applier("m1"), false, "t", typing);
            let mut live = live.expect("applied");
            live["spec"]["replicas"] = json!(1);
            let mut new = live.clone();
            new["spec"]["replicas"] = json!(9);
            record_update(&live, &mut new, &hand, "t", typing);
            new["metadata"]["managedFields"].as_array().expect("entries").clone()
        };
        let entries = scaled(json!({"replicas": 1, "max": 5}));
        let mine = entries.iter().find(|entry| entry["manager"] == "scaler").expect("an entry");
        assert_eq!(mine["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!((mine["subresource"].as_str(), mine.get("time")), (Some("scale"), None));
        assert!(!entries[0]["fieldsV1"].to_string().contains("replicas") && entries[0]["time"] == "t");
        assert_eq!(scaled(json!({"max": 5})).len(), 1, "as before");
    }
}
