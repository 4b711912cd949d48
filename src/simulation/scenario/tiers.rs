//! The tiers behind the first one: workloads with policies of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::expectation::Expectation;
use super::super::monitor::Quantity;
use super::super::plant::PlantSpec;
use super::super::scores::Price;
use super::super::{Scenario, Tier};
use super::metrics::{Place, bind};
use super::reader::Reader;
use super::spec::ScenarioSpec;
use super::{autoscalers, beside};
use crate::manifest::{self, Document, Mistakes};

/// The most of them.
const MOST_TIERS: usize = 20;

/// What the texts of a tier mean.
pub(super) struct ReadTier {
    name: String,
    policy: PathBuf,
    autoscaler: Option<PathBuf>,
    calls: f64,
    pub(super) plant: PlantSpec,
    quantities: BTreeMap<String, Quantity>,
    expectations: Vec<Expectation>,
}

impl Reader {
    pub(super) fn tiers(&mut self, spec: &ScenarioSpec) -> Vec<ReadTier> {
        if spec.tiers.len() > MOST_TIERS {
            self.add("tiers", format!("there may be at most {MOST_TIERS}"));
        }
        let mut tiers: Vec<ReadTier> = Vec::new();
        for (index, text) in spec.tiers.iter().enumerate() {
            let base = format!("tiers[{index}]");
            if text.name.is_empty() || tiers.iter().any(|tier| tier.name == text.name) {
                self.add(&format!("{base}.name"), "must not be empty, nor the name of another tier");
            }
            let mut plant = self.plant(&format!("{base}.plant"), &text.plant, spec.seed);
            plant.service.get_or_insert_default();
            tiers.push(ReadTier {
                name: text.name.clone(),
                policy: text.policy.clone(),
                autoscaler: text.autoscaler.clone(),
                calls: self.calls(&format!("{base}.calls"), text.calls),
                plant,
                quantities: text.metrics.clone(),
                expectations: self.expectations(&format!("{base}.expect"), &text.expect),
            });
        }
        tiers
    }
}

/// Puts the tiers behind the first one.
///
/// # Errors
/// What is wrong with their policies.
pub(super) fn add(
    mut first: Scenario,
    document: &Document,
    tiers: Vec<ReadTier>,
    others: &[Document],
    open: &impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Scenario, Mistakes> {
    let mut mistakes = Vec::new();
    let mut calls = 1.0;
    let count = tiers.len();
    for (index, tier) in tiers.into_iter().enumerate() {
        calls *= tier.calls;
        let base = format!("tiers[{index}].");
        let file = beside(document.file(), &tier.policy);
        let read = open(&tier.policy).map_err(|error| {
            document.mistake(&format!("{base}policy"), format!("{}: {error}", file.display())).into()
        });
        let read = read.and_then(|text| Ok((manifest::parse_policy_with(&file, &text, others)?, text)));
        let ((manifest, calendars), policy_text) = match read {
            Ok(read) => read,
            Err(Mistakes(more)) => {
                mistakes.extend(more);
                continue;
            }
        };
        let is_called = index + 1 < count;
        let has_tier = is_called || tier.plant.service.is_some_and(|service| service.downstream.is_some());
        let at = Place { document, base: &base };
        let autoscaler = autoscalers::read(at, tier.autoscaler.as_deref(), &manifest.resource, false, open);
        let bound = autoscaler.and_then(|autoscaler| {
            let followed = (&manifest.policy, autoscaler.as_ref());
            bind(at, followed, (&tier.plant, has_tier), &tier.quantities, false)?;
            Ok(autoscaler)
        });
        let autoscaler = match bound {
            Ok(autoscaler) => autoscaler,
            Err(Mistakes(more)) => {
                mistakes.extend(more);
                continue;
            }
        };
        first.missing_calendars.extend(manifest.missing_calendars);
        let scenario = Scenario {
            name: tier.name,
            policy: manifest.policy,
            resource: manifest.resource,
            calendars,
            missing_calendars: Vec::new(),
            policy_text,
            autoscaler,
            from: first.from,
            length: first.length,
            cut_from: None,
            interval: first.interval,
            traffic: first.traffic.times(calls),
            gaps: None,
            plant: tier.plant,
            behind: Vec::new(),
            quantities: tier.quantities,
            outages: first.outages.clone(),
            restarts: first.restarts.clone(),
            price: first.price.map(|price| Price { node_hour: 0.0, ..price }),
            expectations: tier.expectations,
            cluster: first.cluster,
        };
        first.behind.push(Tier { calls: tier.calls, scenario });
    }
    if mistakes.is_empty() { Ok(first) } else { Err(Mistakes(mistakes)) }
}
