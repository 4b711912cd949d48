//! Formats of texts that a real server knows (apiextensions-apiserver, `pkg/apiserver/validation/formats.go`;
//! kube-openapi, `pkg/validation/strfmt`). Any other format says nothing.

use std::net::{Ipv4Addr, Ipv6Addr};

use regex::Regex;
use serde_json::Value;

/// The format of a schema, or the empty text when the server doesn't know it.
pub(super) fn known(schema: &Value) -> &str {
    let format = schema["format"].as_str().unwrap_or_default();
    match format {
        "int32" | "int64" | "float" | "double" | "date-time" | "datetime" | "date" | "duration" | "byte"
        | "email" | "hostname" | "ipv4" | "ipv6" | "cidr" | "mac" | "uri" | "uuid" | "uuid3" | "uuid4"
        | "uuid5" | "hexcolor" | "password" => format,
        _ => "",
    }
}

/// Whether a text has a format.
pub(super) fn fits(format: &str, text: &str) -> bool {
    let matches = |pattern: &str| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    match format {
        "date-time" | "datetime" => is_date_time(text),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "duration" => is_duration(text),
        "byte" => serde_json::from_value::<k8s_openapi::ByteString>(Value::String(text.to_owned())).is_ok(),
        "email" => matches(r"^[^@\s<>]+@[^@\s<>]+$"),
        "hostname" => {
            text.len() <= 255
                && matches(
                    r"^([a-zA-Z0-9\p{L}]([a-zA-Z0-9\-\p{L}]{0,61}[a-zA-Z0-9\p{L}])?)(\.[a-zA-Z0-9\p{L}]([a-zA-Z0-9\-\p{L}]{0,61}[a-zA-Z0-9\p{L}])?)*\.?$",
                )
        }
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let most = match (address.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
                (Ok(_), _) => 32,
                (_, Ok(_)) => 128,
                _ => return false,
            };
            bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        }),
        "mac" => matches(r"^([0-9a-fA-F]{2}[:-]){5}([0-9a-fA-F]{2}[:-]){0,14}[0-9a-fA-F]{2}$"),
        "uri" => text.starts_with('/') || matches(r"^[a-zA-Z][a-zA-Z0-9+.-]*:\S+$"),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => {
            matches(r"^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")
        }
        "hexcolor" => matches(r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
        _ => true,
    }
}

/// RFC 3339 as the server reads it: the zone may be missing in no case, and seconds end at 59.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let Some((date, time)) = lower.split_once('t') else { return false };
    let pattern = r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(.\d+)?(z|[+-]\d{2}:\d{2})$";
    fits("date", date) && Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(time))
}

/// What Go reads as a duration (`1h30m`), or a number with the name of a unit (`3 days`).
fn is_duration(text: &str) -> bool {
    let pattern = r"^[-+]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*)$|(\d+)\s*(nanos?|nanoseconds?|micros?|microseconds?|millis?|milliseconds?|secs?|seconds?|mins?|minutes?|hours?|hr|days?|weeks?|wk|[smhdw])";
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}
