//! Elasticity metrics, computed by others.

use std::time::Duration;

use serde_json::Value;
use tidetable::simulation::scores;

use crate::Verdict;

/// How far a score may be from the table's, which has nine decimals.
const TOLERANCE: f64 = 1e-6;

pub(crate) fn elasticity(row: &Value) -> Verdict {
    let levels = |key: &str| -> Vec<u32> {
        let levels = row[key].as_array().into_iter().flatten().filter_map(Value::as_u64);
        levels.filter_map(|level| u32::try_from(level).ok()).collect()
    };
    let step = Duration::from_secs_f64(row["step_s"].as_f64().unwrap_or_default());
    let scores = scores::elasticity(step, &levels("demand"), &levels("supply"));
    let Ok(got) = serde_json::to_value(scores) else { return Verdict::Failed("no JSON".to_owned()) };
    for (name, expected) in row["expected"].as_object().into_iter().flatten() {
        let (Some(expected), Some(got)) = (expected.as_f64(), got[name].as_f64()) else {
            return Verdict::Failed(format!("no score {name}"));
        };
        if (expected - got).abs() > TOLERANCE {
            return Verdict::Failed(format!("{name}: expected {expected}, got {got}"));
        }
    }
    Verdict::Passed
}
