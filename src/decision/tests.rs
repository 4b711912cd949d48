//! Tables and properties of the decision as a whole; the schedule has its own in `schedule/tests.rs`.

mod load;
mod properties;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::policy::{InvalidPolicy, validate};

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub(super) fn policy(rest: &str) -> Policy {
    try_policy(rest).expect("a valid policy")
}

pub(super) fn try_policy(rest: &str) -> Result<Policy, InvalidPolicy> {
    let yaml = format!("scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n{rest}");
    validate(&serde_saphyr::from_str(&yaml).expect("the shape of a spec"))
}

pub(super) fn n(count: i32) -> Replicas {
    Replicas::new(count)
}

fn qps(value: i64) -> Reading {
    Reading::Value(Milli::new(value * 1000))
}

const MISSING: Reading = Reading::Missing(MissingCause::NoSample);

/// Runs ticks of 15 s from 2026-11-23T12:00Z on, each with its readings, and gives the replicas after each.
fn run(policy: &Policy, replicas: i32, ticks: &[Vec<Reading>]) -> Vec<i32> {
    let mut history = History::default();
    let mut present = n(replicas);
    let mut now = at("2026-11-23T12:00:00Z");
    let mut result = Vec::new();
    for readings in ticks {
        let observation = Observation::new(now, present).with_readings(readings.iter().copied());
        let decision = decide(policy, &history, &observation);
        history.record(policy, &decision);
        present = decision.desired;
        result.push(present.get());
        now += SignedDuration::from_secs(15);
    }
    result
}

pub(super) const METRIC: &str = "
maxReplicas: 80
metrics:
- {name: qps, prometheus: {query: q}, target: {averageValue: 100}}
";

#[test]
fn floor_and_ceiling_win_over_the_load_and_the_reason_says_which() {
    let rest = "
minReplicas: 2
maxReplicas: 50
schedule:
  entries:
  - {name: base, cron: '0 0 * * *', replicas: 5}
  - {name: cap, cron: '0 12 * * *', for: 1h, maxReplicas: 20}
  - {name: over, cron: '0 14 * * *', for: 1h, replicas: 30}
  - {name: under, cron: '0 14 * * *', for: 1h, maxReplicas: 10}
  - {name: pin, cron: '0 16 * * *', for: 1h, replicas: 1, maxReplicas: 1}
metrics:
- {name: qps, prometheus: {query: q}, target: {averageValue: 100}}
damping: {scaleUp: {policies: [{type: Pods, value: 1000, periodSeconds: 15}]}, scaleDown: {stabilizationWindowSeconds: 0}}
";
    let policy = policy(rest);
    for (time, load, desired, reason) in [
        ("10:00", 300, 5, DesiredReason::Baseline),
        ("10:00", 800, 8, DesiredReason::Load),
        ("10:00", 9000, 50, DesiredReason::Load),
        ("12:30", 9000, 20, DesiredReason::Ceiling),
        ("12:30", 2000, 20, DesiredReason::Load),
        ("14:30", 9000, 30, DesiredReason::Baseline),
        ("16:30", 9000, 1, DesiredReason::Pinned),
        ("17:00", 9000, 50, DesiredReason::Load),
    ] {
        let now = at(&format!("2026-11-23T{time}:00Z"));
        let observation = Observation::new(now, n(6)).with_readings([qps(load)]);
        let mut history = History::default();
        let warm = decide(&policy, &history, &Observation::new(now - SignedDuration::from_hours(1), n(6)));
        history.record(&policy, &warm);
        let decision = decide(&policy, &history, &observation);
        assert_eq!((decision.desired, decision.reason), (n(desired), reason), "{time} with {load} qps");
    }
}

#[test]
fn a_step_down_goes_to_what_the_load_asks_in_one_write() {
    let rest = "
maxReplicas: 50
schedule:
  entries: [{name: day, cron: '0 7 * * *', replicas: 20}, {name: night, cron: '0 20 * * *', replicas: 3}]
metrics:
- {name: qps, prometheus: {query: q}, target: {averageValue: 100}}
";
    let policy = policy(rest);
    let mut history = History::default();
    let mut now = at("2026-11-23T19:30:00Z");
    // The load's level starts from the 20 that are there and comes down to 8 behind the schedule's back.
    while now < at("2026-11-23T20:00:00Z") {
        let observation = Observation::new(now, n(20)).with_readings([qps(800)]);
        let decision = decide(&policy, &history, &observation);
        assert_eq!(decision.desired, n(20));
        history.record(&policy, &decision);
        now += SignedDuration::from_secs(15);
    }
    let edge = decide(&policy, &history, &Observation::new(now, n(20)));
    assert_eq!((edge.desired, edge.reason), (n(8), DesiredReason::Load));
    assert_eq!(edge.explain(&policy).to_string(), "the load's level is 8");
}

