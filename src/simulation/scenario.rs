//! Scenario files: traffic, plant, policy and length, as people write them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::Scenario;
use super::plant::{Measurement, PlantSpec};
use super::synthetic::{self, Component};
use super::traffic::Traffic;
use crate::api::ScalePolicy;
use crate::decision::Replicas;
use crate::manifest::{self, Document, Mistake, Mistakes, PolicyManifest};
use crate::policy::parse_duration;

/// The most ticks of a scenario: a year at 15 s is 2.1 million.
const MOST_TICKS: u128 = 20_000_000;

/// A scenario as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioSpec {
    /// A file with the `ScalePolicy`, next to the scenario.
    pub policy: PathBuf,
    /// The first instant, in RFC 3339.
    pub from: String,
    /// How long it runs, such as `24h`.
    pub length: String,
    /// The time between ticks; default 15s.
    pub interval: Option<String>,
    /// What the noise is drawn from; the same seed gives the same traffic.
    #[serde(default)]
    pub seed: u64,
    /// Parts that add up.
    pub traffic: Vec<Part>,
    /// The workload.
    pub plant: PlantText,
}

/// A part of the traffic.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Part {
    /// The same demand at all times, in requests per second.
    Constant(f64),
    /// A daily cosine between `low` and `high` requests per second, highest at `peak`.
    Diurnal(Diurnal),
    /// A rise of `qps` from `at` for `for`, reached and left over `ramp`.
    Spike(Spike),
    /// `qps` more (or, when negative, less) from `at` on.
    Step(Step),
    /// `qps` more (or less), reached in a straight line over `for`, starting at `at`.
    Ramp(Ramp),
    /// Random variation in proportion to everything else.
    Noise(Noise),
}

/// A daily cosine.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Diurnal {
    /// Least demand, in requests per second.
    pub low: f64,
    /// Highest demand, in requests per second.
    pub high: f64,
    /// Local time of the highest demand, `HH:MM`.
    pub peak: String,
    /// IANA zone of `peak`; default UTC.
    pub time_zone: Option<String>,
}

/// A rise for a while.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spike {
    /// When it starts, in RFC 3339.
    pub at: String,
    /// How long it lasts, ramps included.
    pub r#for: String,
    /// How long it takes to get to its height and back; default 0s.
    pub ramp: Option<String>,
    /// Its height, in requests per second.
    pub qps: f64,
}

/// A lasting change at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// When, in RFC 3339.
    pub at: String,
    /// By how much, in requests per second.
    pub qps: f64,
}

/// A lasting change in a straight line.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ramp {
    /// When it starts, in RFC 3339.
    pub at: String,
    /// How long it takes.
    pub r#for: String,
    /// By how much in the end, in requests per second.
    pub qps: f64,
}

/// Random variation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation in proportion to the demand: 0.05 is five percent.
    pub relative: f64,
}

/// The workload as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlantText {
    /// From a pod's creation until it is ready, such as `30s`.
    pub startup: String,
    /// What one ready replica can carry, in requests per second.
    pub capacity_per_replica: f64,
    /// Replicas at the start.
    pub initial_replicas: i32,
    /// The range of the query's `rate()`; default 1m.
    pub query_window: Option<String>,
    /// The time between scrapes; default 15s.
    pub scrape_interval: Option<String>,
    /// From a scrape until queries see it; default 0s.
    pub evaluation_delay: Option<String>,
}

/// What the command line changes about a scenario.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// A CSV in the place of the scenario's traffic.
    pub trace: Option<PathBuf>,
    /// What all demand is multiplied by.
    pub scale: Option<f64>,
    /// The first instant.
    pub from: Option<Timestamp>,
    /// How long it runs.
    pub length: Option<Duration>,
}

/// Whether a document has the look of a scenario.
#[must_use]
pub fn is_scenario(document: &Document) -> bool {
    document.kind().is_none() && (document.has("traffic") || document.has("plant"))
}

