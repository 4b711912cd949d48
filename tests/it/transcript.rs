//! The sandbox answers as a real server answered.
//!
//! `tests/fixtures/sandbox/transcript.jsonl` is a recorded conversation with a kube-apiserver 1.36.2, a
//! request and its answer a line. What the answer held must be in ours; ours may hold more. `*` stands
//! for any value, and `${name}` for a value that an earlier answer gave.

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::Value;
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions};

/// Values that differ from run to run.
const VOLATILE: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "time",
    "selfLink",
    "continue",
    "deletionTimestamp",
    "lastTransitionTime",
    "lastUpdateTime",
    "firstSeen",
    "remainingItemCount",
    "eventTime",
];

struct Answer {
    status: u64,
    warning: Option<String>,
    body: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_conversation_is_answered_alike() -> Result<(), Box<dyn Error>> {
    // Another test of this binary may have chosen the provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    let mut saved = BTreeMap::new();
    let mut differences = Vec::new();
    for line in include_str!("../fixtures/sandbox/transcript.jsonl").lines() {
        let step: Value = serde_json::from_str(line)?;
        let answer = ask(&http, &sandbox, &step, &saved).await?;
        for (name, path) in step["save"].as_object().into_iter().flatten() {
            let pointer = format!("/{}", path.as_str().unwrap_or_default().replace('.', "/"));
            saved.insert(name.clone(), text(answer.body.pointer(&pointer).unwrap_or(&Value::Null)));
        }
        let expected = &step["expect"];
        let difference = if expected["status"] == answer.status {
            let warning = expected["warning"].as_str();
            let warned = warning.is_none() || warning == answer.warning.as_deref();
            difference(&expected["body"], &answer.body, "", "$")
                .or_else(|| (!warned).then(|| format!("warning {:?}", answer.warning)))
        } else {
            Some(format!("status {} and {}", answer.status, answer.body))
        };
        differences.extend(difference.map(|found| format!("{}: {found}", step["id"])));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

async fn ask(
    http: &reqwest::Client,
    sandbox: &Sandbox,
    step: &Value,
    saved: &BTreeMap<String, String>,
) -> Result<Answer, Box<dyn Error>> {
    let method = step["method"].as_str().ok_or("no method")?.parse()?;
    let path = fill(step["path"].as_str().unwrap_or_default(), saved);
    let mut request = http
        .request(method, format!("{}{path}", sandbox.url()))
        .header("Accept", step["accept"].as_str().unwrap_or("application/json"));
    match &step["auth"] {
        Value::Bool(false) => {}
        Value::String(_) => request = request.bearer_auth("not-a-token"),
        _ => request = request.bearer_auth(sandbox.token()),
    }
    if !step["body"].is_null() {
        request = request
            .header("Content-Type", step["type"].as_str().unwrap_or("application/json"))
            .body(fill(&text(&step["body"]), saved));
    }
    let response = request.send().await?;
    let status = u64::from(response.status().as_u16());
    let warning = response.headers().get("warning").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = response.text().await?;
    let body = if step["watch"].is_null() || status != 200 {
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    } else {
        Value::Array(body.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    Ok(Answer { status, warning, body })
}

fn fill(text: &str, saved: &BTreeMap<String, String>) -> String {
    saved.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Where `found` lacks something of `expected`; `key` is the name that the value goes by.
fn difference(expected: &Value, found: &Value, key: &str, at: &str) -> Option<String> {
    let lacks = || Some(format!("{at}: wanted {expected}, got {found}"));
    match (expected, found) {
        (Value::String(any), found) if any == "*" => found.is_null().then(lacks).flatten(),
        (_, found) if VOLATILE.contains(&key) && !found.is_null() => lacks(),
        (Value::Object(expected), Value::Object(found)) => expected.iter().find_map(|(name, value)| {
            let at = format!("{at}.{name}");
            match found.get(name) {
                Some(found) => difference(value, found, name, &at),
                None => Some(format!("{at}: absent")),
            }
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs.into_iter().find_map(|(i, (e, f))| difference(e, f, key, &format!("{at}[{i}]")))
        }
        (expected, found) => (expected != found).then(lacks).flatten(),
    }
}
