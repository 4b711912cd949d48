//! Elasticity metrics of regular samples and of levels over time, computed by others.

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
    compare(row, |name| got[name].as_f64())
}

pub(crate) fn metric_vectors(row: &Value) -> Verdict {
    let levels = |key: &str| -> Vec<(f64, u32)> {
        let pairs = row[key].as_array().into_iter().flatten();
        pairs.filter_map(|p| Some((p[0].as_f64()?, u32::try_from(p[1].as_u64()?).ok()?))).collect()
    };
    let (demand, supply) = (levels("demand"), levels("supply"));
    let Some(end) = row["t_end"].as_f64() else { return Verdict::Failed("no t_end".to_owned()) };
    let scores = scores::bungee(&demand, &supply, end);
    let step = row["expected"]["instability_step"].as_f64().unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small table")]
    let n = (end / step).round() as usize;
    let (demand, supply) = (scores::sampled(&demand, step, n), scores::sampled(&supply, step, n));
    let (k, k2) = scores::instability(&demand, &supply);
    let upsilon = scores::elasticity(Duration::from_secs_f64(step), &demand, &supply).upsilon_percent;
    compare(row, |name| {
        Some(match name {
            "accuracy_U" | "a_U" => scores.accuracy_u,
            "accuracy_O" | "a_O" => scores.accuracy_o,
            "timeshare_U" => scores.timeshare_u,
            "timeshare_O" => scores.timeshare_o,
            "tau_U" => 100.0 * scores.timeshare_u,
            "tau_O" => 100.0 * scores.timeshare_o,
            "theta_U" => scores.theta_u_percent,
            "theta_O" => scores.theta_o_percent,
            "theta_O_by_supply" => scores.theta_o_by_supply_percent,
            "mean_supply" => scores.mean_supply,
            "churn" => scores.churn,
            "jitter_per_time_unit" => scores.jitter_per_time_unit,
            "k" => k,
            "k2" => k2,
            "upsilon" => upsilon,
            "instability_step" => step,
            _ => return None,
        })
    })
}

fn compare(row: &Value, got: impl Fn(&str) -> Option<f64>) -> Verdict {
    for (name, expected) in row["expected"].as_object().into_iter().flatten() {
        let (Some(expected), Some(got)) = (expected.as_f64(), got(name)) else {
            return Verdict::Failed(format!("no score {name}"));
        };
        if (expected - got).abs() > TOLERANCE {
            return Verdict::Failed(format!("{name}: expected {expected}, got {got}"));
        }
    }
    Verdict::Passed
}
