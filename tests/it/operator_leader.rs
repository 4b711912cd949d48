//! Several operators: one writes, and another takes over when it goes, dies or freezes; and shards.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tidetable::clock::Clock;
use tidetable::operator::config::Config;
use tidetable::operator::{LeaseOptions, Occasion, Operator, OperatorOptions, Outcome, Sources};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use crate::cluster::stage::{Checked, HOME, in_time, until};
use crate::support::operator::{
    Stage, Started, at, day_and_night, deployment, policy, policy_for, scaled, sighted,
};
use crate::support::proxy::{Proxy, Trouble};
use crate::support::source::Source;

mod deleted;
mod processes;
mod slow_answers;

/// An operator that stands for election as `identity`.
fn candidate(stage: &Stage, identity: &str) -> Started {
    candidate_with(stage.own.clone(), &stage.clock, Sources::default(), identity)
}

fn candidate_with(client: Client, clock: &Clock, sources: Sources, identity: &str) -> Started {
    let lease = lease(identity);
    let (sender, evaluations) = unbounded_channel();
    let options = OperatorOptions {
        clock: clock.clone(),
        sources,
        evaluations: Some(sender),
        lease: Some(lease),
        sighted: Some(sighted()),
        ..OperatorOptions::new(client)
    };
    let shutdown = CancellationToken::new();
    (tokio::spawn(Operator::new(options).run(shutdown.clone())), evaluations, shutdown)
}

fn lease(identity: &str) -> LeaseOptions {
    LeaseOptions {
        namespace: HOME.to_owned(),
        name: "tidetable".to_owned(),
        shard: None,
        identity: identity.to_owned(),
        duration: LeaseOptions::DURATION,
    }
}

async fn holder(stage: &Stage) -> Option<String> {
    let api = Api::<Lease>::namespaced(stage.client.clone(), HOME);
    api.get_opt("tidetable").await.expect("an answer")?.spec?.holder_identity
}

/// A stage at noon whose operator stands for election as `one` and leads, with a workload of so many replicas.
async fn led(replicas: i32) -> Stage {
    let objects = [deployment("web", replicas), policy(&day_and_night())];
    let mut stage = Stage::with("2026-11-23T12:00:00Z", &objects, "{}").await;
    stage.end_operator().await;
    (stage.operator, stage.evaluations, stage.shutdown) = candidate(&stage, "one");
    // The tick of noon itself is the last that happens before somebody does something.
    loop {
        let evaluation = stage.next().await;
        if (evaluation.occasion, evaluation.outcome) == (Occasion::Tick, Outcome::Unchanged) {
            return stage;
        }
    }
}

/// Waits for the next evaluation of the stage's operator.
async fn next(stage: &mut Stage) -> Outcome {
    stage.next().await.outcome
}

#[tokio::test]
async fn one_of_two_operators_writes_and_hands_over_at_once_when_it_stops() -> Checked {
    let mut stage = led(3).await;
    assert_eq!(holder(&stage).await.as_deref(), Some("one"));
    // The first has seen it.
    stage.scale_by_hand("web", 5).await;
    let (second, mut seconds, stop_second) = candidate(&stage, "two");
    stage.clock.advance_to(at("2026-11-23T12:00:15Z"));
    assert_eq!(next(&mut stage).await, scaled(5, 12));
    assert!(seconds.try_recv().is_err(), "the second waits");

    // Nobody moves the clock: the second sees that the lease is given back.
    stage.end_operator().await;
    let first =
        in_time("the second to lead", async { seconds.recv().await.ok_or("it ended".into()) }).await?;
    assert_eq!(first.outcome, Outcome::Unchanged);
    assert_eq!(holder(&stage).await.as_deref(), Some("two"));
    stop_second.cancel();
    second.await??;
    assert_eq!(holder(&stage).await.as_deref(), Some(""), "given back again");
    Ok(())
}

