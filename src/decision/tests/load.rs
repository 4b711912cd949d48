//! Smoothing, deadband, fallbacks, guards, capacity and overrides, tick by tick.

use super::*;
use crate::decision::Override;

/// A workload that does what it is told, one evaluation every 15 s from 2026-11-23T12:00Z on.
struct Plant {
    policy: Policy,
    history: History,
    now: Timestamp,
    present: Replicas,
}

impl Plant {
    fn new(rest: &str, replicas: i32) -> Self {
        let now = at("2026-11-23T12:00:00Z");
        Self { policy: policy(rest), history: History::default(), now, present: n(replicas) }
    }

    fn see(&self, readings: &[Reading]) -> Observation {
        Observation::new(self.now, self.present).with_readings(readings.iter().copied())
    }

    fn evaluate(&mut self, observation: &Observation) -> Decision {
        let decision = decide(&self.policy, &self.history, observation);
        self.history.record(&self.policy, &decision);
        self.present = decision.desired;
        self.now += SignedDuration::from_secs(15);
        decision
    }

    /// One tick with these readings; the replicas after it.
    fn tick(&mut self, readings: &[Reading]) -> i32 {
        self.evaluate(&self.see(readings)).desired.get()
    }

    fn ticks(&mut self, count: usize, readings: &[Reading]) -> Vec<i32> {
        (0..count).map(|_| self.tick(readings)).collect()
    }

    /// One tick with a guard's reading.
    fn guarded(&mut self, load: i64, guard: Reading) -> Decision {
        let guards = Samples::Read([guard].into_iter().collect());
        self.evaluate(&Observation { guards, ..self.see(&[qps(load)]) })
    }
}

const FAST: &str = "
minReplicas: 2
maxReplicas: 80
metrics:
- {name: qps, prometheus: {query: q}, target: {averageValue: 100}}
damping:
  scaleUp: {policies: [{type: Pods, value: 1000, periodSeconds: 15}]}
  scaleDown: {stabilizationWindowSeconds: 0}
";

fn fast(more: &str) -> String {
    format!("{FAST}{more}")
}

#[test]
fn smoothing_goes_half_of_the_way_in_a_half_life_and_a_gap_lets_it_catch_up() {
    let rest = FAST
        .replace("damping:", "damping:\n  smoothing: {halfLife: 30s}")
        .replace("scaleUp: {", "scaleUp: {tolerance: 0, ");
    let mut plant = Plant::new(&rest, 10);
    assert_eq!(plant.tick(&[qps(1000)]), 10, "the first sample is taken as it is");
    // 1000 to 3000 in half-lives of two ticks: 1585.8, 2000, 2292.9, 2500, …
    assert_eq!(plant.ticks(4, &[qps(3000)]), [16, 20, 23, 25]);
    let decision = plant.evaluate(&plant.see(&[qps(3000)]));
    let metric = decision.load.expect("a load").metrics[0];
    assert_eq!(metric.reading, qps(3000));
    assert_eq!(metric.smoothed, Some(Milli::new(2_646_447)));
    // A missing sample changes nothing; the next one has twice the distance.
    plant.tick(&[MISSING]);
    let decision = plant.evaluate(&plant.see(&[qps(3000)]));
    assert_eq!(decision.load.expect("a load").metrics[0].smoothed, Some(Milli::new(2_823_223)));
}

#[test]
fn a_deadband_keeps_the_level_where_a_recommendation_is_few_replicas_away() {
    let rest = FAST
        .replace("scaleUp: {", "scaleUp: {tolerance: 0, deadbandReplicas: 2, ")
        .replace("scaleDown: {", "scaleDown: {tolerance: 0, deadbandReplicas: 1, ");
    let mut plant = Plant::new(&rest, 10);
    for (load, expected) in [(1200, 10), (1201, 13), (1101, 13), (1200, 13), (1100, 11), (1300, 11)] {
        assert_eq!(plant.tick(&[qps(load)]), expected, "{load}");
    }
}

#[test]
fn after_a_long_outage_the_fallback_stands_in_until_two_good_samples() {
    let schedule = "schedule: {entries: [{name: base, cron: '0 0 * * *', replicas: 5}]}\n";
    for (fallback, in_outage) in [
        ("{after: 30s}", 30),
        ("{after: 30s, policy: Hold}", 30),
        ("{after: 30s, policy: Baseline}", 5),
        ("{after: 30s, policy: Replicas, replicas: 12}", 12),
        ("{after: 30s, policy: Replicas, replicas: 3}", 5), // the floor applies above it
    ] {
        let mut plant = Plant::new(&fast(&format!("{schedule}fallback: {fallback}\n")), 30);
        plant.tick(&[qps(3000)]);
        assert_eq!(plant.ticks(2, &[MISSING]), [30, 30], "{fallback}: a gap is held");
        assert_eq!(plant.ticks(3, &[MISSING]), [in_outage; 3], "{fallback}");
        assert_eq!(plant.tick(&[qps(4000)]), in_outage, "{fallback}: one good sample is none");
        assert_eq!(plant.tick(&[MISSING]), in_outage, "{fallback}: and it starts over");
        assert_eq!(plant.ticks(2, &[qps(4000)]), [in_outage, 40], "{fallback}: two are");
    }
}

