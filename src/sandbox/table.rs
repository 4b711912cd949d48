//! Tables, as `kubectl get` shows them: the server chooses the columns and renders the ages.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::columns::{self, Column};
use super::json::text_at;
use super::jsonpath;
use super::resources::ResourceType;

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some \
                    resources may allow a client to request the generation of an appropriate name automatically. \
                    Name is primarily intended for creation idempotence and configuration definition. Cannot be \
                    updated. More info: \
                    https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It \
                   is not guaranteed to be set in happens-before order across separate operations.";

/// What the `object` of a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    /// Nothing.
    None,
    /// The metadata.
    Metadata,
    /// The whole object.
    Object,
}

impl Include {
    /// Reads the `includeObject` parameter.
    pub(crate) fn of(parameter: &str) -> Self {
        match parameter {
            "None" => Self::None,
            "Object" => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// The table of some objects, which stand as `resource` shows them.
pub(crate) fn table(
    resource: &ResourceType,
    objects: &[Value],
    list_metadata: &Value,
    include: Include,
    now: Timestamp,
) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = json!({"cells": cells(resource, object, now)});
            match include {
                Include::None => {}
                Include::Metadata => row["object"] = partial(object),
                Include::Object => row["object"] = object.clone(),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "columnDefinitions": definitions(resource),
        "rows": rows,
    })
}

/// The metadata of an object as an object of its own.
pub(crate) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// How long ago something was, as people say it: `42s`, `3m10s`, `5h`, `12d`.
pub(crate) fn ago(then: &str, now: Timestamp) -> String {
    let Ok(then) = then.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    human(now.duration_since(then).as_secs())
}

fn human(seconds: i64) -> String {
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let years = days / 365;
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

fn definitions(resource: &ResourceType) -> Vec<Value> {
    let define = |name: &str, kind: &str, format: &str, description: &str, priority: i64| json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority});
    let mut all = vec![define("Name", "string", "name", NAME, 0)];
    match &resource.custom {
        Some(custom) if custom.columns.is_empty() => all.push(define("Age", "date", "", AGE, 0)),
        Some(custom) => all.extend(custom.columns.iter().map(|column| {
            let text = |key: &str| column[key].as_str().unwrap_or_default();
            let path =
                format!("Custom resource definition column (in JSONPath format): {}", text("jsonPath"));
            let description =
                if text("description").is_empty() { path.as_str() } else { text("description") };
            let priority = column["priority"].as_i64().unwrap_or_default();
            define(text("name"), text("type"), text("format"), description, priority)
        })),
        None => {
            let first = columns::of(resource);
            if first.iter().any(|column| column.name == "Name") {
                all.clear();
            }
            all.extend(first.iter().map(|column| {
                let Column { name, kind, priority, .. } = column;
                let format = if *name == "Name" { "name" } else { "" };
                define(name, kind, format, if *name == "Age" { AGE } else { name }, *priority)
            }));
        }
    }
    all
}

fn cells(resource: &ResourceType, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = json!(text_at(object, "/metadata/name"));
    let age = || json!(ago(text_at(object, "/metadata/creationTimestamp"), now));
    match &resource.custom {
        Some(custom) if custom.columns.is_empty() => vec![name, age()],
        Some(custom) => {
            let columns = custom.columns.iter().map(|column| custom_cell(column, object, now));
            std::iter::once(name).chain(columns).collect()
        }
        None => {
            let columns = columns::of(resource);
            let own_name = columns.iter().any(|column| column.name == "Name");
            let cells = columns.iter().map(|column| (column.cell)(object, now));
            if own_name { cells.collect() } else { std::iter::once(name).chain(cells).collect() }
        }
    }
}

fn custom_cell(column: &Value, object: &Value, now: Timestamp) -> Value {
    let found = jsonpath::find(object, text_at(column, "/jsonPath"));
    let Some(first) = found.first() else { return Value::Null };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match text_at(column, "/type") {
        "date" => json!(ago(first.as_str().unwrap_or_default(), now)),
        "string" => json!(found.iter().map(|value| text(value)).collect::<Vec<_>>().join(" ")),
        "integer" => first.as_i64().map_or(Value::Null, |number| json!(number)),
        _ => (*first).clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::resources::Registry;
    use super::*;

    #[test]
    fn ages_are_rendered_as_people_say_them() {
        let cases = [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (190, "3m10s"),
            (600, "10m"),
            (10_860, "3h1m"),
            (36_000, "10h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (864_000, "10d"),
            (63_072_000, "2y"),
            (300_000_000, "9y"),
        ];
        for (seconds, wanted) in cases {
            assert_eq!(human(seconds), wanted, "{seconds}");
        }
    }

    #[test]
    fn a_deployment_has_the_columns_people_know() {
        let deployments = Registry::built_in().find("apps", "v1", "deployments").expect("deployments");
        let object = json!({
            "metadata": {"name": "web", "creationTimestamp": "2026-11-22T07:00:00Z"},
            "spec": {"replicas": 3},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
        });
        let now = "2026-11-22T07:05:00Z".parse().expect("a timestamp");
        let table = table(&deployments, &[object], &json!({}), Include::Metadata, now);
        let cells = table["rows"][0]["cells"].as_array().expect("cells");
        assert_eq!(cells[..5], [json!("web"), json!("2/3"), json!(3), json!(2), json!("5m")]);
        assert_eq!(table["columnDefinitions"][1]["name"], "Ready");
    }
}
