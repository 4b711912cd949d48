//! From a decision to the scale subresource: a compare-and-set on the one number that matters.
//!
//! The patch tests for the number that was observed and sets the one that is desired. If somebody else
//! has written in between, the test fails, nothing is overwritten, and the caller looks again. At zero
//! the API server leaves the field out, so there the test is for `null`; `add` sets it either way.

use serde_json::{Value, json};

use super::cluster::{CallError, Cluster};
use crate::api::ScaleTargetRef;
use crate::decision::{Decision, Mode, Replicas};

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The workload already has the replicas that it should have.
    Unchanged,
    /// They were written.
    Scaled,
    /// They were not written because the policy only tries.
    DryRun,
    /// Somebody else has written since they were observed; nothing was changed.
    Overtaken,
}

/// Writes the decision, if there is anything to write.
pub(super) async fn apply(
    cluster: &Cluster,
    namespace: &str,
    target: &ScaleTargetRef,
    mode: Mode,
    decision: &Decision,
) -> Result<Applied, CallError> {
    match mode {
        Mode::DryRun | Mode::Paused => return Ok(Applied::DryRun),
        Mode::Active => {}
    }
    if !decision.is_change() {
        return Ok(Applied::Unchanged);
    }
    let patch = compare_and_set(decision.observed, decision.desired);
    match cluster.patch_scale(namespace, target, &patch).await {
        Ok(()) => Ok(Applied::Scaled),
        Err(CallError::Unprocessable(message)) => {
            // An admission rule answers with the same code as a failed test: the number tells them apart.
            let now = cluster.scale(namespace, target).await?;
            if now.replicas == decision.observed {
                Err(CallError::Unprocessable(message))
            } else {
                Ok(Applied::Overtaken)
            }
        }
        Err(error) => Err(error),
    }
}

/// The JSON patch that turns `seen` into `desired` and anything else into an error.
fn compare_and_set(seen: Replicas, desired: Replicas) -> Value {
    let seen = if seen == Replicas::ZERO { Value::Null } else { json!(seen.get()) };
    json!([
        {"op": "test", "path": "/spec/replicas", "value": seen},
        {"op": "add", "path": "/spec/replicas", "value": desired.get()},
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_tests_for_the_number_that_was_seen_and_for_null_at_zero() {
        for (seen, desired, text) in [
            (
                2,
                5,
                r#"[{"op":"test","path":"/spec/replicas","value":2},{"op":"add","path":"/spec/replicas","value":5}]"#,
            ),
            (
                0,
                1,
                r#"[{"op":"test","path":"/spec/replicas","value":null},{"op":"add","path":"/spec/replicas","value":1}]"#,
            ),
            (
                1,
                0,
                r#"[{"op":"test","path":"/spec/replicas","value":1},{"op":"add","path":"/spec/replicas","value":0}]"#,
            ),
        ] {
            let expected: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(compare_and_set(Replicas::new(seen), Replicas::new(desired)), expected);
        }
    }
}
