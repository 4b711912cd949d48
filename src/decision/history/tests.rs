//! What is taken for somebody else's doing, and what outlives a restart, a lost answer or a changed policy.

use jiff::SignedDuration;

use super::super::tests::{at, policy};
use super::super::{Milli, Observation, Reading, decide};
use super::*;

fn n(count: i32) -> Replicas {
    Replicas::new(count)
}

/// Night until 07:00 with 3 replicas, then day with 12; and a load of 10 requests a replica.
fn day_and_load(rest: &str) -> Policy {
    policy(&format!(
        "
maxReplicas: 80
metrics: [{{name: qps, prometheus: {{query: q}}, target: {{averageValue: 10}}}}]
schedule: {{entries: [{{name: day, cron: '0 7 * * *', replicas: 12}}, {{name: night, cron: '0 20 * * *', replicas: 3}}]}}
{rest}
"
    ))
}

fn see(time: &str, replicas: i32, qps: i64) -> Observation {
    let reading = Reading::Value(Milli::new(qps * 1000));
    Observation::new(at(&format!("2026-11-23T{time}Z")), n(replicas)).with_readings([reading])
}

/// An edge or a retry: metrics are not read.
fn glance(time: &str, replicas: i32) -> Observation {
    Observation::new(at(&format!("2026-11-23T{time}Z")), n(replicas))
}

fn record(history: &mut History, policy: &Policy, observation: &Observation) -> Decision {
    let decision = decide(policy, history, observation);
    history.record(policy, &decision);
    decision
}

#[test]
fn a_lost_answer_leaves_the_load_where_it_would_be_without_it_whether_or_not_the_write_arrived() {
    let policy = day_and_load("");
    for has_past in [false, true] {
        for arrived in [false, true] {
            let mut history = History::default();
            if has_past {
                record(&mut history, &policy, &see("06:59:45", 3, 30));
            }
            let mut smooth = history.clone();
            let edge = decide(&policy, &history, &glance("07:00:00", 3));
            assert_eq!(edge.desired, n(12));
            smooth.record(&policy, &edge);
            history.attempted(&policy, &edge);
            let seen = if arrived { 12 } else { 3 };
            record(&mut history, &policy, &glance("07:00:01", seen));
            assert_eq!(history.level(), Some(n(3)), "past {has_past}, arrived {arrived}");
            for time in ["07:00:15", "07:00:30"] {
                let expected = record(&mut smooth, &policy, &see(time, 12, 70));
                let decision = record(&mut history, &policy, &see(time, 12, 70));
                assert_eq!(decision.load, expected.load, "past {has_past}, arrived {arrived}");
            }
            assert_eq!(history.ours, smooth.ours);
        }
    }
}

#[test]
fn several_lost_answers_in_a_row_are_all_remembered_until_one_is_not() {
    let policy = day_and_load("");
    let mut history = History::default();
    record(&mut history, &policy, &see("06:59:45", 3, 30));
    let edge = decide(&policy, &history, &glance("07:00:00", 3));
    history.attempted(&policy, &edge);
    let more = decide(&policy, &history, &see("07:00:15", 3, 150));
    assert_eq!(more.desired, n(12), "7 at most, by the rate policies");
    history.attempted(&policy, &Decision { desired: n(15), ..more });
    for ours in [3, 12, 15] {
        assert!(!history.is_foreign(n(ours)), "{ours}");
    }
    record(&mut history, &policy, &glance("07:00:16", 12));
    for (replicas, foreign) in [(3, true), (12, false), (15, true)] {
        assert_eq!(history.is_foreign(n(replicas)), foreign, "{replicas}");
    }
}

#[test]
fn a_raise_by_hand_is_not_lost_with_the_answer_to_the_write_that_follows_it() {
    let policy = day_and_load("");
    let mut history = History::default();
    record(&mut history, &policy, &see("12:00:00", 12, 30));
    // Somebody sets 40; a ceiling could ask for less than that.
    let after = decide(&policy, &history, &glance("12:00:15", 40));
    history.attempted(&policy, &Decision { desired: n(20), ..after });
    record(&mut history, &policy, &glance("12:00:16", 20));
    assert_eq!(history.level(), Some(n(40)));
}

#[test]
fn who_sets_back_the_number_before_our_write_is_noticed() {
    let policy = day_and_load("");
    let mut history = History::default();
    record(&mut history, &policy, &glance("06:00:00", 3));
    record(&mut history, &policy, &glance("07:00:00", 3));
    let edge = record(&mut history, &policy, &glance("20:00:00", 12));
    assert_eq!((edge.observed, edge.desired), (n(12), n(3)));
    let by_hand = decide(&policy, &history, &glance("20:00:15", 12));
    assert_eq!(by_hand.level(), Some(n(12)));
    assert_eq!(by_hand.desired, n(12));
}

