//! The JSON paths of printer columns: `.spec.max`, `.items[0].x`, `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::Value;

/// The values at a path.
pub(crate) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut values = vec![object];
    let mut rest = path.trim();
    while !rest.is_empty() {
        let (step, after) = next_step(rest);
        values = values.into_iter().flat_map(|value| take(value, step)).collect();
        rest = after;
    }
    values
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Field(&'a str),
    Index(i64),
    All,
    Where { field: &'a str, value: &'a str, equal: bool },
}

fn next_step(text: &str) -> (Step<'_>, &str) {
    if let Some(inner) = text.strip_prefix("[?(@") {
        let (condition, rest) = inner.split_once(")]").unwrap_or((inner, ""));
        let (field, value, equal) = match condition.split_once("==") {
            Some((field, value)) => (field, value, true),
            None => condition.split_once("!=").map_or((condition, "", true), |(f, v)| (f, v, false)),
        };
        let value = value.trim().trim_matches(['"', '\'']);
        return (Step::Where { field: field.trim(), value, equal }, rest);
    }
    if let Some(inner) = text.strip_prefix('[') {
        let (index, rest) = inner.split_once(']').unwrap_or((inner, ""));
        let quoted = index.trim_matches(['"', '\'']);
        let step = match index.parse() {
            Ok(index) => Step::Index(index),
            Err(_) if index == "*" => Step::All,
            Err(_) => Step::Field(quoted),
        };
        return (step, rest);
    }
    let text = text.trim_start_matches('.');
    let mut end = text.len();
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if !escaped && matches!(letter, '.' | '[') {
            end = at;
            break;
        }
        escaped = letter == '\\';
    }
    let (field, rest) = text.split_at(end);
    (if field == "*" { Step::All } else { Step::Field(field) }, rest)
}

fn take<'a>(value: &'a Value, step: Step<'_>) -> Vec<&'a Value> {
    match step {
        Step::Field("") => vec![value],
        Step::Field(name) => value.get(name.replace('\\', "")).into_iter().collect(),
        Step::Index(index) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let index = if index < 0 { length + index } else { index };
            usize::try_from(index).ok().and_then(|index| items.get(index)).into_iter().collect()
        }
        Step::All => match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(map) => map.values().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        },
        Step::Where { field, value: wanted, equal } => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let holds = |item: &&Value| {
                let found = find(item, field);
                let text =
                    |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                found.first().is_some_and(|found| text(found) == wanted) == equal
            };
            items.iter().filter(holds).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_printer_columns_are_followed() {
        let object = json!({
            "spec": {"max": 5, "list": [{"n": 1}, {"n": 2}]},
            "metadata": {"labels": {"a.b/c": "x"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
        });
        let cases = [
            (".spec.max", vec![json!(5)]),
            (".spec.list[0].n", vec![json!(1)]),
            (".spec.list[-1].n", vec![json!(2)]),
            (".spec.list[*].n", vec![json!(1), json!(2)]),
            (".metadata.labels.a\\.b/c", vec![json!("x")]),
            (".metadata.labels['a.b/c']", vec![json!("x")]),
            (".status.conditions[?(@.type==\"Ready\")].status", vec![json!("True")]),
            (".spec.none.deep", vec![]),
        ];
        for (path, wanted) in cases {
            let found: Vec<Value> = find(&object, path).into_iter().cloned().collect();
            assert_eq!(found, wanted, "{path}");
        }
    }
}
