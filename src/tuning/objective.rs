//! What is best: limits that have to hold in every scenario, and then the least of one score, added up.

use std::cmp::Ordering;
use std::str::FromStr;

use super::Trial;
use crate::simulation::expectation::{Expectation, named};
use crate::simulation::scores::Scores;

/// Which of two candidates is better, such as `dropped_percent<=0.1, late_percent<=0.1 then replica_hours`.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    limits: Vec<Expectation>,
    score: String,
}

impl FromStr for Objective {
    type Err = String;

    /// Reads `LIMIT, … then SCORE`, or a score alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let (limits, score) = text.split_once(" then ").unwrap_or(("", text));
        let score = score.trim();
        if !named(&Scores::default()).any(|(name, _)| name == score) {
            let known: Vec<String> = named(&Scores::default()).map(|(name, _)| name).collect();
            return Err(format!("{score:?} is no score; there are {}", known.join(", ")));
        }
        let limits = limits.split(',').filter(|limit| !limit.trim().is_empty());
        let limits = limits.map(upper_limit).collect::<Result<_, _>>()?;
        Ok(Self { limits, score: score.to_owned() })
    }
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
    /// Whether a trial keeps all limits in every scenario.
    #[must_use]
    pub fn is_kept(&self, trial: &Trial) -> bool {
        trial.scores.iter().all(|scores| self.limits.iter().all(|limit| limit.hold(scores).holds))
    }

    /// The best trial: of those that keep the limits the one with the least score; when none does, the one that
    /// comes nearest to the first limit that is not kept. Of equals, the first.
    #[must_use]
    pub fn best<'a>(&self, trials: &'a [Trial]) -> Option<&'a Trial> {
        let keyed = trials.iter().map(|trial| (self.key(trial), trial));
        keyed.min_by(|(a, _), (b, _)| compare(a, b)).map(|(_, trial)| trial)
    }

    /// How far each limit is broken at worst (0 when it is kept), then the score.
    fn key(&self, trial: &Trial) -> Vec<f64> {
        let worst = |limit: &Expectation| {
            let broken =
                trial.scores.iter().map(|scores| limit.hold(scores)).filter(|outcome| !outcome.holds);
            broken.map(|outcome| outcome.got.max(f64::MIN_POSITIVE)).fold(0.0, f64::max)
        };
        let score = |scores: &Scores| named(scores).find(|(name, _)| *name == self.score).map(|(_, got)| got);
        let sum: f64 = trial.scores.iter().filter_map(score).sum();
        self.limits.iter().map(worst).chain([sum]).collect()
    }
}

fn compare(a: &[f64], b: &[f64]) -> Ordering {
    let unequal = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|ordering| ordering.is_ne());
    unequal.unwrap_or(Ordering::Equal)
}