#[test]
fn what_was_only_tried_is_ours_in_no_workload() {
    let trying = day_and_load("mode: DryRun");
    let mut history = History::default();
    let tried = record(&mut history, &trying, &see("12:00:00", 3, 30));
    assert_eq!(tried.desired, n(12));
    assert!(!history.is_foreign(n(3)));
    assert!(history.is_foreign(n(12)));
    assert!(history.is_shadow() && history.memory().shadow);
    let restored = History::restore(history.memory(), &trying, at("2026-11-23T13:00:00Z"));
    assert!(restored.is_shadow());
    record(&mut history, &day_and_load(""), &see("12:00:15", 12, 30));
    assert!(!history.is_shadow());
}

#[test]
fn after_a_restart_the_level_may_rise_at_once_also_with_an_upward_window() {
    let policy = day_and_load(
        "damping: {scaleUp: {stabilizationWindowSeconds: 300}, scaleDown: {stabilizationWindowSeconds: 300}}",
    );
    let memory = Memory { level: Some(n(20)), ..Memory::default() };
    for (qps, level) in [(250, 25), (50, 20)] {
        let history = History::restore(memory.clone(), &policy, at("2026-11-23T12:00:00Z"));
        let decision = decide(&policy, &history, &see("12:00:15", 20, qps));
        assert_eq!(decision.level(), Some(n(level)), "{qps} requests a second");
    }
}

#[test]
fn without_metrics_nothing_is_remembered_of_the_load() {
    let metered = day_and_load("");
    let mut bare = metered.clone();
    bare.metrics.clear();
    let mut history = History::default();
    let mut now = at("2026-11-23T12:00:00Z");
    for qps in [300, 900] {
        let observation = Observation { at: now, ..see("12:00:00", 30, qps) };
        record(&mut history, &metered, &observation);
        now += SignedDuration::from_secs(15);
    }
    assert!(history.level() > Some(n(30)) && !history.events.up.is_empty());
    record(&mut history, &bare, &glance("12:01:00", 12));
    assert_eq!(history.memory(), Memory::default());
    let expected = {
        let mut fresh = History::default();
        record(&mut fresh, &bare, &glance("12:01:00", 12));
        fresh
    };
    assert_eq!(history, expected);
    let again = decide(&metered, &history, &see("12:01:15", 12, 10));
    assert_eq!(again.level(), Some(n(12)), "it starts from the present, which counts for a window");
}

#[test]
fn a_move_that_no_memory_tells_of_is_made_up_for() {
    let policy = day_and_load("damping: {scaleUp: {policies: [{type: Pods, value: 4, periodSeconds: 60}]}}");
    let mut told = History::default();
    record(&mut told, &policy, &see("21:00:00", 5, 50));
    let memory = told.memory();
    let mut untold = told.clone();
    assert_eq!(record(&mut untold, &policy, &see("21:00:30", 5, 200)).desired, n(9));

    let now = at("2026-11-23T21:00:50Z");
    let mut history = History::restore(memory, &policy, now);
    assert_eq!(decide(&policy, &history, &glance("21:00:50", 9)).desired, n(5), "else it would be undone");
    history.make_up(&policy, [now, at("2026-11-23T21:00:30Z")], n(9), true);
    assert_eq!((history.level(), history.memory()), (Some(n(9)), untold.memory()));
    assert_eq!(decide(&policy, &history, &glance("21:00:50", 9)).desired, n(9), "nothing is undone");
    assert_eq!(decide(&policy, &history, &see("21:01:15", 9, 200)).desired, n(9), "the move counts");
    assert_eq!(decide(&policy, &history, &see("21:01:30", 9, 200)).desired, n(13), "and counts no more");
    assert_eq!(decide(&policy, &history, &see("21:01:30", 9, 10)).desired, n(9), "nor does it fall at once");
}

#[test]
fn what_is_made_up_for_is_a_rise_and_counts_when_it_is_the_loads_own() {
    let policy = day_and_load("");
    let mut told = History::default();
    record(&mut told, &policy, &see("21:00:00", 20, 200));
    let now = at("2026-11-23T21:00:50Z");
    for (to, is_own, is_out, level, events) in [
        (25, true, false, 25, 1),
        (25, false, false, 25, 0),
        (25, true, true, 25, 0),
        (15, true, false, 20, 0),
        (99, true, false, 80, 1),
    ] {
        let mut history = History::restore(told.memory(), &policy, now);
        history.outage = is_out.then_some(Outage { since: at("2026-11-23T20:50:00Z"), good: 0 });
        history.make_up(&policy, [now, now], n(to), is_own);
        assert_eq!((history.level(), history.memory().events.up.len()), (Some(n(level)), events), "{to}");
    }
}
