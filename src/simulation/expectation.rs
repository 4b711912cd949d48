//! What a scenario expects of its scores: comparisons by name, such as `reversals: "<= 2"`.

use std::fmt;

use serde::Serialize;

use super::scores::Scores;

/// How a score is compared with a number. Longer signs come first: `<=` starts with `<`.
const SIGNS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

/// What one score should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    score: String,
    wanted: String,
    bounds: Vec<(Comparison, f64)>,
}

/// The scores that add up over time.
const SUMS: [&str; 10] = [
    "requests",
    "dropped_requests",
    "late_requests",
    "retried_requests",
    "unplaced_replica_hours",
    "node_hours",
    "cost",
    "replica_hours",
    "scale_events",
    "reversals",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Equal,
    AtLeast,
    Above,
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The tier behind that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The score, by its name in JSON.
    pub score: String,
    /// What it should be, as it is written.
    pub wanted: String,
    /// What it is.
    pub got: f64,
    /// Whether it is as it should be.
    pub holds: bool,
    #[serde(skip)]
    bounds: Vec<(Comparison, f64)>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tier) = &self.tier {
            write!(f, "{tier}: ")?;
        }
        write!(f, "{} should be {} and is {}", self.score, self.wanted, self.shown())
    }
}

impl Outcome {
    /// What the score is in thousandths, or finer where these would look as if it were on the other side of a bound.
    fn shown(&self) -> f64 {
        let rounded = |digits: usize| format!("{:.digits$}", self.got).parse::<f64>().unwrap_or(self.got);
        (3..10)
            .map(rounded)
            .find(|rounded| are_kept(&self.bounds, *rounded) == self.holds)
            .unwrap_or(self.got)
    }
}

impl Expectation {
    /// Reads one or several comparisons that are joined by `and`.
    ///
    /// # Errors
    /// What is wrong with the name or the text, for people.
    pub fn parse(score: &str, wanted: &str) -> Result<Self, String> {
        let known: Vec<String> =
            named(&Scores { cost: Some(0.0), ..Scores::default() }).map(|(name, _)| name).collect();
        if !known.iter().any(|name| name == score) {
            return Err(format!("no score has this name; there are {}", known.join(", ")));
        }
        let bounds = wanted.split(" and ").map(comparison).collect::<Option<_>>().ok_or_else(|| {
            format!(
                "{wanted:?} is not a comparison: one of <, <=, ==, >= or > and a number, such as \"<= 2\", or \
                 several, such as \">= 2 and < 4\""
            )
        })?;
        Ok(Self { score: score.to_owned(), wanted: wanted.to_owned(), bounds })
    }

    /// The score that it is about, by its name in JSON.
    pub(crate) fn score(&self) -> &str {
        &self.score
    }

    /// The same for a part of the time: what adds up over time may come to that part of it. Shares and peaks stay as they
    /// are.
    #[must_use]
    pub(crate) fn of_part(&self, share: f64) -> Self {
        let mut part = self.clone();
        if SUMS.contains(&part.score.as_str()) {
            part.bounds.iter_mut().for_each(|(_, bound)| *bound *= share);
        }
        part
    }

    /// Compares it with what came out.
    #[must_use]
    pub fn hold(&self, scores: &Scores) -> Outcome {
        let got = named(scores).find(|(name, _)| *name == self.score).map_or(f64::NAN, |(_, score)| score);
        let Self { score, wanted, bounds } = self.clone();
        let holds = are_kept(&bounds, got);
        Outcome { tier: None, score, wanted, got, holds, bounds }
    }
}

fn are_kept(bounds: &[(Comparison, f64)], score: f64) -> bool {
    bounds.iter().all(|(comparison, bound)| comparison.holds(score, *bound))
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "whoever writes == means it: counts are whole")]
    fn holds(self, got: f64, bound: f64) -> bool {
        match self {
            Self::Below => got < bound,
            Self::AtMost => got <= bound,
            Self::Equal => got == bound,
            Self::AtLeast => got >= bound,
            Self::Above => got > bound,
        }
    }
}

fn comparison(text: &str) -> Option<(Comparison, f64)> {
    let text = text.trim();
    let (rest, comparison) =
        SIGNS.iter().find_map(|(sign, comparison)| Some((text.strip_prefix(sign)?, *comparison)))?;
    let bound = rest.trim().parse::<f64>().ok().filter(|bound| bound.is_finite())?;
    Some((comparison, bound))
}

/// All scores by their names in JSON.
pub fn named(scores: &Scores) -> impl Iterator<Item = (String, f64)> + use<> {
    let object = match serde_json::to_value(scores) {
        Ok(serde_json::Value::Object(object)) => object,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    object.into_iter().filter_map(|(name, score)| Some((name, score.as_f64()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sum_is_a_score() {
        for name in SUMS {
            assert_eq!(Expectation::parse(name, "< 1").err(), None);
        }
    }

    fn holds(wanted: &str, reversals: u64) -> bool {
        let mut scores = Scores::default();
        scores.elasticity.reversals = reversals;
        Expectation::parse("reversals", wanted).expect("a comparison").hold(&scores).holds
    }

    #[test]
    fn a_score_is_compared_as_it_is_written() {
        for (wanted, from_one_to_three) in [
            ("< 2", [true, false, false]),
            ("<= 2", [true, true, false]),
            ("== 2", [false, true, false]),
            (">=2", [false, true, true]),
            ("> 2.0", [false, false, true]),
            (">= 2 and < 3", [false, true, false]),
        ] {
            assert_eq!([1, 2, 3].map(|reversals| holds(wanted, reversals)), from_one_to_three, "{wanted}");
        }
    }

    #[test]
    fn an_unknown_score_and_what_is_no_comparison_are_refused() {
        let unknown = Expectation::parse("droppedPercent", "< 1").expect_err("unknown");
        assert!(unknown.contains("dropped_percent, "), "{unknown}");
        for wanted in ["", "2", "= 2", "<", "< many", "< inf", "< NaN", "=< 2", "< 2 or > 3", "< 2 and"] {
            let error = Expectation::parse("reversals", wanted).expect_err(wanted);
            assert!(error.starts_with(&format!("{wanted:?} is not a comparison")), "{error}");
        }
    }

    #[test]
    fn what_is_broken_says_what_was_wanted_and_what_came() {
        let mut scores = Scores::default();
        scores.elasticity.reversals = 3;
        let outcome = Expectation::parse("reversals", "<= 2").expect("a comparison").hold(&scores);
        assert_eq!(outcome.to_string(), "reversals should be <= 2 and is 3");
        for (amount, shown) in [
            (2.212_793_830_5, "2.213"),
            (2.000_04, "2.00004"),
            (1e-12, "0"),
            (1e21, "1000000000000000000000"),
        ] {
            let scores = Scores { dropped_requests: amount, ..Scores::default() };
            let outcome = Expectation::parse("dropped_requests", "<= 2").expect("a comparison").hold(&scores);
            assert_eq!(outcome.to_string(), format!("dropped_requests should be <= 2 and is {shown}"));
        }
    }
}
