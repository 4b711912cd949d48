//! YAML files as people write them: several documents, and a place (line and column) for every field, so
//! that an error which knows a field's path can point at it. One reading finds every mistake of a document.

mod calendars;
pub(crate) mod schema;
mod shape;
mod tree;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{GROUP, ScaleCalendar, ScalePolicy};
use crate::decision::Policy;
use crate::policy::{self, Calendars, FieldError, References};
use crate::zones;

pub use self::calendars::{CalendarManifest, Shelf};
use self::shape::{Fault, FaultKind, Mended};
use self::tree::Node;

/// The first part of a policy's path, such as `spec.damping.scaleUp`, that no policy has, and what was likely meant.
pub(crate) fn misnamed_in_policy(path: &str) -> Option<(String, String)> {
    shape::misnamed(&schema::policy(), path)
}

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
    /// The places at which it names a calendar that is not among the files. Without its dates the schedule
    /// is another one than in a cluster that has the calendar.
    pub missing_calendars: Vec<Mistake>,
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

/// Reads all documents of several files, in their order.
///
/// # Errors
/// As for [`read`], at the first file for which there is one.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<Document>, Mistakes> {
    let mut documents = Vec::new();
    for file in files {
        documents.extend(read(file)?);
    }
    Ok(documents)
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

/// A policy, and the calendars that it may name.
pub type PolicyAndCalendars = (PolicyManifest, Vec<ScaleCalendar>);

/// The one policy among the documents of `text`, which is called `file` in errors, and the calendars
/// beside it.
///
/// # Errors
/// When there is no policy, several, or one with mistakes, or when a calendar has mistakes.
pub fn parse_policy(file: &Path, text: &str) -> Result<PolicyAndCalendars, Mistakes> {
    parse_policy_with(file, text, &[])
}

/// As [`parse_policy`]; the policy may also name calendars among `others`, documents of other files.
///
/// # Errors
/// As there, and when one of those calendars has mistakes.
pub fn parse_policy_with(
    file: &Path,
    text: &str,
    others: &[Document],
) -> Result<PolicyAndCalendars, Mistakes> {
    let documents = parse(file, text)?;
    let shelf = Shelf::of(documents.iter().chain(others));
    let mut policies = documents.iter().filter(|document| document.is_policy());
    let policy = match (policies.next(), policies.next()) {
        (Some(document), None) => document.policy_with(shelf.calendars()),
        (first, _) => {
            let found = if first.is_some() { "several ScalePolicies" } else { "no ScalePolicy" };
            let problem = format!("{found} in this file; exactly one is needed");
            Err(Mistake { file: file.to_owned(), place: None, path: String::new(), problem }.into())
        }
    };
    match (policy, shelf.finish()) {
        (Ok(policy), Ok(calendars)) => Ok((policy, calendars)),
        (policy, calendars) => {
            let found = [policy.err(), calendars.err()].into_iter().flatten();
            let mut mistakes: Vec<Mistake> = found.flat_map(|Mistakes(found)| found).collect();
            mistakes.sort_by_key(|mistake| (mistake.file != file, mistake.file.clone(), mistake.place));
            Err(Mistakes(mistakes))
        }
    }
}

