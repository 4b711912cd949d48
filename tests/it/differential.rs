//! The promise of the whole project: the operator in front of an API server, and the simulator, give the
//! same replicas at every tick.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tidetable::clock::Clock;
use tidetable::operator::config::SourceConfig;
use tidetable::operator::{Evaluation, Occasion, Operator, OperatorOptions, Outcome, Setting, Sources};
use tidetable::sandbox::stage::Stage;
use tidetable::simulation::scenario::{self, Overrides};
use tidetable::simulation::{self, Change, Scenario};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// How long anything may take before the test says what it was waiting for.
const PATIENCE: Duration = Duration::from_secs(30);

fn shipped(file: &str, overrides: &Overrides) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations").join(file);
    scenario::read(&path, overrides).expect("a good scenario")
}

/// Every instant at which the operator has something to do: all ticks, and the edges of the schedule.
fn instants(scenario: &Scenario, end: Timestamp) -> Vec<(Timestamp, Occasion)> {
    let mut instants = Vec::new();
    let mut at = scenario.from;
    while let Some(edge) = scenario.policy.schedule.baseline(at).until().filter(|edge| *edge < end) {
        instants.push((edge, Occasion::Edge));
        at = edge;
    }
    let mut tick = simulation::first_tick(scenario.from, scenario.interval);
    while tick < end {
        instants.push((tick, Occasion::Tick));
        tick += scenario.interval;
    }
    instants.sort_by_key(|(at, occasion)| (*at, *occasion == Occasion::Tick));
    instants
}

async fn next(evaluations: &mut UnboundedReceiver<Evaluation>, waiting_for: &str) -> Evaluation {
    let next = tokio::time::timeout(PATIENCE, evaluations.recv()).await;
    next.unwrap_or_else(|_| panic!("nothing came while waiting for {waiting_for}"))
        .expect("the operator runs")
}

/// What an operator did.
pub(crate) struct Played {
    /// Every write: when, from, to.
    pub(crate) writes: Vec<(Timestamp, u32, u32)>,
    /// The replicas after every tick.
    pub(crate) replicas: Vec<(Timestamp, i64)>,
}

/// Plays a scenario with a real operator on virtual time, which asks `source`, or else the stage's own
/// Prometheus endpoint.
pub(crate) async fn play(scenario: &Scenario, source: Option<SourceConfig>) -> Played {
    let clock = Clock::stopped_at(scenario.from);
    let stage = Stage::set(scenario, clock.clone()).await.expect("a stage");
    let source = source.unwrap_or_else(|| SourceConfig::new("default", stage.prometheus.url()));
    let (sender, mut evaluations) = tokio::sync::mpsc::unbounded_channel();
    let options = OperatorOptions {
        clock: clock.clone(),
        sources: Sources::new(&[source]).expect("a source"),
        interval: scenario.interval,
        evaluations: Some(sender),
        ..OperatorOptions::new(stage.sandbox.client().expect("a client"))
    };
    let shutdown = CancellationToken::new();
    let operator = tokio::spawn(Operator::new(options).run(shutdown.clone()));
    let end = scenario.from + scenario.length;
    let (mut writes, mut replicas) = (Vec::new(), Vec::new());
    let mut note = |evaluation: &Evaluation| match evaluation.outcome {
        Outcome::Scaled { from, to } => {
            let number = |setting: Setting| setting.replicas().get().unsigned_abs();
            writes.push((evaluation.at, number(from), number(to)));
        }
        Outcome::Failed { category } => panic!("at {}: {category}", evaluation.at),
        Outcome::Unchanged | Outcome::DryRun | Outcome::Paused => {}
        Outcome::Conflict | Outcome::Contested => panic!("nobody else scales"),
    };
    let first = next(&mut evaluations, "the first evaluation").await;
    assert_eq!((first.at, first.occasion), (scenario.from, Occasion::First));
    note(&first);
    for (at, occasion) in instants(scenario, end) {
        clock.advance_to(at);
        let evaluation = next(&mut evaluations, &format!("{occasion:?} at {at}")).await;
        assert_eq!((evaluation.at, evaluation.occasion), (at, occasion));
        note(&evaluation);
        if occasion == Occasion::Tick {
            replicas.push((at, stage.replicas().expect("the Deployment")));
        }
    }
    shutdown.cancel();
    operator.await.expect("no panic").expect("a clean end");
    Played { writes, replicas }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_and_simulator_give_the_same_replicas_tick_for_tick() {
    let scenario = shipped("web-day.yaml", &Overrides::default());
    let simulated = simulation::run(&scenario);
    let Played { writes, replicas } = play(&scenario, None).await;
    let expected: Vec<_> = simulated.rows.iter().map(|row| (row.at, i64::from(row.replicas))).collect();
    assert_eq!(replicas, expected);
    let expected: Vec<_> =
        simulated.changes.iter().map(|Change { at, from, to, .. }| (*at, *from, *to)).collect();
    assert_eq!(writes, expected);
    assert!(writes.len() > 20, "the day has something to do: {} writes", writes.len());
}
