//! The shape of the code, as ARCHITECTURE.md has it: who may import whom, who may read the clock, and
//! that everything in the CRD is bounded.

mod imports;
mod sandbox;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::imports::{Named, Place};

/// Each top-level module, with those that it may name beside itself. What is not listed is forbidden.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("api", &[]),
    ("clock", &[]),
    ("decision", &[]),
    ("dns", &[]),
    ("labels", &[]),
    ("policy", &["api", "decision", "dns", "zones"]),
    ("manifest", &["api", "decision", "policy", "zones"]),
    ("operator", &["api", "clock", "decision", "labels", "manifest", "policy", "zones"]),
    ("simulation", &["api", "decision", "manifest", "policy", "zones"]),
    ("learning", &["simulation"]),
    ("tuning", &["manifest", "simulation"]),
    ("report", &["clock", "decision", "policy", "simulation"]),
    ("sandbox", &["api", "clock", "decision", "dns", "labels", "manifest", "policy", "simulation"]),
    (
        "cli",
        &[
            "api",
            "clock",
            "decision",
            "learning",
            "manifest",
            "operator",
            "policy",
            "report",
            "sandbox",
            "simulation",
            "tuning",
            "zones",
        ],
    ),
    ("zones", &[]),
    ("main", &["cli"]),
    ("lib", &[]),
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

/// Whether a file holds nothing but tests, which may use what they like.
fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.contains("tests/")
}

#[test]
fn every_top_level_module_has_a_row_in_the_table() {
    let top = |file: &str| file.split('/').next().unwrap_or(file).trim_end_matches(".rs").to_owned();
    let modules: BTreeSet<_> = files().iter().map(|(file, _)| top(file)).collect();
    let rows: BTreeSet<_> = ALLOWED.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(modules, rows);
}

#[test]
fn modules_import_only_what_the_architecture_allows() {
    let files = files();
    let mut broken = Vec::new();
    for (module, allowed) in ALLOWED {
        for (file, text) in files.iter().filter(|(file, _)| belongs(file, module) && !is_test(file)) {
            for Named { line, path } in imports::named(file, text) {
                match path {
                    Place::Own(path) => {
                        let other = path.first().map_or("the whole crate", String::as_str);
                        if other != module && !allowed.contains(&other) {
                            broken.push(format!("src/{file}:{line}: {module} may not use {other}"));
                        }
                    }
                    Place::Other(name) => {
                        if module == "decision" && NOT_IN_DECISION.contains(&name.as_str()) {
                            broken.push(format!("src/{file}:{line}: decision may not use {name}"));
                        }
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
    for (file, text) in files().iter().filter(|(file, _)| belongs(file, "decision") && !is_test(file)) {
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

/// The lines of a file at the root that are no comments.
fn lines_of(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let text = text.expect("it is checked in");
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn what_git_ignores_and_the_history_are_no_part_of_an_image_whoever_builds_it() {
    // podman would read this one in the place of .dockerignore, and docker would not.
    assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join(".containerignore").exists());
    // A pattern without a slash is one for all directories in .gitignore, and for the root in .dockerignore.
    let everywhere = |line: String| if line.starts_with('/') { line } else { format!("**/{line}") };
    let mut ignored: BTreeSet<String> = lines_of(".gitignore").into_iter().map(everywhere).collect();
    ignored.insert("/.git".to_owned());
    assert_eq!(lines_of(".dockerignore"), ignored);
}

/// The CRDs that are checked in, by file.
const CRDS: [&str; 2] = ["crds/scalepolicies.yaml", "crds/scalecalendars.yaml"];

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
    let mut broken = Vec::new();
    for file in CRDS {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
        let crd: Value = serde_saphyr::from_str(&text.expect("the CRD is checked in")).expect("YAML");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert_eq!(schema["properties"]["spec"]["type"], "object", "the schema is where this test looks");
        for part in ["spec", "status"] {
            walk(&format!("{file}: {part}"), &schema["properties"][part], &mut broken);
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
