//! The sandbox under load: what a recorded conversation can't show.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use serde_json::{Value, json};
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions, namespace};

type Checked = Result<(), Box<dyn Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(60);

/// More changes than the sandbox remembers of one resource.
const TOO_MANY_CHANGES: usize = 4200;

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}})
}

async fn started() -> Result<(Sandbox, Api<ConfigMap>), Box<dyn Error + Send + Sync>> {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    let maps = Api::default_namespaced(sandbox.client()?);
    Ok((sandbox, maps))
}

fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.message),
        other => (0, format!("{other:?}")),
    }
}

/// Changes one object until nothing from before is remembered.
fn forget(sandbox: &Sandbox, payload: &str) -> Checked {
    for round in 0..TOO_MANY_CHANGES {
        sandbox.store().update("configmaps", "default", "busy", |map| {
            map["data"] = json!({"round": round.to_string(), "payload": payload});
        })?;
    }
    Ok(())
}

#[tokio::test]
async fn the_pages_of_a_long_list_show_one_state() -> Checked {
    let (sandbox, maps) = started().await?;
    for number in 0..10_000 {
        sandbox.store().create("configmaps", config_map(&format!("m{number:05}")))?;
    }
    let mut parameters = ListParams::default().limit(500);
    let (mut names, mut pages) = (BTreeSet::new(), 0);
    loop {
        let page = maps.list(&parameters).await?;
        pages += 1;
        // One that is yet to be shown goes, and one comes that sorts last.
        sandbox.store().delete("configmaps", "default", &format!("m{:05}", 9_999 - pages))?;
        sandbox.store().create("configmaps", config_map(&format!("z{pages}")))?;
        names.extend(page.items.into_iter().filter_map(|map| map.metadata.name));
        let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) else { break };
        assert_eq!(page.metadata.remaining_item_count, Some(10_000 - pages * 500));
        parameters = parameters.continue_token(&token);
    }
    assert_eq!((names.len(), pages), (10_000, 20));
    assert!(names.contains("m09998") && !names.contains("z1"));
    Ok(())
}

