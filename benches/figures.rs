//! Figures: one line `name value unit` each on stdout, and nothing else. The median of several runs.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::path::Path;
use std::time::{Duration, Instant};

use tidetable::decision::{History, Milli, Observation, Reading, Replicas, decide};
use tidetable::report::html;
use tidetable::simulation::plant::PlantSpec;
use tidetable::simulation::rivals::Rival;
use tidetable::simulation::scenario::{self, Overrides};
use tidetable::simulation::service::{DownstreamSpec, QueueSpec, ServiceSpec};
use tidetable::simulation::{self, Scenario};

fn main() {
    // `cargo test --all-targets` runs benches as tests, with a flag: once is enough then.
    let runs = if std::env::args().any(|argument| argument == "--bench") { 15 } else { 1 };
    let day = shipped(Duration::from_secs(24 * 3600));
    let month = shipped(Duration::from_secs(28 * 24 * 3600));
    figure("simulate_1_day", median(runs, || simulation::run(&day).rows.len()), "ms");
    figure("simulate_28_days", median(runs, || simulation::run(&month).rows.len()), "ms");
    ticks_per_second(runs, &month);
    for name in ["hpa", "keda", "knative", "oracle"] {
        let rival = Rival::read(name).expect("a rival");
        let played = median(runs, || rival.play(&month).expect("a policy with a metric").rows.len());
        figure(&format!("simulate_28_days_{name}"), played, "ms");
    }
    single_decision(runs, &day);
    let calls = 1000_u32;
    let lookups = median(runs, || {
        let at = |i| day.from + Duration::from_secs(u64::from(i) * 60);
        (0..calls).filter(|i| day.policy.schedule.baseline(at(*i)).next.is_some()).count()
    });
    println!("baseline_lookup {:.0} ns", lookups.as_secs_f64() * 1e9 / f64::from(calls));
    compiled_schedules(runs);
}

/// Four weeks with and without what makes a tick cost more.
fn ticks_per_second(runs: usize, plain: &Scenario) {
    let queue = QueueSpec { timeout: 2.0, retries: 1, backoff: 1.0, late_after: 1.0 };
    let with = |service| {
        let plant = PlantSpec { service: Some(service), ..plain.plant.clone() };
        Scenario { plant, ..plain.clone() }
    };
    let queued = with(ServiceSpec { latency: 0.1, queue, concurrency: None, downstream: None });
    let tier =
        DownstreamSpec { capacity: 6000.0, latency: 0.02, connections_per_replica: 50.0, contention: 0.001 };
    let tiered = with(ServiceSpec { latency: 0.1, queue, concurrency: None, downstream: Some(tier) });
    let figure = |name: &str, time: Duration| {
        println!("ticks_{name} {:.2} million/s", 28.0 * 5760.0 / time.as_secs_f64() / 1e6);
    };
    figure("plain", median(runs, || simulation::run(plain).rows.len()));
    figure("plain_scores_alone", median(runs, || simulation::score(plain).peak_replicas));
    let mut smoothed = plain.clone();
    smoothed.policy.damping.half_life = Some(Duration::from_secs(30));
    figure("plain_smoothed_scores_alone", median(runs, || simulation::score(&smoothed).peak_replicas));
    figure("queue", median(runs.min(5), || simulation::run(&queued).rows.len()));
    figure("queue_and_downstream", median(runs.min(5), || simulation::run(&tiered).rows.len()));
    let zone = jiff::tz::TimeZone::UTC;
    let report = median(runs.min(5), || html::page(&simulation::run(plain), &[], &zone).len());
    figure("plain_and_report", report);
}

/// A lookup in a compiled schedule of ten entries, and five years of one with fifty.
fn compiled_schedules(runs: usize) {
    let from: jiff::Timestamp = "2026-11-23T00:00:00Z".parse().expect("an instant");
    let days = |days: i64| from + jiff::SignedDuration::from_hours(24 * days);
    let ten = schedule(10);
    let timeline = ten.timeline(from, days(28));
    let calls = 100_000_u32;
    let lookups = median(runs, || {
        let at = |i: u32| from + Duration::from_secs(u64::from(i) * 7919 % (28 * 86_400));
        (0..calls).filter(|i| timeline.at(std::hint::black_box(at(*i))).pinned).count()
    });
    println!("compiled_baseline_lookup {:.0} ns", lookups.as_secs_f64() * 1e9 / f64::from(calls));
    let fifty = schedule(50);
    let five_years = median(runs, || fifty.timeline(from, days(1826)).transitions().count());
    figure("timeline_50_entries_5_years", five_years, "ms");
    let count = fifty.timeline(from, days(1826)).transitions().count();
    println!("timeline_50_entries_5_years_transitions {count} changes");
}

/// Daily steps and windows, the kinds in turn.
fn schedule(entries: usize) -> tidetable::decision::Schedule {
    let entry = |i: usize| {
        let (minute, hour, count) = (i * 7 % 60, i * 5 % 24, 2 + i * 3 % 60);
        let shape = match i % 3 {
            0 => String::new(),
            1 => ", for: 2h30m".to_owned(),
            _ => format!(", until: '{:02}:15'", (hour + 3) % 24),
        };
        format!("- {{name: e{i}, cron: '{minute} {hour} * * *', replicas: {count}{shape}}}")
    };
    let entries: Vec<String> = (0..entries).map(entry).collect();
    let text = format!(
        "apiVersion: tidetable.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {{name: web}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  maxReplicas: 80\n  \
         schedule:\n    timeZone: Europe/Berlin\n    entries:\n    {}\n",
        entries.join("\n    ")
    );
    let manifest = tidetable::manifest::parse_policy(Path::new("bench.yaml"), &text).expect("a good policy");
    manifest.0.policy.schedule
}

/// One decision with a warm history: a schedule, one metric, full damping.
fn single_decision(runs: usize, scenario: &Scenario) {
    let calls = 100_000_u32;
    let mut history = History::default();
    let observation = |i: u32| {
        let at = scenario.from + Duration::from_secs(u64::from(i) * 15);
        let qps = 1000 + i64::from(i % 97) * 10;
        Observation::new(at, Replicas::new(10)).with_readings([Reading::Value(Milli::new(qps * 1000))])
    };
    for i in 0..100 {
        let decision = decide(&scenario.policy, &history, &observation(i));
        history.record(&scenario.policy, &decision);
    }
    let now = observation(100);
    let time = median(runs, || {
        (0..calls)
            .filter(|_| decide(&scenario.policy, &history, std::hint::black_box(&now)).is_change())
            .count()
    });
    println!("decide {:.0} ns", time.as_secs_f64() * 1e9 / f64::from(calls));
}

fn shipped(length: Duration) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/web-day.yaml");
    let overrides = Overrides { length: Some(length), ..Overrides::default() };
    scenario::read(&file, &overrides).expect("the shipped scenario is good")
}

fn figure(name: &str, time: Duration, unit: &str) {
    println!("{name} {:.2} {unit}", time.as_secs_f64() * 1e3);
}

fn median<T>(runs: usize, mut work: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
