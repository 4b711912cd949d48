//! Numbers with a unit. Replicas are whole and `int32` in Kubernetes; loads and targets are fixed-point
//! thousandths, which is how a HorizontalPodAutoscaler compares external metrics.

use std::fmt;

/// A number of replicas: 0 to 2³¹−1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replicas(i32);

impl Replicas {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The most that `int32` holds.
    pub const MAX: Self = Self(i32::MAX);

    /// That many; a negative number counts as none.
    #[must_use]
    pub const fn new(count: i32) -> Self {
        Self(if count < 0 { 0 } else { count })
    }

    /// That many, saturating at both ends.
    #[must_use]
    pub fn saturating_from(count: i128) -> Self {
        Self(i32::try_from(count.clamp(0, i128::from(i32::MAX))).unwrap_or(i32::MAX))
    }

    /// The count.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The count, for arithmetic that can't overflow.
    #[must_use]
    pub fn wide(self) -> i64 {
        i64::from(self.0)
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Thousandths of whatever a metric counts: 15 qps are 15,000. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milli(i64);

/// A number that can't be a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotALoad {
    /// NaN or ±Inf.
    #[error("the value is not finite")]
    NotFinite,
    /// Below zero.
    #[error("the value is negative")]
    Negative,
}

impl Milli {
    /// That many thousandths; a negative number counts as zero.
    #[must_use]
    pub const fn new(thousandths: i64) -> Self {
        Self(if thousandths < 0 { 0 } else { thousandths })
    }

    /// The nearest thousandth; numbers over 9.2·10¹⁵ saturate.
    ///
    /// # Errors
    /// When the number is NaN, infinite or negative: none of these is a load.
    #[inline]
    pub fn from_f64(value: f64) -> Result<Self, NotALoad> {
        if !value.is_finite() {
            return Err(NotALoad::NotFinite);
        }
        if value < 0.0 {
            return Err(NotALoad::Negative);
        }
        let thousandths = value * 1000.0;
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-int cast saturates, as documented")]
        let whole = thousandths as i64;
        // As `round` has it, without a call into the platform's library. Beyond 2⁵³ there are no halves.
        let is_half = thousandths - Self(whole).as_f64() >= 0.5;
        Ok(Self(whole.saturating_add(i64::from(is_half))))
    }

    /// The thousandths.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The thousandths as a float, for ratios.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits")]
    pub const fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

impl fmt::Display for Milli {
    /// As a decimal number, without needless zeros: `150`, `0.85`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1000, self.0 % 1000);
        if part == 0 {
            write!(f, "{whole}")
        } else {
            f.write_str(format!("{whole}.{part:03}").trim_end_matches('0'))
        }
    }
}
