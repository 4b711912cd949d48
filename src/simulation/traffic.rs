//! Demand over time, in requests per second: piecewise constant, so that means over any stretch of time
//! are exact and cheap.
//!
//! ```text
//! mean(a, b) = (I(b) − I(a)) / (b − a),   I(t) = Σ rate × length of the pieces before t
//! ```

mod prometheus;
mod recording;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use self::prometheus::Samples;
pub use self::recording::TraceError;
use super::measurement::seconds;

/// Demand over time. Before its first piece and after its last one, those hold on.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    pieces: Vec<Piece>,
    /// The length of each piece in milliseconds, when all are alike.
    regular: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    /// Milliseconds since the Unix epoch.
    start: i64,
    qps: f64,
    /// Requests before `start`.
    before: f64,
}

impl Piece {
    /// Requests before an instant of this piece.
    #[inline]
    fn requests_before(&self, at: i64) -> f64 {
        self.before + self.qps * seconds(at - self.start)
    }
}

/// Where a trace has no rows for longer than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// How many there are.
    pub count: usize,
    /// The time from row to row elsewhere: the median.
    pub usual: SignedDuration,
    /// When the longest one starts: its last row before.
    pub longest_from: Timestamp,
    /// How long that is.
    pub longest: SignedDuration,
}

/// The most values of a trace that is repeated.
const MOST_VALUES: usize = 20_000_000;

impl Traffic {
    /// Demand that `qps(t)` gives at the start of every `step` in `[from, to)` and that holds for the step.
    #[must_use]
    pub fn sampled(from: Timestamp, to: Timestamp, step: Duration, qps: impl Fn(Timestamp) -> f64) -> Self {
        Self::sampled_at(from, to, step.max(Duration::from_millis(1)), &[], |at, _| qps(at))
    }

    /// The same with further samples at `breaks`; `qps(a, b)` gives the demand from a sample until the next one.
    pub(super) fn sampled_at(
        from: Timestamp,
        to: Timestamp,
        step: Duration,
        breaks: &[Timestamp],
        qps: impl Fn(Timestamp, Timestamp) -> f64,
    ) -> Self {
        let step = SignedDuration::try_from(step).unwrap_or(SignedDuration::MAX);
        let grid = std::iter::successors(Some(from), |at| at.checked_add(step).ok());
        let mut starts: Vec<i64> =
            grid.take_while(|at| *at < to || *at == from).map(Timestamp::as_millisecond).collect();
        let end = starts.last().map_or(to, |last| instant(*last).saturating_add(step).unwrap_or(to));
        let inside = breaks.iter().map(|at| at.as_millisecond());
        starts.extend(inside.filter(|at| (from.as_millisecond()..end.as_millisecond()).contains(at)));
        starts.sort_unstable();
        starts.dedup();
        let ends = starts.iter().skip(1).map(|at| instant(*at)).chain([end]);
        Self::new(starts.iter().zip(ends).map(|(at, end)| (*at, qps(instant(*at), end))).collect())
    }

    /// The same demand at all times.
    #[must_use]
    pub fn constant(qps: f64) -> Self {
        Self::new(vec![(0, qps)])
    }

    fn new(points: Vec<(i64, f64)>) -> Self {
        let mut before = 0.0;
        let mut pieces: Vec<Piece> = Vec::with_capacity(points.len());
        for (start, qps) in points {
            let qps = qps.max(0.0);
            if let Some(last) = pieces.last() {
                before += last.qps * seconds(start - last.start);
            }
            pieces.push(Piece { start, qps, before });
        }
        let step = pieces.get(1).map(|second| second.start - pieces[0].start);
        let alike = |step: &i64| pieces.windows(2).all(|pair| pair[1].start - pair[0].start == *step);
        Self { regular: step.filter(|step| *step > 0).filter(alike), pieces }
    }

    /// The same, times a factor.
    pub(super) fn times(&self, factor: f64) -> Self {
        Self::new(self.pieces.iter().map(|piece| (piece.start, piece.qps * factor)).collect())
    }

