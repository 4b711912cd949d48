//! What an independent implementation found, and random schedules: mostly on days on which clocks change.

use super::*;

#[test]
fn a_window_that_fires_again_at_its_end_is_not_carried_over_a_clock_change() {
    for (zone, entry, active, over) in [
        // 01:30 comes twice and fires once, and 02:00 is an hour and a half later.
        (
            "America/New_York",
            "cron: '0,30 1,2 * * *', for: 30m",
            "2026-11-01T05:59:59Z",
            "2026-11-01T06:00:00Z",
        ),
        // 02:15 does not exist.
        (
            "Australia/Lord_Howe",
            "cron: '15 */2 * * *', for: 120m",
            "2027-10-02T15:44:59Z",
            "2027-10-02T15:45:00Z",
        ),
    ] {
        let text = format!(
            "maxReplicas: 25\nschedule: {{timeZone: {zone}, entries: [{{name: e, {entry}, replicas: 10}}]}}\n"
        );
        let schedule = policy(&text).schedule;
        let floors = [active, over].map(|instant| schedule.baseline(at(instant)).floor);
        assert_eq!(floors, [Replicas::new(10), Replicas::new(1)], "{zone}");
    }
}

#[test]
fn the_last_of_the_dates_is_shown_again_when_clocks_go_back() {
    let text = "maxReplicas: 25\nschedule: {timeZone: America/Santiago, entries: [{name: e, \
                cron: '15 * * * *', for: 10m, replicas: 10, onDates: ['2027-04-03']}]}\n";
    let schedule = policy(text).schedule;
    // 23:15 comes twice on that day, and an expression of every hour follows elapsed time.
    for (instant, floor) in [
        ("2027-04-04T02:20:00Z", 10),
        ("2027-04-04T02:30:00Z", 1),
        ("2027-04-04T03:20:00Z", 10),
        ("2027-04-04T03:30:00Z", 1),
        ("2027-04-04T04:20:00Z", 1),
    ] {
        assert_eq!(schedule.baseline(at(instant)).floor, Replicas::new(floor), "{instant}");
    }
    let next = schedule.baseline(at("2027-04-04T02:30:00Z")).until();
    assert_eq!(next, Some(at("2027-04-04T03:15:00Z")));
}

#[test]
fn the_last_change_is_the_last_one_up_to_an_instant_wherever_the_edges_are_spread_to() {
    let text = "maxReplicas: 60\nschedule: {spread: 30s, entries: [{name: a, cron: '0 * * * *', replicas: 5}, \
                {name: b, cron: '30 * * * *', replicas: 9}, {name: c, cron: '40 * * * *', replicas: 9}]}\n";
    for (number, shift) in [(0, -15), (1 << 63, 0), (u64::MAX, 15)] {
        let mut schedule = policy(text).schedule;
        schedule.spread_by(number);
        let moved = |text: &str| at(&format!("2026-11-23T{text}Z")) + SignedDuration::from_secs(shift);
        for (now, last) in [
            ("07:00:00", "07:00:00"),
            ("07:29:59.999999999", "07:00:00"),
            ("07:30:00", "07:30:00"),
            ("07:45:00", "07:30:00"),
            ("09:10:00", "09:00:00"),
        ] {
            assert_eq!(schedule.last_change(moved("07:00:00"), moved(now)), moved(last), "{now} {shift}");
        }
    }
}

#[test]
fn steps_that_fire_each_minute_and_change_nothing_are_not_followed_for_decades() {
    let text = "maxReplicas: 60\nschedule: {entries: [{name: a, cron: '11 1 * * *', replicas: 12}, \
                {name: b, cron: '* * * * *', replicas: 35}]}\n";
    let now = at("2026-11-23T12:00:00Z");
    let baseline = policy(text).schedule.baseline(now);
    assert_eq!((baseline.floor, baseline.next), (Replicas::new(35), None));
    let searched = baseline.until().expect("an end of the search").duration_since(now);
    assert!(searched < SignedDuration::from_hours(400 * 24), "{searched:#}");
}
