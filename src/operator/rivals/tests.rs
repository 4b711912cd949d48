use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
use serde_json::json;

use super::*;

fn policy(name: &str, created: &str, mode: &str) -> WatchedPolicy {
    let policy = json!({
        "apiVersion": "tidetable.dev/v1alpha1",
        "kind": "ScalePolicy",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": created},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 9,
            "mode": mode,
        },
    });
    serde_json::from_value(policy).expect("a policy")
}

fn scaler(name: &str, reference: &serde_json::Value) -> Scaler {
    let scaler = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"scaleTargetRef": reference, "maxReplicas": 9},
        "status": {"desiredReplicas": 1},
    });
    DeserializeGuard(Ok(serde_json::from_value(scaler).expect("an autoscaler")))
}

fn key(name: &str) -> Key {
    Key::new("shop", name)
}

/// No autoscalers, and that is known.
fn empty() -> Rivals {
    let rivals = Rivals::default();
    for kind in Kind::ALL {
        rivals.give_up(kind);
    }
    rivals
}

fn standing(rivals: &Rivals, policy: &WatchedPolicy) -> Standing {
    rivals.of(&Listed::from(policy.clone()), policy.spec().expect("a policy"))
}

fn rival_of(rivals: &Rivals, policy: &WatchedPolicy) -> Option<String> {
    match standing(rivals, policy) {
        Standing::Unknown => panic!("there is an answer"),
        Standing::First => None,
        Standing::Behind(rival) => Some(rival.to_string()),
    }
}

#[test]
fn an_autoscaler_of_the_workload_has_precedence_while_it_is_there() {
    use Kind::{HorizontalPodAutoscaler, ScaledObject};
    let rivals = empty();
    let web = policy("web", "2026-11-01T00:00:00Z", "Active");
    assert_eq!(rivals.claim(&web, true), []);
    for (reference, is_rival) in [
        (json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}), true),
        (json!({"apiVersion": "apps/v1beta2", "kind": "Deployment", "name": "web"}), true),
        (json!({"name": "web"}), true),
        (json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "mail"}), false),
        (json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}), false),
        (json!({"apiVersion": "example.com/v1", "kind": "Deployment", "name": "web"}), false),
    ] {
        let concerned = if is_rival { vec![key("web")] } else { vec![] };
        let hpa = scaler("h", &reference);
        assert_eq!(rivals.take(HorizontalPodAutoscaler, Apply(hpa.clone())), concerned, "{reference}");
        let expected = is_rival.then(|| "the HorizontalPodAutoscaler h".to_owned());
        assert_eq!(rival_of(&rivals, &web), expected);
        assert_eq!(rivals.take(HorizontalPodAutoscaler, Apply(hpa.clone())), [], "no news");
        assert_eq!(rivals.take(HorizontalPodAutoscaler, Delete(hpa)), concerned);
        assert_eq!(rival_of(&rivals, &web), None);
    }
    rivals.take(HorizontalPodAutoscaler, Apply(scaler("keda-hpa-so", &json!({"name": "web"}))));
    rivals.take(ScaledObject, Apply(scaler("so", &json!({"name": "web"}))));
    assert_eq!(rival_of(&rivals, &web).as_deref(), Some("the ScaledObject so"), "whose it is");
}

#[test]
fn nobody_is_judged_before_the_autoscalers_were_listed_and_a_list_replaces_what_was_known() {
    let rivals = Rivals::default();
    let web = policy("web", "2026-11-01T00:00:00Z", "Active");
    rivals.claim(&web, true);
    let is_known = || standing(&rivals, &web) != Standing::Unknown;
    assert_eq!(rivals.take(Kind::ScaledObject, Init), []);
    assert!(!is_known());
    assert_eq!(rivals.take(Kind::ScaledObject, InitDone), [key("web")]);
    assert!(!is_known(), "one kind is not all");
    assert_eq!(rivals.give_up(Kind::HorizontalPodAutoscaler), [key("web")]);
    assert!(is_known());
    assert_eq!(rivals.give_up(Kind::HorizontalPodAutoscaler), [], "nobody waits any more");

    let list = |names: &[&str]| {
        rivals.take(Kind::HorizontalPodAutoscaler, Init);
        for name in names {
            rivals.take(Kind::HorizontalPodAutoscaler, InitApply(scaler(name, &json!({"name": name}))));
        }
        rivals.take(Kind::HorizontalPodAutoscaler, InitDone)
    };
    assert_eq!(list(&["web", "mail"]), [key("web")]);
    assert_eq!(list(&["web"]), []);
    assert!(rival_of(&rivals, &web).is_some());
    assert_eq!(list(&["mail"]), [key("web")]);
    assert_eq!(rival_of(&rivals, &web), None);
}

#[test]
fn of_two_policies_the_older_acts_and_one_that_tries_is_no_rival() {
    let rivals = empty();
    let (old, young) = (
        policy("old", "2026-11-01T00:00:00Z", "Active"),
        policy("a-young", "2026-11-02T00:00:00Z", "Active"),
    );
    assert_eq!(rivals.claim(&young, true), []);
    assert_eq!(rivals.claim(&old, true), [key("a-young")]);
    assert_eq!(rival_of(&rivals, &old), None);
    assert_eq!(rival_of(&rivals, &young).as_deref(), Some("the older ScalePolicy old"));
    assert_eq!(rivals.claim(&old, true), [], "no news");

    assert_eq!(rivals.claim(&policy("old", "2026-11-01T00:00:00Z", "DryRun"), true), [key("a-young")]);
    assert_eq!(rival_of(&rivals, &young), None);
    assert_eq!(rivals.claim(&policy("old", "2026-11-01T00:00:00Z", "Paused"), true), [key("a-young")]);
    assert!(rival_of(&rivals, &young).is_some(), "it keeps its claim");
    assert_eq!(rivals.forget(&key("old")), [key("a-young")]);
    assert_eq!(rival_of(&rivals, &young), None);

    let twin = policy("b-young", "2026-11-02T00:00:00Z", "Active");
    rivals.claim(&twin, true);
    assert_eq!(rival_of(&rivals, &twin).as_deref(), Some("the older ScalePolicy a-young"), "by UID");
}

#[test]
fn policies_that_another_operator_looks_after_count_as_rivals_and_are_not_woken() {
    let rivals = empty();
    let (old, young) =
        (policy("old", "2026-11-01T00:00:00Z", "Active"), policy("young", "2026-11-02T00:00:00Z", "Active"));
    rivals.claim(&young, false);
    assert_eq!(rivals.claim(&old, true), []);
    assert_eq!(rival_of(&rivals, &old), None);
    assert_eq!(rival_of(&rivals, &young).as_deref(), Some("the older ScalePolicy old"));
    assert_eq!(rivals.forget(&key("young")), [key("old")]);
}

#[test]
fn an_autoscaler_takes_up_little_room() {
    let rivals = empty();
    let count = 10_000;
    let counted = allocation_counter::measure(|| {
        rivals.take(Kind::HorizontalPodAutoscaler, Init);
        for index in 0..count {
            let name = format!("front-{index}");
            let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
            rivals.take(Kind::HorizontalPodAutoscaler, InitApply(scaler(&name, &reference)));
        }
        rivals.take(Kind::HorizontalPodAutoscaler, InitDone);
    });
    assert!(counted.bytes_current < 300 * count, "{} bytes each", counted.bytes_current / count);
}
