//! Kinds that say less of themselves than others: which pods are theirs, or that they can be scaled at all. They cost no
//! request at each tick for that, and what they come to say is found out all the same.

use super::*;

/// Writes a status of the rollout, and waits until the operator has seen it.
async fn move_status(stage: &Stage, status: &Value) {
    let status = Patch::Merge(json!({"status": status}));
    let written = rollouts(stage).patch_status("web", &PatchParams::default(), &status).await;
    sighting("web", written.expect("written").metadata.resource_version).await;
}

/// Changes the spec of the rollout, and waits until the operator has seen it.
async fn move_spec(stage: &Stage, spec: &Value) {
    let spec = Patch::Merge(json!({"spec": spec}));
    let written = rollouts(stage).patch("web", &PatchParams::default(), &spec).await;
    sighting("web", written.expect("written").metadata.resource_version).await;
}

/// So many ticks, before each of which the status of the rollout moves; and gives how often the operator has read it or
/// its kind.
async fn ticks(stage: &mut Stage, now: &mut Timestamp, count: usize) -> u64 {
    let read = |stage: &Stage| stage.asked(|seen| seen.verb == "get" && seen.user.contains("tidetable"));
    let before = read(stage);
    for _ in 0..count {
        move_status(stage, &json!({"HPAReplicas": now.as_second() % 100})).await;
        *now += SignedDuration::from_secs(15);
        stage.clock.advance_to(*now);
        while stage.next().await.occasion != Occasion::Tick {}
    }
    read(stage) - before
}

#[tokio::test]
async fn a_selector_that_is_not_there_is_looked_for_ever_more_seldom_while_the_status_moves() {
    let source = Source::start().await;
    source.set("qps", Some(10.0));
    let mut policy = rollout_policy();
    let metric = json!({"name": "qps", "prometheus": {"query": "qps"}, "target": {"value": "10"}});
    policy["spec"] = json!({"scaleTargetRef": policy["spec"]["scaleTargetRef"], "minReplicas": 4,
        "maxReplicas": 80, "metrics": [metric]});
    for generation_moves in [false, true] {
        let [role, binding] = rights();
        let mut rollout = rollout(4);
        rollout["status"] = json!({"replicas": 4, "readyReplicas": 4});
        let objects = [role, binding, rollout_kind(true), rollout, policy.clone()];
        let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, &source.config()).await;
        assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
        let mut now = at("2026-11-23T12:00:00Z");
        let read = ticks(&mut stage, &mut now, 60).await;
        assert!(read <= 6, "{read} in a quarter of an hour");
        stage.condition_at_ticks("CapacityLimited", "PodsUnknown", &mut now).await;

        move_status(&stage, &json!({"selector": "app=web"})).await;
        let since = now;
        if generation_moves {
            move_spec(&stage, &json!({"paused": true})).await;
        }
        // Nothing moves any more.
        stage.condition_at_ticks("CapacityLimited", "EnoughRoom", &mut now).await;
        let most =
            if generation_moves { SignedDuration::from_secs(15) } else { SignedDuration::from_mins(10) };
        assert!(now.duration_since(since) <= most, "{now}, since {since}");
        assert_eq!(ticks(&mut stage, &mut now, 4).await, 0, "it is followed");
        stage.stop().await;
    }
}

#[tokio::test]
async fn what_has_no_scale_is_asked_for_one_when_its_spec_changes_and_else_ever_more_seldom() {
    let mut stage = without_scale().await;
    let said = stage.condition("AbleToScale", "TargetNotFound").await;
    let mut now = at("2026-11-23T12:00:00Z");
    // After 15, 30, 60, 120 and 240 seconds: its scale, and how the kind is addressed.
    let read = ticks(&mut stage, &mut now, 20).await;
    assert!((5..=10).contains(&read), "{read} in the first five minutes");
    let read = ticks(&mut stage, &mut now, 20).await;
    assert!((1..=2).contains(&read), "{read} in the next five");
    assert_eq!(stage.condition("AbleToScale", "TargetNotFound").await, said);

    move_spec(&stage, &json!({"paused": true})).await;
    let read = ticks(&mut stage, &mut now, 4).await;
    assert!((3..=6).contains(&read), "{read}: at once, since it is another one, and after 15 and 30 seconds");
    assert_eq!(stage.condition("AbleToScale", "TargetNotFound").await, said);

    // The definition is another one, and the object as it was.
    let kinds = Api::<CustomResourceDefinition>::all(stage.client.clone());
    let versions = rollout_kind(true)["spec"]["versions"].clone();
    let patch = Patch::Merge(json!({"spec": {"versions": versions}}));
    kinds.patch("rollouts.argoproj.io", &PatchParams::default(), &patch).await.expect("patched");
    let since = now;
    until_scaled(&mut stage, &mut now).await;
    assert!(now.duration_since(since) <= SignedDuration::from_mins(6), "{now}, since {since}");
    stage.condition_at_ticks("AbleToScale", "AsPlanned", &mut now).await;
    stage.stop().await;
}