impl Document {
    /// Whether this says that it is a `ScalePolicy`.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        self.kind() == Some("ScalePolicy")
    }

    /// What is wrong with a document that only seems to be one of ours, if it is such a one.
    #[must_use]
    pub fn misnamed(&self) -> Option<Mistake> {
        let kind = self.kind().unwrap_or_default();
        let known = ["ScalePolicy", "ScaleCalendar"];
        let is_ours = |value: &Value| {
            value["apiVersion"].as_str().is_some_and(|version| version.split('/').next() == Some(GROUP))
        };
        if is_ours(&self.value) && !known.contains(&kind) {
            let meant = words::nearest(kind, known.into_iter()).unwrap_or("ScalePolicy or ScaleCalendar");
            return Some(
                self.mistake("kind", format!("{GROUP} has no kind {kind:?}; did you mean {meant}?")),
            );
        }
        let items = self.value["items"].as_array().filter(|_| kind == "List")?;
        let place = items.iter().position(is_ours)?;
        let problem =
            "is in a List, where it is not read: make it a document of its own, after a line with ---";
        Some(self.mistake(&format!("items[{place}]"), problem))
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

    /// The file that it is from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
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

    /// The text, number or truth at `path`, and the line and column at which it begins.
    #[must_use]
    pub fn scalar(&self, path: &str) -> Option<(&Value, (u64, u64))> {
        self.tree.scalar(path)
    }

    /// What the field of this name at the document's top says, if it is a text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.value[field].as_str()
    }

    /// What the field of this name says in those items of a list at the document's top where it is a text.
    pub(crate) fn texts<'a>(&'a self, list: &str, field: &'a str) -> impl Iterator<Item = &'a str> {
        let items = self.value[list].as_array().into_iter().flatten();
        items.filter_map(move |item| item[field].as_str())
    }

    /// The document as a validated policy, where there are no calendars.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn policy(&self) -> Result<PolicyManifest, Mistakes> {
        self.policy_with(&Calendars::default())
    }

    /// The document as a validated policy that may name these calendars. One that is not among them is no
    /// mistake: it may be in the cluster.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn policy_with(&self, calendars: &Calendars) -> Result<PolicyManifest, Mistakes> {
        let references = References { zones: zones::current(), calendars };
        let judge = |resource: &ScalePolicy| {
            policy::validate_with(&resource.spec, references).map_err(|invalid| invalid.errors)
        };
        let (resource, policy) = self.examine(&schema::policy(), judge)?;
        let missing_calendars = self.missing_calendars(&resource, &policy);
        Ok(PolicyManifest { resource, policy, missing_calendars })
    }

    /// The document as a `T`, and what `judge` makes of it. `judge` may be asked several times.
    ///
    /// # Errors
    /// Everything that the schema does not allow and everything that `judge` finds in the rest, in the
    /// order of the file. What follows from another mistake is not reported.
    pub(crate) fn examine<T: DeserializeOwned, J>(
        &self,
        schema: &Value,
        judge: impl Fn(&T) -> Result<J, Vec<FieldError>>,
    ) -> Result<(T, J), Mistakes> {
        let mut mended = shape::mend(schema, &self.value, 0);
        let mut mistakes = self.repeated_keys();
        let mut errors = match judged(&mended, &judge) {
            Ok(good) if mistakes.is_empty() && mended.faults.is_empty() => return Ok(good),
            Ok(_) => Vec::new(),
            Err(errors) => errors,
        };
        let unusable = |fault: &&Fault| fault.kind == FaultKind::Unusable;
        let guesses = if mended.faults.iter().any(|fault| unusable(&fault)) { mended.guesses } else { 1 };
        for guess in 1..guesses {
            let others = judged(&shape::mend(schema, &self.value, guess), &judge).err().unwrap_or_default();
            errors.retain(|error| others.contains(error));
        }
        errors.retain(|error| {
            let mut unusable = mended.faults.iter().filter(unusable);
            !unusable.any(|fault| shape::covers(&fault.path, &error.path))
        });
        mended.faults.retain(|fault| {
            fault.kind != FaultKind::Doubtful || errors.iter().all(|error| error.path != fault.path)
        });
        mistakes.extend(mended.faults.into_iter().map(|fault| self.mistake(&fault.path, fault.problem)));
        mistakes.extend(errors.into_iter().map(|error| self.mistake(&error.path, error.problem)));
        mistakes.sort_by_key(|mistake| mistake.place);
        Err(Mistakes(mistakes))
    }

    fn repeated_keys(&self) -> Vec<Mistake> {
        let mistake = |repeated: tree::Repeated| Mistake {
            place: Some(repeated.place),
            problem: format!("the key {} is given twice, first in line {}", repeated.key, repeated.first),
            ..self.mistake(&repeated.path, "")
        };
        self.tree.repeated_keys().into_iter().map(mistake).collect()
    }
}

/// What `judge` makes of a mended document; errors have the paths of the file.
fn judged<T: DeserializeOwned, J>(
    mended: &Mended,
    judge: impl Fn(&T) -> Result<J, Vec<FieldError>>,
) -> Result<(T, J), Vec<FieldError>> {
    // After mending this only fails on what the schema leaves open.
    let document: T = serde_path_to_error::deserialize(&mended.value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        vec![FieldError { path, problem: error.inner().to_string() }]
    })?;
    match judge(&document) {
        Ok(judgement) => Ok((document, judgement)),
        Err(mut errors) => {
            for (meant, written) in &mended.renamed {
                for error in errors.iter_mut().filter(|error| shape::covers(meant, &error.path)) {
                    error.path.replace_range(..meant.len(), written);
                }
            }
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests;
