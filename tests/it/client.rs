//! The sandbox as `kube` sees it.

use std::error::Error;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use serde_json::{Value, json};
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions};

type Checked = Result<(), Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(30);

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}})
}

fn deployment(replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "registry.invalid/c:1"}]},
            },
        },
    })
}

/// A role for those who read namespaces, and the user `operator` in it.
fn reader_of_namespaces() -> [Value; 2] {
    let (group, name) = ("rbac.authorization.k8s.io", "reader");
    let version = format!("{group}/v1");
    let allows = json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]});
    let role =
        json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [allows]});
    let binding = json!({
        "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "operator"}],
    });
    [role, binding]
}

async fn started() -> Result<Sandbox, Box<dyn Error>> {
    Ok(Sandbox::start(SandboxOptions::new(Clock::real())).await?)
}

#[tokio::test]
async fn the_kubeconfig_works_and_requests_are_logged_by_user() -> Checked {
    let sandbox = started().await?;
    let token = sandbox.add_token("operator");
    for object in reader_of_namespaces() {
        sandbox.create(object)?;
    }
    let kubeconfig = Kubeconfig::from_yaml(&sandbox.kubeconfig_for("operator", &token))?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = kube::Client::try_from(config)?;
    let namespaces = Api::<Namespace>::all(client).list(&ListParams::default()).await?;
    assert!(namespaces.items.len() >= 2);
    let seen = sandbox.requests();
    let (request, count) = seen.iter().next().ok_or("nothing logged")?;
    assert_eq!((request.user.as_str(), request.verb.as_str(), *count), ("operator", "list", 1));
    assert_eq!((request.resource.as_str(), request.namespaced), ("namespaces", false));
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn further_routes_need_no_token_and_everything_else_does() -> Checked {
    let routes = axum::Router::new().route("/api/v1/query", axum::routing::get(async || "answered"));
    let options = SandboxOptions { extra_routes: Some(routes), ..SandboxOptions::new(Clock::real()) };
    let sandbox = Sandbox::start(options).await?;
    let client = kube::Client::try_from(kube::Config::new(sandbox.url().parse()?))?;
    let request = http::Request::get("/prometheus/api/v1/query?query=up").body(Vec::new())?;
    assert_eq!(client.request_text(request).await?, "answered");
    let refused = Api::<Namespace>::all(client).list(&ListParams::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
    Ok(())
}

#[tokio::test]
async fn an_owners_dependents_go_with_it() -> Checked {
    let sandbox = started().await?;
    let owner = sandbox.create(config_map("owner"))?;
    let mut dependent = config_map("dependent");
    dependent["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}]);
    sandbox.create(dependent)?;
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client()?);
    maps.delete("owner", &kube::api::DeleteParams::default()).await?;
    assert!(maps.get_opt("dependent").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_terminates_takes_nothing_new_and_goes_with_its_last_object() -> Checked {
    let sandbox = started().await?;
    sandbox.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))?;
    let mut held = config_map("held");
    held["metadata"] = json!({"name": "held", "namespace": "shop", "finalizers": ["example.org/hold"]});
    sandbox.create(held)?;
    let client = sandbox.client()?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::namespaced(client, "shop");
    for _ in 0..2 {
        namespaces.delete("shop", &DeleteParams::default()).await?;
        let phase = namespaces.get("shop").await?.status.and_then(|status| status.phase);
        assert_eq!(phase.as_deref(), Some("Terminating"));
    }

    let late = ConfigMap { metadata: serde_json::from_value(json!({"name": "late"}))?, ..Default::default() };
    let Err(kube::Error::Api(refused)) = maps.create(&PostParams::default(), &late).await else {
        return Err("a terminating namespace took a new object".into());
    };
    assert_eq!(
        refused.message,
        "configmaps \"late\" is forbidden: unable to create new content in namespace shop because it is being \
         terminated"
    );
    let details = serde_json::to_value(refused.details)?;
    let cause = json!({
        "reason": "NamespaceTerminating", "message": "namespace shop is being terminated",
        "field": "metadata.namespace",
    });
    assert_eq!(details["causes"], json!([cause]));

    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &PatchParams::default(), &release).await?;
    assert!(namespaces.get_opt("shop").await?.is_none(), "nothing is left that holds it");
    Ok(())
}

#[tokio::test]
async fn the_namespaces_of_the_system_are_not_deleted() -> Checked {
    let sandbox = started().await?;
    let namespaces: Api<Namespace> = Api::all(sandbox.client()?);
    for name in ["default", "kube-public", "kube-system"] {
        let Err(kube::Error::Api(refused)) = namespaces.delete(name, &DeleteParams::default()).await else {
            return Err(format!("{name} was deleted").into());
        };
        let wanted = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!((refused.code, refused.message), (403, wanted));
    }
    Ok(())
}

#[tokio::test]
async fn replicas_are_compared_and_set_even_from_zero() -> Checked {
    let sandbox = started().await?;
    sandbox.create(deployment(0))?;
    let deployments: Api<Deployment> = Api::default_namespaced(sandbox.client()?);
    let set = |from: Option<i32>, to: i32| {
        let patch = json!([
            {"op": "test", "path": "/spec/replicas", "value": from},
            {"op": "add", "path": "/spec/replicas", "value": to}]);
        Patch::<Value>::Json(serde_json::from_value(patch).expect("a JSON patch"))
    };
    let parameters = PatchParams { field_manager: Some("tidetable".to_owned()), ..PatchParams::default() };
    let scale = deployments.patch_scale("web", &parameters, &set(None, 3)).await?;
    assert_eq!(scale.spec.and_then(|spec| spec.replicas), Some(3));
    let late = deployments.patch_scale("web", &parameters, &set(Some(2), 5)).await;
    assert!(matches!(late, Err(kube::Error::Api(status)) if status.code == 422));
    let web = deployments.get("web").await?;
    assert_eq!(web.metadata.generation, Some(2));
    let owners = web.metadata.managed_fields.unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.manager.as_deref() == Some("tidetable"));
    assert_eq!(owner.and_then(|owner| owner.subresource.as_deref()), Some("scale"));
    Ok(())
}