/// Reads a scenario and everything that it names.
///
/// # Errors
/// Every mistake that can be found at once, with file, line, column and path.
pub fn read(file: &Path, overrides: &Overrides) -> Result<Scenario, Mistakes> {
    let text = std::fs::read_to_string(file).map_err(|error| whole(file, error.to_string()))?;
    let directory = file.parent().unwrap_or(Path::new(""));
    parse(file, &text, overrides, |policy| std::fs::read_to_string(directory.join(policy)))
}

/// Reads a scenario from `text`, which is called `file` in errors; `open` gives the text of the policy
/// that it names.
///
/// # Errors
/// As for [`read`].
pub fn parse(
    file: &Path,
    text: &str,
    overrides: &Overrides,
    open: impl FnOnce(&Path) -> std::io::Result<String>,
) -> Result<Scenario, Mistakes> {
    let documents = manifest::parse(file, text)?;
    let [document] = documents.as_slice() else {
        let problem = format!("a scenario is one YAML document; there are {}", documents.len());
        return Err(whole(file, problem).into());
    };
    let spec: ScenarioSpec = document.read()?;
    let policy_file = file.parent().unwrap_or(Path::new("")).join(&spec.policy);
    let policy_text = open(&spec.policy)
        .map_err(|error| document.mistake("policy", format!("{}: {error}", policy_file.display())))?;
    let manifest = manifest::parse_policy(&policy_file, &policy_text)?;
    let mut reader = Reader { document, mistakes: Vec::new() };
    let plant = reader.plant(&spec.plant);
    let interval = reader.span("interval", spec.interval.as_deref().unwrap_or("15s"));
    let length = reader.span("length", &spec.length);
    let length = overrides.length.unwrap_or(length);
    let from = reader.instant("from", &spec.from);
    if length.as_nanos() / interval.as_nanos().max(1) > MOST_TICKS {
        reader.add("length", format!("more than {MOST_TICKS} ticks; shorten it, or lengthen the interval"));
    }
    let parts = reader.parts(&spec);
    if !reader.mistakes.is_empty() {
        return Err(Mistakes(reader.mistakes));
    }
    let scale = overrides.scale.unwrap_or(1.0);
    let (from, length, traffic) = if let Some(trace) = &overrides.trace {
        replay(trace, scale, overrides, length, &manifest.resource)?
    } else {
        let from = overrides.from.unwrap_or(from);
        (from, length, synthetic::traffic(&parts, scale, from, length))
    };
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let PolicyManifest { policy, resource } = manifest;
    Ok(Scenario { name, policy, resource, policy_text, from, length, interval, traffic, plant })
}

/// A recorded trace from its first local midnight, or from where it is told, and no longer than it is.
fn replay(
    file: &Path,
    scale: f64,
    overrides: &Overrides,
    length: Duration,
    policy: &ScalePolicy,
) -> Result<(Timestamp, Duration, Traffic), Mistake> {
    let traffic = Traffic::from_csv(file, scale).map_err(|error| Mistake {
        file: file.to_owned(),
        place: error.line.map(|line| (u64::try_from(line).unwrap_or(u64::MAX), 1)),
        path: String::new(),
        problem: error.problem,
    })?;
    let from = overrides.from.unwrap_or_else(|| first_midnight(&traffic, policy));
    let (start, end) = (traffic.start(), traffic.end());
    let rest = Duration::try_from(end.duration_since(from)).unwrap_or_default();
    if from < start || rest.is_zero() {
        return Err(whole(file, format!("the trace is from {start} to {end}; {from} is not in it")));
    }
    Ok((from, length.min(rest), traffic))
}

/// The first local midnight of a trace, in the time zone of the policy's schedule.
fn first_midnight(traffic: &Traffic, policy: &ScalePolicy) -> Timestamp {
    let zone = policy.spec.schedule.as_ref().and_then(|schedule| TimeZone::get(&schedule.time_zone).ok());
    let start = traffic.start().to_zoned(zone.unwrap_or(TimeZone::UTC));
    let midnight = match start.start_of_day() {
        Ok(today) if today.timestamp() == start.timestamp() => Ok(today),
        Ok(_) | Err(_) => start.tomorrow().and_then(|tomorrow| tomorrow.start_of_day()),
    };
    match midnight {
        Ok(midnight) if midnight.timestamp() < traffic.end() => midnight.timestamp(),
        // A trace of less than a day is played from its start.
        Ok(_) | Err(_) => traffic.start(),
    }
}

