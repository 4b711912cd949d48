//! The schedule of a policy.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The baseline as a list of steps and windows, all read on a wall clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleSpec {
    /// IANA time zone in which the entries are read, such as `Europe/Berlin`. An entry may name its own.
    /// Default UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,

    /// Local dates (`YYYY-MM-DD`) on which no entry fires, and names of `ScaleCalendar`s that have such
    /// dates. An entry with `onDates` of its own fires on them all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 366), inner(length(max = 63), regex(pattern = DATE_OR_CALENDAR)))]
    pub except_dates: Option<Vec<String>>,

    /// Spreads the edges of many policies with the same schedule over this long, at most 1h: each policy's come
    /// at its own fixed place in it, up to half of it earlier or later. Default: none, so that every edge comes
    /// at its instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub spread: Option<String>,

    /// Steps (no `for`, no `until`) hold until the next step; windows hold for a while. Where several
    /// are in force, the highest `replicas` and the lowest `maxReplicas` count. At least one, at most 64.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub entries: Vec<EntrySpec>,
}

/// A date, or the name of a calendar.
const DATE_OR_CALENDAR: &str = "^([0-9]{4}-[0-9]{2}-[0-9]{2}|[a-z]([-a-z0-9]*[a-z0-9])?)$";

fn utc() -> String {
    "UTC".to_owned()
}

/// One step, window or single date of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.cron) != has(self.at)")
        .message("exactly one of cron and at is needed"),
    validation = Rule::new("!has(self.__for__) || !has(self.until)")
        .message("for and until exclude each other"),
    validation = Rule::new("!has(self.at) || has(self.__for__) || has(self.until)")
        .message("at needs for or until"),
    validation = Rule::new("has(self.replicas) || has(self.maxReplicas)")
        .message("an entry needs replicas, maxReplicas, or both"),
    validation = Rule::new("has(self.replicas) || has(self.__for__) || has(self.until)")
        .message("a step (an entry without for or until) needs replicas"),
    validation = Rule::new("!has(self.replicas) || !has(self.maxReplicas) || self.replicas <= self.maxReplicas")
        .message("replicas must not be more than the entry's own maxReplicas"),
    validation = Rule::new("!has(self.rampDown) || has(self.__for__) || has(self.until)")
        .message("rampDown needs for or until: a step has no end of its own"),
    validation = Rule::new("(!has(self.rampUp) && !has(self.rampDown)) || has(self.replicas)")
        .message("a ramp needs replicas")
)]
pub struct EntrySpec {
    /// Name of the entry, unique in the schedule; status and events use it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,

    /// When the entry fires: five cron fields (minute, hour, day of month, month, day of week) or a
    /// macro such as `@daily`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub cron: Option<String>,

    /// The one local date and time at which the entry fires, such as `2026-11-27T00:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 19),
        regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$")
    )]
    pub at: Option<String>,

    /// The local dates (`YYYY-MM-DD`) on which the entry may fire, and names of `ScaleCalendar`s that have
    /// such dates. Default: all but the schedule's `exceptDates`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 366), inner(length(max = 63), regex(pattern = DATE_OR_CALENDAR)))]
    pub on_dates: Option<Vec<String>>,

    /// IANA time zone of this entry. Default: the schedule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,

    /// How long the entry holds, in elapsed time, such as `2h` or `1h30m`: this makes it a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub r#for: Option<String>,

    /// The local time of day (`HH:MM`) at which the entry ends, the next one after its start: this makes
    /// it a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub until: Option<String>,

    /// The baseline while the entry is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: Option<i32>,

    /// A ceiling while the entry is in force. Together with the same `replicas` it pins the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_replicas: Option<i32>,

    /// Climb to `replicas` over this long before the entry starts, arriving at its start; whole seconds, at
    /// most a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub ramp_up: Option<String>,

    /// Descend from `replicas` over this long after the entry ends; whole seconds, at most a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub ramp_down: Option<String>,
}
