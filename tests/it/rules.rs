//! Every CEL rule of the CRDs has a twin: in `policy::validate` for a policy, in the schema that files are held
//! against for a calendar. What comes from a file is refused for what an API server would refuse it for.

use std::collections::BTreeSet;
use std::path::Path;

use kube::CustomResourceExt;
use kube::core::cel::validate_cel;
use serde_json::Value;
use tidetable::api::{ScaleCalendar, ScaleCalendarSpec, ScalePolicy, ScalePolicySpec};
use tidetable::manifest;
use tidetable::policy;

const GOOD: &str = "
scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
minReplicas: 2
maxReplicas: 80
schedule:
  entries:
  - {name: day, cron: 0 7 * * *, for: 2h, replicas: 12}
metrics:
- {name: qps, prometheus: {query: up}, target: {averageValue: 150}}
";

/// A rule; a change to the good policy that breaks it and no other; where `validate` says so, and what.
const ROWS: [(&str, &str, &str, &str); 19] = [
    (
        "!has(self.maxAge) || has(self.freshness)",
        "metrics: → guards: [{name: g, prometheus: {query: up, maxAge: 1m}, above: 1, effect: Hold}]\nmetrics:",
        "spec.guards[0].prometheus.maxAge",
        "needs freshness",
    ),
    (
        "!has(self.maxAge) || has(self.freshness)",
        "query: up → query: up, maxAge: 1m",
        "spec.metrics[0].prometheus.maxAge",
        "needs freshness",
    ),
    (
        "self.minReplicas <= self.maxReplicas",
        "minReplicas: 2 → minReplicas: 81",
        "spec.minReplicas",
        "81 is more",
    ),
    (
        "has(self.schedule) || has(self.metrics)",
        "schedule:\n  entries:\n  - {name: day, cron: 0 7 * * *, for: 2h, replicas: 12}\nmetrics:\n- {name: qps, prometheus: {query: up}, target: {averageValue: 150}}\n → ",
        "spec",
        "needs a schedule, metrics, or both",
    ),
    (
        "!has(self.schedule) || self.schedule.entries.all(e, !has(e.replicas) || e.replicas <= self.maxReplicas)",
        "replicas: 12 → replicas: 81",
        "spec.schedule.entries[0].replicas",
        "81 is more than spec.maxReplicas",
    ),
    (
        "!has(self.fallback) || !has(self.fallback.replicas) || self.fallback.replicas <= self.maxReplicas",
        "metrics: → fallback: {policy: Replicas, replicas: 81}\nmetrics:",
        "spec.fallback.replicas",
        "81 is more than spec.maxReplicas",
    ),
    (
        "self.scaleTargetRef.kind != 'HorizontalPodAutoscaler' || !has(self.metrics)",
        "apiVersion: apps/v1, kind: Deployment → apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler",
        "spec.metrics",
        "has metrics of its own",
    ),
    (
        "self.scaleTargetRef.kind != 'HorizontalPodAutoscaler' || self.scaleTargetRef.apiVersion == 'autoscaling/v2'",
        "kind: Deployment, name: web}\nminReplicas: 2\nmaxReplicas: 80\nschedule:\n  entries:\n  - {name: day, cron: 0 7 * * *, for: 2h, replicas: 12}\nmetrics:\n- {name: qps, prometheus: {query: up}, target: {averageValue: 150}} → kind: HorizontalPodAutoscaler, name: web}\nminReplicas: 2\nmaxReplicas: 80\nschedule:\n  entries:\n  - {name: day, cron: 0 7 * * *, for: 2h, replicas: 12}",
        "spec.scaleTargetRef.apiVersion",
        "must be autoscaling/v2",
    ),
    (
        "self.scaleTargetRef.kind != 'HorizontalPodAutoscaler' || self.maxReplicas >= 1",
        "apiVersion: apps/v1, kind: Deployment, name: web}\nminReplicas: 2\nmaxReplicas: 80\nschedule:\n  entries:\n  - {name: day, cron: 0 7 * * *, for: 2h, replicas: 12}\nmetrics:\n- {name: qps, prometheus: {query: up}, target: {averageValue: 150}} → apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: web}\nminReplicas: 0\nmaxReplicas: 0\nschedule:\n  entries:\n  - {name: day, cron: 0 7 * * *, for: 2h, replicas: 0}",
        "spec.maxReplicas",
        "needs at least 1",
    ),
    (
        "has(self.cron) != has(self.at)",
        "cron: 0 7 * * *, → ",
        "spec.schedule.entries[0]",
        "exactly one of cron and at",
    ),
    (
        "!has(self.__for__) || !has(self.until)",
        "for: 2h → for: 2h, until: '09:00'",
        "spec.schedule.entries[0]",
        "for and until exclude each other",
    ),
    (
        "!has(self.at) || has(self.__for__) || has(self.until)",
        "cron: 0 7 * * *, for: 2h → at: '2026-11-27T00:00'",
        "spec.schedule.entries[0]",
        "at needs for or until",
    ),
    (
        "has(self.replicas) || has(self.maxReplicas)",
        ", replicas: 12 → ",
        "spec.schedule.entries[0]",
        "needs replicas, maxReplicas, or both",
    ),
    (
        "has(self.replicas) || has(self.__for__) || has(self.until)",
        "for: 2h, replicas: 12 → maxReplicas: 12",
        "spec.schedule.entries[0]",
        "a step (an entry without for or until) needs replicas",
    ),
    (
        "!has(self.replicas) || !has(self.maxReplicas) || self.replicas <= self.maxReplicas",
        "replicas: 12 → replicas: 12, maxReplicas: 11",
        "spec.schedule.entries[0]",
        "not be more than the entry's own maxReplicas",
    ),
    (
        "!has(self.rampDown) || has(self.__for__) || has(self.until)",
        "for: 2h → rampDown: 10m",
        "spec.schedule.entries[0]",
        "rampDown needs for or until",
    ),
    (
        "(!has(self.rampUp) && !has(self.rampDown)) || has(self.replicas)",
        "replicas: 12 → maxReplicas: 12, rampUp: 10m",
        "spec.schedule.entries[0]",
        "a ramp needs replicas",
    ),
    (
        "has(self.averageValue) != has(self.value)",
        "averageValue: 150 → averageValue: 150, value: 1",
        "spec.metrics[0].target",
        "exactly one of averageValue and value",
    ),
    (
        "has(self.replicas) == (has(self.policy) && self.policy == 'Replicas')",
        "metrics: → fallback: {replicas: 3}\nmetrics:",
        "spec.fallback",
        "replicas is needed with policy Replicas",
    ),
];

