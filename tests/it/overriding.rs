//! `tidetable override`, and the same through `kubectl`.

use std::path::{Path, PathBuf};
use std::process::Output;

use kube::Api;
use kube::ResourceExt;
use tidetable::api::{OVERRIDE_ANNOTATION, ScalePolicy};
use tidetable::clock::Clock;
use tidetable::policy::parse_override;
use tidetable::sandbox::{Sandbox, SandboxOptions};
use tokio::process::Command;

use crate::cluster::stage::{Checked, in_time};
use crate::support::operator::{day_and_night, definitions, deployment, policy};

struct Stage {
    sandbox: Sandbox,
    home: tempfile::TempDir,
    policies: Api<ScalePolicy>,
}

impl Stage {
    async fn new() -> Checked<Self> {
        let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
        for object in definitions().into_iter().chain([deployment("web", 3), policy(&day_and_night())]) {
            sandbox.create(object)?;
        }
        let home = tempfile::tempdir()?;
        sandbox.write_kubeconfig(&home.path().join("config")).await?;
        let policies = Api::namespaced(sandbox.client()?, "default");
        Ok(Self { sandbox, home, policies })
    }

    async fn call(&self, program: &Path, arguments: &str) -> Checked<Output> {
        let path = std::env::join_paths(
            [self.home.path().to_owned()]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        )?;
        let call = Command::new(program)
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env("HOME", self.home.path())
            .env("PATH", path)
            .output();
        in_time(arguments, async { Ok(call.await?) }).await
    }

    async fn tidetable(&self, arguments: &str) -> Checked<(Option<i32>, String, String)> {
        let output = self.call(Path::new(env!("CARGO_BIN_EXE_tidetable")), arguments).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    async fn annotation(&self) -> Checked<Option<String>> {
        Ok(self.policies.get("web").await?.annotations().get(OVERRIDE_ANNOTATION).cloned())
    }
}

#[tokio::test]
async fn a_workload_is_pinned_for_a_while_and_set_free_again() -> Checked {
    let stage = Stage::new().await?;
    let (code, said, warned) =
        stage.tidetable("override web --replicas 9 --until 2037-11-27T18:00:00.5Z").await?;
    assert_eq!((code, warned.as_str()), (Some(0), ""));
    assert_eq!(
        said,
        "Deployment/web is pinned to 9 until 2037-11-27T18:00:01Z (Fri 19:00:01 in Europe/Berlin)\n"
    );
    assert_eq!(stage.annotation().await?.as_deref(), Some("9 until 2037-11-27T18:00:01Z"));

    let before = jiff::Timestamp::now();
    let (code, _, warned) = stage.tidetable("override web --replicas 40 --for 2h").await?;
    assert_eq!(
        (code, warned.as_str()),
        (Some(0), "warning: maxReplicas is 20, and bounds this; --force goes over it\n")
    );
    let pinned = parse_override(&stage.annotation().await?.ok_or("no annotation")?)?;
    let length = pinned.until.duration_since(before).as_secs();
    assert!((7200..7300).contains(&length), "{length}");

    let (code, _, warned) = stage.tidetable("override web --replicas 40 --for 2h --force").await?;
    assert_eq!((code, warned.as_str()), (Some(0), ""));
    assert!(stage.annotation().await?.is_some_and(|text| text.ends_with(" force")));
    for said in ["Deployment/web is not pinned any more: web decides\n", "Deployment/web was not pinned\n"] {
        assert_eq!(stage.tidetable("override web --clear").await?, (Some(0), said.to_owned(), String::new()));
        assert_eq!(stage.annotation().await?, None);
    }
    stage.sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn what_can_t_be_done_is_said_and_nothing_is_changed() -> Checked {
    let stage = Stage::new().await?;
    for (arguments, code, expected) in [
        ("override nobody --clear", 2, "there is no ScalePolicy nobody in namespace default"),
        ("override web --clear -n elsewhere", 2, "there is no ScalePolicy web in namespace elsewhere"),
        (
            "override web --replicas 9 --until 2001-01-01T00:00:00Z",
            2,
            "--until: 2001-01-01T00:00:00Z is past",
        ),
        ("override web --replicas 9 --for 0s", 2, "must be more than 0s"),
        ("override web --replicas -1 --for 2h", 2, "unexpected argument"),
        ("override web --replicas 9", 2, "<--for <DURATION>|--until <TIME>|--clear>"),
        ("override web --for 2h", 2, "--replicas <N>"),
        ("override web --replicas 9 --for 2h --until 2037-01-01T00:00:00Z", 2, "cannot be used with"),
        ("override web --clear --context nosuch", 2, "no cluster is configured: "),
        ("override web --clear --kubeconfig /nosuch", 2, "no cluster is configured: "),
    ] {
        let (found, _, said) = stage.tidetable(arguments).await?;
        assert_eq!(found, Some(code), "{arguments}: {said}");
        assert!(said.contains(expected), "{arguments}: {said}");
    }
    assert_eq!(stage.annotation().await?, None);
    stage.sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn kubectl_runs_it_as_a_plugin() -> Checked {
    let stage = Stage::new().await?;
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tidetable"), stage.home.path().join("kubectl-tidetable"))?;
    let kubectl: PathBuf = crate::support::kubectl();
    let kubectl = if kubectl.components().count() > 1 { std::path::absolute(kubectl)? } else { kubectl };
    let output = stage.call(&kubectl, "tidetable override web --replicas 9 --for 2h").await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stage.annotation().await?.is_some_and(|text| text.starts_with("9 until ")));
    let output = stage.call(&kubectl, "tidetable override --help").await?;
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(help.contains("Usage: kubectl tidetable override"), "{help}");
    stage.sandbox.shutdown().await;
    Ok(())
}
