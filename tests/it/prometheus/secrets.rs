//! Secrets of sources reach no log, status, event or metric, whatever a source answers and wherever in the
//! configuration they stand by mistake.

mod echo;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, Client, CustomResourceExt};
use serde_json::{Value, json};
use tidetable::api::{ScaleCalendar, ScalePolicy};
use tidetable::clock::Clock;
use tidetable::operator::install_crypto_provider;
use tidetable::sandbox::{Sandbox, SandboxOptions};
use tokio::process::{Child, Command};

use crate::support::certificates::Authority;
use crate::support::operator::{admit_process, deployment, policy};
use crate::support::{free_port, metrics};

const TOKEN: &str = "tok-5f3a9c/+=7e~Q";
const PASSWORD: &str = r#"p"w d%7+xZ/k"#;
const HEADER: &str = r#"key "8c1d/+ 2b%"#;

const SOURCES: [&str; 4] = ["bearer", "basic", "header", "tls"];

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes one file for each secret, and a configuration that names all of them.
fn write_config(directory: &Path, url: &str) {
    let authority = Authority::new(directory, "authority");
    authority.sign("client", "operator");
    let tls = format!("https://127.0.0.1:{}", free_port());
    let config = format!(
        "
sources:
- {{name: bearer, url: '{url}', bearerTokenFile: token}}
- {{name: basic, url: '{url}', basicAuth: {{username: me, passwordFile: password}}}}
- {{name: header, url: '{url}', headers: [{{name: X-Api-Key, valueFile: header}}]}}
- {{name: tls, url: '{tls}', caFile: authority.pem, clientCertificateFile: client.pem, clientKeyFile: client.key}}
"
    );
    for (name, text) in
        [("token", TOKEN), ("password", PASSWORD), ("header", HEADER), ("config.yaml", &config)]
    {
        std::fs::write(directory.join(name), text).expect("written");
    }
}

/// Everything that must not be found: each secret as it is, as it is sent, in JSON, and in a URL.
fn secrets(directory: &Path) -> Vec<String> {
    let key = std::fs::read_to_string(directory.join("client.key")).expect("a key");
    let mut secrets: Vec<String> =
        key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect();
    secrets.push(BASE64_STANDARD.encode(format!("me:{PASSWORD}")));
    for secret in [TOKEN, PASSWORD, HEADER] {
        let in_json = serde_json::to_string(secret).expect("a text");
        let mut in_url = reqwest::Url::parse("http://a").expect("a URL");
        in_url.query_pairs_mut().append_pair("x", secret);
        let in_url = in_url.query().and_then(|query| query.strip_prefix("x=")).expect("a query").to_owned();
        secrets.extend([secret.to_owned(), in_json.trim_matches('"').to_owned(), in_url]);
    }
    secrets
}

fn assert_none(what: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        if let Some(found) = text.find(secret.as_str()) {
            let begin = (0..=found.saturating_sub(200)).rev().find(|at| text.is_char_boundary(*at));
            panic!("{what} has {secret:?}: …{}", &text[begin.unwrap_or(0)..found + secret.len()]);
        }
    }
}

/// One policy for each source, which asks for everything that the server can do wrong.
fn objects() -> Vec<Value> {
    let policy = |source: &str| {
        let metrics: Vec<Value> = echo::QUERIES
            .iter()
            .map(|query| {
                let prometheus = json!({"source": source, "query": query});
                json!({"name": query, "prometheus": prometheus, "target": {"averageValue": "10"}})
            })
            .collect();
        let guard = json!([{"name": "db", "prometheus": {"source": source, "query": "bad"}, "above": "1",
            "effect": "HoldScaleUp"}]);
        let mut policy = policy(&json!({"metrics": metrics, "guards": guard, "minReplicas": 6}));
        policy["metadata"]["name"] = json!(source);
        policy["spec"]["scaleTargetRef"]["name"] = json!(source);
        [deployment(source, 4), policy]
    };
    let crds = [serde_json::to_value(ScalePolicy::crd()), serde_json::to_value(ScaleCalendar::crd())];
    let crds = crds.into_iter().map(|crd| crd.expect("a CRD"));
    crds.chain(SOURCES.into_iter().flat_map(policy)).collect()
}

/// Asks again and again until there is an answer.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// The texts of the problems of all metrics and guards, once each has one.
async fn problems(client: &Client) -> Option<Vec<String>> {
    let policies = Api::<ScalePolicy>::namespaced(client.clone(), "default");
    let mut problems = Vec::new();
    for source in SOURCES {
        let decision = policies.get(source).await.expect("a policy").status?.decision?;
        for metric in decision.metrics {
            problems.push(metric.problem?);
        }
        for guard in decision.guards {
            problems.push(guard.problem?);
        }
    }
    (problems.len() == SOURCES.len() * (echo::QUERIES.len() + 1)).then_some(problems)
}

