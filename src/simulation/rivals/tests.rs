//! Rivals in situations whose outcome can be told beforehand.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::simulation::scenario::{self, Overrides};
use crate::simulation::tests::{at, scenario};
use crate::simulation::traffic::Traffic;
use crate::simulation::{Run, run};

const START: &str = "2026-11-23T00:00:00Z";

fn play(rival: &str, scenario: &Scenario) -> Run {
    Rival::read(rival).expect("known").play(scenario).expect("fit")
}

/// Seconds since the start, and the number from then on.
fn moves(run: &Run) -> Vec<(i64, u32)> {
    run.changes.iter().map(|change| (change.at.duration_since(at(START)).as_secs(), change.to)).collect()
}

/// Demand that holds from so many seconds after the start.
fn steps(steps: &'static [(i64, f64)]) -> Traffic {
    Traffic::sampled(at("2026-11-22T22:00:00Z"), at("2026-11-23T06:00:00Z"), Duration::from_secs(1), |now| {
        let since = now.duration_since(at(START)).as_secs();
        steps.iter().rev().find(|(from, _)| *from <= since).map_or(steps[0].1, |(_, qps)| *qps)
    })
}

const LOAD: &str = "
maxReplicas: 50
metrics: [{name: qps, prometheus: {query: q}, target: {averageValue: 100}}]
";

#[test]
fn the_hpa_doubles_at_most_and_keeps_the_highest_of_five_minutes() {
    let scenario = scenario(LOAD, steps(&[(0, 1000.0), (1800, 500.0)]), 1);
    let moves = moves(&play("hpa", &scenario));
    // From 2 replicas at most to 4, then to twice the present. The minute's mean is 500 from 1860 on, and what
    // was asked before counts until 300 s later: 10 replicas, then what 15 s, 30 s, 45 s in were asked for.
    assert_eq!(moves[..3], [(0, 4), (15, 8), (30, 10)]);
    let down: Vec<_> = moves[3..].iter().map(|(_, to)| *to).collect();
    assert_eq!(down, [9, 8, 7, 5]);
    assert!((2115..=2160).contains(&moves[3].0), "{moves:?}");
}

#[test]
fn keda_sees_the_schedule_through_the_controllers_tolerance_and_window() {
    let policy = "
maxReplicas: 50
minReplicas: 2
schedule:
  entries:
  - {name: a, cron: '0 0 * * *', replicas: 19}
  - {name: b, cron: '20 0 * * *', replicas: 20}
  - {name: c, cron: '30 0 * * *', replicas: 30, rampUp: 5m}
  - {name: d, cron: '40 0 * * *', replicas: 5}
";
    let scenario = scenario(policy, Traffic::constant(10.0), 1);
    // 20 is within a tenth of 19; a ramp has no counterpart; down 300 s later.
    assert_eq!(moves(&play("keda", &scenario)), [(0, 4), (15, 8), (30, 16), (45, 19), (1800, 30), (2700, 5)]);
    let ours = run(&scenario);
    assert!(ours.changes.iter().any(|change| change.to == 20), "ours follows it to the letter");
}

#[test]
fn keda_wakes_a_workload_at_its_poll_and_lets_it_rest_after_the_cooldown() {
    let policy = format!("{LOAD}minReplicas: 0\n");
    let scenario = scenario(&policy, steps(&[(0, 0.0), (605, 150.0), (900, 0.0)]), 1);
    let moves = moves(&play("keda", &scenario));
    // Nothing was ever active: at rest from the first poll on. The poll at 630 is the first that sees load; at 645 the
    // minute's mean is 100, which one replica carries, and at 660 it is 137.5.
    assert_eq!(moves[..3], [(0, 0), (630, 1), (660, 2)]);
    // The minute after the last request is the last active poll's.
    assert_eq!(moves.last(), Some(&(1260, 0)));
}

