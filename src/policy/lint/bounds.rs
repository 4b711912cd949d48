//! Floors over ceilings, and workloads that nothing would wake.

use jiff::Timestamp;

use super::super::{Mistakes, Path};
use super::{Subject, days, entry_path};
use crate::api::ScalePolicySpec;
use crate::decision::{Bounds, Cause, EntryId, Policy};

/// How many changes of the baseline are looked at.
const MOST_CHANGES: usize = 10_000;

/// `minReplicas: 0` with metrics, where the schedule does not keep the workload awake.
pub(super) fn zero(spec: &ScalePolicySpec, policy: &Policy, now: Timestamp, warnings: &mut Mistakes) {
    if policy.metrics.is_empty() || spec.min_replicas != 0 {
        return;
    }
    let sleeps = match &spec.schedule {
        None => true,
        Some(schedule) => {
            let subject = Subject { spec: schedule, policy, schedule: &policy.schedule, now };
            // Where an entry pins the workload to 0, it is not the metrics' to wake.
            baselines(&subject).iter().any(|(_, bounds)| bounds.floor.get() == 0 && !bounds.pinned)
        }
    };
    if sleeps {
        let problem = "the workload may go to 0 replicas, and a metric that it exports itself can't wake it from there; \
                       read the load in front of it (a proxy, a queue), or keep 1";
        warnings.add(&Path::root("spec").field("minReplicas"), problem);
    }
}

/// Ceilings that lie below a floor at some time: the floor wins.
pub(super) fn crossed(subject: &Subject, warnings: &mut Mistakes) {
    let mut known: Vec<(Cause, Cause)> = Vec::new();
    for (at, bounds) in baselines(subject) {
        let causes = (bounds.floor_cause, bounds.ceiling_cause);
        let Cause::Entry(EntryId(index)) = bounds.ceiling_cause else { continue };
        if bounds.floor <= bounds.ceiling || known.contains(&causes) {
            continue;
        }
        known.push(causes);
        let (floor, ceiling) = (bounds.floor, bounds.ceiling);
        let whose = match bounds.floor_cause {
            Cause::Policy => "of minReplicas".to_owned(),
            Cause::Entry(id) => format!("of {}", subject.name(id)),
            Cause::Ramp(id) => format!("on a ramp of {}", subject.name(id)),
        };
        let Some(entry) = subject.schedule.entries().get(index) else { continue };
        let when = at.to_zoned(entry.zone.clone()).strftime("%a %Y-%m-%d %H:%M");
        let problem = format!(
            "the ceiling {ceiling} is below the floor {floor} {whose}, first from {when}; the floor wins: for the ceiling \
             to hold, lower that floor to {ceiling}, and else raise this maxReplicas to {floor}"
        );
        warnings.add(&entry_path(index).field("maxReplicas"), problem);
    }
}

/// The baselines of the coming year, each from its first instant on.
pub(super) fn baselines(subject: &Subject) -> Vec<(Timestamp, Bounds)> {
    let Some(reach) = subject.reach(days(9), days(400)) else { return Vec::new() };
    let timeline = subject.schedule.timeline(subject.now, subject.ahead(reach));
    let changes = timeline.transitions_after(subject.now).take(MOST_CHANGES).map(|change| change.at);
    std::iter::once(subject.now).chain(changes).map(|at| (at, timeline.at(at))).collect()
}