fn operator(directory: &Path, port: u16, format: &str) -> Child {
    let log = std::fs::File::create(directory.join("log")).expect("a file");
    Command::new(env!("CARGO_BIN_EXE_tidetable"))
        .args(["run", "--interval", "1s", "--log-level", "trace", "--log-format", format])
        .args(["--listen", &format!("127.0.0.1:{port}"), "--config"])
        .arg(directory.join("config.yaml"))
        .env("KUBECONFIG", directory.join("kubeconfig"))
        .stdin(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts")
}

/// Runs an operator until all has gone wrong that can, and looks through everything that it said.
async fn play(format: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    write_config(directory, &echo::start().await);
    let secrets = secrets(directory);
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await.expect("a sandbox");
    for object in objects() {
        sandbox.create(object).expect("a valid object");
    }
    admit_process(&sandbox, &directory.join("kubeconfig"));
    let client = sandbox.client().expect("a client");
    let port = free_port();
    let mut operator = operator(directory, port, format);
    let problems = until("a problem of each query", || problems(&client)).await;
    for part in ["[redacted]", "credentials", "redirects", "502", "warns"] {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:#?}");
    }
    std::fs::write(directory.join("config.yaml"), misplaced()).expect("written");
    let shown = until("a refused configuration", async || {
        let text = metrics(port).await.ok()?;
        text.contains("tidetable_config_last_reload_successful 0").then_some(text)
    })
    .await;
    let policies =
        Api::<ScalePolicy>::all(client.clone()).list(&ListParams::default()).await.expect("policies");
    let events = Api::<Event>::all(client).list(&ListParams::default()).await.expect("events");
    assert!(events.items.len() >= SOURCES.len(), "each policy has raised its workload to the least");
    operator.kill().await.expect("ended");
    let log = std::fs::read_to_string(directory.join("log")).expect("a log");
    for part in ["[redacted]", "the old one stays in force", "sources[0].url"] {
        assert!(log.contains(part), "the log tells of it: {part}");
    }
    assert_none("the log", &log, &secrets);
    assert_none("the metrics", &shown, &secrets);
    assert_none("a policy", &serde_json::to_string(&policies).expect("JSON"), &secrets);
    assert_none("an event", &serde_json::to_string(&events).expect("JSON"), &secrets);
    for problem in problems {
        assert_none("a problem", &problem, &secrets);
    }
    sandbox.shutdown().await;
}

/// A configuration with secrets where they don't belong.
fn misplaced() -> String {
    json!({"sources": [
        {"name": "a", "url": format!("http://me:{TOKEN}@a")},
        {"name": "b", "url": format!("http://b/?token={TOKEN}")},
        {"name": "c", "url": format!("http://c/#{TOKEN}")},
        {"name": "d", "url": format!("{TOKEN}@d")},
        {"name": "e", "url": "http://e", "bearerToken": TOKEN},
        {"name": "f", "url": "http://f", "bearerTokenFile": TOKEN},
        {"name": "g", "url": "http://g", "basicAuth": format!("me:{PASSWORD}")},
        {"name": "h", "url": "http://h", "basicAuth": {"username": "me", "password": PASSWORD}},
        {"name": "i", "url": "http://i", "headers": HEADER},
        {"name": "j", "url": "http://j", "headers": [{"name": HEADER, "value": "x"}]},
        {"name": "k", "url": "http://k", "headers": [{"name": "Authorization", "value": TOKEN}]},
        {"name": "l", "url": "http://l", "headers": [{"name": "X", "value": format!("{HEADER}\n")}]},
        {"name": "m", "url": "http://m", "timeout": TOKEN},
        {"name": "n", "url": "http://n", "namespaces": TOKEN},
        {"name": "o", "url": "http://o", "namespaces": [TOKEN]},
        {"name": "p", "url": "https://p", "caFile": TOKEN},
    ]})
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_whose_sources_repeat_what_they_got_tells_no_secret() {
    install_crypto_provider();
    tokio::join!(play("json"), play("text"));
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_of_the_configuration_is_refused_and_not_repeated() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("config.yaml");
    std::fs::write(&file, misplaced()).expect("written");
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_tidetable"))
        .args(["run", "--log-level", "trace", "--config"])
        .arg(&file)
        .output()
        .await
        .expect("the binary starts");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(2), "{text}");
    for index in 0..16 {
        assert!(text.contains("config.yaml:1:") && text.contains(&format!("sources[{index}].")), "{text}");
    }
    assert_none("the output", &text, &[TOKEN, PASSWORD, HEADER].map(str::to_owned));
}
