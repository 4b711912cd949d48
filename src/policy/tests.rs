//! One table: a change to a good policy, and the errors that it must bring, all at once.

use crate::decision::Target;

use super::*;

const GOOD: &str = "
scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
minReplicas: 2
maxReplicas: 80
schedule:
  timeZone: Europe/Berlin
  entries:
  - {name: day, cron: 0 7 * * mon-fri, replicas: 12}
  - {name: lunch, cron: 30 11 * * mon-fri, for: 2h, replicas: 20, maxReplicas: 40}
metrics:
- name: qps
  prometheus:
    query: sum(rate(http_requests_total[1m]))
  target: {averageValue: 150}
damping:
  scaleDown: {stabilizationWindowSeconds: 60, tolerance: '0.2'}
";

fn spec(yaml: &str) -> ScalePolicySpec {
    serde_saphyr::from_str(yaml).expect("the test's YAML has the shape of a spec")
}

fn errors(yaml: &str) -> Vec<String> {
    match validate(&spec(yaml)) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_good_policy_has_its_defaults_filled_in() {
    let policy = validate(&spec(GOOD)).expect("valid");
    assert_eq!(policy.schedule.entries().len(), 2);
    assert_eq!(policy.metrics[0].target, Target::AverageValue(crate::decision::Milli::new(150_000)));
    assert_eq!(&*policy.metrics[0].query.source, "default");
    assert_eq!(policy.damping.up.policies.len(), 2);
    assert_eq!(policy.damping.down.stabilization.as_secs(), 60);
    assert!((policy.damping.down.tolerance - 0.2).abs() < f64::EPSILON);
    assert_eq!(policy.fallback.after.as_secs(), 180);
}

/// What to replace in [`GOOD`], by what, and the one error that this must bring.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("minReplicas: 2", "minReplicas: 81", "spec.minReplicas: 81 is more than maxReplicas, which is 80"),
    ("maxReplicas: 80", "maxReplicas: 100001", "spec.maxReplicas: 100001 must be between 0 and 100000"),
    ("Europe/Berlin", "Europe/Bonn", "spec.schedule.timeZone: \"Europe/Bonn\" is not a time zone"),
    (
        "0 7 * * mon-fri, replicas: 12",
        "0 7 * * mon-fri, replicas: 81",
        "entries[0].replicas: 81 is more than",
    ),
    (
        "cron: 0 7 * * mon-fri",
        "cron: 0 25 * * *",
        "spec.schedule.entries[0].cron: hour field \"25\": 25 is out of range (allowed: 0 to 23)",
    ),
    ("cron: 0 7 * * mon-fri", "cron: 0 0 7 * * mon", "entries[0].cron: \"0 0 7 * * mon\" has 6 fields"),
    ("cron: 0 7 * * mon-fri", "cron: 0 0 30 2 *", "entries[0].cron: \"0 0 30 2 *\" never fires"),
    ("cron: 0 7 * * mon-fri, ", "", "spec.schedule.entries[0]: exactly one of cron and at is needed"),
    ("for: 2h", "for: 2 hours", "spec.schedule.entries[1].for: \"2 hours\" is not a duration"),
    ("for: 2h", "for: 0s", "spec.schedule.entries[1].for: \"0s\" must be longer than nothing"),
    (
        "for: 2h",
        "until: '24:30'",
        "spec.schedule.entries[1].until: \"24:30\" is not a time of day: write HH:MM",
    ),
    ("for: 2h", "until: 9:30", "spec.schedule.entries[1].until: \"9:30\" is not a time of day"),
    (
        "cron: 30 11 * * mon-fri",
        "at: 2026-02-29T00:00",
        "spec.schedule.entries[1].at: \"2026-02-29T00:00\" is not a local date and time: write YYYY-MM-DDTHH:MM",
    ),
    (
        "for: 2h",
        "for: 2h, onDates: ['2026-11-31']",
        "entries[1].onDates[0]: \"2026-11-31\" is not a date: write YYYY-MM-DD",
    ),
    (
        "schedule:",
        "priority: 1000001\nschedule:",
        "spec.priority: 1000001 must be between -1000000 and 1000000",
    ),
    ("  entries:", "  spread: 61m\n  entries:", "spec.schedule.spread: \"61m\" must be at most 1h"),
    ("for: 2h", "for: 2h, rampDown: 1500ms", "entries[1].rampDown: \"1500ms\" must be whole seconds"),
    (
        "replicas: 20, maxReplicas: 40",
        "replicas: 40, maxReplicas: 20",
        "replicas must not be more than the entry's own maxReplicas",
    ),
    (
        "for: 2h, replicas: 20, maxReplicas: 40",
        "maxReplicas: 40",
        "a step (an entry without for or until) needs replicas",
    ),
    ("name: lunch", "name: day", "spec.schedule.entries[1].name: \"day\" is the name of another one too"),
    (
        "replicas: 12}",
        "replicas: 12, rampUp: 169h}",
        "entries[0].rampUp: \"169h\" must be whole seconds, and at most a week",
    ),
    (
        "timeZone: Europe/Berlin",
        "exceptDates: ['2026-12-25', 2026-12-5]",
        "spec.schedule.exceptDates[1]: \"2026-12-5\" is not a date: write YYYY-MM-DD, such as 2026-12-25, or the name of a ScaleCalendar",
    ),
    (
        "averageValue: 150",
        "averageValue: much",
        "spec.metrics[0].target.averageValue: \"much\" is not a quantity",
    ),
    ("averageValue: 150", "averageValue: 0", "spec.metrics[0].target.averageValue: 0 must be at least 1m"),
    (
        "averageValue: 150",
        "averageValue: 150, value: 3",
        "spec.metrics[0].target: exactly one of averageValue and value",
    ),
    (
        "query: sum(rate(http_requests_total[1m]))",
        "query: ' '",
        "spec.metrics[0].prometheus.query: must be a PromQL expression",
    ),
    (
        "stabilizationWindowSeconds: 60",
        "stabilizationWindowSeconds: 3601",
        "spec.damping.scaleDown.stabilizationWindowSeconds: 3601 must be",
    ),
    (
        "tolerance: '0.2'",
        "tolerance: '-0.2'",
        "spec.damping.scaleDown.tolerance: -0.2 must be a quantity from 0 to 1",
    ),
    ("tolerance: '0.2'", "policies: []", "spec.damping.scaleDown.policies: must not be empty"),
    (
        "tolerance: '0.2'",
        "policies: [{type: Pods, value: 0, periodSeconds: 15}]",
        "spec.damping.scaleDown.policies[0].value: 0 must be",
    ),
    (
        "damping:",
        "fallback: {replicas: 3}\ndamping:",
        "spec.fallback: replicas is needed with policy Replicas",
    ),
    (
        "damping:",
        "fallback: {policy: Replicas}\ndamping:",
        "spec.fallback: replicas is needed with policy Replicas",
    ),
    (
        "damping:",
        "fallback: {policy: Replicas, replicas: 81}\ndamping:",
        "spec.fallback.replicas: 81 is more than spec.maxReplicas",
    ),
    (
        "damping:",
        "damping:\n  smoothing: {halfLife: 0s}",
        "spec.damping.smoothing.halfLife: \"0s\" must be longer than nothing",
    ),
    (
        "damping:",
        "capacity: {holdAfter: soon}\ndamping:",
        "spec.capacity.holdAfter: \"soon\" is not a duration",
    ),
    (
        "damping:",
        "guards: [{name: db, prometheus: {query: up}, above: lots, effect: Hold}]\ndamping:",
        "spec.guards[0].above: \"lots\" is not a quantity",
    ),
    (
        "damping:",
        "guards: [{name: db, prometheus: {query: ' '}, above: 1, effect: Hold}]\ndamping:",
        "spec.guards[0].prometheus.query: must be a PromQL expression",
    ),
    (
        "\n    query: sum(rate(http_requests_total[1m]))",
        " {query: up, maxAge: 1m}",
        "spec.metrics[0].prometheus.maxAge: needs freshness",
    ),
    (
        "tolerance: '0.2'",
        "deadbandReplicas: -1",
        "spec.damping.scaleDown.deadbandReplicas: -1 must be between 0 and 100000",
    ),
    ("kind: Deployment", "kind: ''", "spec.scaleTargetRef.kind: must not be empty"),
    ("kind: Deployment", "kind: 'pods?x='", "spec.scaleTargetRef.kind: \"pods?x=\" must be letters, digits"),
    (
        "apiVersion: apps/v1",
        "apiVersion: apps/v1/deployments",
        "spec.scaleTargetRef.apiVersion: \"apps/v1/deployments\" must be `group/version` or `version`, such as apps/v1",
    ),
    ("apiVersion: apps/v1", "apiVersion: v1%2Fpods", "spec.scaleTargetRef.apiVersion: \"v1%2Fpods\" must be"),
    (
        "name: web}",
        "name: web/scale?x=}",
        "spec.scaleTargetRef.name: \"web/scale?x=\" must be lower-case letters",
    ),
    ("name: web}", "name: ..}", "spec.scaleTargetRef.name: \"..\" must be lower-case letters"),
];

