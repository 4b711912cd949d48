//! Patches: JSON patch, merge patch and strategic merge patch.

use json_patch::PatchOperation;
use serde_json::Value;

use super::error::ApiError;
use super::json::{fields, go_kind};
use super::typing::{ListType, Typing, item_key};

/// Applies a JSON patch.
///
/// A `test` for null succeeds when the field isn't there, as on a real server: that is how a client
/// compares and sets a number that is left out at zero.
///
/// # Errors
/// 400 when the patch isn't one, 422 when it doesn't fit the object.
pub(crate) fn json_patch(object: &mut Value, patch: Value) -> Result<(), ApiError> {
    let unreadable = |found: &str, wanted: &str| {
        ApiError::bad_request(format!(
            "error decoding patch: json: cannot unmarshal {found} into Go value of type {wanted}"
        ))
    };
    let Some(items) = patch.as_array() else {
        return Err(unreadable(go_kind(&patch), "[]handlers.jsonPatchOp"));
    };
    if let Some(odd) = items.iter().find(|item| !item.is_object()) {
        return Err(unreadable(go_kind(odd), "handlers.jsonPatchOp"));
    }
    let operations: Vec<PatchOperation> =
        serde_json::from_value(patch).map_err(|_| ApiError::patch_rejected())?;
    for operation in operations {
        if let PatchOperation::Test(test) = &operation
            && test.value.is_null()
            && object.pointer(test.path.as_str()).is_none()
        {
            continue;
        }
        json_patch::patch(object, &[operation]).map_err(|_| ApiError::patch_rejected())?;
    }
    Ok(())
}

