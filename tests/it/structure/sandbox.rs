//! The parts of the sandbox, and which of them may name which: it could be a crate of its own one day.

use super::imports::{self, Place};
use super::{files, is_test};

/// A part: its modules, and the parts that it may name beside itself.
type Part = (&'static str, &'static [&'static str], &'static [&'static str]);

const PARTS: [Part; 13] = [
    // A kind carries the schema of its custom resource.
    (
        "kinds",
        &[
            "json",
            "jsonpath",
            "error",
            "resources",
            "selectors",
            "typing",
            "upstream",
            "versions",
            "quantity",
            "gotext",
            "names",
        ],
        &["validation"],
    ),
    ("store", &["store"], &["kinds"]),
    ("faces", &["faces", "events", "autoscalers"], &["kinds"]),
    (
        "validation",
        &["schema", "custom", "shape", "admission", "builtin", "definition", "metadata"],
        &["kinds", "store", "faces"],
    ),
    ("patching", &["patch", "owned", "managers", "scale"], &["kinds"]),
    ("tables", &["table", "columns", "present", "openapi", "discovery"], &["kinds", "faces", "requests"]),
    ("access", &["access", "rbac", "roles"], &["kinds", "store"]),
    ("requests", &["request", "listing", "negotiation", "protobuf"], &["kinds", "access"]),
    (
        "objects",
        &["objects", "deletion", "dependents", "namespaces"],
        &["kinds", "store", "faces", "validation", "patching"],
    ),
    (
        "protocol",
        &["server", "health", "reading", "writing", "watch", "tokens", "escalation", "respond"],
        &["kinds", "store", "faces", "validation", "patching", "tables", "access", "requests", "objects"],
    ),
    ("plant", &["plant"], &["kinds", "store", "objects"]),
    ("faults", &["faults"], &["kinds", "requests"]),
    ("stage", &["stage", "course", "prometheus"], &["faults", "plant"]),
];

fn part_of(module: &str) -> Option<&'static Part> {
    PARTS.iter().find(|(_, modules, _)| modules.contains(&module))
}

#[test]
fn the_parts_of_the_sandbox_name_only_what_they_stand_on() {
    let mut broken = Vec::new();
    for (file, text) in files().iter().filter(|(file, _)| file.starts_with("sandbox/") && !is_test(file)) {
        let inner = &file["sandbox/".len()..];
        let module = inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs");
        let Some((part, modules, allowed)) = part_of(module) else {
            broken.push(format!("src/{file} belongs to no part"));
            continue;
        };
        for imports::Named { line, path } in imports::named(file, text) {
            let Place::Own(path) = path else { continue };
            let [root, other, ..] = path.as_slice() else { continue };
            // What the sandbox shows to others is named by those alone who set it up.
            let is_type = other.starts_with(char::is_uppercase) || other == "namespace" && *part == "stage";
            if root != "sandbox" || modules.contains(&other.as_str()) || (is_type && *part == "stage") {
                continue;
            }
            let other_part = part_of(other).map_or("the whole sandbox", |(other, ..)| other);
            if !allowed.contains(&other_part) {
                broken.push(format!("src/{file}:{line}: {part} may not use {other} of {other_part}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
