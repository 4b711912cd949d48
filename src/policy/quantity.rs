//! Kubernetes quantities (`150`, `1500m`, `2k`, `1.5Gi`, `2e3`) as thousandths, which is the resolution
//! that a HorizontalPodAutoscaler compares with.

use crate::decision::Milli;

/// A text that is no usable quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It has another form.
    #[error(
        "{0:?} is not a quantity: write a number with an optional suffix, such as 150, 0.85, 1500m or 2k"
    )]
    Malformed(String),
    /// It is below zero.
    #[error("{0:?} must not be negative")]
    Negative(String),
    /// It has more thousandths than 2⁶³−1.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// Reads a quantity. What is finer than a thousandth is rounded up, as in Kubernetes.
///
/// # Errors
/// When the text is not a quantity, is negative, or is over 9.2·10¹⁵.
pub fn parse_quantity(text: &str) -> Result<Milli, QuantityError> {
    let malformed = || QuantityError::Malformed(text.to_owned());
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (negative, unsigned) = match unsigned.strip_prefix('-') {
        Some(rest) if unsigned == text => (true, rest),
        Some(_) => return Err(malformed()),
        None => (false, unsigned),
    };
    let digits = unsigned.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, suffix) = unsigned.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 30 {
        return Err(malformed());
    }
    let (base, exponent) = multiplier(suffix).ok_or_else(malformed)?;
    let mantissa: i128 = format!("0{whole}{fraction}").parse().map_err(|_| malformed())?;
    // value × 1000 = mantissa × base × 10^(exponent + 3 − fraction digits)
    let power = exponent + 3 - i32::try_from(fraction.len()).map_err(|_| malformed())?;
    let too_large = || QuantityError::TooLarge(text.to_owned());
    let scaled = mantissa.checked_mul(base).ok_or_else(too_large)?;
    let ten = 10_i128.checked_pow(power.unsigned_abs());
    let thousandths = if power >= 0 {
        if scaled == 0 { 0 } else { ten.and_then(|ten| scaled.checked_mul(ten)).ok_or_else(too_large)? }
    } else {
        ten.map_or(i128::from(scaled > 0), |ten| scaled.div_euclid(ten) + i128::from(scaled % ten > 0))
    };
    if negative && thousandths > 0 {
        return Err(QuantityError::Negative(text.to_owned()));
    }
    i64::try_from(thousandths).map(Milli::new).map_err(|_| too_large())
}

/// A suffix as (factor, power of ten).
fn multiplier(suffix: &str) -> Option<(i128, i32)> {
    let binary = |power: u32| Some((1024_i128.pow(power), 0));
    match suffix {
        "" => Some((1, 0)),
        "n" => Some((1, -9)),
        "u" => Some((1, -6)),
        "m" => Some((1, -3)),
        "k" => Some((1, 3)),
        "M" => Some((1, 6)),
        "G" => Some((1, 9)),
        "T" => Some((1, 12)),
        "P" => Some((1, 15)),
        "E" => Some((1, 18)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            let power: i32 = digits.parse().ok()?;
            (power.unsigned_abs() <= 30).then_some((1, power))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        let milli = |text: &str| parse_quantity(text).ok().map(Milli::get);
        for (text, expected) in [
            ("150", Some(150_000)),
            ("1500m", Some(1500)),
            ("2k", Some(2_000_000)),
            ("0.85", Some(850)),
            (".5", Some(500)),
            ("5.", Some(5000)),
            ("+3", Some(3000)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("2e3", Some(2_000_000)),
            ("2E-3", Some(2)),
            ("1E", None),
            ("0.0001", Some(1)),
            ("1n", Some(1)),
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-1", None),
            ("", None),
            ("k", None),
            (".", None),
            ("1.2.3", None),
            ("1 k", None),
            ("1K", None),
            ("+-1", None),
            ("99999999999999999999", None),
            ("1e31", None),
        ] {
            assert_eq!(milli(text), expected, "{text:?}");
        }
    }
}