#[test]
fn an_outage_is_never_zero() {
    let policy = policy(METRIC);
    let mut ticks = vec![vec![qps(1000)]; 4];
    ticks.extend(vec![vec![MISSING]; 100]);
    assert_eq!(run(&policy, 10, &ticks), vec![10; 104]);
}

#[test]
fn after_a_long_outage_it_takes_two_good_samples_to_move() {
    let policy = policy(&format!("{METRIC}damping: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}\n"));
    let mut ticks = vec![vec![qps(1000)]; 2];
    ticks.extend(vec![vec![MISSING]; 13]); // over three minutes
    ticks.extend([vec![qps(500)], vec![MISSING], vec![qps(500)], vec![qps(500)]]);
    let replicas = run(&policy, 10, &ticks);
    assert_eq!(replicas[14..], [10, 10, 10, 10, 5]);
    // A gap shorter than that is over with the first good sample, as in the HPA.
    let ticks = [vec![qps(1000)], vec![MISSING], vec![qps(500)]];
    assert_eq!(run(&policy, 10, &ticks), [10, 10, 5]);
}

#[test]
fn with_one_of_two_metrics_missing_the_other_may_raise_but_not_lower() {
    let policy = policy(
        "
maxReplicas: 80
metrics:
- {name: a, prometheus: {query: a}, target: {averageValue: 100}}
- {name: b, prometheus: {query: b}, target: {averageValue: 100}}
damping: {scaleDown: {stabilizationWindowSeconds: 0}}
",
    );
    for (readings, expected) in [
        (vec![qps(1000), qps(200)], 10),
        (vec![qps(200), qps(200)], 5), // 100 % per 15 s allows anything; halved by nothing else
        (vec![qps(200), MISSING], 10),
        (vec![qps(1500), MISSING], 15),
        (vec![qps(1500)], 15),
        (vec![MISSING, MISSING], 10),
    ] {
        let after = run(&policy, 10, std::slice::from_ref(&readings));
        // The first evaluation seeds nothing here, since neither window has a length.
        let expected = if expected == 5 { 2 } else { expected };
        assert_eq!(after, [expected], "{readings:?}");
    }
}

#[test]
fn rate_policies_start_from_a_number_raised_by_hand_and_a_lowered_one_is_put_right() {
    let down = "damping: {scaleDown: {policies: [{type: Pods, value: 2, periodSeconds: 15}]}}";
    let policy = policy(&format!("{METRIC}{down}\n"));
    for (foreign, expected) in [(30, 28), (4, 10)] {
        let mut history = History::default();
        let now = at("2026-11-23T12:00:00Z");
        let first = decide(&policy, &history, &Observation::new(now, n(10)).with_readings([qps(1000)]));
        history.record(&policy, &first);
        let later = now + SignedDuration::from_secs(15);
        let decision =
            decide(&policy, &history, &Observation::new(later, n(foreign)).with_readings([qps(1000)]));
        assert_eq!(decision.desired, n(expected), "set to {foreign} by hand");
    }
}

#[test]
fn after_a_restart_the_level_is_the_old_one_and_may_rise_but_not_fall_for_a_window() {
    let policy = policy(METRIC);
    let now = at("2026-11-23T12:00:00Z");
    let memory = Memory { level: Some(n(10)), ..Memory::default() };
    for (after, load, expected) in [(15, 500, 10), (15, 1500, 15), (299, 500, 10), (300, 500, 5)] {
        let history = History::restore(memory.clone(), &policy, now);
        let then = now + SignedDuration::from_secs(after);
        let decision = decide(&policy, &history, &Observation::new(then, n(3)).with_readings([qps(load)]));
        assert_eq!(decision.desired, n(expected), "{load} qps, {after} s after");
    }
}

#[test]
fn explanations_name_the_entry_the_metric_and_the_limit() {
    let policy =
        policy(&format!("{METRIC}schedule: {{entries: [{{name: day, cron: '0 7 * * *', replicas: 12}}]}}\n"));
    let now = at("2026-11-23T12:00:00Z");
    let see = |replicas, reading| {
        let observation = Observation::new(now, n(replicas)).with_readings([reading]);
        decide(&policy, &History::default(), &observation).explain(&policy).to_string()
    };
    assert_eq!(see(3, qps(500)), "schedule entry day asks for 12; the load asks for 5; qps is 500");
    assert_eq!(
        see(20, qps(500)),
        "the load's level is 20; qps is 500; stabilization keeps it from falling to 5"
    );
    assert_eq!(
        see(20, qps(7000)),
        "the load's level is 40; qps is 7000; rate policies allow 40 on the way to 70"
    );
    assert_eq!(
        see(20, MISSING),
        "the load's level is 20; qps is missing (NoSample); held until a metric can be read"
    );
}

