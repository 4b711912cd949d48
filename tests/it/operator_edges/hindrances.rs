//! What may not keep an edge waiting: the word of what went before, and what others of the same time suffer.

use http::StatusCode;

use super::*;

#[tokio::test]
async fn an_edge_does_not_wait_for_the_word_of_the_one_before_it() {
    let (mut stage, proxy) = shops(&[("web", 0)], Trouble::Nothing).await;
    let ramp = json!([
        {"name": "first", "at": "2026-11-23T20:00:00", "for": "20s", "replicas": 3},
        {"name": "second", "at": "2026-11-23T20:00:20", "for": "1h", "replicas": 5},
    ]);
    stage.patch_policy(&json!({"spec": {"schedule": {"entries": ramp}}})).await;
    assert_eq!(stage.next().await.occasion, Occasion::First);
    proxy.trouble.send_replace(Trouble::IgnoredReports);
    stage.clock.advance_to(at("2026-11-23T20:00:00Z"));
    until("the first write", async || stage.replicas("web").await == 3).await.expect("a write");
    until("the event of it to be sent", async || proxy.struck() > 0).await.expect("an event");
    stage.clock.advance_to(at("2026-11-23T20:00:20Z"));
    until("the second write", async || stage.replicas("web").await == 5).await.expect("a write");
    for (edge, outcome) in [("2026-11-23T20:00:00Z", scaled(1, 3)), ("2026-11-23T20:00:20Z", scaled(3, 5))] {
        let mut evaluation = stage.next().await;
        while evaluation.occasion != Occasion::Edge {
            evaluation = stage.next().await;
        }
        assert_eq!((evaluation.at, evaluation.outcome), (at(edge), outcome));
        // What the second has to tell waits in vain, until the next tick and for some seconds.
        stage.clock.advance_to(at("2026-11-23T20:00:30Z"));
    }
    proxy.trouble.send_replace(Trouble::Nothing);
    // What was not told is told later.
    stage.clock.advance_to(at("2026-11-23T20:00:55Z"));
    stage.until_status("web", |status| status.current_replicas == Some(5)).await;
    let raised = async || {
        let events = stage.events().await;
        events.into_iter().filter(|(reason, _)| reason == "ScaledUp").count()
    };
    until("an event of each", async || raised().await == 2).await.expect("two events");
    stage.stop().await;
}

#[tokio::test]
async fn who_failed_for_a_moment_does_not_wait_for_those_whose_answers_hang() {
    let (mut stage, proxy) = shops(&[("mail", 9), ("web", 0)], Trouble::Nothing).await;
    proxy.trouble.send_replace(Trouble::RefusedWrites(StatusCode::CONFLICT));
    stage.clock.advance_to(at("2026-11-23T20:00:00Z"));
    for name in ["mail", "web"] {
        let evaluation = stage.next().await;
        assert_eq!(evaluation.outcome, Outcome::Failed { category: "refused" }, "{name}");
    }
    let before = proxy.struck();
    proxy.trouble.send_replace(Trouble::HangingWrites("mail"));
    stage.clock.advance_to(at("2026-11-23T20:00:02Z"));
    until("the write that hangs", async || proxy.struck() > before).await.expect("a write");
    let evaluation = stage.next().await;
    assert_eq!((evaluation.name.as_str(), evaluation.outcome), ("web", scaled(1, 3)));
    proxy.trouble.send_replace(Trouble::Nothing);
    until("the other write", async || stage.replicas("mail").await == 3).await.expect("a write");
    stage.stop().await;
}
