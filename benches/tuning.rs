//! The search for the numbers of a policy, and for its schedule, on the plant of simulations/web-day.yaml, in which a
//! request is served at once or lost, and on the same with a queue. One line `name value unit` each on stdout.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidetable::learning::{self, Settings};
use tidetable::simulation::Scenario;
use tidetable::simulation::plant::PlantSpec;
use tidetable::simulation::scenario::{self, Overrides};
use tidetable::simulation::service::{QueueSpec, ServiceSpec};
use tidetable::simulation::traffic::Traffic;
use tidetable::tuning::{self, Param, Template};

const DAY: u64 = 24 * 3600;

fn main() {
    // `cargo test --all-targets` runs benches as tests, without the flag: a little is enough then.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (count, days) = if is_bench { (1000, 28) } else { (9, 1) };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.yaml");
    let length = Some(Duration::from_secs(days * DAY));
    let overrides = Overrides { length, ..Overrides::default() };
    let plain = scenario::read(&file, &overrides).expect("the shipped scenario is good");
    let queue = with_queue(&plain);
    for threads in [1, 2] {
        search("plain", &plain, count, threads);
    }
    search("queue", &queue, count, 2);
    println!("tune_peak_rss {} MB", peak_rss());
    learn(if is_bench { 56 } else { 7 });
}

/// The same where requests wait, so that each second of a rise or a fall has to be played.
fn with_queue(plain: &Scenario) -> Scenario {
    let queue = QueueSpec { timeout: 10.0, retries: 0, backoff: 0.0, late_after: 1.0 };
    let service = ServiceSpec { latency: 0.1, queue, concurrency: None, downstream: None };
    Scenario { plant: PlantSpec { service: Some(service), ..plain.plant.clone() }, ..plain.clone() }
}

fn search(plant: &str, scenario: &Scenario, count: usize, threads: usize) {
    let scenarios = std::slice::from_ref(scenario);
    let days = scenario.length.as_secs() / DAY;
    let name = format!("{plant}_plant_{count}_candidates_{days}_days_{threads}_threads");
    let params =
        ["damping.scaleDown.stabilizationWindowSeconds=0..900", "metrics[0].target.averageValue=100..180"]
            .map(|param| Param::parse(param).expect("a parameter"));
    let template = Template::new(Path::new("web-day.policy.yaml"), &scenarios[0].policy_text, &params)
        .expect("both are there");
    let candidates = tuning::drawn(&params, count, 1);
    let objective = "late_percent<=0.1 then replica_hours".parse().expect("an objective");
    let start = Instant::now();
    let trials =
        tuning::search(scenarios, &template, &candidates, threads, &|| ()).expect("valid candidates");
    assert_eq!(trials.len(), count);
    println!("tune_{name} {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let last = tuning::halve(scenarios, &template, &candidates, &objective, threads, &|| ());
    assert!(!last.expect("valid candidates").is_empty());
    println!("halve_{name} {:.2} s", start.elapsed().as_secs_f64());
}

/// Days and nights at one minute.
fn learn(days: i64) {
    let from: Timestamp = "2026-09-28T00:00:00Z".parse().expect("an instant");
    let until = from + SignedDuration::from_hours(24 * days);
    let qps = |at: Timestamp| {
        let minute = at.as_second() / 60;
        let wobble = f64::from(u8::try_from(minute * 7919 % 101).expect("a small number"));
        if (8 * 60..20 * 60).contains(&(minute % 1440)) { 2000.0 + 4.0 * wobble } else { 300.0 + wobble }
    };
    let traffic = Traffic::sampled(from, until, Duration::from_secs(60), qps);
    let settings = Settings {
        zone: TimeZone::get("Europe/Berlin").expect("a zone"),
        target: 100.0,
        slot: 15,
        lead: Duration::from_secs(90),
        shortage: 19.0,
        entry: 0.005,
        min: 1,
        max: Some(100),
    };
    let start = Instant::now();
    let learned = learning::learn(&traffic, from, until, &settings).expect("a pattern");
    let elapsed = start.elapsed().as_secs_f64();
    println!("learn_{days}_days {elapsed:.2} s");
    println!("learn_{days}_days_entries {} entries", learned.entries.len());
}

/// The most memory that this process has had, in megabytes; 0 where the kernel does not say.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
