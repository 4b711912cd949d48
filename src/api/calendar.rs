//! The `ScaleCalendar` custom resource: dates that many schedules share.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Local dates, such as a country's holidays, that `exceptDates` and `onDates` of policies in any namespace
/// name. Its name begins with a letter and has no dots, so that none can be taken for a date.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "tidetable.dev",
    version = "v1alpha1",
    kind = "ScaleCalendar",
    plural = "scalecalendars",
    shortname = "scal",
    derive = "PartialEq",
    doc = "Dates that the schedules of many ScalePolicies share, such as a country's holidays.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')").message(
        "the name of a calendar begins with a letter and has at most 63 lower-case letters, digits and \"-\""
    ),
    printcolumn(name = "FIRST", type_ = "string", json_path = ".spec.dates[0].date"),
    printcolumn(name = "LAST", type_ = "string", json_path = ".spec.dates[-1].date"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleCalendarSpec {
    /// The dates, each of them once. Their order does not matter; `kubectl get` shows the first and the last
    /// of the list. At most 1000.
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["date"]))]
    pub dates: Vec<CalendarDate>,
}

/// One date of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CalendarDate {
    /// The date, `YYYY-MM-DD`. It is a local one: each schedule entry reads it in its own time zone.
    #[schemars(length(max = 10), regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub date: String,
    /// What the day is called, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,
}
