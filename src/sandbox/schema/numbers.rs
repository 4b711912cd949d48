//! Bounds of numbers. A whole number is compared as one, with the whole part of the bound, and its bounds are
//! written so (kube-openapi, `validate/values.go`).

use serde_json::{Number, Value};

use super::super::gotext::float;
use super::Checker;

impl Checker {
    pub(super) fn check_number(&mut self, schema: &Value, number: &Number, path: &str) {
        let value = Value::Number(number.clone());
        self.check_range(schema, number, "Checked", path);
        if let Some(step) = schema["multipleOf"].as_number() {
            self.check_range(schema, step, "MultipleOf", path);
            let step_value = step.as_f64().unwrap_or(1.0);
            let fits = match (number.as_i64(), whole(step)) {
                (Some(number), Some(step)) if step != 0 => number % step == 0,
                _ => is_whole(number.as_f64().unwrap_or_default() / step_value),
            };
            if !fits {
                self.complain(path, &value, &format!("should be a multiple of {}", shown(number, step)));
            }
        }
        let bounds = [
            ("minimum", "exclusiveMinimum", "greater", "Minimum boundary"),
            ("maximum", "exclusiveMaximum", "less", "Maximum boundary"),
        ];
        for (name, exclusive, word, label) in bounds {
            let Some(bound) = schema[name].as_number() else { continue };
            self.check_range(schema, bound, label, path);
            let order = if let (Some(number), Some(bound)) = (number.as_i64(), whole(bound)) {
                number.cmp(&bound)
            } else {
                let (number, bound) = (number.as_f64(), bound.as_f64());
                number.unwrap_or_default().total_cmp(&bound.unwrap_or_default())
            };
            let order = if word == "greater" { order } else { order.reverse() };
            let strict = schema[exclusive] == true;
            if order.is_lt() || (strict && order.is_eq()) {
                let than = if strict { "than" } else { "than or equal to" };
                self.complain(path, &value, &format!("should be {word} {than} {}", shown(number, bound)));
            }
        }
    }

    /// A value and its bounds have to be numbers of the type and format.
    fn check_range(&mut self, schema: &Value, number: &Number, what: &str, path: &str) {
        if schema["type"] != "integer" {
            return;
        }
        let format = schema["format"].as_str().unwrap_or_default();
        let fits = whole_exactly(number)
            .is_some_and(|number| if format == "int32" { i32::try_from(number).is_ok() } else { true });
        if !fits {
            let format = if format.is_empty() {
                "(default format)".to_owned()
            } else {
                format!("with format {format}")
            };
            self.complain_of_all(&format!("{what} value must be of type integer {format} in {path}"));
        }
    }
}

/// A bound as a message about `number` shows it.
fn shown(number: &Number, bound: &Number) -> String {
    match whole(bound) {
        Some(whole) if number.is_i64() => whole.to_string(),
        _ => float(bound.as_f64().unwrap_or_default()),
    }
}

fn whole_exactly(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64()?;
        (value.fract() == 0.0).then(|| whole(number)).flatten()
    })
}

/// The whole part of a number.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked just before")]
fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64()?.trunc();
        (value.abs() < 9.0e18).then_some(value as i64)
    })
}

fn is_whole(value: f64) -> bool {
    let part = value.fract().abs();
    part == 0.0 || part / (value.abs() + value.trunc().abs()) < 1e-9
}
