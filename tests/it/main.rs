//! Tests against something real: kubectl, a Prometheus server, the sandbox's API over HTTP, and the
//! cluster that `TIDETABLE_TEST_KUBECONFIG` names. One binary, since linking is what takes the time.

mod access;
mod cli;
mod client;
mod cluster;
mod differential;
mod kubectl;
mod operator_sandbox;
mod structure;
mod support;
mod transcript;
