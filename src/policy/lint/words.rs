//! Time zones and cron expressions that say something else than they seem to.

use jiff::SignedDuration;

use super::super::Mistakes;
use super::{Subject, entry_path, schedule_path};
use crate::decision::{Cron, Extent, Trigger};

/// Names of time zones that are no city's, what they mean, and a city that may have been meant.
const LEGACY: [(&str, &str, &str); 11] = [
    ("EST", "UTC-5 all year, without summer time", "America/New_York"),
    ("MST", "UTC-7 all year, without summer time", "America/Denver"),
    ("HST", "an old name for UTC-10", "Pacific/Honolulu"),
    ("EST5EDT", "an old name", "America/New_York"),
    ("CST6CDT", "an old name", "America/Chicago"),
    ("MST7MDT", "an old name", "America/Denver"),
    ("PST8PDT", "an old name", "America/Los_Angeles"),
    ("CET", "an old name, summer time and all", "Europe/Berlin"),
    ("MET", "an old name, summer time and all", "Europe/Berlin"),
    ("EET", "an old name, summer time and all", "Europe/Athens"),
    ("WET", "an old name, summer time and all", "Europe/Lisbon"),
];

/// Cities 1 to 12 hours behind UTC, in winter.
const BEHIND: [&str; 12] = [
    "Atlantic/Azores",
    "America/Noronha",
    "America/Sao_Paulo",
    "America/Halifax",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "Pacific/Pago_Pago",
    "",
];

/// Cities 1 to 14 hours ahead of UTC, in winter.
const AHEAD: [&str; 14] = [
    "Europe/Berlin",
    "Europe/Athens",
    "Europe/Istanbul",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Noumea",
    "Pacific/Auckland",
    "Pacific/Apia",
    "Pacific/Kiritimati",
];

/// Time zones that were hardly meant.
pub(super) fn zones(subject: &Subject, warnings: &mut Mistakes) {
    if let Some(problem) = zone(&subject.spec.time_zone) {
        warnings.add(&schedule_path().field("timeZone"), problem);
    }
    for (index, entry) in subject.spec.entries.iter().enumerate() {
        if let Some(problem) = entry.time_zone.as_deref().and_then(zone) {
            warnings.add(&entry_path(index).field("timeZone"), problem);
        }
    }
}

fn zone(name: &str) -> Option<String> {
    let legacy = LEGACY.iter().find(|(legacy, ..)| legacy.eq_ignore_ascii_case(name));
    if let Some((legacy, meaning, city)) = legacy {
        return Some(format!("{legacy} is {meaning}; name a city, such as {city}"));
    }
    let (area, offset) = name.split_at_checked("Etc/GMT".len())?;
    let (sign, hours) = offset.split_at_checked(1)?;
    let hours: usize = hours.parse().ok().filter(|_| area.eq_ignore_ascii_case("Etc/GMT"))?;
    let (direction, opposite, cities) = match sign {
        "+" => ("behind", '-', &BEHIND[..]),
        "-" => ("ahead of", '+', &AHEAD[..]),
        _ => return None,
    };
    let city = cities.get(hours.checked_sub(1)?).filter(|city| !city.is_empty());
    let city = city.map(|city| format!("; name a city, such as {city}, for local time")).unwrap_or_default();
    let hour = if hours == 1 { "hour" } else { "hours" };
    let turned = if hours <= 12 {
        format!("; if the opposite was meant, write Etc/GMT{opposite}{hours}")
    } else {
        String::new()
    };
    Some(format!(
        "Etc/GMT{sign}{hours} is {hours} {hour} {direction} UTC all year: in these names the sign is turned round{turned}{city}"
    ))
}

/// Expressions that fire every minute of an hour where once was probably meant: `* 7 * * *`.
pub(super) fn crons(subject: &Subject, warnings: &mut Mistakes) {
    for (index, (spec, entry)) in subject.spec.entries.iter().zip(subject.schedule.entries()).enumerate() {
        let (Some(text), Trigger::Cron(cron)) = (&spec.cron, &entry.trigger) else { continue };
        // A window of a minute or two in each minute of an hour is that hour.
        let lasts_minutes =
            |length| SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX).as_mins() <= 2;
        if matches!(entry.extent, Extent::For(length) if lasts_minutes(length)) {
            continue;
        }
        if let Some((hour, right)) = every_minute(text, cron) {
            let problem = format!(
                "{text:?} fires 60 times, each minute from {hour}:00 to {hour}:59; if once was meant, write {right:?}"
            );
            warnings.add(&entry_path(index).field("cron"), problem);
        }
    }
}

/// The first hour, and the expression that was probably meant. Ranges of hours are not judged.
fn every_minute(text: &str, cron: &Cron) -> Option<(u32, String)> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [minute, hours, rest @ ..] = fields.as_slice() else { return None };
    let single_hours = hours.split(',').all(|hour| hour.bytes().all(|byte| byte.is_ascii_digit()));
    let all_minutes = cron.fields().minutes.count_ones() == 60 && minute.starts_with('*');
    (all_minutes && single_hours)
        .then(|| (cron.fields().hours.trailing_zeros(), format!("0 {hours} {}", rest.join(" "))))
}