#[test]
fn knative_panics_within_seconds_and_lets_nothing_go_while_it_does() {
    let scenario = scenario(LOAD, steps(&[(0, 200.0), (600, 2000.0), (620, 200.0)]), 1);
    let run = play("knative", &scenario);
    let moves = moves(&run);
    assert_eq!(moves.first(), Some(&(602, 8)), "the mean of 4 s at 200 and 2 s at 2000");
    let highest = moves.iter().map(|(_, to)| *to).max();
    assert_eq!(highest, Some(20));
    let first_down = run.changes.iter().find(|change| change.to < change.from).expect("it calms down");
    let since = first_down.at.duration_since(at(START)).as_secs();
    assert!((680..=690).contains(&since), "60 s after the last panic: {since}");
}

#[test]
fn an_oracle_drops_nothing_and_has_what_is_needed_no_earlier_than_it_must() {
    let scenario = scenario(LOAD, steps(&[(0, 450.0), (600, 1990.0), (900, 100.0)]), 1);
    let run = play("oracle", &scenario);
    assert!(run.scores.dropped_requests < 1e-6, "{}", run.scores.dropped_requests);
    // Pods take 40 s: what is asked for at 555 serves at 595, and what is asked for at 570 would be late.
    assert_eq!(moves(&run), [(555, 20), (900, 1)]);
    assert_eq!(run.rows.first().map(|row| row.ready), Some(5), "it began with what the start needs");
}

#[test]
fn a_fixed_number_is_there_from_the_start_and_never_changes() {
    let scenario = scenario(LOAD, steps(&[(0, 450.0), (600, 990.0)]), 1);
    let run = play("static:7", &scenario);
    assert_eq!((run.changes.len(), run.rows[0].ready), (0, 7));
    assert!((run.scores.dropped_requests - 290.0 * 3000.0).abs() < 1e-6);
}

#[test]
fn a_policy_in_a_file_does_what_it_would_in_the_scenario() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("other.yaml");
    let scenario = scenario(LOAD, steps(&[(0, 450.0), (600, 990.0), (1200, 20.0)]), 1);
    let spec = scenario.policy_text.replace('\n', "\n  ");
    let text = format!(
        "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {{name: web}}\nspec:\n  {spec}\n"
    );
    std::fs::write(&file, text).expect("written");
    let (ours, theirs) = (run(&scenario), play(&file.display().to_string(), &scenario));
    assert_eq!((&ours.rows, &ours.changes), (&theirs.rows, &theirs.changes));
    assert_eq!(theirs.name, "other.yaml");
}

const HPA: &str = r#"
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 50
  metrics:
  - type: External
    external: {metric: {name: qps}, target: {type: AverageValue, averageValue: "100"}}
"#;

#[test]
fn an_hpa_in_a_file_is_the_hpa_that_it_describes() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("hpa.yaml");
    let name = file.display().to_string();
    let scenario = scenario(LOAD, steps(&[(0, 450.0), (600, 990.0), (1200, 20.0)]), 1);
    let moves_of = |text: &str| {
        std::fs::write(&file, text).expect("written");
        moves(&play(&name, &scenario))
    };
    assert_eq!(moves_of(HPA), moves(&play("hpa", &scenario)));
    let slow = "  behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}\n";
    assert_eq!(moves_of(&format!("{HPA}{slow}"))[..3], [(0, 3), (60, 4), (120, 5)]);
    // A pod that is not ready yet counts as idle while the others ask for more.
    let pods = HPA.replace("External", "Pods").replace("external", "pods");
    assert_eq!(moves_of(&pods)[0], (0, 4));
}

