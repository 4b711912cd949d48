//! Instants as people write them on a command line.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The instant that a person names: an instant, a date, or a local date and time. A local time that comes twice is the first; one that a clock change
/// leaves out is the first instant after the gap.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // The parser of dates would overlook a time or a zone behind the date.
    let wall = match text.len() {
        10 => text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
        16 | 19 => text.parse::<DateTime>().ok()?,
        _ => return None,
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

pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The instant of an HTTP header (RFC 9110, 5.6.7), in the form that servers send.
pub(super) fn of_http(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_server_is_read_from_its_header() {
        let at = of_http("Mon, 23 Nov 2026 07:00:30 GMT");
        assert_eq!(at.map(|at| at.to_string()).as_deref(), Some("2026-11-23T07:00:30Z"));
        assert_eq!(of_http("now"), None);
    }
}
