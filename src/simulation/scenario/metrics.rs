//! What a scenario says of the metrics and the guards of its policies.

use std::collections::BTreeMap;

use super::super::autoscaler::Autoscaler;
use super::super::monitor::Quantity;
use super::super::plant::PlantSpec;
use crate::decision::Policy;
use crate::manifest::{Document, Mistake, Mistakes};

/// Where in a scenario a tier is: at its root, or at a path that ends with a dot.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) document: &'a Document,
    pub(super) base: &'a str,
}

impl Place<'_> {
    pub(super) fn mistake(&self, path: &str, problem: String) -> Mistake {
        self.document.mistake(&format!("{}{path}", self.base), problem)
    }
}

/// Holds what a scenario says of metrics and guards against the policy and the autoscaler that have them, and the plant, which has a
/// tier behind it or not. Another policy than the scenario's own need not have them all.
pub(super) fn bind(
    at: Place<'_>,
    (policy, autoscaler): (&Policy, Option<&Autoscaler>),
    (plant, has_tier): (&PlantSpec, bool),
    quantities: &BTreeMap<String, Quantity>,
    is_another: bool,
) -> Result<(), Mistakes> {
    let mut mistakes = Vec::new();
    let metrics = policy.metrics.iter().map(|metric| &*metric.name);
    let guards = policy.guards.iter().map(|guard| &*guard.name);
    let theirs = autoscaler.into_iter().flat_map(|autoscaler| &autoscaler.metrics).map(String::as_str);
    let names: Vec<&str> = metrics.chain(theirs).chain(guards.clone()).collect();
    for (name, quantity) in quantities {
        let path = format!("metrics.{name}");
        if !is_another && !names.contains(&name.as_str()) {
            let [have, there_is] = if autoscaler.is_some() {
                ["and its autoscaler have", "there is"]
            } else {
                ["has", "it has"]
            };
            let problem =
                format!("the policy {have} no metric or guard of this name; {there_is} {}", names.join(", "));
            mistakes.push(at.mistake(&path, problem));
        }
        let lacks = match quantity {
            Quantity::Qps => None,
            Quantity::DownstreamUtilization => (!has_tier).then_some("plant.downstream or a tier behind"),
            Quantity::Latency | Quantity::QueueLength | Quantity::Utilization => {
                plant.service.is_none().then_some("plant.queue or plant.downstream")
            }
        };
        if let Some(lacks) = lacks {
            mistakes.push(at.mistake(&path, format!("needs {lacks}, which this scenario has not")));
        }
    }
    for name in autoscaler.into_iter().flat_map(|autoscaler| autoscaler.unshared(quantities)) {
        let problem = "is of the workload as a whole, and the autoscaler has a Pods metric of that name, of which each pod has a \
                       share: make it an Object or External metric with a value, or say qps or queueLength";
        mistakes.push(at.mistake(&format!("metrics.{name}"), problem.to_owned()));
    }
    for guard in guards.filter(|guard| !quantities.contains_key(*guard)) {
        let problem = format!(
            "the policy's guard {guard} has no number here: say what it is, such as `metrics: {{{guard}: \
             downstreamUtilization}}`"
        );
        mistakes.push(at.document.mistake(at.base.trim_end_matches('.'), problem));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
}
