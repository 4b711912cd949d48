//! A week of levels as entries of a schedule.

use std::collections::BTreeMap;
use std::fmt;

/// Minutes of a day.
const DAY: usize = 1440;

/// Minutes of a week.
const WEEK: usize = 7 * DAY;

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DaySet(u8);

impl DaySet {
    pub(super) const ALL: Self = Self(0b111_1111);
    pub(super) const WORKING: Self = Self(0b001_1111);
    pub(super) const WEEKEND: Self = Self(0b110_0000);
    pub(super) const EACH: [Self; 7] =
        [Self(1), Self(1 << 1), Self(1 << 2), Self(1 << 3), Self(1 << 4), Self(1 << 5), Self(1 << 6)];

    /// All but the days with these numbers, from 0 for Monday.
    pub(super) fn without(days: impl Iterator<Item = usize>) -> Self {
        Self(days.fold(Self::ALL.0, |left, day| left & !(1 << day)))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the day with this number is one of them, from 0 for Monday.
    #[must_use]
    pub fn contains(self, weekday: usize) -> bool {
        self.0 >> weekday & 1 == 1
    }

    /// The field of a cron expression.
    #[must_use]
    pub fn cron(self) -> String {
        if self == Self::ALL { "*".to_owned() } else { self.ranges(",") }
    }

    /// Days that follow each other as a range, all others one by one.
    fn ranges(self, separator: &str) -> String {
        let mut parts = Vec::new();
        let mut day = 0;
        while day < 7 {
            let end = (day..7).find(|next| !self.contains(*next)).unwrap_or(7);
            match end - day {
                0 => {}
                1 => parts.push(NAMES[day].to_owned()),
                2 => parts.extend([NAMES[day].to_owned(), NAMES[day + 1].to_owned()]),
                _ => parts.push(format!("{}-{}", NAMES[day], NAMES[end - 1])),
            }
            day = end.max(day + 1);
        }
        parts.join(separator)
    }
}

impl fmt::Display for DaySet {
    /// As part of an entry's name.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => formatter.write_str("daily"),
            Self::WORKING => formatter.write_str("weekdays"),
            Self::WEEKEND => formatter.write_str("weekend"),
            other => formatter.write_str(&other.ranges("-")),
        }
    }
}

/// A step: from then on, so many replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The minute of the local day at which it fires.
    pub minute: u16,
    /// On which days.
    pub days: DaySet,
    /// How many.
    pub replicas: u32,
}

impl Entry {
    /// Its name, which no other entry of the schedule has.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{:02}{:02}", self.days, self.minute / 60, self.minute % 60)
    }

    /// When it fires.
    #[must_use]
    pub fn cron(&self) -> String {
        format!("{} {} * * {}", self.minute % 60, self.minute / 60, self.days.cron())
    }
}

/// What a slot has when more comes ahead of need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Had {
    /// Replicas that are asked for, and paid, on average.
    pub(super) asked: f64,
    /// Replicas that are ready.
    pub(super) ready: u32,
}

impl Had {
    /// Where nothing changes.
    pub(super) fn always(replicas: u32) -> Self {
        Self { asked: f64::from(replicas), ready: replicas }
    }
}

/// What the slots of a week have that is given as levels of slots of so many minutes, when more comes `lead` minutes
/// before it is needed. A dip that is as short as that is bridged, and what bridges it is ready.
pub(super) fn ahead(levels: &[Vec<u32>; 7], slot: u16, lead: u64) -> [Vec<Had>; 7] {
    let week: Vec<u32> = levels.iter().flatten().copied().collect();
    let (slot, lead) = (u64::from(slot.max(1)), lead.min(1440));
    let whole = usize::try_from(lead / slot).unwrap_or(DAY);
    let [rest, slot] =
        [lead % slot, slot].map(|minutes| f64::from(u16::try_from(minutes).unwrap_or(u16::MAX)));
    let at = |slot: usize| week[slot % week.len()];
    let most = |first: usize| (first..=first + whole).map(at).max().unwrap_or_default();
    let asked: Vec<u32> = (0..week.len()).map(most).collect();
    let had = |index: usize| {
        // In the last minutes of a slot one more slot is in sight.
        let late = asked[index].max(at(index + whole + 1));
        let before = (0..=whole).map(|back| asked[(index + week.len() - back) % week.len()]);
        Had {
            asked: ((slot - rest) * f64::from(asked[index]) + rest * f64::from(late)) / slot,
            ready: before.min().unwrap_or_default(),
        }
    };
    let of_day = week.len() / 7;
    std::array::from_fn(|day| (0..of_day).map(|slot| had(day * of_day + slot)).collect())
}

/// The steps of a week that is given as levels of slots of so many minutes. More replicas come `lead` minutes before
/// they are needed; fewer come when they are.
pub(super) fn entries(levels: &[Vec<u32>; 7], slot: u16, lead: u64) -> Vec<Entry> {
    let slot = usize::from(slot.max(1));
    let level =
        |minute: usize| levels[minute / DAY % 7].get(minute % DAY / slot).copied().unwrap_or_default();
    let lead = usize::try_from(lead).unwrap_or(DAY).min(DAY);
    // Levels change at the bounds of slots only, and so does what is to come.
    let ahead = |minute: usize| {
        let between = (minute..minute + lead).step_by(slot);
        between.chain([minute + lead]).map(level).max().unwrap_or_default()
    };
    let week: Vec<u32> = (0..WEEK).map(ahead).collect();
    let mut steps: BTreeMap<(usize, u32), DaySet> = BTreeMap::new();
    for minute in 0..WEEK {
        let before = week[(minute + WEEK - 1) % WEEK];
        if week[minute] != before {
            steps.entry((minute % DAY, week[minute])).or_default().0 |= 1 << (minute / DAY);
        }
    }
    if steps.is_empty() {
        steps.insert((0, week[0]), DaySet::ALL);
    }
    let entry =
        |((minute, replicas), days)| Entry { minute: u16::try_from(minute).unwrap_or(0), days, replicas };
    steps.into_iter().map(entry).collect()
}
