//! Why the numbers that were found are neither less nor more.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Failure;
use super::super::files::write;
use super::super::simulate::zone;
use crate::report::svg;
use crate::simulation::{self, Scenario};
use crate::tuning::{self, Figures, Objective, Param, Template, Trial};

/// What the ends of a range are called.
const ENDS: [&str; 2] = ["less", "more"];

/// The pictures, of which there are fewer when an end is what was found.
pub(super) fn files(directory: &Path) -> [PathBuf; 2] {
    ENDS.map(|word| directory.join(format!("{word}.svg")))
}

/// Says what the least and the most that were tried of each parameter come to beside what was found, and draws both of
/// the first one.
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
        let ends = ENDS.into_iter().zip(files(directory)).zip([param.values.first(), param.values.last()]);
        for ((word, file), end) in ends {
            let end = end.copied().unwrap_or(found);
            if end.total_cmp(&found).is_eq() {
                let _ = writeln!(text, "  nothing {word} was tried.");
                continue;
            }
            let mut values = best.values.clone();
            values[index] = end;
            let trial = tuning::trial(&mut scenarios, template, &values)?;
            let _ = writeln!(text, "  {word} ({end}) {}", verdict(objective, best, &trial, is_loop));
            if index == 0
                && let Some(scenario) = scenarios.first()
            {
                let mut run = simulation::run(scenario);
                run.name = format!("{} = {end}", param.path);
                write(&file, &svg::picture(&run, &zone(scenario)))?;
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
        ("until a rate over its window has all of it", measurement.window),
        ("until the next tick", scenario.interval),
    ];
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
