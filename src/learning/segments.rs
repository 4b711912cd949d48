//! The cheapest levels for days that are alike.
//!
//! A level `L` in a slot of `h` hours that needs `d` replicas costs `h · (L + shortage · max(0, d − L))` replica
//! hours, and each stretch of one level costs an entry. The least sum over all ways to cut a day is found by dynamic
//! programming over the slots (optimal segmentation: Bellman, "On the approximation of curves by line segments using
//! dynamic programming", 1961). Where every day is alike, midnight is no boundary.

use super::history::Day;
use super::week::{DaySet, Had};
use super::{MOST_REPLICAS, Settings};

/// The most levels that are tried.
const MOST_LEVELS: usize = 96;

/// Replicas that are enough for a need, within the bounds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
pub(super) fn whole(need: f64, settings: &Settings) -> u32 {
    (need.ceil() as u32).clamp(settings.min, settings.max.unwrap_or(MOST_REPLICAS).max(settings.min))
}

/// What a day costs by what its slots have, in replica hours.
pub(super) fn cost(day: &Day, had: impl Fn(usize) -> Had, settings: &Settings) -> f64 {
    let needs = day.needs.iter().enumerate().filter(|(_, need)| !need.is_nan());
    needs.map(|(slot, need)| of_slot(*need, had(slot), settings)).sum()
}

fn of_slot(need: f64, had: Had, settings: &Settings) -> f64 {
    let missing = (need - f64::from(had.ready)).max(0.0);
    f64::from(settings.slot) / 60.0 * (had.asked + settings.shortage * missing)
}

/// What costs least on some days.
pub(super) struct Fitted {
    /// The best single number.
    pub(super) flat: u32,
    /// The levels of each slot of each day of the week, from Monday on.
    pub(super) levels: [Vec<u32>; 7],
}

/// The single number and the levels with the least cost on `days`.
pub(super) fn fit(days: &[Day], groups: &[DaySet], settings: &Settings) -> Fitted {
    let all = Table::new(days, DaySet::ALL, settings);
    let (cost, flat) = all.flat(settings);
    let entry = settings.entry * cost;
    let mut week: [Vec<u32>; 7] = Default::default();
    for group in groups {
        let levels = if *group == DaySet::ALL {
            all.around(entry)
        } else {
            Table::new(days, *group, settings).along(entry)
        };
        for (weekday, of_day) in week.iter_mut().enumerate() {
            if group.contains(weekday) {
                of_day.clone_from(&levels);
            }
        }
    }
    Fitted { flat, levels: week }
}

/// The best single number for days, by the mean of the days of each weekday.
pub(super) fn flat(days: &[Day], settings: &Settings) -> u32 {
    Table::new(days, DaySet::ALL, settings).flat(settings).1
}

/// What each stretch of a day costs at each level, in replica hours of a week.
struct Table {
    slots: usize,
    levels: Vec<u32>,
    /// The cost of all slots before, for two days in a row, by slot and level.
    before: Vec<f64>,
}

impl Table {
    /// Of the days in `group`, with every weekday counting the same.
    fn new(days: &[Day], group: DaySet, settings: &Settings) -> Self {
        let days: Vec<&Day> = days.iter().filter(|day| group.contains(day.weekday)).collect();
        let slots = usize::from(1440 / settings.slot.max(1));
        let levels = levels(&days, settings);
        let weight = |weekday: usize| {
            let count = days.iter().filter(|day| day.weekday == weekday).count();
            1.0 / f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX))
        };
        let weights: Vec<f64> = (0..7).map(weight).collect();
        let width = levels.len();
        let mut before = vec![0.0; (2 * slots + 1) * width];
        for slot in 0..2 * slots {
            for (index, level) in levels.iter().enumerate() {
                let needs = days.iter().map(|day| (day.needs[slot % slots], weights[day.weekday]));
                let needs = needs.filter(|(need, _)| !need.is_nan());
                let costs = needs.map(|(need, weight)| weight * of_slot(need, Had::always(*level), settings));
                before[(slot + 1) * width + index] = before[slot * width + index] + costs.sum::<f64>();
            }
        }
        Self { slots, levels, before }
    }

    /// The best single number, and what it costs.
    fn flat(&self, settings: &Settings) -> (f64, u32) {
        self.best(0, self.slots).map_or((0.0, settings.min), |(cost, level)| (cost, self.levels[level]))
    }

    /// The cheapest level from one slot to another, and its cost.
    fn best(&self, from: usize, to: usize) -> Option<(f64, usize)> {
        let width = self.levels.len();
        let (first, last) = (&self.before[from * width..][..width], &self.before[to * width..][..width]);
        let costs = last.iter().zip(first).map(|(last, first)| last - first).enumerate();
        costs.fold(None, |best: Option<(f64, usize)>, (level, cost)| match best {
            Some(best) if cost >= best.0 => Some(best),
            _ => Some((cost, level)),
        })
    }

    /// The cheapest levels of a day that begins and ends at midnight.
    fn along(&self, entry: f64) -> Vec<u32> {
        self.cut(&self.stretches(self.slots), entry, 0).1
    }

    /// The same of the best beginning: the days go on at midnight.
    fn around(&self, entry: f64) -> Vec<u32> {
        let stretches = self.stretches(2 * self.slots);
        let cuts = (0..self.slots).map(|first| self.cut(&stretches, entry, first));
        cuts.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, levels)| levels).unwrap_or_default()
    }

    /// The best level of each stretch that ends before `end`, by where it begins and how long it is.
    fn stretches(&self, end: usize) -> Vec<(f64, usize)> {
        let from = (0..self.slots).flat_map(|from| (1..=self.slots).map(move |length| (from, from + length)));
        let best = |(from, to)| if to <= end { self.best(from, to) } else { None };
        from.map(|stretch| best(stretch).unwrap_or_default()).collect()
    }

    /// The cheapest levels of a day that begins at slot `first` and ends where it began, and what they cost.
    fn cut(&self, stretches: &[(f64, usize)], entry: f64, first: usize) -> (f64, Vec<u32>) {
        let stretch =
            |from: usize, to: usize| stretches[(first + from) % self.slots * self.slots + to - from - 1];
        // The least cost of all before a slot, and where its last stretch begins.
        let mut best = vec![(0.0, 0)];
        for to in 1..=self.slots {
            let ways = (0..to).map(|from| (best[from].0 + stretch(from, to).0 + entry, from));
            best.push(ways.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default());
        }
        let mut levels = vec![0; self.slots];
        let mut to = self.slots;
        while to > 0 {
            let from = best[to].1;
            let level = self.levels.get(stretch(from, to).1).copied().unwrap_or_default();
            for slot in from..to {
                levels[(first + slot) % self.slots] = level;
            }
            to = from;
        }
        (best[self.slots].0, levels)
    }
}

/// The levels that are worth trying: those that some slot needed, evenly thinned out when they are many.
fn levels(days: &[&Day], settings: &Settings) -> Vec<u32> {
    let needs = days.iter().flat_map(|day| &day.needs).filter(|need| !need.is_nan());
    let mut levels: Vec<u32> = needs.map(|need| whole(*need, settings)).collect();
    levels.push(settings.min);
    levels.sort_unstable();
    levels.dedup();
    if levels.len() <= MOST_LEVELS {
        return levels;
    }
    let last = levels.len() - 1;
    let mut thin: Vec<u32> = (0..MOST_LEVELS).map(|index| levels[index * last / (MOST_LEVELS - 1)]).collect();
    thin.dedup();
    thin
}
