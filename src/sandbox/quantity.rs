//! Amounts such as `500m` and `1Gi`, and the one way in which a real server writes each of them (apimachinery,
//! `pkg/api/resource/quantity.go`).

/// An amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity {
    /// In billionths.
    nanos: i128,
    scale: Scale,
}

/// What its suffix counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Thousands: `k`, `M`, … and `m`, `u`, `n`.
    Decimal,
    /// Powers of 1024: `Ki`, `Mi`, ….
    Binary,
    /// An exponent of ten: `e3`.
    Exponent,
}

const NANO: i128 = 1_000_000_000;

/// Suffixes of thousands, from billionths on.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/// Suffixes of powers of 1024, from 1 on.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Reads an amount; `None` when it is none, or too large to be told from others.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let end =
            unsigned.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') {
            return None;
        }
        let digits: i128 = format!("0{whole}{part}").parse().ok()?;
        let decimals = i32::try_from(part.len()).ok()?;
        let power = |exponent: i32| 10_i128.checked_pow(u32::try_from(exponent).ok()?);
        let (scale, up, exponent) =
            if let Some(index) = BINARY.iter().skip(1).position(|known| *known == suffix) {
                (Scale::Binary, 1_i128 << (10 * (index + 1)), 0)
            } else if let Some(index) = DECIMAL.iter().position(|known| *known == suffix) {
                (Scale::Decimal, 1, i32::try_from(index).ok()? * 3 - 9)
            } else {
                (Scale::Exponent, 1, suffix.strip_prefix(['e', 'E'])?.parse().ok()?)
            };
        let tens = exponent + 9 - decimals;
        let scaled = digits.checked_mul(up)?;
        let nanos = if tens >= 0 {
            scaled.checked_mul(power(tens)?)?
        } else {
            // What is less than a billionth counts as one.
            let divisor = power(-tens)?;
            scaled / divisor + i128::from(scaled % divisor != 0)
        };
        Some(Self { nanos: sign * nanos, scale })
    }

    /// Whether it is more than another.
    pub(crate) fn exceeds(self, other: Self) -> bool {
        self.nanos > other.nanos
    }

    /// Whether it is less than nothing.
    pub(crate) fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = self.nanos.abs() < 1024 * NANO || self.nanos % NANO != 0;
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.scale == Scale::Binary && !plain {
            let (number, index) = reduced(self.nanos / NANO, 1024, BINARY.len() - 1);
            return write!(f, "{number}{}", BINARY[index]);
        }
        let (number, index) = reduced(self.nanos, 1000, DECIMAL.len() - 1);
        if self.scale == Scale::Exponent && index != 3 {
            let exponent = i32::try_from(index).unwrap_or_default() * 3 - 9;
            return write!(f, "{number}e{exponent}");
        }
        write!(f, "{number}{}", DECIMAL[index])
    }
}

/// A number without the factors of `base` in it, `most` of them at most, and how many there were.
fn reduced(mut number: i128, base: i128, most: usize) -> (i128, usize) {
    let mut count = 0;
    while count < most && number % base == 0 {
        number /= base;
        count += 1;
    }
    (number, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_one_way() {
        for (text, wanted) in [
            ("0", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1.5", "1500m"),
            ("1500", "1500"),
            ("2000", "2k"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("512", "512"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("12E", "12E"),
            ("100n", "100n"),
            ("0.1n", "1n"),
            ("-1", "-1"),
            ("+5", "5"),
            (".5", "500m"),
            ("1.", "1"),
        ] {
            assert_eq!(
                Quantity::parse(text).map(|amount| amount.to_string()).as_deref(),
                Some(wanted),
                "{text}"
            );
        }
        for text in ["", "five", "1KB", "1e", "1.2.3", "--1", "1 Gi", "."] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
        let amount = |text| Quantity::parse(text).expect("an amount");
        assert!(amount("1Gi").exceeds(amount("1G")) && !amount("1000m").exceeds(amount("1")));
        assert!(amount("-1").is_negative());
    }
}
