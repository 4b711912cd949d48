//! `tidetable run` as a process of its own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::free_port;
use crate::cluster::stage::{Checked, HOME, in_time};

/// The line by which the operator says that it works.
const READY: &str = "the policies are read";

/// A running operator; it is killed when dropped.
pub(crate) struct Process {
    child: Child,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
    /// Ends with what it logs.
    listener: JoinHandle<()>,
}

impl Process {
    /// Starts an operator for one namespace, and waits until it has read the policies there.
    pub(crate) async fn start(kubeconfig: &Path, config: &Path, namespace: &str) -> Checked<Self> {
        let config = config.display().to_string();
        let elected = ["--leader-elect", "--lease-namespace", HOME];
        let arguments = ["--interval", "1s", "--namespace", namespace, "--config", &config];
        Self::start_with(kubeconfig, &[&elected[..], &arguments].concat()).await
    }

    /// Starts an operator with these arguments, and waits until it has read the policies.
    pub(crate) async fn start_with(kubeconfig: &Path, arguments: &[&str]) -> Checked<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidetable"))
            .args(["run", "--listen", &address])
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (sender, mut ready) = watch::channel(false);
        let lines = child.stderr.take().ok_or("no stderr")?;
        let listener = tokio::spawn(follow(lines, Arc::clone(&log), sender));
        let process = Self { child, address, log, listener };
        let up = in_time("the operator to be ready", async {
            // The other end goes with the process.
            ready.wait_for(|ready| *ready).await.map_err(|_| "the operator ended")?;
            Ok(())
        });
        match up.await {
            Ok(()) => Ok(process),
            Err(error) => Err(format!("{error}\n{}", process.log()).into()),
        }
    }

    /// What the operator serves under a path, when it answers with 200.
    pub(crate) async fn serves(&self, path: &str) -> Checked<String> {
        tidetable::operator::install_crypto_provider();
        let http = reqwest::Client::builder().no_proxy().build()?;
        let answer = http.get(format!("http://{}{path}", self.address)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Sends SIGTERM and waits for the end, and for the last line of the log.
    pub(crate) async fn terminate(&mut self) -> Checked<ExitStatus> {
        self.signal("TERM").await?;
        in_time("the operator to end", async {
            (&mut self.listener).await?;
            Ok(self.child.wait().await?)
        })
        .await
    }

    /// Sends a signal.
    pub(crate) async fn signal(&self, name: &str) -> Checked {
        let id = self.child.id().ok_or("the operator ended by itself")?;
        let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().await?;
        if sent.success() { Ok(()) } else { Err(format!("SIG{name} could not be sent").into()) }
    }

    /// The value of one of its metrics without labels.
    pub(crate) async fn metric(&self, name: &str) -> Checked<u64> {
        let text = self.serves("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("no {name} in\n{text}"))?.parse()?)
    }
}

async fn follow(stream: impl AsyncRead + Unpin, log: Arc<Mutex<Vec<String>>>, ready: watch::Sender<bool>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains(READY) {
            ready.send_replace(true);
        }
        log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
