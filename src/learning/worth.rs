//! What a schedule is worth, and whether that may be chance.
//!
//! The saving is measured on days that are left out in turn. Chance is measured on the same days with the pattern
//! taken out of them: a saving has to be more than that of each of them (a permutation test: Fisher, "The Design of
//! Experiments", 1935; by rotations, which leave what neighbours have in common: Chung and Fraser, "Randomization
//! tests for a multivariate two-sample problem", 1958).

use super::Settings;
use super::WORTH;
use super::history::Day;
use super::segments::{self, Fitted, fit};
use super::week::{DaySet, Had, ahead};
use crate::simulation::synthetic::{place, uniform};

/// A saving of fewer standard errors than this may be chance.
const SURE: f64 = 3.0;

/// The same where days were chosen that do not count.
const SURE_WITHOUT_DAYS: f64 = 4.0;

/// A day that costs so many times what any other does is far from all of them.
const FAR: f64 = 5.0;

/// The most days that are left aside since they are far from all others.
const MOST_ASIDE: usize = 3;

/// For each of them but the first there have to be so many days.
const DAYS_OF_ONE: usize = 10;

/// The days are left out in at most so many turns.
const FOLDS: usize = 5;

/// With fewer weeks than this, single days are left out.
const FEWEST_WEEKS: usize = 4;

/// How often chance is tried of each kind: of as many, the true days are the best once in twenty times by chance.
const TRIALS: usize = 19;

/// Where chance begins, so that it is the same each time.
const SEED: u64 = 1;

/// What days save whose hours mean nothing, when that is as much as `saving`: each is turned by a random time of day.
pub(super) fn chance_of_hours(days: &[Day], saving: &Saving, settings: &Settings) -> Option<f64> {
    let mut state = SEED;
    let mut trial = || {
        let turned = |day: &Day| {
            let mut day = day.clone();
            let by = below(day.needs.len(), &mut state);
            day.needs.rotate_left(by);
            day
        };
        saved(&days.iter().map(turned).collect::<Vec<_>>(), &[DaySet::ALL], settings).part
    };
    (0..=2 * TRIALS).map(|_| trial()).find(|part| *part >= saving.part)
}

/// What days save whose place in the week means nothing but which of `coarser` they are in, when that is as much as
/// `saving`. Half of the trials turn each week, so that days keep their neighbours; the other half shuffle all days.
pub(super) fn chance_of_groups(
    days: &[Day],
    groups: &[DaySet],
    coarser: &[DaySet],
    saving: &Saving,
    settings: &Settings,
) -> Option<f64> {
    let mut state = SEED;
    let week = weeks(days);
    let mut trial = |is_turn: bool| {
        // Whose needs each day takes over.
        let mut from: Vec<usize> = (0..days.len()).collect();
        for group in coarser {
            let all: Vec<usize> =
                (0..days.len()).filter(|index| group.contains(days[*index].weekday)).collect();
            if is_turn {
                for part in all.chunk_by(|a, b| week[*a] == week[*b]) {
                    let by = below(part.len(), &mut state);
                    (0..part.len()).for_each(|place| from[part[place]] = part[(place + by) % part.len()]);
                }
            } else {
                for last in (1..all.len()).rev() {
                    from.swap(all[last], all[below(last + 1, &mut state)]);
                }
            }
        }
        let moved = days.iter().zip(from);
        let moved: Vec<Day> =
            moved.map(|(day, from)| Day { needs: days[from].needs.clone(), ..*day }).collect();
        if moved == days { f64::NEG_INFINITY } else { saved(&moved, groups, settings).part }
    };
    (0..2 * TRIALS).map(|index| trial(index % 2 == 0)).find(|part| *part >= saving.part)
}

/// The places of the few days that are far from all others: with the number that is best for a day in the middle (which a
/// few days don't move) each costs several times what any other does. That has nothing to do with the hours at which it does,
/// nor with its day of the week, so that what is left may be chance as much as all of it, and not more.
pub(super) fn far_off(days: &[Day], settings: &Settings) -> Vec<usize> {
    let mut best: Vec<u32> =
        days.iter().map(|day| segments::flat(std::slice::from_ref(day), settings)).collect();
    best.sort_unstable();
    let usual = best.get(best.len() / 2).copied().unwrap_or_default();
    let cost = |day: &Day| segments::cost(day, |_| Had::always(usual), settings);
    let mut costs: Vec<(f64, usize)> = days.iter().map(cost).zip(0..).collect();
    costs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most = (days.len() / DAYS_OF_ONE).clamp(1, MOST_ASIDE);
    let are_far = |count: &usize| matches!(costs[count - 1..], [last, next, ..] if last.0 >= FAR * next.0);
    let count = (1..=most.min(costs.len())).rev().find(are_far).unwrap_or_default();
    let mut far: Vec<usize> = costs[..count].iter().map(|(_, place)| *place).collect();
    far.sort_unstable();
    far
}

