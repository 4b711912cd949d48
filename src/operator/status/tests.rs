use super::memory::load_status;
use super::*;
use crate::api::{LoadStatus, Mode};
use crate::decision::{History, Observation, RateEvent, RateEvents, Samples, decide};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn policy(extra: &str) -> (Policy, ScaleTargetRef) {
    let text = format!(
        "scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\nmaxReplicas: 20\n{extra}\n"
    );
    let spec: crate::api::ScalePolicySpec = serde_saphyr::from_str(&text).expect("a spec");
    (crate::policy::validate(&spec).expect("a policy"), spec.scale_target_ref)
}

const SCHEDULE: &str = "schedule: {timeZone: Europe/Berlin, entries: [{name: day, cron: '0 7 * * mon-fri', replicas: 12}, {name: night, cron: '0 20 * * *', replicas: 3}]}";

fn evaluated(text: &str, (policy, target): &(Policy, ScaleTargetRef)) -> ScalePolicyStatus {
    let decision = decide(policy, &History::default(), &Observation::new(at(text), Replicas::new(3)));
    let report = Report {
        at: at(text),
        target,
        generation: Some(1),
        policy,
        mode: policy.mode,
        current: Some(decision.desired),
        decision: Some((&decision, Memory::default())),
        problems: Problems::default(),
        samples: &Samples::NotDue,
        scaled: decision.is_change(),
        waits: None,
        able: Finding::new(ConditionStatus::True, Reason::AsPlanned, "fine"),
        pods_unknown: None,
        complaint: None,
    };
    after_evaluation(&ScalePolicyStatus::default(), &report)
}

#[test]
fn the_next_change_is_told_in_the_entrys_zone_and_as_short_as_its_distance_allows() {
    let weekdays = policy(SCHEDULE);
    let yearly = policy("schedule: {entries: [{name: fair, cron: '0 9 24 12 *', for: 2h, replicas: 9}]}");
    let ceiling = policy("schedule: {entries: [{name: batch, cron: '0 22 * * *', for: 2h, maxReplicas: 6}]}");
    for (policy, now, summary) in [
        (&weekdays, "2026-11-23T12:00:00Z", "20:00 → 3"),
        (&weekdays, "2026-11-27T20:00:00Z", "Mon 07:00 → 12"),
        (&yearly, "2026-11-23T12:00:00Z", "2026-12-24 09:00 → 9"),
        (&ceiling, "2026-11-23T12:00:00Z", "22:00 ≤ 6"),
        (&ceiling, "2026-11-23T23:00:00Z", "00:00 ≤ 20"),
    ] {
        let next = evaluated(now, policy).next_change.expect(summary);
        assert_eq!(next.summary, summary);
    }
}

