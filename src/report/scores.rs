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
        settling_seconds,
        overshoot_percent,
        downstream_overload_percent,
        unplaced_replica_hours,
        node_hours,
        cost,
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
    let mut lines = vec![
        line("Requests", "requests", grouped(*requests, 0), "requests"),
        line("Dropped requests", "dropped_requests", grouped(*dropped_requests, 0), "requests"),
        percent("Dropped share", "dropped_percent", *dropped_percent, "% of requests"),
        line("Late requests", "late_requests", grouped(*late_requests, 0), "requests"),
        percent("Late share", "late_percent", *late_percent, "% of requests"),
        line("Retried requests", "retried_requests", grouped(*retried_requests, 0), "requests"),
        line("Replica hours", "replica_hours", grouped(*replica_hours, 2), "replica hours"),
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
        line("Longest shortage", "settling_seconds", grouped(*settling_seconds, 0), "seconds"),
        percent("Overshoot", "overshoot_percent", *overshoot_percent, "% of demand"),
    ];
    // What only some scenarios have.
    if *downstream_overload_percent > 0.0 {
        let name = "downstream_overload_percent";
        lines.push(percent("Tier behind overloaded", name, *downstream_overload_percent, "% of time"));
    }
    if *node_hours > 0.0 || *unplaced_replica_hours > 0.0 {
        let hours = grouped(*unplaced_replica_hours, 2);
        lines.push(line("Replicas without a place", "unplaced_replica_hours", hours, "replica hours"));
        lines.push(line("Node hours", "node_hours", grouped(*node_hours, 2), "node hours"));
    }
    if let Some(cost) = cost {
        lines.push(line("Cost", "cost", grouped(*cost, 2), ""));
    }
    lines
}
