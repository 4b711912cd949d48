//! Instants as people name them: with an offset, or as a local date and time.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// An instant, or a local date and time that is one as soon as a zone is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An instant.
    At(Timestamp),
    /// A local date and time.
    Local(DateTime),
}

impl Moment {
    /// The instant in `zone`. A local time that comes twice is the first; one that a clock change leaves out is
    /// the first instant after the gap. `None` beyond the ends of time.
    #[must_use]
    pub fn in_zone(self, zone: &TimeZone) -> Option<Timestamp> {
        let wall = match self {
            Self::At(at) => return Some(at),
            Self::Local(wall) => wall,
        };
        let ambiguous = zone.to_ambiguous_timestamp(wall);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(wall).ok()
            }
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the offset that holds after the gap, the local time lies before the gap's end.
                Some(zone.following(after.to_timestamp(wall).ok()?).next()?.timestamp())
            }
        }
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self::At(at)
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        // The parser of dates would overlook a time or a zone behind the date.
        let wall = match text.len() {
            10 => text.parse::<Date>().ok().map(|date| date.to_datetime(Time::midnight())),
            16 | 19 => text.parse::<DateTime>().ok(),
            _ => None,
        };
        wall.map(Self::Local).ok_or(NotAMoment)
    }
}

/// A text that names no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an instant (2026-11-23T07:00:00Z), a date (2026-11-23) or a local date and time (2026-11-23T07:00)"
)]
pub struct NotAMoment;