#[test]
fn a_fallback_is_no_change_that_rate_policies_count() {
    let rest = "
maxReplicas: 80
metrics: [{name: qps, prometheus: {query: q}, target: {averageValue: 100}}]
damping: {scaleUp: {policies: [{type: Pods, value: 10, periodSeconds: 600}]}}
fallback: {after: 15s, policy: Replicas, replicas: 40}
";
    let mut plant = Plant::new(rest, 10);
    assert_eq!(plant.ticks(3, &[MISSING]), [10, 40, 40]);
    assert_eq!(plant.ticks(2, &[qps(9000)]), [40, 50]);
}

#[test]
fn a_guard_holds_its_direction_once_it_was_over_its_threshold_for_long_enough() {
    let guard = |effect: &str| {
        fast(&format!(
            "guards: [{{name: db, prometheus: {{query: g}}, above: '0.85', for: 30s, effect: {effect}}}]\n"
        ))
    };
    let (calm, hot) = (Reading::Value(Milli::new(850)), Reading::Value(Milli::new(851)));
    for (effect, up, down) in [("HoldScaleUp", 10, 5), ("HoldScaleDown", 20, 10), ("Hold", 10, 10)] {
        for (load, expected) in [(2000, up), (500, down)] {
            let mut plant = Plant::new(&guard(effect), 10);
            let since = plant.now;
            for _ in 0..2 {
                let decision = plant.guarded(1000, hot);
                assert_eq!(decision.load.expect("a load").guards[0], GuardState::Pending(since));
            }
            let decision = plant.guarded(load, hot);
            assert_eq!(decision.desired.get(), expected, "{effect}, {load}");
            let is_held = decision.desired == n(10);
            let load_decision = decision.load.as_ref().expect("a load");
            assert_eq!(load_decision.guards[0], GuardState::Active(since));
            assert_eq!(load_decision.limit == Some(LoadLimit::Guard), is_held, "{effect}, {load}");
            let moved = plant.guarded(load, calm);
            assert_eq!(moved.desired.get(), if load == 2000 { 20 } else { 5 }, "{effect}: calm again");
        }
    }
}

#[test]
fn a_guard_that_cannot_be_read_does_nothing_and_starts_over() {
    let rest = fast("guards: [{name: db, prometheus: {query: g}, above: 1, for: 15s, effect: Hold}]\n");
    let mut plant = Plant::new(&rest, 10);
    let hot = Reading::Value(Milli::new(2000));
    plant.guarded(1000, hot);
    assert_eq!(plant.guarded(2000, hot).desired, n(10), "active");
    let unread = plant.guarded(2000, MISSING);
    assert_eq!(unread.desired, n(20));
    assert_eq!(unread.load.as_ref().expect("a load").guards[0], GuardState::Unread(MissingCause::NoSample));
    assert!(unread.explain(&plant.policy).to_string().contains("guard db can't be read (NoSample)"));
    assert_eq!(plant.guarded(3000, hot).desired, n(30), "pending again");
    let held = plant.guarded(4000, hot);
    assert_eq!(held.desired, n(30));
    assert!(held.explain(&plant.policy).to_string().contains("guard db keeps it from 40"));
}

#[test]
fn a_guard_never_holds_the_schedule_or_a_fallback() {
    let more = "schedule: {entries: [{name: noon, cron: '1 12 * * *', for: 1h, replicas: 25}]}
fallback: {after: 15s, policy: Baseline}
guards: [{name: db, prometheus: {query: g}, above: 0, effect: Hold}]\n";
    let mut plant = Plant::new(&fast(more), 10);
    let hot = Reading::Value(Milli::new(1));
    let guards = || Samples::Read([hot].into_iter().collect());
    let floors: Vec<_> = (0..5)
        .map(|_| plant.evaluate(&Observation { guards: guards(), ..plant.see(&[qps(9000)]) }).desired.get())
        .collect();
    assert_eq!(floors, [10, 10, 10, 10, 25]);
    for _ in 0..2 {
        plant.evaluate(&Observation { guards: guards(), ..plant.see(&[MISSING]) });
    }
    assert_eq!(plant.history.level(), Some(n(25)));
}

#[test]
fn a_full_cluster_lets_the_load_fall_but_not_rise_save_one_step_every_ten_minutes() {
    let rest = FAST.replace("value: 1000", "value: 4");
    let mut plant = Plant::new(&rest, 10);
    let full_since = plant.now;
    let full = |plant: &Plant, load| Observation {
        unschedulable_since: Some(full_since),
        ..plant.see(&[qps(load)])
    };
    // For two minutes it is merely a slow cluster.
    let slow: Vec<_> = (0..8).map(|_| plant.evaluate(&full(&plant, 1400)).desired.get()).collect();
    assert_eq!(slow, [14; 8]);
    let held = plant.evaluate(&full(&plant, 9000));
    assert_eq!((held.desired, held.load.expect("a load").limit), (n(14), Some(LoadLimit::Capacity)));
    assert_eq!(plant.evaluate(&full(&plant, 1200)).desired, n(12), "lowering is always allowed");
    let raised: Vec<_> = (0..82).map(|_| plant.evaluate(&full(&plant, 9000)).desired.get()).collect();
    let steps: Vec<_> = (0..82).filter(|i| *i > 0 && raised[*i] != raised[i - 1]).collect();
    assert_eq!((raised[0], raised[81], steps), (12, 20, vec![38, 78]), "ten minutes apart");
    assert_eq!(plant.tick(&[qps(9000)]), 24, "room again");
}

