//! Runs as rows for spreadsheets and scripts. Numbers have as many digits as it takes to read back the same
//! number, so nothing is lost.

use std::fmt::Write;

use crate::simulation::service::Standing;
use crate::simulation::{Row, Run};

/// The first line of [`table`].
pub const HEADER: &str = "at,qps,measured,floor,ceiling,recommendation,level,desired,replicas,ready,capacity,\
requests,dropped,reason,retried,late,queue,latency_seconds,utilization,downstream_utilization,waiting,nodes,tier";

/// One line a tick and tier under a header; what was not read or does not exist is empty.
#[must_use]
pub fn table(run: &Run) -> String {
    let mut table = String::with_capacity((run.rows.len() + 1) * (run.behind.len() + 1) * 112);
    table.push_str(HEADER);
    table.push('\n');
    for run in run.tiers() {
        let name = field(&run.name);
        for row in &run.rows {
            line(&mut table, row, &name);
        }
    }
    table
}

/// A text as RFC 4180 wants it.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn line(table: &mut String, row: &Row, tier: &str) {
    let optional = |count: Option<u32>| count.map(|count| count.to_string()).unwrap_or_default();
    // Writing to a string does not fail.
    let _ = write!(
        table,
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
        row.at,
        row.qps,
        row.measured.map(|measured| measured.to_string()).unwrap_or_default(),
        row.floor,
        row.ceiling,
        optional(row.recommendation),
        optional(row.level),
        row.desired,
        row.replicas,
        row.ready,
        row.capacity,
        row.requests,
        row.dropped,
        row.reason.as_str(),
    );
    let _ = write!(table, ",{},{}", row.retried, row.late);
    match row.service {
        Some(Standing { queue, latency, utilization, downstream }) => {
            let _ = write!(table, ",{queue},{latency},{utilization},{downstream}");
        }
        None => table.push_str(",,,,"),
    }
    let waiting = row.places.map(|places| places.waiting);
    let nodes = row.places.and_then(|places| places.nodes);
    let _ = writeln!(table, ",{},{},{tier}", optional(waiting), optional(nodes));
}
