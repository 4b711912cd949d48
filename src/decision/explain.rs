//! A decision as a person would say it: one sentence, the same in events, logs, status and reports.

use std::fmt;

use super::{
    Cause, Decision, DesiredReason, FallbackLevel, GuardState, LoadDecision, LoadLimit, LoadState, Policy,
    Raised, Reading, Replicas,
};

/// A decision in words; made by [`Decision::explain`].
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    policy: &'a Policy,
    decision: &'a Decision,
}

impl Decision {
    /// This decision, which was made under `policy`, as a sentence without a full stop.
    #[must_use]
    pub fn explain<'a>(&'a self, policy: &'a Policy) -> Explanation<'a> {
        Explanation { policy, decision: self }
    }
}

impl Explanation<'_> {
    fn entry(&self, cause: Cause) -> Option<&str> {
        self.policy.schedule.entry(cause.entry()?).map(|entry| &*entry.name)
    }

    /// The active guards, by name.
    fn guards(&self, load: &LoadDecision) -> String {
        let states = self.policy.guards.iter().zip(&load.guards);
        let active = states.filter(|(_, state)| matches!(state, GuardState::Active(_)));
        let names: Vec<&str> = active.map(|(guard, _)| &*guard.name).collect();
        format!("guard {}", names.join(", "))
    }

    fn load(&self, f: &mut fmt::Formatter<'_>, load: &LoadDecision, desired: Replicas) -> fmt::Result {
        if load.level != desired {
            write!(f, "; {}", level(load))?;
        }
        match load.raised {
            Some(Raised::Override) => {
                write!(f, "; it comes from the {} of an override that is over", load.before)?;
            }
            Some(Raised::Hand) => write!(f, "; it comes from the {} that somebody has set", load.before)?,
            None => {}
        }
        for (metric, read) in self.policy.metrics.iter().zip(&load.metrics) {
            match read.reading {
                Reading::Value(value) => write!(f, "; {} is {value}", metric.name)?,
                Reading::Missing(cause) => write!(f, "; {} is missing ({})", metric.name, cause.as_str())?,
            }
        }
        for (guard, state) in self.policy.guards.iter().zip(&load.guards) {
            if let GuardState::Unread(cause) = state {
                write!(f, "; guard {} can't be read ({}) and does nothing", guard.name, cause.as_str())?;
            }
        }
        match load.state {
            LoadState::Missing
                if load.remembered.is_some() && self.policy.fallback.level != FallbackLevel::Hold =>
            {
                f.write_str("; the fallback stands in until metrics were read twice in a row")?;
            }
            LoadState::Missing => f.write_str("; held until a metric can be read")?,
            LoadState::Recovering => f.write_str("; held until metrics were read twice in a row")?,
            LoadState::Partial => f.write_str("; nothing is lowered while a metric is missing")?,
            LoadState::NotDue | LoadState::Followed | LoadState::OutOfBounds => {}
        }
        let wish = load.recommendation.unwrap_or(load.level);
        match load.limit {
            Some(LoadLimit::StabilizationUp) => write!(f, "; stabilization keeps it from rising to {wish}"),
            Some(LoadLimit::StabilizationDown) => {
                write!(f, "; stabilization keeps it from falling to {wish}")
            }
            Some(LoadLimit::ScaleUpRate | LoadLimit::ScaleDownRate) => {
                write!(f, "; rate policies allow {} on the way to {wish}", load.level)
            }
            Some(LoadLimit::Guard) => write!(f, "; {} keeps it from {wish}", self.guards(load)),
            Some(LoadLimit::Capacity) => {
                write!(f, "; pods that can't be scheduled keep it from {wish}")
            }
            Some(LoadLimit::MinReplicas | LoadLimit::MaxReplicas) | None => Ok(()),
        }
    }
}

/// The level, and whether it is what the metrics ask for.
fn level(load: &LoadDecision) -> String {
    let is_asked_for = load.recommendation == Some(load.level);
    let words = if is_asked_for { "the load asks for" } else { "the load's level is" };
    format!("{words} {}", load.level)
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decision { desired, reason, baseline, load, .. } = self.decision;
        let floor = self.entry(baseline.floor_cause).unwrap_or("minReplicas");
        let ceiling = self.entry(baseline.ceiling_cause).unwrap_or("maxReplicas");
        match reason {
            DesiredReason::Load => match load {
                Some(load) => f.write_str(&level(load))?,
                None => write!(f, "the load asks for {desired}")?,
            },
            DesiredReason::Baseline => match baseline.floor_cause {
                Cause::Ramp(_) => write!(f, "the ramp of schedule entry {floor} has come to {desired}")?,
                Cause::Entry(_) | Cause::Policy => write!(f, "schedule entry {floor} asks for {desired}")?,
            },
            DesiredReason::MinReplicas => write!(f, "minReplicas is {desired}")?,
            DesiredReason::Ceiling => write!(f, "schedule entry {ceiling} allows no more than {desired}")?,
            DesiredReason::MaxReplicas => write!(f, "maxReplicas is {desired}")?,
            DesiredReason::Override => {
                write!(f, "an override asks for {desired}")?;
                return match self.decision.overridden {
                    Some(overridden) => write!(f, " until {}", overridden.until),
                    None => Ok(()),
                };
            }
            DesiredReason::Pinned => write!(f, "schedule entry {floor} pins it to {desired}")?,
        }
        if baseline.floor > baseline.ceiling {
            write!(f, ", over the ceiling {} of {ceiling}", baseline.ceiling)?;
        }
        match load {
            Some(load) => self.load(f, load, *desired),
            None => Ok(()),
        }
    }
}
