//! An operator that is killed, wherever it stands: the one after it brings the replicas to where they belong.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;

use jiff::SignedDuration;
use kube::Client;
use serde_json::json;
use tidetable::clock::Clock;
use tidetable::operator::{Evaluation, Occasion, Operator, OperatorOptions};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::support::operator::{Stage, at, day_and_night, deployment, options, policy};
use crate::support::source::Source;

/// An operator with a runtime of its own. Nothing of it is left when that ends.
struct Mortal {
    evaluations: UnboundedReceiver<Evaluation>,
    /// From now on its steps are counted.
    counts: Arc<AtomicBool>,
    life: JoinHandle<()>,
}

impl Mortal {
    /// Lives for so many steps, a step being what it does from one await to the next.
    fn start(config: kube::Config, clock: &Clock, sources: String, steps: usize) -> Self {
        let (sender, evaluations) = unbounded_channel();
        let counts = Arc::<AtomicBool>::default();
        let (counted, clock) = (Arc::clone(&counts), clock.clone());
        let life = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let client = Client::try_from(config).expect("a client");
                let options = options(client, &clock, &sources);
                let options = OperatorOptions { evaluations: Some(sender), sighted: None, ..options };
                let mut operator = Box::pin(Operator::new(options).run(CancellationToken::new()));
                let mut left = steps;
                poll_fn(|context| {
                    if counted.load(Ordering::SeqCst) {
                        match left.checked_sub(1) {
                            Some(less) => left = less,
                            None => return Poll::Ready(()),
                        }
                    }
                    operator.as_mut().poll(context).map(|end| end.expect("no error"))
                })
                .await;
            });
        });
        Self { evaluations, counts, life }
    }

    /// Lets it go from tick to tick until it dies; says at how many evaluations it has been seen.
    async fn until_death(mut self, clock: &Clock) -> usize {
        let mut now = at("2026-11-23T06:00:00Z");
        self.counts.store(true, Ordering::SeqCst);
        clock.advance_to(now);
        let mut seen = 0;
        while let Some(evaluation) = self.evaluations.recv().await {
            seen += 1;
            if evaluation.occasion == Occasion::Tick && evaluation.at == now {
                now += SignedDuration::from_secs(15);
                clock.advance_to(now);
            }
        }
        self.life.join().expect("no panic");
        seen
    }
}

#[tokio::test]
async fn killed_at_any_step_of_an_edge_it_has_a_successor_that_ends_where_it_would_have() {
    let source = Source::start().await;
    source.set("qps", Some(130.0));
    let mut spec = day_and_night();
    spec["metrics"] =
        json!([{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}]);
    let mut evaluations = 0;
    let mut steps = 0;
    // Until it lived through the edge and the tick of the same instant.
    while evaluations < 4 {
        let mut stage = Stage::with("2026-11-23T05:59:50Z", &[], "{}").await;
        stage.end_operator().await;
        for object in [deployment("web", 0), policy(&spec)] {
            stage.sandbox.create(object).expect("a valid object");
        }
        let config = stage.sandbox.client_config().expect("a configuration");
        let mut operator = Mortal::start(config, &stage.clock, source.config(), steps);
        assert_eq!(operator.evaluations.recv().await.map(|first| first.occasion), Some(Occasion::First));
        evaluations = operator.until_death(&stage.clock).await;
        let before = stage.replicas("web").await;
        assert!([0, 12, 13].contains(&before), "{before} replicas after {steps} steps");

        stage.start_operator_with(&source.config());
        let first = stage.next().await;
        assert_eq!(first.occasion, Occasion::First);
        assert!(
            stage.replicas("web").await >= before.max(12),
            "the schedule is made up for at once and nothing is lowered, after {steps} steps"
        );
        while stage.replicas("web").await != 13 {
            let now = stage.clock.now() + SignedDuration::from_secs(15);
            stage.clock.advance_to(now);
            while stage.next().await.at < now {}
            assert!(now < at("2026-11-23T06:05:00Z"), "13 replicas after {steps} steps");
        }
        stage.stop().await;
        steps += 1;
    }
    assert!(steps > 10, "there are more places to die at than {steps}");
}
