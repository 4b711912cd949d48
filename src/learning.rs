//! From a history of demand to a schedule.
//!
//! Days are cut into slots of the same length on the local clock, and the days of the week into groups that are
//! alike. Each group gets the levels that cost least on its days (`segments`), and the week that comes of it, with
//! everybody's lead time, is written down in as few entries as say it (`week`). How much it is worth is measured on
//! days that are left out in turn. docs/learning.md has the formulas and where they come from.

mod history;
mod segments;
#[cfg(test)]
mod tests;
mod week;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use self::history::Day;
use self::segments::fit;
use crate::simulation::traffic::Traffic;

pub use self::week::{DaySet, Entry};

/// Fewer whole days than this show no pattern.
pub const FEWEST_DAYS: usize = 4;

/// A schedule that saves less than this part of the cost of one number is not worth its entries.
pub const WORTH: f64 = 0.05;

/// A saving of fewer standard errors than this may be chance.
const SURE: f64 = 3.0;

/// What another group of days must save in addition to be worth telling apart.
const WORTH_OF_GROUPS: f64 = 0.01;

/// The most entries that a schedule may have.
const MOST_ENTRIES: usize = 64;

/// The days are left out in at most so many turns.
const FOLDS: usize = 5;

/// With fewer weeks than this, single days are left out.
const FEWEST_WEEKS: usize = 4;

/// How the days of a week may be alike, the simplest first: every day, working days and the weekend, each its own.
const GROUPINGS: [&[DaySet]; 3] = [&[DaySet::ALL], &[DaySet::WORKING, DaySet::WEEKEND], &DaySet::EACH];

/// What a schedule is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the clock hangs that people live by.
    pub zone: TimeZone,
    /// What one replica should carry, in requests per second; above 0.
    pub target: f64,
    /// The length of a slot in minutes; divides a day.
    pub slot: u16,
    /// How long before it is needed capacity has to be asked for: start-up and provisioning. At most a day.
    pub lead: Duration,
    /// What a missing replica hour costs, in replica hours; above 0. The level of a slot is the quantile
    /// `shortage / (1 + shortage)` of what it needed.
    pub shortage: f64,
    /// What an entry costs, as a part of what the best single number costs.
    pub entry: f64,
    /// The fewest replicas.
    pub min: u32,
    /// The most replicas.
    pub max: u32,
}

/// A schedule out of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Its steps, by the days and the time at which they fire.
    pub entries: Vec<Entry>,
    /// The groups of days that are told apart.
    pub groups: Vec<DaySet>,
    /// The part of the cost that it saves beside the best single number, on days that were left out.
    pub saving: f64,
    /// The best single number.
    pub flat: u32,
    /// The most replicas that a slot needed.
    pub peak: u32,
    /// The first day and the last one that it was learned from.
    pub days: (civil::Date, civil::Date),
    /// The days of the week that were not among them, and are taken to be like the others.
    pub unseen: DaySet,
    levels: [Vec<u32>; 7],
    slot: u16,
}

/// Why there is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Patternless {
    /// Too few whole days.
    #[error(
        "there are {0} whole days to learn from, and {FEWEST_DAYS} are the fewest that can show a pattern"
    )]
    TooShort(usize),
    /// Days are not alike, or always the same.
    #[error(
        "no pattern worth a schedule: on days that were left out it would save {:.1} % (standard error {:.1} %) of the cost \
         of the best single number, which is {flat}; {:.0} % and three times that error are the least",
        100.0 * saving, 100.0 * error, 100.0 * WORTH
    )]
    NotWorth {
        /// The part of the cost that the best schedule would save.
        saving: f64,
        /// The standard error of that.
        error: f64,
        /// The best single number.
        flat: u32,
    },
}

/// Where the part that is not learned from begins: the last week, or the last quarter of the whole local days when
/// there are less than three weeks. `None` when there are too few.
#[must_use]
pub fn hold_out(from: Timestamp, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let dates = history::dates(from, until, zone);
    let held = if dates.len() >= 21 { 7 } else { dates.len().div_ceil(4) };
    let first = dates.len().checked_sub(held)?;
    let first = dates.get(first).filter(|_| first >= FEWEST_DAYS)?;
    first.to_zoned(zone.clone()).ok().map(|start| start.timestamp())
}

