//! Cases whose answer can be computed by hand, and the promise of the same bytes.

use jiff::{SignedDuration, Timestamp};

use super::measurement::{Measurement, RangeSelector};
use super::plant::{PlantSpec, PodsSpec};
use super::*;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

const START: &str = "2026-11-23T00:00:00Z";

pub(super) fn scenario(policy: &str, traffic: Traffic, hours: u64) -> Scenario {
    let yaml = format!("scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n{policy}");
    let spec: crate::api::ScalePolicySpec = serde_saphyr::from_str(&yaml).expect("the shape of a spec");
    Scenario {
        name: "test".to_owned(),
        policy: crate::policy::validate(&spec).expect("valid"),
        resource: ScalePolicy::new("test", spec),
        calendars: Vec::new(),
        missing_calendars: Vec::new(),
        policy_text: yaml,
        autoscaler: None,
        from: at(START),
        length: Duration::from_secs(hours * 3600),
        cut_from: None,
        interval: Duration::from_secs(15),
        traffic,
        gaps: None,
        plant: PlantSpec {
            pods: PodsSpec { startup: Duration::from_secs(40), ..PodsSpec::default() },
            capacity_per_replica: 100.0,
            initial_replicas: Replicas::new(2),
            measurement: Measurement {
                window: Duration::from_secs(60),
                scrape_interval: Duration::from_secs(15),
                phase: Duration::ZERO,
                delay: Duration::ZERO,
                range: RangeSelector::Closed,
            },
            service: None,
        },
        cluster: ClusterSpec::default(),
        behind: Vec::new(),
        quantities: BTreeMap::new(),
        outages: Vec::new(),
        restarts: Vec::new(),
        price: None,
        expectations: Vec::new(),
    }
}

const LOAD: &str = "
maxReplicas: 50
metrics: [{name: qps, prometheus: {query: q}, target: {averageValue: 100}}]
";

#[test]
fn constant_demand_settles_where_it_is_covered_and_stays() {
    let run = run(&scenario(LOAD, Traffic::constant(1000.0), 1));
    let moves: Vec<_> = run.changes.iter().map(|change| (change.from, change.to)).collect();
    // 4 pods or 100 % per 15 s: 2 → 6, then the rest, once the 300 s of the seed don't matter upward.
    assert_eq!(moves, [(2, 6), (6, 10)]);
    assert_eq!(run.rows.last().map(|row| row.ready), Some(10));
    assert_eq!(run.rows.len(), 240);
}

#[test]
fn a_step_drops_exactly_what_is_missing_until_pods_are_ready() {
    // 200 qps on two pods of 100, and 700 from 00:10:00 on. The metric is a mean over a minute: at 00:10:15
    // it says 325, so 4; at 00:10:30 450, so 5; at :45 575, so 6; at 00:11:00 700, so 7.
    let step = at("2026-11-23T00:10:00Z");
    let end = at("2026-11-23T02:00:00Z");
    let traffic = Traffic::sampled(at("2026-11-22T23:00:00Z"), end, Duration::from_secs(15), |now| {
        if now < step { 200.0 } else { 700.0 }
    });
    let run = run(&scenario(LOAD, traffic, 1));
    let moves: Vec<_> = run.changes.iter().map(|change| (change.at, change.to)).collect();
    let after = |seconds| step + SignedDuration::from_secs(seconds);
    assert_eq!(moves, [(after(15), 4), (after(30), 5), (after(45), 6), (after(60), 7)]);
    // Capacity is 200 for 55 s, 400 for 15 s, 500 for 15 s, 600 for 15 s, then enough.
    let dropped = 500.0 * 55.0 + 300.0 * 15.0 + 200.0 * 15.0 + 100.0 * 15.0;
    assert!((run.scores.dropped_requests - dropped).abs() < 1e-6, "{}", run.scores.dropped_requests);
    assert!((run.scores.requests - (200.0 * 600.0 + 700.0 * 3000.0)).abs() < 1e-6);
}

#[test]
fn a_schedule_is_applied_at_its_instant_also_between_ticks() {
    let policy = "
maxReplicas: 50
schedule:
  entries: [{name: a, cron: '*/7 * * * *', for: 3m, replicas: 9}]
";
    let mut scenario = scenario(policy, Traffic::constant(10.0), 1);
    scenario.interval = Duration::from_secs(300);
    let run = run(&scenario);
    let moves: Vec<_> = run.changes.iter().take(4).map(|change| (change.at.to_string(), change.to)).collect();
    let expected = [
        ("2026-11-23T00:00:00Z", 9),
        ("2026-11-23T00:03:00Z", 1),
        ("2026-11-23T00:07:00Z", 9),
        ("2026-11-23T00:10:00Z", 1),
    ];
    assert_eq!(moves, expected.map(|(at, to)| (at.to_owned(), to)));
}

#[test]
fn dry_run_and_paused_change_nothing() {
    for mode in ["DryRun", "Paused"] {
        let run = run(&scenario(&format!("{LOAD}mode: {mode}\n"), Traffic::constant(1000.0), 1));
        assert_eq!((run.changes.len(), run.scores.peak_replicas), (0, 2), "{mode}");
    }
}

