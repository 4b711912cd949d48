//! `tidetable tune` as people run it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn tidetable(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    command.args(arguments).current_dir(directory);
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A scenario for a trace, and the shipped policy without damping.
fn prepare(directory: &Path) {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/hunting.policy.yaml");
    std::fs::copy(policy, directory.join("web.yaml")).expect("copied");
    let scenario = "policy: web.yaml\nfrom: 2026-11-23T00:00:00Z\nlength: 2h\n\
                    plant: {startup: 30s, capacityPerReplica: 100, initialReplicas: 20}\n";
    std::fs::write(directory.join("hour.yaml"), scenario).expect("written");
}

/// Two hours of waves, which are `rest` requests per second in the second hour.
fn trace(rest: u32) -> String {
    let mut csv = String::from("timestamp,qps\n");
    for minute in 0..=120 {
        let qps = if minute >= 60 { rest } else { 600 + 600 * (minute % 2) };
        let _ = writeln!(csv, "{},{qps}", 1_763_856_000 + minute * 60);
    }
    csv
}

/// A directory with these and a trace that is calm in its second hour.
fn prepared() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    prepare(directory.path());
    std::fs::write(directory.path().join("trace.csv"), trace(700)).expect("written");
    directory
}

const TUNE: [&str; 8] = [
    "tune",
    "hour.yaml",
    "--trace",
    "trace.csv",
    "--param",
    "damping.scaleDown.stabilizationWindowSeconds=0..240/120",
    "--objective",
    "reversals",
];

