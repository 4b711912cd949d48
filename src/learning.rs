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
mod worth;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use self::history::Day;
use self::segments::fit;
use self::worth::Saving;
use crate::simulation::rivals;
use crate::simulation::traffic::Traffic;

pub use self::week::{DaySet, Entry};

/// Fewer whole days than this show no pattern.
pub const FEWEST_DAYS: usize = 4;

/// A schedule that saves less than this part of the cost of one number is not worth its entries.
pub const WORTH: f64 = 0.05;

/// What another group of days must save in addition to be worth telling apart.
const WORTH_OF_GROUPS: f64 = 0.01;

/// The most replicas that a policy can have.
pub const MOST_REPLICAS: u32 = rivals::MOST_REPLICAS.unsigned_abs();

/// The most entries that a schedule may have.
const MOST_ENTRIES: usize = 64;

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
    /// The most replicas, when somebody says so; otherwise what a policy can have.
    pub max: Option<u32>,
}

impl Settings {
    /// How many minutes a step up comes ahead.
    fn lead_minutes(&self) -> u64 {
        u64::try_from(self.lead.as_millis().div_ceil(60_000)).unwrap_or(u64::MAX)
    }
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
    /// How many minutes a step up comes ahead.
    pub lead: u64,
    /// The first day and the last one that it was learned from.
    pub days: (civil::Date, civil::Date),
    /// Those of these days that were not learned from: each is far from all others, and they hide what these have in common.
    pub aside: Vec<civil::Date>,
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
    /// A slot needs more than a policy can have, and nobody has bounded it.
    #[error(
        "the busiest slot needs more than {MOST_REPLICAS} replicas, which are the most that a policy can have"
    )]
    TooBusy,
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
    /// There is a pattern, and capacity comes too late for it.
    #[error(
        "no pattern worth a schedule: what is needed has to be asked for {minutes} min ahead; on days that were left out \
         that would save {:.1} % of the cost of the best single number, which is {flat}, and {:.1} % if capacity came at once",
        100.0 * saving, 100.0 * at_once
    )]
    Late {
        /// Start-up and provisioning.
        minutes: u64,
        /// The part of the cost that the best schedule would save; below 0 when it costs more.
        saving: f64,
        /// What it would save without lead time.
        at_once: f64,
        /// The best single number.
        flat: u32,
    },
    /// The same days do as well when the hours of each are moved at random.
    #[error(
        "no pattern worth a schedule: on days that were left out it would save {:.1} % of the cost of the best single \
         number, which is {flat}; the same days, each moved by some hours at random, save as much ({:.1} %)",
        100.0 * saving, 100.0 * chance
    )]
    Chance {
        /// The part of the cost that the best schedule would save.
        saving: f64,
        /// What it saves of days whose hours were moved.
        chance: f64,
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
    let peak = days.iter().flat_map(|day| &day.needs).fold(0.0, |peak: f64, need| peak.max(*need));
    if settings.max.is_none() && peak > f64::from(MOST_REPLICAS) {
        return Err(Patternless::TooBusy);
    }
    let with = pattern(&days, settings);
    let (found, aside) = match beneath(&days, &with, settings) {
        Some((found, far)) => (found, far),
        None => (with?, Vec::new()),
    };
    let seen = days.iter().enumerate().filter(|(index, _)| !aside.contains(index));
    Ok(Learned {
        entries: found.entries,
        groups: found.groups,
        saving: found.saving.part,
        flat: found.flat,
        peak: segments::whole(peak, settings),
        lead: settings.lead_minutes(),
        days: (first.date, last.date),
        unseen: DaySet::without(seen.map(|(_, day)| day.weekday)),
        aside: aside.into_iter().map(|far| days[far].date).collect(),
        levels: found.levels,
        slot: settings.slot,
    })
}

/// What days have in common.
struct Pattern {
    groups: Vec<DaySet>,
    saving: Saving,
    flat: u32,
    levels: [Vec<u32>; 7],
    entries: Vec<Entry>,
    /// Whether a finer grouping would save more, and that is not sure.
    is_hidden: bool,
}

