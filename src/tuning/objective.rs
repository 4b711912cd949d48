//! What is best: limits that have to hold in every scenario, and then the least of one score, added up.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::Trial;
use crate::simulation::expectation::{Expectation, named};
use crate::simulation::scores::Scores;

/// Which of two candidates is better, such as `dropped_percent<=0.1, late_percent<=0.1 then replica_hours`.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// As it was written.
    text: String,
    limits: Vec<Expectation>,
    /// Scores and their weights.
    score: Vec<(f64, String)>,
}

impl FromStr for Objective {
    type Err = String;

    /// Reads `LIMIT, … then SCORE`, or a score alone. A score may be a sum such as
    /// `replica_hours + 50 * late_percent`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (limits, score) = text.split_once(" then ").unwrap_or(("", text));
        if score.contains(['<', '>']) || score.trim().is_empty() || score.trim().ends_with(" then") {
            return Err(format!(
                "{text:?} does not say which of those is best that keep its limits: write LIMIT, ... then SCORE, such as \
                 {} then replica_hours",
                if limits.is_empty() { score.trim().trim_end_matches(" then") } else { limits }
            ));
        }
        let score = score.split('+').map(weighted).collect::<Result<_, _>>()?;
        let limits = limits.split(',').filter(|limit| !limit.trim().is_empty());
        let limits = limits.map(upper_limit).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), limits, score })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads a score, and its weight before it or else 1.
fn weighted(text: &str) -> Result<(f64, String), String> {
    let (weight, score) = text.split_once('*').unwrap_or(("1", text));
    let (weight, score) = (weight.trim(), score.trim());
    let read = weight.parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
    let read = read.ok_or_else(|| {
        format!("{weight:?} is no weight: write a number from 0 on before the score, as in 50 * late_percent")
    })?;
    let all = || named(&Scores { cost: Some(0.0), ..Scores::default() });
    if all().any(|(name, _)| name == score) {
        return Ok((read, score.to_owned()));
    }
    let known: Vec<String> = all().map(|(name, _)| name).collect();
    Err(format!("{score:?} is no score; there are {}", known.join(", ")))
}

/// Reads a comparison such as `late_percent<=0.1`.
///
/// # Errors
/// What is wrong with it.
pub fn limit(text: &str) -> Result<Expectation, String> {
    let text = text.trim();
    let sign = text.find(['<', '>', '=']);
    let (score, wanted) = text.split_at(sign.unwrap_or(text.len()));
    Expectation::parse(score.trim(), wanted).map_err(|problem| format!("{text:?}: {problem}"))
}

/// Only of these it is known which of two that break one is nearer.
fn upper_limit(text: &str) -> Result<Expectation, String> {
    let read = limit(text)?;
    let is_upper = text.contains('<') && !text.contains(['>']);
    if is_upper { Ok(read) } else { Err(format!("{text:?}: a limit is from above, with < or <=")) }
}

impl Objective {
    /// Whether it asks for this score.
    #[must_use]
    pub fn names(&self, score: &str) -> bool {
        self.limits.iter().any(|limit| limit.score() == score)
            || self.score.iter().any(|(_, name)| name == score)
    }

    /// The same for a part of every scenario.
    pub(super) fn of_part(&self, share: f64) -> Self {
        let limits = self.limits.iter().map(|limit| limit.of_part(share)).collect();
        Self { limits, ..self.clone() }
    }

    /// Whether a trial keeps all limits in every scenario.
    #[must_use]
    pub fn is_kept(&self, trial: &Trial) -> bool {
        self.broken(trial).is_none()
    }

    /// The first limit that a trial breaks, and what its score is: `late_percent should be <=0.1 and is 0.3`.
    #[must_use]
    pub fn broken(&self, trial: &Trial) -> Option<String> {
        let mut outcomes =
            trial.scores.iter().flat_map(|scores| self.limits.iter().map(|limit| limit.hold(scores)));
        outcomes.find(|outcome| !outcome.holds).map(|outcome| outcome.to_string())
    }

    /// Whether one trial is better than another.
    #[must_use]
    pub fn prefers(&self, one: &Trial, other: &Trial) -> bool {
        compare(&self.key(one), &self.key(other)).is_lt()
    }

    /// The best trial: of those that keep the limits the one with the least score; when none does, the one that
    /// comes nearest to the first limit that is not kept. Of equals, the first.
    #[must_use]
    pub fn best<'a>(&self, trials: &'a [Trial]) -> Option<&'a Trial> {
        let keyed = trials.iter().map(|trial| (self.key(trial), trial));
        keyed.min_by(|(a, _), (b, _)| compare(a, b)).map(|(_, trial)| trial)
    }

    /// The trials' places, the best first; of equals, the first.
    pub(super) fn order(&self, trials: &[Trial]) -> Vec<usize> {
        let mut keyed: Vec<(Vec<f64>, usize)> =
            trials.iter().enumerate().map(|(index, trial)| (self.key(trial), index)).collect();
        keyed.sort_by(|(a, _), (b, _)| compare(a, b));
        keyed.into_iter().map(|(_, index)| index).collect()
    }

    /// How far each limit is broken at worst (0 when it is kept), then the score.
    fn key(&self, trial: &Trial) -> Vec<f64> {
        let worst = |limit: &Expectation| {
            let broken =
                trial.scores.iter().map(|scores| limit.hold(scores)).filter(|outcome| !outcome.holds);
            broken.map(|outcome| outcome.got.max(f64::MIN_POSITIVE)).fold(0.0, f64::max)
        };
        let score = |scores: &Scores| -> f64 {
            let of = |(name, got): (String, f64)| -> f64 {
                let weights = self.score.iter().filter(|(_, score)| *score == name);
                weights.map(|(weight, _)| weight * got).sum()
            };
            named(scores).map(of).sum()
        };
        let sum: f64 = trial.scores.iter().map(score).sum();
        self.limits.iter().map(worst).chain([sum]).collect()
    }
}

fn compare(a: &[f64], b: &[f64]) -> Ordering {
    let unequal = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|ordering| ordering.is_ne());
    unequal.unwrap_or(Ordering::Equal)
}
