//! tidetable: a Kubernetes autoscaler that knows the time of day.
//!
//! A `ScalePolicy` says how many replicas a workload has at which hour, what one replica can carry, and
//! how calmly to move between the two. This crate is the library behind the `tidetable` command. Its map:
//!
//! ```text
//! main → cli → { operator | simulation | sandbox | report }
//!                    │            │
//!                    └── policy (validated) ── decision (pure: schedule, load, damping)
//!                             └── api (the CRD types, no logic)
//! ```
//!
//! - [`api`]: the custom resource as Rust types, with the rules that the API server enforces
//! - [`policy`]: from a spec to something that can decide, with every mistake at its field
//! - [`decision`]: [`decision::decide`], a pure function; start reading here
//! - [`operator`]: watches policies and keeps workloads at what is decided
//! - [`simulation`]: the same decisions against made-up or recorded traffic
//! - [`learning`]: from a history of demand to a schedule
//! - [`tuning`]: the search for the numbers of a policy
//! - [`report`]: what people look at afterwards
//! - [`sandbox`]: a Kubernetes API in the process, for the demo and for tests
//! - [`manifest`]: YAML files with a place for every field
//! - [`clock`]: the only reader of time
//! - [`labels`]: label selectors as text
//! - [`zones`]: where the rules of time zones come from
//! - [`cli`]: the command line
//!
//! ARCHITECTURE.md has the decisions behind this and their reasons.

pub mod api;
pub mod cli;
pub mod clock;
pub mod decision;
mod dns;
pub mod labels;
pub mod learning;
pub mod manifest;
pub mod operator;
pub mod policy;
pub mod report;
pub mod sandbox;
pub mod simulation;
pub mod tuning;
pub mod zones;
