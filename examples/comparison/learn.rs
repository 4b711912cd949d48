//! A schedule from what was, by a rule that leaves nothing to taste.
//!
//! ```text
//! floor(hour, kind of day) = ⌈ the q-th quantile of the demand in that local hour / target ⌉
//! ```
//! Working days and weekends are two kinds. Each step fires five minutes before its hour, so that pods are there when the
//! hour begins. An hour with the floor of the one before has no step.

use std::fmt::Write;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidetable::simulation::traffic::Traffic;

use crate::Case;

/// The part of the demand of an hour that the floor covers.
const QUANTILE: f64 = 0.5;

/// How far apart the samples are of which quantiles are taken.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// The policy of a case, with a schedule learned from the demand of `[from, to)`, and with defaults for the rest.
pub(crate) fn policy(case: &Case, traffic: &Traffic, from: Timestamp, to: Timestamp, peak: u32) -> String {
    let mut text = format!(
        "# Made by `make comparison`: the schedule is learned from the first half of the trace.\n\
         apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {{name: {0}, namespace: default}}\n\
         spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {0}}}\n  minReplicas: 1\n  \
         maxReplicas: {1}\n",
        case.name,
        2 * peak
    );
    if let Some(zone) = case.zone {
        let _ = write!(text, "  schedule:\n    timeZone: {zone}\n    entries:\n");
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        for (kind, days, eve) in [("work", "mon-fri", "sun-thu"), ("weekend", "sat,sun", "fri,sat")] {
            steps(&mut text, &floors(case, traffic, (from, to), &zone, kind == "weekend"), kind, days, eve);
        }
    }
    let _ = write!(
        text,
        "  metrics:\n  - name: qps\n    prometheus: {{query: 'sum(rate(http_requests_total{{app=\"{}\"}}[1m]))'}}\n    \
         target: {{averageValue: \"{}\"}}     # what one replica should carry; it can carry {}\n",
        case.name, case.target_qps, case.capacity_qps
    );
    text
}

/// The floor of each local hour.
fn floors(
    case: &Case,
    traffic: &Traffic,
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
    weekend: bool,
) -> Vec<u32> {
    let mut hours: Vec<Vec<f64>> = vec![Vec::new(); 24];
    let mut at = from;
    while at < to {
        let local = zone.to_datetime(at);
        let is_weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        if is_weekend == weekend {
            hours[usize::try_from(local.hour()).unwrap_or(0)].push(traffic.qps(at));
        }
        at += STEP;
    }
    let floor = |samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a list, and a few replicas"
        )]
        let (index, replicas) = ((samples.len() as f64 * QUANTILE) as usize, |qps: f64| {
            (qps / case.target_qps).ceil().max(1.0) as u32
        });
        samples.get(index).map_or(1, |qps| replicas(*qps))
    };
    hours.iter_mut().map(floor).collect()
}

fn steps(text: &mut String, floors: &[u32], kind: &str, days: &str, eve: &str) {
    for (hour, floor) in floors.iter().enumerate() {
        if hour > 0 && floors[hour - 1] == *floor {
            continue;
        }
        let (before, days) = if hour == 0 { (23, eve) } else { (hour - 1, days) };
        let _ = writeln!(
            text,
            "    - {{name: {kind}-{hour:02}, cron: \"55 {before} * * {days}\", replicas: {floor}}}"
        );
    }
}

#[cfg(test)]
mod tests {
    use tidetable::decision::Replicas;

    use super::*;
    use crate::cases::CASES;

    #[test]
    fn an_hour_has_the_floor_of_its_median_five_minutes_early() {
        let case = &Case { zone: Some("Europe/Berlin"), target_qps: 10.0, ..CASES[0] };
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let (from, to) = (at("2026-11-08T23:00:00Z"), at("2026-11-22T23:00:00Z"));
        // 95 at noon of working days, but 500 for less than half of that hour; 45 at weekends; 15 otherwise.
        let traffic = Traffic::sampled(from, to, std::time::Duration::from_secs(60), |now| {
            let local = zone.to_datetime(now);
            match (local.weekday(), local.hour(), local.minute()) {
                (Weekday::Saturday | Weekday::Sunday, ..) => 45.0,
                (_, 12, 0..=20) => 500.0,
                (_, 12, _) => 95.0,
                _ => 15.0,
            }
        });
        let text = policy(case, &traffic, from, to, 50);
        let (manifest, _) =
            tidetable::manifest::parse_policy(std::path::Path::new("p.yaml"), &text).expect("a policy");
        // 2026-11-27 is a Friday.
        for (local, floor) in [
            ("2026-11-27T11:54:59+01:00", 2),
            ("2026-11-27T11:55:00+01:00", 10),
            ("2026-11-27T12:55:00+01:00", 2),
            ("2026-11-27T23:54:59+01:00", 2),
            ("2026-11-27T23:55:00+01:00", 5),
            ("2026-11-29T23:54:59+01:00", 5),
            ("2026-11-29T23:55:00+01:00", 2),
        ] {
            let baseline = manifest.policy.schedule.baseline(at(local));
            assert_eq!(baseline.floor, Replicas::new(floor), "{local}\n{text}");
        }
    }
}
