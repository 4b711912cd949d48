//! `tidetable override` and `tidetable explain`, by themselves and as plugins of the real kubectl, against the sandbox.

use std::error::Error;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, CustomResourceExt, ResourceExt};
use tempfile::TempDir;
use tidetable::api::ScalePolicy;
use tidetable::clock::Clock;
use tidetable::policy::parse_override;
use tidetable::sandbox::{Sandbox, SandboxOptions};
use tokio::process::Command;

use crate::support::operator::{day_and_night, policy};

const ANNOTATION: &str = "tidetable.dev/override";

type Checked<T = ()> = Result<T, Box<dyn Error>>;

/// A sandbox with the policy `web`, which has at most 20 replicas, and a home with a kubeconfig.
struct Desk {
    sandbox: Sandbox,
    home: TempDir,
}

impl Desk {
    async fn set() -> Checked<Self> {
        Self::at(Clock::real()).await
    }

    async fn at(clock: Clock) -> Checked<Self> {
        let sandbox = Sandbox::start(SandboxOptions::new(clock)).await?;
        sandbox.create(serde_json::to_value(ScalePolicy::crd())?)?;
        sandbox.create(policy(&day_and_night()))?;
        let home = tempfile::tempdir()?;
        sandbox.write_kubeconfig(&home.path().join("config")).await?;
        Ok(Self { sandbox, home })
    }

