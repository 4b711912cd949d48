//! Tests against something real: kubectl, a Prometheus server, the sandbox's API over HTTP, and the
//! cluster that `TIDETABLE_TEST_KUBECONFIG` names. One binary, since linking is what takes the time.

#![expect(clippy::panic, reason = "a test fails by panicking, also in a helper")]

mod access;
mod access_granting;
mod cli;
mod cli_warnings;
mod client;
mod cluster;
mod compare;
mod demo;
mod diff;
mod differential;
mod docs;
mod expectations;
mod explain;
mod faults;
mod kubectl;
mod learning;
mod operator_autoscaler;
mod operator_calendars;
mod operator_clock_changes;
mod operator_conflicts;
mod operator_edges;
mod operator_kinds;
mod operator_leader;
mod operator_load;
mod operator_memory;
mod operator_outdated;
mod operator_restarts;
mod operator_sandbox;
mod operator_status;
mod operator_telemetry;
mod operator_upgrade;
mod overriding;
mod pages;
mod preview;
mod prometheus;
mod recipes;
mod rules;
mod same_bytes;
mod sandbox_faults;
mod sandbox_http;
mod sandbox_plant;
mod sandbox_rules;
mod sandbox_stress;
mod sandbox_watches;
mod simulate;
mod simulate_autoscaler;
mod structure;
mod support;
mod traces;
mod transcript;
mod tuning;
