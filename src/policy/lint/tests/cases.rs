//! Schedules that bring a warning, and their neighbours that bring none.

/// What is looked at.
pub(super) struct Case {
    /// Entries that bring a warning, and more fields of the spec.
    pub(super) wrong: (&'static [&'static str], &'static str),
    /// What the one warning begins with, below `spec.`, and has in it.
    pub(super) says: (&'static str, &'static str),
    /// The same, nearly, and without any warning.
    pub(super) right: (&'static [&'static str], &'static str),
}

pub(super) const DAY: &str = "name: day, cron: 0 7 * * *, replicas: 12";
pub(super) const NIGHT: &str = "name: night, cron: 0 20 * * *, replicas: 3";
pub(super) const MIN: &str = "minReplicas: 2";
pub(super) const QPS: &str =
    "metrics: [{name: qps, prometheus: {query: 'sum(rate(a{b=\"c d\"}[1m]))'}, target: {value: 1}}]";

pub(super) const EFFECT: &[Case] = &[
    Case {
        wrong: (&[DAY, NIGHT, "name: lunch, cron: 30 11 * * *, for: 2h, replicas: 12"], MIN),
        says: ("schedule.entries[2]: ", "the step day asks for as much"),
        right: (&[DAY, NIGHT, "name: lunch, cron: 30 11 * * *, for: 9h, replicas: 12"], MIN),
    },
    // What matters in December alone matters.
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
                "name: day, cron: 0 7 * 1-11 *, for: 12h, replicas: 12",
                "name: lunch, cron: 0 12 * * *, for: 1h, replicas: 4",
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

pub(super) const DATES: &[Case] = &[
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

pub(super) const RAMPS: &[Case] = &[
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

pub(super) const JOINTS: &[Case] = &[
    Case {
        wrong: (
            &[
                "name: a, cron: 0 1 * * *, until: '04:10', maxReplicas: 5",
                "name: b, cron: 0 4 * * *, for: 4h, maxReplicas: 10",
            ],
            MIN,
        ),
        says: ("schedule.entries[0].until: ", "it goes on for 10m after b has started"),
        right: (
            &[
                "name: a, cron: 0 1 * * *, until: '04:00', maxReplicas: 5",
                "name: b, cron: 0 4 * * *, for: 4h, maxReplicas: 10",
            ],
            MIN,
        ),
    },
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

pub(super) const BOUNDS: &[Case] = &[
    Case {
        wrong: (
            &[
                "name: day, cron: 0 7 * * *, replicas: 12, rampUp: 1h",
                NIGHT,
                "name: cap, cron: 0 4 * * *, until: '07:00', maxReplicas: 6",
            ],
            MIN,
        ),
        says: (
            "schedule.entries[2].maxReplicas: ",
            "the floor 7 on a ramp of day, first from Tue 2026-11-24 06:20",
        ),
        right: (
            &[
                "name: day, cron: 0 7 * * *, replicas: 12, rampUp: 1h",
                NIGHT,
                "name: cap, cron: 0 4 * * *, until: '06:20', maxReplicas: 6",
            ],
            MIN,
        ),
    },
    Case {
        wrong: (&["name: cap, cron: 0 4 * * *, until: '07:00', maxReplicas: 1"], MIN),
        says: ("schedule.entries[0].maxReplicas: ", "the ceiling 1 is below the floor 2 of minReplicas"),
        right: (&["name: cap, cron: 0 4 * * *, until: '07:00', replicas: 1, maxReplicas: 1"], MIN),
    },
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

pub(super) const WORDS: &[Case] = &[
    Case {
        wrong: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: PST8PDT"], MIN),
        says: ("schedule.entries[0].timeZone: ", "such as America/Los_Angeles"),
        right: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: Etc/GMT0"], MIN),
    },
    Case {
        wrong: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: Etc/GMT-13"], MIN),
        says: (
            "schedule.entries[0].timeZone: ",
            "the sign is turned round; name a city, such as Pacific/Apia",
        ),
        right: (&["name: day, cron: 0 7 * * *, for: 12h, replicas: 12, timeZone: Pacific/Apia"], MIN),
    },
    Case {
        wrong: (&["name: day, cron: '* 7,19 * * mon', for: 2h, replicas: 12"], MIN),
        says: ("schedule.entries[0].cron: ", "write \"0 7,19 * * mon\""),
        right: (&["name: day, cron: '* 7-19 * * mon', for: 2h, replicas: 12"], MIN),
    },
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
