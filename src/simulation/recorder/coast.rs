//! Stretches of ticks at which nothing moves, in a loop of their own: most of a run is made of them.
//!
//! It is the arithmetic of [`Recorder::account`], [`Recorder::read`] and [`Recorder::open`] with all that does not change
//! left out, in whole milliseconds, so that rows and scores are the same to the last bit. A test compares the two.

use jiff::{SignedDuration, Timestamp};

use super::{Recorder, Served, Tier};
use crate::decision::{Milli, Replicas, Rest};
use crate::simulation::chooser::Choice;
use crate::simulation::{later, measurement};

impl Recorder<'_> {
    /// Plays the ticks from `tick` on that are before `until`, as long as nothing moves. Gives the first one that is not
    /// played, which is `tick` itself when something needs a closer look: a queue, several tiers, what happens in
    /// the plant, or a time that is not in whole milliseconds.
    pub(in crate::simulation) fn coast(
        &mut self,
        tick: Timestamp,
        until: Timestamp,
        interval: SignedDuration,
        rest: &mut Rest<'_>,
    ) -> Timestamp {
        let Some(step) = whole_milliseconds(interval) else { return tick };
        let until = self.calm_until(tick).min(until);
        let before = self.accounted.as_millisecond();
        let is_next = later(self.accounted, interval) == Some(tick) && before == self.known.0;
        let is_whole = tick.subsec_nanosecond() % 1_000_000 == 0;
        let [Tier { scenario, service: None, id, books, .. }] = self.tiers.as_mut_slice() else {
            return tick;
        };
        let measured_by = scenario.plant.measurement;
        let range = measured_by.range(tick.as_millisecond()).filter(|_| is_next && is_whole && tick < until);
        let Some(mut range) = range else { return tick };

        let repeats = measured_by.repeats_after(step);
        let traffic = &scenario.traffic;
        let mut firsts = traffic.cursor(range.first);
        let mut lasts = traffic.cursor(range.last);
        let mut nows = traffic.cursor(before);
        let (seconds, length) = (interval.as_secs_f64(), measurement::seconds(step));
        let choice = Choice::quiet(rest.outcome(Replicas::ZERO));
        let mut stretch = books.stretch(&choice, (&self.plant, *id));
        let capacity = stretch.capacity();
        let (mut at, mut now, mut known) = (tick, before + step, self.known);
        while at < until {
            let measured =
                range.rate(lasts.requests_before(range.last) - firsts.requests_before(range.first));
            let Ok(load) = Milli::from_f64(measured) else { break };
            let Some(asked) = rest.pass(at, load) else { break };
            let requests = nows.requests_before(now);
            let qps = (requests - known.1) / length;
            let served = Served {
                requests: qps * seconds,
                dropped: (qps - capacity).max(0.0) * seconds,
                ..Served::default()
            };
            stretch.turn((qps, served), at, measured, asked);
            known = (now, requests);
            self.accounted = at;
            let shifted = if repeats { Some(range.later(step)) } else { measured_by.range(now + step) };
            let (Some(next), Some(shifted)) = (later(at, interval), shifted) else { break };
            (at, now, range) = (next, now + step, shifted);
        }
        stretch.end(known);
        self.known = known;
        self.plant.advance(self.accounted);
        later(self.accounted, interval).unwrap_or(until)
    }

    /// Until when nothing happens by itself after `at`, in the plant or to what can be measured.
    fn calm_until(&self, at: Timestamp) -> Timestamp {
        let mut until = self.plant.next().unwrap_or(Timestamp::MAX);
        for &(from, back) in &self.scenario.outages {
            if at < back {
                until = until.min(from);
            }
        }
        until
    }
}

fn whole_milliseconds(span: SignedDuration) -> Option<i64> {
    if span.subsec_nanos() % 1_000_000 != 0 {
        return None;
    }
    i64::try_from(span.as_millis()).ok().filter(|step| *step > 0)
}

#[cfg(test)]
mod tests;
