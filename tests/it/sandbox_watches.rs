//! Watches as clients rely on them: cut at their timeout and resumed without a gap, with bookmarks, and told to start
//! over when what they ask for is forgotten.

use std::error::Error;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, WatchEvent, WatchParams};
use serde_json::{Value, json};
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions};

type Checked = Result<(), Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(60);

async fn started() -> Result<(Sandbox, Api<ConfigMap>), Box<dyn Error>> {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    let maps = Api::default_namespaced(sandbox.client()?);
    Ok((sandbox, maps))
}

fn make(sandbox: &Sandbox, name: &str) -> Checked {
    let map: Value =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
    sandbox.create(map)?;
    Ok(())
}

/// Names that a watch of a second shows, and the version that its last bookmark gives.
async fn watched(maps: &Api<ConfigMap>, from: &str) -> Result<(Vec<String>, String), Box<dyn Error>> {
    let mut events = maps.watch(&WatchParams::default().timeout(1), from).await?.boxed();
    let (mut names, mut version) = (Vec::new(), String::new());
    while let Some(event) = tokio::time::timeout(PATIENCE, events.try_next()).await?? {
        match event {
            WatchEvent::Added(map) => names.extend(map.metadata.name),
            WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
            other @ (WatchEvent::Modified(_) | WatchEvent::Deleted(_) | WatchEvent::Error(_)) => {
                return Err(format!("{other:?}").into());
            }
        }
    }
    Ok((names, version))
}

#[tokio::test]
async fn a_watch_that_is_cut_at_its_timeout_is_resumed_without_a_gap() -> Checked {
    let (sandbox, maps) = started().await?;
    let start = sandbox.store().version().to_string();
    make(&sandbox, "a")?;
    let (names, bookmark) = watched(&maps, &start).await?;
    assert_eq!(names, ["a"]);
    // Nobody watches while this happens; changes of other kinds move the version on.
    make(&sandbox, "b")?;
    sandbox.create(tidetable::sandbox::namespace("other"))?;
    let (names, later) = watched(&maps, &bookmark).await?;
    assert_eq!(names, ["b"]);
    assert_eq!(later, sandbox.store().version().to_string(), "the bookmark is of the newest version");
    assert_eq!(watched(&maps, &later).await?.0, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_watch_that_begins_with_what_there_is_marks_the_end_of_that() -> Checked {
    let (sandbox, maps) = started().await?;
    for name in ["a", "b"] {
        make(&sandbox, name)?;
    }
    let parameters = WatchParams { send_initial_events: true, ..WatchParams::default() };
    let mut events = maps.watch(&parameters, "0").await?.boxed();
    let mut seen = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE, events.try_next()).await?? {
            Some(WatchEvent::Added(map)) => seen.extend(map.metadata.name),
            Some(WatchEvent::Bookmark(bookmark)) => {
                let ends = bookmark.metadata.annotations.get("k8s.io/initial-events-end");
                assert_eq!((seen.concat().as_str(), ends.map(String::as_str)), ("ab", Some("true")));
                return Ok(());
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
}

#[tokio::test]
async fn a_watch_from_before_what_is_remembered_is_told_to_start_over() -> Checked {
    let (_sandbox, maps) = started().await?;
    let mut events = maps.watch(&WatchParams::default(), "1").await?.boxed();
    match tokio::time::timeout(PATIENCE, events.try_next()).await?? {
        Some(WatchEvent::Error(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
        }
        other => return Err(format!("{other:?}").into()),
    }
    Ok(())
}

/// Neither an open watch nor a connection that is kept keeps the process.
#[tokio::test]
async fn the_process_ends_at_a_signal_while_watches_are_open() -> Checked {
    for signal in ["TERM", "INT"] {
        let home = tempfile::tempdir()?;
        let kubeconfig = home.path().join("kubeconfig");
        let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_tidetable"))
            .args(["sandbox", "--kubeconfig"])
            .arg(&kubeconfig)
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let greeting = process.stdout.take().ok_or("no output")?;
        let mut greeting = tokio::io::BufReader::new(greeting);
        tokio::io::AsyncBufReadExt::read_line(&mut greeting, &mut String::new()).await?;
        let config = kube::config::Kubeconfig::read_from(&kubeconfig)?;
        let config =
            kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await?;
        let maps: Api<ConfigMap> = Api::all(kube::Client::try_from(config)?);
        let mut watches = Vec::new();
        for _ in 0..3 {
            watches.push(maps.watch(&WatchParams::default(), "0").await?.boxed());
        }
        let id = process.id().ok_or("it has ended")?.to_string();
        let sent = tokio::process::Command::new("kill").args(["-s", signal, &id]).status().await?;
        assert!(sent.success());
        let status = tokio::time::timeout(PATIENCE, process.wait()).await??;
        assert!(status.success(), "{signal}: {status}");
        for mut watch in watches {
            // What is left of it, and then its end.
            while let Ok(Ok(Some(_))) = tokio::time::timeout(PATIENCE, watch.try_next()).await {}
        }
    }
    Ok(())
}
