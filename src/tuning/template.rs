//! A policy's text with places for numbers. Everything else stays as its author wrote it, comments included.
//!
//! A number may have a unit behind it, as durations do, which stays. A path with `[*]` stands for a field of every item
//! of a list, and its numbers are factors of what is written there: `schedule.entries[*].replicas` makes a schedule
//! higher or lower as a whole.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Param;
use super::param::ALL;
use crate::manifest::{self, Document, Mistake, Mistakes, PolicyAndCalendars};
use crate::simulation::Scenario;

/// Units of durations, the longer ones first.
const UNITS: [&str; 4] = ["ms", "s", "m", "h"];

/// The most items that `[*]` stands for; the API allows fewer in every list.
const MOST_ITEMS: usize = 1000;

/// The text of a policy, and where its tuned numbers stand.
#[derive(Debug)]
pub struct Template {
    file: PathBuf,
    text: String,
    /// In the order of the text.
    holes: Vec<Hole>,
    /// Where calendars may be that the policy names, besides its own file.
    calendars: Vec<Document>,
}

/// A policy that can take the place of a scenario's own.
#[derive(Clone, Debug)]
pub struct Candidate {
    read: PolicyAndCalendars,
    text: String,
}

impl Candidate {
    /// Reads the one policy of `text`, which is called `file` in errors, with the calendars beside it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(file: &Path, text: String) -> Result<Self, Mistakes> {
        Ok(Self { read: manifest::parse_policy(file, &text)?, text })
    }

    /// Puts itself into a scenario.
    pub fn enter(self, scenario: &mut Scenario) {
        let (manifest, calendars) = self.read;
        scenario.policy = manifest.policy;
        scenario.resource = manifest.resource;
        scenario.calendars = calendars;
        scenario.policy_text = self.text;
    }
}

/// A number in the text.
#[derive(Clone, Debug)]
struct Hole {
    bytes: Range<usize>,
    /// The place of its parameter among all.
    param: usize,
    /// What is written there.
    written: f64,
    /// Whether the parameter is a factor of that.
    is_factor: bool,
}