#[tokio::test]
async fn a_page_of_a_forgotten_state_is_refused_and_a_new_list_is_not() -> Checked {
    let (sandbox, maps) = started().await?;
    for name in ["busy", "other"] {
        sandbox.create(config_map(name))?;
    }
    let first = maps.list(&ListParams::default().limit(1)).await?;
    let token = first.metadata.continue_.ok_or("one page")?;
    forget(&sandbox, "")?;
    let (status, message) = code(maps.list(&ListParams::default().limit(1).continue_token(&token)).await);
    assert_eq!(status, 410, "{message}");
    assert!(message.starts_with("The provided continue parameter is too old"), "{message}");
    assert_eq!(maps.list(&ListParams::default().limit(1)).await?.items.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_list_of_a_version_that_has_not_come_is_refused() -> Checked {
    let (sandbox, _) = started().await?;
    // A client tries again after a 504, and the version would still not have come.
    let mut config = sandbox.client_config()?;
    config.default_retry = false;
    let maps: Api<ConfigMap> = Api::default_namespaced(kube::Client::try_from(config)?);
    let present = sandbox.store().version();
    let ahead = ListParams::default().at(&(present + 5).to_string());
    let wanted = format!("Timeout: Too large resource version: {}, current: {present}", present + 5);
    assert_eq!(code(maps.list(&ahead).await), (504, wanted));
    Ok(())
}

#[tokio::test]
async fn a_slow_reader_is_dropped_with_410_and_can_list_again() -> Checked {
    let (sandbox, maps) = started().await?;
    sandbox.create(config_map("busy"))?;
    let version = sandbox.store().version().to_string();
    let mut events = maps.watch(&WatchParams::default(), &version).await?.boxed();
    // Far more than what lies in the buffers of a connection.
    forget(&sandbox, &"x".repeat(10_000))?;
    let mut seen = 0;
    let status = loop {
        match tokio::time::timeout(PATIENCE, events.try_next()).await?? {
            Some(WatchEvent::Error(status)) => break status,
            Some(_) => seen += 1,
            None => return Err("the watch ended without an error".into()),
        }
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(seen < TOO_MANY_CHANGES, "{seen} events were kept for someone who did not read");
    let mut again = watcher(maps, watcher::Config::default()).boxed();
    loop {
        match tokio::time::timeout(PATIENCE, again.try_next()).await?? {
            Some(watcher::Event::InitDone) => return Ok(()),
            Some(_) => {}
            None => return Err("the watcher ended".into()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_writers_of_one_object_lose_no_update() -> Checked {
    const ROUNDS: u32 = 4;
    let (sandbox, maps) = started().await?;
    sandbox.create(config_map("count"))?;
    let writers = (0..50).map(|_| {
        let maps = maps.clone();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                loop {
                    let mut map = maps.get("count").await?;
                    let data = map.data.get_or_insert_default();
                    let count = data.get("n").and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
                    data.insert("n".to_owned(), (count + 1).to_string());
                    match maps.replace("count", &PostParams::default(), &map).await {
                        Ok(_) => break,
                        Err(kube::Error::Api(status)) if status.is_conflict() => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Ok::<_, kube::Error>(())
        })
    });
    for written in try_join_all(writers).await? {
        written?;
    }
    let data = maps.get("count").await?.data.ok_or("no data")?;
    assert_eq!(data["n"], (50 * ROUNDS).to_string());
    Ok(())
}

#[tokio::test]
async fn three_managers_apply_to_one_object() -> Checked {
    let (_sandbox, maps) = started().await?;
    let config = |data: Value| {
        let mut config = config_map("shared");
        config["data"] = data;
        Patch::Apply(config)
    };
    for manager in ["a", "b", "c"] {
        let mine = config(json!({manager: "1"}));
        maps.patch("shared", &PatchParams::apply(manager), &mine).await?;
    }
    let map = maps.get("shared").await?;
    assert_eq!(map.data.unwrap_or_default().into_keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(map.metadata.managed_fields.map(|fields| fields.len()), Some(3));
    let theirs = config(json!({"c": "1", "a": "2"}));
    let refused = code(maps.patch("shared", &PatchParams::apply("c"), &theirs).await);
    assert_eq!(refused, (409, "Apply failed with 1 conflict: conflict with \"a\": .data.a".to_owned()));
    maps.patch("shared", &PatchParams::apply("c").force(), &theirs).await?;
    // What its only owner no longer names goes; what is somebody else's stays.
    let nothing = config(json!({}));
    for manager in ["a", "b"] {
        maps.patch("shared", &PatchParams::apply(manager), &nothing).await?;
    }
    let data = maps.get("shared").await?.data.unwrap_or_default();
    assert_eq!(serde_json::to_value(data)?, json!({"a": "2", "c": "1"}));
    Ok(())
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() -> Checked {
    let (_sandbox, maps) = started().await?;
    let mut map: ConfigMap = serde_json::from_value(config_map("large"))?;
    map.data.get_or_insert_default().insert("k".to_owned(), "x".repeat(3 * 1024 * 1024));
    let refused = code(maps.create(&PostParams::default(), &map).await);
    assert_eq!(refused, (413, "Request entity too large: limit is 3145728".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watchers_see_the_same_changes_in_order() -> Checked {
    let (sandbox, maps) = started().await?;
    sandbox.create(config_map("busy"))?;
    let version = sandbox.store().version().to_string();
    let watchers = try_join_all((0..200).map(|_| {
        let (maps, version) = (maps.clone(), version.clone());
        async move { maps.watch(&WatchParams::default(), &version).await.map(StreamExt::boxed) }
    }))
    .await?;
    for round in 0..20 {
        sandbox.store().update("configmaps", "default", "busy", |map| {
            map["data"] = json!({"round": round.to_string()});
        })?;
    }
    let wanted: Vec<String> = (0..20).map(|round| round.to_string()).collect();
    for mut events in watchers {
        let mut rounds = Vec::new();
        while rounds.len() < 20 {
            match tokio::time::timeout(PATIENCE, events.try_next()).await?? {
                Some(WatchEvent::Modified(map)) => {
                    rounds.extend(map.data.unwrap_or_default().remove("round"));
                }
                other => return Err(format!("{other:?}").into()),
            }
        }
        assert_eq!(rounds, wanted);
    }
    Ok(())
}

#[tokio::test]
async fn a_namespace_waits_for_its_content_and_takes_nothing_new() -> Checked {
    let (sandbox, _) = started().await?;
    sandbox.create(namespace("shop"))?;
    let mut held = config_map("held");
    held["metadata"]["namespace"] = json!("shop");
    let mut free = held.clone();
    free["metadata"]["name"] = json!("free");
    held["metadata"]["finalizers"] = json!(["test.tidetable.dev/hold"]);
    for map in [held, free.clone()] {
        sandbox.create(map)?;
    }
    let namespaces: Api<Namespace> = Api::all(sandbox.client()?);
    let maps: Api<ConfigMap> = Api::namespaced(sandbox.client()?, "shop");
    namespaces.delete("shop", &DeleteParams::default()).await?;
    let phase = namespaces.get("shop").await?.status.and_then(|status| status.phase);
    assert_eq!(phase.as_deref(), Some("Terminating"));
    assert!(maps.get_opt("free").await?.is_none(), "what nothing holds is gone");
    let refused = maps.create(&PostParams::default(), &serde_json::from_value(free)?).await;
    let Err(kube::Error::Api(status)) = refused else { return Err(format!("{refused:?}").into()) };
    assert_eq!(
        status.message,
        "configmaps \"free\" is forbidden: unable to create new content in namespace shop because it is being \
         terminated"
    );
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    assert_eq!(causes.first().map(|cause| cause.reason.as_str()), Some("NamespaceTerminating"));
    let release = json!({"metadata": {"finalizers": null}});
    maps.patch("held", &PatchParams::default(), &Patch::Merge(release)).await?;
    assert!(namespaces.get_opt("shop").await?.is_none(), "it went with the last of its content");
    Ok(())
}

#[tokio::test]
async fn a_dependent_of_two_owners_stays_as_long_as_one_of_them() -> Checked {
    let (sandbox, maps) = started().await?;
    let mut owners = Vec::new();
    for name in ["one", "two"] {
        let owner = sandbox.create(config_map(name))?;
        let uid = &owner["metadata"]["uid"];
        owners.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}));
    }
    let mut dependent = config_map("dependent");
    dependent["metadata"]["ownerReferences"] = json!(owners);
    sandbox.create(dependent)?;
    maps.delete("one", &DeleteParams::default()).await?;
    assert!(maps.get_opt("dependent").await?.is_some());
    maps.delete("two", &DeleteParams::default()).await?;
    assert!(maps.get_opt("dependent").await?.is_none());
    Ok(())
}
