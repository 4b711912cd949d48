//! What a change of a policy costs and buys: the scores of two runs of one scenario beside each other, and where
//! their replicas differ most.

use std::fmt::Write;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::scores::{Line, lines};
use super::table::aligned;
use super::text::grouped;
use crate::simulation::{Row, Run};

/// The scores that say what a change costs and buys, by name, and with how many decimals a change of each is
/// written.
const SHOWN: [(&str, usize); 10] = [
    ("late_requests", 0),
    ("late_percent", 3),
    ("dropped_requests", 0),
    ("dropped_percent", 3),
    ("tau_u_percent", 3),
    ("theta_u_percent", 3),
    ("replica_hours", 2),
    ("peak_replicas", 0),
    ("scale_events", 0),
    ("reversals", 0),
];

/// A score before and after.
struct Pair {
    title: &'static str,
    unit: &'static str,
    before: String,
    after: String,
    change: String,
}

/// The table for a terminal.
#[must_use]
pub fn table(old: &Run, new: &Run) -> String {
    let head = ["", "before", "after", "change"].map(str::to_owned).to_vec();
    let rows = pairs(old, new)
        .into_iter()
        .map(|pair| vec![format!("{}, {}", pair.title, pair.unit), pair.before, pair.after, pair.change]);
    aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// The table as Markdown, fit for a pull request.
#[must_use]
pub fn markdown(old: &Run, new: &Run) -> String {
    let mut text = String::from("| | before | after | change |\n|---|---:|---:|---:|\n");
    for Pair { title, unit, before, after, change } in pairs(old, new) {
        // Writing to a string can't fail.
        let _ = writeln!(text, "| {title}, {unit} | {before} | {after} | {change} |");
    }
    text
}

/// The scores of both, and the difference of each, by name.
///
/// # Errors
/// Never: scores are numbers.
pub fn json(old: &Run, new: &Run) -> Result<Value, serde_json::Error> {
    let [before, after] = [old, new].map(|run| serde_json::to_value(&run.scores));
    let (before, after) = (before?, after?);
    let numbers = |name: &String| Some(after[name].as_f64()? - before[name].as_f64()?);
    let names = before.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let change: serde_json::Map<String, Value> =
        names.filter_map(|name| numbers(&name).map(|change| (name, json!(change)))).collect();
    Ok(json!({"before": before, "after": after, "change": change}))
}

/// Where the replicas differ, in a sentence or two.
#[must_use]
pub fn places(old: &Run, new: &Run, zone: &TimeZone) -> String {
    let differ = |(old, new): &(&Row, &Row)| old.replicas != new.replicas;
    let pairs = || old.rows.iter().zip(&new.rows);
    let count = pairs().filter(differ).count();
    let apart = |(old, new): &(&Row, &Row)| old.replicas.abs_diff(new.replicas);
    // Of several the first, as people read from the left.
    let Some((before, after)) = pairs().rev().max_by_key(apart).filter(differ) else {
        return "The replicas are the same at every tick.\n".to_owned();
    };
    let span = |ticks: usize| {
        let length = old.interval.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        format!("{:#}", SignedDuration::from_secs(length.as_secs()))
    };
    format!(
        "The replicas differ for {} of {}, most at {}: {} before ({}), {} after ({}).\n",
        span(count),
        span(old.rows.len()),
        before.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z"),
        before.replicas,
        before.reason.as_str(),
        after.replicas,
        after.reason.as_str(),
    )
}

fn pairs(old: &Run, new: &Run) -> Vec<Pair> {
    let [before, after] = [old, new].map(|run| lines(&run.scores));
    let numbers = [old, new].map(|run| serde_json::to_value(&run.scores).unwrap_or_default());
    let pair = |(name, decimals): (&str, usize)| {
        let find = |lines: &[Line]| lines.iter().find(|line| line.name == name).cloned();
        let (before, after) = (find(&before)?, find(&after)?);
        let [from, to] = numbers.each_ref().map(|scores| scores[name].as_f64().unwrap_or_default());
        Some(Pair {
            title: before.title,
            unit: before.unit,
            before: before.value,
            after: after.value,
            change: change(from, to, decimals),
        })
    };
    SHOWN.into_iter().filter_map(pair).collect()
}

/// The difference with its sign, and in percent of what was before where that says something.
fn change(before: f64, after: f64, decimals: usize) -> String {
    let difference = after - before;
    let text = grouped(difference, decimals);
    if text.chars().all(|c| matches!(c, '-' | '0' | '.')) {
        return "0".to_owned();
    }
    let sign = if difference > 0.0 { "+" } else { "" };
    if before == 0.0 {
        return format!("{sign}{text}");
    }
    format!("{sign}{text} ({sign}{} %)", grouped(difference / before * 100.0, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_its_sign_and_its_share_of_what_was() {
        for (before, after, text) in [
            (10.0, 12.5, "+2.50 (+25.0 %)"),
            (12.5, 10.0, "-2.50 (-20.0 %)"),
            (0.0, 3.0, "+3.00"),
            (3.0, 0.0, "-3.00 (-100.0 %)"),
            (3.0, 3.001, "0"),
            (2000.0, 3500.0, "+1,500.00 (+75.0 %)"),
        ] {
            assert_eq!(change(before, after, 2), text);
        }
    }
}
