//! How a real server, which is written in Go, writes values into its messages.

use serde_json::Value;

/// A number with a fraction, as `%v` writes it: `0.5`, `100000`, `1e+06`.
pub(crate) fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A value as a message about a field shows it: texts quoted, numbers bare, anything else as JSON.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or_default()),
        _ => value.to_string(),
    }
}

/// A number as JSON in Go has it: without a fraction when there is none.
pub(crate) fn normal(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if number.fract() == 0.0 && number.abs() < 9.0e18 {
        return Value::from(number as i64);
    }
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let cases = [(0.5, "0.5"), (100_000.0, "100000"), (1_234_567.0, "1.234567e+06"), (1.5e-7, "1.5e-07")];
        for (number, wanted) in cases {
            assert_eq!(float(number), wanted);
        }
    }
}
