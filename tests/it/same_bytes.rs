//! The same scenario and seed give the same bytes: a second time, and whoever else is at work.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tidetable::report::{csv, html, svg};
use tidetable::simulation;
use tidetable::simulation::scenario::{self, Overrides};

/// The scenarios of `simulations/` that have traffic of their own.
fn shipped() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations");
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".yaml") && !name.ends_with(".policy.yaml") && name != "web-day-trace.yaml"
    });
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    files
}

/// Everything that comes of a scenario whose text is changed by `edit`.
fn bytes(file: &Path, edit: impl Fn(String) -> String) -> String {
    let text = edit(std::fs::read_to_string(file).expect("readable"));
    let beside = |policy: &Path| std::fs::read_to_string(file.with_file_name(policy));
    let scenario = scenario::parse(file, &text, &Overrides::default(), beside).expect("a good scenario");
    let run = simulation::run(&scenario);
    let zone = TimeZone::UTC;
    let scores = serde_json::to_string(&run.scores).expect("JSON");
    [csv::table(&run), svg::picture(&run, &zone), html::page(&run, &[], &zone), scores].concat()
}

#[test]
fn every_scenario_gives_the_same_bytes_on_one_thread_and_on_two() {
    let files = shipped();
    let play = |file: &PathBuf| bytes(file, |text| text);
    let once: Vec<String> = files.iter().map(play).collect();
    let [second, third] = std::thread::scope(|scope| {
        // They meet in the middle, so that different scenarios are played at a time.
        let forth = scope.spawn(|| files.iter().map(play).collect::<Vec<_>>());
        let back = scope.spawn(|| files.iter().rev().map(play).collect::<Vec<_>>());
        [forth, back].map(|thread| thread.join().expect("no panic"))
    });
    let again = second.iter().zip(third.iter().rev());
    for ((file, first), (second, third)) in files.iter().zip(&once).zip(again) {
        assert!(first == second && first == third, "{}", file.display());
    }
}

#[test]
fn another_seed_gives_other_bytes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.yaml");
    let seeded = |seed: u64| {
        bytes(&file, |text| {
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("seed:")).collect();
            format!("{}\nseed: {seed}\n", lines.join("\n"))
        })
    };
    assert!(seeded(1) == seeded(1), "one seed is one noise");
    assert!(seeded(1) != seeded(2), "another seed is another noise");
}

#[test]
fn the_scores_alone_are_those_of_the_run() {
    for file in shipped() {
        let scenario = scenario::read(&file, &Overrides::default()).expect("a good scenario");
        assert_eq!(simulation::score(&scenario), simulation::run(&scenario).scores, "{}", file.display());
    }
}
