//! A day of 5,760 ticks in which the operator is killed at every one of them, by the functions that it goes
//! through: status, restart, first look at the schedule, range answers, tick, status.

use super::*;
use crate::api::{ConditionStatus, ScalePolicyStatus, ScaleTargetRef};
use crate::decision::{
    Decision, History, Milli, MissingCause, Observation, Reading, Replicas, Samples, decide,
};
use crate::operator::conditions::{Finding, Reason};
use crate::operator::reconcile::Problems;
use crate::operator::status::{self, Report};

const TICKS: i64 = 24 * 60 * 4;

const STEADY: &str = "tolerance: 0, ";

/// A day of traffic in thousandths: two tides, noise, and a spike now and then.
fn load(at: Timestamp) -> Milli {
    let tick = at.as_second() / 15;
    let tide = |period: i64, height: i64| ((tick % period) * 2 - period).abs() * height / period;
    let noise = (tick.wrapping_mul(2_654_435_761) >> 7).rem_euclid(90);
    let spike = if tick % 701 < 9 { 400 } else { 0 };
    Milli::new((100 + tide(TICKS, 900) + tide(397, 150) + noise + spike) * 1000)
}

/// What Prometheus knows of a tick.
type Known = fn(Timestamp) -> Reading;

fn always(at: Timestamp) -> Reading {
    Reading::Value(load(at))
}

/// Every two hours the series stops, for one tick or for ten minutes.
fn with_holes(at: Timestamp) -> Reading {
    let tick = (at.as_second() / 15).rem_euclid(480);
    if tick == 100 || (200..240).contains(&tick) {
        Reading::Missing(MissingCause::NoSample)
    } else {
        always(at)
    }
}

struct Day {
    policy: Policy,
    target: ScaleTargetRef,
}

impl Day {
    fn new(target: &str, damping: &str) -> Self {
        let text = format!(
            "
scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
minReplicas: 2
maxReplicas: 40
schedule:
  timeZone: Europe/Berlin
  entries:
  - {{name: day, cron: '0 7 * * *', replicas: 6, rampUp: 20m}}
  - {{name: night, cron: '0 20 * * *', replicas: 2}}
  - {{name: lunch, cron: '30 11 * * *', for: 1h, replicas: 14}}
  - {{name: cap, cron: '0 15 * * *', for: 2h, maxReplicas: 5}}
metrics:
- {{name: a, prometheus: {{query: a}}, target: {target}}}
- {{name: b, prometheus: {{query: b}}, target: {{averageValue: 130}}}}
damping: {damping}
"
        );
        let spec: crate::api::ScalePolicySpec = serde_saphyr::from_str(&text).expect("a spec");
        Self { policy: crate::policy::validate(&spec).expect("a policy"), target: spec.scale_target_ref }
    }

    fn status(
        &self,
        previous: &ScalePolicyStatus,
        decision: &Decision,
        history: &History,
    ) -> ScalePolicyStatus {
        let report = Report {
            at: decision.at,
            target: &self.target,
            generation: Some(1),
            policy: &self.policy,
            mode: self.policy.mode,
            current: Some(decision.desired),
            decision: Some((decision, history.memory())),
            problems: Problems::default(),
            samples: &Samples::NotDue,
            scaled: decision.is_change(),
            waits: None,
            able: Finding::new(ConditionStatus::True, Reason::AsPlanned, "fine"),
            pods_unknown: None,
            complaint: None,
        };
        let next = status::after_evaluation(previous, &report);
        // What is not written does not survive.
        if !status::meaningful_difference(previous, &next) {
            return previous.clone();
        }
        serde_json::from_value(serde_json::to_value(next).expect("JSON")).expect("a status")
    }

