//! Other ways to choose replicas, played in the same scenario and scored by the same books: the upstream
//! HorizontalPodAutoscaler, KEDA, Knative, a fixed number, an oracle, and whatever a file says.
//!
//! A rival has the bounds and the targets of the scenario's policy, and its own defaults for everything
//! else. So what is compared is the way of following, not the numbers that somebody chose.

mod file;
mod fixed;
pub mod hpa;
mod keda;
mod knative;
mod oracle;
pub(in crate::simulation) mod periodic;

use std::path::Path;

use self::fixed::Fixed;
use self::hpa::{Hpa, HpaMetric, HpaSpec, Pace, TOLERANCE};
use self::keda::Keda;
use self::knative::Knative;
use self::oracle::Oracle;
use self::periodic::Clocked;
use super::autoscaler::Autoscaler;
use super::chooser::{Follower, Scheduled};
use super::{Run, Scenario, run_with};
use crate::decision::{Guard, Policy, Replicas};
use crate::manifest::{Document, Mistake, Mistakes};

pub use crate::policy::MOST_REPLICAS;

/// Somebody else who would choose the replicas.
#[derive(Clone, Debug)]
pub struct Rival {
    /// What it is called in tables and pictures.
    pub name: String,
    /// The places at which a policy of a file names a calendar that is not in that file.
    pub missing_calendars: Vec<Mistake>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Hpa,
    Keda,
    Knative,
    Oracle,
    Static(Replicas),
    /// And the name of the autoscaler whose bounds it sets, if it sets any.
    Policy {
        policy: Box<Policy>,
        autoscaler: Option<String>,
        text: String,
    },
    Autoscaler(Box<Autoscaler>),
}

/// Why a rival can't play in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rival}: {problem}")]
pub struct Unfit {
    /// Which.
    pub rival: String,
    /// Why not.
    pub problem: &'static str,
}

impl Rival {
    /// The rival that `name` stands for: `hpa`, `keda`, `knative`, `oracle`, `static:N`, or a file with a
    /// `ScalePolicy` or a `HorizontalPodAutoscaler`.
    ///
    /// # Errors
    /// When it is none of these, or the file has mistakes.
    pub fn read(name: &str) -> Result<Self, Mistakes> {
        Self::read_with(name, &[])
    }

    /// As [`Rival::read`]; a policy may also name calendars among `others`, documents of other files.
    ///
    /// # Errors
    /// As there.
    pub fn read_with(name: &str, others: &[Document]) -> Result<Self, Mistakes> {
        let wrong = |problem: String| Mistake {
            file: Path::new(name).to_owned(),
            place: None,
            path: String::new(),
            problem,
        };
        let kind = match name {
            "hpa" => Kind::Hpa,
            "keda" => Kind::Keda,
            "knative" => Kind::Knative,
            "oracle" => Kind::Oracle,
            _ => match name.strip_prefix("static:") {
                Some(count) => {
                    let count = count.parse().ok().filter(|count| (0..=MOST_REPLICAS).contains(count));
                    let problem = || wrong(format!("static:N needs a number from 0 to {MOST_REPLICAS}"));
                    Kind::Static(Replicas::new(count.ok_or_else(problem)?))
                }
                None if Path::new(name).exists() => return file::read(Path::new(name), others),
                None => {
                    let known = "hpa, keda, knative, oracle, static:N, or a YAML file";
                    return Err(wrong(format!("there is no such file; expected {known}")).into());
                }
            },
        };
        Ok(Self { name: name.to_owned(), missing_calendars: Vec::new(), kind })
    }

    /// The rival that this text says, which is called `file` in errors: a `ScalePolicy` or a
    /// `HorizontalPodAutoscaler`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(file: &Path, text: String) -> Result<Self, Mistakes> {
        file::parse(file, text, &[])
    }

    /// Plays a scenario with this rival in the place of the policy.
    ///
    /// # Errors
    /// When the rival needs what the scenario's policy does not have.
    pub fn play(&self, scenario: &Scenario) -> Result<Run, Unfit> {
        let policy = &scenario.policy;
        let initial = scenario.plant.initial_replicas;
        let quantities = scenario.quantities(policy).metrics;
        let unfit = |problem| Unfit { rival: self.name.clone(), problem };
        let run = match &self.kind {
            Kind::Hpa => {
                let hpa = if let Some(autoscaler) = scenario.scheduled() {
                    autoscaler.acting(scenario)
                } else {
                    let spec = like(policy).ok_or(unfit("the scenario's policy has no metrics to follow"))?;
                    Clocked::new(Hpa::new(spec), scenario.from, quantities)
                };
                run_with(scenario, hpa, initial)
            }
            Kind::Autoscaler(autoscaler) => {
                if autoscaler.unshared(&scenario.quantities).next().is_some() {
                    return Err(unfit("it has a Pods metric of something that is no share of each pod's"));
                }
                run_with(scenario, autoscaler.acting(scenario), initial)
            }
            Kind::Keda | Kind::Knative if scenario.scheduled().is_some() => {
                return Err(unfit(
                    "the scenario's replicas follow the metrics of an autoscaler, not of a policy",
                ));
            }
            Kind::Keda => {
                run_with(scenario, Clocked::new(Keda::new(policy), scenario.from, quantities), initial)
            }
            Kind::Knative => {
                let knative = Knative::new(policy, &quantities, &scenario.traffic);
                let problem = "the scenario's policy has no metric of requests with an averageValue";
                let knative = knative.ok_or(unfit(problem))?;
                run_with(scenario, Clocked::new(knative, scenario.from, Vec::new()), initial)
            }
            Kind::Oracle => {
                let oracle = Oracle::new(scenario);
                let initial = oracle.initial();
                run_with(scenario, oracle, initial)
            }
            Kind::Static(count) => run_with(scenario, Fixed(*count), *count),
            Kind::Policy { policy, autoscaler, .. } => {
                let is_named = |guard: &Guard| scenario.quantities.contains_key(&*guard.name);
                if !policy.guards.iter().all(is_named) {
                    return Err(unfit("it has a guard that the scenario's `metrics` do not name"));
                }
                let follower =
                    Follower::new(policy, scenario.quantities(policy)).restarting(&scenario.restarts);
                match autoscaler {
                    None => run_with(scenario, follower, initial),
                    Some(name) => {
                        let known = scenario.autoscaler.as_ref().filter(|known| known.name == *name);
                        let problem = "it sets the bounds of an autoscaler that the scenario's `autoscaler` does not name";
                        let autoscaler = known.ok_or(unfit(problem))?.acting(scenario);
                        run_with(scenario, Scheduled::new(follower, autoscaler), initial)
                    }
                }
            }
        };
        let policy_text = match &self.kind {
            Kind::Policy { text, .. } => text.clone(),
            Kind::Autoscaler(autoscaler) => autoscaler.text.clone(),
            Kind::Hpa | Kind::Keda | Kind::Knative | Kind::Oracle | Kind::Static(_) => String::new(),
        };
        Ok(Run { name: self.name.clone(), policy_text, ..run })
    }
}

/// The `HorizontalPodAutoscaler` with a policy's bounds and targets and with no `behavior`.
fn like(policy: &Policy) -> Option<HpaSpec> {
    let metrics = policy.metrics.iter().map(|metric| HpaMetric::Whole(metric.target));
    (!policy.metrics.is_empty()).then(|| HpaSpec {
        min: policy.min,
        max: policy.max,
        metrics: metrics.collect(),
        pace: Pace::Default { tolerance: TOLERANCE },
        scales_from_zero: policy.min == Replicas::ZERO,
    })
}

#[cfg(test)]
mod tests;
