//! The local dates on which an entry may fire.

use std::sync::Arc;

use jiff::civil::Date;

/// Local dates on which an entry may fire, besides what its trigger says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Days {
    /// Every day.
    All,
    /// Every day but these.
    Except(Dates),
    /// These days alone.
    Only(Dates),
}

/// A sorted list of dates, each of them once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dates(Arc<[Date]>);

impl FromIterator<Date> for Dates {
    fn from_iter<I: IntoIterator<Item = Date>>(dates: I) -> Self {
        let mut dates: Vec<Date> = dates.into_iter().collect();
        dates.sort_unstable();
        dates.dedup();
        Self(dates.into())
    }
}

impl Dates {
    /// The dates, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Date> {
        self.0.iter().copied()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, date: Date) -> bool {
        self.0.binary_search(&date).is_ok()
    }
}

impl Days {
    /// Every day, for those who need a reference.
    pub(super) const ALL: Self = Self::All;

    /// Whether an entry may fire on this local date.
    #[must_use]
    pub fn allows(&self, date: Date) -> bool {
        match self {
            Self::All => true,
            Self::Except(dates) => !dates.contains(date),
            Self::Only(dates) => dates.contains(date),
        }
    }

    /// The first allowed date that is not before `date`.
    pub(super) fn at_or_after(&self, mut date: Date) -> Option<Date> {
        if let Self::Only(dates) = self {
            let index = dates.0.partition_point(|candidate| *candidate < date);
            return dates.0.get(index).copied();
        }
        while !self.allows(date) {
            date = date.tomorrow().ok()?;
        }
        Some(date)
    }

    /// The last allowed date that is not after `date`.
    pub(super) fn at_or_before(&self, mut date: Date) -> Option<Date> {
        if let Self::Only(dates) = self {
            let index = dates.0.partition_point(|candidate| *candidate <= date);
            return dates.0.get(index.checked_sub(1)?).copied();
        }
        while !self.allows(date) {
            date = date.yesterday().ok()?;
        }
        Some(date)
    }
}
