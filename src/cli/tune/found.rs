//! What a search has found: for people, for programs, and in the comments of a policy.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::Failure;
use crate::report::table::aligned;
use crate::simulation::scores::Scores;
use crate::simulation::{self, Scenario};
use crate::tuning::{self, Figures, Objective, Param, Trial};

/// How the comments begin that say why a policy has its numbers.
const TUNED_BY: &str = "# Tuned by `tidetable tune`";

/// All candidates that were played to the end, out of so many, and the one that was chosen.
pub(super) struct Found<'a> {
    pub(super) candidates: usize,
    pub(super) params: &'a [Param],
    pub(super) objective: &'a Objective,
    pub(super) hold_out: f64,
    pub(super) parts: Vec<Part>,
    pub(super) trials: &'a [Trial],
    pub(super) best: &'a Trial,
    pub(super) tested: &'a Trial,
}

/// Which time of a scenario was searched, and on which the result was tested.
pub(super) struct Part {
    name: String,
    from: Timestamp,
    split: Timestamp,
    until: Timestamp,
}

impl Part {
    pub(super) fn new(scenario: &Scenario, hold_out: f64) -> Self {
        Self {
            name: scenario.name.clone(),
            from: scenario.from,
            split: tuning::after(scenario, 1.0 - hold_out).from,
            until: simulation::end(scenario),
        }
    }

    fn text(&self) -> String {
        let Self { name, from, split, until } = self;
        format!("{name}: searched from {from} until {split}, tested from there until {until}.")
    }
}