/// What the days have in common without those few that are far from all others, when that is more than with them; and their
/// places.
fn beneath(
    days: &[Day],
    with: &Result<Pattern, Patternless>,
    settings: &Settings,
) -> Option<(Pattern, Vec<usize>)> {
    let groups = match with {
        Ok(pattern) if !pattern.is_hidden => return None,
        // Chance is no matter of a few days.
        Err(Patternless::Chance { .. }) => return None,
        Ok(pattern) => pattern.groups.len(),
        Err(_) => 0,
    };
    let far = worth::far_off(days, settings);
    let others = days.iter().enumerate().filter(|(place, _)| !far.contains(place));
    let others: Vec<Day> = others.map(|(_, day)| day.clone()).collect();
    if far.is_empty() || others.len() < FEWEST_DAYS {
        return None;
    }
    let found = pattern(&others, settings).ok();
    let is_more = |found: &Pattern| found.groups.len() > groups && found.saving.is_sure_without_days();
    found.filter(is_more).map(|found| (found, far))
}

/// What the days have in common, if that is worth a schedule.
fn pattern(days: &[Day], settings: &Settings) -> Result<Pattern, Patternless> {
    let flat = segments::flat(days, settings);
    let (mut groups, mut is_hidden) = (GROUPINGS[0], false);
    let mut found = worth::saved(days, groups, settings);
    for grouping in GROUPINGS.into_iter().skip(1).filter(|grouping| are_known(grouping, days)) {
        let saved = worth::saved(days, grouping, settings);
        let is_finer = saved.part > found.part + WORTH_OF_GROUPS;
        let is_sure = saved.is_sure();
        is_hidden |= is_finer && !is_sure;
        if is_finer && is_sure && worth::chance_of_groups(days, grouping, groups, &saved, settings).is_none()
        {
            (groups, found) = (grouping, saved);
        }
    }
    if !found.is_sure() {
        return Err(not_worth(days, &found, flat, settings));
    }
    if groups.len() == 1
        && let Some(chance) = worth::chance_of_hours(days, &found, settings)
    {
        return Err(Patternless::Chance { saving: found.part, chance, flat });
    }
    // More entries than a schedule may have are too cheap.
    let mut thrifty = settings.clone();
    let (levels, entries) = loop {
        let levels = fit(days, groups, &thrifty).levels;
        let entries = week::entries(&levels, settings.slot, settings.lead_minutes());
        if entries.len() <= MOST_ENTRIES {
            break (levels, entries);
        }
        thrifty.entry = (2.0 * thrifty.entry).max(0.001);
    };
    if entries.len() == 1 {
        // One number saves nothing beside the best one.
        let none = Saving { part: found.part.min(0.0), ..found };
        return Err(not_worth(days, &none, flat, settings));
    }
    Ok(Pattern { groups: groups.to_vec(), saving: found, flat, levels, entries, is_hidden })
}

/// What takes the pattern away: lead time, if there is one without it, or that days are not alike.
fn not_worth(days: &[Day], found: &Saving, flat: u32, settings: &Settings) -> Patternless {
    let (minutes, Saving { part: saving, error }) = (settings.lead_minutes(), *found);
    let at_once = Settings { lead: Duration::ZERO, ..settings.clone() };
    let known = GROUPINGS.into_iter().filter(|grouping| minutes > 0 && are_known(grouping, days));
    // A grouping that saves as much with the lead time has another fault.
    let late = known.filter(|grouping| !worth::saved(days, grouping, settings).is_sure());
    let sure = late.map(|grouping| worth::saved(days, grouping, &at_once)).filter(Saving::is_sure);
    match sure.map(|saved| saved.part).max_by(f64::total_cmp) {
        Some(at_once) => Patternless::Late { minutes, saving, at_once, flat },
        None => Patternless::NotWorth { saving, error, flat },
    }
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
