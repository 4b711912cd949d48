//! `tidetable version`: of the program, and of the time zone rules that it uses.

use std::io::Write;

use super::Failure;
use crate::zones;

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let zones = zones::current();
    writeln!(out, "tidetable {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "tz database {}, {}", zones.version(), zones.origin())?;
    Ok(())
}
