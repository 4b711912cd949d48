//! tidetable: a Kubernetes autoscaler that knows the time of day.

pub mod api;
pub mod cli;
pub mod clock;
pub mod decision;
pub mod manifest;
pub mod operator;
pub mod policy;
pub mod report;
pub mod sandbox;
pub mod simulation;
