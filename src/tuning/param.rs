//! What is searched: a field of the policy and the numbers to try, such as
//! `damping.scaleDown.stabilizationWindowSeconds=0..900/60`.

use std::collections::BTreeSet;

use crate::simulation::synthetic::{self, uniform};

/// In a path, every item of a list.
pub(super) const ALL: &str = "[*]";

/// The most candidates of a grid.
const MOST: usize = 100_000;

/// Into how many steps a range without a step is divided.
const STEPS: u32 = 10;

/// A field of a policy, and the numbers to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The field's path below `spec`.
    pub path: String,
    /// The numbers, rising: all that there are, or the ends of the range and some in between.
    pub values: Vec<f64>,
    /// Whether numbers between these will do as well, whole ones when the first and the last one are.
    is_open: bool,
    range: (f64, f64),
}

impl Param {
    /// Reads `PATH=LOW..HIGH` or `PATH=LOW..HIGH/STEP`. Without a step it is eleven numbers from end to end, or fewer
    /// where there are not as many whole ones between whole ends.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "{text:?} is not PATH=LOW..HIGH or PATH=LOW..HIGH/STEP, such as \
                 damping.scaleDown.stabilizationWindowSeconds=0..900/60"
            )
        };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let (path, range) = text.split_once('=').ok_or_else(form)?;
        let (low, rest) = range.split_once("..").ok_or_else(form)?;
        let (high, step) = rest.split_once('/').map_or((rest, None), |(high, step)| (high, Some(step)));
        let (low, high) = (number(low).ok_or_else(form)?, number(high).ok_or_else(form)?);
        let step = step.map(|step| number(step).ok_or_else(form)).transpose()?;
        if path.trim().is_empty() {
            return Err(form());
        }
        if low > high {
            return Err(format!("{text:?}: the range ends at {high}, before {low}, where it starts"));
        }
        let path = path.trim().trim_start_matches("spec.").to_owned();
        let range = (low, high);
        let Some(step) = step else {
            return Ok(Self { path, values: spread(low, high), is_open: true, range });
        };
        if step < 0.0 || (step == 0.0 && low < high) {
            return Err(format!("{text:?}: the step must be above 0"));
        }
        if step > high - low && low < high {
            return Err(format!(
                "{text:?}: the step is longer than the range, so that nothing but {low} would be tried; {} at most",
                round(high - low)
            ));
        }
        let mut values = Vec::new();
        for index in 0..=u32::MAX {
            let value = round(low + f64::from(index) * step);
            if value > high || values.last() == Some(&value) {
                break;
            }
            if values.len() == MOST {
                return Err(format!("{text:?}: more than {MOST} numbers; lengthen the step"));
            }
            values.push(value);
        }
        Ok(Self { path, values, is_open: false, range })
    }

    /// Whether its numbers are factors of what is written.
    #[must_use]
    pub fn is_factor(&self) -> bool {
        self.path.contains(ALL)
    }

    /// A difference of two numbers as a part of the range, whatever its sign.
    pub(super) fn part(&self, difference: f64) -> f64 {
        let (low, high) = self.range;
        difference.abs() / (high - low).max(f64::MIN_POSITIVE)
    }

    /// The number that lies at `place` of the range, which is from 0 up to, but not including, 1.
    fn at(&self, place: f64) -> f64 {
        let (low, high) = self.range;
        if !self.is_open {
            return self.values.get(synthetic::place(place, self.values.len())).copied().unwrap_or(low);
        }
        if is_whole(low, high) {
            low + (place * (high - low + 1.0)).floor()
        } else {
            round(low + place * (high - low))
        }
    }
}

/// Whether a range has whole ends, so that what is in between is whole, too.
fn is_whole(low: f64, high: f64) -> bool {
    low.fract() == 0.0 && high.fract() == 0.0
}

/// Numbers from one end of a range to the other, whole ones between whole ends.
fn spread(low: f64, high: f64) -> Vec<f64> {
    let number = |step: u32| {
        let number = low + (high - low) * f64::from(step) / f64::from(STEPS);
        if is_whole(low, high) { number.round() } else { round(number) }
    };
    let mut values: Vec<f64> = (0..=STEPS).map(number).collect();
    values.dedup();
    values
}

/// Without what adding up binary fractions leaves behind.
fn round(value: f64) -> f64 {
    format!("{value:.9}").parse().unwrap_or(value)
}

/// Every combination of the numbers of all parameters, the last parameter's changing fastest.
///
/// # Errors
/// When there are too many.
pub fn grid(params: &[Param]) -> Result<Vec<Vec<f64>>, String> {
    let count = params.iter().try_fold(1_usize, |count, param| count.checked_mul(param.values.len()));
    if count.is_none_or(|count| count > MOST) {
        return Err(format!("more than {MOST} combinations; lengthen the steps"));
    }
    let mut all = vec![Vec::new()];
    for param in params {
        let extended = |start: &Vec<f64>| -> Vec<Vec<f64>> {
            param.values.iter().map(|value| [start.as_slice(), &[*value]].concat()).collect()
        };
        all = all.iter().flat_map(extended).collect();
    }
    Ok(all)
}

/// So many combinations, each drawn evenly from all that there are and none twice; fewer where it is hard to find
/// another one. The same for the same seed.
#[must_use]
pub fn drawn(params: &[Param], count: usize, seed: u64) -> Vec<Vec<f64>> {
    /// How often in a row a combination may be one that is known.
    const PATIENCE: usize = 1000;
    let (mut state, mut failures) = (seed, 0);
    let (mut all, mut known) = (Vec::new(), BTreeSet::new());
    while all.len() < count.min(MOST) && failures < PATIENCE {
        let values: Vec<f64> = params.iter().map(|param| param.at(uniform(&mut state))).collect();
        if known.insert(values.iter().map(|value| value.to_bits()).collect::<Vec<_>>()) {
            all.push(values);
            failures = 0;
        } else {
            failures += 1;
        }
    }
    all
}
