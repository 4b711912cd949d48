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
            "web.yaml:7:3: spec.maxReplicas: invalid type: string \"many\", expected i32",
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
        ("  maxReplicas: 80\n", "", "web.yaml:5:1: spec: missing field `maxReplicas`"),
        ("v1alpha1", "v1", "web.yaml:2:1: apiVersion: must be tidetable.dev/v1alpha1"),
        ("metadata:", "meta:", "web.yaml:4:1: meta: unknown field; a policy has metadata and spec"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_eq!(mistakes(&text), [expected], "{to}");
    }
}

#[test]
fn broken_yaml_names_its_place() {
    let broken = mistakes("a: [1\nb: 2\n");
    assert!(broken.len() == 1 && broken[0].starts_with("web.yaml:2:"), "{broken:?}");
    let twice = mistakes(&format!("{GOOD}spec: {{}}\n"));
    assert!(
        twice.len() == 1 && twice[0].starts_with("web.yaml:16:1: ") && twice[0].contains("duplicate"),
        "{twice:?}"
    );
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
