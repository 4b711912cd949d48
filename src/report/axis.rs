//! Axes with round numbers: values from zero up, and local time.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::text;
use crate::simulation::Run;

/// A vertical axis from 0 to a round number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    /// The value of one step between ticks.
    pub(super) step: f64,
    /// How many steps there are.
    pub(super) steps: u32,
}

impl Axis {
    /// The least axis of at most `most` steps that has room for `highest`; `least` is the smallest step.
    pub(super) fn covering(highest: f64, most: u32, least: f64) -> Self {
        let highest = if highest.is_finite() { highest.max(least) } else { least };
        let most = most.max(1);
        let mut power = least;
        // Ends: 10³⁰⁸ is the most that there is.
        loop {
            for factor in [1.0, 2.0, 2.5, 5.0] {
                let step = power * factor;
                // 2.5 replicas are no tick.
                let whole = least < 1.0 || (step - step.round()).abs() < 1e-9;
                if whole && highest <= step * f64::from(most) * (1.0 + 1e-9) {
                    let steps = (1..most).find(|n| highest <= step * f64::from(*n)).unwrap_or(most);
                    return Self { step, steps };
                }
            }
            power *= 10.0;
        }
    }

    /// The highest value.
    pub(super) fn top(self) -> f64 {
        self.step * f64::from(self.steps)
    }

    /// The ticks from 0 up with their labels.
    pub(super) fn ticks(self) -> impl Iterator<Item = (f64, String)> {
        (0..=self.steps).map(move |n| {
            let value = self.step * f64::from(n);
            (value, self.label(value))
        })
    }

    fn label(self, value: f64) -> String {
        let (unit, suffix) = match self.top() {
            top if top >= 1e10 => (1e9, "G"),
            top if top >= 1e7 => (1e6, "M"),
            top if top >= 1e4 => (1e3, "k"),
            _ => (1.0, ""),
        };
        let step = self.step / unit;
        let exact = |decimals: i32| {
            let scaled = step * 10_f64.powi(decimals);
            (scaled - scaled.round()).abs() < 1e-6
        };
        let decimals = [(0, 0), (1, 1), (2, 2)].into_iter().find(|(power, _)| exact(*power));
        let decimals = decimals.map_or(3, |(_, decimals)| decimals);
        if value == 0.0 { "0".to_owned() } else { format!("{:.decimals$}{suffix}", value / unit) }
    }
}

/// The time that a chart shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    /// The first instant.
    pub(super) from: Timestamp,
    /// The instant after the last tick's interval.
    pub(super) end: Timestamp,
}

/// A labelled instant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Where it is in the period, from 0 to 1.
    pub(super) place: f64,
    /// Its local time or date.
    pub(super) label: String,
    /// Whether a day starts here.
    pub(super) midnight: bool,
}

impl Period {
    pub(super) fn of(run: &Run) -> Self {
        let last = run.rows.last().map_or(run.from, |row| row.at);
        let interval = SignedDuration::try_from(run.interval).unwrap_or(SignedDuration::ZERO);
        let interval = interval.max(SignedDuration::from_millis(1));
        Self { from: run.from, end: last.saturating_add(interval).unwrap_or(Timestamp::MAX) }
    }

    /// Where an instant is in the period, from 0 to 1.
    pub(super) fn place(&self, at: Timestamp) -> f64 {
        let length = self.end.duration_since(self.from).as_secs_f64();
        let since = at.duration_since(self.from).as_secs_f64();
        if length > 0.0 { (since / length).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The period in words: `2026-11-23 00:00 to 2026-11-24 00:00 Europe/Berlin`.
    pub(super) fn words(&self, zone: &TimeZone) -> String {
        format!(
            "{} to {} {}",
            text::minute(self.from, zone),
            text::minute(self.end, zone),
            text::zone_name(self.from, zone)
        )
    }

    /// At most about `most` ticks at round local times, however long the period is.
    pub(super) fn ticks(&self, zone: &TimeZone, most: i64) -> Vec<Tick> {
        const MINUTES: [i64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720];
        const DAYS: [i64; 8] = [1, 2, 7, 14, 28, 91, 182, 365];
        let length = self.end.duration_since(self.from).as_mins();
        let fits = |minutes: i64| length / minutes <= most.max(1);
        let minutes = MINUTES.into_iter().find(|minutes| fits(*minutes));
        let days = DAYS.into_iter().find(|days| fits(days * 1440)).unwrap_or(length / 1440 / most.max(1) + 1);
        let days = if minutes.is_some() { 1 } else { days };
        let mut ticks = Vec::new();
        let mut previous = None;
        let mut date = zone.to_datetime(self.from).date();
        loop {
            let mut minute = 0;
            while minute < 1440 {
                let local = date.at(0, 0, 0, 0).saturating_add(minute.minutes());
                minute += minutes.unwrap_or(1440);
                let Ok(at) = zone.to_timestamp(local) else { continue };
                if at > self.end {
                    return ticks;
                }
                // Where clocks go forward, two local times are the same instant.
                if at < self.from || previous.is_some_and(|previous| at <= previous) {
                    continue;
                }
                previous = Some(at);
                ticks.push(self.tick(at, zone));
            }
            let Ok(next) = date.checked_add(days.days()) else { return ticks };
            date = next;
        }
    }

    fn tick(&self, at: Timestamp, zone: &TimeZone) -> Tick {
        let local = zone.to_datetime(at);
        let midnight = local.time() == jiff::civil::Time::midnight();
        let hours = self.end.duration_since(self.from).as_hours();
        let format = match (midnight, hours) {
            (true, 26..=336) => "%a %-d",
            (true, 337..) => "%-d %b",
            _ => "%H:%M",
        };
        Tick { place: self.place(at), label: local.strftime(format).to_string(), midnight }
    }
}
