//! The search for the numbers of a policy.
//!
//! A candidate is the policy's own text with other numbers in it, read and validated as anybody's policy is.
//! Each is played on the first part of every scenario (`before`), and the best by an [`Objective`] is tested on the
//! rest (`after`), which the search never sees. Scores are kept and runs are not, so that memory does not grow with
//! the number of candidates. Results stand in the candidates' order, whatever the number of threads.

mod objective;
mod param;
mod template;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

use crate::manifest::Mistakes;
use crate::simulation::scores::Scores;
use crate::simulation::{self, Scenario};

pub use self::objective::{Objective, limit};
pub use self::param::{Param, drawn, grid};
pub use self::template::{Candidate, Template};

/// A candidate that was played.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its numbers, in the order of the parameters.
    pub values: Vec<f64>,
    /// What came of it, one for each scenario.
    pub scores: Vec<Scores>,
}

/// A scenario until `share` of it is over, in whole ticks.
#[must_use]
pub fn before(scenario: &Scenario, share: f64) -> Scenario {
    scenario.during(scenario.from, split(scenario, share))
}

/// What [`before`] leaves of a scenario.
#[must_use]
pub fn after(scenario: &Scenario, share: f64) -> Scenario {
    let first = split(scenario, share);
    let from = SignedDuration::try_from(first).ok().and_then(|first| scenario.from.checked_add(first).ok());
    scenario.during(from.unwrap_or(scenario.from), scenario.length.saturating_sub(first))
}

fn split(scenario: &Scenario, share: f64) -> Duration {
    let interval = scenario.interval.as_secs_f64();
    let ticks = (scenario.length.as_secs_f64() * share.clamp(0.0, 1.0) / interval).floor();
    Duration::try_from_secs_f64(ticks * interval).unwrap_or(scenario.length).min(scenario.length)
}

/// Plays every candidate in every scenario, on so many threads. `note` hears of each candidate that is done.
///
/// # Errors
/// What is wrong with the first candidate that is no valid policy.
pub fn search(
    scenarios: &[Scenario],
    template: &Template,
    candidates: &[Vec<f64>],
    threads: usize,
    note: &(dyn Fn() + Sync),
) -> Result<Vec<Trial>, Mistakes> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut scenarios = scenarios.to_vec();
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(values) = candidates.get(index) else { return done };
            done.push((index, trial(&mut scenarios, template, values)));
            note();
        }
    };
    let mut results: Vec<(usize, Result<Trial, Mistakes>)> = std::thread::scope(|scope| {
        let threads = threads.min(candidates.len());
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            match other.join() {
                Ok(found) => results.extend(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, trial)| trial).collect()
}

/// Of what each round of [`halve`] tries, this part goes on to the next, on so many times as much traffic (Jamieson,
/// Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016).
const ETA: usize = 3;

/// The shares of the traffic on which candidates are tried, round after round, and how many times the first one they are.
const ROUNDS: [(f64, usize); 3] = [(1.0 / 9.0, 1), (1.0 / 3.0, 3), (1.0, 9)];

/// What the first round of [`halve`] plays of a scenario.
#[must_use]
pub fn first_round(scenario: &Scenario) -> Scenario {
    before(scenario, ROUNDS[0].0)
}

/// What the rounds of [`halve`] play together, in candidates of the first round.
#[must_use]
pub fn halved(candidates: usize) -> usize {
    let rounds = std::iter::successors(Some(candidates), |left| Some(left.div_ceil(ETA)));
    rounds.zip(ROUNDS).map(|(count, (_, weight))| count * weight).sum()
}

/// Plays every candidate on a ninth of every scenario, the best third of them on a third, and the best third of those
/// on all of it. Gives the last ones, in the candidates' order. `note` is told of each so many times as it takes as long as
/// one of the first round.
///
/// # Errors
/// As for [`search`].
pub fn halve(
    scenarios: &[Scenario],
    template: &Template,
    candidates: &[Vec<f64>],
    objective: &Objective,
    threads: usize,
    note: &(dyn Fn() + Sync),
) -> Result<Vec<Trial>, Mistakes> {
    let mut left = candidates.to_vec();
    let (mut trials, mut played) = (Vec::new(), 1.0);
    for (share, weight) in ROUNDS {
        if !trials.is_empty() {
            let mut best: Vec<usize> = objective.of_part(played).order(&trials);
            best.truncate(left.len().div_ceil(ETA));
            best.sort_unstable();
            left = best.into_iter().map(|index| left[index].clone()).collect();
        }
        let part: Vec<Scenario> = scenarios.iter().map(|scenario| before(scenario, share)).collect();
        let note = || (0..weight).for_each(|_| note());
        trials = search(&part, template, &left, threads, &note)?;
        played = share;
    }
    Ok(trials)
}

/// Plays one candidate in what [`after`] leaves of every scenario. Workloads begin with the replicas that they have by
/// then, when the candidate is played from the start.
///
/// # Errors
/// What is wrong with it as a policy.
pub fn held_out(
    scenarios: &[Scenario],
    share: f64,
    template: &Template,
    values: &[f64],
) -> Result<Trial, Mistakes> {
    let mut rest = Vec::new();
    for scenario in scenarios {
        let mut first = before(scenario, share);
        template.policy(values)?.enter(&mut first);
        let run = simulation::run(&first);
        let mut after = after(scenario, share);
        after.go_on_from(&run);
        rest.push(after);
    }
    trial(&mut rest, template, values)
}

/// Plays one candidate in every scenario.
///
/// # Errors
/// What is wrong with it as a policy.
pub fn trial(scenarios: &mut [Scenario], template: &Template, values: &[f64]) -> Result<Trial, Mistakes> {
    let candidate = template.policy(values)?;
    let mut scores = Vec::with_capacity(scenarios.len());
    for scenario in scenarios {
        candidate.clone().enter(scenario);
        scores.push(simulation::score(scenario));
    }
    Ok(Trial { values: values.to_vec(), scores })
}

/// What came of a candidate in all scenarios together, as people are told.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Percent of the requests that were lost.
    pub lost: f64,
    /// Percent of the requests that were late.
    pub late: f64,
    /// What is paid for.
    pub replica_hours: f64,
    /// Changes of direction.
    pub reversals: f64,
}

