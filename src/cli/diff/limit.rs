//! What must hold of a change: a comparison of the new policy's score with a number, or with the old one's.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::simulation::expectation::Expectation;
use crate::simulation::scores::Scores;

/// Where the comparison begins in a limit.
const SIGNS: [char; 3] = ['<', '>', '='];

/// A limit, such as `replica_hours <= +10%`.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    score: String,
    /// The comparison, without its number.
    sign: String,
    bound: Bound,
    /// As it was written.
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    Absolute(f64),
    /// So much more than before.
    More(f64),
    /// So many hundredths of what was before, on top of it.
    Percent(f64),
}

/// What became of a limit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    /// The limit, as it was written.
    limit: String,
    before: f64,
    after: f64,
    pub(super) holds: bool,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds { "holds" } else { "does not hold" };
        // Without what adding up binary fractions leaves behind.
        let number = |score: f64| (score * 1e6).round() / 1e6;
        write!(f, "{} {verdict}: {} before, {} after", self.limit, number(self.before), number(self.after))
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a limit: a score, one of <, <=, ==, >= or >, and a number, such as \
                 'late_percent <= 0.1', 'reversals <= +0' or 'replica_hours <= +10%'"
            )
        };
        let place = text.find(SIGNS).ok_or_else(wrong)?;
        let (score, rest) = (text[..place].trim(), &text[place..]);
        let number = rest.trim_start_matches(SIGNS);
        let sign = rest[..rest.len() - number.len()].to_owned();
        let number = number.trim();
        let is_change = number.starts_with(['+', '-']);
        let bound = match number.strip_suffix('%').map(str::trim_end) {
            Some(percent) if is_change => percent.parse().map(Bound::Percent),
            Some(_) => return Err(format!("{text:?}: a share needs a sign, such as +10%")),
            None if is_change => number.parse().map(Bound::More),
            None => number.parse().map(Bound::Absolute),
        };
        let bound = bound.map_err(|_| wrong())?;
        Expectation::parse(score, &format!("{sign} {}", bound.of(1.0)))?;
        Ok(Self { score: score.to_owned(), sign, bound, text: text.trim().to_owned() })
    }
}

impl Bound {
    /// The number to compare with, when the score was `before`.
    fn of(self, before: f64) -> f64 {
        match self {
            Self::Absolute(bound) => bound,
            Self::More(more) => before + more,
            Self::Percent(percent) => before * (1.0 + percent / 100.0),
        }
    }
}

impl Limit {
    /// The score that it is about.
    pub(super) fn score(&self) -> &str {
        &self.score
    }

    /// Compares the scores of both policies.
    pub(super) fn hold(&self, old: &Scores, new: &Scores) -> Outcome {
        // Only the number is of interest.
        let before = Expectation::parse(&self.score, "== 0").map_or(f64::NAN, |any| any.hold(old).got);
        let wanted = format!("{} {}", self.sign, self.bound.of(before));
        let outcome = Expectation::parse(&self.score, &wanted).map(|expectation| expectation.hold(new));
        let (after, holds) = outcome.map_or((f64::NAN, false), |outcome| (outcome.got, outcome.holds));
        Outcome { limit: self.text.clone(), before, after, holds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_of_the_new_score_or_of_its_change() {
        let scores = |reversals| {
            let mut scores = Scores::default();
            scores.elasticity.reversals = reversals;
            scores
        };
        for (text, before, after, holds) in [
            ("reversals <= 2", 9, 2, true),
            ("reversals<=2", 0, 3, false),
            ("reversals <= +0", 3, 3, true),
            ("reversals <= +0", 3, 4, false),
            ("reversals <= +50%", 4, 6, true),
            ("reversals <= +50%", 4, 7, false),
            ("reversals < -1", 4, 2, true),
            ("reversals < -1", 4, 3, false),
            ("reversals == 4", 0, 4, true),
        ] {
            let limit: Limit = text.parse().expect(text);
            assert_eq!(limit.hold(&scores(before), &scores(after)).holds, holds, "{text} {before} {after}");
        }
        for text in
            ["", "reversals", "reversals <=", "reversal <= 2", "reversals <= 10%", "reversals => 1", "<= 1"]
        {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
