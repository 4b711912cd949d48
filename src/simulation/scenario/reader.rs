//! What the texts of a scenario mean.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::expectation::Expectation;
use super::super::synthetic::Component;
use super::Overrides;
use super::spec::{OutageText, Part, ScenarioSpec, Weekly};
use crate::policy::{FieldError, parse_duration};
use crate::zones;

/// Reads texts and collects what is wrong with them.
pub(super) struct Reader {
    pub(super) mistakes: Vec<FieldError>,
}

impl Reader {
    pub(super) fn add(&mut self, path: &str, problem: impl Into<String>) {
        self.mistakes.push(FieldError { path: path.to_owned(), problem: problem.into() });
    }

    /// A duration above zero.
    pub(super) fn span(&mut self, path: &str, text: &str) -> Duration {
        let span = self.duration(path, text);
        if span.is_zero() && parse_duration(text).is_ok() {
            self.add(path, format!("{text:?} must be longer than nothing"));
        }
        span.max(Duration::from_millis(1))
    }

    pub(super) fn duration(&mut self, path: &str, text: &str) -> Duration {
        parse_duration(text).unwrap_or_else(|error| {
            self.add(path, error.to_string());
            Duration::ZERO
        })
    }

    pub(super) fn instant(&mut self, path: &str, text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|_| {
            let problem = format!("{text:?} is not an RFC 3339 instant, such as 2026-11-23T00:00:00+01:00");
            self.add(path, problem);
            Timestamp::UNIX_EPOCH
        })
    }

    pub(super) fn rate(&mut self, path: &str, qps: f64) -> f64 {
        if !qps.is_finite() || qps < 0.0 {
            self.add(path, format!("{qps} must be a finite number, not negative"));
        }
        qps
    }

    fn finite(&mut self, path: &str, qps: f64) -> f64 {
        if !qps.is_finite() {
            self.add(path, format!("{qps} must be a finite number"));
        }
        qps
    }

    pub(super) fn outages(&mut self, outages: &[OutageText]) -> Vec<(Timestamp, Timestamp)> {
        let read = |(index, outage): (usize, &OutageText)| {
            let from = self.instant(&format!("outages[{index}].at"), &outage.at);
            let length = self.span(&format!("outages[{index}].for"), &outage.r#for);
            let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
            (from, from.saturating_add(length).unwrap_or(Timestamp::MAX))
        };
        outages.iter().enumerate().map(read).collect()
    }

    /// In order, whatever the order of the file.
    pub(super) fn restarts(&mut self, restarts: &[String]) -> Vec<Timestamp> {
        let read = |(index, at): (usize, &String)| self.instant(&format!("restarts[{index}]"), at);
        let mut restarts: Vec<Timestamp> = restarts.iter().enumerate().map(read).collect();
        restarts.sort_unstable();
        restarts
    }

    pub(super) fn expectations(&mut self, base: &str, expect: &BTreeMap<String, String>) -> Vec<Expectation> {
        let read = |(score, wanted): (&String, &String)| {
            Expectation::parse(score, wanted)
                .map_err(|problem| self.add(&format!("{base}.{score}"), problem))
                .ok()
        };
        expect.iter().filter_map(read).collect()
    }

    pub(super) fn parts(&mut self, spec: &ScenarioSpec, overrides: &Overrides) -> Vec<Component> {
        let Some(traffic) = &spec.traffic else {
            if overrides.trace.is_none() && !overrides.is_check {
                let problem = "this scenario has none of its own: give it a recorded trace with --trace FILE";
                self.add("traffic", problem);
            }
            return Vec::new();
        };
        if traffic.is_empty() {
            self.add(
                "traffic",
                "at least one part is needed: constant, diurnal, weekly, spike, step, ramp, noise or trace",
            );
        }
        let parts = traffic.iter().enumerate();
        parts.filter_map(|(index, part)| self.part(&format!("traffic[{index}]"), part, spec.seed)).collect()
    }

    fn zone(&mut self, path: &str, name: Option<&str>) -> TimeZone {
        zones::current().get(name.unwrap_or("UTC")).unwrap_or_else(|problem| {
            self.add(&format!("{path}.timeZone"), problem);
            TimeZone::UTC
        })
    }

    /// A made-up part; recorded ones are read when all else is right.
    fn part(&mut self, path: &str, part: &Part, seed: u64) -> Option<Component> {
        Some(match part {
            Part::Trace(_) => return None,
            Part::Constant(qps) => Component::Constant(self.rate(&format!("{path}.constant"), *qps)),
            Part::Diurnal(diurnal) => {
                let path = format!("{path}.diurnal");
                let zone = self.zone(&path, diurnal.time_zone.as_deref());
                let peak = parse_time(&diurnal.peak).unwrap_or_else(|| {
                    self.add(
                        &format!("{path}.peak"),
                        format!("{:?} is not a time of day, HH:MM", diurnal.peak),
                    );
                    0.0
                });
                let low = self.rate(&format!("{path}.low"), diurnal.low);
                let high = self.rate(&format!("{path}.high"), diurnal.high);
                Component::Diurnal { low, high, peak, zone }
            }
            Part::Spike(spike) => {
                let path = format!("{path}.spike");
                let ramp = spike.ramp.as_deref().unwrap_or("0s");
                Component::Spike {
                    at: self.instant(&format!("{path}.at"), &spike.at),
                    length: self.span(&format!("{path}.for"), &spike.r#for).as_secs_f64(),
                    ramp: self.duration(&format!("{path}.ramp"), ramp).as_secs_f64(),
                    qps: self.rate(&format!("{path}.qps"), spike.qps),
                }
            }
            Part::Step(step) => {
                let path = format!("{path}.step");
                let at = self.instant(&format!("{path}.at"), &step.at);
                Component::Ramp { at, length: 0.0, qps: self.finite(&format!("{path}.qps"), step.qps) }
            }
            Part::Ramp(ramp) => {
                let path = format!("{path}.ramp");
                Component::Ramp {
                    at: self.instant(&format!("{path}.at"), &ramp.at),
                    length: self.span(&format!("{path}.for"), &ramp.r#for).as_secs_f64(),
                    qps: self.finite(&format!("{path}.qps"), ramp.qps),
                }
            }
            Part::Weekly(week) => {
                let path = format!("{path}.weekly");
                let Weekly { mon, tue, wed, thu, fri, sat, sun, time_zone } = week;
                let days = [mon, tue, wed, thu, fri, sat, sun];
                let factors = days.map(|factor| self.rate(&path, factor.unwrap_or(1.0)));
                Component::Weekly { factors, zone: self.zone(&path, time_zone.as_deref()) }
            }
            Part::Noise(noise) => {
                let relative = self.rate(&format!("{path}.noise.relative"), noise.relative);
                Component::Noise { relative, seed }
            }
        })
    }
}

/// `HH:MM` as hours.
fn parse_time(text: &str) -> Option<f64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
    (text.len() == 5 && hour < 24 && minute < 60).then(|| f64::from(hour) + f64::from(minute) / 60.0)
}
