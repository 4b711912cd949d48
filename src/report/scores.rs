//! The scores in the order and with the words that every report uses.

use super::text::grouped;
use crate::simulation::scores::{Elasticity, Scores};

/// A score, ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// What a person calls it.
    pub(super) title: &'static str,
    /// What machine-readable output calls it.
    pub(super) name: &'static str,
    /// The number.
    pub(super) value: String,
    /// What it is measured in.
    pub(super) unit: &'static str,
}

/// All scores.
pub(super) fn lines(scores: &Scores) -> Vec<Line> {
    // Taken apart by name, so that a new score is missed here.
    let Scores {
        requests,
        dropped_requests,
        dropped_percent,
        late_requests,
        late_percent,
        retried_requests,
        elasticity,
        peak_replicas,
    } = scores;
    let Elasticity {
        theta_u_percent,
        theta_o_percent,
        tau_u_percent,
        tau_o_percent,
        upsilon_percent,
        accuracy_u,
        accuracy_o,
        replica_hours,
        scale_events,
        reversals,
    } = elasticity;
    let line = |title, name, value, unit| Line { title, name, value, unit };
    let percent = |title, name, value: f64, unit| line(title, name, grouped(value, 3), unit);
    vec![
        line("Requests", "requests", grouped(*requests, 0), "requests"),
        line("Dropped requests", "dropped_requests", grouped(*dropped_requests, 0), "requests"),
        percent("Dropped share", "dropped_percent", *dropped_percent, "% of requests"),
        line("Late requests", "late_requests", grouped(*late_requests, 0), "requests"),
        percent("Late share", "late_percent", *late_percent, "% of requests"),
        line("Retried requests", "retried_requests", grouped(*retried_requests, 0), "requests"),
        line("Cost", "replica_hours", grouped(*replica_hours, 2), "replica hours"),
        line("Peak", "peak_replicas", peak_replicas.to_string(), "replicas"),
        line("Changes", "scale_events", scale_events.to_string(), "changes"),
        line("Changes of direction", "reversals", reversals.to_string(), "changes"),
        percent("Time with too few replicas", "tau_u_percent", *tau_u_percent, "% of time"),
        percent("Time with too many replicas", "tau_o_percent", *tau_o_percent, "% of time"),
        percent("Under-provisioned amount", "theta_u_percent", *theta_u_percent, "% of demand"),
        percent("Over-provisioned amount", "theta_o_percent", *theta_o_percent, "% of demand"),
        line("Mean missing replicas", "accuracy_u", grouped(*accuracy_u, 3), "replicas"),
        line("Mean surplus replicas", "accuracy_o", grouped(*accuracy_o, 3), "replicas"),
        percent("Instability", "upsilon_percent", *upsilon_percent, "% of steps"),
    ]
}
