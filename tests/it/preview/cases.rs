//! Schedules and days with clock changes, and what is to come of them, worked out by hand.

/// Instant, local time, floor, ceiling, entries.
pub(super) type Row = (&'static str, &'static str, i32, i32, &'static [&'static str]);

/// What is shown, the schedule, the first day of three, and the changes that are to come.
pub(super) const SCHEDULES: [(&str, &str, &str, &[Row]); 12] = [
    (
        "a window across midnight goes on, and belongs to the day on which it starts",
        "timeZone: UTC, entries: [{name: a, cron: '0 22 * * fri', until: '04:00', replicas: 6}]",
        "2026-11-28",
        &[("2026-11-28T04:00:00Z", "2026-11-28T04:00:00+00:00", 2, 80, &["a"])],
    ),
    (
        "at fires once, in local time",
        "timeZone: Europe/Berlin, entries: [{name: a, at: '2026-11-27T00:00', for: 24h, replicas: 70}]",
        "2026-11-26",
        &[
            ("2026-11-26T23:00:00Z", "2026-11-27T00:00:00+01:00", 70, 80, &["a"]),
            ("2026-11-27T23:00:00Z", "2026-11-28T00:00:00+01:00", 2, 80, &["a"]),
        ],
    ),
    (
        "ramps arrive at the start and leave from the end, replica by replica",
        "timeZone: UTC, entries: [{name: a, at: '2026-11-24T07:00', for: 1h, replicas: 6, rampUp: 40m, \
             rampDown: 40m}]",
        "2026-11-24",
        &[
            ("2026-11-24T06:20:00Z", "2026-11-24T06:20:00+00:00", 3, 80, &["a"]),
            ("2026-11-24T06:30:00Z", "2026-11-24T06:30:00+00:00", 4, 80, &["a"]),
            ("2026-11-24T06:40:00Z", "2026-11-24T06:40:00+00:00", 5, 80, &["a"]),
            ("2026-11-24T06:50:00Z", "2026-11-24T06:50:00+00:00", 6, 80, &["a"]),
            ("2026-11-24T08:10:00Z", "2026-11-24T08:10:00+00:00", 5, 80, &["a"]),
            ("2026-11-24T08:20:00Z", "2026-11-24T08:20:00+00:00", 4, 80, &["a"]),
            ("2026-11-24T08:30:00Z", "2026-11-24T08:30:00+00:00", 3, 80, &["a"]),
            ("2026-11-24T08:40:00Z", "2026-11-24T08:40:00+00:00", 2, 80, &["a"]),
        ],
    ),
    (
        "a ramp goes on below a window, which is not its doing",
        "timeZone: UTC, entries: [{name: a, at: '2026-11-24T07:00', for: 1h, replicas: 6, rampUp: 40m}, \
             {name: b, at: '2026-11-24T06:25', for: 10m, replicas: 5}]",
        "2026-11-24",
        &[
            ("2026-11-24T06:20:00Z", "2026-11-24T06:20:00+00:00", 3, 80, &["a"]),
            ("2026-11-24T06:25:00Z", "2026-11-24T06:25:00+00:00", 5, 80, &["b"]),
            ("2026-11-24T06:35:00Z", "2026-11-24T06:35:00+00:00", 4, 80, &["b"]),
            ("2026-11-24T06:40:00Z", "2026-11-24T06:40:00+00:00", 5, 80, &["a"]),
            ("2026-11-24T06:50:00Z", "2026-11-24T06:50:00+00:00", 6, 80, &["a"]),
            ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00+00:00", 2, 80, &["a"]),
        ],
    ),
    (
        "nothing fires on an excepted date",
        "timeZone: UTC, exceptDates: ['2026-11-25'], entries: [{name: a, cron: '0 9 * * *', for: 1h, \
             replicas: 5}]",
        "2026-11-24",
        &[
            ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00+00:00", 5, 80, &["a"]),
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00", 2, 80, &["a"]),
            ("2026-11-26T09:00:00Z", "2026-11-26T09:00:00+00:00", 5, 80, &["a"]),
            ("2026-11-26T10:00:00Z", "2026-11-26T10:00:00+00:00", 2, 80, &["a"]),
        ],
    ),
    (
        "an entry with dates fires on these alone, excepted or not",
        "timeZone: UTC, exceptDates: ['2026-11-25'], entries: [{name: a, cron: '0 9 * * *', for: 1h, \
             replicas: 5, onDates: ['2026-11-25']}]",
        "2026-11-24",
        &[
            ("2026-11-25T09:00:00Z", "2026-11-25T09:00:00+00:00", 5, 80, &["a"]),
            ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00+00:00", 2, 80, &["a"]),
        ],
    ),
    (
        "a pin goes below minReplicas and over the floor of others",
        "timeZone: UTC, entries: [{name: a, at: '2026-11-24T09:00', for: 1h, replicas: 0, \
             maxReplicas: 0}, {name: b, at: '2026-11-24T08:00', for: 2h, replicas: 7}]",
        "2026-11-24",
        &[
            ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00+00:00", 7, 80, &["b"]),
            ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00+00:00", 0, 0, &["a"]),
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00", 2, 80, &["a", "b"]),
        ],
    ),
    (
        "of overlapping ceilings the lowest counts",
        "timeZone: UTC, entries: [{name: a, at: '2026-11-24T09:00', for: 3h, maxReplicas: 10}, \
             {name: b, at: '2026-11-24T10:00', for: 1h, maxReplicas: 6}]",
        "2026-11-24",
        &[
            ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00+00:00", 2, 10, &["a"]),
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00", 2, 6, &["b"]),
            ("2026-11-24T11:00:00Z", "2026-11-24T11:00:00+00:00", 2, 10, &["b"]),
            ("2026-11-24T12:00:00Z", "2026-11-24T12:00:00+00:00", 2, 80, &["a"]),
        ],
    ),
    (
        "an end and a start at the same instant are one change, in the policy's order",
        "timeZone: UTC, entries: [{name: b, at: '2026-11-24T10:00', for: 1h, replicas: 7}, \
             {name: a, at: '2026-11-24T09:00', for: 1h, replicas: 5}]",
        "2026-11-24",
        &[
            ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00+00:00", 5, 80, &["a"]),
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00", 7, 80, &["b", "a"]),
            ("2026-11-24T11:00:00Z", "2026-11-24T11:00:00+00:00", 2, 80, &["b"]),
        ],
    ),
    (
        "a change at the first instant is one, a change at the last is none",
        "timeZone: UTC, entries: [{name: a, cron: '0 9 24,27 11 *', for: 1h, replicas: 5}]",
        "2026-11-24T09:00",
        &[
            ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00+00:00", 5, 80, &["a"]),
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00", 2, 80, &["a"]),
        ],
    ),
    (
        "steps hold until the next",
        "timeZone: Asia/Kolkata, entries: [{name: day, cron: '0 7 * * tue', replicas: 12}, \
             {name: night, cron: '0 20 * * tue', replicas: 3}]",
        "2026-11-24",
        &[
            ("2026-11-24T01:30:00Z", "2026-11-24T07:00:00+05:30", 12, 80, &["day"]),
            ("2026-11-24T14:30:00Z", "2026-11-24T20:00:00+05:30", 3, 80, &["night"]),
        ],
    ),
    (
        "an entry may have a zone of its own",
        "timeZone: UTC, entries: [{name: a, at: '2026-11-24T09:00', timeZone: America/New_York, for: 1h, \
             replicas: 5}]",
        "2026-11-24",
        &[
            ("2026-11-24T14:00:00Z", "2026-11-24T14:00:00+00:00", 5, 80, &["a"]),
            ("2026-11-24T15:00:00Z", "2026-11-24T15:00:00+00:00", 2, 80, &["a"]),
        ],
    ),
];

