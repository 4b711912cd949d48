use serde_json::{Value, json};

use super::*;

fn explained(status: &Value, annotation: Option<&str>) -> String {
    let policy = json!({
        "apiVersion": "tidetable.dev/v1alpha1",
        "kind": "ScalePolicy",
        "metadata": {
            "name": "web", "namespace": "shop",
            "annotations": annotation.map(|text| json!({OVERRIDE_ANNOTATION: text})),
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 20,
            "schedule": {"timeZone": "Europe/Berlin", "entries": [{"name": "day", "cron": "0 7 * * *", "replicas": 6}]},
        },
        "status": status,
    });
    let policy = serde_json::from_value(policy).expect("a policy");
    explanation(&policy, "2026-11-23T12:00:00Z".parse().expect("an instant"))
}

fn condition(name: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": name, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-23T11:00:00Z"})
}

#[test]
fn an_explanation_goes_from_the_answer_through_the_decision_to_what_comes_next() {
    let status = json!({
        "target": "Deployment/web", "currentReplicas": 10, "desiredReplicas": 10,
        "load": {"level": 10, "mode": "Active"},
        "nextChange": {"at": "2026-11-23T19:00:00Z", "floor": 3, "ceiling": 20, "entry": "night", "summary": "20:00 → 3"},
        "decision": {
            "at": "2026-11-23T11:59:45Z", "reason": "Load", "message": "the load asks for 10",
            "floor": 6, "ceiling": 20, "floorEntry": "day", "recommendation": 14, "stabilized": 12,
            "metrics": [
                {"name": "qps", "value": "1400", "replicas": 14},
                {"name": "cpu", "problem": "NoSample: the query has no result"},
            ],
            "guards": [
                {"name": "db", "state": "Active", "since": "2026-11-23T11:30:00Z"},
                {"name": "queue", "state": "Unread", "problem": "NoSample"},
            ],
        },
        "conditions": [
            condition("Ready", "True", "AsPlanned", "the policy is in force"),
            condition("ScalingLimited", "True", "Guard", "guard db holds the load"),
            condition("CapacityLimited", "False", "EnoughRoom", "there is room"),
            condition("ScalingActive", "False", "MetricsMissing", "no metric could be read"),
        ],
    });
    let expected = "\
shop/web: Deployment/web has 10 replicas and should have 10
  because   Load: the load asks for 10
  as of     Mon 2026-11-23 12:59:45+01:00 (2026-11-23T11:59:45Z)
  schedule  at least 6 (entry day), at most 20 (maxReplicas)
  metric    qps is 1400 and asks for 14
  metric    cpu is missing: NoSample: the query has no result
  damping   14 before damping, 12 after stabilization, 10 is the load's level, after rate policies, bounds and holds
  guard     db is active since Mon 2026-11-23 12:30:00+01:00 (2026-11-23T11:30:00Z)
  guard     queue is unread: NoSample
  note      ScalingLimited=True, Guard: guard db holds the load
  override  none
  next      floor 3, ceiling 20 by entry night, Mon 2026-11-23 20:00:00+01:00 (2026-11-23T19:00:00Z)
  note      ScalingActive=False, MetricsMissing: no metric could be read
";
    assert_eq!(explained(&status, None), expected);
}

#[test]
fn an_override_is_shown_with_its_end_and_its_bound() {
    let decision = json!({"at": "2026-11-23T11:59:45Z", "reason": "Override", "message": "x", "floor": 1, "ceiling": 20});
    let status = json!({"decision": decision});
    for (annotation, shown) in [
        (None, "override  none\n"),
        (
            Some("40 until 2026-11-23T14:00:00Z"),
            "override  40 until Mon 2026-11-23 15:00:00+01:00 (2026-11-23T14:00:00Z), bounded by maxReplicas\n",
        ),
        (Some("40 until 2026-11-23T14:00:00Z force"), ", over maxReplicas if need be\n"),
        (Some("40 until 2026-11-23T12:00:00Z"), "override  none: the last one ended Mon 2026-11-23 13:00:00"),
        (Some("many"), "override  none: \"many\" is not an override"),
    ] {
        let text = explained(&status, annotation);
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn a_policy_without_a_decision_says_why_there_is_none() {
    assert_eq!(explained(&Value::Null, None), "shop/web: nothing has been decided yet\n");
    let status = json!({"conditions": [condition("Ready", "False", "InvalidSpec", "spec.x: is wrong")]});
    let text = explained(&status, None);
    assert!(text.ends_with("  note      Ready=False, InvalidSpec: spec.x: is wrong\n"), "{text}");
}
