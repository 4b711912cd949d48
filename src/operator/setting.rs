//! What the operator sets on a target: the replicas of a workload, or the bounds of a HorizontalPodAutoscaler.
//!
//! Either is written as a compare-and-set: a JSON patch that tests for what was observed and sets what is
//! desired. If somebody else has written in between, the test fails and nothing is overwritten.

use std::fmt;

use serde_json::{Value, json};

use crate::decision::{Decision, Replicas};

/// What a target has, or should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// `spec.replicas` of a scale subresource.
    Replicas(Replicas),
    /// `spec.minReplicas` and `spec.maxReplicas` of a HorizontalPodAutoscaler.
    Bounds {
        /// What the schedule asks for.
        min: Replicas,
        /// The schedule's ceiling.
        max: Replicas,
    },
}

impl Setting {
    /// The bounds of a HorizontalPodAutoscaler, of which the lower one may be left to the API server.
    pub(super) fn bounds(min: Option<i32>, max: i32) -> Self {
        Self::Bounds { min: Replicas::new(min.unwrap_or(1)), max: Replicas::new(max) }
    }

    /// The number that a decision is about.
    #[must_use]
    pub const fn replicas(self) -> Replicas {
        match self {
            Self::Replicas(replicas) => replicas,
            Self::Bounds { min, .. } => min,
        }
    }

    /// What a decision about it asks for.
    pub(super) fn wanted(self, decision: &Decision) -> Self {
        match self {
            Self::Replicas(_) => Self::Replicas(decision.desired),
            Self::Bounds { .. } => {
                let (min, max) = decision.bounds();
                Self::Bounds { min, max }
            }
        }
    }

    /// The JSON patch that turns this into `desired` and anything else into an error.
    pub(super) fn compare_and_set(self, desired: Self) -> Value {
        let test = |path: &str, value: Value| json!({"op": "test", "path": path, "value": value});
        let add = |path: &str, value: Replicas| json!({"op": "add", "path": path, "value": value.get()});
        match (self, desired) {
            (Self::Bounds { min, max }, Self::Bounds { min: new_min, max: new_max }) => json!([
                test("/spec/minReplicas", min.get().into()),
                test("/spec/maxReplicas", max.get().into()),
                add("/spec/minReplicas", new_min),
                add("/spec/maxReplicas", new_max),
            ]),
            (seen, desired) => {
                let seen = seen.replicas();
                // At zero the API server leaves the field out; `add` sets it either way.
                let seen = if seen == Replicas::ZERO { Value::Null } else { seen.get().into() };
                json!([test("/spec/replicas", seen), add("/spec/replicas", desired.replicas())])
            }
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas(replicas) => replicas.fmt(f),
            Self::Bounds { min, max } => write!(f, "minReplicas {min}, maxReplicas {max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(min: i32, max: i32) -> Setting {
        Setting::Bounds { min: Replicas::new(min), max: Replicas::new(max) }
    }

    #[test]
    fn the_patch_tests_for_what_was_seen_and_for_null_at_zero_replicas() {
        let replicas = |count| Setting::Replicas(Replicas::new(count));
        for (seen, desired, text) in [
            (
                replicas(2),
                replicas(5),
                r#"[{"op":"test","path":"/spec/replicas","value":2},{"op":"add","path":"/spec/replicas","value":5}]"#,
            ),
            (
                replicas(0),
                replicas(1),
                r#"[{"op":"test","path":"/spec/replicas","value":null},{"op":"add","path":"/spec/replicas","value":1}]"#,
            ),
            (
                replicas(1),
                replicas(0),
                r#"[{"op":"test","path":"/spec/replicas","value":1},{"op":"add","path":"/spec/replicas","value":0}]"#,
            ),
            (
                bounds(0, 10),
                bounds(5, 20),
                r#"[{"op":"test","path":"/spec/minReplicas","value":0},{"op":"test","path":"/spec/maxReplicas","value":10},
                    {"op":"add","path":"/spec/minReplicas","value":5},{"op":"add","path":"/spec/maxReplicas","value":20}]"#,
            ),
        ] {
            let expected: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(seen.compare_and_set(desired), expected);
        }
    }

    #[test]
    fn bounds_rise_and_fall_by_the_lower_one_first() {
        assert!(bounds(3, 10) > bounds(2, 20));
        assert!(bounds(3, 11) > bounds(3, 10));
        assert_eq!(bounds(3, 10).to_string(), "minReplicas 3, maxReplicas 10");
    }
}
