//! Faults on demand: what a client sees of them, and that the same seed makes the same requests fail.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, WatchParams};
use kube::runtime::watcher;
use serde_json::json;
use tidetable::clock::Clock;
use tidetable::sandbox::faults::Faults;
use tidetable::sandbox::prometheus::Said;
use tidetable::sandbox::stage::Stage;
use tidetable::sandbox::{Sandbox, SandboxOptions};
use tidetable::simulation::scenario::{self, Overrides};

type Checked = Result<(), Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(60);

async fn suffering(faults: &[&str], seed: u64) -> Result<(Sandbox, Api<ConfigMap>), Box<dyn Error>> {
    let faults = faults.iter().map(|fault| fault.parse()).collect::<Result<_, _>>()?;
    let clock = Clock::stopped_at("2026-11-23T12:00:00Z".parse::<Timestamp>()?);
    let options = SandboxOptions { faults: Faults { faults, seed }, ..SandboxOptions::new(clock) };
    let sandbox = Sandbox::start(options).await?;
    let mut config = sandbox.client_config()?;
    config.default_retry = false;
    let maps = Api::default_namespaced(kube::Client::try_from(config)?);
    Ok((sandbox, maps))
}

/// The codes that so many requests are answered with.
async fn codes(maps: &Api<ConfigMap>, count: usize) -> Vec<u16> {
    let mut codes = Vec::new();
    for _ in 0..count {
        codes.push(match maps.get_opt("none").await {
            Ok(_) => 404,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        });
    }
    codes
}

#[tokio::test]
async fn a_share_of_the_requests_fails_and_the_same_ones_with_the_same_seed() -> Checked {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let (_sandbox, maps) = suffering(&["errors=30%", "busy=10%"], seed).await?;
        runs.push(codes(&maps, 200).await);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let count = |code| runs[0].iter().filter(|found| **found == code).count();
    assert!((40..=80).contains(&count(500)), "{} errors in 200", count(500));
    assert!((5..=30).contains(&count(429)), "{} times busy in 200", count(429));
    assert_eq!(count(500) + count(429) + count(404), 200);
    Ok(())
}

#[tokio::test]
async fn the_first_requests_fail_and_no_others() -> Checked {
    let (_sandbox, maps) = suffering(&["errors=2"], 1).await?;
    assert_eq!(codes(&maps, 4).await, [500, 500, 404, 404]);
    Ok(())
}

#[tokio::test]
async fn a_watch_that_is_refused_is_answered_like_any_request() -> Checked {
    let (_sandbox, maps) = suffering(&["cut-watches=5s", "late-watches=5s"], 1).await?;
    let refused = tokio::time::timeout(PATIENCE, maps.watch(&WatchParams::default(), "yesterday")).await?;
    let code = refused.err().map(|error| match error {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    });
    assert_eq!(code, Some(422));
    Ok(())
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back() -> Checked {
    let (sandbox, _) = suffering(&["busy=1"], 1).await?;
    let request = http::Request::get("/api/v1/nodes").body(kube::client::Body::empty())?;
    let mut config = sandbox.client_config()?;
    config.default_retry = false;
    let answer = kube::Client::try_from(config)?.send(request).await?;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"1".parse()?));
    Ok(())
}

#[tokio::test]
async fn watches_that_are_cut_and_late_are_resumed_and_lose_nothing() -> Checked {
    let (sandbox, maps) = suffering(&["cut-watches=200ms", "late-watches=50ms"], 1).await?;
    let mut raw = maps.watch(&WatchParams::default(), &sandbox.store().version().to_string()).await?.boxed();
    let end = tokio::time::timeout(PATIENCE, raw.try_next()).await?;
    assert!(!matches!(end, Ok(Some(_))), "the watch has nothing to say and ends: {end:?}");
    let mut events = watcher(maps, watcher::Config::default()).boxed();
    let (mut made, mut seen) = (0, BTreeSet::new());
    while seen.len() < 5 {
        let event = tokio::time::timeout(PATIENCE, events.next()).await?.ok_or("the watcher ended")?;
        match event {
            Ok(watcher::Event::InitApply(map) | watcher::Event::Apply(map)) => {
                seen.extend(map.metadata.name);
            }
            Ok(watcher::Event::InitDone) | Err(_) => {}
            Ok(watcher::Event::Init | watcher::Event::Delete(_)) => continue,
        }
        if made == seen.len() {
            made += 1;
            sandbox.create(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("m{made}"), "namespace": "default"},
            }))?;
        }
    }
    assert_eq!(Vec::from_iter(seen).concat(), "m1m2m3m4m5");
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_thaws() -> Checked {
    let (_sandbox, maps) = suffering(&["frozen=300ms", "latency=5ms"], 1).await?;
    assert_eq!(tokio::time::timeout(PATIENCE, codes(&maps, 2)).await?, [404, 404]);
    let (_sandbox, maps) = suffering(&["frozen=1m"], 1).await?;
    let answer = codes(&maps, 1);
    assert!(tokio::time::timeout(Duration::from_millis(300), answer).await.is_err(), "it is frozen");
    Ok(())
}

#[tokio::test]
async fn a_prometheus_answers_wrongly_in_the_same_ways_with_the_same_seed() -> Checked {
    let scenario = scenario::read(Path::new("simulations/web-day.yaml"), &Overrides::default())?;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let faults = Faults { faults: vec!["prometheus=20".parse()?], seed: 3 };
        let Stage { sandbox: _sandbox, prometheus, mut questions, .. } =
            Stage::set_with(&scenario, Clock::stopped_at(scenario.from), faults).await?;
        tokio::spawn(async move {
            while let Some(question) = questions.recv().await {
                let said = Said::Values(vec![(question.asked.at(), 42.0)]);
                question.reply.send(said).ok();
            }
        });
        let mut config = kube::Config::new(prometheus.url().parse()?);
        config.default_retry = false;
        let client = kube::Client::try_from(config)?;
        let mut answers = Vec::new();
        for _ in 0..21 {
            let query = "/api/v1/query?query=http_requests_total&time=1790000000";
            let answer = client.send(http::Request::get(query).body(kube::client::Body::empty())?).await?;
            let code = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes();
            answers.push((code, String::from_utf8(body.to_vec())?));
        }
        runs.push(answers);
    }
    assert_eq!(runs[0], runs[1]);
    let right = runs[0].pop().ok_or("no answer")?;
    assert!(right.0 == 200 && right.1.contains("success"), "{right:?}");
    let wrong = BTreeSet::from_iter(runs[0].clone());
    assert_eq!(wrong.len(), 4, "nothing, NaN, an error and a web page: {wrong:?}");
    assert!(!wrong.contains(&right));
    Ok(())
}

#[test]
fn a_fault_that_there_is_not_is_bad_input() {
    for command in ["demo", "sandbox"] {
        let mut tidetable = Command::new(env!("CARGO_BIN_EXE_tidetable"));
        let output = tidetable.args([command, "--fault", "errors=200%"]).output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("neither a share from 0.1% to 100% nor a number of requests"), "{text}");
    }
}