fn whole(file: &Path, problem: String) -> Mistake {
    Mistake { file: file.to_owned(), place: None, path: String::new(), problem }
}

/// Reads the texts of a scenario and collects what is wrong with them.
struct Reader<'a> {
    document: &'a Document,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn add(&mut self, path: &str, problem: impl Into<String>) {
        self.mistakes.push(self.document.mistake(path, problem));
    }

    /// A duration above zero.
    fn span(&mut self, path: &str, text: &str) -> Duration {
        let span = self.duration(path, text);
        if span.is_zero() && parse_duration(text).is_ok() {
            self.add(path, format!("{text:?} must be longer than nothing"));
        }
        span.max(Duration::from_millis(1))
    }

    fn duration(&mut self, path: &str, text: &str) -> Duration {
        parse_duration(text).unwrap_or_else(|error| {
            self.add(path, error.to_string());
            Duration::ZERO
        })
    }

    fn instant(&mut self, path: &str, text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|_| {
            let problem = format!("{text:?} is not an RFC 3339 instant, such as 2026-11-23T00:00:00+01:00");
            self.add(path, problem);
            Timestamp::UNIX_EPOCH
        })
    }

    fn rate(&mut self, path: &str, qps: f64) -> f64 {
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

    fn plant(&mut self, text: &PlantText) -> PlantSpec {
        if !(text.capacity_per_replica.is_finite() && text.capacity_per_replica > 0.0) {
            self.add("plant.capacityPerReplica", "must be a finite number above 0");
        }
        if !(0..=100_000).contains(&text.initial_replicas) {
            self.add("plant.initialReplicas", "must be between 0 and 100000");
        }
        PlantSpec {
            startup: self.duration("plant.startup", &text.startup),
            capacity_per_replica: text.capacity_per_replica,
            initial_replicas: Replicas::new(text.initial_replicas),
            measurement: Measurement {
                window: self.span("plant.queryWindow", text.query_window.as_deref().unwrap_or("1m")),
                scrape_interval: self
                    .span("plant.scrapeInterval", text.scrape_interval.as_deref().unwrap_or("15s")),
                delay: self
                    .duration("plant.evaluationDelay", text.evaluation_delay.as_deref().unwrap_or("0s")),
            },
        }
    }

    fn parts(&mut self, spec: &ScenarioSpec) -> Vec<Component> {
        if spec.traffic.is_empty() {
            self.add("traffic", "at least one part is needed: constant, diurnal, spike, step, ramp or noise");
        }
        let parts = spec.traffic.iter().enumerate();
        parts.map(|(index, part)| self.part(&format!("traffic[{index}]"), part, spec.seed)).collect()
    }

    fn part(&mut self, path: &str, part: &Part, seed: u64) -> Component {
        match part {
            Part::Constant(qps) => Component::Constant(self.rate(&format!("{path}.constant"), *qps)),
            Part::Diurnal(diurnal) => {
                let path = format!("{path}.diurnal");
                let name = diurnal.time_zone.as_deref().unwrap_or("UTC");
                let zone = TimeZone::get(name).unwrap_or_else(|_| {
                    self.add(
                        &format!("{path}.timeZone"),
                        format!("{name:?} is not a time zone of the IANA database"),
                    );
                    TimeZone::UTC
                });
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
            Part::Noise(noise) => {
                let relative = self.rate(&format!("{path}.noise.relative"), noise.relative);
                Component::Noise { relative, seed }
            }
        }
    }
}

/// `HH:MM` as hours.
fn parse_time(text: &str) -> Option<f64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
    (text.len() == 5 && hour < 24 && minute < 60).then(|| f64::from(hour) + f64::from(minute) / 60.0)
}