#[tokio::test]
async fn a_stale_update_conflicts() -> Checked {
    let sandbox = started().await?;
    sandbox.create(config_map("a"))?;
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client()?);
    let seen = maps.get("a").await?;
    let label = json!({"metadata": {"labels": {"x": "y"}}});
    maps.patch("a", &PatchParams::default(), &Patch::Merge(label)).await?;
    let late = maps.replace("a", &PostParams::default(), &seen).await;
    assert!(matches!(late, Err(kube::Error::Api(status)) if status.is_conflict()));
    Ok(())
}

#[tokio::test]
async fn a_watcher_lists_and_then_follows() -> Checked {
    let sandbox = started().await?;
    sandbox.create(config_map("a"))?;
    for streaming in [false, true] {
        let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client()?);
        let config = watcher::Config::default().fields("metadata.name=a");
        let config = if streaming { config.streaming_lists() } else { config };
        let mut events = watcher(maps, config).boxed();
        let mut begun = false;
        while let Some(event) = tokio::time::timeout(PATIENCE, events.try_next()).await?? {
            match event {
                watcher::Event::InitDone => {
                    begun = true;
                    sandbox.store().update("configmaps", "default", "a", |map| {
                        map["data"] = json!({"streaming": streaming.to_string()});
                    })?;
                }
                watcher::Event::Apply(map) => {
                    assert!(begun && map.data.is_some());
                    break;
                }
                watcher::Event::Init | watcher::Event::InitApply(_) | watcher::Event::Delete(_) => {}
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_told_so() -> Checked {
    let sandbox = started().await?;
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client()?);
    let mut events = maps.watch(&WatchParams::default(), "1").await?.boxed();
    match events.try_next().await? {
        Some(WatchEvent::Error(status)) => assert_eq!(status.code, 410),
        other => return Err(format!("{other:?}").into()),
    }
    Ok(())
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout_with_a_bookmark() -> Checked {
    let sandbox = started().await?;
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client()?);
    let version = sandbox.store().version();
    let mut events = maps.watch(&WatchParams::default().timeout(1), &version.to_string()).await?.boxed();
    let last = tokio::time::timeout(PATIENCE, events.try_next()).await??;
    assert!(matches!(last, Some(WatchEvent::Bookmark(_))), "{last:?}");
    assert!(tokio::time::timeout(PATIENCE, events.try_next()).await??.is_none());
    Ok(())
}
