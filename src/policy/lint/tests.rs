//! One table: schedules that look right, what to change in them, and the one warning that this must bring.

use std::path::Path;

use super::super::validate;
use super::*;

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

/// What is looked at.
struct Case {
    /// Entries that bring a warning, and more fields of the spec.
    wrong: (&'static [&'static str], &'static str),
    /// What the one warning begins with, below `spec.`, and has in it.
    says: (&'static str, &'static str),
    /// The same, nearly, and without any warning.
    right: (&'static [&'static str], &'static str),
}

const DAY: &str = "name: day, cron: 0 7 * * *, replicas: 12";
const NIGHT: &str = "name: night, cron: 0 20 * * *, replicas: 3";
const MIN: &str = "minReplicas: 2";
const QPS: &str =
    "metrics: [{name: qps, prometheus: {query: 'sum(rate(a{b=\"c d\"}[1m]))'}, target: {value: 1}}]";

const EFFECT: &[Case] = &[
    Case {
        wrong: (&[DAY, NIGHT, "name: lunch, cron: 30 11 * * *, for: 2h, replicas: 12"], MIN),
        says: ("schedule.entries[2]: ", "the step day asks for as much"),
        right: (&[DAY, NIGHT, "name: lunch, cron: 30 11 * * *, for: 9h, replicas: 12"], MIN),
    },
    // The holiday on which the step does not fire is the only day that matters.
    Case {
        wrong: (
            &[
                "name: day, cron: 0 7 * * *, for: 12h, replicas: 12",
                "name: lunch, cron: 0 12 * * *, for: 1h, replicas: 4",
            ],
            MIN,
        ),
        says: ("schedule.entries[1]: ", "the window day asks for as much"),
        right: (
            &[
                "name: day, cron: 0 7 * * *, for: 12h, replicas: 12",
                "name: lunch, cron: 0 12 * 12 *, for: 1h, replicas: 14",
            ],
            MIN,
        ),
    },
    Case {
        wrong: (&[DAY, NIGHT, "name: tea, cron: 0 22 * * *, for: 1h, replicas: 2"], "minReplicas: 4"),
        says: ("schedule.entries[2]: ", "minReplicas is 4 already"),
        right: (&[DAY, "name: night, cron: 0 20 * * *, replicas: 1"], "minReplicas: 4"),
    },
    Case {
        wrong: (&["name: always, cron: 0 0 * * *, replicas: 2"], MIN),
        says: ("schedule.entries[0]: ", "its floor 2 changes nothing: minReplicas is 2 already"),
        right: (&["name: always, cron: 0 0 * * *, replicas: 3"], MIN),
    },
    Case {
        wrong: (&[DAY, NIGHT, "name: noon, cron: 0 12 * * *, replicas: 12"], MIN),
        says: ("schedule.entries[2]: ", "the step day asks for as much"),
        right: (
            &[
                "name: day, cron: 0 7 * * mon, replicas: 12",
                NIGHT,
                "name: noon, cron: 0 12 * * *, replicas: 12",
            ],
            MIN,
        ),
    },
    Case {
        wrong: (&[DAY, NIGHT, "name: cap, cron: 0 2 * * *, for: 1h, maxReplicas: 80"], MIN),
        says: ("schedule.entries[2]: ", "spec.maxReplicas is 80 already"),
        right: (&[DAY, NIGHT, "name: cap, cron: 0 2 * * *, for: 1h, maxReplicas: 79"], MIN),
    },
    Case {
        wrong: (&[DAY, NIGHT, "name: cap, cron: 0 2 * * *, for: 1h, replicas: 3, maxReplicas: 20"], MIN),
        says: ("schedule.entries[2].replicas: ", "the step night asks for as much"),
        right: (&[DAY, NIGHT, "name: cap, cron: 0 2 * * *, for: 1h, replicas: 3, maxReplicas: 3"], MIN),
    },
    Case {
        wrong: (
            &[DAY, NIGHT, "name: sale, cron: 0 0 * * *, for: 24h, replicas: 70, onDates: ['2026-01-01']"],
            MIN,
        ),
        says: ("schedule.entries[2]: ", "none of its onDates is still to come"),
        right: (&[DAY, NIGHT, "name: sale, cron: 0 0 * * *, for: 24h, replicas: 70, onDates: [sales]"], MIN),
    },
];

