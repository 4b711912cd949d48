use std::time::Duration;

use crate::decision::Replicas;
use crate::simulation::chooser::Follower;
use crate::simulation::measurement::{Measurement, RangeSelector};
use crate::simulation::plant::NodesSpec;
use crate::simulation::player::Player;
use crate::simulation::tests::{at, scenario};
use crate::simulation::traffic::Traffic;
use crate::simulation::{Run, Scenario, follower, run, run_with, score};

const POLICY: &str = "
minReplicas: 2
maxReplicas: 40
schedule:
  entries:
  - {name: day, cron: '1 1 * * *', replicas: 8, rampUp: 20m}
  - {name: night, cron: '0 4 * * *', replicas: 3}
metrics: [{name: qps, prometheus: {query: q}, target: {averageValue: 100}}]
";

const DAMPED: &str = "damping: {smoothing: {halfLife: 40s}, scaleUp: {stabilizationWindowSeconds: 45}, \
     scaleDown: {stabilizationWindowSeconds: 200, policies: [{type: Percent, value: 20, periodSeconds: 60}]}}\n";

/// Demand that wobbles, and now and then jumps.
fn traffic(step: u64) -> Traffic {
    let from = at("2026-11-22T23:00:00Z");
    Traffic::sampled(from, at("2026-11-23T06:00:00Z"), Duration::from_secs(step), |now| {
        let minute = now.duration_since(from).as_mins();
        let wobble = i32::try_from(minute * 7919 % 23).expect("a small number");
        f64::from(if minute / 47 % 2 == 0 { 500 } else { 900 } + wobble * 5)
    })
}

fn damped(step: u64) -> Scenario {
    scenario(&format!("{POLICY}{DAMPED}"), traffic(step), 6)
}

/// Someone who keeps every decision takes all of them one by one.
fn one_by_one(scenario: &Scenario) -> Run {
    let follower = Follower::new(&scenario.policy, scenario.quantities(&scenario.policy));
    run_with(scenario, follower.keeping(), scenario.plant.initial_replicas)
}

fn holds(name: &str, scenario: &Scenario) {
    let (run, expected) = (run(scenario), one_by_one(scenario));
    for (row, expected) in run.rows.iter().zip(&expected.rows) {
        assert_eq!(row, expected, "{name}");
    }
    assert_eq!(run.rows.len(), expected.rows.len(), "{name}");
    assert_eq!(run.changes, expected.changes, "{name}");
    assert_eq!(run.scores, expected.scores, "{name}");
    assert_eq!(score(scenario), expected.scores, "{name}: without rows");
    assert!(run.changes.len() > 5, "{name}: something happens");
}

#[test]
fn a_run_is_the_same_as_one_whose_ticks_are_played_one_by_one() {
    let plain = scenario(POLICY, traffic(60), 6);
    holds("plain", &plain);
    holds("damped", &damped(60));
    let mut slow = plain;
    slow.plant.pods.startup = Duration::from_secs(333);
    holds("a slow start", &slow);
    let outages = vec![(at("2026-11-23T02:00:05Z"), at("2026-11-23T02:09:00Z"))];
    holds("an outage", &Scenario { outages, ..damped(60) });
    let provisioning = Duration::from_secs(90);
    let mut crowded = damped(60);
    crowded.cluster.nodes =
        Some(NodesSpec { pods_per_node: 4, count: 1, max: 3, provisioning, unneeded: provisioning });
    holds("a cluster that is full", &crowded);
}

#[test]
fn that_holds_for_every_kind_of_measurement_and_of_ticks() {
    let late = Measurement {
        window: Duration::from_secs(70),
        scrape_interval: Duration::from_secs(20),
        phase: Duration::from_millis(3001),
        delay: Duration::from_secs(7),
        range: RangeSelector::LeftOpen,
    };
    let mut scenario = damped(7);
    scenario.plant.measurement = late;
    holds("measured late, at no multiple of the tick", &scenario);
    scenario.plant.measurement.window = Duration::from_secs(20);
    holds("windows without samples", &scenario);
    holds("another interval", &Scenario { interval: Duration::from_millis(9500), ..damped(60) });
    holds("no whole milliseconds", &Scenario { interval: Duration::from_micros(7_500_300), ..damped(60) });
    holds("it starts between ticks", &Scenario { from: at("2026-11-23T00:00:04Z"), ..damped(60) });
}

#[test]
fn a_calm_load_is_coasted_to_the_next_change_of_the_schedule() {
    let scenario = scenario(POLICY, Traffic::constant(300.0), 1);
    let mut player = Player::new(&scenario, |_, tier| (follower(tier), Replicas::new(3)));
    let ramp = at("2026-11-23T00:41:00Z");
    player.play(at("2026-11-23T00:30:00Z"));
    assert_eq!(player.coast(at("2026-11-23T00:30:00Z"), ramp), ramp);
    assert_eq!(player.recorder.rows().len(), 41 * 4);
}
