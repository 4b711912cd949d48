//! What is no mistake in a policy, and is probably not meant: warnings, each of which says what and what to do.
//!
//! A false alarm costs more than a miss. So whether an entry matters is not guessed: the baseline of the years to
//! come is worked out with it and without it. Schedules too dense for that are left alone.

mod autoscaler;
mod bounds;
mod dates;
mod effect;
mod joints;
mod queries;
mod ramps;
mod words;

use jiff::{SignedDuration, Timestamp};

use super::{FieldError, Mistakes, Path, in_order};
use crate::api::{ScalePolicySpec, ScheduleSpec};
use crate::decision::{Entry, EntryId, Extent, Policy, Schedule, Trigger};

/// Says what in a valid policy is probably not meant, in the order of its fields. `policy` is what validation
/// made of `spec`; the past is what lies before `now`.
#[must_use]
pub fn lint(spec: &ScalePolicySpec, policy: &Policy, now: Timestamp) -> Vec<FieldError> {
    let mut warnings = Mistakes::default();
    bounds::zero(spec, policy, now, &mut warnings);
    autoscaler::autoscaler(spec, policy, now, &mut warnings);
    if let Some(schedule) = &spec.schedule {
        let subject = Subject { spec: schedule, policy, schedule: &policy.schedule, now };
        words::zones(&subject, &mut warnings);
        dates::except_dates(&subject, &mut warnings);
        words::crons(&subject, &mut warnings);
        dates::entries(&subject, &mut warnings);
        effect::pointless(&subject, &mut warnings);
        ramps::ramps(&subject, &mut warnings);
        joints::joints(&subject, &mut warnings);
        bounds::crossed(&subject, &mut warnings);
    }
    queries::guards(spec, policy, &mut warnings);
    in_order(warnings.0)
}

/// A schedule that is looked at, as written and as understood.
struct Subject<'a> {
    spec: &'a ScheduleSpec,
    policy: &'a Policy,
    schedule: &'a Schedule,
    now: Timestamp,
}

impl Subject<'_> {
    fn name(&self, id: EntryId) -> &str {
        self.schedule.entry(id).map_or("", |entry| &entry.name)
    }

    /// The instant so long after now.
    fn ahead(&self, time: SignedDuration) -> Timestamp {
        self.now.saturating_add(time).unwrap_or(Timestamp::MAX)
    }

    /// The schedule with other entries.
    fn with(&self, entries: Vec<Entry>) -> Schedule {
        Schedule::new(entries, self.policy.min, self.policy.max)
    }

    /// The schedule without its ramps.
    fn plain(&self) -> Schedule {
        let plain = |entry: &Entry| Entry {
            ramp_up: std::time::Duration::ZERO,
            ramp_down: std::time::Duration::ZERO,
            ..entry.clone()
        };
        self.with(self.schedule.entries().iter().map(plain).collect())
    }

    /// How often entries fire on a day, at most.
    fn firings_a_day(&self) -> i64 {
        let firings = |entry: &Entry| match &entry.trigger {
            Trigger::Cron(cron) => {
                i64::from(cron.fields().minutes.count_ones()) * i64::from(cron.fields().hours.count_ones())
            }
            Trigger::At(_) => 0,
        };
        self.schedule.entries().iter().map(firings).sum::<i64>().max(1)
    }

    /// For how long ahead the schedule may be looked at, if that is at least `least`, and at most `most`.
    fn reach(&self, least: SignedDuration, most: SignedDuration) -> Option<SignedDuration> {
        let reach = days(MOST_FIRINGS / self.firings_a_day());
        (reach >= least).then(|| reach.min(most))
    }
}

fn schedule_path() -> Path {
    Path::root("spec").field("schedule")
}

fn entry_path(index: usize) -> Path {
    schedule_path().field("entries").index(index)
}

/// How many firings are looked at in one go.
const MOST_FIRINGS: i64 = 20_000;

/// What is said to happen usually is looked for in this much time ahead.
const SEASON: SignedDuration = days(70);

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn is_window(entry: &Entry) -> bool {
    entry.extent != Extent::Step
}

/// Elapsed time as a policy writes it, such as `1h30m`.
fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, unit)| format!("{count}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.concat() }
}

#[cfg(test)]
mod tests;