#[tokio::test]
async fn a_leader_whose_lease_was_taken_stops_and_leads_again_when_it_can() -> Checked {
    let mut stage = led(3).await;
    // As somebody with a clock of its own would write it, far in the past or the future.
    let api = Api::<Lease>::namespaced(stage.client.clone(), HOME);
    let spec = json!({"spec": {"holderIdentity": "thief", "renewTime": "2001-01-01T00:00:00.000000Z"}});
    api.patch("tidetable", &PatchParams::default(), &Patch::Merge(spec)).await?;
    // The renewal at 12:00:05 fails; from then on nothing is written, whatever the schedule says.
    let begin = at("2026-11-23T12:00:00Z");
    for second in 1..=14 {
        stage.clock.advance_to(begin + SignedDuration::from_secs(second));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.scale_by_hand("web", 5).await;
    assert!(stage.evaluations.try_recv().is_err(), "no tick was due, and none is evaluated");
    let mut second = 14;
    // Fifteen seconds after it was seen, however old it says that it is, the lease may be taken.
    let mut led = None;
    while led.is_none() {
        second += 1;
        assert!(second < 60, "it never leads again");
        stage.clock.advance_to(begin + SignedDuration::from_secs(second));
        tokio::time::sleep(Duration::from_millis(20)).await;
        led = stage.evaluations.try_recv().ok();
    }
    assert!(second >= 20, "seen at the fifth second at the earliest, and taken at {second}");
    assert_eq!(led.map(|evaluation| evaluation.outcome), Some(scaled(5, 12)));
    assert_eq!(holder(&stage).await.as_deref(), Some("one"));
    stage.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_leader_writes_nothing_but_its_lease_while_nothing_changes() -> Checked {
    let source = Source::start().await;
    source.set("qps", Some(120.0));
    let mut spec = day_and_night();
    spec["metrics"] =
        json!([{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}]);
    let mut stage = Stage::with("2026-11-23T12:00:00Z", &[deployment("web", 12), policy(&spec)], "{}").await;
    stage.end_operator().await;
    let config = Config::parse("config.yaml".as_ref(), &source.config())?;
    let (client, sources) = (stage.own.clone(), Sources::new(&config.sources)?);
    (stage.operator, stage.evaluations, stage.shutdown) =
        candidate_with(client, &stage.clock, sources, "one");
    let leases = Api::<Lease>::namespaced(stage.client.clone(), HOME);
    let begin = at("2026-11-23T12:00:00Z");
    let writes = |stage: &Stage| -> BTreeMap<String, u64> {
        let asked = stage.sandbox.requests().into_iter();
        let of = asked.filter(|(request, _)| !["get", "list", "watch"].contains(&request.verb.as_str()));
        of.map(|(request, count)| (format!("{request:?}"), count)).collect()
    };
    let mut before = BTreeMap::new();
    for step in 0..72 {
        let now = begin + SignedDuration::from_secs(5 * step);
        stage.clock.advance_to(now);
        while step % 3 == 0 && stage.next().await.at < now {}
        in_time("a renewal", async {
            let renewed = |lease: Option<Lease>| lease?.spec?.renew_time.map(|at| at.0);
            while renewed(leases.get_opt("tidetable").await?).is_none_or(|at| at < now) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        })
        .await?;
        // By then the metric has been read, and the status of that is written.
        if step == 12 {
            before = writes(&stage);
        }
    }
    let after = writes(&stage).into_iter().filter(|(request, count)| before.get(request) != Some(count));
    let after: Vec<String> = after.map(|(request, _)| request).collect();
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(after[0].contains("leases") && after[0].contains("update"), "{after:?}");
    stage.stop().await;
    Ok(())
}

/// Moves both clocks on by as long as it takes from one renewal to the next.
async fn step(stage: &Stage, clocks: [&Clock; 2]) {
    for clock in clocks {
        clock.advance_to(clock.now() + SignedDuration::from_secs(5));
    }
    let before = renewed(stage).await;
    for _ in 0..100 {
        if renewed(stage).await != before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The version of the lease.
async fn renewed(stage: &Stage) -> Option<String> {
    let leases = Api::<Lease>::namespaced(stage.client.clone(), HOME);
    leases.get("tidetable").await.expect("the lease").metadata.resource_version
}

/// Scales by hand, and waits until somebody has put it right.
async fn is_put_right(stage: &Stage, clocks: [&Clock; 2]) -> Checked {
    stage.scale_by_hand("web", 5).await;
    for _ in 0..40 {
        step(stage, clocks).await;
        if stage.replicas("web").await == 12 {
            return Ok(());
        }
    }
    Err("nobody puts it right".into())
}

#[tokio::test]
async fn of_operators_whose_clocks_are_hours_apart_one_writes_even_when_the_leader_is_cut_off() -> Checked {
    let always = json!({"schedule": {"entries": [{"name": "always", "cron": "0 0 * * *", "replicas": 12}]}});
    let objects = [deployment("web", 12), policy(&always)];
    let mut stage = Stage::with("2026-11-23T12:00:00Z", &objects, "{}").await;
    stage.end_operator().await;
    let proxy = Proxy::before(stage.own.clone()).await;
    let [behind, ahead] =
        ["2026-11-23T11:00:00Z", "2026-11-23T13:00:00Z"].map(|origin| Clock::stopped_at(at(origin)));
    let clocks = [&behind, &ahead];
    let (one, mut ones, stop_one) = candidate_with(proxy.client(), &behind, Sources::default(), "one");
    in_time("the first to lead", async { ones.recv().await.ok_or("it ended".into()) }).await?;
    let (two, mut twos, stop_two) = candidate_with(stage.own.clone(), &ahead, Sources::default(), "two");
    // As long as the first can renew, the second waits, whatever its clock says of the lease.
    is_put_right(&stage, clocks).await?;
    assert_eq!(holder(&stage).await.as_deref(), Some("one"));
    assert!(twos.try_recv().is_err(), "the second waits");

    let cut_off = behind.now();
    proxy.trouble.send_replace(Trouble::HalfOpen);
    for _ in 0..40 {
        step(&stage, clocks).await;
        if holder(&stage).await.as_deref() == Some("two") {
            break;
        }
    }
    in_time("the second to lead", async { twos.recv().await.ok_or("it ended".into()) }).await?;
    proxy.trouble.send_replace(Trouble::Nothing);
    is_put_right(&stage, clocks).await?;
    assert_eq!(holder(&stage).await.as_deref(), Some("two"));
    // What it wrote before, it may have told of later.
    while let Ok(evaluation) = ones.try_recv() {
        let is_write = matches!(evaluation.outcome, Outcome::Scaled { .. });
        assert!(!is_write || evaluation.at <= cut_off, "{evaluation:?}");
    }
    for (operator, stop) in [(one, stop_one), (two, stop_two)] {
        stop.cancel();
        operator.await??;
    }
    stage.sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn who_stops_leaves_reports_that_get_no_answer_to_the_next() -> Checked {
    let mut stage =
        Stage::with("2026-11-23T12:00:00Z", &[deployment("web", 3), policy(&day_and_night())], "{}").await;
    stage.end_operator().await;
    let proxy = Proxy::before(stage.own.clone()).await;
    proxy.trouble.send_replace(Trouble::IgnoredReports);
    let (sender, mut evaluations) = unbounded_channel();
    // Whoever waits for such a call to be given up waits longer than this test, and nobody moves the clock.
    let one = OperatorOptions {
        clock: stage.clock.clone(),
        kube_timeout: Duration::from_secs(3600),
        evaluations: Some(sender),
        lease: Some(lease("one")),
        ..OperatorOptions::new(proxy.client())
    };
    let shutdown = CancellationToken::new();
    let operator = tokio::spawn(Operator::new(one).run(shutdown.clone()));
    in_time("a report that gets no answer", async {
        while proxy.struck() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    })
    .await?;
    assert_eq!(stage.replicas("web").await, 12);
    let (second, mut seconds, stop_second) = candidate(&stage, "two");
    shutdown.cancel();
    in_time("the first to end", async { Ok(operator.await??) }).await?;
    let told = async { evaluations.recv().await.ok_or("it says nothing".into()) };
    assert_eq!(in_time("its last word", told).await?.outcome, scaled(3, 12));
    let first = in_time("the second to lead", async { seconds.recv().await.ok_or("it ended".into()) });
    assert_eq!(first.await?.outcome, Outcome::Unchanged);
    stage.condition("Ready", "AsPlanned").await;
    stop_second.cancel();
    second.await??;
    stage.sandbox.shutdown().await;
    Ok(())
}

/// How often an operator has listed something of the group `apps`.
fn lists(stage: &Stage) -> u64 {
    stage.asked(|seen| seen.verb == "list" && seen.group == "apps" && seen.user.contains("tidetable"))
}

#[tokio::test]
async fn who_waits_to_lead_knows_the_workloads_already_and_reads_none_when_it_leads() -> Checked {
    let mut stage = led(12).await;
    let listed = lists(&stage);
    let (second, mut seconds, stop_second) = candidate(&stage, "two");
    until("the second to list", async || lists(&stage) > listed).await?;
    let before = (lists(&stage), stage.reads("apps"));
    stage.end_operator().await;
    in_time("the second to lead", async { seconds.recv().await.ok_or("it ended".into()) }).await?;
    assert_eq!((lists(&stage), stage.reads("apps")), before);
    stop_second.cancel();
    second.await??;
    Ok(())
}

#[tokio::test]
async fn who_leads_again_reads_no_workload_that_is_as_it_was() -> Checked {
    let mut stage = led(12).await;
    let reads = stage.reads("apps");
    let api = Api::<Lease>::namespaced(stage.client.clone(), HOME);
    let taken = json!({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 15}});
    api.patch("tidetable", &PatchParams::default(), &Patch::Merge(taken)).await?;
    let begin = at("2026-11-23T12:00:00Z");
    let mut led = None;
    for second in 1..90 {
        stage.clock.advance_to(begin + SignedDuration::from_secs(second));
        tokio::time::sleep(Duration::from_millis(10)).await;
        let is_ours = holder(&stage).await.as_deref() == Some("one");
        led = if second > 20 && is_ours { stage.evaluations.try_recv().ok() } else { None };
        if led.is_some() {
            break;
        }
    }
    assert_eq!(led.map(|evaluation| evaluation.outcome), Some(Outcome::Unchanged));
    assert_eq!(stage.reads("apps"), reads);
    stage.stop().await;
    Ok(())
}

#[tokio::test]
async fn who_shares_the_policies_out_otherwise_waits_until_nobody_else_leads() -> Checked {
    let stage = led(12).await;
    let (sender, mut evaluations) = unbounded_channel();
    let mut running = Vec::new();
    for shard in ["1/2", "2/2"] {
        let shard = Some(shard.parse()?);
        let options = OperatorOptions {
            clock: stage.clock.clone(),
            evaluations: Some(sender.clone()),
            lease: Some(LeaseOptions { shard, ..lease("sharded") }),
            shard,
            ..OperatorOptions::new(stage.own.clone())
        };
        let shutdown = CancellationToken::new();
        running.push((tokio::spawn(Operator::new(options).run(shutdown.clone())), shutdown));
    }
    let begin = at("2026-11-23T12:00:00Z");
    let step = async |second: i64| {
        stage.clock.advance_to(begin + SignedDuration::from_secs(second));
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    for second in 1..60 {
        step(second).await;
    }
    assert!(evaluations.try_recv().is_err(), "both of them wait");
    // It dies, and gives nothing back.
    stage.operator.abort();
    let mut second = 60;
    while evaluations.try_recv().is_err() {
        second += 1;
        assert!(second < 120, "they never lead");
        step(second).await;
    }
    assert!(second >= 70, "its Lease lasts for 15 seconds after its last renewal: {second}");
    for (operator, shutdown) in running {
        shutdown.cancel();
        operator.await??;
    }
    stage.sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn each_policy_belongs_to_one_shard() -> Checked {
    let names: Vec<String> = (0..8).map(|i| format!("web-{i}")).collect();
    let mut objects = Vec::new();
    for name in &names {
        objects.extend([deployment(name, 3), policy_for(name)]);
    }
    let mut stage = Stage::with("2026-11-23T12:00:01Z", &[], "{}").await;
    stage.end_operator().await;
    for object in objects {
        stage.sandbox.create(object)?;
    }
    let (sender, mut evaluations) = unbounded_channel();
    let mut running = Vec::new();
    for shard in ["1/2", "2/2"] {
        let options = OperatorOptions {
            clock: stage.clock.clone(),
            evaluations: Some(sender.clone()),
            shard: Some(shard.parse()?),
            ..OperatorOptions::new(stage.own.clone())
        };
        let shutdown = CancellationToken::new();
        running.push((tokio::spawn(Operator::new(options).run(shutdown.clone())), shutdown));
    }
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in &names {
        let evaluation =
            in_time("all policies", async { evaluations.recv().await.ok_or("the end".into()) }).await?;
        assert_eq!(evaluation.outcome, scaled(3, 12), "{}", evaluation.name);
        *seen.entry(evaluation.name).or_default() += 1;
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        names.into_iter().map(|name| (name, 1)).collect::<Vec<_>>()
    );
    for (operator, shutdown) in running {
        shutdown.cancel();
        operator.await??;
    }
    assert!(evaluations.try_recv().is_err());
    stage.sandbox.shutdown().await;
    Ok(())
}
