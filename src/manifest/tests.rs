use std::path::Path;

use super::*;

const GOOD: &str = "\
# Comments are fine.
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 80
  schedule:
    timeZone: Europe/Berlin
    entries:
    - {name: day, cron: '0 7 * * mon-fri', replicas: 12}
    - name: lunch
      cron: '30 11 * * *'
      for: 2h
      replicas: 20
";

fn mistakes(text: &str) -> Vec<String> {
    let documents = match parse(Path::new("web.yaml"), text) {
        Ok(documents) => documents,
        Err(mistakes) => return vec![mistakes.to_string()],
    };
    let found = documents.iter().filter_map(|document| document.policy().err());
    found.flat_map(|mistakes| mistakes.0).map(|mistake| mistake.to_string()).collect()
}

#[test]
fn a_good_file_has_no_mistakes() {
    assert_eq!(mistakes(GOOD), Vec::<String>::new());
    assert_eq!(mistakes(&format!("{GOOD}---\n{GOOD}")), Vec::<String>::new());
}

#[test]
fn every_mistake_has_its_place_its_path_and_what_would_be_right() {
    for (from, to, expected) in [
        (
            "replicas: 12",
            "replica: 12",
            "web.yaml:11:44: spec.schedule.entries[0].replica: unknown field; did you mean replicas?",
        ),
        (
            "maxReplicas: 80",
            "maxReplicas: many",
            "web.yaml:7:3: spec.maxReplicas: must be a whole number from 0 to 100000, not the text \"many\"",
        ),
        (
            "maxReplicas: 80",
            "maxReplicas: 80.5",
            "web.yaml:7:3: spec.maxReplicas: must be a whole number from 0 to 100000, not 80.5",
        ),
        (
            "maxReplicas: 80",
            "maxReplicas: -1",
            "web.yaml:7:3: spec.maxReplicas: must be a whole number from 0 to 100000, not -1",
        ),
        (
            "maxReplicas: 80",
            "maxReplicas: 80\n  mode: active",
            "web.yaml:8:3: spec.mode: must be one of Active, DryRun or Paused, not \"active\"",
        ),
        (
            "'30 11 * * *'",
            "5",
            "web.yaml:13:7: spec.schedule.entries[1].cron: must be a text, not the number 5",
        ),
        (
            "- {name: day,",
            "- {name: \"DAY\", name: day,",
            "web.yaml:11:21: spec.schedule.entries[0].name: the key name is given twice, first in line 11",
        ),
        (
            "name: web, namespace",
            "namespace",
            "web.yaml:4:1: metadata.name: needed: lower-case letters, digits, \"-\" and \".\", with a letter or digit at the beginning and the end",
        ),
        (
            "name: web, namespace",
            "name: web_1, namespace",
            "web.yaml:4:12: metadata.name: must be lower-case letters, digits, \"-\" and \".\", with a letter or digit at the beginning and the end, not \"web_1\"",
        ),
        (
            "namespace: shop",
            "labels: {tier: 1}",
            "web.yaml:4:32: metadata.labels.tier: must be a text, not the number 1",
        ),
        (
            "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}",
            "scaleTargetRef: web",
            "web.yaml:6:3: spec.scaleTargetRef: must be a group of fields with apiVersion, kind and name, not the text \"web\"",
        ),
        (
            "maxReplicas: 80",
            "maxReplicas: 80\n  metrics: [{name: qps, prometheus: {query: up}, target: {value: 0.85}}]",
            "web.yaml:8:59: spec.metrics[0].target.value: must be a whole number, or in quotes a number such as \"0.85\" or \"1500m\", not 0.85",
        ),
        (
            "namespace: shop",
            "namespace: ''",
            "web.yaml:4:23: metadata.namespace: must be lower-case letters, digits and \"-\", with a letter or digit at the beginning and the end, not \"\"",
        ),
        (
            "kind: Deployment",
            "kind: DeploymentOfThingsThatHaveAVeryLongNameWhichNoKindShouldEverHave",
            "web.yaml:6:41: spec.scaleTargetRef.kind: must have at most 63 characters, and has 64",
        ),
        (
            "'30 11 * * *'",
            "'30 25 * * *'",
            "web.yaml:13:7: spec.schedule.entries[1].cron: hour field \"25\": 25 is out of range (allowed: 0 to 23)",
        ),
        (
            "for: 2h",
            "for: 2 hours",
            "web.yaml:14:7: spec.schedule.entries[1].for: \"2 hours\" is not a duration: write whole numbers with h, m, s or ms, such as 90s, 2h or 1h30m",
        ),
        (
            "  maxReplicas: 80\n",
            "",
            "web.yaml:5:1: spec.maxReplicas: needed: a whole number from 0 to 100000",
        ),
        (
            "v1alpha1",
            "v1",
            "web.yaml:2:1: apiVersion: must be tidetable.dev/v1alpha1, not \"tidetable.dev/v1\"",
        ),
        ("metadata:", "metdata:", "web.yaml:4:1: metdata: unknown field; did you mean metadata?"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_eq!(mistakes(&text), [expected], "{to}");
    }
}

#[test]
fn broken_yaml_names_its_place() {
    let broken = mistakes("a: [1\nb: 2\n");
    assert!(broken.len() == 1 && broken[0].starts_with("web.yaml:2:"), "{broken:?}");
}

#[test]
fn what_only_a_cluster_writes_may_be_there() {
    let text = GOOD.replace("shop}", "shop, uid: 7, creationTimestamp: null, managedFields: []}");
    assert_eq!(mistakes(&format!("{text}status: {{load: heavy}}\n")), Vec::<String>::new());
}

#[test]
fn several_mistakes_are_reported_together() {
    let text =
        GOOD.replace("replicas: 12", "replicas: 120").replace("2h", "0s").replace("Europe/Berlin", "Berlin");
    let paths: Vec<_> =
        mistakes(&text).iter().filter_map(|line| line.split(": ").nth(1).map(str::to_owned)).collect();
    assert_eq!(
        paths,
        ["spec.schedule.timeZone", "spec.schedule.entries[0].replicas", "spec.schedule.entries[1].for"]
    );
}

#[test]
fn mistakes_of_every_kind_come_in_the_order_of_the_file() {
    let text = "\
kind: ScalePolicy
metadata: {name: Web}
spec:
  maxReplicas: many
  shedule:
    timezone: Europe/Bonn
    entries:
    - {name: day, cron: '0 25 * * *', replica: 100001}
    - {name: day, cron: '0 7 * * *'}
    - daily
  metrics: [{name: qps, prometheus: {}, target: {averageValue: much}}]
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web, name: api}
  fallback: {after: soon}
";
    let places: Vec<_> = mistakes(text)
        .iter()
        .filter_map(|line| line.strip_prefix("web.yaml:")?.rsplit_once(": ").map(|(head, _)| head.to_owned()))
        .map(|head| head.split(": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        places,
        [
            "1:1 apiVersion",
            "2:12 metadata.name",
            "4:3 spec.maxReplicas",
            "5:3 spec.shedule",
            "6:5 spec.shedule.timezone",
            "6:5 spec.shedule.timezone",
            "8:19 spec.shedule.entries[0].cron",
            "8:39 spec.shedule.entries[0].replica",
            "8:39 spec.shedule.entries[0].replica",
            "9:7 spec.shedule.entries[1]",
            "9:8 spec.shedule.entries[1].name",
            "10:7 spec.shedule.entries[2]",
            "11:25 spec.metrics[0].prometheus.query",
            "11:50 spec.metrics[0].target.averageValue",
            "12:70 spec.scaleTargetRef.name",
            "13:14 spec.fallback.after",
        ]
    );
}

#[test]
fn what_follows_from_a_mistake_is_not_another_one() {
    for (from, to) in [
        // An entry's replicas may or may not be more than that, or than these.
        ("maxReplicas: 80", "maxReplicas: many"),
        ("replicas: 20", "replicas: lots\n      maxReplicas: 3"),
        // Whether replicas are needed depends on the policy.
        ("maxReplicas: 80", "maxReplicas: 80\n  fallback: {policy: Stay, replicas: 3}"),
        // A window, however long.
        ("for: 2h\n      replicas: 20", "for: 2\n      maxReplicas: 20"),
        // A schedule or metrics are there.
        ("schedule:\n", "metrics: none\n  was:\n"),
        ("schedule:", "sched: 7\n  schedule:"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        let found = mistakes(&text);
        let expected = if to.contains("was:") { 2 } else { 1 };
        assert!(text != GOOD && found.len() == expected, "{to}: {found:#?}");
    }
}

/// Every field of a policy that a file may have.
const FULL: &str = "\
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web, namespace: shop, labels: {a: b}, annotations: {a: b}, finalizers: [a], generateName: w}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 80
  mode: Active
  schedule:
    timeZone: UTC
    exceptDates: ['2026-12-25']
    entries:
    - {name: day, cron: 0 7 * * *, at: '2026-11-27T00:00', timeZone: UTC, for: 2h, until: '09:00', replicas: 1,
       maxReplicas: 2, rampUp: 1m, rampDown: 1m}
  metrics:
  - name: qps
    prometheus: {source: default, query: up, freshness: up, maxAge: 2m}
    target: {averageValue: 150, value: '0.85'}
  damping:
    smoothing: {halfLife: 30s}
    scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, tolerance: '0.1', policies: [{type: Pods, value: 4, periodSeconds: 15}]}
    scaleDown: {}
  guards: [{name: a, prometheus: {query: up}, above: 1, for: 0s, effect: Hold}]
  fallback: {after: 3m, policy: Replicas, replicas: 3}
  capacity: {holdAfter: 2m}
";

/// Whatever stands in the place of a field, it is our words that say what is wrong, and the rest of the
/// document is read all the same.
#[test]
fn no_value_of_any_type_in_any_field_stops_the_reading() {
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(key, child)| (key.clone(), child)).collect(),
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, child)| (index.to_string(), child)).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        for (step, child) in children {
            let at = format!("{at}/{step}");
            pointers(child, &at, found);
            found.push(at);
        }
    }
    /// The form of a text has no influence on the mending, and takes its time.
    fn without_patterns(schema: &mut Value) {
        for child in schema.as_object_mut().into_iter().flat_map(|fields| {
            fields.remove("pattern");
            fields.values_mut()
        }) {
            without_patterns(child);
        }
    }
    let mut schema = schema::policy();
    without_patterns(&mut schema);
    let good: Value = serde_saphyr::from_str(FULL).expect("YAML");
    let mut found = Vec::new();
    pointers(&good, "", &mut found);
    for pointer in found {
        for other in ["null", "true", "5", "-1", "1.5", "18446744073709551615", "\"x\"", "[5]", "{\"x\": 5}"]
        {
            let other: Value = serde_json::from_str(other).expect("JSON");
            let mut value = good.clone();
            *value.pointer_mut(&pointer).expect("there") = other.clone();
            for guess in 0..2 {
                let mended = shape::mend(&schema, &value, guess).value;
                let read = serde_json::from_value::<ScalePolicy>(mended);
                assert!(read.is_ok(), "{pointer} = {other}: {read:?}");
            }
        }
    }
}