#[test]
fn every_mistake_is_reported_at_its_field() {
    for (from, to, expected) in MISTAKES {
        let yaml = GOOD.replacen(from, to, 1);
        assert_ne!(yaml, GOOD, "the row {from:?} changes nothing");
        let errors = errors(&yaml);
        assert!(
            errors.len() == 1 && errors[0].contains(expected),
            "{to:?}: expected {expected:?}, got {errors:#?}"
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let yaml = GOOD
        .replace("minReplicas: 2", "minReplicas: -1")
        .replace("0 7 * * mon-fri", "0 7 * * monday")
        .replace("for: 2h", "for: 2")
        .replace("averageValue: 150", "averageValue: -1");
    let paths: Vec<_> =
        errors(&yaml).iter().map(|error| error.split(": ").next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        paths,
        [
            "spec.minReplicas",
            "spec.schedule.entries[0].cron",
            "spec.schedule.entries[1].for",
            "spec.metrics[0].target.averageValue"
        ]
    );
}

#[test]
fn mistakes_come_in_the_order_of_the_fields_and_those_of_an_entry_together() {
    let yaml = GOOD
        .replace("kind: Deployment", "kind: ''")
        .replace("minReplicas: 2", "minReplicas: -1")
        .replace("0 7 * * mon-fri", "0 7 * * monday")
        .replace("name: lunch", "name: day")
        .replace("for: 2h", "for: 2")
        .replace("averageValue: 150", "averageValue: -1")
        .replace("name: qps", "name: ''")
        .replace("tolerance: '0.2'", "tolerance: '2'")
        + "guards: [{name: a, prometheus: {query: up}, above: x, effect: Hold}]\nfallback: {after: x}\n";
    let paths: Vec<_> =
        errors(&yaml).iter().map(|error| error.split(": ").next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        paths,
        [
            "spec.scaleTargetRef.kind",
            "spec.minReplicas",
            "spec.schedule.entries[0].cron",
            "spec.schedule.entries[1].name",
            "spec.schedule.entries[1].for",
            "spec.metrics[0].name",
            "spec.metrics[0].target.averageValue",
            "spec.damping.scaleDown.tolerance",
            "spec.guards[0].above",
            "spec.fallback.after",
        ]
    );
}

#[test]
fn a_policy_needs_something_to_decide_by() {
    let yaml = "{scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}";
    assert_eq!(errors(yaml), ["spec: a policy needs a schedule, metrics, or both"]);
}

#[test]
fn cron_refusals_say_what_would_be_right() {
    for (text, expected) in [
        (" ", "must not be empty"),
        ("0 7 * *", "has 4 fields, but cron has five"),
        (
            "0 0 9 * * 1",
            "has 6 fields, of which the first would be seconds, as in Quartz; cron has five (minute hour day-of-month month day-of-week), here perhaps \"0 9 * * 1\"",
        ),
        ("0 0 9 * * 1 2026", "has 7 fields, of which the first would be seconds and the last years"),
        ("@dayly", "is not a macro"),
        ("60 * * * *", "minute field \"60\": 60 is out of range (allowed: 0 to 59)"),
        ("0 0 1 janu *", "month field \"janu\": \"janu\" is not one of the values 1 to 12 or jan to dec"),
        ("0 9 ? * 1", "\"?\" is Quartz's, not standard; write \"*\""),
        ("0 0 L * *", "Quartz's, not standard"),
        ("H/15 * * * *", "H is Jenkins', not standard"),
        ("30-10 * * * *", "the range \"30-10\" runs backwards; write 30-59,0-10"),
        ("*/0 * * * *", "the step \"0\" must be a whole number of at least 1"),
        ("1,,2 * * * *", "a list has an empty item"),
        ("0 0 31 6,9,11 *", "never fires"),
    ] {
        let error = parse_cron(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text:?}: expected {expected:?}, got {error:?}");
    }
}
