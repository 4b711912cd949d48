//! Instants as people write them on a command line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::zones::Moment;

/// The instant that a person names; see [`Moment`].
pub(super) fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    text.parse::<Moment>().ok()?.in_zone(zone)
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