#[test]
fn the_hold_out_is_in_its_own_figures_and_nowhere_else() {
    let directory = tempfile::tempdir().expect("a directory");
    prepare(directory.path());
    let search = |rest: u32, threads: &str| {
        std::fs::write(directory.path().join("trace.csv"), trace(rest)).expect("written");
        let more = ["--threads", threads, "--write", "tuned.yaml"];
        let output = tidetable(directory.path(), &[TUNE.as_slice(), &more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let tuned = std::fs::read_to_string(directory.path().join("tuned.yaml")).expect("written");
        (text(&output.stdout), tuned)
    };
    let (calm, tuned) = search(700, "1");
    assert_eq!((calm.clone(), tuned.clone()), search(700, "2"));
    let (wild, other) = search(4000, "1");
    let without = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("hold-out"));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_ne!(calm, wild);
    assert_eq!(without(&calm), without(&wild));
    let policy = |text: &str| text[text.find("apiVersion").expect("a policy")..].to_owned();
    assert_eq!(policy(&tuned), policy(&other));
    let check = tidetable(directory.path(), &["check", "tuned.yaml"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
}

#[test]
fn the_heat_map_has_a_cell_for_each_combination_and_the_explanation_both_pictures() {
    let directory = prepared();
    let more = [
        "--param",
        "metrics[0].target.averageValue=60..100/20",
        "--heat-map",
        "heat.svg",
        "--explain",
        "why",
    ];
    let output = tidetable(directory.path(), &[TUNE.as_slice(), &more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let read = |file: &str| std::fs::read_to_string(directory.path().join(file)).expect("written");
    let picture = read("heat.svg");
    assert_eq!(picture.matches("class=\"tt-cell\"").count(), 9);
    for x in [0, 120, 240] {
        for y in [60, 80, 100] {
            assert!(picture.contains(&format!("<title>{x}, {y}: ")), "{x}, {y}");
        }
    }
    let said = text(&output.stdout);
    assert!(
        said.contains("The dead time is up to 120s: 15s until it is scraped, 60s until a mean over")
            && said.contains("no loop that could hunt"),
        "{said}"
    );
    assert!(said.contains("  less (0) follows each wobble: "), "{said}");
    assert!(read("why/less.svg").contains("stabilizationWindowSeconds = 0"));
    assert!(read("why/found.svg").contains("stabilizationWindowSeconds = 120"));
    // A picture of this search says nothing of the next one, which has nothing more to draw.
    let more = directory.path().join("why/more.svg");
    assert!(more.exists());
    let mut shorter = TUNE.to_vec();
    shorter[5] = "damping.scaleDown.stabilizationWindowSeconds=0..120/120";
    let output = tidetable(directory.path(), &[shorter.as_slice(), &["--explain", "why"]].concat());
    assert!(text(&output.stdout).contains("  nothing more was tried."), "{}", text(&output.stdout));
    assert!(!more.exists());

    let alone = [TUNE.as_slice(), &["--heat-map", "heat.svg"]].concat();
    let output = tidetable(directory.path(), &alone);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--heat-map: draws a grid of exactly two parameters"));
}

#[test]
fn where_the_replicas_change_what_is_measured_there_is_a_loop() {
    let directory = prepared();
    let policy = std::fs::read_to_string(directory.path().join("web.yaml")).expect("a policy");
    let policy = policy.replace("averageValue: \"80\"", "value: \"0.8\"");
    let policy = policy.replace(
        "  damping:",
        "  guards: [{name: g, prometheus: {query: g}, above: 1000000, effect: Hold}]\n  damping:",
    );
    std::fs::write(directory.path().join("web.yaml"), policy).expect("written");
    let scenario = std::fs::read_to_string(directory.path().join("hour.yaml")).expect("a scenario");
    let scenario = scenario.replace("20}", "20, queue: {timeout: 10s}}\nmetrics: {qps: utilization, g: qps}");
    std::fs::write(directory.path().join("hour.yaml"), &scenario).expect("written");
    let said = tidetable(directory.path(), &[TUNE.as_slice(), &["--explain", "why"]].concat());
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let said = text(&said.stdout);
    // A gauge has no window.
    let dead =
        "The dead time of the loop is up to 60s: 15s until it is scraped, 15s until the next tick, 30s until";
    for expected in [dead, "it does on old news", "  less (0) hunts: "] {
        assert!(said.contains(expected), "{said}");
    }
    // What a guard sees may be an effect, too.
    let file = directory.path().join("web.yaml");
    let policy =
        std::fs::read_to_string(&file).expect("a policy").replace("value: \"0.8\"", "averageValue: \"80\"");
    std::fs::write(&file, policy).expect("written");
    for (metrics, is_loop) in [("g: qps", false), ("g: utilization", true)] {
        let scenario = scenario.replace("{qps: utilization, g: qps}", &format!("{{{metrics}}}"));
        std::fs::write(directory.path().join("hour.yaml"), scenario).expect("written");
        let said =
            text(&tidetable(directory.path(), &[TUNE.as_slice(), &["--explain", "why"]].concat()).stdout);
        assert_eq!(said.contains("The dead time of the loop is up to 120s"), is_loop, "{said}");
    }
}

#[test]
fn what_is_drawn_by_chance_is_the_same_for_a_seed_and_any_number_of_threads() {
    let directory = prepared();
    for search in ["random", "halving"] {
        let play = |seed: &str, threads: &str| {
            let more = ["--search", search, "--candidates", "5", "--seed", seed, "--threads", threads];
            let mut arguments = TUNE.to_vec();
            arguments[5] = "damping.scaleDown.stabilizationWindowSeconds=0..240";
            let output = tidetable(directory.path(), &[arguments.as_slice(), &more].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        let count =
            if search == "halving" { "5 candidates, 1 of them played to the end;" } else { "5 candidates;" };
        assert!(play("1", "1").starts_with(count), "{}", play("1", "1"));
        assert_eq!(play("1", "1"), play("1", "2"), "{search}");
        assert_ne!(play("1", "1"), play("2", "1"), "{search}");
    }
}

#[test]
fn of_several_traces_each_is_shown_for_as_long_as_is_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    prepare(directory.path());
    for (name, rest) in [("trace.csv", 700), ("other.csv", 4000)] {
        std::fs::write(directory.path().join(name), trace(rest)).expect("written");
    }
    let more = ["--trace", "other.csv", "--length", "90m"];
    let output = tidetable(directory.path(), &[TUNE.as_slice(), &more].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = |begin: &str| said.lines().filter(|line| line.starts_with(begin)).count();
    for name in ["trace.csv", "other.csv"] {
        assert_eq!(lines(&format!("search: hour, {name}")), 1, "{said}");
        assert_eq!(lines(&format!("hold-out: hour, {name}")), 1, "{said}");
        let period = format!("hour, {name}: searched from 2025-11-23T00:00:00Z until 2025-11-23T00:45:00Z");
        assert_eq!(lines(&period), 1, "{said}");
    }
    assert!(said.contains("tested from there until 2025-11-23T01:30:00Z."), "{said}");
}

#[test]
fn what_breaks_a_limit_is_said_to_and_never_recommended() {
    let directory = tempfile::tempdir().expect("a directory");
    let simulations = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations");
    let scenario = simulations.join("hunting.yaml").display().to_string();
    let tune = [
        "tune",
        &scenario,
        "--param",
        "damping.scaleDown.stabilizationWindowSeconds=270..300/10",
        "--objective",
        "dropped_percent<=0.168 then replica_hours",
        "--explain",
        "why",
    ];
    let output = tidetable(directory.path(), &tune);
    let said = text(&output.stdout);
    assert!(said.contains("stabilizationWindowSeconds = 290:"), "{said}");
    assert!(
        said.contains("  less (270) breaks a limit: dropped_percent should be <=0.168 and is 0.169"),
        "{said}"
    );
}

#[test]
fn a_policy_that_is_tuned_again_has_one_account_of_it_and_keeps_its_own_comments() {
    let directory = tempfile::tempdir().expect("a directory");
    prepare(directory.path());
    let file = directory.path().join("web.yaml");
    std::fs::write(directory.path().join("trace.csv"), trace(700)).expect("written");
    let own =
        format!("# Ours.\n# Tuned by hand before.\n{}", std::fs::read_to_string(&file).expect("a policy"));
    std::fs::write(&file, &own).expect("written");
    let tune = [TUNE.as_slice(), &["--write", "web.yaml"]].concat();
    let tuned = [(), ()].map(|()| {
        let output = tidetable(directory.path(), &tune);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        std::fs::read_to_string(&file).expect("written")
    });
    assert_eq!(tuned[0], tuned[1]);
    assert_eq!(tuned[1].matches("# Tuned by `tidetable tune`").count(), 1);
    assert!(tuned[1].contains("\n\n# Ours.\n# Tuned by hand before.\n"), "{}", tuned[1]);
}

#[test]
fn the_lines_of_a_policy_end_as_they_did() {
    let directory = tempfile::tempdir().expect("a directory");
    prepare(directory.path());
    let file = directory.path().join("web.yaml");
    std::fs::write(directory.path().join("trace.csv"), trace(700)).expect("written");
    let unix = std::fs::read_to_string(&file).expect("a policy");
    let tuned = |text_before: &str| {
        std::fs::write(&file, text_before).expect("written");
        let output = tidetable(directory.path(), &[TUNE.as_slice(), &["--write", "web.yaml"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        std::fs::read_to_string(&file).expect("written")
    };
    let (unix, windows) = (tuned(&unix), tuned(&unix.replace('\n', "\r\n")));
    assert_eq!(windows, unix.replace('\n', "\r\n"));
    assert_eq!(tuned(&windows), windows);
}

#[test]
fn what_can_not_be_written_or_searched_is_refused_before_the_search() {
    let directory = prepared();
    let refused: [(&[&str], &str); 9] = [
        (&["--explain", "web.yaml"], "--explain: web.yaml: "),
        (&["--hold-out", "0.999999999"], "--hold-out: leaves not a single tick"),
        (&["--search", "halving", "--length", "4m"], "--search: halving has not a single tick"),
        (
            &["--write", "x.svg", "--heat-map", "./x.svg", "--param", "minReplicas=1..2"],
            "--heat-map and --write: both are x.svg",
        ),
        (&["--write", "trace.csv"], "--trace and --write: both are trace.csv"),
        (
            &["--calendars", "trace.csv", "--write", "trace.csv"],
            "--calendars and --write: both are trace.csv",
        ),
        (&["--write", "hour.yaml"], "the scenario and --write: both are hour.yaml"),
        (
            &["--heat-map", "web.yaml", "--param", "minReplicas=1..2"],
            "a file of the scenario and --heat-map: both are web.yaml",
        ),
        (&["--write", "why/more.svg", "--explain", "why"], "--write and --explain: both are why/more.svg"),
    ];
    for (more, expected) in refused {
        let output = tidetable(directory.path(), &[TUNE.as_slice(), more].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{more:?}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn a_policy_is_not_replaced_by_one_that_breaks_the_limits() {
    let directory = prepared();
    let before = std::fs::read_to_string(directory.path().join("web.yaml")).expect("a policy");
    let more = ["--objective", "replica_hours<=1 then reversals", "--write", "web.yaml"];
    let output = tidetable(directory.path(), &[&TUNE[..6], &more].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("and no policy was written"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(directory.path().join("web.yaml")).expect("a policy"), before);
}

#[test]
fn limits_that_the_hold_out_breaks_and_choices_among_equals_are_said() {
    let directory = tempfile::tempdir().expect("a directory");
    prepare(directory.path());
    let mut csv = String::from("timestamp,qps\n");
    for minute in 0..=120 {
        let qps = if minute < 60 { 700 } else { 600 + 600 * (minute % 2) };
        let _ = writeln!(csv, "{},{qps}", 1_763_856_000 + minute * 60);
    }
    std::fs::write(directory.path().join("trace.csv"), csv).expect("written");
    let objective = ["--objective", "reversals<=0 then reversals", "--write", "tuned.yaml"];
    let output = tidetable(directory.path(), &[&TUNE[..6], &objective].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.contains("on the hold-out the limits are not kept: reversals should be <=0"), "{said}");
    let written = std::fs::read_to_string(directory.path().join("tuned.yaml")).expect("written");
    let equals = "3 of the candidates are equally good by that objective; this one changes the least.";
    assert!(text(&output.stdout).contains(equals) && written.contains(equals), "{written}");
    assert!(
        written.contains("# On the part that was not searched it does not keep them: reversals"),
        "{written}"
    );
    let found = json(directory.path(), &[&TUNE[..6], &objective[..2]].concat());
    assert_eq!((found["holds"].as_bool(), found["holds_on_hold_out"].as_bool()), (Some(true), Some(false)));
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = tidetable(directory, &[arguments, &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn programs_read_the_scores_that_simulate_gives_the_same_policy() {
    let directory = prepared();
    let found =
        json(directory.path(), &[TUNE.as_slice(), &["--write", "web.yaml", "--explain", "why"]].concat());
    let chosen = &found["chosen"];
    assert_eq!((found["candidates"].as_u64(), found["holds"].as_bool()), (Some(3), Some(true)));
    let parameter = &chosen["parameters"]["damping.scaleDown.stabilizationWindowSeconds"];
    assert!(parameter.as_f64().is_some_and(|window| window > 0.0), "{chosen}");
    assert!(found["front"].as_array().is_some_and(|front| !front.is_empty()), "{found}");
    assert!(found["explanation"].as_str().is_some_and(|text| text.contains("The dead time")), "{found}");
    let period = &found["periods"][0];
    let [from, split] = ["from", "split"].map(|at| period[at].as_str().expect("an instant"));
    let simulate = ["simulate", "hour.yaml", "--trace", "trace.csv", "--from", from, "--to", split];
    let played = json(directory.path(), &simulate);
    for name in ["late_percent", "replica_hours", "reversals", "tau_u_percent"] {
        assert_eq!(chosen["search"][0][name], played[name], "{name}");
        assert!(chosen["hold_out"][0][name].is_number(), "{name}");
    }
}

#[test]
fn calendars_of_other_files_count_and_the_time_of_a_trace_is_stretched() {
    let directory = tempfile::tempdir().expect("a directory");
    prepare(directory.path());
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
    let policy = std::fs::read_to_string(directory.path().join("web.yaml")).expect("a policy");
    let policy = policy.replace(
        "  metrics:\n",
        "  schedule:\n    exceptDates: [days-off]\n    entries: [{name: day, cron: 0 0 * * *, for: 24h, replicas: 40}]\n  metrics:\n",
    );
    let calendar = "apiVersion: tidetable.dev/v1alpha1\nkind: ScaleCalendar\nmetadata: {name: days-off}\nspec: \
                    {dates: [{date: \"2025-11-23\"}]}\n";
    write("trace.csv", &trace(700));
    write("days.yaml", calendar);
    write("web.yaml", &format!("{policy}---\n{calendar}"));
    let hours = |found: &Value| found["chosen"]["search"][0]["replica_hours"].as_f64().expect("a number");
    let together = json(directory.path(), &TUNE);
    write("web.yaml", &policy);
    let apart = json(directory.path(), &[TUNE.as_slice(), &["--calendars", "days.yaml"]].concat());
    assert_eq!(apart, together);
    assert!(hours(&json(directory.path(), &TUNE)) > hours(&apart), "without them it is no day off");

    let fast = ["--calendars", "days.yaml", "--time-scale", "0.5"];
    let fast = json(directory.path(), &[TUNE.as_slice(), &fast].concat());
    assert_eq!(fast["periods"][0]["until"], "2025-11-23T01:00:30Z", "121 minutes in half the time");
}
