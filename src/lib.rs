//! tidetable: a Kubernetes autoscaler that knows the time of day.
pub mod api;
pub mod clock;
pub mod decision;
pub mod policy;
