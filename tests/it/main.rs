//! Tests of the crate from outside, in one binary.

mod client;
mod kubectl;
mod transcript;
