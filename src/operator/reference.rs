//! What the operator says about policies, as documentation: `docs/status.md` is what this prints.

use std::fmt::Write as _;

use super::conditions::{Aspect, Reason};
use super::events::EventReason;
use super::metrics;
use crate::decision::{DesiredReason, MissingCause};

impl Aspect {
    /// The reasons that its condition may have.
    const fn reasons(self) -> &'static [Reason] {
        use Reason as R;
        match self {
            Self::Ready => &[
                R::AsPlanned,
                R::InvalidSpec,
                R::InvalidAnnotation,
                R::CalendarMissing,
                R::Conflict,
                R::Contested,
                R::TargetNotFound,
                R::Forbidden,
                R::Refused,
                R::Unavailable,
                R::Overtaken,
                R::Paused,
            ],
            Self::AbleToScale => &[
                R::AsPlanned,
                R::Conflict,
                R::Contested,
                R::TargetNotFound,
                R::Forbidden,
                R::Refused,
                R::Unavailable,
                R::Overtaken,
                R::Paused,
            ],
            Self::ScalingActive => &[
                R::MetricsRead,
                R::MetricsPartial,
                R::MetricsMissing,
                R::MetricsRecovering,
                R::NotReadYet,
                R::NoMetrics,
                R::DryRun,
                R::Paused,
                R::Conflict,
                R::InvalidSpec,
            ],
            Self::ScalingLimited => &[
                R::NotLimited,
                R::MaxReplicas,
                R::Ceiling,
                R::ScaleUpRate,
                R::ScaleDownRate,
                R::Guard,
                R::Capacity,
            ],
            Self::CapacityLimited => &[R::EnoughRoom, R::Capacity, R::PodsUnknown, R::NoMetrics, R::Disabled],
        }
    }
}

/// The status of a policy, its events and their words, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for aspect in Aspect::ALL {
        section(&mut page, "###", aspect.as_str(), aspect.meaning());
        let reasons = Reason::ALL.iter().filter(|reason| aspect.reasons().contains(reason));
        table(&mut page, reasons.map(|reason| (reason.as_str(), reason.meaning())));
    }
    section(
        &mut page,
        "##",
        "Reasons of a decision",
        "`status.decision.reason`: what determined the desired replicas.",
    );
    table(&mut page, DesiredReason::ALL.iter().map(|reason| (reason.as_str(), reason.meaning())));
    section(
        &mut page,
        "##",
        "Why a metric is missing",
        "The label `cause` of the operator's metric `tidetable_query_failures_total`. `status.decision.metrics[].problem` says the same as a sentence, with the source.",
    );
    table(&mut page, MissingCause::ALL.iter().map(|cause| (cause.as_str(), cause.meaning())));
    let text = "One for each change, and one when something begins to be wrong. Of one policy there are at most 25 of either type \
                at a time, and one more every five minutes; what is left out the log has at level `debug`, and each change at \
                `info`.";
    section(&mut page, "##", "Events", text);
    table(&mut page, EventReason::ALL.iter().map(|reason| (reason.as_str(), reason.meaning())));
    let text = "The operator's own, at `/metrics`. Their number does not grow with the policies: every label comes from a \
                closed list or from the operator's configuration.";
    section(&mut page, "##", "Metrics", text);
    page.push_str("| metric | labels | |\n|---|---|---|\n");
    for (name, labels, meaning) in metrics::TOLD {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{name}` | {} | {meaning} |", labels.join(", "));
    }
    page
}

const HEAD: &str = "\
# Status, events and their words

This page is generated from the code (`make docs`). The lists are closed: no other words appear.

## `kubectl get sp`

| column | |
|---|---|
| TARGET | the scaled object |
| MODE | `Active`, `DryRun` or `Paused` |
| BASELINE | the schedule's floor |
| LOAD | the load's level: what the metrics ask for after damping |
| DESIRED | what the last decision asks for |
| CURRENT | the replicas as last seen or written |
| NEXT | the next change of the schedule, in its zone: `20:00 → 3` is a floor of 3 from 20:00 on, `22:00 ≤ 6` a ceiling of 6; with the day or the date when it is further off |
| REASON | what determined DESIRED; empty while no decision is in force |
| READY | whether the policy is understood and does its work; with `-o wide` only |
| AGE | since the policy was made |

`kubectl describe sp` has the whole of the last decision.

## Conditions
";

fn section(page: &mut String, level: &str, title: &str, text: &str) {
    // Writing to a string can't fail.
    let _ = write!(page, "\n{level} {title}\n\n{text}\n\n");
}

fn table(page: &mut String, rows: impl Iterator<Item = (&'static str, &'static str)>) {
    page.push_str("| reason | |\n|---|---|\n");
    for (word, meaning) in rows {
        let _ = writeln!(page, "| `{word}` | {meaning} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_belongs_to_a_condition() {
        for reason in Reason::ALL {
            let is_used = Aspect::ALL.iter().any(|aspect| aspect.reasons().contains(reason));
            assert!(is_used, "{reason:?} is in no condition's list");
        }
    }

    #[test]
    fn docs_status_md_is_what_is_generated() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/status.md");
        let text = std::fs::read_to_string(file).expect("it is checked in");
        assert!(text == reference(), "docs/status.md is out of date: run make docs");
    }
}
