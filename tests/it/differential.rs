//! The promise of the whole project: the operator in front of an API server, and the simulator, give the
//! same replicas at every tick.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tidetable::clock::Clock;
use tidetable::operator::config::SourceConfig;
use tidetable::operator::{Evaluation, Occasion, Operator, OperatorOptions, Outcome, Setting, Sources};
use tidetable::sandbox::course::Course;
use tidetable::sandbox::stage::Stage;
use tidetable::simulation::scenario::{self, Overrides};
use tidetable::simulation::{self, Change, Run, Scenario};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// How long anything may take before the test says what it was waiting for.
const PATIENCE: Duration = Duration::from_secs(90);

fn shipped(file: &Path, overrides: &Overrides) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations").join(file);
    scenario::read(&path, overrides).expect("a good scenario")
}

/// What happens at an instant, in the order in which the simulator has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Restart,
    Edge,
    Tick,
}

/// Every instant at which the operator has something to do, and for how many policies.
fn instants(scenario: &Scenario, end: Timestamp) -> Vec<(Timestamp, Happening)> {
    let mut instants: Vec<_> = scenario.restarts.iter().map(|at| (*at, Happening::Restart)).collect();
    for (_, tier) in scenario.tiers() {
        let mut at = scenario.from;
        while let Some(edge) = tier.policy.schedule.baseline(at).until().filter(|edge| *edge < end) {
            instants.push((edge, Happening::Edge));
            at = edge;
        }
        let mut tick = simulation::first_tick(scenario.from, scenario.interval);
        while tick < end {
            instants.push((tick, Happening::Tick));
            tick += scenario.interval;
        }
    }
    instants.sort();
    instants
}

/// What an operator did.
pub(crate) struct Played {
    /// Every write: whose policy, when, from, to.
    pub(crate) writes: Vec<(String, Timestamp, u32, u32)>,
    /// The replicas of the first tier after every tick.
    pub(crate) replicas: Vec<(Timestamp, i64)>,
}

struct Player<'a> {
    scenario: &'a Scenario,
    stage: Stage,
    clock: Clock,
    source: SourceConfig,
    course: Course<'a>,
    evaluations: UnboundedReceiver<Evaluation>,
    shutdown: CancellationToken,
    played: Played,
}

impl Player<'_> {
    fn start(&mut self) {
        let (sender, evaluations) = tokio::sync::mpsc::unbounded_channel();
        let options = OperatorOptions {
            clock: self.clock.clone(),
            sources: Sources::new(std::slice::from_ref(&self.source)).expect("a source"),
            interval: self.scenario.interval,
            evaluations: Some(sender),
            kube_timeout: PATIENCE,
            ..OperatorOptions::new(self.stage.operator_client().expect("a client"))
        };
        self.shutdown = CancellationToken::new();
        self.evaluations = evaluations;
        tokio::spawn(Operator::new(options).run(self.shutdown.clone()));
    }

    async fn end(&mut self) {
        self.shutdown.cancel();
        while self.evaluations.recv().await.is_some() {}
    }

    /// The next evaluation, which is `occasion` at `at`.
    async fn next(&mut self, at: Timestamp, occasion: Occasion) {
        let evaluation = loop {
            tokio::select! {
                biased;
                evaluation = self.evaluations.recv() => break evaluation.expect("the operator runs"),
                Some(question) = self.stage.questions.recv() => self.course.answer(question),
                () = tokio::time::sleep(PATIENCE) => panic!("nothing came while waiting for {occasion:?} at {at}"),
            }
        };
        assert_eq!((evaluation.at, evaluation.occasion), (at, occasion));
        let applied = match evaluation.outcome {
            Outcome::Scaled { from, to } => {
                let number = |setting: Setting| setting.replicas().get().unsigned_abs();
                self.played.writes.push((evaluation.name.clone(), evaluation.at, number(from), number(to)));
                Some(to.replicas())
            }
            Outcome::Failed { category } => panic!("at {}: {category}", evaluation.at),
            Outcome::Unchanged | Outcome::DryRun | Outcome::Paused => None,
            Outcome::Conflict | Outcome::Contested => panic!("nobody else scales"),
        };
        let decision = evaluation.decision.as_ref().expect("a decision");
        self.course.note(&evaluation.name, at, applied, decision, occasion == Occasion::Tick);
    }

    async fn first(&mut self, at: Timestamp) {
        for _ in self.scenario.tiers() {
            self.next(at, Occasion::First).await;
        }
    }
}

