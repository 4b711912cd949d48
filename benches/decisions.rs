//! One decision with three metrics and everything that damps: its time, and what it allocates once it is warm.
//! One line `name value unit` each on stdout.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tidetable::decision::{History, Milli, Observation, Policy, Reading, Replicas, decide};

/// Decisions that are timed together.
const CALLS: u32 = 100_000;

fn main() {
    // `cargo test --all-targets` runs benches as tests, without the flag: once is enough then.
    let runs = if std::env::args().any(|argument| argument == "--bench") { 15 } else { 1 };
    let policy = policy();
    let mut history = History::default();
    // An hour of ticks fills every window.
    for tick in 0..240 {
        let decision = decide(&policy, &history, &observation(tick));
        history.record(&policy, &decision);
    }
    let now = observation(240);
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                black_box(decide(&policy, &history, black_box(&now)));
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("decide_three_metrics {:.0} ns", times[times.len() / 2]);
    let counted = allocation_counter::measure(|| {
        black_box(decide(&policy, &history, black_box(&now)));
    });
    println!("decide_three_metrics_allocations {} allocations", counted.count_total);
    let mut ticks = allocation_counter::AllocationInfo::default();
    for tick in 240..480 {
        let observation = observation(tick);
        ticks += allocation_counter::measure(|| {
            let decision = decide(&policy, &history, &observation);
            history.record(&policy, &decision);
        });
    }
    println!("decide_and_record_hour_allocations {} allocations", ticks.count_total);
}

fn observation(tick: u32) -> Observation {
    let origin: Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
    let wave = i64::from(tick % 97) * 10;
    let readings =
        [1000 + wave, 900 - wave / 2, 1100 + wave / 3].map(|qps| Reading::Value(Milli::new(qps * 1000)));
    let at = origin + SignedDuration::from_secs(15 * i64::from(tick));
    Observation::new(at, Replicas::new(10)).with_readings(readings)
}

fn policy() -> Policy {
    let metric = |name: &str| {
        format!("- {{name: {name}, prometheus: {{query: {name}}}, target: {{averageValue: \"150\"}}}}")
    };
    let text = format!(
        "apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {{name: web}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
  minReplicas: 2
  maxReplicas: 80
  schedule:
    timeZone: Europe/Berlin
    entries:
    - {{name: day, cron: 0 7 * * *, replicas: 5}}
    - {{name: night, cron: 0 20 * * *, replicas: 3}}
    - {{name: backup, cron: 0 2 * * *, for: 90m, maxReplicas: 6}}
  metrics:
  {}
  {}
  {}
  damping:
    smoothing: {{halfLife: 30s}}
    scaleUp:
      stabilizationWindowSeconds: 60
      policies:
      - {{type: Percent, value: 50, periodSeconds: 60}}
      - {{type: Pods, value: 4, periodSeconds: 60}}
    scaleDown:
      stabilizationWindowSeconds: 3600
      policies: [{{type: Percent, value: 20, periodSeconds: 60}}]
",
        metric("a"),
        metric("b"),
        metric("c")
    );
    let (manifest, _) =
        tidetable::manifest::parse_policy(Path::new("bench.yaml"), &text).expect("a good policy");
    manifest.policy
}
