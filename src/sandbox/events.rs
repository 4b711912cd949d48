//! Events are one kind of object with two faces: `v1` and `events.k8s.io/v1`. They are stored with the
//! older face.

use serde_json::{Map, Value, json};

use super::json::fields;
use super::resources::ResourceType;

/// Names in `events.k8s.io/v1`, and what `v1` calls the same field.
const NAMES: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// From the newer face to the older one.
pub(crate) fn to_old(object: &mut Value) {
    rename(fields(object), |(new, old)| (new, old));
    object["apiVersion"] = json!("v1");
}

/// From the older face to the newer one.
pub(crate) fn to_new(object: &mut Value) {
    rename(fields(object), |(new, old)| (old, new));
}

/// Whether `resource` is `events.k8s.io/v1`'s.
pub(crate) fn is_new_face(resource: &ResourceType) -> bool {
    resource.group == "events.k8s.io"
}

fn rename(
    map: &mut Map<String, Value>,
    direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    for pair in NAMES {
        let (from, to) = direction(*pair);
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
}