impl Found<'_> {
    /// Tables of the front and of the chosen candidate, and why it is the one when that was asked for.
    pub(super) fn text(&self, explained: Option<&str>) -> String {
        let front = tuning::front(self.trials, self.best);
        let mut text = format!("{}; of these none beats another in everything:\n\n", self.counted());
        text += &self.table(front.iter().map(|trial| ("", *trial)));
        let share = (1e5 * self.hold_out).round() / 1e3;
        let _ = writeln!(text, "\nChosen, and tested on the {share}% that the search did not see:\n");
        let both = [("search", self.best), ("hold-out", self.tested)];
        let each = self.of_each(both);
        let each = each.iter().map(|(name, trial)| (name.as_str(), trial));
        text += &self.table(both.into_iter().chain(each));
        text.push('\n');
        if let Some(equals) = self.equals() {
            let _ = writeln!(text, "{equals}.");
        }
        for part in &self.parts {
            let _ = writeln!(text, "{}", part.text());
        }
        if let Some(explained) = explained {
            let _ = write!(text, "\n{explained}");
        }
        text
    }

    /// The first limit that is kept in the search and broken on the hold-out.
    pub(super) fn broken_later(&self) -> Option<String> {
        if self.objective.is_kept(self.best) { self.objective.broken(self.tested) } else { None }
    }

    /// What is to be known of a choice among equals.
    fn equals(&self) -> Option<String> {
        let is_equal = |trial: &&Trial| !self.objective.prefers(self.best, trial);
        match self.trials.iter().filter(is_equal).count() {
            0 | 1 => None,
            count => Some(format!(
                "{count} of the candidates are equally good by that objective; this one changes the least"
            )),
        }
    }

    /// How many candidates there were.
    fn counted(&self) -> String {
        match (self.candidates, self.trials.len()) {
            (1, _) => "1 candidate".to_owned(),
            (all, played) if played < all => format!("{all} candidates, {played} of them played to the end"),
            (all, _) => format!("{all} candidates"),
        }
    }

    /// The same with all scores, by name.
    pub(super) fn json(&self, explained: Option<&str>) -> Result<String, Failure> {
        let failed = |error: serde_json::Error| Failure::Runtime(format!("can't write the scores: {error}"));
        let front: Result<Vec<Value>, _> = tuning::front(self.trials, self.best)
            .into_iter()
            .map(|trial| Ok(json!({"parameters": self.parameters(trial), "search": self.scores(trial)?})))
            .collect();
        let periods = |part: &Part| {
            let [from, split, until] = [part.from, part.split, part.until].map(|at| at.to_string());
            json!({"scenario": part.name, "from": from, "split": split, "until": until})
        };
        let mut object = json!({
            "candidates": self.candidates,
            "played_to_the_end": self.trials.len(),
            "objective": self.objective.to_string(),
            "holds": self.objective.is_kept(self.best),
            "holds_on_hold_out": self.objective.is_kept(self.tested),
            "periods": self.parts.iter().map(periods).collect::<Vec<_>>(),
            "front": front.map_err(failed)?,
            "chosen": {
                "parameters": self.parameters(self.best),
                "search": self.scores(self.best).map_err(failed)?,
                "hold_out": self.scores(self.tested).map_err(failed)?,
            },
        });
        if let Some(explained) = explained {
            object["explanation"] = explained.into();
        }
        serde_json::to_string_pretty(&object).map_err(failed)
    }

    /// The numbers of a candidate, by the paths of their fields.
    fn parameters(&self, trial: &Trial) -> Map<String, Value> {
        let values = self.params.iter().zip(&trial.values);
        values.map(|(param, value)| (param.path.clone(), json!(value))).collect()
    }

    /// What came of a candidate in each scenario.
    fn scores(&self, trial: &Trial) -> Result<Vec<Value>, serde_json::Error> {
        let of = |(part, scores): (&Part, &Scores)| {
            let mut scores = serde_json::to_value(scores)?;
            scores["scenario"] = part.name.as_str().into();
            Ok(scores)
        };
        self.parts.iter().zip(&trial.scores).map(of).collect()
    }

    /// What came of trials in each scenario, when there are several.
    fn of_each(&self, trials: [(&str, &Trial); 2]) -> Vec<(String, Trial)> {
        let of = |(name, trial): (&str, &Trial)| -> Vec<(String, Trial)> {
            let each = self.parts.iter().zip(&trial.scores).map(|(part, scores)| {
                let alone = Trial { values: trial.values.clone(), scores: vec![scores.clone()] };
                (format!("{name}: {}", part.name), alone)
            });
            each.collect()
        };
        if self.parts.len() > 1 { trials.into_iter().flat_map(of).collect() } else { Vec::new() }
    }

    /// The policy, with why it has its numbers above it. The limits are kept, or there would be none.
    pub(super) fn commented(&self, policy: &str) -> String {
        let mut text = format!("{TUNED_BY}, the best of {}:\n", self.counted());
        for (param, value) in self.params.iter().zip(&self.best.values) {
            let (low, high) = (param.values.first(), param.values.last());
            let [low, high] = [low, high].map(|end| end.copied().unwrap_or_default());
            let _ = writeln!(text, "#   {} = {value}, out of {low} to {high}", param.path);
        }
        let _ = writeln!(text, "# Best is: {}.", self.objective);
        if let Some(broken) = self.broken_later() {
            let _ = writeln!(text, "# On the part that was not searched it does not keep them: {broken}.");
        }
        if let Some(equals) = self.equals() {
            let _ = writeln!(text, "# {equals}.");
        }
        for part in &self.parts {
            let _ = writeln!(text, "# {}", part.text());
        }
        let both =
            [("On the part that was searched", self.best), ("On the rest, which was not", self.tested)];
        for (name, trial) in both {
            let [dropped, late, hours, reversals] = Figures::of(trial).texts();
            let _ = writeln!(
                text,
                "# {name}: {dropped}% of requests lost, {late}% late,\n#   {hours} replica hours, {reversals} \
                 changes of direction."
            );
        }
        text.push('\n');
        text.replace('\n', line_end(policy)) + policy
    }

    /// Trials, one a line, under the names of the parameters and scores.
    fn table<'a>(&self, trials: impl IntoIterator<Item = (&'a str, &'a Trial)>) -> String {
        let heads = ["lost %", "late %", "replica hours", "reversals"].map(str::to_owned);
        let params = self.params.iter().map(|param| param.path.clone());
        let mut rows: Vec<Vec<String>> =
            vec![std::iter::once(String::new()).chain(params).chain(heads).collect()];
        for (name, trial) in trials {
            let values = trial.values.iter().map(f64::to_string);
            rows.push(
                [name.to_owned()].into_iter().chain(values).chain(Figures::of(trial).texts()).collect(),
            );
        }
        aligned(&rows)
    }
}

/// A policy without what an earlier search has said of its numbers, which an empty line ends.
pub(super) fn without_comments(policy: &str) -> &str {
    let block = policy
        .split_once(&line_end(policy).repeat(2))
        .filter(|(block, _)| block.starts_with(TUNED_BY) && block.lines().all(|line| line.starts_with('#')));
    block.map_or(policy, |(_, rest)| without_comments(rest))
}

/// How the lines of a policy end, by the first one.
fn line_end(policy: &str) -> &'static str {
    match policy.split_once('\n') {
        Some((line, _)) if line.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}