#[test]
fn a_status_says_what_was_decided() {
    let status = evaluated("2026-11-23T12:00:00Z", &policy(SCHEDULE));
    assert_eq!(status.target.as_deref(), Some("Deployment/web"));
    assert_eq!((status.current_replicas, status.desired_replicas), (Some(12), Some(12)));
    assert_eq!((status.baseline_replicas, status.load), (Some(12), None));
    assert_eq!(status.last_scale_time, Some(at("2026-11-23T12:00:00Z")));
    let decision = status.decision.expect("a decision");
    assert_eq!((decision.reason.as_str(), decision.floor_entry.as_deref()), ("Baseline", Some("day")));
    let conditions: Vec<_> = status.conditions.iter().map(|c| (&*c.r#type, c.status, &*c.reason)).collect();
    assert_eq!(
        conditions,
        [
            ("Ready", ConditionStatus::True, "AsPlanned"),
            ("AbleToScale", ConditionStatus::True, "AsPlanned"),
            ("ScalingActive", ConditionStatus::True, "NoMetrics"),
            ("ScalingLimited", ConditionStatus::False, "NotLimited"),
            ("CapacityLimited", ConditionStatus::False, "NoMetrics"),
        ]
    );
}

type Change = fn(&mut ScalePolicyStatus);

#[test]
fn a_status_is_written_for_what_a_person_would_care_about_and_for_nothing_else() {
    let mut old = evaluated("2026-11-23T12:00:00Z", &policy(SCHEDULE));
    let metric = |value: &str| MetricStatus {
        name: "qps".to_owned(),
        value: Some(value.to_owned()),
        replicas: Some(3),
        problem: None,
    };
    old.decision.as_mut().expect("a decision").metrics = vec![metric("450")];
    let table: [(&str, bool, Change); 14] = [
        ("nothing", false, |_| {}),
        ("the time of the decision", false, |s| {
            s.decision.as_mut().expect("d").at = "2026-11-23T12:00:15Z".parse().expect("t");
        }),
        ("the sentence", false, |s| s.decision.as_mut().expect("d").message = "qps is 460".to_owned()),
        ("a metric's value", false, |s| {
            s.decision.as_mut().expect("d").metrics[0].value = Some("460".to_owned());
        }),
        ("the recommendation", false, |s| s.decision.as_mut().expect("d").recommendation = Some(4)),
        ("the wording of a distance", false, |s| s.next_change.as_mut().expect("n").summary.clear()),
        ("a metric that is missing", true, |s| {
            let metric = &mut s.decision.as_mut().expect("d").metrics[0];
            (metric.value, metric.problem) = (None, Some("NoSample".to_owned()));
        }),
        ("desired replicas", true, |s| s.desired_replicas = Some(13)),
        ("current replicas", true, |s| s.current_replicas = Some(13)),
        ("the load's level", true, |s| s.load = Some(LoadStatus { level: Some(4), ..LoadStatus::default() })),
        ("the reason", true, |s| s.decision.as_mut().expect("d").reason = "Load".to_owned()),
        ("the next change", true, |s| s.next_change.as_mut().expect("n").floor = 4),
        ("a condition", true, |s| s.conditions[0].reason = "InvalidSpec".into()),
        ("the generation", true, |s| s.observed_generation = Some(2)),
    ];
    for (what, meaningful, change) in table {
        let mut new = old.clone();
        change(&mut new);
        assert_eq!(meaningful_difference(&old, &new), meaningful, "{what}");
    }
}

#[test]
fn the_load_survives_a_restart_only_with_the_same_target() {
    let (_, target) = policy(SCHEDULE);
    let event = RateEvent { at: at("2026-11-23T12:00:00Z"), replicas: 4 };
    let events = RateEvents { up: [event].into(), down: std::collections::VecDeque::new() };
    for shadow in [false, true] {
        let trace = [(event.at, Replicas::new(7))].into_iter().collect();
        let tried = Some(event.at);
        let left = Memory {
            level: Some(Replicas::new(7)),
            events: events.clone(),
            shadow,
            trace,
            tried,
            ..Memory::default()
        };
        let status = ScalePolicyStatus {
            target: Some(target_name(&target)),
            load: load_status(&left),
            ..ScalePolicyStatus::default()
        };
        assert_eq!(memory(&status, &target), left);
        let other = ScaleTargetRef { name: "api".to_owned(), ..target.clone() };
        assert_eq!(memory(&status, &other), Memory::default());
    }
}

#[test]
fn a_mistake_is_known_once_its_generation_is_in_the_status() {
    let now = at("2026-11-23T12:00:00Z");
    let mistake = "spec.x: is wrong";
    let status = after_mistake(&ScalePolicyStatus::default(), Some(2), now, mistake);
    assert!(knows_mistake(&status, Some(2)));
    assert!(!knows_mistake(&status, Some(3)));
    assert!(!knows_mistake(&ScalePolicyStatus::default(), Some(2)));
}

#[test]
fn with_a_mistake_no_decision_is_in_force_but_what_the_load_was_is_kept() {
    let good = evaluated("2026-11-23T12:00:00Z", &policy(SCHEDULE));
    let good = ScalePolicyStatus { load: Some(LoadStatus::default()), ..good };
    assert!(good.decision.is_some() && good.next_change.is_some());
    let bad = after_mistake(&good, Some(2), at("2026-11-23T12:01:00Z"), "spec.x: is wrong");
    assert_eq!((&bad.decision, &bad.next_change, bad.desired_replicas), (&None, &None, None));
    assert_eq!((bad.load, bad.target), (good.load, good.target));
}

#[test]
fn of_a_status_that_is_not_understood_at_least_the_load_is_kept() {
    let load = serde_json::json!({"level": 7, "mode": "Active"});
    let expected = Some(LoadStatus { level: Some(7), mode: Some(Mode::Active), ..LoadStatus::default() });
    for (status, current) in [
        (serde_json::json!({"currentReplicas": 9, "target": "Deployment/web", "load": load}), Some(9)),
        (serde_json::json!({"currentReplicas": "nine", "target": "Deployment/web", "load": load}), None),
    ] {
        let status = understood(status);
        assert_eq!((status.current_replicas, &status.load), (current, &expected));
        assert_eq!(status.target.as_deref(), Some("Deployment/web"));
    }
    assert_eq!(understood(Value::Null), ScalePolicyStatus::default());
}

#[test]
fn of_very_many_moves_the_oldest_count_as_one_at_the_time_of_the_last_of_them() {
    let start = at("2026-11-23T12:00:00Z");
    let event = |second| RateEvent { at: start + jiff::SignedDuration::from_secs(second), replicas: 2 };
    for (moves, merged) in [(3, 1), (512, 1), (513, 2), (1800, 1289)] {
        let events = RateEvents { up: (0..moves).map(event).collect(), ..RateEvents::default() };
        let memory = Memory { level: Some(Replicas::new(4)), events, ..Memory::default() };
        let kept = load_status(&memory).expect("a load").scale_up_events;
        assert_eq!(kept.len(), usize::try_from(moves.min(512)).expect("a number"));
        let sum: i64 = kept.iter().map(|event| i64::from(event.replicas)).sum();
        assert_eq!(sum, 2 * moves, "none is lost");
        assert_eq!(i64::from(kept[0].replicas), 2 * merged);
        assert_eq!(kept[0].at, event(merged - 1).at);
        assert_eq!(kept.last().map(|event| event.at), Some(event(moves - 1).at));
    }
}
