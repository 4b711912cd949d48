//! What several tests need.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// A port of loopback that nobody listens on, and that is given to nobody else: below those that the kernel hands out.
pub(crate) fn free_port() -> u16 {
    /// Beside the ports of other runs of the tests.
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(100)));
    let ports = std::iter::repeat_with(|| 20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 12_000);
    let mut ports = ports.filter_map(|port| u16::try_from(port).ok());
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
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