#[test]
fn what_a_file_says_wrong_is_refused_with_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("hpa.yaml");
    for (from, to, expected) in [
        ("autoscaling/v2", "autoscaling/v1", ":2:1: apiVersion: must be autoscaling/v2"),
        ("maxReplicas: 50", "maxReplicas: 50\n  minReplicas: 60", "spec.minReplicas: must be from 0"),
        ("maxReplicas: 50", "maxReplicas: many", "spec.maxReplicas"),
        ("metrics:", "behaviour: {scaleUp: {}}\n  metrics:", ":8:3: spec.behaviour: no such field"),
        ("type: External", "type: Resource", "spec.metrics[0]: only External, Object and Pods metrics"),
        ("averageValue: \"100\"", "averageValue: \"0\"", "spec.metrics[0]: the target must be a quantity"),
        ("averageValue: \"100\"", "averageUtilization: 50", "spec.metrics[0]: needs a target"),
        ("HorizontalPodAutoscaler", "Deployment", "no ScalePolicy in this file"),
        (
            "metrics:",
            "behavior: {scaleUp: {stabilizationWindowSeconds: 4000}}\n  metrics:",
            ":8:24: spec.behavior.scaleUp.stabilizationWindowSeconds: 4000 must be between 0 and 3600",
        ),
        (
            "metrics:",
            "behavior: {scaleDown: {policies: [{type: Pods, value: 0, periodSeconds: 15}]}}\n  metrics:",
            "spec.behavior.scaleDown.policies[0].value: 0 must be",
        ),
    ] {
        std::fs::write(&file, HPA.replace(from, to)).expect("written");
        let error = Rival::read(&file.display().to_string()).expect_err(to).to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    for (name, expected) in
        [("hap", "no such file"), ("static:-1", "a number from 0"), ("static:", "a number")]
    {
        assert!(Rival::read(name).expect_err(name).to_string().contains(expected), "{name}");
    }
}

#[test]
fn who_needs_a_metric_does_not_play_without_one() {
    let policy = "maxReplicas: 9\nschedule: {entries: [{name: a, cron: '0 0 * * *', replicas: 3}]}\n";
    let scenario = scenario(policy, Traffic::constant(10.0), 1);
    for (rival, expected) in [("hpa", Some("no metrics")), ("knative", Some("averageValue")), ("keda", None)]
    {
        let played = Rival::read(rival).expect("known").play(&scenario);
        let problem = played.err().map(|unfit| unfit.to_string());
        assert_eq!(problem.is_some(), expected.is_some(), "{rival}: {problem:?}");
        assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{rival}");
    }
}

#[test]
fn a_rival_keeps_its_own_period_whatever_the_scenarios_is() {
    let mut scenario = scenario(LOAD, steps(&[(0, 450.0), (600, 990.0), (1200, 20.0)]), 1);
    let fine = ["hpa", "keda", "knative"].map(|rival| moves(&play(rival, &scenario)));
    scenario.interval = Duration::from_secs(300);
    let coarse = ["hpa", "keda", "knative"].map(|rival| moves(&play(rival, &scenario)));
    assert_eq!(fine, coarse);
    let instant = |run: &Run| run.rows.iter().map(|row| row.at).collect::<Vec<Timestamp>>();
    let rows = instant(&play("knative", &scenario));
    assert_eq!(rows[1].duration_since(rows[0]), SignedDuration::from_secs(300));
}

#[test]
fn rivals_read_what_the_scenario_says_their_metrics_are() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/shared-database-latency.yaml");
    let scenario = scenario::read(&file, &Overrides::default()).expect("a good scenario");
    let trapped = run(&scenario).scores.peak_replicas;
    for rival in ["hpa", "keda"] {
        // Taken for seconds, requests per second would ask for the most at once, with 500 of 0.05 s.
        let run = play(rival, &scenario);
        assert_eq!(run.rows[100].replicas, 4, "{rival}: latency is fine before the rise");
        assert_eq!(run.scores.peak_replicas, trapped, "{rival}: the trap is one for all");
    }
    let guard = file.with_file_name("shared-database-guard.policy.yaml").display().to_string();
    let unfit =
        Rival::read(&guard).expect("a policy").play(&scenario).expect_err("nobody says what the guard is");
    assert!(unfit.to_string().contains("a guard that the scenario's `metrics` do not name"), "{unfit}");
    let knative = Rival::read("knative").expect("known").play(&scenario);
    assert!(knative.is_err(), "latency is nothing that it could follow");
    let named = file.with_file_name("shared-database-guard.yaml");
    let scenario = scenario::read(&named, &Overrides::default()).expect("a good scenario");
    let (ours, theirs) = (run(&scenario), play(&guard, &scenario));
    assert_eq!(
        (ours.rows, ours.changes),
        (theirs.rows, theirs.changes),
        "with its guard where there is a name for it"
    );
}
