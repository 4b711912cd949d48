//! The shape of the code, as ARCHITECTURE.md has it: who may import whom, who may read the clock, and
//! that everything in the CRD is bounded.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// For each module of the crate, those of the crate's modules that it may not name.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    (
        "decision",
        &["api", "cli", "clock", "manifest", "operator", "policy", "report", "sandbox", "simulation"],
    ),
    (
        "api",
        &["cli", "clock", "decision", "manifest", "operator", "policy", "report", "sandbox", "simulation"],
    ),
    ("policy", &["cli", "clock", "manifest", "operator", "report", "sandbox", "simulation"]),
    ("operator", &["cli", "simulation", "sandbox", "report"]),
    ("simulation", &["cli", "clock", "operator", "sandbox", "report"]),
    ("report", &["cli", "operator", "sandbox"]),
    ("sandbox", &["cli", "operator", "report"]),
];

/// Crates that `decision` may not use: nothing that does I/O, waits, or knows Kubernetes.
const NOT_IN_DECISION: [&str; 7] = ["kube", "k8s_openapi", "tokio", "futures", "reqwest", "axum", "tracing"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files with their path below `src`.
fn files() -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&source(), &mut found);
    let name = |path: &Path| path.strip_prefix(source()).expect("below src").to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("readable"))).collect()
}

/// The module that a file belongs to, if it is `module` or below it.
fn belongs(file: &str, module: &str) -> bool {
    file == format!("{module}.rs") || file.starts_with(&format!("{module}/"))
}

/// Lines of code, without comments and without the tests at a file's end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    lines.enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn modules_import_only_what_the_architecture_allows() {
    let files = files();
    let mut broken = Vec::new();
    for (module, forbidden) in FORBIDDEN {
        let own: Vec<_> = files.iter().filter(|(file, _)| belongs(file, module)).collect();
        for (file, text) in own {
            if file.ends_with("tests.rs") {
                continue;
            }
            for (number, line) in code(text) {
                for other in forbidden {
                    if line.contains(&format!("crate::{other}"))
                        || line.contains(&format!("tidetable::{other}"))
                    {
                        broken.push(format!("src/{file}:{}: {module} may not use {other}", number + 1));
                    }
                }
                for external in NOT_IN_DECISION {
                    if module == "decision" && line.contains(&format!("{external}::")) {
                        broken.push(format!("src/{file}:{}: decision may not use {external}", number + 1));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_clock_reads_time() {
    let mut broken = Vec::new();
    for (file, text) in files().iter().filter(|(file, _)| file != "clock.rs") {
        for (number, line) in code(text) {
            let reads =
                ["Timestamp::now", "Zoned::now", "SystemTime", "Instant::now", "Utc::now", "Local::now"];
            if let Some(call) = reads.iter().find(|call| line.contains(*call)) {
                broken.push(format!("src/{file}:{}: {call}", number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn decision_is_total() {
    let mut broken = Vec::new();
    for (file, text) in
        files().iter().filter(|(file, _)| belongs(file, "decision") && !file.ends_with("tests.rs"))
    {
        for (number, line) in code(text) {
            let panics =
                [".unwrap()", ".expect(", "panic!", "unreachable!", "todo!", "async ", "if simulated"];
            if let Some(word) = panics.iter().find(|word| line.contains(*word)) {
                broken.push(format!("src/{file}:{}: {word}", number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A real API server estimates the cost of CEL rules from bounds and refuses a CRD without them.
#[test]
fn every_string_list_and_map_of_the_spec_is_bounded() {
    fn walk(path: &str, schema: &Value, broken: &mut Vec<String>) {
        let has = |key: &str| schema.get(key).is_some();
        match schema["type"].as_str() {
            Some("string") if !has("enum") && !has("maxLength") && schema["format"] != "date-time" => {
                broken.push(format!("{path}: no maxLength"));
            }
            Some("array") => {
                if !has("maxItems") {
                    broken.push(format!("{path}: no maxItems"));
                }
                walk(&format!("{path}[]"), &schema["items"], broken);
            }
            Some("object") if has("additionalProperties") && !has("maxProperties") => {
                broken.push(format!("{path}: no maxProperties"));
            }
            _ => {}
        }
        if schema["x-kubernetes-int-or-string"] == Value::Bool(true) && !has("maxLength") {
            broken.push(format!("{path}: no maxLength"));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, broken);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/scalepolicies.yaml");
    let text = std::fs::read_to_string(path).expect("the CRD is checked in");
    let crd: Value = serde_saphyr::from_str(&text).expect("YAML");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(schema["type"], "object", "the schema is where this test looks");
    let mut broken = Vec::new();
    for part in ["spec", "status"] {
        walk(part, &schema["properties"][part], &mut broken);
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
