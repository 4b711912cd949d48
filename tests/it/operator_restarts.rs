//! Restarts of the operator: it goes on as if it had never stopped, since Prometheus remembers the load.
//! And a source that comes and goes.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidetable::operator::Occasion;

use crate::support::operator::{Stage, at, deployment, policy};
use crate::support::source::Source;

const START: &str = "2026-11-23T10:00:00Z";
const TICK: SignedDuration = SignedDuration::from_secs(15);

/// Up and down with a period that has nothing to do with the windows.
fn load(seconds: i64) -> Option<f64> {
    let tick = seconds / 15;
    let tide = ((tick % 53) * 2 - 53).abs() * 2;
    let noise = (tick.wrapping_mul(2_654_435_761) >> 7).rem_euclid(21);
    i32::try_from(20 + tide + noise).ok().map(f64::from)
}

fn damped() -> Value {
    json!({
        "maxReplicas": 40,
        "metrics": [{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}],
        "schedule": {"entries": [{"name": "soon", "cron": "12 10 * * *", "for": "6m", "replicas": 9}]},
        "damping": {
            "smoothing": {"halfLife": "10s"},
            "scaleUp": {"stabilizationWindowSeconds": 30,
                "policies": [{"type": "Pods", "value": 3, "periodSeconds": 30}]},
            "scaleDown": {"stabilizationWindowSeconds": 90,
                "policies": [{"type": "Percent", "value": 30, "periodSeconds": 60}]},
        },
    })
}

/// The next evaluation that is a tick at `now`.
async fn tick(stage: &mut Stage, now: Timestamp) {
    stage.clock.advance_to(now);
    loop {
        let evaluation = stage.next().await;
        if evaluation.occasion == Occasion::Tick && evaluation.at == now {
            return;
        }
    }
}

/// How operators end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// When all is told.
    Told,
    /// Before they have told what they did at so many last ticks.
    Untold(usize),
}

/// The replicas after each of so many ticks; before every fourth of them the operator is replaced.
async fn replicas(source: &Source, ticks: usize, end: Option<End>) -> Vec<i32> {
    let objects = [deployment("web", 4), policy(&damped())];
    let mut stage = Stage::with(START, &objects, &source.config()).await;
    let mut now = at(START);
    let mut result = Vec::new();
    let mut told = None;
    for index in 1..=ticks {
        now += TICK;
        if matches!(end, Some(End::Untold(ticks)) if index % 4 == 4 - ticks) {
            told = stage.policies().get("web").await.expect("a policy").status;
        }
        if end.is_some() && index % 4 == 0 {
            stage.end_operator().await;
            if let Some(told) = &told {
                stage.set_status("web", told).await;
            }
            stage.clock.advance_to(now - SignedDuration::from_secs(6));
            stage.start_operator_with(&source.config());
            assert_eq!(stage.next().await.occasion, Occasion::First);
        }
        tick(&mut stage, now).await;
        result.push(stage.replicas("web").await);
    }
    stage.stop().await;
    result
}

#[tokio::test]
async fn an_operator_that_is_replaced_forty_times_scales_as_one_that_is_not() {
    let source = Source::start().await;
    source.play("qps", load);
    let expected = replicas(&source, 160, None).await;
    let changes = expected.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > 20, "it has something to do: {expected:?}");
    assert_eq!(source.ranges(), 0, "who was not replaced asks nothing of the past");
    for (end, ranges) in [(End::Told, 40), (End::Untold(1), 80), (End::Untold(2), 120)] {
        let replaced = replicas(&source, 160, Some(end)).await;
        assert_eq!(replaced, expected, "{end:?}");
        assert_eq!(source.ranges(), ranges, "one question is enough");
    }
}

#[tokio::test]
async fn while_the_past_is_not_known_nothing_is_lowered_and_it_is_asked_for_again() {
    let source = Source::start().await;
    source.play("qps", |seconds| Some(if seconds < at(START).as_second() + 600 { 120.0 } else { 40.0 }));
    let mut spec = damped();
    spec["damping"] = json!({"scaleDown": {"stabilizationWindowSeconds": 60}});
    spec.as_object_mut().expect("a spec").remove("schedule");
    let objects = [deployment("web", 12), policy(&spec)];
    let mut stage = Stage::with(START, &objects, &source.config()).await;
    let mut now = at(START);
    for _ in 0..42 {
        now += TICK;
        tick(&mut stage, now).await;
    }
    assert_eq!(stage.replicas("web").await, 12, "30 s after the load fell");
    stage.end_operator().await;
    source.answer_ranges(false);
    stage.start_operator_with(&source.config());
    for _ in 0..2 {
        now += TICK;
        tick(&mut stage, now).await;
        assert_eq!(stage.replicas("web").await, 12, "the window is not known to have passed");
    }
    source.answer_ranges(true);
    now += TICK;
    tick(&mut stage, now).await;
    assert_eq!(stage.replicas("web").await, 4, "now it is");
    assert_eq!(source.ranges(), 1);
    now += TICK;
    tick(&mut stage, now).await;
    assert_eq!(source.ranges(), 1, "and it is not asked for again");
    stage.stop().await;
}

#[tokio::test]
async fn a_source_that_comes_and_goes_for_an_hour_changes_the_replicas_once() {
    let source = Source::start().await;
    source.play("qps", |seconds| (seconds / 30 % 2 == 0).then_some(70.0));
    let mut spec = damped();
    spec.as_object_mut().expect("a spec").retain(|field, _| field == "metrics");
    let objects = [deployment("web", 4), policy(&spec)];
    let mut stage = Stage::with(START, &objects, &source.config()).await;
    let mut now = at(START);
    let mut seen = vec![4];
    for _ in 0..240 {
        now += TICK;
        tick(&mut stage, now).await;
        seen.push(stage.replicas("web").await);
    }
    seen.dedup();
    assert_eq!(seen, [4, 7]);
    stage.stop().await;
}
