use kube::runtime::watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
use serde_json::json;

use super::*;

fn policy(name: &str, change: &Value) -> WatchedPolicy {
    let mut policy = json!({
        "apiVersion": "tidetable.dev/v1alpha1",
        "kind": "ScalePolicy",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 9,
        },
    });
    for (path, value) in change.as_object().expect("changes") {
        let (parent, field) = path.rsplit_once('/').expect("a path");
        policy.pointer_mut(parent).expect("a place")[field] = value.clone();
    }
    serde_json::from_value(policy).expect("a policy")
}

fn key(name: &str) -> Key {
    Key::new("shop", name)
}

fn changed(name: &str) -> Vec<News> {
    vec![News::Changed(key(name))]
}

fn level(status: Option<Box<ScalePolicyStatus>>) -> Option<i32> {
    status?.desired_replicas
}

#[test]
fn who_is_new_or_has_another_spec_or_override_is_news_and_a_status_is_none() {
    let policies = Policies::default();
    let take = |event| policies.take(event, Some(0));
    assert_eq!(take(Init), []);
    assert_eq!(take(InitApply(policy("web", &json!({})))), [], "a list counts when it is complete");
    assert!(policies.get(&key("web")).is_none());
    assert_eq!(take(InitDone), [News::Complete, News::Changed(key("web"))]);
    for (change, expected) in [
        (json!({}), vec![]),
        (json!({"/status": {"desiredReplicas": 3}}), vec![]),
        (json!({"/metadata/labels": {"a": "b"}, "/metadata/annotations": {"a": "b"}}), vec![]),
        (json!({"/metadata/annotations": {OVERRIDE_ANNOTATION: "3"}}), changed("web")),
        (json!({"/metadata/generation": 2, "/spec/maxReplicas": 8}), changed("web")),
        (json!({"/metadata/generation": 3, "/spec/maxReplicas": "many"}), changed("web")),
        (json!({"/metadata/generation": 3, "/metadata/uid": "another"}), changed("web")),
    ] {
        assert_eq!(take(Apply(policy("web", &change))), expected, "{change}");
    }
    assert_eq!(take(Apply(policy("mail", &json!({})))), changed("mail"));
    assert_eq!(take(Delete(policy("mail", &json!({})))), [News::Gone(key("mail"))]);
    assert_eq!(take(Delete(policy("mail", &json!({})))), []);
    take(Init);
    take(InitApply(policy("api", &json!({}))));
    assert_eq!(take(InitDone), [News::Complete, News::Gone(key("web")), News::Changed(key("api"))]);
    assert_eq!(policies.len(), 1);
}

#[test]
fn a_spec_that_cannot_be_parsed_says_why_and_keeps_its_status() {
    let policies = Policies::default();
    let change = json!({"/spec/horoscope": "x", "/status": {"desiredReplicas": 3, "conditions": 7}});
    policies.take(Apply(policy("web", &change)), Some(0));
    let listed = policies.get(&key("web")).expect("it is there");
    assert!(listed.spec.as_ref().is_err_and(|mistake| mistake.contains("horoscope")), "{listed:?}");
    assert!(policies.take_status(&key("web"), 0).is_some());
}

#[test]
fn a_status_is_kept_for_the_first_look_and_while_another_leads() {
    let policies = Policies::default();
    let with = |replicas: i32| policy("web", &json!({"/status": {"desiredReplicas": replicas}}));
    let take_status = |term| level(policies.take_status(&key("web"), term));
    policies.take(Apply(with(1)), None);
    policies.take(Apply(with(2)), Some(1));
    assert_eq!(take_status(1), Some(2), "nobody has looked yet");
    policies.take(Apply(with(3)), Some(1));
    assert_eq!(take_status(1), None, "the operator's own words");
    policies.take(Apply(with(4)), None);
    policies.take(Apply(with(5)), Some(2));
    assert_eq!(take_status(2), Some(5), "those of another leader");
    let another = policy("web", &json!({"/metadata/uid": "another", "/status": {"desiredReplicas": 6}}));
    policies.take(Apply(another), Some(2));
    assert_eq!(take_status(2), Some(6), "another policy of the same name");
}