#[test]
fn without_a_hold_a_full_cluster_is_none_of_our_business() {
    let mut plant = Plant::new(&fast("capacity: {holdAfter: 0s}\n"), 10);
    let since = at("2026-11-23T00:00:00Z");
    let full = Observation { unschedulable_since: Some(since), ..plant.see(&[qps(3000)]) };
    assert_eq!(plant.evaluate(&full).desired, n(30));
}

#[test]
fn an_override_pins_the_workload_expires_by_itself_and_leaves_the_level_where_it_was_or_higher() {
    let schedule = "schedule: {entries: [{name: cap, cron: '0 0 * * *', for: 24h, maxReplicas: 20}, {name: base, cron: '0 0 * * *', replicas: 5}]}\n";
    let mut plant = Plant::new(&fast(schedule), 10);
    let until = plant.now + SignedDuration::from_secs(30);
    let with = |plant: &Plant, replicas, force, load| Observation {
        overridden: Some(Override { replicas: n(replicas), until, force }),
        ..plant.see(&[qps(load)])
    };
    let decision = plant.evaluate(&with(&plant, 40, false, 1000));
    assert_eq!((decision.desired, decision.reason), (n(40), DesiredReason::Override), "over the ceiling");
    assert_eq!(decision.until(), Some(until), "it is evaluated again when it expires");
    assert!(decision.explain(&plant.policy).to_string().contains("an override asks for 40 until"));
    assert_eq!(plant.evaluate(&with(&plant, 40, false, 1000)).load.expect("a load").level, n(10));
    let after = plant.evaluate(&with(&plant, 40, false, 4000));
    assert_eq!(
        (after.desired, after.load.expect("a load").level),
        (n(20), n(40)),
        "expired: the higher of both"
    );

    let mut plant = Plant::new(&fast(""), 10);
    for (replicas, force, expected) in [(200, false, 80), (200, true, 200), (0, false, 0)] {
        assert_eq!(plant.evaluate(&with(&plant, replicas, force, 1000)).desired, n(expected));
        plant.now = at("2026-11-23T12:00:00Z");
    }
}

#[test]
fn a_flapping_source_changes_nothing_but_once() {
    let mut plant = Plant::new(&fast("fallback: {policy: Baseline, after: 45s}\n"), 10);
    let mut replicas = plant.ticks(4, &[qps(1000)]);
    for _ in 0..60 {
        replicas.extend(plant.ticks(2, &[MISSING]));
        replicas.extend(plant.ticks(2, &[qps(2000)]));
    }
    let changes = replicas.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes <= 1, "{changes} changes: {replicas:?}");
}

#[test]
fn who_raised_the_level_is_told_and_under_an_override_nobody_does() {
    let slow =
        FAST.replace("scaleDown: {", "scaleDown: {policies: [{type: Pods, value: 5, periodSeconds: 15}], ");
    assert_ne!(slow, FAST);
    let mut plant = Plant::new(&slow, 10);
    plant.tick(&[qps(1000)]);
    let by_hand = Observation { replicas: n(16), ..plant.see(&[qps(1000)]) };
    let decision = plant.evaluate(&by_hand);
    let load = decision.load.as_ref().expect("a load");
    assert_eq!((decision.desired, load.before, load.raised), (n(11), n(16), Some(Raised::Hand)));
    let why = decision.explain(&plant.policy).to_string();
    assert!(
        why.starts_with("the load's level is 11; it comes from the 16 that somebody has set; qps is 1000"),
        "{why}"
    );
    assert_eq!(plant.tick(&[qps(1000)]), 11, "within the tolerance");

    let until = plant.now + SignedDuration::from_secs(30);
    let overridden = Some(Override { replicas: n(14), until, force: false });
    for replicas in [11, 30] {
        let observation = Observation { overridden, replicas: n(replicas), ..plant.see(&[qps(1000)]) };
        let decision = plant.evaluate(&observation);
        let load = decision.load.expect("a load");
        assert_eq!((decision.desired, load.level, load.raised), (n(14), n(11), None), "from {replicas}");
    }
    let ended = Observation { overridden, replicas: n(14), ..plant.see(&[qps(1000)]) };
    let decision = plant.evaluate(&ended);
    assert_eq!(decision.load.as_ref().expect("a load").raised, Some(Raised::Override));
    let why = decision.explain(&plant.policy).to_string();
    assert!(why.contains("it comes from the 14 of an override that is over"), "{why}");
}