const DATES: &[Case] = &[
    Case {
        wrong: (&[DAY, "name: sale, at: '2026-11-22T00:00', for: 24h, replicas: 70"], MIN),
        says: ("schedule.entries[1].at: ", "2026-11-22T00:00 is past"),
        right: (&[DAY, "name: sale, at: '2026-11-23T00:00', for: 24h, replicas: 70"], MIN),
    },
    Case {
        wrong: (
            &[
                "name: day, cron: 0 7 * * mon-fri, for: 12h, replicas: 12",
                "name: sale, cron: 0 7 * * sat, for: 9h, replicas: 20, onDates: ['2026-11-28', '2026-11-29']",
            ],
            MIN,
        ),
        says: ("schedule.entries[1].onDates[1]: ", "does not fire on 2026-11-29, a Sunday"),
        right: (
            &[
                "name: day, cron: 0 7 * * mon-fri, for: 12h, replicas: 12",
                "name: sale, cron: 0 7 * * sat, for: 9h, replicas: 20, onDates: ['2026-11-28', saturdays]",
            ],
            MIN,
        ),
    },
];

const RAMPS: &[Case] = &[
    Case {
        wrong: (&["name: day, cron: 0 7 * * *, replicas: 12, rampUp: 12h", NIGHT], MIN),
        says: ("schedule.entries[0].rampUp: ", "does nothing: 12h before the start the floor is 12"),
        right: (&["name: day, cron: 0 7 * * *, replicas: 12, rampUp: 11h", NIGHT], MIN),
    },
    Case {
        wrong: (
            &[
                "name: day, cron: 0 9 * * *, replicas: 18, rampUp: 3h",
                "name: morning, cron: 30 6 * * *, replicas: 10",
                NIGHT,
            ],
            MIN,
        ),
        says: ("schedule.entries[0].rampUp: ", "changes from 3 to 10, and then only 2h30m are left"),
        right: (
            &[
                "name: day, cron: 0 9 * * *, replicas: 18, rampUp: 2h30m",
                "name: morning, cron: 30 6 * * *, replicas: 10",
                NIGHT,
            ],
            MIN,
        ),
    },
    Case {
        wrong: (
            &[
                DAY,
                NIGHT,
                "name: lunch, cron: 0 11 * * *, for: 2h, replicas: 20, rampDown: 3h",
                "name: tea, cron: 0 15 * * *, for: 30m, replicas: 18",
            ],
            MIN,
        ),
        says: (
            "schedule.entries[2].rampDown: ",
            "is cut short: 2h after the end the floor rises from 12 to 18",
        ),
        right: (
            &[
                DAY,
                NIGHT,
                "name: lunch, cron: 0 11 * * *, for: 2h, replicas: 20, rampDown: 2h",
                "name: tea, cron: 0 15 * * *, for: 30m, replicas: 18",
            ],
            MIN,
        ),
    },
    Case {
        wrong: (&[DAY, NIGHT, "name: early, cron: 0 5 * * *, for: 1h, replicas: 9, rampDown: 2h"], MIN),
        says: ("schedule.entries[2].rampDown: ", "does nothing: 2h after the end the floor is 12"),
        right: (&[DAY, NIGHT, "name: early, cron: 0 5 * * *, for: 1h, replicas: 9, rampDown: 30m"], MIN),
    },
];

const JOINTS: &[Case] = &[
    Case {
        wrong: (
            &[
                "name: a, cron: 30 11 * * *, until: '13:59', replicas: 20",
                "name: b, cron: 0 14 * * *, for: 4h, replicas: 15",
            ],
            MIN,
        ),
        says: (
            "schedule.entries[0].until: ",
            "1m before b starts, and in between, floor and ceiling are 2..80; end it at 14:00",
        ),
        right: (
            &[
                "name: a, cron: 30 11 * * *, until: '13:45', replicas: 20",
                "name: b, cron: 0 14 * * *, for: 4h, replicas: 15",
            ],
            MIN,
        ),
    },
    Case {
        wrong: (&["name: all, cron: 0 0 * * *, for: 23h59m, replicas: 20"], MIN),
        says: ("schedule.entries[0].for: ", "it ends 1m before it fires again"),
        right: (&["name: pulse, cron: '0,10,20,30,40,50 * * * *', for: 8m, replicas: 20"], MIN),
    },
    Case {
        wrong: (
            &[
                "name: a, cron: 30 11 * * *, until: '14:01', replicas: 20",
                "name: b, cron: 0 14 * * *, for: 4h, replicas: 15",
            ],
            MIN,
        ),
        says: ("schedule.entries[0].until: ", "it goes on for 1m after b has started"),
        right: (
            &[
                "name: a, cron: 30 11 * * *, until: '14:01', replicas: 15",
                "name: b, cron: 0 14 * * *, for: 4h, replicas: 20",
            ],
            MIN,
        ),
    },
    Case {
        wrong: (&["name: a, cron: 0 3 * * *, until: '06:59', replicas: 20", DAY, NIGHT], MIN),
        says: (
            "schedule.entries[0].until: ",
            "1m before day starts, and in between, floor and ceiling are 3..80",
        ),
        right: (
            &[
                "name: a, cron: 0 3 * * *, until: '06:59', replicas: 20",
                "name: day, cron: 0 7 * * sun, replicas: 12",
                "name: night, cron: 0 20 * * sun, replicas: 3",
            ],
            MIN,
        ),
    },
];

