//! A table of schedules, the one warning that each must bring, and what is nearly the same and brings none; and
//! what does not fit into it.

mod cases;

use std::path::Path;

use super::super::{Calendars, References, validate, validate_with};
use super::*;
use crate::zones;

use self::cases::{BOUNDS, Case, DATES, DAY, EFFECT, JOINTS, MIN, NIGHT, QPS, RAMPS, WORDS};

/// Mon 2026-11-23, 13:00 in Berlin.
fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("an instant")
}

fn warnings(yaml: &str) -> Vec<String> {
    let spec: ScalePolicySpec =
        serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    let policy = validate(&spec).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    lint(&spec, &policy, now()).iter().map(ToString::to_string).collect()
}

/// A policy of 2 to 80 replicas in Berlin with these entries and these further fields.
fn policy(entries: &[&str], more: &str) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect();
    format!(
        "scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\nmaxReplicas: 80\n{more}\n\
         schedule:\n  timeZone: Europe/Berlin\n  entries:\n{}",
        entries.concat()
    )
}

#[test]
fn each_warning_comes_alone_and_not_for_what_is_nearly_the_same() {
    for Case { wrong, says: (path, text), right } in
        [EFFECT, DATES, RAMPS, JOINTS, BOUNDS, WORDS].into_iter().flatten()
    {
        let found = warnings(&policy(wrong.0, wrong.1));
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(
            found[0].starts_with(&format!("spec.{path}")) && found[0].contains(text),
            "{text}: {found:#?}"
        );
        let found = warnings(&policy(right.0, right.1));
        assert!(found.is_empty(), "nearly {text}: {found:#?}");
    }
}

#[test]
fn except_dates_are_wrong_when_they_keep_nothing_from_firing() {
    let except = |dates: &str, entries: &[&str]| {
        let yaml = policy(entries, MIN);
        warnings(&yaml.replace("  entries:", &format!("  exceptDates: [{dates}]\n  entries:")))
    };
    let office = "name: day, cron: 0 7 * * mon-fri, for: 12h, replicas: 12";
    let found = except("'2026-12-25', '2026-12-26', '2026-11-20', holidays-de", &[office]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("spec.schedule.exceptDates[1]: nothing would fire on 2026-12-26, a Saturday")
    );
    assert!(found[1].starts_with("spec.schedule.exceptDates[2]: 2026-11-20 is past"), "{found:#?}");
    // A step that did not fire in January is why another one is still in force.
    let yearly = ["name: low, cron: 0 0 1 1 *, replicas: 4", "name: high, cron: 0 0 1 12 *, replicas: 9"];
    assert_eq!(except("'2026-01-01'", &yearly), [""; 0]);
    let found = except("'2026-12-25'", &[office, "name: x, at: '2026-12-25T08:00', for: 1h, replicas: 20"]);
    assert!(
        found.len() == 1 && found[0].contains("never fires, since exceptDates has 2026-12-25"),
        "{found:#?}"
    );
}

#[test]
fn of_entries_that_make_each_other_pointless_one_stays() {
    let twice = [
        "name: a, cron: 0 7 * * *, for: 2h, replicas: 12",
        "name: b, cron: 0 7 * * *, for: 2h, replicas: 12",
    ];
    let found = warnings(&policy(&twice, MIN));
    assert!(
        found.len() == 1 && found[0].contains("entries[1]: its floor 12 changes nothing: the window a"),
        "{found:#?}"
    );
}

#[test]
fn schedules_too_dense_to_be_worked_out_are_left_alone() {
    let dense = ["name: a, cron: '* * * * *', replicas: 12", "name: b, cron: '*/2 * * * *', replicas: 12"];
    assert_eq!(warnings(&policy(&dense, MIN)), [""; 0]);
}

#[test]
fn what_a_missing_calendar_would_change_is_not_judged() {
    let yaml = policy(&[DAY, NIGHT, "name: lunch, cron: 30 11 * * *, for: 2h, replicas: 12"], MIN);
    assert_eq!(warnings(&yaml.replace("  entries:", "  exceptDates: [holidays]\n  entries:")), [""; 0]);
}

#[test]
fn what_matters_on_holidays_alone_is_not_judged_by_a_calendar_of_last_year() {
    let judged = |date: &str| {
        let yaml = policy(&[DAY, NIGHT, "name: lunch, cron: 30 11 * * *, for: 2h, replicas: 12"], MIN);
        let yaml = yaml.replace("  entries:", "  exceptDates: [holidays]\n  entries:");
        let spec: ScalePolicySpec = serde_saphyr::from_str(&yaml).expect("a spec");
        let mut calendars = Calendars::default();
        calendars.insert("holidays", [date.parse().expect("a date")].into_iter().collect());
        let policy = validate_with(&spec, References { zones: zones::current(), calendars: &calendars });
        lint(&spec, &policy.expect("valid"), now()).len()
    };
    assert_eq!((judged("2025-12-25"), judged("2026-12-25")), (0, 1));
}

#[test]
fn a_policy_without_a_schedule_is_looked_at_too() {
    let yaml = policy(&[DAY], &format!("minReplicas: 0\n{QPS}"));
    let (without, _) = yaml.split_once("schedule:").expect("a schedule");
    assert_eq!(warnings(without).len(), 1);
    assert_eq!(warnings(&without.replace("minReplicas: 0", "minReplicas: 1")), [""; 0]);
}

#[test]
fn the_policies_that_are_shipped_bring_no_warning() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations");
    let mut seen = 0;
    for entry in std::fs::read_dir(shipped).expect("simulations") {
        let text =
            entry.map(|entry| std::fs::read_to_string(entry.path()).unwrap_or_default()).expect("a file");
        let Some((_, spec)) = text.split_once("\nspec:\n") else { continue };
        seen += 1;
        assert_eq!(warnings(spec), [""; 0]);
    }
    assert!(seen > 0);
}