    /// Plays the day. Every so many ticks (0: never) the operator is killed, and what it knew is rebuilt
    /// from its status and from `past`, if Prometheus can say. The level and the replicas after each tick.
    fn play(&self, killed_every: usize, known: Known, past_known: bool) -> Vec<(Replicas, Replicas)> {
        let grid = Grid::new(Duration::from_secs(15));
        let readings = |at| Readings::from_iter([known(at), known(at)]);
        let mut now: Timestamp = "2026-11-23T00:00:00Z".parse().expect("an instant");
        let (mut history, mut status) = (History::default(), ScalePolicyStatus::default());
        let (mut present, mut result) = (Replicas::new(3), Vec::new());
        for index in 0..usize::try_from(TICKS).expect("positive") {
            let evaluate =
                |history: &mut History, status: &mut ScalePolicyStatus, observation: &Observation| {
                    let decision = decide(&self.policy, history, observation);
                    history.record(&self.policy, &decision);
                    *status = self.status(status, &decision, history);
                    decision
                };
            if killed_every > 0 && index > 0 && index % killed_every == 0 {
                let memory = status::memory(&status, &self.target);
                let rebuilding = Rebuilding::starting(&memory, &self.policy, now);
                history = History::restore(memory, &self.policy, now);
                // The first look, which is also an edge's.
                present = evaluate(&mut history, &mut status, &Observation::new(now, present)).desired;
                assert!(rebuilding.is_due(now));
                if past_known {
                    let (ticks, _) = past(grid, &self.policy, now).expect("whole seconds");
                    let past: Vec<_> = ticks.into_iter().map(|tick| (tick, readings(tick))).collect();
                    history.rebuild(&self.policy, &past);
                }
            } else if status.next_change.as_ref().is_some_and(|next| next.at <= now) {
                present = evaluate(&mut history, &mut status, &Observation::new(now, present)).desired;
            }
            let decision = evaluate(
                &mut history,
                &mut status,
                &Observation::new(now, present).with_readings(readings(now)),
            );
            present = decision.desired;
            result.push((decision.level().expect("metrics"), present));
            now = grid.after(now);
        }
        result
    }
}

fn dampings(tolerance: &str) -> Vec<(&'static str, String)> {
    let rules = |text: &str| text.replace("TOLERANCE, ", tolerance);
    vec![
        (
            "{averageValue: 100}",
            rules(
                "{scaleUp: {TOLERANCE, stabilizationWindowSeconds: 0}, scaleDown: {TOLERANCE, stabilizationWindowSeconds: 300}}",
            ),
        ),
        (
            "{averageValue: 100}",
            rules(
                "{scaleUp: {TOLERANCE, stabilizationWindowSeconds: 60, policies: [{type: Pods, value: 2, periodSeconds: 60}]}, scaleDown: {TOLERANCE, stabilizationWindowSeconds: 200, selectPolicy: Min, policies: [{type: Percent, value: 20, periodSeconds: 90}, {type: Pods, value: 3, periodSeconds: 30}]}}",
            ),
        ),
        (
            "{averageValue: 90}",
            rules(
                "{smoothing: {halfLife: 20s}, scaleUp: {TOLERANCE, stabilizationWindowSeconds: 30}, scaleDown: {TOLERANCE, stabilizationWindowSeconds: 120}}",
            ),
        ),
    ]
}

#[test]
fn who_is_killed_at_every_tick_of_a_day_scales_as_who_is_not() {
    let mut cases = dampings("");
    cases.push((
        "{averageValue: 80}",
        "{scaleDown: {deadbandReplicas: 2}, scaleUp: {deadbandReplicas: 1}}".to_owned(),
    ));
    cases.push((
        "{value: 300}",
        "{scaleUp: {stabilizationWindowSeconds: 45}, scaleDown: {stabilizationWindowSeconds: 100}}"
            .to_owned(),
    ));
    for (target, damping) in cases {
        let day = Day::new(target, &damping);
        let expected = day.play(0, always, true);
        let changes = expected.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
        assert!(changes > 20, "the level has something to do: {changes} changes, {target} {damping}");
        for killed_every in [1, 37] {
            let killed = day.play(killed_every, always, true);
            let difference = (0..expected.len()).find(|&index| expected[index] != killed[index]);
            assert_eq!(
                difference.map(|index| (index, expected[index], killed[index])),
                None,
                "killed every {killed_every} ticks: {target} {damping}"
            );
        }
    }
}

/// With a tolerance a higher level may be good enough for a load for which a lower one has to rise, and rise
/// above it: hence none. What smoothing remembers can't be guessed, so it needs the past.
#[test]
fn who_is_killed_and_can_not_ask_for_the_past_or_for_all_of_it_never_has_fewer() {
    for (target, damping) in dampings(STEADY) {
        let day = Day::new(target, &damping);
        for (known, past_known) in [(always as Known, false), (with_holes, true), (with_holes, false)] {
            if day.policy.damping.half_life.is_some() && !past_known {
                continue;
            }
            let expected = day.play(0, known, true);
            for killed_every in [1, 37] {
                let killed = day.play(killed_every, known, past_known);
                let lower = (0..expected.len()).find(|&index| {
                    killed[index].0 < expected[index].0 || killed[index].1 < expected[index].1
                });
                assert_eq!(
                    lower.map(|index| (index, expected[index], killed[index])),
                    None,
                    "killed every {killed_every} ticks: {target} {damping}"
                );
            }
        }
    }
}
