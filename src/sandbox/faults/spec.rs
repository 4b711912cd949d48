//! How a fault is written on a command line: `KIND=VALUE`.

use std::str::FromStr;
use std::time::Duration;

/// Something that goes wrong on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `latency=200ms`: every request takes that much longer.
    Latency(Duration),
    /// `errors=10%` or `errors=5`: a share of the requests, or the first ones, are answered with 500.
    Errors(HowOften),
    /// `busy=10%` or `busy=5`: 429 with `Retry-After: 1`.
    Busy(HowOften),
    /// `cut-watches=5s`: the connection of every watch breaks after that time.
    CutWatches(Duration),
    /// `late-watches=2s`: every watch says what happens that much later, so that caches are stale.
    LateWatches(Duration),
    /// `frozen=5s` or `frozen=5s@30s`: requests wait for 5 s, from the start or from 30 s after it.
    Frozen {
        /// When it begins.
        after: Duration,
        /// How long it lasts.
        length: Duration,
    },
    /// `prometheus=10%` or `prometheus=5`: queries are answered with nothing, `NaN`, an error or a web page.
    Prometheus(HowOften),
}

/// Which requests a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowOften {
    /// The first ones.
    First(u64),
    /// So many in a thousand.
    Share(u16),
}

/// Why a fault can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// There is no `=`, or nothing of that name.
    #[error(
        "no such fault; there are latency=200ms, errors=10%, busy=5, cut-watches=5s, late-watches=2s, \
         frozen=5s@30s and prometheus=10%"
    )]
    Unknown,
    /// The value is no duration.
    #[error("\"{0}\" is no duration such as 200ms or 5s, of an hour at most")]
    Duration(String),
    /// The value is neither a share nor a count.
    #[error("\"{0}\" is neither a share from 0.1% to 100% nor a number of requests")]
    HowOften(String),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (kind, value) = text.split_once('=').ok_or(FaultError::Unknown)?;
        match kind {
            "latency" => Ok(Self::Latency(duration(value)?)),
            "errors" => Ok(Self::Errors(value.parse()?)),
            "busy" => Ok(Self::Busy(value.parse()?)),
            "cut-watches" => Ok(Self::CutWatches(duration(value)?)),
            "late-watches" => Ok(Self::LateWatches(duration(value)?)),
            "frozen" => {
                let (length, after) = match value.split_once('@') {
                    Some((length, after)) => (duration(length)?, duration(after)?),
                    None => (duration(value)?, Duration::ZERO),
                };
                Ok(Self::Frozen { after, length })
            }
            "prometheus" => Ok(Self::Prometheus(value.parse()?)),
            _ => Err(FaultError::Unknown),
        }
    }
}

impl FromStr for HowOften {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong = || FaultError::HowOften(text.to_owned());
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().ok().filter(|count| *count > 0).map(Self::First).ok_or_else(wrong);
        };
        let (whole, tenths) = percent.split_once('.').unwrap_or((percent, "0"));
        let part = |text: &str| text.parse::<u16>().ok().filter(|number| *number <= 100);
        let tenths = part(tenths).filter(|_| tenths.len() == 1);
        let permille = part(whole).zip(tenths).map(|(whole, tenths)| whole * 10 + tenths);
        permille.filter(|permille| (1..=1000).contains(permille)).map(Self::Share).ok_or_else(wrong)
    }
}

/// A duration of an hour at most.
fn duration(text: &str) -> Result<Duration, FaultError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let milliseconds = match &text[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let count = digits.parse::<u64>().ok().zip(milliseconds).and_then(|(n, unit)| n.checked_mul(unit));
    let count = count.filter(|count| *count <= 3_600_000);
    count.map(Duration::from_millis).ok_or_else(|| FaultError::Duration(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_what_people_write() {
        let seconds = Duration::from_secs;
        let cases = [
            ("latency=200ms", Fault::Latency(Duration::from_millis(200))),
            ("errors=10%", Fault::Errors(HowOften::Share(100))),
            ("errors=0.5%", Fault::Errors(HowOften::Share(5))),
            ("busy=5", Fault::Busy(HowOften::First(5))),
            ("cut-watches=5s", Fault::CutWatches(seconds(5))),
            ("late-watches=1m", Fault::LateWatches(seconds(60))),
            ("frozen=5s", Fault::Frozen { after: Duration::ZERO, length: seconds(5) }),
            ("frozen=5s@30s", Fault::Frozen { after: seconds(30), length: seconds(5) }),
            ("prometheus=100%", Fault::Prometheus(HowOften::Share(1000))),
        ];
        for (text, fault) in cases {
            assert_eq!(text.parse(), Ok(fault), "{text}");
        }
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for text in [
            "latency",
            "",
            "slow=1s",
            "latency=5",
            "latency=-5s",
            "latency=2h",
            "errors=0",
            "errors=0%",
            "errors=101%",
            "errors=1.55%",
            "errors=x",
            "frozen=5s@",
            "busy=-1",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
