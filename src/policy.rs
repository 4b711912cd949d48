//! From a spec as a person wrote it to a [`Policy`] that can decide: once, with every mistake reported at
//! its place. After this no string is parsed again and no default is filled in again.
//!
//! The rules that the API server enforces (ranges, exclusions) are checked here too: a policy may come
//! from a file, and an operator must not trust that the schema of the cluster is its own.

mod calendar;
mod cron;
mod damping;
mod duration;
mod lint;
mod load;
mod overriding;
mod quantity;
mod schedule;
mod target;

use std::fmt;

use crate::api::ScalePolicySpec;
use crate::decision::{Mode, Policy, Replicas, Schedule};
use crate::zones::{self, Zones};

pub use self::calendar::{Calendars, parse_date, validate_calendar};
pub use self::cron::{CronError, parse_cron};
pub use self::damping::rules as hpa_rules;
pub use self::duration::{DurationError, parse_duration};
pub use self::lint::lint;
pub use self::overriding::{OverrideError, parse_override};
pub use self::quantity::{QuantityError, parse_quantity};
pub use self::schedule::calendar_names;
pub(crate) use self::target::is_target;

/// The most replicas that a policy may name, as in the CRD.
pub const MOST_REPLICAS: i32 = 100_000;

/// The highest priority, as in the CRD.
const MOST_PRIORITY: i32 = 1_000_000;

/// A mistake in one field of a policy or a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field, such as `spec.schedule.entries[2].cron`.
    pub path: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// All the mistakes in a policy or a calendar, in the order of its fields. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidPolicy {
    /// The mistakes.
    pub errors: Vec<FieldError>,
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

/// What a policy refers to outside of itself.
#[derive(Clone, Copy, Debug)]
pub struct References<'a> {
    /// The time zones.
    pub zones: &'a Zones,
    /// The calendars, by name.
    pub calendars: &'a Calendars,
}

/// Turns a spec into a policy, with the time zones of this process and without any calendar.
///
/// # Errors
/// All the mistakes at once, each with the path of its field.
pub fn validate(spec: &ScalePolicySpec) -> Result<Policy, InvalidPolicy> {
    validate_with(spec, References { zones: zones::current(), calendars: &Calendars::default() })
}

/// Turns a spec into a policy.
///
/// # Errors
/// All the mistakes at once, each with the path of its field.
pub fn validate_with(spec: &ScalePolicySpec, references: References<'_>) -> Result<Policy, InvalidPolicy> {
    let mut mistakes = Mistakes::default();
    let root = Path::root("spec");
    target::target_ref(spec, &root.field("scaleTargetRef"), &mut mistakes);
    let min = replicas(spec.min_replicas, &root.field("minReplicas"), &mut mistakes);
    let max = replicas(spec.max_replicas, &root.field("maxReplicas"), &mut mistakes);
    if min > max {
        let problem = format!("{min} is more than maxReplicas, which is {max}");
        mistakes.add(&root.field("minReplicas"), problem);
    }
    if spec.schedule.is_none() && spec.metrics.as_ref().is_none_or(Vec::is_empty) {
        mistakes.add(&root, "a policy needs a schedule, metrics, or both");
    }
    let mut missing_calendars = Vec::new();
    let priority = spec.priority.unwrap_or(0);
    if !(-MOST_PRIORITY..=MOST_PRIORITY).contains(&priority) {
        let problem = format!("{priority} must be between -{MOST_PRIORITY} and {MOST_PRIORITY}");
        mistakes.add(&root.field("priority"), problem);
    }
    let path = root.field("schedule");
    let spread = spec
        .schedule
        .as_ref()
        .map(|schedule| schedule::spread(schedule, &path.field("spread"), &mut mistakes));
    let entries = spec.schedule.as_ref().map(|schedule| {
        let reading = schedule::Reading { max, references, missing: &mut missing_calendars };
        reading.entries(schedule, &path, &mut mistakes)
    });
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    let metrics = load::metrics(metrics, &root.field("metrics"), &mut mistakes);
    let damping = damping::damping(spec.damping.as_ref(), &root.field("damping"), &mut mistakes);
    let guards =
        load::guards(spec.guards.as_deref().unwrap_or_default(), &root.field("guards"), &mut mistakes);
    let fallback = load::fallback(spec, max, &root.field("fallback"), &mut mistakes);
    let capacity = load::capacity(spec, &root.field("capacity"), &mut mistakes);
    mistakes.finish()?;
    Ok(Policy {
        min,
        max,
        mode: match spec.mode {
            crate::api::Mode::Active => Mode::Active,
            crate::api::Mode::DryRun => Mode::DryRun,
            crate::api::Mode::Paused => Mode::Paused,
        },
        priority,
        schedule: Schedule::new(entries.unwrap_or_default(), min, max)
            .with_spread(spread.unwrap_or_default()),
        missing_calendars,
        metrics,
        damping,
        guards,
        fallback,
        capacity,
    })
}

fn replicas(count: i32, path: &Path, mistakes: &mut Mistakes) -> Replicas {
    if !(0..=MOST_REPLICAS).contains(&count) {
        mistakes.add(path, format!("{count} must be between 0 and {MOST_REPLICAS}"));
    }
    Replicas::new(count)
}

fn duration(text: &str, path: &Path, mistakes: &mut Mistakes) -> std::time::Duration {
    parse_duration(text).unwrap_or_else(|error| {
        mistakes.add(path, error.to_string());
        std::time::Duration::ZERO
    })
}

fn unique_names<'a>(names: impl Iterator<Item = &'a str>, path: &Path, mistakes: &mut Mistakes) {
    let mut seen = Vec::new();
    for (index, name) in names.enumerate() {
        if name.is_empty() {
            mistakes.add(&path.index(index).field("name"), "must not be empty");
        }
        if seen.contains(&name) {
            mistakes
                .add(&path.index(index).field("name"), format!("{name:?} is the name of another one too"));
        }
        seen.push(name);
    }
}

/// Collects mistakes, so that all of them are reported and not only the first.
#[derive(Debug, Default)]
struct Mistakes(Vec<FieldError>);

impl Mistakes {
    fn add(&mut self, path: &Path, problem: impl Into<String>) {
        self.0.push(FieldError { path: path.0.clone(), problem: problem.into() });
    }

    fn finish(self) -> Result<(), InvalidPolicy> {
        if self.0.is_empty() { Ok(()) } else { Err(InvalidPolicy { errors: in_order(self.0) }) }
    }
}

/// Errors of a list's items, item by item, whichever check found them; the others stay where they are.
fn in_order(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    let split = |path: &str| {
        let (list, rest) = path.split_once('[').unwrap_or((path, ""));
        let index = rest.split_once(']').and_then(|(index, _)| index.parse::<usize>().ok());
        (list.to_owned(), index)
    };
    let mut lists: Vec<String> = Vec::new();
    for error in &errors {
        let (list, _) = split(&error.path);
        if !lists.contains(&list) {
            lists.push(list);
        }
    }
    errors.sort_by_cached_key(|error| {
        let (list, index) = split(&error.path);
        (lists.iter().position(|known| *known == list), index)
    });
    errors
}

/// The path of a field, as the API server writes it.
#[derive(Clone, Debug)]
struct Path(String);

impl Path {
    fn root(name: &str) -> Self {
        Self(name.to_owned())
    }

    fn field(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

#[cfg(test)]
mod tests;
