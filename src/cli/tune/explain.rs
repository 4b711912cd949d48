//! Why the numbers that were found are neither less nor more.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Failure;
use super::super::files::write;
use super::super::simulate::zone;
use crate::report::svg;
use crate::simulation::{self, Run, Scenario};
use crate::tuning::{self, Figures, Objective, Param, Template, Trial};

/// What the ends of a range are called.
const ENDS: [&str; 2] = ["less", "more"];

/// What the picture of the number that was found is called.
const FOUND: &str = "found";

/// The pictures, of which there is one less when an end is what was found.
pub(super) fn files(directory: &Path) -> [PathBuf; 3] {
    [ENDS[0], ENDS[1], FOUND].map(|word| picture(directory, word))
}

fn picture(directory: &Path, word: &str) -> PathBuf {
    directory.join(format!("{word}.svg"))
}

/// Draws a parameter's number, or takes an earlier picture away where there is no such number.
fn draw(directory: &Path, word: &str, scenario: Option<&Scenario>, name: String) -> Result<(), Failure> {
    let file = picture(directory, word);
    let Some(scenario) = scenario else {
        return match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::Runtime(format!("{}: {error}", file.display())))
            }
            Ok(()) | Err(_) => Ok(()),
        };
    };
    let run = Run { name, ..simulation::run(scenario) };
    write(&file, &svg::picture(&run, &zone(scenario)))
}

/// Says what the least and the most that were tried of each parameter come to beside what was found, and draws all three
/// of the first one.
pub(super) fn explain(
    directory: &Path,
    scenarios: &[Scenario],
    template: &Template,
    params: &[Param],
    objective: &Objective,
    best: &Trial,
) -> Result<String, Failure> {
    let mut scenarios = scenarios.to_vec();
    let mut text = scenarios.first().map(dead_time).unwrap_or_default();
    let is_loop = scenarios.first().is_none_or(Scenario::is_loop);
    for (index, param) in params.iter().enumerate() {
        let found = best.values.get(index).copied().unwrap_or_default();
        let _ = writeln!(text, "\n{} = {found}:", param.path);
        let named = |number: f64| format!("{} = {number}", param.path);
        if index == 0 {
            if let Some(first) = scenarios.first_mut() {
                template.policy(&best.values)?.enter(first);
            }
            draw(directory, FOUND, scenarios.first(), named(found))?;
        }
        for (word, end) in ENDS.into_iter().zip([param.values.first(), param.values.last()]) {
            let end = end.copied().unwrap_or(found);
            if end.total_cmp(&found).is_eq() {
                let _ = writeln!(text, "  nothing {word} was tried.");
                if index == 0 {
                    draw(directory, word, None, String::new())?;
                }
                continue;
            }
            let mut values = best.values.clone();
            values[index] = end;
            let trial = tuning::trial(&mut scenarios, template, &values)?;
            let _ = writeln!(text, "  {word} ({end}) {}", verdict(objective, best, &trial, is_loop));
            if index == 0 {
                draw(directory, word, scenarios.first(), named(end))?;
            }
        }
    }
    Ok(text)
}

/// How long it takes until a change of the demand has changed what is ready, at most.
fn dead_time(scenario: &Scenario) -> String {
    let measurement = scenario.plant.measurement;
    let pods = scenario.plant.pods;
    let mut parts = vec![
        ("until it is scraped", measurement.scrape_interval.saturating_add(measurement.delay)),
        ("until the next tick", scenario.interval),
    ];
    // A gauge is what it was at the last scrape.
    if scenario.followed().iter().any(|quantity| quantity.is_mean()) {
        parts.insert(1, ("until a mean over the query's window has all of it", measurement.window));
    }
    if let Some(nodes) = scenario.cluster.nodes {
        parts.push(("until there is a node, when one is needed", nodes.provisioning));
    }
    parts.push(match pods.startup_p95 {
        Some(slow) => ("until 19 of 20 replicas are ready", slow),
        None => ("until a replica is ready", pods.startup),
    });
    let sum = parts.iter().fold(Duration::ZERO, |sum, (_, part)| sum.saturating_add(*part));
    let parts: Vec<String> = parts.iter().map(|(name, part)| format!("{part:?} {name}")).collect();
    let (of, outcome) = if scenario.is_loop() {
        (
            " of the loop",
            "What it does within that time it does on old news: it goes on when it has gone far enough, and turns back \
             later.",
        )
    } else {
        (
            "",
            "What is measured is the demand, whatever the replicas are: no loop that could hunt. With less damping they \
             follow each wobble of it, when that may be over.",
        )
    };
    format!("The dead time{of} is up to {sum:?}: {}.\n{outcome}\n", parts.join(", "))
}

/// What another number would have come to, in the words that matter most of it.
fn verdict(objective: &Objective, best: &Trial, other: &Trial, is_loop: bool) -> String {
    let [found, tried] = [best, other].map(Figures::of);
    let pair = |of: fn(&Figures) -> f64| (of(&found), of(&tried));
    let failed = pair(|figures| figures.lost + figures.late);
    let (hours, reversals) = (pair(|figures| figures.replica_hours), pair(|figures| figures.reversals));
    let mut words = Vec::new();
    if let Some(broken) = objective.broken(other).filter(|_| objective.is_kept(best)) {
        words.push(format!("breaks a limit: {broken}"));
    }
    if reversals.1 >= 2.0 * reversals.0.max(1.0) {
        let what = if is_loop { "hunts" } else { "follows each wobble" };
        words.push(format!("{what}: {} changes of direction, not {}", reversals.1, reversals.0));
    } else if reversals.1 > reversals.0 {
        words.push(format!("changes direction more often: {} times, not {}", reversals.1, reversals.0));
    }
    // A request or two are chance.
    if failed.1 > 1.1 * failed.0 + 0.001 {
        words.push(format!("is late: {:.3} % of requests are lost or late, not {:.3} %", failed.1, failed.0));
    }
    if hours.1 > hours.0 {
        words.push(format!("costs {:.1} replica hours more", hours.1 - hours.0));
    }
    let saved = hours.0 - hours.1;
    let is_cheaper = saved >= 0.05;
    if words.is_empty() {
        return match (objective.prefers(best, other), is_cheaper) {
            (true, true) => {
                format!("is a little worse by the objective, and saves {saved:.1} replica hours.")
            }
            (true, false) => "is a little worse by the objective.".to_owned(),
            (false, true) => format!("would do as well, and saves {saved:.1} replica hours."),
            (false, false) => "makes no difference.".to_owned(),
        };
    }
    if is_cheaper {
        words.push(format!("saves {saved:.1} replica hours"));
    }
    words.join("; ") + "."
}
