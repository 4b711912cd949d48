//! Days of virtual time in minutes of real time: policies whose schedules change the replicas many times a day, whose
//! queries fail for a while every hour, and which come and go. The memory of the operator has to stay flat.
//!
//! One line `name value unit` each on stdout; ends with 1 when the memory of the last quarter is higher than that of the
//! second by more than a twentieth and 4 MB. The operator is a process of its own (this program again, since only a
//! library can be given a clock that runs fast).
//!
//! `SOAK_POLICIES` (1000), `SOAK_DAYS` (2) and `SOAK_MINUTES` (5) say how much.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "fleet/cluster.rs"]
mod cluster;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "fleet/process.rs"]
mod process;
#[path = "soak/source.rs"]
mod source;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use tidetable::clock::Clock;
use tidetable::operator::{Operator as Operating, OperatorOptions, Sources, install_crypto_provider};
use tokio_util::sync::CancellationToken;

use self::cluster::Cluster;
use self::process::Operator;
use self::source::Source;

/// How many distinct queries the policies ask.
const QUERIES: usize = 100;

/// The operator's interval. A shorter one makes the soak a benchmark of its queries.
const INTERVAL: Duration = Duration::from_secs(60);

/// How often memory is looked at, in the whole. Each time one policy of a hundred goes and comes back.
const LOOKS: u32 = 100;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, speed, command, _, listen, .., config] = arguments.as_slice()
        && command == "run"
    {
        operate(speed.parse().expect("a speed"), listen, config.as_ref()).await;
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` runs benches as tests, without the flag: a few policies are enough then.
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let number = |name: &str, usual: u32, few: u32| match std::env::var(name) {
        Ok(text) if is_bench => text.parse().expect("a whole number"),
        _ if is_bench => usual,
        _ => few,
    };
    let hours = number("SOAK_DAYS", 2, 0) * 24;
    let minutes = number("SOAK_MINUTES", 5, 0);
    // A test takes two hours in seven seconds.
    let (hours, length) = if is_bench { (hours, minutes * 60) } else { (2, 7) };
    let policies = number("SOAK_POLICIES", 1000, 20);
    soak(policies as usize, hours.max(1), Duration::from_secs(length.max(1).into())).await
}

/// What `tidetable run` does, on a clock that runs so many times as fast.
async fn operate(speed: f64, listen: &str, config: &Path) {
    install_crypto_provider();
    let clock = Clock::scaled(Timestamp::now(), speed);
    clock.start();
    let mut kube = kube::Config::infer().await.expect("a cluster");
    kube.default_retry = false;
    let options = OperatorOptions {
        sources: Sources::load(config).expect("a configuration"),
        clock,
        interval: INTERVAL,
        listen: Some(listen.parse().expect("an address")),
        ..OperatorOptions::new(kube::Client::try_from(kube).expect("a client"))
    };
    Operating::new(options).run(CancellationToken::new()).await.expect("an end");
}

async fn soak(policies: usize, hours: u32, length: Duration) -> ExitCode {
    let speed = f64::from(hours) * 3600.0 / length.as_secs_f64();
    let cluster = Cluster::start().await;
    // An hour of the operator's clock.
    let source = Source::start(Duration::from_secs(3600).div_f64(speed)).await;
    cluster.make(policies, spec).await;
    let program = std::env::current_exe().expect("a program");
    let operator = Operator::start_as(&program, &[speed.to_string()], &cluster, Some(source.url()));
    operator.until_decided(policies).await;
    let (start, mut memory, mut coming) = (Instant::now(), Vec::new(), 0);
    for look in 1..=LOOKS {
        let gone: Vec<usize> = (coming..coming + (policies / 100).max(1)).map(|i| i % policies).collect();
        coming += gone.len();
        cluster.remake(&gone, spec).await;
        tokio::time::sleep((length / LOOKS * look).saturating_sub(start.elapsed())).await;
        memory.push(operator.resident() / 1e6);
    }
    let name = format!("soak_{policies}_policies_{hours}_hours");
    let highest = |from: usize, to: usize| memory[from..to].iter().copied().fold(0.0, f64::max);
    let (second, last) = (highest(25, 50), highest(75, 100));
    println!("{name}_decisions {}", operator.decisions().await);
    println!("{name}_queries {}, of which {} failed", source.requests(), source.failures());
    if let Some(writes) = cluster.scale_writes() {
        println!("{name}_scale_writes {writes}");
    }
    println!("{name}_rss_second_quarter {second:.1} MB");
    println!("{name}_rss_last_quarter {last:.1} MB");
    let enough = operator.decisions().await > 2 * policies as u64 && source.failures() > 0;
    operator.stop().await;
    cluster.end().await;
    let is_flat = last <= second * 1.05 + 4.0;
    if is_flat && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A schedule that changes something every two hours, and a metric.
fn spec(i: usize) -> serde_json::Value {
    let query = format!("sum(rate(http_requests_total{{app=\"{}\"}}[2m]))", i % QUERIES);
    json!({
        "schedule": {"entries": [
            {"name": "even", "cron": format!("{} */2 * * *", i % 60), "for": "1h", "replicas": 4 + i % 3},
        ]},
        "metrics": [{"name": "qps", "prometheus": {"query": query}, "target": {"averageValue": "100"}}],
        "damping": {"scaleDown": {"stabilizationWindowSeconds": 600}},
    })
}