impl Figures {
    /// Of a candidate that was played.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "reversals of a run fit 53 bits")]
    pub fn of(trial: &Trial) -> Self {
        let sum = |of: fn(&Scores) -> f64| trial.scores.iter().map(of).sum::<f64>();
        let requests = sum(|scores| scores.requests).max(f64::MIN_POSITIVE);
        Self {
            lost: 100.0 * sum(|scores| scores.dropped_requests) / requests,
            late: 100.0 * sum(|scores| scores.late_requests) / requests,
            replica_hours: sum(|scores| scores.elasticity.replica_hours),
            reversals: sum(|scores| scores.elasticity.reversals as f64),
        }
    }

    /// The same in whole thousandths of a percent and tenths of an hour.
    fn shown(&self) -> [f64; 4] {
        let Self { lost, late, replica_hours, reversals } = self;
        [1e3 * lost, 1e3 * late, 10.0 * replica_hours, *reversals].map(f64::round)
    }

    /// Lost and late requests in percent, replica hours, and reversals, as tables show them.
    #[must_use]
    pub fn texts(&self) -> [String; 4] {
        let [lost, late, hours, reversals] = self.shown();
        [
            format!("{:.3}", lost / 1e3),
            format!("{:.3}", late / 1e3),
            format!("{:.1}", hours / 10.0),
            format!("{reversals:.0}"),
        ]
    }

    /// What should be low, as it is shown: failed requests (lost or late), replica hours and reversals.
    fn costs(&self) -> [f64; 3] {
        let [lost, late, hours, reversals] = self.shown();
        [lost + late, hours, reversals]
    }
}

/// The trials that no other is better than in each of three, as they are shown: failed requests (lost or late), replica
/// hours and reversals. Of those that show the same, the chosen one is taken, or else the first.
#[must_use]
pub fn front<'a>(trials: &'a [Trial], chosen: &'a Trial) -> Vec<&'a Trial> {
    let all = std::iter::once(chosen).chain(trials);
    let all: Vec<([f64; 3], &Trial)> = all.map(|trial| (Figures::of(trial).costs(), trial)).collect();
    let is_as_good = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).all(|(a, b)| a <= b);
    let beats = |a: &[f64; 3], b: &[f64; 3]| is_as_good(a, b) && !is_as_good(b, a);
    let is_best = |cost: &[f64; 3]| !all.iter().any(|(other, _)| beats(other, cost));
    let mut front: Vec<&([f64; 3], &Trial)> = all.iter().filter(|(cost, _)| is_best(cost)).collect();
    front.sort_by(|(a, _), (b, _)| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    front.dedup_by(|(a, _), (b, _)| is_as_good(a, b) && is_as_good(b, a));
    front.into_iter().map(|(_, trial)| *trial).collect()
}

#[cfg(test)]
mod tests;