/// Applies a merge patch.
///
/// # Errors
/// 400 when the patch isn't an object.
pub(crate) fn merge_patch(object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    if !patch.is_object() {
        let found = go_kind(patch);
        return Err(ApiError::bad_request(format!(
            "error decoding patch: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )));
    }
    json_patch::merge(object, patch);
    Ok(())
}

/// Applies a strategic merge patch of a client.
///
/// # Errors
/// 400 when the patch isn't an object.
pub(crate) fn strategic_merge(object: &mut Value, patch: &Value, typing: Typing<'_>) -> Result<(), ApiError> {
    if !patch.is_object() {
        let found = go_kind(patch);
        return Err(ApiError::bad_request(format!(
            "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )));
    }
    strategic_patch(object, patch, typing);
    Ok(())
}

/// Lays a strategic merge patch over a part of an object.
fn strategic_patch(object: &mut Value, patch: &Value, typing: Typing<'_>) {
    let Some(changes) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if patch["$patch"] == "replace" {
        *object = without_directives(patch);
        return;
    }
    let retained = changes.get("$retainKeys").and_then(Value::as_array);
    let target = fields(object);
    if let Some(retained) = retained {
        target.retain(|name, _| retained.iter().any(|kept| kept == name));
    }
    for (name, change) in changes {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(items), Some(gone)) =
                (target.get_mut(list).and_then(Value::as_array_mut), change.as_array())
            {
                items.retain(|item| !gone.contains(item));
            }
        } else if !name.starts_with('$') {
            match change {
                Value::Null => {
                    target.remove(name);
                }
                Value::Object(_) => {
                    let inner = target.entry(name.clone()).or_insert(Value::Null);
                    strategic_patch(inner, change, typing.child(name));
                }
                Value::Array(items) => {
                    let order = changes.get(&format!("$setElementOrder/{name}")).and_then(Value::as_array);
                    let inner = target.entry(name.clone()).or_insert(Value::Null);
                    patch_list(inner, items, order, typing.child(name));
                }
                Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    target.insert(name.clone(), change.clone());
                }
            }
        }
    }
    // A list that the patch only reorders is named by its order alone.
    for (name, order) in changes {
        if let Some(list) = name.strip_prefix("$setElementOrder/")
            && !changes.contains_key(list)
            && let (Some(present), Some(order)) = (target.get_mut(list), order.as_array())
        {
            let keys = merge_keys(typing.child(list));
            let before = present.as_array().cloned().unwrap_or_default();
            *present = Value::Array(arrange(before.clone(), order, &before, &keys));
        }
    }
}

fn patch_list(present: &mut Value, changes: &[Value], order: Option<&Vec<Value>>, typing: Typing<'_>) {
    let keys = merge_keys(typing);
    let is_set = typing.patched_list() == ListType::Set;
    if changes.iter().any(|change| change["$patch"] == "replace") || (keys.is_empty() && !is_set) {
        let kept: Vec<Value> =
            changes.iter().filter(|change| change["$patch"].is_null()).map(without_directives).collect();
        *present = Value::Array(kept);
        return;
    }
    let before = present.as_array().cloned().unwrap_or_default();
    let mut items = before.clone();
    if is_set {
        let new: Vec<Value> = changes.iter().filter(|change| !items.contains(change)).cloned().collect();
        items.extend(new);
        *present = Value::Array(items);
        return;
    }
    for change in changes {
        let position = items.iter().position(|item| item_key(&keys, item) == item_key(&keys, change));
        match (position, change["$patch"] == "delete") {
            (Some(index), true) => {
                items.remove(index);
            }
            (Some(index), false) => strategic_patch(&mut items[index], change, typing.items()),
            (None, true) => {}
            (None, false) => {
                let mut item = Value::Null;
                strategic_patch(&mut item, change, typing.items());
                items.push(item);
            }
        }
    }
    let order = order.map_or(changes, Vec::as_slice);
    *present = Value::Array(arrange(items, order, &before, &keys));
}

fn merge_keys(typing: Typing<'_>) -> Vec<String> {
    match typing.patched_list() {
        ListType::Map(keys) => keys,
        ListType::Atomic | ListType::Set => Vec::new(),
    }
}

/// Puts the items that `order` names in its order, and the others where they stood among them before. An
/// item whose place isn't known comes before what the patch doesn't name.
fn arrange(items: Vec<Value>, order: &[Value], before: &[Value], keys: &[String]) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| {
        let same = |other: &Value| {
            if keys.is_empty() { other == item } else { item_key(keys, other) == item_key(keys, item) }
        };
        list.iter().position(same)
    };
    let (mut named, others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    let mut arranged = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in named {
        while let Some(other) = others.next_if(|other| {
            place(before, other).zip(place(before, &item)).is_some_and(|(other, item)| other < item)
        }) {
            arranged.push(other);
        }
        arranged.push(item);
    }
    arranged.extend(others);
    arranged
}

fn without_directives(value: &Value) -> Value {
    let mut copy = value.clone();
    if let Some(map) = copy.as_object_mut() {
        map.retain(|name, _| !name.starts_with('$'));
    }
    copy
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::upstream;
    use super::*;

    #[test]
    fn a_json_patch_compares_and_sets_even_a_field_that_is_left_out() {
        let set = |test: Value| {
            json!([
            {"op": "test", "path": "/spec/replicas", "value": test},
            {"op": "add", "path": "/spec/replicas", "value": 5}])
        };
        let mut scale = json!({"spec": {}});
        assert_eq!(json_patch(&mut scale, set(json!(0))).expect_err("left out").code, 422);
        json_patch(&mut scale, set(Value::Null)).expect("null stands for absent");
        assert_eq!(scale["spec"]["replicas"], 5);
        assert_eq!(json_patch(&mut scale, set(Value::Null)).expect_err("not absent").code, 422);
        for (patch, code) in
            [(json!({}), 400), (json!(["x"]), 400), (json!([{"op": "turn", "path": "/spec"}]), 422)]
        {
            assert_eq!(json_patch(&mut scale, patch.clone()).expect_err("no patch").code, code, "{patch}");
        }
        assert_eq!(merge_patch(&mut scale, &json!([])).expect_err("no object").code, 400);
    }

    #[test]
    fn a_strategic_patch_merges_lists_by_their_keys() {
        let pod = Typing::Published(upstream::definition("io.k8s.api.core.v1.PodSpec"));
        let object = json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]}],
            "args": ["x"]});
        let cases = [
            (
                json!({"containers": [{"name": "a", "env": [{"name": "B", "value": "2"}]}]}),
                json!({"containers": [{"name": "a", "image": "x",
                    "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}], "args": ["x"]}),
            ),
            (
                json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
                    "containers": [{"name": "c"}], "args": null}),
                json!({"containers": [{"name": "c"}, {"name": "a", "image": "x",
                    "env": [{"name": "A", "value": "1"}]}]}),
            ),
            (
                json!({"containers": [{"name": "a", "$patch": "delete"}], "args": ["y"]}),
                json!({"containers": [], "args": ["y"]}),
            ),
            (
                json!({"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                    "containers": [{"name": "b"}], "args": null}),
                json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]},
                    {"name": "b"}]}),
            ),
        ];
        for (patch, wanted) in cases {
            let mut patched = object.clone();
            strategic_patch(&mut patched, &patch, pod);
            assert_eq!(patched, wanted, "{patch}");
        }
    }
}
