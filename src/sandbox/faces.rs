//! Kinds that are served in two versions have one form in the store: what a request shows and what is kept.

use serde_json::{Value, json};

use super::resources::ResourceType;
use super::{autoscalers, events};

/// An object as it is stored.
pub(crate) fn to_stored(resource: &ResourceType, mut object: Value) -> Value {
    if events::is_new_face(resource) {
        events::to_old(&mut object);
    } else if autoscalers::is_old_face(resource) {
        autoscalers::to_new(&mut object);
    }
    object
}

/// An object as `resource` shows it.
pub(crate) fn from_stored(resource: &ResourceType, stored: &Value) -> Value {
    let mut object = stored.clone();
    if events::is_new_face(resource) {
        events::to_new(&mut object);
    } else if autoscalers::is_old_face(resource) {
        autoscalers::to_old(&mut object);
    }
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind);
    object
}