impl Hole {
    /// The number with which it would be as it is.
    fn present(&self) -> f64 {
        if self.is_factor { 1.0 } else { self.written }
    }
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
        let (mut holes, mut mistakes) = (Vec::<Hole>::new(), Vec::new());
        for (param, Param { path, .. }) in params.iter().enumerate() {
            let paths = fields(policy, &format!("spec.{path}"));
            for path in paths {
                let found = policy.scalar(&path);
                match found.map(|(value, place)| number(text, place).filter(|number| number.is(value))) {
                    Some(Some(Number { bytes, .. })) if holes.iter().any(|other| other.bytes == bytes) => {
                        mistakes.push(policy.mistake(&path, "is tuned twice"));
                    }
                    Some(Some(Number { unit, .. })) if !unit.is_empty() && is_quantity(&path) => {
                        let problem = format!("has a suffix: write it as a number without {unit}, so that it can be tuned");
                        mistakes.push(policy.mistake(&path, problem));
                    }
                    Some(Some(Number { bytes, written, .. })) => {
                        holes.push(Hole { bytes, param, written, is_factor: params[param].is_factor() });
                    }
                    Some(None) => mistakes.push(policy.mistake(
                        &path,
                        "is not a number, so it can't be tuned: one in plain digits is, with one unit if it is a duration (90s)",
                    )),
                    None => mistakes.push(match manifest::misnamed_in_policy(&path) {
                        Some((path, problem)) => policy.mistake(&path, problem),
                        None => policy.mistake(
                            &path,
                            "there is no number here to tune: write the field into the policy first, with the number \
                             that it has now",
                        ),
                    }),
                }
            }
        }
        holes.sort_by_key(|hole| hole.bytes.start);
        let template = Self { file: file.to_owned(), text: text.to_owned(), holes, calendars: Vec::new() };
        if mistakes.is_empty() { Ok(template) } else { Err(Mistakes(mistakes)) }
    }

    /// The same for a policy that may name calendars among these documents.
    #[must_use]
    pub fn with_calendars(self, calendars: Vec<Document>) -> Self {
        Self { calendars, ..self }
    }

    /// Puts those candidates first that change the least of what is written, each number as a part of the range that is
    /// tried of it: of equally good ones the first is taken.
    pub fn arrange(&self, params: &[Param], candidates: &mut [Vec<f64>]) {
        let present = |param: usize| self.holes.iter().find(|hole| hole.param == param).map(Hole::present);
        let present: Vec<Option<f64>> = (0..params.len()).map(present).collect();
        let change = |candidate: &Vec<f64>| -> f64 {
            let parts = params.iter().zip(candidate).zip(&present);
            parts
                .map(|((param, value), present)| present.map_or(0.0, |present| param.part(value - present)))
                .sum()
        };
        candidates.sort_by(|a, b| change(a).total_cmp(&change(b)));
    }

    /// The policy with these numbers, and the calendars that it may name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn policy(&self, values: &[f64]) -> Result<Candidate, Mistakes> {
        let text = self.fill(values);
        Ok(Candidate { read: manifest::parse_policy_with(&self.file, &text, &self.calendars)?, text })
    }

    /// The text with these numbers, one for each parameter.
    #[must_use]
    pub fn fill(&self, values: &[f64]) -> String {
        let mut filled = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        for Hole { bytes, param, written, is_factor } in &self.holes {
            filled.push_str(&self.text[at..bytes.start]);
            let value = values.get(*param).map(|value| match *is_factor {
                true if written.fract() == 0.0 => (written * value).round(),
                true => written * value,
                false => *value,
            });
            filled.push_str(&value.map_or_else(String::new, |value| value.to_string()));
            at = bytes.end;
        }
        filled.push_str(&self.text[at..]);
        filled
    }
}

/// The paths that a path stands for: itself, or with `[*]` those of all items that have the field. Where none has, the
/// first one's, which says so.
fn fields(policy: &Document, path: &str) -> Vec<String> {
    let Some((list, field)) = path.split_once(ALL) else { return vec![path.to_owned()] };
    let item = |index: usize| format!("{list}[{index}]{field}");
    let items = (0..MOST_ITEMS).map(item).filter(|path| policy.scalar(path).is_some());
    let found: Vec<String> = items.collect();
    if found.is_empty() { vec![item(0)] } else { found }
}

/// Whether a field of a policy is a quantity, in which `m` is a thousandth and not a minute.
fn is_quantity(path: &str) -> bool {
    let schema = manifest::schema::policy();
    let mut node = &schema;
    for name in path.split('.') {
        node = &node["properties"][name.split('[').next().unwrap_or(name)];
        if name.contains('[') {
            node = &node["items"];
        }
    }
    node["x-kubernetes-int-or-string"] == true
}

/// A number in the text, as it is written.
struct Number<'a> {
    bytes: Range<usize>,
    written: f64,
    /// What stands right behind it.
    unit: &'a str,
}

impl Number<'_> {
    /// Whether that is all that a scalar says: a number, one in quotes, or one with a unit of time.
    fn is(&self, value: &Value) -> bool {
        let said = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.strip_suffix(self.unit).and_then(|number| number.parse().ok()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        said.is_some_and(|said| said.total_cmp(&self.written).is_eq())
    }
}

/// The number at a line and column, without its quotes and its unit.
fn number(text: &str, (line, column): (u64, u64)) -> Option<Number<'_>> {
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
    let word = &unquoted[..unquoted.find(is_end).unwrap_or(unquoted.len())];
    let number = UNITS.iter().find_map(|unit| word.strip_suffix(unit)).unwrap_or(word);
    let written = number.parse::<f64>().ok().filter(|written| written.is_finite())?;
    Some(Number { bytes: from..from + number.len(), written, unit: &word[number.len()..] })
}
