//! tidetable: a Kubernetes autoscaler that knows the time of day.
pub mod clock;
pub mod sandbox;
