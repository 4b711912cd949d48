//! `tidetable explain --simulate`: one decision of a scenario, damper by damper.

use std::cmp::Ordering;

use jiff::SignedDuration;

use super::super::simulate::zone;
use super::super::time::instant;
use super::{Failure, Times, line};
use crate::api::AUTOSCALER_KIND;
use crate::decision::{
    Cause, Decision, Direction, Guard, GuardState, LoadDecision, LoadLimit, Milli, Mode, Policy, Reading,
    Replicas, Steps,
};
use crate::simulation::{self, Scenario};

/// The decision in force at `at`, and the last one that read the metrics when that is another.
pub(super) fn explanation(scenario: &Scenario, at: &str) -> Result<String, Failure> {
    let zone = zone(scenario);
    let right = "an instant (2026-11-23T07:00:00Z) or a local date and time (2026-11-23T07:00)";
    let at = instant(at, &zone).ok_or_else(|| Failure::BadInput(format!("--at: {at:?} is not {right}")))?;
    let Some((last, read)) = simulation::decisions_by(scenario, at) else {
        let length = SignedDuration::try_from(scenario.length).unwrap_or(SignedDuration::MAX);
        let problem = format!("--at: the scenario begins at {} and lasts {length:#}", scenario.from);
        return Err(Failure::BadInput(problem));
    };
    Ok(text(scenario, &last, read.as_ref(), &Times(zone)))
}

fn text(scenario: &Scenario, last: &Decision, read: Option<&Decision>, when: &Times) -> String {
    let policy = &scenario.policy;
    let decided = match scenario.scheduled() {
        None => format!("{} replicas", last.desired),
        Some(autoscaler) => {
            let (min, max) = last.bounds();
            let written =
                if policy.mode == Mode::Active { "" } else { ", which the mode keeps from being written" };
            format!("minReplicas {min}, maxReplicas {max} of {AUTOSCALER_KIND} {}{written}", autoscaler.name)
        }
    };
    let mut text = format!("{}: {decided}\n", scenario.name);
    let mut line = |topic: &str, words: String| line(&mut text, topic, &words);
    line("because", format!("{}: {}", last.reason.as_str(), last.explain(policy)));
    line("as of", when.both(last.at));
    if let Some(load) = read.and_then(|read| read.load.as_ref()) {
        if let Some(read) = read.filter(|read| read.at != last.at) {
            line("read", when.both(read.at));
        }
        metrics(policy, load, &mut line);
        match load.steps {
            Some(steps) => dampers(policy, load, steps, &mut line),
            None => {
                line("damping", format!("none: the metrics were not followed, the level is {}", load.level));
            }
        }
    }
    for text in
        read.and_then(|read| read.load.as_ref()).map(|load| guards(policy, load, when)).into_iter().flatten()
    {
        line("guard", text);
    }
    let baseline = &last.baseline;
    let by = |cause: Cause, field: &str| {
        let entry = cause.entry().and_then(|id| policy.schedule.entry(id));
        entry.map_or(field.to_owned(), |entry| format!("entry {}", entry.name))
    };
    let (floor, ceiling) =
        (by(baseline.floor_cause, "minReplicas"), by(baseline.ceiling_cause, "maxReplicas"));
    let level = last.level().map_or("no load".to_owned(), |level| level.to_string());
    line(
        "schedule",
        format!(
            "{level} → {}: at least {} ({floor}), at most {} ({ceiling})",
            last.desired, baseline.floor, baseline.ceiling
        ),
    );
    let next = baseline.next.map_or("the schedule stays as it is".to_owned(), |next| {
        let entry = policy.schedule.entry(next.entry).map_or("", |entry| &*entry.name);
        format!("floor {}, ceiling {} by entry {entry}, {}", next.floor, next.ceiling, when.both(next.at))
    });
    line("next", next);
    text
}

fn metrics(policy: &Policy, load: &LoadDecision, line: &mut impl FnMut(&str, String)) {
    for (metric, read) in policy.metrics.iter().zip(&load.metrics) {
        let name = &metric.name;
        let smoothed = read.smoothed.map_or(String::new(), |value: Milli| format!(", smoothed {value}"));
        let words = match (read.reading, read.recommendation) {
            (Reading::Value(value), Some(asked)) => {
                format!("{name} is {value}{smoothed} and asks for {asked}")
            }
            (Reading::Value(value), None) => format!("{name} is {value}{smoothed} and asks for nothing"),
            (Reading::Missing(cause), _) => format!("{name} is missing: {}", cause.as_str()),
        };
        line("metric", words);
    }
}

/// What became of each guard.
fn guards(policy: &Policy, load: &LoadDecision, when: &Times) -> Vec<String> {
    let told = |(guard, state): (&Guard, &GuardState)| {
        let name = &guard.name;
        match state {
            GuardState::Quiet => format!("{name} is not over {}", guard.above),
            GuardState::Pending(since) => format!(
                "{name} is over {} since {}, for less than {:?}",
                guard.above,
                when.both(*since),
                guard.after
            ),
            GuardState::Active(since) => {
                format!("{name} is over {} since {}, and holds", guard.above, when.both(*since))
            }
            GuardState::Unread(cause) => format!("{name} can't be read and does nothing: {}", cause.as_str()),
        }
    };
    policy.guards.iter().zip(&load.guards).map(told).collect()
}

/// Each damper with what went in, what came out, and what bound it.
fn dampers(policy: &Policy, load: &LoadDecision, steps: Steps, line: &mut impl FnMut(&str, String)) {
    let (up, down) = (&policy.damping.up, &policy.damping.down);
    let Steps { asked, deadband, lowest, highest, stabilized, furthest, limited, held } = steps;
    let before = load.before;
    let width = if asked > before { up.deadband } else { down.deadband };
    line(
        "deadband",
        format!("{asked} → {deadband}: within {width} of {before}, the level before, is no change"),
    );
    let window = |rule: &str, of: &str, bound: Option<Replicas>, length: std::time::Duration| {
        bound.map(|bound| format!("{rule} {bound}, {of} recommendation of the last {length:?}"))
    };
    let bound = match deadband.cmp(&before) {
        Ordering::Greater => window("rises no higher than", "the lowest", lowest, up.stabilization),
        Ordering::Less => window("falls no lower than", "the highest", highest, down.stabilization),
        Ordering::Equal => Some("it is the level before".to_owned()),
    };
    let bound = bound.unwrap_or("no window".to_owned());
    line("stabilize", format!("{deadband} → {stabilized}: {bound}"));
    let direction = if stabilized > before { Direction::Up } else { Direction::Down };
    let rate = furthest.map_or("no move".to_owned(), |furthest| match direction {
        Direction::Up => format!("rate policies allow up to {furthest}"),
        Direction::Down => format!("rate policies allow down to {furthest}"),
    });
    let (min, max) = (policy.min, policy.max);
    line("rate", format!("{stabilized} → {limited}: {rate}; minReplicas {min}, maxReplicas {max}"));
    let hold = match load.limit {
        _ if limited == held => "nothing holds",
        Some(LoadLimit::Capacity) => "pods that can't be scheduled hold it",
        _ => "a guard holds it",
    };
    line("holds", format!("{limited} → {held}: {hold}"));
}
