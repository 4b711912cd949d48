//! A Lease whose writes are answered late.

use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tidetable::operator::{Occasion, Outcome, Sources};

use super::{candidate, candidate_with, holder};
use crate::cluster::stage::{Checked, HOME, in_time, until};
use crate::support::operator::{Stage, at, day_and_night, deployment, policy, scaled};
use crate::support::proxy::{Proxy, Trouble};

/// The version of the lease, if there is one.
async fn version(stage: &Stage) -> Option<String> {
    let leases = Api::<Lease>::namespaced(stage.client.clone(), HOME);
    leases.get_opt("tidetable").await.expect("an answer")?.metadata.resource_version
}

/// Waits until the Lease is another one than it was.
async fn is_written(stage: &Stage, before: Option<&str>) -> Checked {
    until("the lease to be written", async || version(stage).await.as_deref() != before).await
}

async fn staged() -> Stage {
    let objects = [deployment("web", 12), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &objects, "{}").await;
    stage.end_operator().await;
    stage
}

#[tokio::test]
async fn a_leader_whose_renewals_are_answered_after_three_seconds_leads_on() -> Checked {
    let mut stage = staged().await;
    let proxy = Proxy::before(stage.own.clone()).await;
    (stage.operator, stage.evaluations, stage.shutdown) =
        candidate_with(proxy.client(), &stage.clock, Sources::default(), "one");
    let first = stage.next().await;
    assert_eq!((first.occasion, first.outcome), (Occasion::First, Outcome::Unchanged));
    let begin = at("2026-11-23T12:00:01Z");
    // A renewal each five seconds, and its answer three seconds later.
    for round in 1..=6 {
        let sent = begin + SignedDuration::from_secs(5 * round);
        let before = version(&stage).await;
        proxy.trouble.send_replace(Trouble::HeldLeases);
        let has_tick = round % 3 == 0;
        if has_tick {
            stage.scale_by_hand("web", 5).await;
        }
        stage.clock.advance_to(sent);
        is_written(&stage, before.as_deref()).await?;
        if has_tick {
            // Each tick finds a leader, also while a renewal is under way.
            let tick = stage.next().await;
            assert_eq!((tick.occasion, tick.at), (Occasion::Tick, sent - SignedDuration::from_secs(1)));
            assert_eq!(tick.outcome, scaled(5, 12));
        }
        stage.clock.advance_to(sent + SignedDuration::from_secs(3));
        proxy.trouble.send_replace(Trouble::Nothing);
    }
    // Who gains the leadership anew looks at all policies anew.
    assert!(stage.evaluations.try_recv().is_err(), "there was one term");
    stage.stop().await;
    Ok(())
}

#[tokio::test]
async fn who_is_told_to_stop_while_the_lease_is_being_written_gives_it_back() -> Checked {
    for renews in [false, true] {
        let stage = staged().await;
        let proxy = Proxy::before(stage.own.clone()).await;
        let hold = || proxy.trouble.send_replace(Trouble::HeldLeases);
        if !renews {
            hold();
        }
        let (one, mut ones, stop_one) =
            candidate_with(proxy.client(), &stage.clock, Sources::default(), "one");
        if renews {
            in_time("the first to lead", async { ones.recv().await.ok_or("it ended".into()) }).await?;
            let before = version(&stage).await;
            hold();
            stage.clock.advance_to(at("2026-11-23T12:00:06Z"));
            is_written(&stage, before.as_deref()).await?;
        }
        until("the first to write", async || holder(&stage).await.as_deref() == Some("one")).await?;
        let (second, mut seconds, stop_second) = candidate(&stage, "two");
        let struck = proxy.struck();
        stop_one.cancel();
        // It gives back the Lease that it saw last, which is no longer the one that is there.
        until("the lease to be given back", async || proxy.struck() > struck).await?;
        proxy.trouble.send_replace(Trouble::Nothing);
        one.await??;
        // Nobody moves the clock: the second need not wait for the end of the lease.
        let first = in_time("the second to lead", async { seconds.recv().await.ok_or("it ended".into()) });
        assert_eq!(first.await?.outcome, Outcome::Unchanged, "renews: {renews}");
        assert_eq!(holder(&stage).await.as_deref(), Some("two"), "renews: {renews}");
        stop_second.cancel();
        second.await??;
        stage.sandbox.shutdown().await;
    }
    Ok(())
}
