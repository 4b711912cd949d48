//! A Lease that somebody deletes.

use kube::api::DeleteParams;

use super::*;

#[tokio::test]
async fn whoever_waits_makes_a_lease_that_is_deleted_anew_only_when_it_would_have_ended() -> Checked {
    let stage = led(12).await;
    let looks = || {
        stage.asked(|seen| seen.verb == "get" && seen.resource == "leases" && seen.user.contains("tidetable"))
    };
    let before = looks();
    let (second, mut seconds, stop_second) = candidate(&stage, "two");
    until("the second to look", async || looks() > before).await?;
    let looked = looks();
    Api::<Lease>::namespaced(stage.client.clone(), HOME)
        .delete("tidetable", &DeleteParams::default())
        .await?;
    until("the second to look again", async || looks() > looked).await?;
    // The first leads on until it renews, finds nothing, and makes it anew.
    assert_eq!(holder(&stage).await, None);
    let mut now = at("2026-11-23T12:00:05Z");
    until("the lease to be there again", async || {
        stage.clock.advance_to(now);
        now += SignedDuration::from_millis(10);
        holder(&stage).await.is_some()
    })
    .await?;
    assert_eq!(holder(&stage).await.as_deref(), Some("one"));
    assert!(seconds.try_recv().is_err(), "the second waits");
    stop_second.cancel();
    second.await??;
    stage.stop().await;
    Ok(())
}
