//! What `tidetable check` says of policies that are valid and probably not meant, and of what only looks like one.

use std::process::{Command, Output};

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidetable"))
        .arg("check")
        .args(arguments)
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const POLICY: &str = "\
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 80
  schedule:
    timeZone: Europe/Berlin
    entries:
    - {name: day, cron: 0 7 * * *, replicas: 12}
    - {name: night, cron: 0 20 * * *, replicas: 3}
    - {name: lunch, cron: '30 11 * * *', for: 2h, replicas: 20}
";

#[test]
fn warnings_have_places_and_succeed_unless_they_are_denied() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("web.yaml");
    let name = file.display().to_string();
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    let odd = POLICY.replace("Europe/Berlin", "CET").replace("replicas: 20", "replicas: 10");
    write(&odd);
    let expected = format!(
        "warning: {name}:8:5: spec.schedule.timeZone: CET is an old name, summer time and all; name a city, such as \
         Europe/Berlin\n\
         warning: {name}:12:7: spec.schedule.entries[2]: its floor 10 changes nothing: the step day asks for as much \
         whenever it starts; change it or remove the entry\n"
    );
    let output = check(&[&name]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), format!("{name}: ok, 1 policy\n"));
    assert!(text(&output.stderr).ends_with(&expected), "{}", text(&output.stderr));
    let output = check(&["--deny-warnings", &name]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let count = said.matches("warning: ").count();
    assert!(
        said.ends_with(&format!("{expected}{count} warnings, and --deny-warnings allows none\n")),
        "{said}"
    );

    write(&POLICY.replace("    entries:", "    exceptDates: [holidays-de]\n    entries:"));
    let output = check(&["--deny-warnings", &name]);
    assert_eq!(output.status.code(), Some(1), "a calendar that is not among the files is a warning too");
    write(&odd.replace("maxReplicas: 80", "maxReplicas: 8"));
    assert_eq!(check(&["--deny-warnings", &name]).status.code(), Some(2), "mistakes count for more");
}

#[test]
fn a_policy_without_warnings_succeeds_also_when_they_are_denied() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("web.yaml");
    std::fs::write(&file, POLICY).expect("written");
    let output = check(&["--deny-warnings", &file.display().to_string()]);
    // The rules of time zones that are compiled in grow old.
    let said = text(&output.stderr);
    let others: Vec<&str> = said.lines().filter(|line| line.contains("web.yaml")).collect();
    assert_eq!(others, [""; 0]);
    assert_eq!(output.status.code(), Some(i32::from(!said.is_empty())), "{said}");
}

#[test]
fn what_only_looks_like_ours_is_a_mistake_and_a_directory_is_its_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
    let name = directory.path().display().to_string();
    let empty = check(&[&name]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(text(&empty.stderr).contains("no *.yaml or *.yml in this directory"));
    write("a.yaml", POLICY);
    write("notes.txt", "not: ours");
    assert_eq!(text(&check(&[&name]).stdout), format!("{name}/a.yaml: ok, 1 policy\n"));
    write("b.yml", &POLICY.replace("kind: ScalePolicy", "kind: ScalePolcy"));
    write("c.yaml", &format!("{POLICY}---\napiVersion: tidetable.dev/v2\nkind: Thing\n"));
    write(
        "d.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- {kind: Pod}\n- {apiVersion: tidetable.dev/v1alpha1}\n",
    );
    let output = check(&[&name]);
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    for expected in [
        "b.yml:2:1: kind: tidetable.dev has no kind \"ScalePolcy\"; did you mean ScalePolicy?",
        "kind: tidetable.dev has no kind \"Thing\"; did you mean ScalePolicy or ScaleCalendar?",
        "d.yaml:5:3: items[1]: is in a List, where it is not read",
    ] {
        assert!(errors.contains(expected), "{expected}: {errors}");
    }
}
