//! What of a load's history rides in the status, and comes back from there after a restart.
//!
//! Only what Prometheus can't give: the level and how it came about, the moves that rate policies count, and
//! since when guards and a full cluster hold. Nothing of it changes while a workload is at rest, so it costs
//! no write of its own.

use std::collections::VecDeque;

use super::target_name;
use crate::api::{
    LevelChange, LoadStatus, Mode, OutageStatus, ScaleEvent, ScalePolicyStatus, ScaleTargetRef,
};
use crate::decision::{DesiredReason, GuardState, Memory, Outage, RateEvent, RateEvents, Replicas};

/// How many moves the status has room for, as in the CRD.
const MOST_EVENTS: usize = 512;

/// What a process before this one left in the status, when it speaks of the same target.
pub(in crate::operator) fn memory(status: &ScalePolicyStatus, target: &ScaleTargetRef) -> Memory {
    let Some(load) = &status.load else { return Memory::default() };
    if status.target.as_deref() != Some(&*target_name(target)) {
        return Memory::default();
    }
    let events = |events: &[ScaleEvent]| {
        events
            .iter()
            .map(|event| RateEvent { at: event.at, replicas: i64::from(event.replicas.max(0)) })
            .collect()
    };
    let decision = status.decision.as_ref();
    let is_overridden = decision.is_some_and(|decision| decision.reason == DesiredReason::Override.as_str());
    let guards = decision.map(|decision| decision.guards.as_slice()).unwrap_or_default();
    let guards = guards.iter().filter_map(|guard| {
        let state = match (guard.state.as_str(), guard.since) {
            ("Pending", Some(since)) => GuardState::Pending(since),
            ("Active", Some(since)) => GuardState::Active(since),
            _ => return None,
        };
        Some((guard.name.as_str().into(), state))
    });
    Memory {
        level: load.level.map(Replicas::new),
        events: RateEvents { up: events(&load.scale_up_events), down: events(&load.scale_down_events) },
        shadow: load.mode == Some(Mode::DryRun),
        trace: load.levels.iter().map(|change| (change.at, Replicas::new(change.level))).collect(),
        outage: load.outage.as_ref().map(|outage| Outage {
            since: outage.since,
            good: u8::try_from(outage.good_answers).unwrap_or(0),
        }),
        overridden: status.desired_replicas.filter(|_| is_overridden).map(Replicas::new),
        guards: guards.collect(),
        tried: load.step_tried_at,
    }
}

/// What a process after this one has to know.
pub(super) fn load_status(memory: &Memory) -> Option<LoadStatus> {
    let level = memory.level?;
    let events = |events: &VecDeque<RateEvent>| {
        // The oldest of very many count as one, at the time of the last of them.
        let merged = events.len().saturating_sub(MOST_EVENTS - 1);
        let old = events.iter().take(merged);
        let old =
            old.copied().reduce(|sum, event| RateEvent { replicas: sum.replicas + event.replicas, ..event });
        let event = |event: RateEvent| ScaleEvent {
            at: event.at,
            replicas: i32::try_from(event.replicas).unwrap_or(i32::MAX),
        };
        old.into_iter().chain(events.iter().skip(merged).copied()).map(event).collect()
    };
    let changes = memory.trace.changes().iter();
    Some(LoadStatus {
        level: Some(level.get()),
        mode: Some(if memory.shadow { Mode::DryRun } else { Mode::Active }),
        scale_up_events: events(&memory.events.up),
        scale_down_events: events(&memory.events.down),
        levels: changes.map(|(at, level)| LevelChange { at: *at, level: level.get() }).collect(),
        outage: memory
            .outage
            .map(|outage| OutageStatus { since: outage.since, good_answers: i32::from(outage.good) }),
        step_tried_at: memory.tried,
    })
}