    /// When the first piece starts.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.pieces.first().map_or(Timestamp::UNIX_EPOCH, |piece| instant(piece.start))
    }

    /// When the last piece ends, if it is as long as the one before it.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        match self.pieces.as_slice() {
            [.., before, last] => instant(last.start.saturating_add(last.start - before.start)),
            [only] => instant(only.start),
            [] => Timestamp::UNIX_EPOCH,
        }
    }

    /// The steps that are more than one and a half times as long as the median step. The value before a gap
    /// holds through it. `None` when there are none.
    #[must_use]
    pub fn gaps(&self) -> Option<Gaps> {
        let usual = self.usual_step()?;
        let spans = || self.gap_spans().map(|(from, until)| (until.duration_since(from), from));
        let (longest, longest_from) = spans().max_by_key(|(length, _)| *length)?;
        Some(Gaps {
            count: spans().count(),
            usual: SignedDuration::from_millis(usual),
            longest_from,
            longest,
        })
    }

    /// The same gaps, each from its last value before to the first one after.
    pub fn gap_spans(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let usual = self.usual_step().unwrap_or(i64::MAX);
        let steps = self.pieces.windows(2).map(|pair| (pair[0].start, pair[1].start));
        let gaps = steps.filter(move |(from, until)| (until - from).saturating_sub(usual) > usual / 2);
        gaps.map(|(from, until)| (instant(from), instant(until)))
    }

    /// The median time from value to value in milliseconds.
    fn usual_step(&self) -> Option<i64> {
        if self.regular.is_some() {
            return self.regular;
        }
        let mut sorted: Vec<i64> = self.pieces.windows(2).map(|pair| pair[1].start - pair[0].start).collect();
        sorted.sort_unstable();
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    }

    /// The stretch between two instants, `times` times from its first instant on, each `factor` times as long as
    /// it was. What was before stays before. `None` when that were more values than a trace may have.
    pub(super) fn played(&self, stretch: (Timestamp, Timestamp), factor: f64, times: u32) -> Option<Self> {
        let (from, until) = (stretch.0.as_millisecond(), stretch.1.as_millisecond());
        let inside = self.pieces.iter().filter(|piece| piece.start > from && piece.start < until);
        let copies = usize::try_from(times).ok()?;
        if inside.clone().count().checked_add(1)?.checked_mul(copies)? > MOST_VALUES {
            return None;
        }
        let scaled = |start: i64, copy: u32| {
            let since = seconds(start - from) + seconds(until - from) * f64::from(copy);
            #[expect(clippy::cast_possible_truncation, reason = "a float-to-int cast saturates")]
            let since = (since * factor * 1000.0).round() as i64;
            from.saturating_add(since)
        };
        let before = self.pieces.iter().filter(|piece| piece.start < from);
        let mut points: Vec<(i64, f64)> = before.map(|piece| (scaled(piece.start, 0), piece.qps)).collect();
        for copy in 0..times {
            points.push((scaled(from, copy), self.piece(from).qps));
            points.extend(inside.clone().map(|piece| (scaled(piece.start, copy), piece.qps)));
        }
        // Compressed, several values may fall on one millisecond.
        points.dedup_by_key(|(start, _)| *start);
        Some(Self::new(points))
    }

    /// Demand at an instant, in requests per second.
    #[must_use]
    pub fn qps(&self, at: Timestamp) -> f64 {
        self.piece(at.as_millisecond()).qps
    }

    /// Demand at an instant, and until when it stays the same.
    pub(super) fn holds(&self, at: Timestamp) -> (f64, Timestamp) {
        let at = at.as_millisecond();
        let index = self.index(at);
        let next = self.pieces.get(index + 1).filter(|next| next.start > at);
        (self.piece_of(index).qps, next.map_or(Timestamp::MAX, |next| instant(next.start)))
    }

    /// Mean demand in `[from, to)`, in requests per second; at `from` when that is empty.
    #[must_use]
    pub fn mean(&self, from: Timestamp, to: Timestamp) -> f64 {
        self.mean_between(from.as_millisecond(), to.as_millisecond())
    }

    /// The same, in milliseconds since the Unix epoch.
    pub(super) fn mean_between(&self, from: i64, to: i64) -> f64 {
        self.mean_of((from, self.requests_before(from)), (to, self.requests_before(to)))
    }

    /// The same of two instants whose requests before are known.
    #[inline]
    pub(super) fn mean_of(&self, (from, first): (i64, f64), (to, last): (i64, f64)) -> f64 {
        if to <= from { self.piece(from).qps } else { (last - first) / seconds(to - from) }
    }

    /// Requests since the first piece's start; negative before it. In milliseconds since the Unix epoch.
    #[inline]
    pub(super) fn requests_before(&self, at: i64) -> f64 {
        self.piece(at).requests_before(at)
    }

    #[inline]
    fn piece(&self, at: i64) -> Piece {
        self.piece_of(self.index(at))
    }

    /// The piece of a number; the last one for what is beyond it.
    #[inline]
    fn piece_of(&self, index: usize) -> Piece {
        const NONE: Piece = Piece { start: 0, qps: 0.0, before: 0.0 };
        self.pieces.get(index).or(self.pieces.last()).copied().unwrap_or(NONE)
    }

    /// The number of the piece at an instant, which may be beyond the last one.
    #[inline]
    fn index(&self, at: i64) -> usize {
        let Some(first) = self.pieces.first() else { return 0 };
        match self.regular {
            Some(step) => index(at - first.start, step),
            None => self.pieces.partition_point(|piece| piece.start <= at).saturating_sub(1),
        }
    }
}

