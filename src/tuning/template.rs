//! A policy's text with places for numbers. Everything else stays as its author wrote it, comments included.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Param;
use crate::manifest::{self, Mistake, Mistakes};

/// The text of a policy, and where its tuned numbers stand.
#[derive(Clone, Debug)]
pub struct Template {
    file: PathBuf,
    text: String,
    /// The bytes of each number, in the order of the text, and which parameter it is.
    holes: Vec<(Range<usize>, usize)>,
}

impl Template {
    /// Finds the fields of all parameters in the one policy of `text`, which is called `file` in errors.
    ///
    /// # Errors
    /// When a field is not there or is not a number, or one is named twice.
    pub fn new(file: &Path, text: &str, params: &[Param]) -> Result<Self, Mistakes> {
        let documents = manifest::parse(file, text)?;
        let whole = |problem: &str| Mistake {
            file: file.to_owned(),
            place: None,
            path: String::new(),
            problem: problem.to_owned(),
        };
        let policy = documents.iter().find(|document| document.is_policy());
        let policy = policy.ok_or_else(|| whole("no ScalePolicy in this file; exactly one is needed"))?;
        let (mut holes, mut mistakes) = (Vec::<(Range<usize>, usize)>::new(), Vec::new());
        for (index, param) in params.iter().enumerate() {
            let path = format!("spec.{}", param.path);
            match policy.scalar(&path).map(|(value, place)| (is_number(value), hole(text, place))) {
                Some((true, Some(hole))) if holes.iter().any(|(other, _)| *other == hole) => {
                    mistakes.push(policy.mistake(&path, "is tuned twice"));
                }
                Some((true, Some(hole))) => holes.push((hole, index)),
                Some(_) => mistakes.push(policy.mistake(&path, "is not a number, so it can't be tuned")),
                None => mistakes.push(policy.mistake(
                    &path,
                    "there is no number here to tune: write the field into the policy first, with the number \
                     that it has now",
                )),
            }
        }
        holes.sort_by_key(|(hole, _)| hole.start);
        let template = Self { file: file.to_owned(), text: text.to_owned(), holes };
        if mistakes.is_empty() { Ok(template) } else { Err(Mistakes(mistakes)) }
    }

    /// The file that the policy is from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The text with these numbers, one for each parameter.
    #[must_use]
    pub fn fill(&self, values: &[f64]) -> String {
        let mut filled = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        for (hole, index) in &self.holes {
            filled.push_str(&self.text[at..hole.start]);
            let value = values.get(*index).map_or_else(String::new, f64::to_string);
            filled.push_str(&value);
            at = hole.end;
        }
        filled.push_str(&self.text[at..]);
        filled
    }
}

/// Whether a scalar is a number, or a quantity without a suffix, which is a number in quotes.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => text.parse::<f64>().is_ok_and(f64::is_finite),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The bytes of the number at a line and column, without its quotes.
fn hole(text: &str, (line, column): (u64, u64)) -> Option<Range<usize>> {
    let lines = text.split_inclusive('\n').scan(0, |start, line| {
        let here = *start;
        *start += line.len();
        Some((here, line))
    });
    let (start, line) = lines.into_iter().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let (offset, _) = line.char_indices().nth(column)?;
    let rest = &line[offset..];
    let unquoted = rest.trim_start_matches(['"', '\'']);
    let from = start + offset + (rest.len() - unquoted.len());
    let is_end = |sign: char| !(sign.is_ascii_alphanumeric() || matches!(sign, '.' | '+' | '-'));
    let length = unquoted.find(is_end).unwrap_or(unquoted.len());
    unquoted[..length].parse::<f64>().ok().map(|_| from..from + length)
}
