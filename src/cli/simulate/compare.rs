//! `tidetable simulate --compare`: the scenario's policy beside others.

use std::io::Write;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::super::{Failure, check};
use super::terminal_width;
use crate::manifest::{Document, Mistakes};
use crate::report::comparison;
use crate::simulation::rivals::Rival;
use crate::simulation::{Run, Scenario};

/// What a policy of ours is called among its rivals.
const OURS: &str = "tidetable";

/// The rivals of these names, whose policies may name calendars among these documents.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn rivals(names: &[String], calendars: &[Document]) -> Result<Vec<Rival>, Failure> {
    let mut rivals = Vec::new();
    let mut mistakes = Vec::new();
    for name in names {
        match Rival::read_with(name, calendars) {
            Ok(rival) => {
                check::warn(&rival.missing_calendars);
                rivals.push(rival);
            }
            Err(Mistakes(found)) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() {
        Ok(rivals)
    } else {
        Err(Failure::BadInput(format!("--compare: {}", Mistakes(mistakes))))
    }
}

/// The policy's run under its own name, and then those of all rivals.
pub(super) fn play(scenario: &Scenario, own: &Run, rivals: &[Rival]) -> Result<Vec<Run>, Failure> {
    let own = Run { name: OURS.to_owned(), ..own.clone() };
    let others = rivals
        .iter()
        .map(|rival| rival.play(scenario).map_err(|unfit| Failure::BadInput(format!("--compare: {unfit}"))));
    std::iter::once(Ok(own)).chain(others).collect()
}

/// The chart of all and the table of their scores, for people.
pub(super) fn table(runs: &[Run], zone: &TimeZone, color: bool, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "\n{}", comparison::chart(runs, zone, terminal_width(), color))?;
    write!(out, "{}", comparison::table(runs))?;
    Ok(())
}

/// The scores of all, by name.
pub(super) fn json(runs: &[Run]) -> Result<Value, serde_json::Error> {
    let run = |run: &Run| {
        let mut scores = serde_json::to_value(&run.scores)?;
        scores["name"] = run.name.as_str().into();
        Ok(scores)
    };
    runs.iter().map(run).collect()
}