fn policy(yaml: &str) -> ScalePolicy {
    let spec: ScalePolicySpec = serde_saphyr::from_str(yaml).expect("the shape of a spec");
    ScalePolicy::new("web", spec)
}

/// The CEL rules that the policy breaks.
fn broken(policy: &ScalePolicy) -> BTreeSet<String> {
    let errors = validate_cel(policy).err();
    errors.iter().flat_map(|errors| errors.iter()).map(|error| error.rule.clone()).collect()
}

#[test]
fn what_breaks_a_cel_rule_is_refused_by_validation_too() {
    assert_eq!(broken(&policy(GOOD)), BTreeSet::new());
    assert!(policy::validate(&policy(GOOD).spec).is_ok());
    for (rule, change, path, problem) in ROWS {
        let (from, to) = change.split_once(" → ").expect("a change");
        let yaml = GOOD.replacen(from, to, 1);
        assert_ne!(yaml, GOOD, "the row of {rule} changes nothing");
        let policy = policy(&yaml);
        assert_eq!(broken(&policy), BTreeSet::from([rule.to_owned()]), "{yaml}");
        let errors = policy::validate(&policy.spec).expect_err(rule).errors;
        let twin = errors.iter().any(|error| error.path == path && error.problem.contains(problem));
        assert!(twin, "{rule}: expected {path}: {problem}, got {errors:#?}");
    }
}

/// The one rule of calendars.
const CALENDAR_NAME: &str = "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')";

#[test]
fn a_calendar_is_named_as_policies_can_refer_to_it_by_cel_and_in_files() {
    let (longest, longer) = ("a".repeat(63), "a".repeat(64));
    for (name, allowed) in [
        ("holidays-de", true),
        ("h", true),
        (longest.as_str(), true),
        (longer.as_str(), false),
        ("2026-12-25", false),
        ("holidays.de", false),
        ("holidays-", false),
    ] {
        let calendar = ScaleCalendar::new(name, ScaleCalendarSpec::default());
        let rules: Vec<String> =
            validate_cel(&calendar).err().iter().flatten().map(|error| error.rule.clone()).collect();
        assert_eq!(rules, if allowed { vec![] } else { vec![CALENDAR_NAME] }, "{name}");
        let text = format!(
            "apiVersion: tidetable.dev/v1alpha1\nkind: ScaleCalendar\nmetadata: {{name: {name:?}}}\nspec: {{dates: []}}\n"
        );
        let documents = manifest::parse(Path::new("calendar.yaml"), &text).expect("YAML");
        let said = documents[0].calendar().map(drop).map_err(|mistakes| mistakes.to_string());
        let expected = "calendar.yaml:3:12: metadata.name: must ";
        assert_eq!(said.is_ok(), allowed, "{name}: {said:?}");
        let said = said.err();
        assert!(said.as_ref().is_none_or(|said| said.starts_with(expected)), "{said:?}");
    }
}

#[test]
fn every_cel_rule_of_the_crds_has_a_row() {
    fn collect(schema: &Value, found: &mut Vec<String>) {
        let rules = schema["x-kubernetes-validations"].as_array().map(Vec::as_slice).unwrap_or_default();
        found.extend(rules.iter().filter_map(|rule| rule["rule"].as_str()).map(str::to_owned));
        for child in schema.as_object().into_iter().flatten().map(|(_, child)| child) {
            collect(child, found);
        }
    }
    let mut found = Vec::new();
    for crd in [ScalePolicy::crd(), ScaleCalendar::crd()] {
        let crd = serde_json::to_value(crd).expect("JSON");
        collect(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
    }
    found.sort();
    let mut rows: Vec<String> = ROWS.iter().map(|(rule, ..)| (*rule).to_owned()).collect();
    rows.push(CALENDAR_NAME.to_owned());
    rows.sort();
    assert_eq!(found, rows);
}