#[test]
fn what_a_paused_policy_would_decide_can_be_looked_at_too() {
    let scenario = scenario(&format!("{LOAD}mode: Paused\n"), Traffic::constant(1000.0), 1);
    let (last, read) = decisions_by(&scenario, at("2026-11-23T00:10:00Z")).expect("within the scenario");
    assert_eq!(last.desired, Replicas::new(6), "the first move from two, again and again");
    assert_eq!(read, Some(last));
}

#[test]
fn the_same_scenario_gives_the_same_run() {
    let wave = |now: Timestamp| {
        let second = i32::try_from(now.as_second().rem_euclid(3600)).unwrap_or(0);
        f64::from(second) / 3.0
    };
    let traffic = || {
        Traffic::sampled(
            at("2026-11-22T23:00:00Z"),
            at("2026-11-23T06:00:00Z"),
            Duration::from_secs(15),
            wave,
        )
    };
    let [a, b] = [(); 2].map(|()| run(&scenario(LOAD, traffic(), 5)));
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
    assert!(a.changes.len() > 10, "it moves");
}

#[test]
fn ticks_are_multiples_of_the_interval_since_the_epoch() {
    let quarter = Duration::from_secs(15);
    for (from, expected) in [
        ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("2026-11-23T00:00:00.001Z", "2026-11-23T00:00:15Z"),
        ("2026-11-23T00:00:14Z", "2026-11-23T00:00:15Z"),
        ("1969-12-31T23:59:50Z", "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(first_tick(at(from), quarter), at(expected), "{from}");
    }
}

#[test]
fn what_is_paid_by_the_hour_is_paid_for_as_long_as_it_lasts() {
    for (from, seconds) in [
        ("2026-11-23T00:00:00Z", 607),
        ("2026-11-23T00:00:00Z", 615),
        ("2026-11-23T00:00:00Z", 7),
        ("2026-11-23T00:00:07Z", 600),
        ("2026-11-23T00:00:07Z", 607),
        ("2026-11-23T00:00:07Z", 611),
    ] {
        let mut scenario = scenario(LOAD, Traffic::constant(10.0), 1);
        scenario.from = at(from);
        scenario.length = Duration::from_secs(seconds);
        scenario.plant.initial_replicas = Replicas::new(1);
        let run = run(&scenario);
        let hours = Duration::from_secs(seconds).as_secs_f64() / 3600.0;
        let paid = run.scores.elasticity.replica_hours;
        assert!((paid - hours).abs() < 1e-12, "{seconds} s from {from}: {paid} for {hours}");
        assert_eq!(score(&scenario), run.scores);
    }
}

#[test]
fn a_query_sees_the_samples_of_its_range_and_extrapolates_to_its_ends() {
    let at = |seconds| Timestamp::from_second(seconds).expect("in range");
    // 1 qps in the first second, 2 in the next, and so on.
    let traffic = Traffic::sampled(at(0), at(600), Duration::from_secs(1), |now| {
        f64::from(i32::try_from(now.as_second()).unwrap_or(0) + 1)
    });
    for (now, delay, expected) in
        [(300, 0, 270.5), (314, 0, 278.0), (315, 0, 285.5), (315, 1, 278.0), (345, 30, 285.5)]
    {
        let measurement = Measurement {
            window: Duration::from_secs(60),
            scrape_interval: Duration::from_secs(15),
            phase: Duration::ZERO,
            delay: Duration::from_secs(delay),
            range: RangeSelector::Closed,
        };
        let rate = measurement.rate(&traffic, at(now)).expect("two samples");
        assert!((rate - expected).abs() < 1e-9, "at {now} with a delay of {delay}: {rate}");
    }
}

#[test]
fn means_are_exact_over_pieces_regular_or_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("trace.csv");
    std::fs::write(&file, "timestamp,qps\n100,10\n110,20\n1970-01-01T00:02:20Z,0\n").expect("written");
    let traffic = Traffic::from_file(&file, 2.0).expect("a trace");
    let second = |seconds| Timestamp::from_second(seconds).expect("in range");
    for (from, to, mean) in
        [(100, 110, 20.0), (105, 115, 30.0), (100, 140, 35.0), (140, 200, 0.0), (90, 100, 20.0)]
    {
        assert!((traffic.mean(second(from), second(to)) - mean).abs() < 1e-9, "{from} to {to}");
    }
    for (text, expected) in [
        ("timestamp,qps\n", "trace.csv: no rows"),
        ("timestamp,qps\n1,2\n1,3\n", "trace.csv:3: rows must be in order"),
        ("timestamp,qps\n1,-2\n", "trace.csv:2: \"-2\" is not a rate"),
        ("timestamp,qps\n1,inf\n", "trace.csv:2: \"inf\" is not a rate"),
        ("timestamp,qps\nnoon,2\n", "trace.csv:2: \"noon\" is neither"),
        ("timestamp,qps\n1\n", "trace.csv:2: expected timestamp,qps"),
        ("timestamp,qps\n1,1e308\n", "trace.csv:2: \"1e308\" is not a rate"),
    ] {
        std::fs::write(&file, text).expect("written");
        let error = Traffic::from_file(&file, 1.0).expect_err(text).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_trace_that_reaches_the_end_of_time_ends_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("trace.csv");
    std::fs::write(&file, "timestamp,qps\n9999-12-29T00:00:00Z,1\n9999-12-30T00:00:00Z,2\n")
        .expect("written");
    let traffic = Traffic::from_file(&file, 1.0).expect("a trace");
    assert_eq!(traffic.end(), Timestamp::MAX);
}

#[test]
fn elasticity_is_what_the_reference_computes() {
    // Rows of the SPEC RG metrics computed by others.
    let step = Duration::from_secs(60);
    let scores = scores::elasticity(step, &[10, 15, 16], &[10, 14, 17]);
    let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
    close(scores.theta_u_percent, 2.222_222_222);
    close(scores.theta_o_percent, 2.083_333_333);
    close(scores.tau_u_percent, 33.333_333_333);
    close(scores.upsilon_percent, 0.0);
    close(scores.replica_hours, 0.683_333_333);
    assert_eq!((scores.scale_events, scores.reversals), (2, 0));
    let scores = scores::elasticity(Duration::from_secs(15), &[4, 4], &[4, 5]);
    close(scores.upsilon_percent, 100.0);
    close(scores.accuracy_o, 0.5);
    let nothing = scores::elasticity(step, &[], &[]);
    close(nothing.theta_u_percent + nothing.upsilon_percent, 0.0);
}

/// A rise of half an hour from 00:30 on, in a scenario of two hours.
fn peak() -> Scenario {
    let traffic = Traffic::sampled(at(START), at("2026-11-23T02:00:00Z"), Duration::from_secs(15), |now| {
        let minute = now.duration_since(at(START)).as_mins();
        if (30..60).contains(&minute) { 1500.0 } else { 400.0 + f64::from(u8::from(minute % 7 == 3)) * 90.0 }
    });
    scenario(LOAD, traffic, 2)
}

#[test]
fn an_outage_is_no_reading_and_keeps_the_level() {
    let (from, until) = (at("2026-11-23T00:50:00Z"), at("2026-11-23T01:20:00Z"));
    let mut scenario = peak();
    scenario.outages = vec![(from, until)];
    let run = run(&scenario);
    let rows = |inside: bool| run.rows.iter().filter(move |row| (from..until).contains(&row.at) == inside);
    assert_eq!(rows(true).count(), 120);
    assert!(rows(true).all(|row| row.measured.is_none() && row.level == Some(15)));
    assert!(rows(false).all(|row| row.measured.is_some()));
    assert_eq!(run.rows.last().and_then(|row| row.level), Some(5), "it goes on afterwards");
}

#[test]
fn a_restart_that_finds_its_past_in_prometheus_changes_no_replica() {
    let replicas = |run: &Run| -> Vec<u32> { run.rows.iter().map(|row| row.replicas).collect() };
    let undisturbed = run(&peak());
    for minute in [31, 50, 61, 63, 70] {
        let mut scenario = peak();
        scenario.restarts = vec![at(START) + SignedDuration::from_secs(minute * 60 + 7)];
        assert!(replicas(&run(&scenario)) == replicas(&undisturbed), "at minute {minute}");
    }
}

mod loops;
mod tiers;

#[test]
fn a_step_of_many_seconds_is_as_good_as_a_second_each() {
    let (from, to) = (at("2026-11-22T23:00:00Z"), at("2026-11-23T03:00:00Z"));
    let minute = Duration::from_secs(60);
    // Sudden, so that some of it has to wait, is late, is lost, and comes again.
    let qps = |now: Timestamp| if now.as_second() / 900 % 2 == 0 { 180.0 } else { 460.0 };
    let coarse = Traffic::sampled(from, to, minute, qps);
    let fine = Traffic::sampled(from, to, Duration::from_secs(1), qps);
    let queue = service::QueueSpec { timeout: 10.0, retries: 1, backoff: 2.0, late_after: 1.0 };
    let tier = service::DownstreamSpec {
        capacity: 400.0,
        latency: 0.02,
        connections_per_replica: 5.0,
        contention: 0.01,
    };
    for downstream in [None, Some(tier)] {
        let played = |traffic: &Traffic| {
            let mut scenario = scenario(LOAD, traffic.clone(), 3);
            scenario.plant.service =
                Some(service::ServiceSpec { latency: 0.1, queue, downstream, concurrency: None });
            let run = run(&scenario);
            let of = |row: &Row| [row.requests, row.retried, row.late, row.dropped, f64::from(row.ready)];
            run.rows.iter().map(of).collect::<Vec<_>>()
        };
        let (long, short) = (played(&coarse), played(&fine));
        assert!(short.iter().any(|row| row[1] > 0.0) && short.iter().any(|row| row[2] > 0.0));
        for (tick, (long, short)) in long.iter().zip(&short).enumerate() {
            let is_near = long.iter().zip(short).all(|(long, short)| (long - short).abs() < 1e-6);
            assert!(is_near, "tick {tick}: {long:?} is not {short:?}");
        }
    }
}