/// Looks up instants that come one after the other, each at most a few pieces later than the one before.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pieces: &'a [Piece],
    index: usize,
}

impl Traffic {
    /// A cursor for instants from this one on, in milliseconds since the Unix epoch.
    pub(super) fn cursor(&self, at: i64) -> Cursor<'_> {
        let index = self.pieces.partition_point(|piece| piece.start <= at).saturating_sub(1);
        Cursor { pieces: &self.pieces, index }
    }
}

impl Cursor<'_> {
    /// [`Traffic::requests_before`], of an instant that is not before the one that was asked for last.
    #[inline]
    pub(super) fn requests_before(&mut self, at: i64) -> f64 {
        while self.pieces.get(self.index + 1).is_some_and(|next| next.start <= at) {
            self.index += 1;
        }
        self.pieces.get(self.index).map_or(0.0, |piece| piece.requests_before(at))
    }
}

/// The number of the piece of length `step` in which `since` lies; the first one for what is before it.
fn index(since: i64, step: i64) -> usize {
    // Most scenarios are shorter than 49 days, and numbers of 32 bits are divided faster.
    match (u32::try_from(since), u32::try_from(step)) {
        (Ok(since), Ok(step)) => usize::try_from(since / step.max(1)).unwrap_or(0),
        (_, _) => usize::try_from(since.div_euclid(step)).unwrap_or(0),
    }
}

/// An instant of a piece. All starts are in range; an end may be later than time goes on.
fn instant(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_at(seconds: &[i64]) -> Traffic {
        Traffic::new(seconds.iter().map(|second| (second * 1000, 1.0)).collect())
    }

    #[test]
    fn a_gap_is_a_step_of_more_than_one_and_a_half_medians() {
        let none: [&[i64]; 4] = [&[], &[0], &[0, 60, 120], &[0, 60, 120, 210, 270]];
        for rows in none {
            assert_eq!(rows_at(rows).gaps(), None, "{rows:?}");
        }
        let found = rows_at(&[0, 60, 120, 211, 271, 331, 931, 991]).gaps();
        let expected = Gaps {
            count: 2,
            usual: SignedDuration::from_secs(60),
            longest_from: instant(331_000),
            longest: SignedDuration::from_secs(600),
        };
        assert_eq!(found, Some(expected));
    }
}
