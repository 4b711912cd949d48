//! How often a policy's status is written: when it says something new, and at most once in a quarter of a minute.

use jiff::SignedDuration;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tidetable::operator::Occasion;

use crate::cluster::stage::until;
use crate::support::operator::{Stage, at, day_and_night, deployment, policy};

/// How often a status was written.
fn written(stage: &Stage) -> u64 {
    stage.asked(|request| request.verb == "patch" && request.subresource == "status")
}

/// How many events say that the spec has mistakes.
async fn mistakes(stage: &Stage) -> usize {
    stage.events().await.iter().filter(|(reason, _)| reason == "InvalidSpec").count()
}

/// A spec with this cron expression.
fn daily(cron: &str) -> Value {
    json!({"schedule": {"entries": [{"name": "day", "cron": cron, "replicas": 12}]}})
}

/// Waits until the status of `web` is about its present spec.
async fn until_told(stage: &Stage) {
    let generation = stage.policies().get("web").await.expect("the policy").metadata.generation;
    stage.until_status("web", |status| status.observed_generation == generation).await;
}

#[tokio::test]
async fn a_policy_that_is_edited_every_second_gets_a_status_every_quarter_of_a_minute() {
    let start = at("2026-11-23T12:00:01Z");
    let mut stage =
        Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 12), policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.occasion, Occasion::First);
    for second in 1..=60_i64 {
        let now = start + SignedDuration::from_secs(second);
        stage.clock.advance_to(now);
        match second % 3 {
            1 => {
                stage.patch_policy(&json!({"spec": daily("0 7 * * *")})).await;
                while stage.next().await.occasion != Occasion::First {}
            }
            2 => {
                let until = now + SignedDuration::from_hours(1);
                let text = format!("12 until {until}");
                let annotations = json!({"tidetable.dev/override": text});
                stage.patch_policy(&json!({"metadata": {"annotations": annotations}})).await;
                while stage.next().await.occasion != Occasion::First {}
            }
            _ => {
                let before = mistakes(&stage).await;
                stage.patch_policy(&json!({"spec": daily("61 7 * * *")})).await;
                until("an event", async || mistakes(&stage).await > before).await.expect("an event");
            }
        }
    }
    // One at once, and one in each quarter of a minute since.
    assert!((4..=5).contains(&written(&stage)), "{} in a minute", written(&stage));
    stage.clock.advance_to(start + SignedDuration::from_secs(75));
    until_told(&stage).await;
    stage.stop().await;
}

#[tokio::test]
async fn who_takes_over_does_not_know_when_the_last_status_was_written_and_waits() {
    let mut stage =
        Stage::with("2026-11-23T12:00:01Z", &[deployment("web", 12), policy(&day_and_night())], "{}").await;
    assert_eq!(stage.next().await.occasion, Occasion::First);
    assert_eq!(written(&stage), 1);

    stage.end_operator().await;
    stage.patch_policy(&json!({"spec": {"minReplicas": 1}})).await;
    stage.clock.advance_to(at("2026-11-23T12:00:05Z"));
    stage.start_operator();
    assert_eq!(stage.next().await.occasion, Occasion::First);
    stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
    assert_eq!(stage.next().await.occasion, Occasion::Tick);
    assert_eq!(written(&stage), 1);
    stage.clock.advance_to(at("2026-11-23T12:00:20Z"));
    until_told(&stage).await;

    stage.end_operator().await;
    stage.patch_policy(&json!({"spec": daily("61 7 * * *")})).await;
    stage.clock.advance_to(at("2026-11-23T12:00:22Z"));
    stage.start_operator();
    until("an event", async || mistakes(&stage).await == 1).await.expect("an event");
    assert_eq!(written(&stage), 2);
    stage.clock.advance_to(at("2026-11-23T12:00:37Z"));
    until_told(&stage).await;
    assert_eq!(written(&stage), 3);
    stage.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_deleted_and_made_anew_is_a_new_one() {
    let objects = [deployment("web", 12), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.occasion, Occasion::First);
    let before = written(&stage);
    stage.policies().delete("web", &DeleteParams::default()).await.expect("deleted");
    stage.sandbox.create(policy(&day_and_night())).expect("a policy");
    assert_eq!(stage.next().await.occasion, Occasion::First);
    // The clock stands still.
    assert_eq!(written(&stage), before + 1);
    stage.stop().await;
}