/// Plays a scenario with a real operator on virtual time, which asks `source`, or else the stage's own
/// Prometheus endpoint.
pub(crate) async fn play(scenario: &Scenario, source: Option<SourceConfig>) -> Played {
    let clock = Clock::stopped_at(scenario.from);
    let stage = Stage::set(scenario, clock.clone()).await.expect("a stage");
    let source = source.unwrap_or_else(|| SourceConfig::new("default", stage.prometheus.url()));
    let source = SourceConfig { timeout: PATIENCE, ..source };
    let mut player = Player {
        scenario,
        stage,
        clock,
        source,
        course: Course::new(scenario),
        evaluations: tokio::sync::mpsc::unbounded_channel().1,
        shutdown: CancellationToken::new(),
        played: Played { writes: Vec::new(), replicas: Vec::new() },
    };
    player.start();
    player.first(scenario.from).await;
    let mut noted = None;
    for (at, happening) in instants(scenario, scenario.from + scenario.length) {
        player.clock.advance_to(at);
        match happening {
            Happening::Restart => {
                player.end().await;
                player.start();
                player.first(at).await;
            }
            Happening::Edge => player.next(at, Occasion::Edge).await,
            Happening::Tick => {
                player.next(at, Occasion::Tick).await;
                if noted.replace(at) == Some(at) || scenario.behind.is_empty() {
                    player
                        .played
                        .replicas
                        .push((at, player.stage.replicas(scenario).expect("the Deployment")));
                }
            }
        }
    }
    player.end().await;
    player.played.writes.sort_by_key(|(name, at, ..)| (name.clone(), *at));
    player.played
}

/// What the simulator would have an operator do.
fn expected(scenario: &Scenario, run: &Run) -> Played {
    let replicas = run.rows.iter().map(|row| (row.at, i64::from(row.replicas))).collect();
    let mut writes = Vec::new();
    for ((_, tier), run) in scenario.tiers().zip(run.tiers()) {
        let name = tier.resource.metadata.name.clone().expect("a name");
        let write = |change: &Change| (name.clone(), change.at, change.from, change.to);
        writes.extend(run.changes.iter().map(write));
    }
    writes.sort_by_key(|(name, at, ..)| (name.clone(), *at));
    Played { writes, replicas }
}

/// The shipped scenarios that have traffic of their own.
fn all() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|file| {
            let yaml = std::fs::read_to_string(file).unwrap_or_default();
            // The sandbox has nobody who follows an autoscaler.
            yaml.contains("\ntraffic:\n") && !yaml.contains("\nautoscaler:")
        })
        .collect();
    files.sort();
    assert!(files.len() >= 16, "{files:?}");
    files
}

async fn check(file: &Path) {
    let scenario = shipped(file, &Overrides::default());
    let expected = expected(&scenario, &simulation::run(&scenario));
    let played = play(&scenario, None).await;
    assert_eq!(played.writes, expected.writes, "{}", file.display());
    assert_eq!(played.replicas, expected.replicas, "{}", file.display());
    assert!(!played.writes.is_empty(), "{} has something to do", file.display());
}

/// Those that take days, which are most of the work.
const LONG: [&str; 2] = ["holiday-week.yaml", "clock-change.yaml"];

#[tokio::test]
async fn operator_and_simulator_give_the_same_replicas_tick_for_tick_in_every_scenario() {
    for file in all().iter().filter(|file| !LONG.iter().any(|long| file.ends_with(long))) {
        check(file).await;
    }
}

#[tokio::test]
async fn operator_and_simulator_give_the_same_replicas_tick_for_tick_for_days() {
    for file in LONG {
        check(Path::new(file)).await;
    }
}
