//! The command as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

fn tidetable(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_crd_that_is_checked_in_is_the_one_that_is_printed() {
    let output = tidetable(&["crd"]);
    assert!(output.status.success());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/scalepolicies.yaml");
    assert_eq!(text(&output.stdout), std::fs::read_to_string(path).expect("checked in"), "run make crd");
}

#[test]
fn check_takes_the_files_that_are_shipped() {
    let shipped =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations")).expect("simulations");
    let mut files: Vec<String> = shipped
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut arguments = vec!["check"];
    arguments.extend(files.iter().map(String::as_str));
    let output = tidetable(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), files.len());
}

#[test]
fn check_names_file_line_column_path_and_what_would_be_right_and_exits_with_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("web.yaml");
    let manifest = "\
apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 8
  schedule:
    timezone: Europe/Berlin
    entries:
    - {name: day, cron: '0 7 * * *', replicas: 12}
";
    std::fs::write(&file, manifest).expect("written");
    let name = file.display().to_string();
    let output = tidetable(&["check", &name]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        format!("{name}:8:5: spec.schedule.timezone: unknown field; did you mean timeZone?\n")
    );
    std::fs::write(&file, manifest.replace("timezone", "timeZone")).expect("written");
    let output = tidetable(&["check", &name]);
    assert_eq!(
        text(&output.stderr),
        format!(
            "{name}:10:38: spec.schedule.entries[0].replicas: 12 is more than spec.maxReplicas, which is 8\n"
        )
    );
}

#[test]
fn a_missing_file_and_an_unknown_flag_are_bad_input() {
    assert_eq!(tidetable(&["check", "absent.yaml"]).status.code(), Some(2));
    assert_eq!(tidetable(&["check", "--nonsense"]).status.code(), Some(2));
}