const BOUNDS: &[Case] = &[
    Case {
        wrong: (&[DAY, NIGHT, "name: cap, cron: 0 6 * * *, for: 2h, maxReplicas: 10"], MIN),
        says: (
            "schedule.entries[2].maxReplicas: ",
            "the ceiling 10 is below the floor 12 of day, first from Tue 2026-11-24 07:00",
        ),
        right: (&[DAY, NIGHT, "name: cap, cron: 0 6 * * *, for: 1h, maxReplicas: 10"], MIN),
    },
    Case {
        wrong: (
            &[DAY, "name: night, cron: 0 20 * * *, replicas: 0"],
            "minReplicas: 0\nmetrics: [{name: q, prometheus: {query: a}, target: {value: 1}}]",
        ),
        says: ("minReplicas: ", "a metric that it exports itself can't wake it"),
        right: (
            &[DAY, "name: night, cron: 0 20 * * *, replicas: 0, maxReplicas: 1"],
            "minReplicas: 1\nmetrics: [{name: q, prometheus: {query: a}, target: {value: 1}}]",
        ),
    },
    Case {
        wrong: (
            &[DAY, NIGHT],
            "minReplicas: 3\nguards: [{name: db, prometheus: {query: ' sum(rate(a{b=\"c d\"}[1m] ) )'}, above: 1, effect: Hold}]\nmetrics: [{name: qps, prometheus: {query: 'sum(rate(a{b=\"c d\"}[1m]))'}, target: {value: 1}}]",
        ),
        says: ("guards[0].prometheus.query: ", "the query of the metric qps"),
        right: (
            &[DAY, NIGHT],
            "minReplicas: 3\nguards: [{name: db, prometheus: {query: 'sum(rate(a{b=\"cd\"}[1m]))'}, above: 1, effect: Hold}]\nmetrics: [{name: qps, prometheus: {query: 'sum(rate(a{b=\"c d\"}[1m]))'}, target: {value: 1}}]",
        ),
    },
];

const WORDS: &[Case] = &[
    Case {
        wrong: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: EST"], MIN),
        says: (
            "schedule.entries[0].timeZone: ",
            "EST is UTC-5 all year, without summer time; name a city, such as America/New_York",
        ),
        right: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: America/New_York"], MIN),
    },
    Case {
        wrong: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: Etc/GMT+5"], MIN),
        says: ("schedule.entries[0].timeZone: ", "Etc/GMT+5 is 5 hours behind UTC"),
        right: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: Etc/UTC"], MIN),
    },
    Case {
        wrong: (&["name: day, cron: '* 7 * * *', replicas: 12", NIGHT], MIN),
        says: (
            "schedule.entries[0].cron: ",
            "each minute from 7:00 to 7:59; if once was meant, write \"0 7 * * *\"",
        ),
        right: (&["name: day, cron: '* 7 * * *', for: 1m, replicas: 12", NIGHT], MIN),
    },
];

#[test]
fn each_warning_comes_alone_and_not_for_what_is_nearly_the_same() {
    for case in [EFFECT, DATES, RAMPS, JOINTS, BOUNDS, WORDS].into_iter().flatten() {
        let found = warnings(&policy(case.wrong.0, case.wrong.1));
        let (path, text) = case.says;
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(
            found[0].starts_with(&format!("spec.{path}")) && found[0].contains(text),
            "{text}: {found:#?}"
        );
        let found = warnings(&policy(case.right.0, case.right.1));
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
