//! Runs of any length in as many columns as there is room for, without hiding what matters: a column
//! shows its highest demand and its lowest capacity, so a shortage of one tick in a year stays visible.

use jiff::Timestamp;

use super::axis::Period;
use crate::simulation::service::Standing;
use crate::simulation::{Row, Run};

/// Several ticks as one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// The tick that `shortage` is of, or else the first one.
    pub(super) at: Timestamp,
    /// The highest demand, in requests per second.
    pub(super) demand: f64,
    /// The lowest capacity, in requests per second. Without a shortage it is at least `demand`: the highest
    /// demand and the lowest capacity need not be of the same tick.
    pub(super) capacity: f64,
    /// Demand and capacity of the tick that lacks most, if one lacks anything.
    pub(super) shortage: Option<(f64, f64)>,
    /// The last floor.
    pub(super) floor: u32,
    /// The last level of the load.
    pub(super) level: Option<u32>,
    /// The last recommendation of the load.
    pub(super) recommendation: Option<u32>,
    /// What was last decided.
    pub(super) desired: u32,
    /// The last number of replicas.
    pub(super) replicas: u32,
    /// The last number of ready replicas.
    pub(super) ready: u32,
    /// How the service last stood, in a run that has one.
    pub(super) service: Option<Standing>,
}

/// Whether a tick's demand is more than its capacity. With a queue, somebody also has to wait or to be turned away: what
/// a tier behind leaves to the replicas when all of them are busy may be more while they are not.
pub(super) fn lacks(row: &Row) -> bool {
    // A hair more is rounding.
    let is_over = row.qps > row.capacity * (1.0 + 1e-9) + 1e-9;
    is_over && row.service.is_none_or(|service| service.queue > 0.0 || row.dropped > 0.0)
}

/// The run in `width` columns of equal time; a column without a tick is like the one before. Empty
/// for a run without rows.
pub(super) fn columns(run: &Run, width: usize) -> Vec<Column> {
    let period = Period::of(run);
    let mut columns: Vec<Column> = Vec::with_capacity(width);
    let mut first = 0;
    while first < run.rows.len() && columns.len() < width {
        let index = place(&period, &run.rows[first], width);
        let length =
            run.rows[first..].iter().take_while(|row| place(&period, row, width) == index).count().max(1);
        let column = Column::of(&run.rows[first], &run.rows[first..first + length]);
        let like = columns.last().unwrap_or(&column).clone();
        let missing = index.saturating_sub(columns.len());
        columns.extend(std::iter::repeat_n(like, missing));
        columns.push(column);
        first += length;
    }
    if let Some(last) = columns.last().cloned() {
        columns.resize(width, last);
    }
    columns
}

/// The part of `n` equal parts that a place from 0 to 1 is in, at most `n`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "columns fit 53 bits, and a float-to-int cast saturates"
)]
pub(super) fn part(place: f64, n: usize) -> usize {
    // A hair below a boundary is on it.
    ((place * n as f64 + 1e-9).floor() as usize).min(n)
}

fn place(period: &Period, row: &Row, width: usize) -> usize {
    part(period.place(row.at), width).min(width.saturating_sub(1))
}

impl Column {
    fn of(first: &Row, rows: &[Row]) -> Self {
        let demand = rows.iter().map(|row| row.qps).fold(0.0, f64::max);
        let capacity = rows.iter().map(|row| row.capacity).fold(f64::INFINITY, f64::min);
        let worst = rows.iter().filter(|row| lacks(row)).max_by(|a, b| {
            let lack = |row: &Row| row.qps - row.capacity;
            lack(a).total_cmp(&lack(b))
        });
        let last = rows.last().unwrap_or(first);
        Self {
            at: worst.unwrap_or(first).at,
            demand,
            capacity: if worst.is_some() { capacity } else { capacity.max(demand) },
            shortage: worst.map(|row| (row.qps, row.capacity)),
            floor: last.floor,
            level: last.level,
            recommendation: last.recommendation,
            desired: last.desired,
            replicas: last.replicas,
            ready: last.ready,
            service: last.service,
        }
    }
}