fn any_reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        4 => (0_i64..20_000_000).prop_map(|milli| Reading::Value(Milli::new(milli))),
        1 => Just(Reading::Value(Milli::new(i64::MAX))),
        1 => Just(MISSING),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let rules = (0_u32..600, 0_usize..3, proptest::collection::vec((0_u8..2, 1_i32..200, 1_u32..200), 1..3));
    (0_i32..10, 0_i32..100, rules.clone(), rules).prop_map(|(min, more, up, down)| {
        let side = |(window, select, policies): (u32, usize, Vec<(u8, i32, u32)>)| {
            let policies: Vec<_> = policies
                .iter()
                .map(|(kind, value, period)| {
                    let kind = ["Pods", "Percent"][usize::from(*kind)];
                    format!("{{type: {kind}, value: {value}, periodSeconds: {period}}}")
                })
                .collect();
            let select = ["Max", "Min", "Disabled"][select];
            let policies = policies.join(", ");
            format!("{{stabilizationWindowSeconds: {window}, selectPolicy: {select}, policies: [{policies}]}}")
        };
        policy(&format!(
            "minReplicas: {min}\nmaxReplicas: {}\nmetrics:\n- {{name: qps, prometheus: {{query: q}}, target: {{averageValue: 100}}}}\nschedule: {{entries: [{{name: w, cron: '5 * * * *', for: 7m, replicas: {min}}}]}}\ndamping: {{scaleUp: {}, scaleDown: {}}}\n",
            min + more,
            side(up),
            side(down)
        ))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bounds_hold_and_a_missing_load_never_lowers(
        policy in any_policy(),
        start in 0_i32..200,
        readings in proptest::collection::vec(any_reading(), 1..60),
    ) {
        let mut history = History::default();
        let mut present = n(start);
        let mut now = at("2026-11-23T12:00:00Z");
        for reading in readings {
            let observation = Observation::new(now, present).with_readings([reading]);
            let decision = decide(&policy, &history, &observation);
            prop_assert_eq!(&decision, &decide(&policy, &history, &observation), "pure");
            prop_assert!(decision.desired >= policy.min && decision.desired <= policy.max);
            if reading == MISSING && present <= policy.max {
                prop_assert!(decision.desired >= present);
            }
            history.record(&policy, &decision);
            present = decision.desired;
            now += SignedDuration::from_secs(15);
        }
    }

    #[test]
    fn sorted_windows_give_what_the_definition_gives(
        policy in any_policy(),
        loads in proptest::collection::vec(0_i64..10_000_000, 1..80),
    ) {
        let mut history = History::default();
        let mut now = at("2026-11-23T12:00:00Z");
        let mut past: Vec<(Timestamp, Replicas)> = Vec::new();
        for load in loads {
            let present = history.level().unwrap_or(policy.min);
            let reading = Reading::Value(Milli::new(load));
            let decision = decide(&policy, &history, &Observation::new(now, present).with_readings([reading]));
            let level = decision.load.as_ref().expect("the policy has a metric");
            if past.is_empty() {
                past.push((now, level.before));
            }
            let wish = level.recommendation.expect("the reading is good");
            let rules = (&policy.damping.up, &policy.damping.down);
            prop_assert_eq!(level.stabilized, stabilize(rules, now, level.before, wish, &past));
            past.push((now, wish));
            history.record(&policy, &decision);
            now += SignedDuration::from_secs(15);
        }
    }

    #[test]
    fn more_load_never_asks_for_fewer_replicas(
        present in 0_i32..500, ready in 0_i32..500, a in 0_i64..10_000_000, b in 0_i64..10_000_000, by_value in any::<bool>(),
    ) {
        let policy = policy(METRIC);
        let milli = Milli::new(100_000);
        let target = if by_value { Target::Value(milli) } else { Target::AverageValue(milli) };
        let ask = |load| recommend(target, Milli::new(load), n(present), n(ready.min(present)), &policy.damping);
        // With unready pods a HorizontalPodAutoscaler asks for less outside its tolerance than inside.
        prop_assume!(!by_value || ready >= present);
        prop_assert!(ask(a.min(b)) <= ask(a.max(b)));
    }
}
