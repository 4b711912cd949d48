//! `deploy/namespaced`: an operator in a namespace that somebody has already.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::{Value, json};
use tidetable::sandbox::namespace;

use super::stage::{ACCOUNT, Checked, Stage};

const TEAM: &str = "team";

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).expect("YAML")).collect()
}

/// The rules of a role in a file of deploy/, without comments.
fn rules_of(file: &str, kind: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let documents = documents(&std::fs::read_to_string(path).expect("it is checked in"));
    let role = documents.iter().find(|document| document["kind"] == kind).expect("a role");
    role["rules"].as_array().expect("rules").clone()
}

#[test]
fn for_one_namespace_the_operator_has_the_same_rights_but_for_calendars() {
    let mut whole = rules_of("base/rbac.yaml", "ClusterRole");
    whole.retain(|rule| rule["resources"] != json!(["scalecalendars"]));
    assert_eq!(rules_of("namespaced/role.yaml", "Role"), whole);
}

/// Copies deploy/ and crds/ to a directory, so that one line there can be another.
fn copy(to: &Path) -> Checked {
    fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let to = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy(&entry.path(), &to)?;
            } else {
                std::fs::copy(entry.path(), to)?;
            }
        }
        Ok(())
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(["deploy", "crds"].into_iter().try_for_each(|name| copy(&root.join(name), &to.join(name)))?)
}

/// A copy of deploy/ for the namespace `team`, and the two ways there: the edited overlay, and one of the team's
/// own with it as a resource.
fn for_the_team(to: &Path) -> Checked<[String; 2]> {
    copy(to)?;
    let (edited, own) = (to.join("deploy/namespaced"), to.join("own"));
    std::fs::create_dir(&own)?;
    let layer = format!("resources: [../deploy/namespaced]\nnamespace: {TEAM}\n");
    std::fs::write(own.join("kustomization.yaml"), layer)?;
    let file = edited.join("kustomization.yaml");
    let text = std::fs::read_to_string(&file)?;
    assert_eq!(text.matches("\nnamespace: ").count(), 1, "the line that people edit");
    Ok([edited, own].map(|path| path.display().to_string()))
}

/// Writes the team's namespace into the overlay, as its comment says.
fn edit(overlay: &str) -> Checked {
    let file = Path::new(overlay).join("kustomization.yaml");
    let text = std::fs::read_to_string(&file)?;
    let line = |line: &str| {
        let is_it = line.starts_with("namespace: ");
        if is_it { format!("namespace: {TEAM}\n") } else { format!("{line}\n") }
    };
    Ok(std::fs::write(file, text.lines().map(line).collect::<String>())?)
}

#[tokio::test]
async fn for_one_namespace_all_is_in_it_and_follows_it() -> Checked {
    let stage = Stage::in_a_sandbox().await?;
    let [edited, own] = for_the_team(&stage.files.path().join("copy"))?;
    // First the team's own layer, over what is as it was.
    let rendered = stage.kubectl(&format!("kustomize {own}")).await?;
    edit(&edited)?;
    for rendered in [rendered, stage.kubectl(&format!("kustomize {edited}")).await?] {
        let objects = documents(&rendered);
        for object in &objects {
            let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
            assert_eq!(object["metadata"]["namespace"], TEAM, "{name} is in no namespace or another one");
            for subject in object["subjects"].as_array().into_iter().flatten() {
                assert_eq!(
                    (&subject["name"], &subject["namespace"]),
                    (&json!(ACCOUNT), &json!(TEAM)),
                    "{name}"
                );
            }
        }
        let found = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();
        assert_eq!((found("RoleBinding").len(), found("ServiceAccount").len()), (2, 1), "{rendered}");
        let deployments = found("Deployment");
        let [deployment] = deployments.as_slice() else { return Err(rendered.into()) };
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().ok_or("no arguments")?;
        assert!(arguments.contains(&json!("--namespace=$(POD_NAMESPACE)")), "{arguments:?}");
        assert!(arguments.contains(&json!("--leader-elect")), "{arguments:?}");
        // The Lease is where the pod is unless somebody says otherwise.
        assert!(!arguments.iter().any(|of| of.as_str().is_some_and(|of| of.contains("lease-namespace"))));
        let field = json!({"fieldRef": {"fieldPath": "metadata.namespace"}});
        assert_eq!(container["env"], json!([{"name": "POD_NAMESPACE", "valueFrom": field}]));
    }
    Ok(())
}

#[tokio::test]
async fn who_administers_a_namespace_installs_and_removes_the_operator_and_keeps_the_namespace() -> Checked {
    let stage = Stage::in_a_sandbox().await?;
    let sandbox = stage.sandbox.as_ref().ok_or("no sandbox")?;
    let mut team = namespace(TEAM);
    team["metadata"]["labels"] = json!({"pod-security.kubernetes.io/enforce": "baseline"});
    sandbox.create(team)?;
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    // Nobody gives rights that they don't have.
    let mut rules = rules_of("namespaced/role.yaml", "Role");
    rules.extend(rules_of("base/rbac.yaml", "Role"));
    sandbox.create(json!({
        "apiVersion": version, "kind": "Role", "metadata": {"name": "granted", "namespace": TEAM}, "rules": rules,
    }))?;
    for (kind, name) in [("ClusterRole", "admin"), ("Role", "granted")] {
        sandbox.create(json!({
            "apiVersion": version, "kind": "RoleBinding",
            "metadata": {"name": format!("ann-{name}"), "namespace": TEAM},
            "roleRef": {"apiGroup": group, "kind": kind, "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "ann"}],
        }))?;
    }
    let kubeconfig = stage.files.path().join("ann");
    std::fs::write(&kubeconfig, sandbox.kubeconfig_for("ann", &sandbox.add_token("ann")))?;
    let [overlay, _] = for_the_team(&stage.files.path().join("copy"))?;
    edit(&overlay)?;
    let namespaces = Api::<Namespace>::all(stage.client.clone());
    let before = namespaces.get(TEAM).await?;
    let line = |verb: &str| format!("{verb} -k {overlay} --kubeconfig {}", kubeconfig.display());
    stage.kubectl(&line("apply")).await?;
    let there =
        stage.kubectl(&format!("get -n {TEAM} deployment,configmap,role,rolebinding -o name")).await?;
    for name in ["deployment.apps/tidetable", "configmap/tidetable", "/tidetable-election"] {
        assert!(there.contains(name), "{name} in\n{there}");
    }
    assert_eq!(namespaces.get(TEAM).await?, before);
    stage.kubectl(&line("delete")).await?;
    assert_eq!(namespaces.get(TEAM).await?, before);
    let left = stage.kubectl(&format!("get -n {TEAM} deployment -o name")).await?;
    assert_eq!(left.trim(), "");
    Ok(())
}