    /// Exit code, standard output, standard error.
    async fn call(&self, program: &Path, line: &str) -> Checked<(Option<i32>, String, String)> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new(program)
            .args(line.split_whitespace())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env("HOME", self.home.path())
            .env("PATH", format!("{}:{path}", self.home.path().display()))
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let [out, errors] =
            [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned());
        Ok((output.status.code(), out, errors))
    }

    async fn tidetable(&self, line: &str) -> Checked<(Option<i32>, String, String)> {
        self.call(Path::new(env!("CARGO_BIN_EXE_tidetable")), line).await
    }

    async fn policy(&self) -> Checked<DynamicObject> {
        let resource = ApiResource::erase::<ScalePolicy>(&());
        let policies = Api::<DynamicObject>::namespaced_with(self.sandbox.client()?, "default", &resource);
        Ok(policies.get("web").await?)
    }

    async fn annotation(&self) -> Checked<Option<String>> {
        Ok(self.policy().await?.annotations().get(ANNOTATION).cloned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_time_it_is_says_the_server() -> Checked {
    let desk = Desk::at(Clock::stopped_at("2031-05-06T07:08:09Z".parse()?)).await?;
    let (code, _, errors) = desk.tidetable("override web --replicas 15 --for 2h").await?;
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(desk.annotation().await?.as_deref(), Some("15 until 2031-05-06T09:08:09Z"));
    let (code, _, errors) = desk.tidetable("override web --replicas 15 --until 2031-05-06T07:00:00Z").await?;
    assert_eq!(code, Some(2));
    assert!(errors.contains("--until: 2031-05-06T07:00:00Z is over, it is 2031-05-06T07:08:09Z"), "{errors}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_is_set_shown_and_cleared() -> Checked {
    let desk = Desk::set().await?;
    let before = Clock::real().now();
    let (code, out, errors) = desk.tidetable("override web --replicas 15 --for 2h").await?;
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    let text = desk.annotation().await?.ok_or("no annotation")?;
    let set = parse_override(&text)?;
    assert_eq!((set.replicas.get(), set.force), (15, false));
    let length = set.until.duration_since(before);
    assert!(length > SignedDuration::from_mins(119) && length < SignedDuration::from_mins(122), "{length}");
    assert!(out.starts_with("default/web: 15 replicas, whatever schedule and load say\n  from   "), "{out}");
    assert!(out.contains(&format!("({})\n  bound  maxReplicas (20)\n", set.until)), "{out}");
    let managers = desk.policy().await?.metadata.managed_fields.unwrap_or_default();
    let managers: Vec<_> = managers.into_iter().filter_map(|entry| entry.manager).collect();
    assert!(managers.iter().any(|manager| manager == "tidetable-override"), "{managers:?}");

    let (code, out, errors) =
        desk.tidetable("override web --replicas 40 --until 2096-06-01T18:00 -n default").await?;
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(
        errors,
        "warning: 40 is over maxReplicas, which is 20, and counts as 20; --force goes over it\n"
    );
    assert!(out.starts_with("default/web: 20 replicas, "), "{out}");
    assert!(out.contains("until  Fri 2096-06-01 18:00:00+02:00  (2096-06-01T16:00:00Z)"), "in Berlin: {out}");
    assert_eq!(desk.annotation().await?.as_deref(), Some("40 until 2096-06-01T16:00:00Z"));

    let (_, out, errors) =
        desk.tidetable("override web --replicas 40 --until 2096-06-01T16:00:00Z --force").await?;
    assert_eq!(errors, "");
    assert!(out.starts_with("default/web: 40 replicas, "), "{out}");
    assert!(out.contains("bound  none: maxReplicas (20) does not count"), "{out}");
    assert_eq!(desk.annotation().await?.as_deref(), Some("40 until 2096-06-01T16:00:00Z force"));

    let (code, out, _) = desk.tidetable("override web --clear").await?;
    assert_eq!(code, Some(0));
    assert_eq!(out, "default/web: the override (40) is cleared, and schedule and load decide again\n");
    assert_eq!(desk.annotation().await?, None);
    let (code, out, _) = desk.tidetable("override web --clear").await?;
    assert_eq!((code, out.as_str()), (Some(0), "default/web has no override: nothing to clear\n"));
    desk.sandbox.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_overridden_is_said_clearly_and_changes_nothing() -> Checked {
    let desk = Desk::set().await?;
    let token = desk.sandbox.add_token("jane");
    let jane = desk.home.path().join("jane");
    std::fs::write(&jane, desk.sandbox.kubeconfig_for("jane", &token))?;
    let nowhere = desk.home.path().join("nowhere");
    let address = "http://127.0.0.1:9";
    let known = std::fs::read_to_string(desk.home.path().join("config"))?;
    let dead: Vec<String> = known
        .lines()
        .map(|line| match line.split_once("server:") {
            Some((before, _)) => format!("{before}server: {address}"),
            None => line.to_owned(),
        })
        .collect();
    std::fs::write(&nowhere, dead.join("\n"))?;
    let unreachable = format!("override web --replicas 3 --for 1h --kubeconfig {}", nowhere.display());
    let by_jane = format!("override web --replicas 3 --for 1h --kubeconfig {}", jane.display());
    for (line, code, part) in [
        ("override api --replicas 3 --for 1h", 2, "there is no ScalePolicy api in the namespace default\n"),
        ("override web --replicas 3 --for 1h -n shop", 2, "no ScalePolicy web in the namespace shop\n"),
        (
            "override sp/api --replicas 3 --for 1h",
            2,
            "there is no ScalePolicy api in the namespace default\n",
        ),
        (
            "override deploy/web --replicas 3 --for 1h",
            2,
            "\"deploy/web\" is not a policy's name; write NAME or sp/",
        ),
        ("override web --replicas -1 --for 1h", 2, "-1 is not in 0"),
        (unreachable.as_str(), 3, "the cluster at 127.0.0.1:9 can't be reached: Connection refused"),
        ("override web --replicas 3 --for soon", 2, "--for <DURATION>"),
        ("override web --replicas 3 --for 0s", 2, "must be longer than nothing"),
        ("override web --replicas 3", 2, "--for <DURATION>|--until <TIME>"),
        ("override web --for 1h", 2, "--replicas <N>"),
        ("override web", 2, "--replicas <N>|--clear"),
        ("override web --clear --replicas 3 --for 1h", 2, "cannot be used with"),
        ("override web --replicas 3 --until tomorrow", 2, "--until: \"tomorrow\" is not an instant ("),
        ("override web --replicas 3 --until 2020-01-01T00:00:00Z", 2, "2020-01-01T00:00:00Z is over, it is "),
        ("override web --replicas 100001 --for 1h", 2, "is not an override: write a number of replicas"),
        ("override web --replicas 3 --for 1h --context elsewhere", 2, "--context elsewhere: "),
        ("override web --replicas 3 --for 1h --kubeconfig nowhere", 2, "--kubeconfig nowhere: "),
        (by_jane.as_str(), 3, "not allowed: scalepolicies.tidetable.dev \"web\" is forbidden: User \"jane\""),
    ] {
        let (ended, out, errors) = desk.tidetable(line).await?;
        assert_eq!((ended, out.as_str()), (Some(code), ""), "{line}: {errors}");
        assert!(errors.contains(part), "{line}: {errors}");
        assert_eq!(desk.annotation().await?, None, "{line}");
    }
    desk.sandbox.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_calls_it_as_a_plugin_and_the_help_shows_what_people_type() -> Checked {
    let desk = Desk::set().await?;
    symlink(env!("CARGO_BIN_EXE_tidetable"), desk.home.path().join("kubectl-tidetable"))?;
    let kubectl = crate::support::kubectl();
    let (code, out, errors) = desk.call(&kubectl, "tidetable override web --replicas 7 --for 90m").await?;
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.starts_with("default/web: 7 replicas, "), "{out}");
    let until: Timestamp = parse_override(&desk.annotation().await?.ok_or("no annotation")?)?.until;
    assert!(until > Clock::real().now());
    let (code, out, errors) = desk.call(&kubectl, "tidetable explain web -n default").await?;
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    assert_eq!(out, "default/web: nothing has been decided yet\n");
    let (code, _, errors) = desk.tidetable("explain scalepolicy/api").await?;
    assert_eq!(code, Some(2));
    assert_eq!(errors, "there is no ScalePolicy api in the namespace default\n");
    let (code, out, errors) = desk.call(&kubectl, "tidetable override --help").await?;
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.contains("Usage: kubectl tidetable override "), "{out}");
    let (_, out, _) = desk.tidetable("override --help").await?;
    assert!(out.contains("Usage: tidetable override "), "{out}");
    let (code, _, _) = desk.call(&kubectl, "tidetable override web --clear").await?;
    assert_eq!((code, desk.annotation().await?), (Some(0), None));
    desk.sandbox.shutdown().await;
    Ok(())
}