/// A day with a clock change: zone, one entry `a`, date, instant and shift of the change, what it does, and the
/// instants of that day with their floors.
pub(super) struct ClockDay {
    pub(super) zone: &'static str,
    pub(super) entry: &'static str,
    pub(super) date: &'static str,
    pub(super) at: &'static str,
    pub(super) shift: &'static str,
    pub(super) effect: &'static str,
    pub(super) changes: &'static [(&'static str, &'static str, i32)],
}

#[rustfmt::skip]
pub(super) const CLOCK_DAYS: [ClockDay; 15] = [
    ClockDay {
        zone: "Europe/Berlin", entry: "cron: '0,30 2 * * *', for: 1h, replicas: 9",
        date: "2026-03-29", at: "2026-03-29T01:00:00Z", shift: "+1h",
        effect: "02:00 and 02:30 do not exist on this day; it fires once at 03:00",
        changes: &[("2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00", 9), ("2026-03-29T02:00:00Z", "2026-03-29T04:00:00+02:00", 2)],
    },
    ClockDay {
        zone: "Europe/Berlin", entry: "cron: '*/30 2 * * *', for: 10m, replicas: 9",
        date: "2026-03-29", at: "2026-03-29T01:00:00Z", shift: "+1h",
        effect: "02:00 and 02:30 do not exist on this day; it does not fire then",
        changes: &[],
    },
    ClockDay {
        zone: "Europe/Berlin", entry: "cron: '15 2 * * *', until: '02:45', replicas: 9",
        date: "2026-03-29", at: "2026-03-29T01:00:00Z", shift: "+1h",
        effect: "02:15 does not exist on this day; it fires at 03:00 and ends at once, since its end does not exist either",
        changes: &[],
    },
    ClockDay {
        zone: "Europe/Berlin", entry: "cron: '0 12 * * sat', for: 24h, replicas: 9",
        date: "2026-03-29", at: "2026-03-29T01:00:00Z", shift: "+1h",
        effect: "lasts 25 h by the clock; ends an hour later by the clock, at 13:00",
        changes: &[("2026-03-29T11:00:00Z", "2026-03-29T13:00:00+02:00", 2)],
    },
    ClockDay {
        zone: "Europe/Berlin", entry: "cron: '0 4 29 3 *', for: 2h, replicas: 4, rampUp: 2h",
        date: "2026-03-29", at: "2026-03-29T01:00:00Z", shift: "+1h",
        effect: "its ramp up begins an hour earlier by the clock, at 01:00",
        changes: &[("2026-03-29T00:00:00Z", "2026-03-29T01:00:00+01:00", 3), ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00", 4), ("2026-03-29T04:00:00Z", "2026-03-29T06:00:00+02:00", 2)],
    },
    ClockDay {
        zone: "Europe/Berlin", entry: "cron: '*/30 2 * * *', for: 10m, replicas: 4",
        date: "2026-10-25", at: "2026-10-25T01:00:00Z", shift: "-1h",
        effect: "02:00 and 02:30 come twice; it fires in both passes",
        changes: &[
            ("2026-10-25T00:00:00Z", "2026-10-25T02:00:00+02:00", 4), ("2026-10-25T00:10:00Z", "2026-10-25T02:10:00+02:00", 2),
            ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00+02:00", 4), ("2026-10-25T00:40:00Z", "2026-10-25T02:40:00+02:00", 2),
            ("2026-10-25T01:00:00Z", "2026-10-25T02:00:00+01:00", 4), ("2026-10-25T01:10:00Z", "2026-10-25T02:10:00+01:00", 2),
            ("2026-10-25T01:30:00Z", "2026-10-25T02:30:00+01:00", 4), ("2026-10-25T01:40:00Z", "2026-10-25T02:40:00+01:00", 2),
        ],
    },
    ClockDay {
        zone: "Europe/Berlin", entry: "cron: '0 1 25 10 *', until: '01:30', replicas: 4, rampDown: 2h",
        date: "2026-10-25", at: "2026-10-25T01:00:00Z", shift: "-1h",
        effect: "its ramp down ends an hour earlier by the clock, at 02:30",
        changes: &[("2026-10-24T23:00:00Z", "2026-10-25T01:00:00+02:00", 4), ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00+02:00", 3), ("2026-10-25T01:30:00Z", "2026-10-25T02:30:00+01:00", 2)],
    },
    ClockDay {
        zone: "America/New_York", entry: "cron: '0 1 * * *', until: '02:15', replicas: 5",
        date: "2026-03-08", at: "2026-03-08T07:00:00Z", shift: "+1h",
        effect: "its end 02:15 does not exist on this day; it ends at 03:00",
        changes: &[("2026-03-08T06:00:00Z", "2026-03-08T01:00:00-05:00", 5), ("2026-03-08T07:00:00Z", "2026-03-08T03:00:00-04:00", 2)],
    },
    ClockDay {
        zone: "America/New_York", entry: "cron: '30 0 * * *', until: '01:30', replicas: 5",
        date: "2026-11-01", at: "2026-11-01T06:00:00Z", shift: "-1h",
        effect: "its end 01:30 comes twice; it ends at the first",
        changes: &[("2026-11-01T04:30:00Z", "2026-11-01T00:30:00-04:00", 5), ("2026-11-01T05:30:00Z", "2026-11-01T01:30:00-04:00", 2)],
    },
    ClockDay {
        zone: "America/New_York", entry: "cron: '45 1 1 11 *', until: '01:30', replicas: 5",
        date: "2026-11-01", at: "2026-11-01T06:00:00Z", shift: "-1h",
        effect: "01:45 comes twice; it fires at the first; its end 01:30 comes twice; it ends at the second",
        changes: &[("2026-11-01T05:45:00Z", "2026-11-01T01:45:00-04:00", 5), ("2026-11-01T06:30:00Z", "2026-11-01T01:30:00-05:00", 2)],
    },
    ClockDay {
        zone: "Australia/Lord_Howe", entry: "cron: '45 1 * * *', for: 1h, replicas: 4",
        date: "2026-04-05", at: "2026-04-04T15:00:00Z", shift: "-30m",
        effect: "01:45 comes twice; it fires at the first; lasts 30 min by the clock; ends 30 min earlier by the clock, at 02:15",
        changes: &[("2026-04-04T14:45:00Z", "2026-04-05T01:45:00+11:00", 4), ("2026-04-04T15:45:00Z", "2026-04-05T02:15:00+10:30", 2)],
    },
    ClockDay {
        zone: "Australia/Lord_Howe", entry: "at: '2026-10-04T02:15', for: 1h, replicas: 4",
        date: "2026-10-04", at: "2026-10-03T15:30:00Z", shift: "+30m",
        effect: "02:15 does not exist on this day; it fires at 02:30",
        changes: &[("2026-10-03T15:30:00Z", "2026-10-04T02:30:00+11:00", 4), ("2026-10-03T16:30:00Z", "2026-10-04T03:30:00+11:00", 2)],
    },
    ClockDay {
        zone: "Africa/Casablanca", entry: "cron: '30 2 * * *', for: 15m, replicas: 4",
        date: "2026-02-15", at: "2026-02-15T02:00:00Z", shift: "-1h",
        effect: "02:30 comes twice; it fires at the first",
        changes: &[("2026-02-15T01:30:00Z", "2026-02-15T02:30:00+01:00", 4), ("2026-02-15T01:45:00Z", "2026-02-15T02:45:00+01:00", 2)],
    },
    ClockDay {
        zone: "Africa/Casablanca", entry: "cron: '30 2 * * *', for: 15m, replicas: 4",
        date: "2026-03-22", at: "2026-03-22T02:00:00Z", shift: "+1h",
        effect: "02:30 does not exist on this day; it fires at 03:00",
        changes: &[("2026-03-22T02:00:00Z", "2026-03-22T03:00:00+01:00", 4), ("2026-03-22T02:15:00Z", "2026-03-22T03:15:00+01:00", 2)],
    },
    ClockDay {
        zone: "Africa/Casablanca", entry: "cron: '30 1 * * *', for: 15m, replicas: 4",
        date: "2026-09-20", at: "2026-09-20T01:00:00Z", shift: "-1h",
        effect: "01:30 comes twice; it fires at the first",
        changes: &[("2026-09-20T00:30:00Z", "2026-09-20T01:30:00+01:00", 4), ("2026-09-20T00:45:00Z", "2026-09-20T01:45:00+01:00", 2)],
    },
];
