//! A real Prometheus server on loopback, with samples backfilled into its database.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::free_port;

/// A running server; it stops when dropped.
pub(crate) struct Prometheus {
    url: String,
    process: Child,
    _data: TempDir,
}

impl Prometheus {
    /// Starts a server whose `http_requests_total{app="web"}` counted `qps(t)` from `from` to `to`, scraped
    /// every 15 s.
    pub(crate) fn with_requests(from: Timestamp, to: Timestamp, qps: impl Fn(Timestamp) -> f64) -> Self {
        let mut samples = String::from("# TYPE http_requests counter\n");
        let step = SignedDuration::from_secs(15);
        let (mut at, mut total) = (from, 0.0);
        while at <= to {
            writeln!(samples, "http_requests_total{{app=\"web\"}} {total} {}", at.as_second())
                .expect("a string");
            total += qps(at) * 15.0;
            at += step;
        }
        samples.push_str("# EOF\n");
        Self::with_samples(&samples)
    }

    /// Starts a server that holds these samples, in OpenMetrics text.
    pub(crate) fn with_samples(openmetrics: &str) -> Self {
        Self::start("http", openmetrics, &[])
    }

    /// As [`Prometheus::with_samples`], with a `--web.config.file` that says how to reach it over TLS.
    pub(crate) fn with_web_config(openmetrics: &str, file: &Path) -> Self {
        Self::start("https", openmetrics, &[format!("--web.config.file={}", file.display())])
    }

    fn start(scheme: &str, openmetrics: &str, arguments: &[String]) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let file = data.path().join("samples");
        std::fs::write(&file, openmetrics).expect("written");
        let blocks = data.path().join("data");
        let backfill = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&file, &blocks])
            .output()
            .expect("promtool is installed: scripts/install-test-tools");
        assert!(backfill.status.success(), "{}", String::from_utf8_lossy(&backfill.stderr));
        let config = data.path().join("prometheus.yml");
        std::fs::write(&config, "{}\n").expect("written");
        let port = free_port();
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", blocks.display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is installed: scripts/install-test-tools");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
        let ready =
            log.by_ref().map_while(Result::ok).any(|line| line.contains("ready to receive web requests"));
        assert!(ready, "the server ended before it was ready");
        // Keep reading, so that the server never waits for its log.
        std::thread::spawn(move || log.for_each(drop));
        Self { url: format!("{scheme}://127.0.0.1:{port}"), process, _data: data }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
