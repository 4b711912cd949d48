//! `tidetable sandbox`: the in-process Kubernetes API alone or with workloads that run, for people and scripts.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::{Failure, faults, runtime};
use crate::clock::Clock;
use crate::policy::parse_duration;
use crate::sandbox::{PlantOptions, Sandbox, SandboxOptions};
use crate::simulation::plant::{ClusterSpec, NodesSpec, PodsSpec};

/// How long a node is not needed before it is given back.
const UNNEEDED: Duration = Duration::from_secs(60);

/// Arguments of `tidetable sandbox`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write the kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The port on 127.0.0.1; 0 chooses a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Run Deployments too: their pods are placed, start, are ready, end
    #[arg(long)]
    workloads: bool,
    /// From a pod's place until it is ready
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, requires = "workloads")]
    startup: Duration,
    /// From a pod's removal until it is gone, at most its grace period
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration, requires = "workloads")]
    termination: Duration,
    /// How many nodes there are at least; without it, one that has room for everybody
    #[arg(long, value_name = "NUMBER", requires = "workloads")]
    nodes: Option<u32>,
    /// How many nodes there are at most [default: --nodes]
    #[arg(long, value_name = "NUMBER", requires = "nodes")]
    max_nodes: Option<u32>,
    /// How many pods a node has room for
    #[arg(long, value_name = "NUMBER", default_value_t = 10, requires = "nodes", value_parser = clap::value_parser!(u32).range(1..))]
    pods_per_node: u32,
    /// From the order of a node until it takes pods
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, requires = "nodes")]
    provisioning: Duration,
    /// How many pods there may be at most
    #[arg(long, value_name = "NUMBER", requires = "workloads")]
    quota: Option<u32>,
    #[command(flatten)]
    faults: faults::Args,
}

impl Args {
    fn plant(&self) -> Result<PlantOptions, Failure> {
        if self.max_nodes.zip(self.nodes).is_some_and(|(most, least)| most < least) {
            return Err(Failure::BadInput("--max-nodes must not be less than --nodes".to_owned()));
        }
        let nodes = self.nodes.map(|count| NodesSpec {
            pods_per_node: self.pods_per_node,
            count,
            max: self.max_nodes.unwrap_or(count),
            // The plant wants it to be more than nothing.
            provisioning: self.provisioning.max(Duration::from_millis(1)),
            unneeded: UNNEEDED,
        });
        let others = PodsSpec { startup: self.startup, termination: self.termination, ..PodsSpec::default() };
        let cluster = ClusterSpec { nodes, quota: self.quota };
        Ok(PlantOptions { others, cluster, ..PlantOptions::default() })
    }
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let plant = args.plant()?;
    runtime()?.block_on(async {
        let faults = args.faults.faults();
        let options = SandboxOptions { port: args.port, faults, ..SandboxOptions::new(Clock::real()) };
        let failed = |error: &dyn std::fmt::Display| Failure::Runtime(format!("the sandbox failed: {error}"));
        let sandbox = Sandbox::start(options).await.map_err(|error| failed(&error))?;
        if args.workloads {
            sandbox.run_workloads(plant);
        }
        sandbox.write_kubeconfig(&args.kubeconfig).await.map_err(|error| failed(&error))?;
        writeln!(out, "a Kubernetes API at {}, until it is interrupted:", sandbox.url())?;
        writeln!(out, "  kubectl --kubeconfig {} get namespaces", args.kubeconfig.display())?;
        out.flush()?;
        super::interrupted().await;
        sandbox.shutdown().await;
        Ok(())
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}
