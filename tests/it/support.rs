//! What several tests need.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod faults;
pub(crate) mod operator;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod source;
mod wire;

pub(crate) use wire::Wire;

/// The `kubectl` to run: the one that `KUBECTL` names, the one in `.tools/`, or the machine's.
pub(crate) fn kubectl() -> PathBuf {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/kubectl");
    match std::env::var_os("KUBECTL") {
        Some(program) => PathBuf::from(program),
        None if local.exists() => local,
        None => PathBuf::from("kubectl"),
    }
}

/// A port of loopback that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("bound").port()
}

/// What an operator serves at `/metrics`, once it answers.
pub(crate) async fn metrics(port: u16) -> reqwest::Result<String> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?.text().await
}

/// The value of a sample, by its name and labels as they are written.
pub(crate) fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}
