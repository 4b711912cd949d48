//! YAML files as people write them: several documents, and a place (line and column) for every field, so
//! that an error which knows a field's path can point at it.

mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use kube::CustomResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::ScalePolicy;
use crate::decision::Policy;
use crate::policy::{self, FieldError};

use self::tree::Node;

/// A mistake in a file: where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1; absent where nothing in the file is to blame (it can't be read, say).
    pub place: Option<(u64, u64)>,
    /// The field's path; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// The mistakes of a file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

/// One document of a YAML file.
#[derive(Debug)]
pub struct Document {
    file: PathBuf,
    tree: Node,
    value: Value,
}

/// A `ScalePolicy` from a file, as written and as validated.
#[derive(Clone, Debug)]
pub struct PolicyManifest {
    /// The resource.
    pub resource: ScalePolicy,
    /// What decides.
    pub policy: Policy,
}

/// Reads all documents of a file; empty ones are left out.
///
/// # Errors
/// When the file can't be read or is not YAML.
pub fn read(file: &Path) -> Result<Vec<Document>, Mistakes> {
    let whole =
        |problem: String| Mistake { file: file.to_owned(), place: None, path: String::new(), problem };
    let text = std::fs::read_to_string(file).map_err(|error| whole(error.to_string()))?;
    parse(file, &text)
}

/// Reads all documents of `text`, which is called `file` in errors.
///
/// # Errors
/// When it is not YAML.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Document>, Mistakes> {
    let trees = tree::parse(text).map_err(|error| Mistake {
        file: file.to_owned(),
        place: error.place,
        path: String::new(),
        problem: error.problem,
    })?;
    let document = |tree: Node| {
        let value = tree.to_value();
        Document { file: file.to_owned(), tree, value }
    };
    Ok(trees.into_iter().filter(|tree| !tree.is_null()).map(document).collect())
}

/// The one policy among the documents of `text`, which is called `file` in errors.
///
/// # Errors
/// When there is no policy, several, or one with mistakes.
pub fn parse_policy(file: &Path, text: &str) -> Result<PolicyManifest, Mistakes> {
    let documents = parse(file, text)?;
    let mut policies = documents.iter().filter(|document| document.is_policy());
    match (policies.next(), policies.next()) {
        (Some(document), None) => document.policy(),
        (first, _) => {
            let found = if first.is_some() { "several ScalePolicies" } else { "no ScalePolicy" };
            let problem = format!("{found} in this file; exactly one is needed");
            Err(Mistake { file: file.to_owned(), place: None, path: String::new(), problem }.into())
        }
    }
}

impl Document {
    /// Whether this says that it is a `ScalePolicy`.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        self.kind() == Some("ScalePolicy")
    }

    /// What `kind` says.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.value["kind"].as_str()
    }

    /// Whether the document has a field of this name at its top.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.value.get(field).is_some()
    }

    /// A mistake at a field of this document, at the nearest place that exists in the file.
    #[must_use]
    pub fn mistake(&self, path: &str, problem: impl Into<String>) -> Mistake {
        Mistake {
            file: self.file.clone(),
            place: Some(self.tree.place(path)),
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// The document as a `T`.
    ///
    /// # Errors
    /// When a field is unknown, missing, or of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Mistakes> {
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            self.mistake(&path, error.inner().to_string()).into()
        })
    }

    /// The document as a validated policy.
    ///
    /// # Errors
    /// All unknown fields, or else the first of a wrong type, or else everything that validation finds.
    pub fn policy(&self) -> Result<PolicyManifest, Mistakes> {
        let mut mistakes = Vec::new();
        if self.value["apiVersion"] != "tidetable.dev/v1alpha1" {
            mistakes.push(self.mistake("apiVersion", "must be tidetable.dev/v1alpha1"));
        }
        self.unknown_fields(&mut mistakes);
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        let resource: ScalePolicy = self.read()?;
        let at_field = |error: &FieldError| self.mistake(&error.path, error.problem.as_str());
        let policy = policy::validate(&resource.spec)
            .map_err(|invalid| Mistakes(invalid.errors.iter().map(at_field).collect()))?;
        Ok(PolicyManifest { resource, policy })
    }

    /// Fields that the CRD does not have: a real API server would refuse or drop them.
    fn unknown_fields(&self, mistakes: &mut Vec<Mistake>) {
        let Ok(crd) = serde_json::to_value(ScalePolicy::crd()) else { return };
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for (field, value) in self.value.as_object().into_iter().flatten() {
            match field.as_str() {
                "apiVersion" | "kind" | "metadata" | "status" => {}
                "spec" => self.walk(value, &schema["properties"]["spec"], "spec", mistakes),
                unknown => {
                    mistakes.push(self.mistake(unknown, "unknown field; a policy has metadata and spec"));
                }
            }
        }
    }

    fn walk(&self, value: &Value, schema: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
        match value {
            Value::Object(fields) => {
                let Some(known) = schema["properties"].as_object() else { return };
                for (field, value) in fields {
                    let path = format!("{path}.{field}");
                    if let Some(schema) = known.get(field) {
                        self.walk(value, schema, &path, mistakes);
                    } else {
                        let names = known.keys().map(String::as_str);
                        mistakes.push(self.mistake(&path, unknown_field(field, names)));
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.walk(item, &schema["items"], &format!("{path}[{index}]"), mistakes);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// What to say of an unknown field: the likeliest known one, or all of them.
fn unknown_field<'a>(field: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = known.iter().map(|name| (distance(field, name), *name)).min();
    match nearest {
        Some((steps, name)) if steps <= 2 || steps * 3 <= name.len() => {
            format!("unknown field; did you mean {name}?")
        }
        Some(_) | None => format!("unknown field; there are {}", known.join(", ")),
    }
}

/// Edit distance (Levenshtein), ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