/// A whole number below `end`, which is above 0.
fn below(end: usize, state: &mut u64) -> usize {
    place(uniform(state), end)
}

/// The week of each day, from 0 on.
fn weeks(days: &[Day]) -> Vec<usize> {
    let week =
        |day: &Day| day.date.duration_since(jiff::civil::date(1970, 1, 5)).as_hours().div_euclid(7 * 24);
    let first = days.first().map(week).unwrap_or_default();
    days.iter().map(|day| usize::try_from(week(day) - first).unwrap_or_default()).collect()
}

/// When the days of a history are left out. With enough weeks, whole weeks are: what drifts is much the same on days
/// that follow each other, and would look like a pattern if only some of them were left out. With fewer, days of one group
/// are, so that the rest always knows each group.
fn turns(days: &[Day], groups: &[DaySet]) -> Vec<usize> {
    let weeks = weeks(days);
    if weeks.last().is_some_and(|last| last + 1 >= FEWEST_WEEKS) {
        return weeks.iter().map(|week| week % FOLDS).collect();
    }
    let turn = |index: usize| {
        let group = groups.iter().find(|group| group.contains(days[index].weekday));
        let before =
            days[..index].iter().filter(|day| group.is_some_and(|group| group.contains(day.weekday)));
        before.count() % FOLDS
    };
    (0..days.len()).map(turn).collect()
}

/// The part of the cost of the best single number that a schedule saves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saving {
    pub(super) part: f64,
    /// The standard error of that.
    pub(super) error: f64,
}

impl Saving {
    /// Whether it is worth something, and more than its error.
    pub(super) fn is_sure(&self) -> bool {
        self.part >= WORTH.max(SURE * self.error)
    }

    /// The same where days were chosen that do not count.
    pub(super) fn is_sure_without_days(&self) -> bool {
        self.part >= WORTH.max(SURE_WITHOUT_DAYS * self.error)
    }
}

/// What a schedule saves on days that neither it nor the single number has seen, which are left out in turn. It is charged
/// for everybody's lead time.
pub(super) fn saved(days: &[Day], groups: &[DaySet], settings: &Settings) -> Saving {
    let turns = turns(days, groups);
    let mut costs: Vec<(f64, f64)> = Vec::new();
    for fold in 0..FOLDS {
        let part = |is_left_out: bool| -> Vec<Day> {
            let of = days.iter().zip(&turns).filter(|(_, turn)| (**turn == fold) == is_left_out);
            of.map(|(day, _)| day.clone()).collect()
        };
        let (known, left_out) = (part(false), part(true));
        let is_known = |group: &DaySet| known.iter().any(|day| group.contains(day.weekday));
        if left_out.is_empty() || !groups.iter().all(is_known) {
            continue;
        }
        let Fitted { flat, levels } = fit(&known, groups, settings);
        let week = ahead(&levels, settings.slot, settings.lead_minutes());
        let scheduled =
            left_out.iter().map(|day| segments::cost(day, |slot| week[day.weekday][slot], settings)).sum();
        let constant = left_out.iter().map(|day| segments::cost(day, |_| Had::always(flat), settings)).sum();
        costs.push((scheduled, constant));
    }
    saving(&costs)
}

/// The saving of these costs, those of a schedule and those of a single number, one pair for each turn:
///
/// ```text
/// part = 1 − Σ s / Σ c      error² = n/(n−1) Σ (s − (1 − part) c)² / (Σ c)²
/// ```
/// which is the standard error of a ratio (Cochran, "Sampling Techniques", 1977, 2.11).
pub(super) fn saving(costs: &[(f64, f64)]) -> Saving {
    let (scheduled, constant) =
        costs.iter().fold((0.0, 0.0), |(s, c), (scheduled, constant)| (s + scheduled, c + constant));
    if constant <= 0.0 {
        return Saving { part: 0.0, error: 0.0 };
    }
    let ratio = scheduled / constant;
    let squares: f64 = costs.iter().map(|(s, c)| (s - ratio * c) * (s - ratio * c)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a handful of turns")]
    let turns = costs.len() as f64;
    // Of a single turn nobody knows what chance had to do with it.
    let error = if turns > 1.0 { (turns / (turns - 1.0) * squares).sqrt() / constant } else { f64::INFINITY };
    Saving { part: 1.0 - ratio, error }
}
