//! The operator as a process, and what it costs.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::cluster::Cluster;

/// The kernel's unit of CPU time: `sysconf(_SC_CLK_TCK)` is 100 on all Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Operator {
    child: Child,
    metrics: String,
    http: reqwest::Client,
    _directory: tempfile::TempDir,
}

impl Operator {
    /// Starts `tidetable run`, with a source if there is one.
    pub(crate) fn start(cluster: &Cluster, source: Option<&str>) -> Self {
        Self::start_as(Path::new(env!("CARGO_BIN_EXE_tidetable")), &[], cluster, source)
    }

    /// Starts `tidetable run` as one of several, of which one leads.
    pub(crate) fn candidate(cluster: &Cluster) -> Self {
        let elected = ["--leader-elect", "--lease-namespace", cluster.home];
        Self::spawn(Path::new(env!("CARGO_BIN_EXE_tidetable")), &[], &elected, cluster, None)
    }

    /// Starts a program that takes the arguments of `tidetable run` after these.
    pub(crate) fn start_as(
        program: &Path,
        arguments: &[String],
        cluster: &Cluster,
        source: Option<&str>,
    ) -> Self {
        Self::spawn(program, arguments, &[], cluster, source)
    }

    fn spawn(
        program: &Path,
        arguments: &[String],
        options: &[&str],
        cluster: &Cluster,
        source: Option<&str>,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("config.yaml");
        let sources =
            source.map_or("{}".to_owned(), |url| format!("sources: [{{name: default, url: {url:?}}}]"));
        std::fs::write(&config, sources).expect("written");
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
        let child = Command::new(program)
            .args(arguments)
            .args(["run", "--listen", &address.to_string(), "--log-level", "warn", "--config"])
            .arg(&config)
            .args(options)
            .env("KUBECONFIG", &cluster.kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("the operator");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { child, metrics: format!("http://{address}/metrics"), http, _directory: directory }
    }

    /// Waits until so many decisions have been made. A policy that has ticked meanwhile counts twice.
    pub(crate) async fn until_decided(&self, count: usize) {
        self.until("tidetable_decisions_total{", count).await;
    }

    /// How many decisions have been made.
    pub(crate) async fn decisions(&self) -> u64 {
        self.sum("tidetable_decisions_total{").await
    }

    /// Waits until so many policies say that they are ready.
    pub(crate) async fn until_ready(&self, count: usize) {
        self.until("tidetable_policies_by_condition{type=\"Ready\",status=\"True\"}", count).await;
    }

    /// Waits until it leads, or until it is there and does not.
    pub(crate) async fn until_it_leads(&self, leads: bool) {
        let wanted = format!("tidetable_leader {}\n", u8::from(leads));
        while !self.shown().await.contains(&wanted) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until(&self, samples: &str, count: usize) {
        let count = u64::try_from(count).expect("a count");
        while self.sum(samples).await < count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The sum of all samples that begin like this.
    async fn sum(&self, name: &str) -> u64 {
        let text = self.shown().await;
        let samples = text.lines().filter(|line| line.starts_with(name));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    async fn shown(&self) -> String {
        let Ok(answer) = self.http.get(&self.metrics).send().await else { return String::new() };
        answer.text().await.unwrap_or_default()
    }

    /// CPU time so far, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        // Fields 14 and 15, counted from after the name, which may hold anything.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(0.0)
            * 1024.0
    }

    fn proc(&self, file: &str) -> String {
        let id = self.child.id().expect("it runs");
        std::fs::read_to_string(format!("/proc/{id}/{file}")).expect("a Linux")
    }

    /// Tells it to stop, as the cluster does.
    pub(crate) async fn terminate(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("a kill");
        assert!(sent.success(), "SIGTERM could not be sent");
    }

    pub(crate) async fn stop(mut self) {
        self.child.kill().await.expect("killed");
    }
}