/// Learns from `[from, until)` of the demand, and looks at nothing else of it.
///
/// # Errors
/// When there is no pattern.
pub fn learn(
    traffic: &Traffic,
    from: Timestamp,
    until: Timestamp,
    settings: &Settings,
) -> Result<Learned, Patternless> {
    let days = history::days(traffic, from, until, settings);
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Err(Patternless::TooShort(0));
    };
    if days.len() < FEWEST_DAYS {
        return Err(Patternless::TooShort(days.len()));
    }
    let flat = segments::flat(&days, settings);
    let mut groups = GROUPINGS[0];
    let Saving { part: mut saving, mut error } = saved(&days, groups, settings);
    for grouping in GROUPINGS.into_iter().skip(1).filter(|grouping| are_known(grouping, &days)) {
        let saved = saved(&days, grouping, settings);
        if saved.part > saving + WORTH_OF_GROUPS {
            (groups, saving, error) = (grouping, saved.part, saved.error);
        }
    }
    if saving < WORTH.max(SURE * error) {
        return Err(Patternless::NotWorth { saving, error, flat });
    }
    let lead = settings.lead.as_secs().div_ceil(60);
    // More entries than a schedule may have are too cheap.
    let mut thrifty = settings.clone();
    let (levels, entries) = loop {
        let levels = fit(&days, groups, &thrifty);
        let entries = week::entries(&levels, settings.slot, lead);
        if entries.len() <= MOST_ENTRIES {
            break (levels, entries);
        }
        thrifty.entry = (2.0 * thrifty.entry).max(0.001);
    };
    let peak = days.iter().flat_map(|day| &day.needs).fold(0.0, |peak: f64, need| peak.max(*need));
    Ok(Learned {
        entries,
        groups: groups.to_vec(),
        saving,
        flat,
        peak: segments::whole(peak, settings),
        days: (first.date, last.date),
        unseen: DaySet::without(days.iter().map(|day| day.weekday)),
        levels,
        slot: settings.slot,
    })
}

impl Learned {
    /// What the schedule has at a local time, without lead time.
    #[must_use]
    pub fn level(&self, at: civil::DateTime) -> u32 {
        let minute = u16::try_from(i32::from(at.hour()) * 60 + i32::from(at.minute())).unwrap_or(0);
        let day = &self.levels[history::weekday(at.date())];
        day.get(usize::from(minute / self.slot.max(1))).copied().unwrap_or(self.flat)
    }
}

/// Whether there are days enough to tell groups apart: two of each, and three where each day is its own.
fn are_known(groups: &[DaySet], days: &[Day]) -> bool {
    let fewest = match groups.len() {
        1 => FEWEST_DAYS,
        2 => 2,
        _ => 3,
    };
    groups.iter().all(|group| days.iter().filter(|day| group.contains(day.weekday)).count() >= fewest)
}

/// When the days of a history are left out. With enough weeks, whole weeks are: what drifts is much the same on days
/// that follow each other, and would look like a pattern if only some of them were left out. With fewer, days of one group
/// are, so that the rest always knows each group.
fn turns(days: &[Day], groups: &[DaySet]) -> Vec<usize> {
    let week =
        |day: &Day| day.date.duration_since(jiff::civil::date(1970, 1, 5)).as_hours().div_euclid(7 * 24);
    let first = days.first().map(week).unwrap_or_default();
    let weeks: Vec<usize> =
        days.iter().map(|day| usize::try_from(week(day) - first).unwrap_or_default()).collect();
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
struct Saving {
    part: f64,
    /// The standard error of that.
    error: f64,
}

/// What a schedule saves on days that neither it nor the single number has seen, which are left out in turn.
fn saved(days: &[Day], groups: &[DaySet], settings: &Settings) -> Saving {
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
        let flat = segments::flat(&known, settings);
        let levels = fit(&known, groups, settings);
        let scheduled =
            left_out.iter().map(|day| segments::cost(day, |slot| levels[day.weekday][slot], settings)).sum();
        let constant = left_out.iter().map(|day| segments::cost(day, |_| flat, settings)).sum();
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
fn saving(costs: &[(f64, f64)]) -> Saving {
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
